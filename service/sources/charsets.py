"""Decodes bytes as the charset that a message names, or as the one that it probably means.

Mail names charsets loosely: a name often means a larger charset (Shift_JIS means Microsoft's code page 932), has an
unusual spelling, or is wrong. WHATWG's table of names, which browsers use, is the base. The tables here add what it
lacks. No input raises an error.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

import webencodings

from service.sources.iso2022 import decode_jis

LONGEST_NAME = 100
LONGEST_GUESSED = 4_000  # bytes of a text without a charset that are examined

# Names that neither WHATWG's table nor Python knows, or that Python takes for another charset.
_NAMES = {
    "": "utf-8",
    "8bit": "utf-8",
    "7bit": "utf-8",
    "default": "utf-8",
    "default_charset": "utf-8",
    "unknown": "utf-8",
    "unknown-8bit": "utf-8",
    "x-unknown": "utf-8",
    "none": "utf-8",
    "utf8mb4": "utf-8",
    "utf-8mb4": "utf-8",
    "utf": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
    "x-unicode-2-0-utf-7": "utf-7",
    "unicode-2-0-utf-7": "utf-7",
    "ucs-2": "utf-16",
    "iso-10646-ucs-2": "utf-16",
    "unicode": "utf-16",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "iso-2022-kr": "iso2022_kr",
    "csiso2022kr": "iso2022_kr",
    "iso-2022-cn": "gb18030",
    "iso-2022-cn-ext": "gb18030",
    "hz-gb-2312": "hz",
    "hz": "hz",
    "koi8-ru": "koi8_u",
    "koi8": "koi8_r",
    "koi": "koi8_r",
    "iso-8859-6-i": "iso8859_6",
    "iso-8859-6-e": "iso8859_6",
    "iso-8859-8-i": "iso8859_8",
    "iso-8859-8-e": "iso8859_8",
    "logical": "iso8859_8",
    "visual": "iso8859_8",
    "tis-620": "cp874",
    "tis620": "cp874",
    "windows-31j": "cp932",
    "cswindows31j": "cp932",
    "ms932": "cp932",
    "ms-kanji": "cp932",
    "x-ms-cp932": "cp932",
    "sjis": "cp932",
    "x-sjis": "cp932",
    "shift-jis": "cp932",
    "eucjp-ms": "euc_jp",
    "eucjp-win": "euc_jp",
    "cp51932": "euc_jp",
    "cp50220": "iso2022_jp",
    "cp50221": "iso2022_jp",
    "cp50222": "iso2022_jp",
    "iso-2022-jp-ms": "iso2022_jp",
    "uhc": "cp949",
    "ms949": "cp949",
    "x-windows-949": "cp949",
    "windows-949": "cp949",
    "ks-c-5601": "cp949",
    "ksc5601": "cp949",
    "x-johab": "johab",
    "windows-936": "gb18030",
    "x-gbk": "gb18030",
    "x-euc-cn": "gb18030",
    "euc-cn": "gb18030",
    "gb-2312": "gb18030",
    "gb2312-80": "gb18030",
    "windows-950": "big5",
    "x-x-big5": "big5",
    "big5": "big5",
    "big-5": "big5",
    "x-euc-tw": "big5",
    "cn-big5": "big5",
    "big5-eten": "big5",
    "cp1252-1": "cp1252",
    "ansi": "cp1252",
    "x-ansi": "cp1252",
    "ansi-x3.4-1968": "ascii",
    "ansi-x3.4-1986": "ascii",
    "x-user-defined": "latin-1",
    "macintosh": "mac_roman",
    "mac": "mac_roman",
    "x-mac-roman": "mac_roman",
    "x-mac-ce": "mac_latin2",
    "x-mac-centraleurroman": "mac_latin2",
    "x-mac-cyrillic": "mac_cyrillic",
    "x-mac-ukrainian": "mac_cyrillic",
    "x-mac-greek": "mac_greek",
    "x-mac-turkish": "mac_turkish",
    "x-mac-icelandic": "mac_iceland",
    "x-mac-croatian": "mac_croatian",
    "x-mac-romanian": "mac_romanian",
    "x-mac-arabic": "mac_arabic",
    "x-mac-farsi": "mac_farsi",
    "x-mac-hebrew": "cp1255",  # the letters have the same codes
    "x-mac-thai": "cp874",
    "x-mac-japanese": "cp932",
    "x-mac-chinesesimp": "gb18030",
    "x-mac-chinesetrad": "big5",
    "x-mac-korean": "cp949",
}

# The codecs to try for a charset, by Python's name for it. The first one that fits is used.
_MEANT = {
    "ascii": ("utf-8", "cp1252"),
    "iso8859-1": ("cp1252",),
    "iso8859-9": ("cp1254",),
    "iso8859-11": ("cp874",),
    "iso8859-8": ("iso8859_8", "cp1255"),
    "shift_jis": ("cp932", "shift_jis_2004"),
    "shift_jisx0213": ("shift_jis_2004", "cp932"),
    "cp932": ("cp932", "shift_jis_2004"),
    "euc_kr": ("cp949",),
    "gb2312": ("gb18030",),
    "gbk": ("gb18030",),
    "big5": ("cp950", "big5hkscs"),
    "cp950": ("cp950", "big5hkscs"),
    "big5hkscs": ("big5hkscs", "cp950"),
    "iso2022_jp": ("iso2022_jp_2",),
    "iso2022_jp_1": ("iso2022_jp_2",),
    "iso2022_jp_3": ("iso2022_jp_3",),
    "iso2022_jp_2004": ("iso2022_jp_2004",),
    "iso2022_jp_ext": ("iso2022_jp_ext",),
}
_NO_CHARSETS = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"}
# Charsets in which bytes below 128 are not always ASCII.
_STATEFUL = re.compile(r"iso2022|utf-?7|utf-?16|utf-?32|^hz$|^cp(?:037|273|424|500|864|875|1026|1140)$")
_OF_LANGUAGE = re.compile(r"\*[a-z0-9-]*$")  # RFC 2231, 5: charset*language
_AROUND = " \t\r\n\"'`;:,.<>()[]"
_SPELLED = re.compile(r"^(?:x-)?(?:cp|ibm|windows|win|ms|microsoft-cp|microsoft-codepage)[-_ ]?(\d{3,5})$")
_ISO_8859 = re.compile(r"^(?:x-)?iso[-_ ]?8859[-_ ]?(\d{1,2})\b")
_TWO_BYTES = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
# A UTF-8 character that was cut off, and is unlikely to be accented letters of another charset.
_CUT_UTF8 = re.compile(rb"(?:[\xc2\xc3\xd0\xd1]|[\xe0-\xef][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf]{1,2})\Z")
_PAIR = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")  # surrogates in UTF-8
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
# Text in other charsets is seldom valid in these, so a hint that names one of them is tried before broken UTF-8.
_MULTIBYTE = {"gb18030", "cp950", "big5hkscs", "cp932", "cp949", "euc_jp"}
_KOREAN = b"\x1b$)C"  # ISO-2022-KR begins with this; without it, Python takes what follows for ASCII
_ESCAPED = re.compile(rb"\x1b\$(?:[@AB]|\([CDOPQ])")


def decode(data: bytes, charset: str | None = None, hint: str | None = None) -> str:
    """The text of these bytes. `hint` names the charset to try if `charset` is None and the bytes are not UTF-8."""
    codecs_meant = _codecs_of(charset[:LONGEST_NAME]) if charset else None
    if data.isascii() and not (codecs_meant and _STATEFUL.search(codecs_meant[0])):
        return decode_jis(data) if _ESCAPED.search(data) else data.decode("ascii")
    if codecs_meant is None:
        return _undeclared(data, hint)
    return _declared(data, codecs_meant)


def is_charset(name: str) -> bool:
    return _codecs_of(name[:LONGEST_NAME]) is not None


@lru_cache(maxsize=1024)
def codec_of(charset: str) -> str:
    """One name for all names of a charset; the name itself if it is unknown."""
    meant = _codecs_of(charset[:LONGEST_NAME])
    return meant[0] if meant else charset


@lru_cache(maxsize=1024)
def _codecs_of(charset: str) -> tuple[str, ...] | None:
    """Python's codecs to try for a charset's name, or None if the name is unknown."""
    name = _OF_LANGUAGE.sub("", charset.strip(_AROUND).lower()).strip(_AROUND)
    for spelling in _spellings(name):
        if (found := _known(spelling)) is not None:
            return _MEANT.get(found, (found,))
    return None


def _spellings(name: str) -> list[str]:
    """The ways in which the tables may know a name."""
    plain = "-".join(name.replace("_", "-").split())
    spellings = [name, plain, plain.removeprefix("x-"), plain.removeprefix("charset="), plain.replace("-", "")]
    if (page := _SPELLED.match(name)) is not None:
        spellings += [f"cp{page[1]}", f"windows-{page[1]}"]
    if (part := _ISO_8859.match(name)) is not None:
        spellings.append(f"iso8859-{part[1]}")
    return spellings


def _known(name: str) -> str | None:
    if name in _NAMES:
        name = _NAMES[name]
        if name == "utf-8":
            return "utf-8"
    elif (web := webencodings.lookup(name)) is not None:
        name = web.codec_info.name
    try:
        codec = codecs.lookup(name).name
        if codec.replace("-", "_") in _NO_CHARSETS:
            return None
        b"a".decode(codec, "ignore")  # raises LookupError for a codec that makes no text, such as base64
    except (LookupError, ValueError):
        return None
    return codec


def _declared(data: bytes, names: tuple[str, ...]) -> str:
    if names[0] == "iso2022_kr" and not data.startswith(_KOREAN):
        data = _KOREAN + data
    if (names[0] == "cp1252" or names[0].startswith("iso2022")) and _is_utf8(data):
        return data.decode()  # some programs write UTF-8, but declare the charset that their users expect
    if names[0] == "utf-8":
        data = _with_pairs(data)
    for name in (_utf16_order(data, names[0]), *names[1:]):
        try:
            return data.decode(name)
        except UnicodeError:
            continue
    if names[0].startswith("iso2022_jp"):
        return decode_jis(data)
    if names[0] == "euc_jp":
        return decode_jis(data, is_euc=True)
    return _mostly(data, names[0]) or _undeclared(data, names[0])


def _undeclared(data: bytes, hint: str | None) -> str:
    """UTF-8 if that fits, else what the hint says, else a guess."""
    if data[:2] in _UTF16_MARKS and len(data) % 2 == 0:
        return data.decode("utf-16", "replace")
    try:
        return _with_pairs(data).decode()
    except UnicodeError:
        pass
    hinted = [name for name in _codecs_of(hint[:LONGEST_NAME]) or () if name != "utf-8"] if hint else []
    for name in ("utf-8", *hinted) if hinted and hinted[0] not in _MULTIBYTE else (*hinted, "utf-8"):
        try:
            if (text := _mostly(data, name) if name == "utf-8" else data.decode(name)) is not None:
                return text
        except UnicodeError:
            continue
    return data.decode(guess(data[:LONGEST_GUESSED]), "replace")


def _with_pairs(data: bytes) -> bytes:
    """Joins surrogate pairs in UTF-8, as Java and older databases write them (CESU-8), into one character each."""
    return _PAIR.sub(_one_character, data) if b"\xed" in data else data


def _one_character(pair: re.Match[bytes]) -> bytes:
    surrogates = pair[0].decode("utf-8", "surrogatepass")
    return surrogates.encode("utf-16", "surrogatepass").decode("utf-16").encode()


def _is_utf8(data: bytes) -> bool:
    if _TWO_BYTES.search(data) is None:
        return False
    try:
        data.decode()
    except UnicodeError:
        return False
    return True


def _utf16_order(data: bytes, name: str) -> str:
    """The byte order of UTF-16 without a byte order mark, found by the zero bytes of Latin letters."""
    if name not in {"utf-16", "utf_16"} or data[:2] in _UTF16_MARKS:
        return name
    sample = data[:200]
    return "utf-16-le" if sample[1::2].count(0) >= sample[::2].count(0) and sample[1::2].count(0) else "utf-16-be"


def _mostly(data: bytes, name: str) -> str | None:
    """The text without characters cut off at its ends, and with U+FFFD for wrong bytes; None if too many are wrong."""
    if name == "utf-8":
        data = data[next((at for at, byte in enumerate(data[:4]) if not 0x80 <= byte < 0xC0), 0) :]
    try:
        text = codecs.getincrementaldecoder(name)("strict").decode(data)
        if name == "utf-8" and _CUT_UTF8.search(data):
            return text
    except UnicodeError:
        text = data.decode(name, "replace")
    wrong = text.count("\ufffd")
    right = sum(not character.isascii() for character in text[:LONGEST_GUESSED]) - wrong
    return text if right > 0 and right >= 2 * wrong else None


def guess(data: bytes) -> str:
    """Python's name of the likely charset of a text that is not UTF-8. Short texts can be guessed wrongly."""
    high = sum(byte > 0x7F for byte in data)
    letters = sum(chr(byte).isalpha() for byte in data if byte < 0x80)
    if high <= 2 or high * 2 <= letters:
        return "cp1252"  # a few accented letters among plain ones
    scores = {name: _score(data, name, wanted) for name, wanted in _SCRIPTS}
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] >= 0.7 else "cp1252"


# Charsets, and the characters besides ASCII that common text in them consists of. Of equal scores, the first one wins.
_SCRIPTS = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("cp932", "[\u3040-\u30ff\u3000-\u3002]"),
        ("euc_jp", "[\u3040-\u30ff\u3000-\u3002]"),
        ("cp949", "[\uac00-\ud7a3]"),
        ("cp1251", r"\b[\u0410-\u042f]?[\u0430-\u044f\u0451\u0456\u0457]+"),
        ("koi8_r", r"\b[\u0410-\u042f]?[\u0430-\u044f\u0451]+"),
        ("cp866", r"\b[\u0410-\u042f]?[\u0430-\u044f\u0451]+"),
        ("cp1253", r"\b[\u0386-\u03ab]?[\u03ac-\u03ce]+"),
        ("cp1255", "[\u05d0-\u05ea]"),
        ("cp1256", "[\u0621-\u064a]"),
        ("gb18030", "[\u4e00-\u9fa5\uff0c\u3002]"),
        ("big5hkscs", "[\u4e00-\u9fa5\uff0c\u3002]"),
        ("cp874", "[\u0e01-\u0e4e]"),
    )
)
_HAN = re.compile("[\u4e00-\u9fa5]")


def _score(data: bytes, name: str, wanted: re.Pattern[str]) -> float:
    """The share of the non-ASCII characters that are usual in this charset. Japanese has kanji beside its kana."""
    try:
        text = data.decode(name)
    except UnicodeError:
        return 0
    found = sum(map(len, wanted.findall(text)))
    if found and name in {"cp932", "euc_jp"}:
        found += min(2 * found, len(_HAN.findall(text)))
    others = sum(not character.isascii() for character in text)
    return found / others if others else 0
