"""The data of the API's answers, with the fields that commands read."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class Metadata(TypedDict):
    from_name: str | None
    from_email: str | None


class Item(TypedDict):
    uid: str
    updated_on: str
    status: str | None
    channel: str | None
    is_read: bool | None
    subject: str | None
    metadata: Metadata


class Pagination(TypedDict):
    page: int
    per_page: int
    total: int
    total_pages: int


class FacetValue(TypedDict):
    value: str | bool
    count: int


class Facet(TypedDict):
    values: list[FacetValue]
    none: int
    other: int


class Warning(TypedDict):  # noqa: A001
    position: int
    message: str


class Page(TypedDict):
    items: list[Item]
    pagination: Pagination
    matched: NotRequired[str]
    warnings: NotRequired[list[Warning]]


class Count(TypedDict):
    total: int
    matched: NotRequired[str]
    facets: NotRequired[dict[str, Facet]]
    warnings: NotRequired[list[Warning]]
