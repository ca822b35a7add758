"""Decodes Japanese text as Windows writes it: with the characters of NEC and IBM that Python's codecs lack.

They are rows 13, 89 to 92 and 115 to 119 of JIS X 0208, such as ① and ㈱. Code page 932 has them, so each pair of bytes
is converted to it.
"""

from __future__ import annotations

import re

_ESCAPE = re.compile(rb"\x1b(\$\([A-Z@]|\$[@AB]|\([A-Z]|[.][AF]|N.)|\x0e|\x0f", re.DOTALL)
_KINDS = {
    b"$@": "two",
    b"$B": "two",
    b"$(@": "two",
    b"$(B": "two",
    b"$(O": "two",
    b"$(Q": "two",
    b"$(D": "supplement",
    b"$A": "chinese",
    b"$(C": "korean",
    b"(I": "kana",
    b"\x0e": "kana",
}
_EUC = re.compile(rb"\x8f[\xa1-\xfe]{2}|\x8e[\xa1-\xdf]|[\xa1-\xfe]{2}|[\x00-\x7f]+|.", re.DOTALL)


def decode_jis(data: bytes, *, is_euc: bool = False) -> str:
    """The text of ISO-2022-JP, or else of EUC-JP. Bytes that mean nothing become U+FFFD."""
    if is_euc:
        return "".join(_euc(match[0]) for match in _EUC.finditer(data))
    texts, kind, start = [], "ascii", 0
    for escape in _ESCAPE.finditer(data):
        texts.append(_run(data[start : escape.start()], kind))
        start = escape.end()
        kind = _KINDS.get(escape[1] or escape[0], "ascii")
    texts.append(_run(data[start:], kind))
    return "".join(texts)


def _run(run: bytes, kind: str) -> str:
    """The text between two escape sequences. A line end switches back to ASCII."""
    if kind == "ascii" or not run:
        return run.decode("cp932", "replace")
    if b"\n" in run:
        first, _newline, rest = run.partition(b"\n")
        return f"{_run(first, kind)}\n{_run(rest, 'ascii')}"
    high = bytes(byte | 0x80 for byte in run if byte > 0x20)
    if kind == "kana":
        return high.decode("cp932", "replace")
    if kind == "two":
        return "".join(_pair(high[at], high[at + 1]) for at in range(0, len(high) - 1, 2))
    if kind == "supplement":
        pairs = (high[at : at + 2] for at in range(0, len(high) - 1, 2))
        return b"".join(b"\x8f" + pair for pair in pairs).decode("euc_jp", "replace")
    return high[: len(high) // 2 * 2].decode("cp949" if kind == "korean" else "gb18030", "replace")


def _euc(run: bytes) -> str:
    if len(run) == 2 and run[0] >= 0xA1:
        return _pair(run[0], run[1])
    return run.decode("euc_jp", "replace")


def _pair(first: int, second: int) -> str:
    """The character at a row and a cell of JIS X 0208. Counted from 1, these are the two bytes minus 160."""
    row, cell = first - 0xA1, second - 0xA1
    lead = row // 2 + (0x81 if row < 62 else 0xC1)
    trail = cell + (0x9F if row % 2 else 0x40 + (cell >= 63))
    return bytes((lead, trail)).decode("cp932", "replace") if row >= 0 and cell >= 0 else "\ufffd"
