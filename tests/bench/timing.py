"""Whether the time of `GET /api/conversations/{uid}` reveals conversations of others, or hidden ones.

`python -m tests.bench.timing`. For each kind: the median, the 90th percentile, and how often it takes longer than a uid
that exists nowhere; 50 % means that the time reveals nothing. The kinds alternate, so that other programs disturb all
of them alike.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

import httpx

from service.api.auth import Tokens
from service.conversation import Conversation
from service.settings import Settings
from tests import isolation
from tests.bench import rig
from tests.corpus import AGENTS, ORGANIZATIONS
from tests.program_options import Parser, whole


def main() -> None:
    parser = Parser(prog="python -m tests.bench.timing", description=__doc__)
    parser.add_argument("--requests", type=whole(), default=2_000, help="requests of each kind (2000)")
    count: int = parser.parse_args().requests
    everything = isolation.conversations()
    mine = [one for one in everything if one.organization_uid == ORGANIZATIONS[0]]
    kinds: dict[str, tuple[str, list[UUID]]] = {
        "exists nowhere": ("whole", [UUID(int=random.getrandbits(128), version=4) for _ in range(200)]),
        "exists in another organization": (
            "whole", [one.uid for one in everything if one.organization_uid == ORGANIZATIONS[1]],
        ),
        "of another agent than the caller's": ("restricted", [one.uid for one in mine if one.agent_uid != AGENTS[0]]),
        "nowhere, for the same caller": ("restricted", [UUID(int=random.getrandbits(128), version=4) for _ in range(200)]),
    }  # fmt: skip
    with _service(everything) as (address, settings):
        mint = Tokens(settings).mint
        tokens = {
            "whole": mint("whole", [ORGANIZATIONS[0]]),
            "restricted": mint("restricted", [ORGANIZATIONS[0]], agents=(AGENTS[0],)),
        }
        taken: dict[str, list[float]] = {name: [] for name in kinds}
        with httpx.Client(base_url=address, timeout=60) as http:
            for number in range(-100, count):
                for name in random.sample(sorted(kinds), len(kinds)):
                    whose, uids = kinds[name]
                    seconds = _seconds(http, tokens[whose], random.choice(uids))
                    if number >= 0:
                        taken[name].append(seconds)
    nowhere = {"whole": taken["exists nowhere"], "restricted": taken["nowhere, for the same caller"]}
    print("| what is asked for | median | 90th percentile | slower than what exists nowhere |\n|---|---|---|---|")
    for name, (whose, _uids) in kinds.items():
        times = sorted(taken[name])
        middle, slow = (times[int(len(times) * share)] * 1000 for share in (0.5, 0.9))
        print(f"| {name} | {middle:.2f} ms | {slow:.2f} ms | {_slower(times, nowhere[whose]):.1%} |")
    print(f"{count} of each; by chance alone, the last column is 50 % ± {1.96 * (1 / 6 / count) ** 0.5:.1%} (95 %)")


def _seconds(http: httpx.Client, token: str, uid: UUID) -> float:
    began = time.perf_counter()
    answer = http.get(f"/api/conversations/{uid}", headers={"Authorization": f"Bearer {token}"})
    taken = time.perf_counter() - began
    assert answer.status_code == 404, answer.text
    return taken


def _slower(times: Sequence[float], others: Sequence[float]) -> float:
    """How often one of these takes longer than one of the others."""
    together = sorted([*((one, 1) for one in times), *((one, 0) for one in others)])
    ranks = sum(rank for rank, (_seconds, is_one) in enumerate(together, 1) if is_one)
    return (ranks - len(times) * (len(times) + 1) / 2) / (len(times) * len(others))


@contextmanager
def _service(everything: list[Conversation]) -> Iterator[tuple[str, Settings]]:
    with rig.own_node(heap="512m") as (settings, url, folder):
        asyncio.run(rig.load(settings, url, everything, len(everything)))
        with rig.served(settings, url, folder / "log") as (address, _pid):
            yield address, settings


if __name__ == "__main__":
    main()
