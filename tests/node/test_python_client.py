"""The examples of the Python client's README against a real service, and the client as others install it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import service
from conversation_search import AsyncClient, Client, __version__
from service.query.parameters import EXAMPLE_ORGANIZATION
from tests.node.sample import sample_rows
from tests.node.serving import Api

ROOT = Path(__file__).parents[2] / "clients" / "python"
EXAMPLE = re.compile(
    r"^## (?P<title>.+?)$.*?^```python\n(?P<code>.+?)^```\n\n```text\n(?P<printed>.+?)^```$", re.M | re.S
)
README = (ROOT / "README.md").read_text("utf-8")


@pytest.fixture
def names(sample_api: Api) -> Iterator[dict[str, Any]]:
    """The names that the examples use."""
    organization = UUID(EXAMPLE_ORGANIZATION)
    token = sample_api.token(organization, scopes=("conversations:write", "conversations:export"))
    with Client(sample_api.address, token=token) as client:
        yield {
            "URL": sample_api.address,
            "TOKEN": token,
            "ORGANIZATION": organization,
            "Client": Client,
            "client": client,
        }


def test_every_example_prints_what_the_readme_says(names: dict[str, Any]) -> None:
    found = list(EXAMPLE.finditer(README))
    assert len(found) == README.count("```python") >= 10
    for example in found:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(example["code"], dict(names))  # noqa: S102
        assert printed.getvalue() == example["printed"], example["title"]


def test_both_clients_read_the_whole_sample(names: dict[str, Any], samples: Path) -> None:
    uids = {UUID(row["uid"]) for row in sample_rows(samples)}
    client: Client = names["client"]
    assert {one.uid for one in client.walk()} == {one.uid for one in client.export(sort="subject")} == uids
    found = client.search(
        per_page=1, facets=["status", "is_read"], highlight=True, search="twisted", where={"explain": "query"}
    )
    assert sum(found.facets["is_read"].values.values()) + found.facets["is_read"].none == found.total
    assert found.explanation is not None
    assert client.get(found[0].uid) == found[0]

    async def read() -> set[UUID]:
        async with AsyncClient(names["URL"], token=names["TOKEN"]) as asynchronous:
            return {one.uid async for one in asynchronous.walk()}

    assert asyncio.run(read()) == uids


def test_the_examples_are_right_for_a_type_checker(tmp_path: Path) -> None:
    """mypy checks all of them in strict mode."""
    head = [
        "from uuid import UUID", "from conversation_search import Client", "URL = TOKEN = ''", "ORGANIZATION = UUID(int=1)",
        "client = Client(URL, token=TOKEN)",
    ]  # fmt: skip
    for place, example in enumerate(EXAMPLE.finditer(README)):
        (tmp_path / f"example_{place}.py").write_text("\n".join([*head, example["code"]]))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", *tmp_path.glob("example_*.py")],
        env={**os.environ, "MYPYPATH": str(ROOT)}, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_the_client_is_a_distribution_of_its_own(tmp_path: Path) -> None:
    """It depends only on httpx, is typed, and has the version of the service."""
    assert __version__ == service.__version__
    shutil.copytree(ROOT, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__", "dist"))
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"],
        cwd=tmp_path / "project",
        check=True,
        capture_output=True,
    )
    wheel = zipfile.ZipFile(next((tmp_path / "project" / "dist").glob("*.whl")))
    contents = wheel.namelist()
    assert "conversation_search/py.typed" in contents
    assert {name.split("/")[0].partition("-")[0] for name in contents} == {
        "conversation_search",
        "conversation_search_client",
    }
    metadata = wheel.read(next(name for name in contents if name.endswith("METADATA"))).decode()
    assert re.findall(r"^Requires-Dist: (.+)$", metadata, re.M) == ["httpx<1,>=0.28"]
