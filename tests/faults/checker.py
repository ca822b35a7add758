"""Whether an answer with 200 is right and whole, by the ledger. Each check returns what is wrong, or None."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from tests.faults.ledger import Ledger, Start, Write

Json = dict[str, Any]
EARLIEST, LATEST = float("-inf"), float("inf")


def milliseconds(time: str) -> int:
    return round(datetime.fromisoformat(time).timestamp() * 1000)


def version_of(item: Mapping[str, Any]) -> int:
    return milliseconds(item["updated_on"])


def write_of(item: Mapping[str, Any]) -> Write:
    """The write that an item shows."""
    return Write(
        item["organization_uid"], item["uid"], version_of(item), item["subject"], milliseconds(item["sent_at"])
    )


def wrong_page(
    ledger: Ledger, organization: str, start: Start, answer: Json, per_page: int, offset: int = 0
) -> str | None:
    """A page in the order -sent_at, after `offset` conversations."""
    data = answer["data"]
    items, total = data["items"], data["pagination"].get("total")
    if (why := _wrong_total(ledger, organization, start, total)) is not None:
        return why
    if len(items) != min(per_page, max(0, total - offset)):
        return f"{len(items)} items on a page of {per_page} after {offset}, of {total}"
    if (why := _wrong_items(ledger, organization, start, items)) is not None or not items:
        return why
    least, most = ledger.rank_bounds(organization, start, milliseconds(items[0]["sent_at"])) if offset else (0, 0)
    if not least <= offset <= most:
        return f"the page begins after {offset}, with an item that comes after {least} to {most}"
    return ledger.missing(
        organization, start, _uids(items),
        after=milliseconds(items[-1]["sent_at"]) if offset + len(items) < total else EARLIEST,
        before=milliseconds(items[0]["sent_at"]) if offset else LATEST, must_rest=False,
    )  # fmt: skip


def wrong_walk(ledger: Ledger, organization: str, start: Start, pages: list[Json], per_page: int) -> str | None:
    """The first pages of a walk in the order -sent_at, one after the other. It has ended if the last one has no cursor.

    A conversation that changes meanwhile may come again, with its new date and version, or not at all.
    """
    items = [item for page in pages for item in page["data"]["items"]]
    if len({(item["uid"], version_of(item)) for item in items}) < len(items):
        return "the same version of a conversation is there twice"
    if not _in_order(items):
        return "the pages are not in order"
    for page in pages:
        data = page["data"]
        size, pagination = len(data["items"]), data["pagination"]
        if size > per_page or (size < per_page and pagination.get("next_cursor")):
            return f"{size} items on a page of {per_page}, before others"
        why = _wrong_total(ledger, organization, start, pagination["total"])
        if (why := why or _wrong_items(ledger, organization, start, data["items"])) is not None:
            return why
    has_more = pages[-1]["data"]["pagination"].get("next_cursor")
    after = milliseconds(items[-1]["sent_at"]) if has_more else EARLIEST
    return ledger.missing(organization, start, _uids(items), after=after, before=LATEST, must_rest=True)


def is_whole(lines: list[bytes]) -> bool:
    """Whether an export has its last line. Without this line, its reader sees that it was cut off."""
    return bool(lines) and lines[-1].startswith(b'{"export":')


def wrong_export(ledger: Ledger, organization: str, start: Start, lines: list[bytes]) -> str | None:
    """An export in the order -sent_at. Of one that is cut, only the items are checked."""
    read = [json.loads(line) for line in lines]
    items = read[:-1] if is_whole(lines) else read
    if (why := _wrong_items(ledger, organization, start, items)) is not None or not is_whole(lines):
        return why
    told = read[-1]["export"]
    if told["complete"] is not True or told["conversations"] != len(items):
        return f"the last line of {len(items)} items is {told}"
    if (why := _wrong_total(ledger, organization, start, len(items))) is not None:
        return why
    return ledger.missing(organization, start, _uids(items), after=EARLIEST, before=LATEST, must_rest=False)


def wrong_count(ledger: Ledger, organization: str, start: Start, answer: Json) -> str | None:
    """A count with the facet status, which every conversation has once."""
    data = answer["data"]
    if (why := _wrong_total(ledger, organization, start, data["total"])) is not None:
        return why
    facet = data["facets"]["status"]
    counted = sum(value["count"] for value in facet["values"]) + facet["none"] + facet["other"]
    why = _wrong_total(ledger, organization, start, counted)  # facets are counted by a search of their own
    return None if why is None else f"in the facet, {why}"


def wrong_one(ledger: Ledger, organization: str, uid: str, start: Start, answer: Json | None) -> str | None:
    """One conversation by its uid; None is 404."""
    if answer is None:
        return ledger.wrong_absence(organization, uid, start)
    item = answer["data"]
    if item["uid"] != uid:
        return f"{item['uid']} in place of {uid}"
    return _wrong_items(ledger, organization, start, [item])


def _wrong_total(ledger: Ledger, organization: str, start: Start, total: int) -> str | None:
    least, most = ledger.total_bounds(organization, start)
    return None if least <= total <= most else f"the total is {total}, not from {least} to {most}"


def _wrong_items(ledger: Ledger, organization: str, start: Start, items: list[Json]) -> str | None:
    uids = [item["uid"] for item in items]
    if len(set(uids)) < len(uids):
        return "a conversation is there twice"
    if not _in_order(items):
        return "the items are not in order"
    for item in items:
        if item["organization_uid"] != organization:
            return f"{item['uid']} belongs to another organization"
        if why := ledger.wrong_item(write_of(item), start):
            return why
    return None


def _uids(items: list[Json]) -> set[str]:
    return {item["uid"] for item in items}


def _in_order(items: list[Json]) -> bool:
    dates = [item["sent_at"] for item in items]
    return dates == sorted(dates, reverse=True)


Check = Callable[[], str | None]


def checked(check: Check) -> str | None:
    """What the check finds. An answer of another shape is wrong, too."""
    try:
        return check()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return f"the answer has another shape ({type(error).__name__}: {error})"
