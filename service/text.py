"""Folding of text, reply marks, and what counts as a word. Indexing, search, import and tests all use this module.

The analyzers in index_mappings/conversations.json have the same rules.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

# Normalization turns one character into up to 18 characters and 4 words. A token may become a clause of a query, and
# OpenSearch allows 1,024 clauses.
MAX_PLAIN_CHARACTERS = 800
MOST_MARKS = 30  # of a run of combining marks, as in the mapping's char filter "marks"

# Unicode blocks of scripts without spaces between words, and their marks, as in the mapping's tokenizer. Their digits
# are not among them: these are numbers as everywhere.
SPACELESS = re.compile(
    "[\u0e00-\u0e4f\u0e5a-\u0ecf\u0eda-\u0eff\u1000-\u103f\u104a-\u108f\u109a-\u109f\u1100-\u11ff\u1780-\u17df"
    "\u17ea-\u17ff\u2e80-\u2fdf\u3005-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff]"
)

# A text of Chinese characters and kana only, as in the mapping's tokenizer "east_asian".
EAST_ASIAN = re.compile(
    "[\u3005\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]+"
)

# Unicode's Default_Ignorable_Code_Point: soft hyphens, joiners, marks of direction, variation selectors and the like,
# without the tags of flags (U+E0020 to U+E007F). The mapping's char filter "plain" removes the same.
INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e001f\U000e0080-\U000e0fff"
)
INVISIBLE_CHARACTER = re.compile(f"[{INVISIBLE}]")
# Of these, two may part words, as in Thai, Khmer and Persian: the zero-width space and the zero-width non-joiner.
PARTING = re.compile("[\u200b\u200c]+")
_NOT_PARTING = re.compile(f"(?![\u200b\u200c])[{INVISIBLE}]")
# Invisible characters that no script needs to show a word right, unlike joiners and variation selectors.
_STRAY = re.compile(f"(?![\u200b-\u200d\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef])[{INVISIBLE}]")
# What is cut off at both ends of names, labels and addresses: Unicode's white space, and what is invisible in pasted
# texts: zero-width spaces and joiners, soft hyphens, marks of direction. Variation selectors are parts of emoji.
_EDGES = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
    "\u00ad\u061c\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)
# Signs of words that normalization would join to the word before: ™ is TM, № is No; and fractions: 1½ is not 11⁄2.
APART = re.compile("[\u00bc-\u00be\u2116\u2120-\u2122\u213b\u2150-\u215f\u2189]")
# Emoji that normalization would turn into punctuation, and those that Unicode counts as punctuation.
_EMOJI = str.maketrans({"\u203c": "\u2757\u2757", "\u2049": "\u2757\u2753"})
_PUNCTUATION_EMOJI = frozenset("\u3030\u303d")
# The Thai and the Lao vowel am, which normalization splits, even around a tone mark. Dictionaries have it whole.
_THAI_AM = re.compile("\u0e4d([\u0e48-\u0e4b]?)\u0e32")
_LAO_AM = re.compile("\u0ecd([\u0ec8-\u0ecb]?)\u0eb2")
# Decimal digits of any script, as in the mapping's char filter "digits".
_DIGIT = re.compile(r"(?![0-9])\d")
# The Persian heh with a hamza, of which normalization makes another letter; it is typed without the hamza, too.
_HEH = re.compile("\u06d5\u0654?|\u06c0")
# The French n° before a number, with a degree sign, is read as nº, which normalization turns into no, like №.
_NUMERO = re.compile(r"(?<![^\W_][nN])(?<=[nN])\u00b0(?=\s?[0-9])")
# Letters with two encodings: Malayalam chillus and the Bengali khanda ta, before Unicode had them with a joiner; the
# Thai and the Lao vowel ae, typed as two vowels e.
_TWO_ENCODINGS = re.compile(
    "[\u0d15\u0d23\u0d28\u0d30\u0d32\u0d33]\u0d4d\u200d|\u09a4\u09cd\u200d|\u0e40\u0e40|\u0ec0\u0ec0"
)
_ONE_ENCODING = dict(
    zip(
        "\u0d15\u0d23\u0d28\u0d30\u0d32\u0d33\u09a4\u0e40\u0ec0",
        "\u0d7f\u0d7a\u0d7b\u0d7c\u0d7d\u0d7e\u09ce\u0e41\u0ec1",
        strict=True,
    )
)
# The Armenian ligature ev is spelled out with another letter than its capitals: all are read as the capitals.
_ARMENIAN_EV = re.compile("(?<=[\u0535\u0565])[\u0552\u0582]")
# Trademark and copyright signs, which are punctuation next to a word, or after it with a space between.
_OWNED = re.compile(r"(?<=[^\W_])\s?[\u00a9\u00ae\u2117\u2120\u2122]+|[\u00a9\u00ae\u2117]+(?=[^\W_])")
# Letters that folding removes, so that they are not words by themselves: modifier letters and the Arabic tatweel.
_NO_WORD = re.compile("[\u02b9-\u02ff\u0640]")
_LETTERS = r"[^\W\d_\u02bc]"  # U+02BC is an apostrophe, though a letter; as both, it would make matching exponential
# What may be between the letters of one word, as in AC/DC, Q&A, col·lecció; in Hebrew, quotation marks as in צה"ל. The
# mapping's char filters "parting" and "within", or its tokenizer, keep such words together.
_HEBREW = "\u05d0-\u05ea"
_WITHIN = (
    "(?:[-.'\u2018\u2019\u201b\u02bc`\u2010\u2011\u2013\u2212_\u200b\u200c/&\u00b7\u2027\u05f3]"
    f'|(?<=[{_HEBREW}])["\u201c\u201d\u05f4](?=[{_HEBREW}]))'
)
_HYPHENATED = re.compile(rf"\W*({_LETTERS}+(?:{_WITHIN}{_LETTERS}+)+)\W*")
# An accent typed as an apostrophe, which normalization would turn into a space and a mark.
_ACCENT = re.compile(rf"(?<={_LETTERS})\u00b4(?={_LETTERS})")
_KEYCAP = re.compile("[#*]\ufe0f?\u20e3")
# Mathematical signs that are punctuation here: those of ASCII, and those that normalization writes into fractions.
_PUNCTUATION = frozenset("<=>|~\u2044\u2212\u2215")
# Signs that Unicode counts as punctuation, but that can be searched for, like signs of currencies: paragraph, permille.
_SIGNS = frozenset("\u00a7\u00b6\u2020\u2021\u2030\u2031\u0609\u060a")

# The words that mail programs put before the subject of a reply or of forwarded mail, with their languages. This is the
# one list: search, imports and the mapping's char filter "replies" follow from it. Words that people write before a
# colon for another reason are left out, such as "PS", "Ref" and "FS" (for sale).
_REPLY_WORDS = (
    "re|r|fwd?|fw|forward"  # English, and the usual ones of most languages
    "|aw|antw|antwort|wg"  # German, Dutch
    "|doorst|tl"  # Dutch, Estonian
    "|sv|svar|ang|vs|vb|vl|videresend"  # Swedish, Danish, Norwegian, Finnish, Icelandic
    "|rv|tr|réf|rép|rif|i|enc|res|rsp|resp"  # Spanish, French, Italian, Portuguese
    "|odp|pd|odg|prosl|ats|atb|pārs|edasi"  # Polish, Czech, Slovene, Croatian, Lithuanian, Latvian, Estonian
    "|vá|továbbítás|tov"  # Hungarian
    "|ynt|ilt|i\u0307lt"  # Turkish; the last one is its capital letters after case folding
    "|bls|trs"  # Indonesian
    "|redir"  # Romanian
    "|yml|erantz"  # Welsh, Basque
    "|trả lời|chuyển tiếp"  # Vietnamese
    "|отв|ответ|пер|пересл|відп|відповідь|отг|препр|одг|на"  # Russian, Ukrainian, Bulgarian, Serbian
    "|απ|απάντηση|πρθ|προώθ|σχετ"  # Greek
    "|השב|תגובה|הועבר|رد|إعادة توجيه|پاسخ"  # Hebrew, Arabic, Persian
    "|回复|答复|回覆|答覆|转发|轉寄|轉發|返信|転送|회신|답장|전달|回信|转寄"  # Chinese, Japanese, Korean
    "|ตอบ|ส่งต่อ"  # Thai
)
_SPACE = r"[ \t\n\x0B\f\r]"  # Java's \s, which Python's differs from
# The reply marks at the start of a subject, for search. The mapping's char filter "replies", which removes them from
# subjects, has the same pattern. The possessive `++` keeps Java from recursing on the group. Among them are the other
# marks of forwarded mail (MAIL_FORWARDED): [Fwd: invoice], (Fwd) invoice and, at the end, invoice (fwd).
REPLY_MARKS = re.compile(
    rf"(?iu)(^|\]){_SPACE}*(?:(?:(?:\[(?=fwd?{_SPACE}?:))?(?:re{_SPACE}{{1,3}})?(?:{_REPLY_WORDS})"
    rf"\.?(?:{_SPACE}?[\[\(][0-9]{{1,3}}[\]\)]|{_SPACE}?[\^\*-][0-9]{{1,3}})?{_SPACE}*:|\(fwd\)){_SPACE}*)++"
    rf"|\(fwd\){_SPACE}*$"
)
# The words of these marks, which the search syntax could mistake for the name of a field.
REPLY_WORDS = frozenset(_REPLY_WORDS.replace("?", "").split("|"))
# One reply mark at the start of a subject, for threading imported mail: the same, also with decomposed accents,
# Unicode's whitespace and digits and the full-width colon, because an import compares subjects as they were written.
MAIL_REPLY_MARK = re.compile(
    rf"^\s*+(?:re\s{{1,3}})?(?:{_REPLY_WORDS}|{unicodedata.normalize('NFD', _REPLY_WORDS)})"
    r"\.?(?:\s?[\[\(]\d{1,3}[\]\)]|\s?[\^\*-]\d{1,3})?\s*+[:：]\s*+",
    re.IGNORECASE,
)
# Other marks of forwarded mail (RFC 5256, 2.1): Mozilla's around the subject, [Fwd: invoice], Pine's after it, invoice
# (fwd), and Pegasus's before it, (Fwd) invoice. The subject is the only group that matched.
MAIL_FORWARDED = re.compile(
    rf"^\s*+(?:\[((?:{_REPLY_WORDS})\s?[:：].*)\]|\(fwd\)\s*+(\S.*)|(\S.*)\(fwd\))\s*$", re.IGNORECASE | re.DOTALL
)


def trimmed(text: str) -> str:
    """A name, label or address without white space and invisible characters at its ends."""
    return text.strip(_EDGES)


def fold(text: str) -> str:
    """Removes differences of case, accents and width, so that texts can be compared without regard to them.

    The text is normalized to NFKD, characters with a combining class are removed (accents, but not Indic and Thai
    vowels), and the rest is case-folded.
    """
    return text.lower() if text.isascii() else text.translate(_FOLDED)


class _Folded(dict[int, str]):
    """A cache of what each character folds to, for `str.translate`.

    Each character is normalized by itself, because normalizing a whole text sorts its runs of marks, which takes
    quadratic time for a long run. The marks are removed anyway, so the result is the same.
    """

    def __init__(self, fold_decomposed: Callable[[str], str]) -> None:
        """`fold_decomposed` folds a character that is in NFKD."""
        self._fold_decomposed = fold_decomposed

    def __missing__(self, code_point: int) -> str:
        folded = self._fold_decomposed(unicodedata.normalize("NFKD", chr(code_point)))
        if code_point <= _LAST_KEPT:
            self[code_point] = folded
        return folded


def _without_marks(decomposed: str) -> str:
    return "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()


def fold_for_search(text: str) -> str:
    """The text folded as search folds words, to compare a completion or a correction with what was typed.

    In Indian scripts, Thai, Lao, Khmer, Burmese and Tibetan, marks are kept: without its virama, a word is another
    word.
    """
    return text.lower() if text.isascii() else text.translate(_FOLDED_FOR_SEARCH)


def _as_in_the_mapping(decomposed: str) -> str:
    """As the mapping's filter `folding` folds it."""
    plain = _FOLDED_MARKS.sub("", decomposed)
    digits = (str(unicodedata.decimal(character, character)) for character in plain)
    return "".join(digits).casefold().translate(_SPELLED_OUT)


# The marks that `folding` removes: those of the scripts that its set of characters names, and those of any script.
_FOLDED_MARKS = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u0711\u0730-\u074a\u08ca-\u08e1\u08e3-\u08ff\u0951-\u0954"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20f0\u2cef-\u2cf1\u2de0-\u2dff\ua66f\ua674-\ua67d\ua69e\ua69f\ufe20-\ufe2f]"
)
# Letters that have no decomposition, and that the analyzers fold too.
_SPELLED_OUT = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "ħ": "h", "ı": "i", "ŧ": "t"}
)

_LAST_KEPT = 0xFFFF  # higher characters are not cached, which bounds the memory
_FOLDED = _Folded(_without_marks)
_FOLDED_FOR_SEARCH = _Folded(_as_in_the_mapping)


def pieces_of(text: str) -> list[str]:
    """The parts of the text between spaces, in plain width, without reply marks and parts without a word.

    Next to words, ASCII signs such as the + of `a + b` are punctuation. Alone, they are searched for.
    """
    plain = REPLY_MARKS.sub(r"\1 ", plain_of(_OWNED.sub(" ", text)))
    pieces = [piece for piece in plain.split() if has_words(REPLY_MARKS.sub("", piece))]
    return [piece for piece in pieces if not piece.isascii() or has_letters(piece)] or pieces


def plain_of(text: str) -> str:
    """The text in NFKC, as in the mapping's char filters: in plain width, with ligatures and symbols spelled out.

    Runs of marks are cut first, as in the char filter "marks", because NFKC reorders the marks of a run. Decimal digits
    of any script become those of ASCII. Signs such as ™ become words of their own, as in the char filter "apart".
    Invisible characters are removed, except those that may part words.
    """
    if text.isascii() or not any(map(_may_change, set(text))):
        return text
    return _spelled_out(_cut_marks(text))


@lru_cache(maxsize=2**16)
def _may_change(character: str) -> bool:
    """Whether `plain_of` may change a text because of this character."""
    is_jamo = "\u1100" <= character <= "\u11ff"  # parts of syllables, which NFKC composes
    return (
        is_jamo
        or character in "\u00b0\u0552\u0582\u0e40\u0ec0"
        or _is_mark(character)
        or _spelled_out(character) != character
    )


def _spelled_out(text: str) -> str:
    one_encoding = _DIGIT.sub(lambda found: str(unicodedata.decimal(found[0])), _in_one_encoding(text))
    marked = APART.sub(r" \g<0> ", _ACCENT.sub("'", _NUMERO.sub("\u00ba", one_encoding).translate(_EMOJI)))
    plain = unicodedata.normalize("NFKC", marked)
    return without_invisible(_ARMENIAN_EV.sub("\u057e", _with_usual_vowels(plain)))


def _in_one_encoding(text: str) -> str:
    return _TWO_ENCODINGS.sub(lambda found: _ONE_ENCODING[found[0][0]], text)


def _with_usual_vowels(text: str) -> str:
    return _HEH.sub("\u0647", _LAO_AM.sub("\\1\u0eb3", _THAI_AM.sub("\\1\u0e33", text)))


def composed(text: str) -> str:
    """The text as it is written: in NFC, in its original width, without invisible characters that no word needs."""
    if text.isascii():
        return text
    return _with_usual_vowels(unicodedata.normalize("NFC", _STRAY.sub("", _in_one_encoding(_cut_marks(text)))))


def letters_of(text: str) -> list[str]:
    """The letters with their marks, as the mapping's tokenizer `runs` cuts a script without spaces."""
    letters: list[str] = []
    for character in text:
        if letters and _is_mark(character):
            letters[-1] += character
        else:
            letters.append(character)
    return letters


@lru_cache(maxsize=2**16)
def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" or character in "\uff9e\uff9f"


def without_invisible(text: str) -> str:
    """The text without invisible characters, except those that may part words."""
    return text if text.isascii() else _NOT_PARTING.sub("", text)


def _cut_marks(text: str) -> str:
    kept, run = [], 0
    for character in text:
        run = run + 1 if _is_mark(character) else 0
        if run <= MOST_MARKS:
            kept.append(character)
    return "".join(kept)


def check_plain_length(text: str) -> None:
    """Raises ValueError if the text is too long after `plain_of`."""
    spaces = 2 * len(APART.findall(text))  # which do not count
    if (length := len(plain_of(text)) - spaces) > MAX_PLAIN_CHARACTERS:
        raise ValueError(
            f"must have at most {MAX_PLAIN_CHARACTERS} characters once ligatures and symbols are spelled out, "
            f"not {length}"
        )


def in_one_word(piece: str) -> str:
    """The word without the signs within it: `email` of `e-mail`, `dont` of `don’t`. Empty if it has none.

    Scripts without spaces have no such words.
    """
    found = _HYPHENATED.fullmatch(piece) if not SPACELESS.search(piece) else None
    return "".join(re.findall(_LETTERS, found[1])) if found else ""


def without_punctuation(text: str) -> str:
    """The text without the characters at its end that are not part of a word."""
    end = len(text)
    while end and not kind_of_character(text[end - 1]):
        end -= 1
    return text[:end]


def without_last_part(piece: str) -> str:
    """The piece without its last part. A part is a sequence of letters, or of digits."""
    whole = without_punctuation(piece)
    start = len(whole)
    while start and kind_of_character(whole[start - 1]) == kind_of_character(whole[-1]):
        start -= 1
    return whole[:start]


def has_words(text: str) -> bool:
    """Whether the text has anything that a search can find: letters, numbers, or symbols such as emoji."""
    return any(_is_word(character) for character in text) or bool(_KEYCAP.search(text))


def has_letters(text: str) -> bool:
    """Whether the text has letters or numbers, and not only symbols."""
    return any(_is_word(c) and kind_of_character(c) in ("letter", "number") for c in text)


def symbols_of(text: str) -> str:
    """The symbols of the text, which count as words anywhere in it."""
    alone = "".join(character for character in text if kind_of_character(character) == "symbol")
    return alone + "".join(_KEYCAP.findall(text))


def _is_word(character: str) -> bool:
    """Whether the character alone is a word. Marks are parts of words, but are not words alone."""
    kind = kind_of_character(character)
    return bool(kind) and unicodedata.category(character)[0] != "M" and not _NO_WORD.match(character)


def kind_of_character(character: str) -> str:
    """`letter`, `number`, `symbol` or `sign`, or an empty string for a character that is not part of a word.

    A symbol is an emoji or the like, or a number without digits, such as one in a black circle. Characters that this
    version of Python does not know yet, and private ones, count as symbols. A sign is one of mathematics, of a
    currency, or of a paragraph.
    """
    category = unicodedata.category(character)
    if character in _PUNCTUATION_EMOJI or (category == "No" and unicodedata.normalize("NFKC", character) == character):
        return "symbol"
    if character in _SIGNS:
        return "sign"
    if INVISIBLE_CHARACTER.match(character) or character in _PUNCTUATION:
        return ""
    if category == "Cn":
        return "" if ord(character) & 0xFFFE == 0xFFFE or "\ufdd0" <= character <= "\ufdef" else "symbol"
    return _KINDS.get(category, _KINDS.get(category[0], ""))


_KINDS = {"L": "letter", "M": "letter", "N": "number", "So": "symbol", "Co": "symbol", "Sm": "sign", "Sc": "sign"}
