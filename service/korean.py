"""Removes the endings of Korean words: particles after nouns, and the endings that turn a noun into a verb.

OpenSearch has no Korean dictionary without a plugin, and no space comes before a particle: 주문이 is 주문 (order) with
이. The mapping's token filter "korean" has the same pattern, so that subjects are read in the same way.
"""

from __future__ import annotations

import re

LONGEST_SPLIT = 8  # syllables
_HANGUL = "가-힣"
_OPEN = "".join(map(chr, range(ord("가"), ord("힣") + 1, 28)))  # syllables that end in a vowel

_LIQUID = "".join(map(chr, range(ord("가") + 8, ord("힣") + 1, 28)))  # syllables that end in ㄹ

# 이, 은, 을 and 과 follow a consonant; 가, 는, 를 and 와 a vowel. So 전문가 is not 전문 with a particle.
_BEHIND_VOWELS = "가|는|를|와|랑|라도|라는|와의|와는|예요|였습니다"
_NO_PARTICLE = "고양|어린|젊은|원숭|호랑|목걸|귀걸|떡볶|막걸|옷걸"  # the nouns 고양이, 어린이 and so on end in 이
_BEHIND_CONSONANTS = (
    f"(?<!{_NO_PARTICLE})이|은|을|과|이랑|이나|이라도|이라는|으로|으로는|으로도|으로의|으로서|으로써|으로부터|과의|과는"
    "|이에요|이었습니다"
)
_BEHIND_VOWELS_AND_L = "로|로는|로도|로의|로서|로써|로부터"  # after other consonants it is 으로: 대학로 is a street
_BEHIND_ALL = (
    "의|에|에는|에도|에만|에서|에서는|에서도|에서의"
    "|에게|에게는|에게서|한테|한테서|께|께서|께서는|도|만|만의|만을|만이|까지|까지는|까지도|까지의"
    "|부터|부터는|부터의|보다|처럼|마다|조차|밖에|들|들이|들은|들을|들의|들에게|들과|입니다|입니까|인가요|이란|이며|이고|인데"
)
# The honorific 님 after names and titles, with what may follow it. Without it, 하나님 (God) would be 하나 (one).
_HONORIFIC = (
    "(?<!하나|하느|임금)님(?:이|은|을|과|의|께|께서|께서는|께는|께도|께서도"
    "|에게|에게는|에게서|도|만|까지|부터|처럼|보다|들|들이|들은|들을|들의|들께|들께서|입니다|이나|이신)?"
)
_VERBS = (
    "(?:하|되|시키)(?:신|실|십니다|십니까|셨나요|[고지](?:싶|않|못)[가-힣]{1,5}|다|고|는|는데|며|면|면서|지|기|기를|기가|게|자|니|니까|여|여서|여야|려고|려면|러|세요|십시오|셨습니다|시나요|나요|네요"
    "|겠습니다|지만|던|는중|는법|는방법)"
    "|(?:합|됩)니(?:다|까)"
    "|(?:했|됐|되었|하였|시켰)(?:다|습니다|습니까|어요|는데|는데요|음|나요|던|지만|네요|고)"
    "|(?:해|돼|되어|하여|시켜)(?:요|서|야|도|주세요|주십시오|주시기|주시길|주실|주신|줘|줘요|봤는데|봤습니다|봤어요|달라|드립니다|드렸습니다|드리겠습니다|보세요)?"
    "|(?:한|할|함|된|될|됨|시킨|시킬)(?:다|지|까요|게요|수|때|것|다고|가요|데|데요)?"
    "|받(?:다|고|는|은|을|기|지|았습니다|았어요|았는데|습니다)"
    "|부탁(?:드립니다|드려요|드리겠습니다|합니다|해요)|드립니다|드려요|드렸습니다|드리겠습니다|바랍니다|원합니다|원해요"
)
# At least two syllables must be left: a single one is part of too many words.
ENDING = re.compile(
    f"(?<=[{_HANGUL}]{{2}})(?:(?<=[{_OPEN}])(?:{_BEHIND_VOWELS})"
    f"|(?<![{_OPEN}])(?:{_BEHIND_CONSONANTS})|(?<=[{_OPEN}{_LIQUID}])(?:{_BEHIND_VOWELS_AND_L})"
    f"|{_HONORIFIC}|{_BEHIND_ALL}|{_VERBS})$"
)
_WORD = re.compile(f"[^{_HANGUL}]*([{_HANGUL}]+)[^{_HANGUL}]*")


def bare(piece: str) -> list[str]:
    """The word of the piece without its ending: 주문 for 주문을, 취소 for 취소해주세요. Empty if it has no ending."""
    word = _word(piece)
    plain = ENDING.sub("", word)
    return [plain] if plain != word else []


def compounds(piece: str) -> list[list[str]]:
    """The ways to split the word into two or three words of at least two syllables: 주문 and 취소 for 주문취소."""
    found: list[list[str]] = []
    for word in (_word(piece), *bare(piece)):
        if len(word) <= LONGEST_SPLIT:
            halves = [[word[:at], word[at:]] for at in range(2, len(word) - 1)]
            found += halves
            found += [[one, other[:at], other[at:]] for one, other in halves for at in range(2, len(other) - 1)]
    return found


def _word(piece: str) -> str:
    found = _WORD.fullmatch(piece)
    return found[1] if found else ""
