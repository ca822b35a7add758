"""Reads SMS files: CSV, whose columns are named by options, and the XML of Android's "SMS Backup & Restore".

If a file is damaged, or a line or element is wrong, all others are still read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from service.sources.containers import streams
from service.sources.file_limits import LIMITS, Limits
from service.sources.phone_numbers import Peers
from service.sources.sms_csv import read_csv
from service.sources.sms_fields import COLUMNS, Sms, Unusable
from service.sources.sms_xml import read_xml
from service.sources.window import Window

__all__ = ["COLUMNS", "Entry", "Sms", "Unusable", "read"]

Entry = tuple[str, int, Sms | str]
"""The source, the number of the line or message, and the message or the reason why there is none."""


def read(
    path: str,
    *,
    columns: Mapping[str, str] | None = None,
    region: str | None = None,
    advance: Callable[[int], None] = lambda _bytes: None,
    limits: Limits = LIMITS,
) -> Iterator[Entry]:
    """Yields every message in the file, and a reason for each that cannot be read.

    `columns` maps the names in COLUMNS to those of a CSV file. `region` is the country, such as DE, whose numbers are
    written without a country code. Raises Misconfigured if a CSV file's columns have other names.
    """
    peers = Peers(region)
    for name, stream, problem in streams(Path(path), advance=advance, limits=limits):
        if problem is not None:
            yield name, 0, problem
            continue
        window, number = Window(stream), 0
        window.skip_blanks()
        is_xml = window.data[window.at : window.at + 1] == b"<"
        parse = partial(read_xml, window) if is_xml else partial(read_csv, window, columns or {}, name)
        for number, found in parse(peers, limits):
            yield name, number, found
        if window.failure is not None:
            yield name, number + 1, window.failure
