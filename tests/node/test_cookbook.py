"""docs/cookbook.md and the quick starts of docs/index.md, typed into a shell, print what the pages say."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.conversation import Conversation
from service.settings import Settings
from tests.node.clusters import own_alias
from tests.node.serving import serve_process

ROOT = Path(__file__).parents[2]
ADDRESS = "http://127.0.0.1:8000"
END = "\f"  # printed after each task
_TASK = re.compile(
    r"^```sh\n(?P<typed>.+?)^```$(?:\n\n```text\n(?P<printed>.*?)^```$)?|^##+ (?P<heading>[^\n]+)$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Task:
    """A block of commands, and what stands below it."""

    heading: str
    typed: str
    printed: str


def tasks(page: str) -> list[Task]:
    found, heading = [], page
    for one in _TASK.finditer((ROOT / page).read_text("utf-8")):
        heading = one["heading"] or heading
        if one["typed"]:
            found.append(Task(heading, one["typed"], one["printed"] or ""))
    return found


TASKS = [*tasks("docs/index.md"), *tasks("docs/cookbook.md")]


def pattern(printed: str) -> str:
    """What the output must match: `…` is any text within a line."""
    return ".+?".join(map(re.escape, printed.split("…")))


@pytest.fixture(scope="module")
def outputs(
    settings: Settings, opensearch_url: str, samples: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    """What each task printed: all of them typed in order, beside a service over the sample."""
    checkout = tmp_path_factory.mktemp("checkout")
    (checkout / ".venv").symlink_to(sys.prefix)
    (checkout / "tests").symlink_to(ROOT / "tests")
    lease = {"CONVERSATIONS_WRITE_LEASE": "1"}
    with own_alias(settings, opensearch_url) as cluster:
        with gzip.open(samples / "conversations.ndjson.gz", "rt") as lines:
            cluster.load([Conversation.model_validate_json(line) for line in lines])
        with serve_process(cluster, **lease) as (_process, address, _log):
            script = "".join(f"{task.typed}printf '{END}'\n" for task in TASKS).replace(ADDRESS, address) + "ls -A"
            done = subprocess.run(
                ["bash", "-eu", "-c", script], cwd=checkout, env=cluster.environment | lease | {"HOME": str(checkout)},
                capture_output=True, text=True, check=False, timeout=600,
            )  # fmt: skip
    printed = done.stdout.split(END)
    assert done.returncode == 0, f"{TASKS[len(printed) - 1].heading}: {done.stderr[-2000:]}"
    return printed  # and behind them what files are left


@pytest.mark.parametrize("place", range(len(TASKS)), ids=[task.heading for task in TASKS])
def test_a_task_prints_what_the_page_says(outputs: list[str], place: int) -> None:
    printed = outputs[place].rstrip("\n")
    assert re.fullmatch(pattern(TASKS[place].printed.rstrip("\n")), printed), printed


def test_the_last_task_leaves_no_file(outputs: list[str]) -> None:
    assert outputs[len(TASKS) :] == [".venv\ntests\n"]


def test_there_are_tasks_for_everybody() -> None:
    numbered = [task for task in TASKS if re.match(r"\d+\. ", task.heading)]
    assert [task.heading.partition(".")[0] for task in numbered] == [
        str(number) for number in range(1, len(numbered) + 1)
    ]
    assert len(numbered) >= 20
    assert all(task.printed.replace("…", "").strip() for task in numbered)
