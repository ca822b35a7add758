"""The limits of sources. They bound the time and memory that a hostile file can take. docs/loading.md lists them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits are in bytes, except for `nested`, `ratio` and `depth`.

    An archive may hold archives `nested` deep, and unpack to `ratio` times its own size, or to `unpacked` if that is
    more. `directory` is the size of a zip's list of files, `entry` that of a tar's name or attributes. A message larger
    than `whole` is kept in part: up to `section` of each of its MIME parts. `protected` is the longest Content-Length
    that is believed in an mbox. `line` is a line of CSV, `element` and `depth` bound an element of XML.
    """

    nested: int = 5
    ratio: int = 200
    unpacked: int = 100_000_000
    directory: int = 16_000_000
    entry: int = 1_000_000
    message: int = 256_000_000
    whole: int = 4_000_000
    section: int = 128_000
    protected: int = 16_000_000
    line: int = 4_000_000
    element: int = 16_000_000
    depth: int = 16


LIMITS = Limits()
