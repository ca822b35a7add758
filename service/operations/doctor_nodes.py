"""The checks of `doctor` that ask each node: whether it answers, its disk and its clock."""

from __future__ import annotations

import time

from service import urls
from service.index.silent_nodes import within
from service.message_texts import counted
from service.operations.doctor_check import Check, Deployment, Verdict

SECONDS = 5.0  # of a call to all nodes; it leaves out silent nodes earlier
MOST_SKEW = 2.0  # seconds


async def nodes(deployment: Deployment) -> Check:
    """Whether a different node of OpenSearch answers at each URL, and whether each node answers the others."""
    count = len(urls.nodes(deployment.url))
    found = [f"{count - len(deployment.problems)} of {counted(count, 'URL')} answer", *deployment.problems]
    if deployment.members is not None:
        found.insert(1, counted(deployment.members.count, "node"))
    found += [f"{name} does not answer the other nodes" for name in deployment.silent]
    found += deployment.shared
    if deployment.shared and not (deployment.problems or deployment.silent):
        return Check("nodes", "warning", "; ".join(found), "name each node once in OPENSEARCH_URL")
    if not (deployment.problems or deployment.silent):
        return Check("nodes", "ok", ", ".join(found))
    return Check(
        "nodes", "warning", "; ".join(found),
        "look at these nodes and their logs, and start them again; take those that are gone out of OPENSEARCH_URL",
    )  # fmt: skip


async def disk(deployment: Deployment) -> Check:
    """Compares each node's free disk space with the cluster's watermarks. At the last one, OpenSearch blocks writes."""
    settings = await deployment.client.cluster.get_settings(
        params={"include_defaults": "true", "flat_settings": "true"}
    )
    marks = {**settings["defaults"], **settings["persistent"], **settings["transient"]}
    params = {"filter_path": "nodes.*.name,nodes.*.fs.total", **within(SECONDS)}
    stats = await deployment.client.nodes.stats(metric="fs", params=params)
    worst: tuple[str, Verdict, str] | None = None  # the worst watermark that any node is below
    findings = []
    for node in stats["nodes"].values():
        total, free = node["fs"]["total"]["total_in_bytes"], node["fs"]["total"]["available_in_bytes"]
        findings.append(f"{node['name']} has {free / 2**30:.1f} of {total / 2**30:.1f} GiB free")
        for watermark in _WATERMARKS:
            mark = watermark[0]
            left = _free_bytes(str(marks[f"cluster.routing.allocation.disk.watermark.{mark}"]), total)
            if free <= left:
                findings[-1] += f", below the {mark} watermark ({left / 2**30:.1f} GiB)"
                worst = watermark if worst is None else min(worst, watermark, key=_WATERMARKS.index)
                break
    findings += [f"the free space of {name} is unknown" for name in deployment.silent]
    if worst is None:
        return Check("disk", "ok", "; ".join(findings))
    _mark, verdict, means = worst
    advice = f"{means}: free disk space, add a node, or 'conversations prune'"
    return Check("disk", verdict, "; ".join(findings), advice)


_WATERMARKS: tuple[tuple[str, Verdict, str], ...] = (  # the worst first
    ("flood_stage", "failed", "OpenSearch blocks writes"),
    ("high", "failed", "OpenSearch moves shards away"),
    ("low", "warning", "OpenSearch puts no new shards there"),
)
_UNITS = {"tb": 2**40, "gb": 2**30, "mb": 2**20, "kb": 2**10, "b": 1}


def _free_bytes(mark: str, total: int) -> float:
    """The free bytes that a watermark demands. It is used space (85% or 0.85) or free space (300mb)."""
    if mark.endswith("%"):
        return total * (1 - float(mark[:-1]) / 100)
    for unit, size in _UNITS.items():
        if mark.endswith(unit):
            return float(mark[: -len(unit)]) * size
    return total * (1 - float(mark))


async def clock(deployment: Deployment) -> Check:
    """Compares this machine's clock with the nodes' clocks, which `_nodes/stats` reports in milliseconds."""
    before = time.time()
    params = {"filter_path": "nodes.*.os.timestamp", **within(SECONDS)}
    stats = await deployment.client.nodes.stats(metric="os", params=params)
    after = time.time()
    apart = [
        max(node["os"]["timestamp"] / 1000 - after, before - 1 - node["os"]["timestamp"] / 1000, 0.0)
        for node in stats["nodes"].values()
    ]
    return clock_check(max(apart), leeway=deployment.settings.token_leeway)


def clock_check(apart: float, *, leeway: float) -> Check:
    """The verdict on clocks that are `apart` seconds apart. Beyond the leeway for tokens, new tokens may be refused."""
    found = f"at most {apart:.1f} s apart"
    if apart > max(leeway, MOST_SKEW):
        return Check("clock", "failed", found, "set the clocks by NTP: tokens and times of deletions go wrong")
    if apart > MOST_SKEW:
        return Check("clock", "warning", found, "set the clocks by NTP")
    return Check("clock", "ok", found)
