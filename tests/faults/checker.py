"""Whether an answer with 200 is right and whole, by the ledger. Each check returns what is wrong, or None."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from tests.faults.ledger import Ledger, Start

Json = dict[str, Any]


def version_of(item: Mapping[str, Any]) -> int:
    return round(datetime.fromisoformat(item["updated_on"]).timestamp() * 1000)


def wrong_page(ledger: Ledger, organization: str, start: Start, answer: Json, per_page: int) -> str | None:
    """A first page in the order -sent_at."""
    data = answer["data"]
    items, total = data["items"], data["pagination"].get("total")
    if (why := _wrong_total(ledger, organization, start, total)) is not None:
        return why
    if len(items) != min(per_page, total):
        return f"{len(items)} items on a page of {per_page}, of {total}"
    return _wrong_items(ledger, organization, start, items)


def wrong_walk(ledger: Ledger, organization: str, start: Start, pages: list[Json]) -> str | None:
    """Some pages of a walk in the order -sent_at, one after the other.

    A conversation that changes meanwhile may come again, with its new date and version.
    """
    items = [item for page in pages for item in page["data"]["items"]]
    if len({(item["uid"], version_of(item)) for item in items}) < len(items):
        return "the same version of a conversation is there twice"
    if not _in_order(items):
        return "the pages are not in order"
    return next(
        (why for page in pages if (why := _wrong_items(ledger, organization, start, page["data"]["items"]))), None
    )


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
        if why := ledger.wrong_item(organization, item["uid"], version_of(item), item["subject"], start):
            return why
    return None


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
