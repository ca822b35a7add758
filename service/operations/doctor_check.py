"""The input and the result of each check of `doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from service.client import Client
from service.index.mapping import Mapping
from service.index.silent_nodes import Members
from service.settings import Settings

Verdict = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check. `advice` says what to do about a problem; it is empty if there is none."""

    name: str
    verdict: Verdict
    found: str
    advice: str = ""

    def record(self) -> dict[str, str]:
        return {"check": self.name, "verdict": self.verdict, "found": self.found, "advice": self.advice}


@dataclass(frozen=True, slots=True)
class Deployment:
    """The deployment to check: its settings, its cluster, and the mapping that this version of the service needs.

    `problems` are sentences, one for each URL at which OpenSearch does not answer. `members` are the nodes of the
    cluster, as far as they are known. `shared` are sentences, one for each node that several URLs lead to.
    """

    settings: Settings
    url: str
    client: Client
    mapping: Mapping
    problems: tuple[str, ...] = ()
    members: Members | None = None
    shared: tuple[str, ...] = ()

    @property
    def silent(self) -> tuple[str, ...]:
        """The names of the nodes that do not answer the others."""
        return () if self.members is None else self.members.silent
