"""Lines that other processes parse become the same writes and the same rejects, in the same order."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from service.index.preparing import CHUNK_LINES, in_processes, write_or_reason
from service.index.writer import Write
from service.sources import ndjson
from service.sources.ndjson import Line
from tests.bench.generate import ORGANIZATIONS, steady
from tests.processes import end_with_the_test, wait_until

AHEAD = timedelta(days=1)
COUNT = 2 * CHUNK_LINES + 7


@pytest.fixture
def file(tmp_path: Path) -> Path:
    lines = [one.model_dump_json() for one in steady(COUNT)]
    deletion = (
        f'{{"uid":"{ORGANIZATIONS[1]}","organization_uid":"{ORGANIZATIONS[0]}","deleted_on":"2024-01-01T00:00:00Z"}}'
    )
    odd = ["{}", "", "nonsense", '{"export":{"complete":true,"conversations":3}}', deletion, "\u00e4" * 2_000_000]
    path = tmp_path / "some.ndjson"
    path.write_text("\n".join([*lines[:10], *odd, *lines[10:]]) + "\n")
    return path


def here(file: Path) -> tuple[list[Write], list[Line]]:
    found = [write_or_reason(line, AHEAD) for line in ndjson.texts(str(file))]
    return [one for one in found if isinstance(one, Write)], [one for one in found if isinstance(one, Line)]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
def test_other_processes_prepare_the_same_writes_and_rejects(file: Path, workers: int) -> None:
    writes: list[Write] = []
    rejects: list[Line] = []

    async def prepare() -> None:
        lines = ndjson.texts(str(file))
        async with in_processes(lines, workers=workers, max_ahead=AHEAD, reject=rejects.append) as prepared:
            async for several in prepared:
                writes.extend(write for _line, write in several)

    asyncio.run(prepare())
    expected_writes, expected_rejects = here(file)
    assert writes == expected_writes
    assert rejects == expected_rejects
    assert len(writes) == COUNT + 1
    assert [line.number for line in rejects] == [11, 13, 14, 16]


@pytest.mark.slow
def test_the_other_processes_end_with_the_first(tmp_path: Path) -> None:
    code = (
        "import asyncio, os, multiprocessing\n"
        "from datetime import timedelta\n"
        "from service.index.preparing import in_processes\n"
        "from service.sources.ndjson import Line\n"
        "async def main():\n"
        "    lines = (Line('', 1, b'{}', None) for _ in range(10_000_000))\n"
        "    async with in_processes(lines, workers=2, max_ahead=timedelta(1), reject=lambda _line: None) as prepared:\n"
        "        async for _ in prepared:\n"
        "            print(*[one.pid for one in multiprocessing.active_children()], flush=True)\n"
        "            await asyncio.sleep(600)\n"
        "if __name__ == '__main__':\n"
        "    asyncio.run(main())\n"
    )
    script = tmp_path / "first.py"
    script.write_text(code)
    first = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1], env=os.environ | {"PYTHONPATH": "."})  # fmt: skip
    end_with_the_test(first)
    assert first.stdout is not None
    others = [*map(int, first.stdout.readline().split())]
    assert len(others) == 2
    first.send_signal(signal.SIGKILL)
    wait_until(lambda: not any(map(_runs, others)))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
