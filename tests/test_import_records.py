"""An import record that cannot be read is reported, and causes no unexpected error."""

from __future__ import annotations

import base64
from uuid import UUID

import pytest

from service.errors import IndexUnusable
from service.imports.records import _unpacked_parts
from service.sources.facts import unpacked

# An array with more elements than are known, the last one nested deeper than a parser goes.
NESTED = b"\x91\x9f" + b"\x91" * 100_000


@pytest.mark.parametrize(
    "packed", [b"", b"\xa1\xff", b"\x91\x91\xa1\xff", b"\xc1", b"x" * 50, pytest.param(NESTED, id="nested")]
)
def test_a_record_of_another_version_is_reported(packed: bytes) -> None:
    text = base64.b64encode(packed).decode()
    for read in (unpacked, _unpacked_parts):
        with pytest.raises(IndexUnusable, match=r"another version.*: import with that version"):
            read(text)


def test_parts_of_a_record_that_are_no_text_are_reported() -> None:
    for other in (5, None, ["x"], "é", str(UUID(int=1))):
        with pytest.raises(IndexUnusable, match="another version"):
            _unpacked_parts(other)  # type: ignore[arg-type]
