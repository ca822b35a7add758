"""The programs in scripts/ and tests/bench refuse invalid numbers before they do anything else."""

from __future__ import annotations

import argparse
import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.program_options import heap, number, whole

ROOT = Path(__file__).parents[1]
SCRIPTS = {
    "scaling.__main__": "simulate", "faults.__main__": "faults", "fuzz.__main__": "fuzz",
    "compare_threads": "compare-threads",
}  # fmt: skip


@pytest.mark.parametrize(
    ("program", "options", "says"),
    [
        ("scaling.__main__", "--load 0", "argument --loads: 0 is not a number from 0.001 to 10"),
        ("scaling.__main__", "--loads 0.5 -1", "argument --loads: -1 is not"),
        ("scaling.__main__", "--rate 0", "argument --rate: 0 is not a number"),
        ("scaling.__main__", "--rate nan", "argument --rate: nan is not a number"),
        ("scaling.__main__", "--base 0", "argument --base: 0 is not a number"),
        ("scaling.__main__", "--skew -1", "argument --skew: -1 is not a number from 0 to 10"),
        ("scaling.__main__", "--replicas -1", "argument --replicas: -1 is not a whole number from 0 to 10,000"),
        ("scaling.__main__", "--machines 4", "--machines 4: 3 nodes are on 3 machines at most"),
        ("scaling.__main__", "--shards 2000", "argument --shards: 2000 is not a whole number from 1 to 1,024"),
        ("scaling.__main__", "--cores 1.5", "argument --cores: 1.5 is not a whole number"),
        ("faults.__main__", "--minutes 0", "argument --minutes: 0 is not a number above 0 and up to 10,080"),
        ("faults.__main__", "--minutes -1", "argument --minutes: -1 is not a number"),
        ("faults.__main__", "--minutes inf", "argument --minutes: inf is not a number"),
        ("faults.__main__", "--speed 5", "argument --speed: 5 is not a number above 0 and up to 1"),
        ("faults.__main__", "--recover -3", "argument --recover: -3 is not a number"),
        ("faults.__main__", "--readers 0", "argument --readers: 0 is not a whole number from 1"),
        ("faults.__main__", "--pause 0", "argument --pause: 0 is not a number above 0"),
        ("faults.__main__", "--heap much", "argument --heap: much is not a size with m or g, such as 768m"),
        ("fuzz.__main__", "--minutes -1", "argument --minutes: -1 is not a number"),
        ("fuzz.__main__", "--seed -1", "argument --seed: -1 is not a whole number from 0"),
        ("compare_threads", "--show -1 x", "argument --show: -1 is not a whole number"),
    ],
)
def test_invalid_numbers_are_refused_in_one_line(
    program: str, options: str, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["program", *options.split()])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"tests.{program}").main()
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert line.startswith(f"scripts/{SCRIPTS[program]}: ")


@pytest.mark.parametrize("given", ["0", "-3", "x", "1000000", "1.5"])
def test_the_number_of_requests_of_schema_fuzz_is_checked(given: str) -> None:
    done = subprocess.run([str(ROOT / "scripts" / "schema-fuzz"), given], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"scripts/schema-fuzz: {given} is not a whole number from 1 to 999999\n"


def test_compare_threads_runs_in_the_environment_of_setup(tmp_path: Path) -> None:
    """It calls scripts/setup instead of using .venv, so VENV and changed packages have an effect."""
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    shutil.copy(ROOT / "scripts" / "compare-threads", scripts)
    (scripts / "setup").write_text('#!/bin/sh\nprintf "%s|" "$PWD" "$@"\n')
    (scripts / "setup").chmod(0o755)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/bin/false")
    command = [str(scripts / "compare-threads"), "a box", "--show"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    given = [str(tmp_path), "requirements-dev.txt", "--", "python", "-m", "tests.compare_threads", "a box", "--show"]
    assert done.stdout.split("|")[:-1] == given


def test_every_program_limits_its_numbers() -> None:
    """No option has the type int or float. tests/program_options.py has types with bounds."""
    files = [*(ROOT / "tests").rglob("*.py"), *(one for one in (ROOT / "scripts").iterdir() if one.is_file())]
    others = [file for file in files if file != Path(__file__)]
    assert len(others) > 100
    assert [file.name for file in others if re.search(r"type=(?:int|float)\b", file.read_text("utf-8"))] == []


@given(st.integers(-5, 50))
def test_whole_numbers_have_bounds(value: int) -> None:
    if 2 <= value <= 20:
        assert whole(2, 20)(str(value)) == value
    else:
        with pytest.raises(argparse.ArgumentTypeError, match="from 2 to 20"):
            whole(2, 20)(str(value))


@given(st.floats())
def test_numbers_have_bounds(value: float) -> None:
    if 0 < value <= 20:
        assert number(above=0, most=20)(repr(value)) == value
    else:
        with pytest.raises(argparse.ArgumentTypeError, match="above 0 and up to 20"):
            number(above=0, most=20)(repr(value))


def test_numbers_may_have_commas_and_a_heap_has_a_unit() -> None:
    assert whole()("10,000") == whole()("10_000") == 10_000
    assert heap("2g") == "2g"
    for text in ("0m", "768", "-1m", "1.5g"):
        with pytest.raises(argparse.ArgumentTypeError):
            heap(text)
