"""Fuzzes each target for its share of the time. It starts from tests/fuzz/seeds, and adds the inputs that fail.

With atheris, coverage guides the fuzzing; if atheris is not installed, the corpus is changed at random.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.corpus import CORPUS, WORDS, seeds, words
from tests.fuzz.mutation import mutated
from tests.program_options import Parser, minutes, whole

SLOWEST_SECONDS = 20
LONGEST_BYTES = 16_384


def main() -> None:
    parser = Parser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("--minutes", type=minutes(), default=10.0, help="for all targets together (default: 10)")
    parser.add_argument("--without-atheris", action="store_true", help="as if atheris were not installed")
    parser.add_argument("--only", help="one target")
    parser.add_argument(
        "--seed", type=whole(0, 2**32 - 1), default=0, help="repeats a run with atheris; 0: another run each time"
    )
    parser.add_argument("--run", help=argparse.SUPPRESS)  # in a process of its own
    given = parser.parse_args()
    names = sorted(WORDS)
    if given.only is not None and given.only not in names:
        parser.error(f"--only must be one of {', '.join(names)}")
    chosen = [given.only] if given.only else names
    seconds = max(1, round(given.minutes * 60 / len(chosen)))
    guided = importlib.util.find_spec("atheris") is not None and not given.without_atheris
    if given.run:
        if guided:
            _guided(given.run, seconds, given.seed)
        else:
            _unguided(given.run, seconds)
        return
    print(f"{'atheris' if guided else 'random changes (without atheris)'}: {seconds} s for each of {', '.join(chosen)}")
    failed = [name for name in chosen if not _run(name, given, seconds)]
    if failed:
        raise SystemExit(f"fuzz: found something in {', '.join(failed)}: see above, and tests/fuzz/seeds")


def _run(name: str, given: argparse.Namespace, seconds: float) -> bool:
    """Runs one target in a process of its own and prints the result. Returns whether no input failed."""
    command = [sys.executable, "-m", "tests.fuzz", "--run", name, "--only", name, "--minutes", str(seconds / 60)]
    command += ["--seed", str(given.seed)]
    command += ["--without-atheris"] if given.without_atheris else []
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    text = done.stdout + done.stderr
    counted = [line for line in text.splitlines() if line.startswith(("Done ", "#")) or "runs in" in line]
    print(f"{name}: {counted[-1].strip() if counted else 'no figures'}", flush=True)
    if done.returncode:
        print("\n".join(line for line in text.splitlines() if not line.startswith("INFO"))[-6000:], flush=True)
    return done.returncode == 0


def _guided(name: str, seconds: int, seed: int) -> None:
    """atheris ends the process itself: with 0 at the end of the time, with another code at a finding."""
    import atheris

    with atheris.instrument_imports(include=["service"]):
        from tests.fuzz.targets import TARGETS
    folder = CORPUS / name
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as grown, tempfile.NamedTemporaryFile("w", suffix=".dict") as dictionary:
        for number, data in enumerate(seeds(name)):
            Path(grown, f"seed-{number}").write_bytes(data)
        dictionary.write("".join(f'"{_escaped(word)}"\n' for word in words(name)))
        dictionary.flush()
        options = [
            f"-max_total_time={seconds}", f"-timeout={SLOWEST_SECONDS}", f"-max_len={LONGEST_BYTES}", "-rss_limit_mb=1500",
            f"-seed={seed}", f"-artifact_prefix={folder}/found-", f"-dict={dictionary.name}", grown,
        ]  # fmt: skip
        atheris.Setup([sys.argv[0], *options], lambda data: _kept(TARGETS[name], name, data))
        atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}" for byte in word)


def _unguided(name: str, seconds: int) -> None:
    from tests.fuzz.targets import TARGETS

    until, runs = time.monotonic() + seconds, 0
    for data in mutated(seeds(name), words(name), LONGEST_BYTES):
        _check(TARGETS[name], name, data)
        runs += 1
        if time.monotonic() > until:
            break
    print(f"Done {runs} runs in {seconds} s")


def _check(target: Callable[[bytes], None], name: str, data: bytes) -> None:
    started = time.monotonic()
    try:
        _kept(target, name, data)
        assert time.monotonic() - started < SLOWEST_SECONDS, "it took too long"
    except Exception:
        traceback.print_exc()
        raise SystemExit(f"{name}: {data[:300]!r}") from None


def _kept(target: Callable[[bytes], None], name: str, data: bytes) -> None:
    """Runs the target once. An input that makes it fail is written to a file first."""
    try:
        target(data)
    except Exception:
        (CORPUS / name).mkdir(exist_ok=True)
        (CORPUS / name / f"found-{hashlib.sha256(data).hexdigest()[:12]}").write_bytes(data)
        raise


if __name__ == "__main__":
    main()
