"""The figures as tables (Markdown), as JSON, and as two plots."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TARGETS = ("service", "node", "postgresql")

Figures = dict[str, Any]


def milliseconds(spread: dict[str, float]) -> str:
    return f"{spread['median'] * 1000:.1f} / {spread['p99'] * 1000:.1f}"


def ratio(one: dict[str, float], other: dict[str, float]) -> float:
    return float(one["median"] / other["median"])


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def tables(figures: Figures) -> str:
    parts = [f"{figures['date']}, `{figures['command']}`, {figures['machine']}."]
    parts.append("### Figures to reach\n\n" + table(["what", "aim", "measured"], _aims(figures)))
    parts.append(
        "### First pages\n\nMedian / p99 in milliseconds, one client, exact totals; "
        f"{figures['conversations']:,} conversations in the organization asked.\n\n"
        + table(
            ["request", "service", "bare node", "PostgreSQL", "PostgreSQL : service"],
            [
                [
                    name,
                    *(milliseconds(found[target]) for target in TARGETS),
                    f"{ratio(found['postgresql'], found['service']):.1f}",
                ]
                for name, found in figures["first"].items()
            ],
        )
    )
    parts.append(
        "### Deep pages\n\nMedian / p99 in milliseconds of repeated requests, so with cached counts; from/size with a larger window.\n\n"
        + table(
            ["page", "service", "from/size", "PostgreSQL", "to the first page", "from/size : service"],
            [
                [
                    name,
                    *(milliseconds(found[target]) for target in TARGETS),
                    f"{ratio(found['service'], figures['first_of'][name.partition(',')[0]]):.1f}",
                    f"{ratio(found['node'], found['service']):.1f}",
                ]
                for name, found in figures["deep"].items()
            ],
        )
    )
    parts.append(
        "### Where rank descent becomes faster\n\nMedian in milliseconds of the page that ends at this rank, with each method; the descent with cached counts.\n\n"
        + table(
            ["sort", *map(str, figures["switch"]["ranks"])],
            [
                [f"{sort}, {way}", *(f"{value * 1000:.1f}" for value in values)]
                for sort, ways in figures["switch"]["sorts"].items()
                for way, values in ways.items()
            ],
        )
    )
    sizes = list(figures["sizes"])
    parts.append(
        "### Index size\n\nMedian of the service's first pages in milliseconds: an organization of 20,000 while the index "
        "around it grows, and the largest one, which grows with it.\n\n"
        + table(
            ["conversations", *(f"{int(size):,}" for size in sizes)],
            [
                [name, *(f"{figures['sizes'][size][key] * 1000:.1f}" for size in sizes)]
                for name, key in (("steady organization", "steady"), ("largest organization", "largest"))
            ],
        )
    )
    return "\n\n".join(parts)


def _aims(figures: Figures) -> list[list[str]]:
    first, deep, first_of = figures["first"], figures["deep"], figures["first_of"]
    above = max(found["service"]["median"] - found["node"]["median"] for found in first.values())
    typical = sorted(found["service"]["median"] - found["node"]["median"] for found in first.values())
    to_first = {name: ratio(found["service"], first_of[name.partition(",")[0]]) for name, found in deep.items()}
    middle = [ratio(found["node"], found["service"]) for name, found in deep.items() if "50%" in name]
    narrowed = [ratio(first[name]["postgresql"], first[name]["service"]) for name in figures["narrowed"]]
    sizes = list(figures["sizes"].values())
    load, export = figures["load"], figures["export"]
    rates = figures["throughput"]
    return [
        ["service against the bare node, same bodies, 8 clients", "0.9", f"{rates['service'] / rates['node']:.2f}"],
        [
            "the same, 1 client, median above",
            "0.7 ms",
            f"{typical[len(typical) // 2] * 1000:.2f} ms (most: {above * 1000:.2f})",
        ],
        [
            "deep page to first page, dates",
            "8",
            f"{max(value for name, value in to_first.items() if 'updated_on' in name):.1f} at most",
        ],
        [
            "deep page to first page, subject",
            "15",
            f"{max(value for name, value in to_first.items() if 'subject' in name):.1f} at most",
        ],
        ["middle page against from/size", "20 times", f"{min(middle):.0f} times at least"],
        [
            "first page with filters or search against PostgreSQL",
            "10 times",
            f"{sorted(narrowed)[len(narrowed) // 2]:.1f} times (median; least {min(narrowed):.1f})",
        ],
        [
            f"first pages, index of {int(list(figures['sizes'])[-1]):,} against {int(next(iter(figures['sizes']))):,}",
            "2 times",
            f"{sizes[-1]['steady'] / sizes[0]['steady']:.1f} times in an organization that stays, "
            f"{sizes[-1]['largest'] / sizes[0]['largest']:.1f} in one that grows with the index",
        ],
        [
            "load with validation, one process",
            "12,000/s or 0.7 of a bare loop",
            f"{load['load']:,.0f}/s, {load['load'] / load['bare']:.2f} of a bare loop ({load['bare']:,.0f}/s)",
        ],
        ["export", "20,000/s within 200 MB", f"{export['rate']:,.0f}/s within {export['megabytes']:.0f} MB"],
    ]


def writes_tables(figures: Figures) -> str:
    found = figures["writes"]
    load, reindex, mail = found["load"], found["reindex"], found["import"]
    rows = [
        ["`conversations load`, with validation", f"{load['load']:,.0f} conversations/s"],
        [
            "a bare loop of ready-made bulk bodies",
            f"{load['bare']:,.0f} conversations/s ({load['load'] / load['bare']:.2f})",
        ],
        [
            "`conversations import-mail`, a core",
            f"{mail['rate']:,.0f} messages/s, {mail['megabytes']:.0f} MB for a mailbox of {mail['mailbox_megabytes']:.0f} MB",
        ],
        ["`conversations verify FILE`, where nothing differs", f"{found['verify']:,.0f} conversations/s"],
        ["backfill of `conversations reindex`", f"{reindex['reindex']:,.0f} documents/s"],
        [
            "OpenSearch's `_reindex` alone",
            f"{reindex['_reindex']:,.0f} documents/s ({reindex['reindex'] / reindex['_reindex']:.2f})",
        ],
        ["p99 of first pages, 2 clients, before", f"{found['p99_before'] * 1000:.1f} ms"],
        *(
            [
                f"the same during a reindex, {name}",
                f"{found[f'reindex, {name}']['p99'] * 1000:.1f} ms ({found[f'reindex, {name}']['p99'] / found['p99_before']:.1f}), "
                f"{found[f'reindex, {name}']['rate']:,.0f} documents/s",
            ]
            for name in ("throttled", "full speed")
        ),
    ]
    return f"{figures['date']}, `{figures['command']}`, {figures['machine']}.\n\n" + table(["what", "measured"], rows)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of run: its name, and how its figures are shown."""

    name: str
    tables: Callable[[Figures], str]
    plots: Callable[[Figures, Path], None]


def _plots(figures: Figures, folder: Path) -> None:
    _plot_depth(figures, folder / "performance-depth.png")
    _plot_size(figures, folder / "performance-size.png")


def client_table(figures: Figures) -> str:
    found = figures["client"]
    rows = [[name, f"{rate:,.0f}", f"{rate / found['opensearch-py']:.2f}"] for name, rate in found.items()]
    head = ["narrow search, 8 clients, one process", "requests/s", "to opensearch-py"]
    return f"{figures['date']}, `{figures['command']}`, {figures['machine']}.\n\n" + table(head, rows)


def search_table(figures: Figures) -> str:
    found = figures["search"]
    rows = [
        [name, milliseconds(way["way"]), milliseconds(way["plain"]), f"{ratio(way['way'], way['plain']):.1f}",
         "" if way["aim"] is None else f"{way['aim']:g}"]
        for name, way in found["ways"].items()
    ]  # fmt: skip
    size = (
        f"{found['documents']:,} conversations, {found['segments']} segments: {found['bytes']:,.0f} bytes each on the "
        f"disk, {found['heap_megabytes']:,.0f} MB of Java heap in use after these searches."
    )
    head = ["way to ask", "median / p99, ms", "plain page in turns with it", "ratio", "aim"]
    return f"{figures['date']}, `{figures['command']}`, {figures['machine']}. {size}\n\n" + table(head, rows)


def paging_table(figures: Figures) -> str:
    rows = [
        [
            name, milliseconds(way["way"]), milliseconds(way["plain"]), f"{ratio(way['way'], way['plain']):.1f}",
            f"{way['way']['processor'] / way['plain']['processor']:.1f}",
        ]
        for name, way in figures["paging"].items()
    ]  # fmt: skip
    head = ["page", "median / p99, ms", "default first page in turns with it", "ratio", "ratio of processor time"]
    where = f"{figures['conversations']:,} conversations in the organization"
    return f"{figures['date']}, `{figures['command']}`, {figures['machine']}, {where}.\n\n" + table(head, rows)


PAGING = Kind("paging", paging_table, lambda _figures, _folder: None)
SEARCH = Kind("search", search_table, lambda _figures, _folder: None)
READS = Kind("reads", tables, _plots)
WRITES = Kind("writes", writes_tables, lambda _figures, _folder: None)
CLIENT = Kind("client", client_table, lambda _figures, _folder: None)


def write(figures: Figures, folder: Path, kind: Kind) -> None:
    """performance-<kind>.json, the plots, and the tables in performance.md between their marks."""
    (folder / f"performance-{kind.name}.json").write_text(json.dumps(figures, indent=1) + "\n")
    kind.plots(figures, folder)
    page = folder / "performance.md"
    if page.exists():
        begin, end = f"<!-- {kind.name}: written by scripts/bench -->", f"<!-- end of {kind.name} -->"
        marked = re.compile(f"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
        block = f"{begin}\n\n{kind.tables(figures)}\n\n{end}"
        page.write_text(marked.sub(lambda _found: block, page.read_text("utf-8")), "utf-8")


def _plot_depth(figures: Figures, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for sort, points in figures["depth"].items():
        for target, style in (("service", "-"), ("node", "--")):
            line = [(float(depth), found[target]["median"] * 1000) for depth, found in points.items()]
            label = f"{sort}, {'service' if target == 'service' else 'from/size'}"
            axes.plot([100 * depth for depth, _ in line], [value for _, value in line], style, marker=".", label=label)
    axes.set(yscale="log", xlabel="depth of the page, % of the conversations", ylabel="median, ms")
    axes.set_title(f"Latency against depth, {figures['conversations']:,} conversations in one organization")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


def _plot_size(figures: Figures, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    sizes = [int(size) for size in figures["sizes"]]
    for key, label in (("steady", "organization of 20,000"), ("largest", "largest organization (80 % of the index)")):
        axes.plot(sizes, [found[key] * 1000 for found in figures["sizes"].values()], marker="o", label=label)
    axes.set(xscale="log", yscale="log", xlabel="conversations in the index", ylabel="median of first pages, ms")
    axes.set_title("Latency of first pages against index size")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
