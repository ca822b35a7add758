"""The settings of the limits. All of them hold for one process."""

from __future__ import annotations

import re

from pydantic import AliasChoices as _env
from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

# The limits that the workers of one service divide among themselves.
DIVIDED = (
    "caller_rate",
    "caller_burst",
    "address_rate",
    "address_burst",
    "searches",
    "searches_per_organization",
    "searches_waiting",
    "searches_waiting_per_organization",
    "writes",
    "writes_per_organization",
    "bulk_bytes",
    "bulk_bytes_per_organization",
    "answer_bytes",
    "answer_bytes_per_organization",
    "points_in_time",
    "points_in_time_per_organization",
    "exports",
    "exports_per_organization",
    "connections",
    "opensearch_connections",
)
_ADDRESS = re.compile(r"(?P<host>[a-zA-Z0-9.-]+|\[[0-9a-fA-F:]+\]):(?P<port>[0-9]{1,5})")
MOST_BODY_BYTES = 10_000_000
LEAST_UNREAD_BYTES = 4_000_000  # of a process, so that answers of usual size are never too many
BODY_START_SECONDS = 10.0  # for every body, however slowly the client sends it
BODY_SPEED = 50_000  # bytes a second of a body, after its first BODY_START_SECONDS


class LimitSettings(BaseSettings):
    """`units` are what requests cost: most of them 1, expensive ones more (service/api/request_costs.py)."""

    caller_rate: float = Field(
        200.0,
        ge=0,
        le=1_000_000,
        validation_alias=_env("CONVERSATIONS_CALLER_RATE"),
        description="units that a caller (a subject of an issuer, or an API key) may use in a second; beyond it, the "
        "caller gets 429; 0 turns the limit off",
    )
    caller_burst: int = Field(
        2_000,
        ge=1,
        le=100_000_000,
        validation_alias=_env("CONVERSATIONS_CALLER_BURST"),
        description="units that a caller may use at once after a pause",
    )
    address_rate: float = Field(
        100.0,
        ge=0,
        le=1_000_000,
        validation_alias=_env("CONVERSATIONS_ADDRESS_RATE"),
        description="requests without a valid token that an address may send in a second; beyond it, the address gets "
        "429; 0 turns the limit off",
    )
    address_burst: int = Field(
        2_000,
        ge=1,
        le=100_000_000,
        validation_alias=_env("CONVERSATIONS_ADDRESS_BURST"),
        description="requests without a valid token that an address may send at once after a pause",
    )
    searches: int = Field(
        12,
        ge=1,
        le=10_000,
        validation_alias=_env("CONVERSATIONS_SEARCHES"),
        description="concurrent requests for which a process searches or reads in OpenSearch",
    )
    searches_per_organization: int = Field(
        2,
        ge=1,
        le=10_000,
        validation_alias=_env("CONVERSATIONS_SEARCHES_PER_ORGANIZATION"),
        description="concurrent searches and reads of one organization while others search too; alone, it may use all",
    )
    searches_waiting: int = Field(
        400,
        ge=0,
        le=100_000,
        validation_alias=_env("CONVERSATIONS_SEARCHES_WAITING"),
        description="searches that wait for their turn; beyond that, the newest of the organization with most of them "
        "is refused (429 or 503)",
    )
    searches_waiting_per_organization: int = Field(
        100,
        ge=0,
        le=100_000,
        validation_alias=_env("CONVERSATIONS_SEARCHES_WAITING_PER_ORGANIZATION"),
        description="searches of one organization that wait for their turn; further ones get 429",
    )
    search_patience: float = Field(
        1.0,
        gt=0,
        le=300,
        validation_alias=_env("CONVERSATIONS_SEARCH_PATIENCE"),
        description="seconds that a search may wait for its turn; if its organization is over capacity for longer than "
        "a burst, only about as long as one search takes",
    )
    writes: int = Field(
        80,
        ge=1,
        le=100_000,
        validation_alias=_env("CONVERSATIONS_WRITES"),
        description="concurrent writes to OpenSearch of a process; a bulk write counts as one for each 25,000 bytes of "
        "its body, up to 10, because its lines are written in parts",
    )
    writes_per_organization: int = Field(
        40,
        ge=1,
        le=100_000,
        validation_alias=_env("CONVERSATIONS_WRITES_PER_ORGANIZATION"),
        description="such writes of one organization, also while no other one writes; beyond it, they wait up to 5 s, "
        "then get 429",
    )
    bulk_bytes: int = Field(
        64_000_000,
        ge=1,
        validation_alias=_env("CONVERSATIONS_BULK_BYTES"),
        description="total bytes of the bulk bodies that a process reads and writes at the same time",
    )
    bulk_bytes_per_organization: int = Field(
        32_000_000,
        ge=1,
        validation_alias=_env("CONVERSATIONS_BULK_BYTES_PER_ORGANIZATION"),
        description="bytes of the bulk bodies of one organization, also while no other one writes; beyond it, bodies "
        "wait up to 5 s, then get 429",
    )
    body_bytes: int = Field(
        MOST_BODY_BYTES,
        ge=1_000,
        le=MOST_BODY_BYTES,
        validation_alias=_env("CONVERSATIONS_BODY_BYTES"),
        description="bytes of the body of one bulk write; a larger one gets 413",
    )
    answer_bytes: int = Field(
        128_000_000,
        ge=1,
        validation_alias=_env("CONVERSATIONS_ANSWER_BYTES"),
        description="total bytes of the answers above 1 MB that a process has in memory until its clients have read "
        "them; exports do not count; smaller answers and parts of exports may have half as many bytes in addition",
    )
    answer_bytes_per_organization: int = Field(
        64_000_000,
        ge=1,
        validation_alias=_env("CONVERSATIONS_ANSWER_BYTES_PER_ORGANIZATION"),
        description="bytes of such answers for one organization; beyond it, requests wait up to 1 s, then get 429",
    )
    points_in_time: int = Field(
        50,
        ge=1,
        le=10_000,
        validation_alias=_env("CONVERSATIONS_POINTS_IN_TIME"),
        description="points in time that a process may have open, for deep pages and exports; the sum of all processes "
        "must stay below the cluster's search.max_open_pit_context, which is 300 on each node",
    )
    points_in_time_per_organization: int = Field(
        25,
        ge=1,
        le=10_000,
        validation_alias=_env("CONVERSATIONS_POINTS_IN_TIME_PER_ORGANIZATION"),
        description="points in time of one organization while others have some too",
    )
    exports: int = Field(
        4,
        ge=1,
        le=1_000,
        validation_alias=_env("CONVERSATIONS_EXPORTS"),
        description="concurrent exports; further ones wait up to 1 s, then get 503",
    )
    exports_per_organization: int = Field(
        2,
        ge=1,
        le=1_000,
        validation_alias=_env("CONVERSATIONS_EXPORTS_PER_ORGANIZATION"),
        description="concurrent exports of one organization; further ones wait up to 1 s, then get 429",
    )
    unread_seconds: float = Field(
        30.0,
        gt=0,
        le=3_600,
        validation_alias=_env("CONVERSATIONS_UNREAD_SECONDS"),
        description="seconds for which a client may leave an answer or an export unread; each "
        "CONVERSATIONS_READ_SPEED bytes that it reads give it a second back; then its connection is closed",
    )
    read_speed: int = Field(
        20_000,
        ge=1,
        le=1_000_000_000,
        validation_alias=_env("CONVERSATIONS_READ_SPEED"),
        description="bytes a second that a client must read of an answer or an export, on average",
    )
    connections: int = Field(
        3_000,
        ge=1,
        le=100_000,
        validation_alias=_env("CONVERSATIONS_CONNECTIONS"),
        description="connections of clients; a further one replaces the connection that has been idle longest, or gets "
        "503 if none is idle",
    )
    head_bytes: int = Field(
        65_536,
        ge=1_000,
        le=1_000_000,
        validation_alias=_env("CONVERSATIONS_HEAD_BYTES"),
        description="bytes of a request line with all headers; a larger request gets 414 or 431",
    )
    head_seconds: float = Field(
        10.0,
        gt=0,
        le=3_600,
        validation_alias=_env("CONVERSATIONS_HEAD_SECONDS"),
        description="seconds within which a request's headers must be complete; later, it gets 408",
    )
    body_seconds: float = Field(
        60.0,
        gt=0,
        le=3_600,
        validation_alias=_env("CONVERSATIONS_BODY_SECONDS"),
        description="seconds within which a request's body must be complete; later, or after 10 s at less than 50,000 "
        "bytes a second, it gets 408",
    )
    operations_address: str | None = Field(
        None,
        validation_alias=_env("CONVERSATIONS_OPERATIONS_ADDRESS"),
        description="host and port of /metrics and /health/ready, such as 127.0.0.1:9100; they are then not on the "
        "port of the API, and the port must differ from it",
    )

    @field_validator("operations_address")
    @classmethod
    def _address_is_host_and_port(cls, value: str | None) -> str | None:
        found = None if value is None else _ADDRESS.fullmatch(value)
        if value is None or (found is not None and 1 <= int(found["port"]) <= 65_535):
            return value
        raise ValueError("must be a host and a port, such as 127.0.0.1:9100 or [::1]:9100")

    @property
    def unread_bytes(self) -> int:
        """Total bytes in the write buffers of connections whose clients do not read."""
        return max(LEAST_UNREAD_BYTES, self.answer_bytes // 2)

    @property
    def operations_host_and_port(self) -> tuple[str, int] | None:
        if self.operations_address is None:
            return None
        host, _, port = self.operations_address.rpartition(":")
        return host.strip("[]"), int(port)


def body_time(most: float, received: int) -> float:
    """The seconds within which a body must be complete, at most `most`. They grow with the bytes received so far."""
    return min(most, BODY_START_SECONDS + received / BODY_SPEED)


def divided(settings: LimitSettings, workers: int) -> dict[str, float]:
    """Each worker's part of the limits. Whole numbers are rounded down, but to at least 1, unless the limit is 0."""
    parts: dict[str, float] = {}
    for name in DIVIDED:
        value = getattr(settings, name)
        parts[name] = value / workers if isinstance(value, float) else max(min(1, value), value // workers)
    return parts
