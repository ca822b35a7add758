"""deploy/secrets makes each secret once and keeps it, and reports each one that cannot be used."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
NAMES = set(yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["secrets"])


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ROOT / "deploy/secrets", *arguments], capture_output=True, text=True, check=False)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with usable secrets."""
    for name in NAMES:
        (tmp_path / name).write_text("s" * 40)
    return tmp_path


def test_all_secrets_are_made_once_for_the_owner_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    done = run(folder)
    assert (done.returncode, done.stderr) == (0, "")
    made = contents(folder)
    assert made.keys() == NAMES
    assert len({*made.values()}) == len(NAMES)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o444}
    (folder / "token_secret").unlink()
    (folder / "token_secret.new").write_text("of a run that was killed")
    assert run(folder).stdout.splitlines() == [f"secrets: made {folder}/token_secret"]
    again = contents(folder)
    assert {name for name in NAMES if again[name] != made[name]} == {"token_secret"}
    assert again.keys() == NAMES
    assert run("--check", folder).returncode == 0


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "is missing"),
        ("", "is empty"),
        ("short", "12 characters or more"),
        ("x" * 73, "72 characters or fewer"),
        ('quote"quote"quote', "must be one line of letters"),
        ("two lines are\nnot one", "must be one line of letters"),
        ("$HOME-and-more-of-it", "must be one line of letters"),
    ],
)
def test_a_secret_that_cannot_be_used_is_reported(folder: Path, value: str | None, said: str) -> None:
    path = folder / "analyst_password"
    path.unlink()
    if value is not None:
        path.write_text(value)
    done = run("--check", folder)
    assert done.returncode == 1
    assert done.stderr.startswith(f"secrets: {path} ")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert value is None or len(value) < 6 or value not in done.stderr


@pytest.mark.parametrize("name", ["token_secret", "dashboards_cookie"])
def test_keys_are_longer_than_passwords(folder: Path, name: str) -> None:
    (folder / name).write_text("k" * 31)
    assert f"{name} must have 32 characters or more" in run("--check", folder).stderr
    (folder / name).write_text("k" * 32)
    assert run("--check", folder).returncode == 0


def test_each_missing_secret_is_reported(tmp_path: Path) -> None:
    done = run("--check", tmp_path)
    assert done.returncode == 1
    assert {
        line.split("/")[-1].split()[0] for line in done.stderr.replace("run deploy/secrets, ", "").splitlines()
    } == NAMES
    assert list(tmp_path.iterdir()) == []


def test_the_secrets_that_are_made_suit_the_service(tmp_path: Path) -> None:
    from service.settings import Settings

    run(tmp_path / "secrets")
    found = {"CONVERSATIONS_TOKEN_SECRET_FILE": str(tmp_path / "secrets/token_secret")}
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CONVERSATIONS_TOKEN_SECRET", raising=False)
        for name, value in found.items():
            patch.setitem(os.environ, name, value)
        settings = Settings.load()
    assert settings.token_secret is not None
    assert settings.token_secret.get_secret_value() == contents(tmp_path / "secrets")["token_secret"].strip()
