"""Clients generated from the OpenAPI document: their types are checked, and they send requests to a real service.

Two linters check the document. npm's packages are locked in tests/clients/package-lock.json.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from service.api.documentation import FILES
from service.query.parameters import EXAMPLE_ORGANIZATION
from tests.node.sample import sample_rows
from tests.node.serving import Api

CLIENTS = Path(__file__).parents[1] / "clients"
ROOT = Path(__file__).parents[2]
SWAGGER_UI = ROOT / "service" / "api" / "swagger_ui"
DOCS = ROOT / "docs" / "clients.md"
HAS_NODE = shutil.which("npm") is not None and shutil.which("node") is not None
needs_node = pytest.mark.skipif(
    not HAS_NODE and "CI" not in os.environ, reason="needs nodejs and npm; CI installs them"
)


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """The output of the command. If it fails, the test shows what it printed."""
    done = subprocess.run(command, check=False, cwd=cwd, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{command}\n{done.stdout[-5000:]}\n{done.stderr[-5000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """npm's packages as they are locked, installed once."""
    folder = CLIENTS / "node_modules"
    installed = folder / ".installed"
    lock = (CLIENTS / "package-lock.json").read_bytes()
    if not installed.exists() or installed.read_bytes() != lock:
        run("npm", "ci", cwd=CLIENTS)
        installed.write_bytes(lock)
    return folder


@pytest.fixture
def document(api: Api, tmp_path: Path) -> Path:
    path = tmp_path / "openapi.json"
    path.write_bytes(api.get("/docs/openapi.json").content)
    return path


def arguments(api: Api) -> tuple[str, str, str]:
    token = api.token(UUID(EXAMPLE_ORGANIZATION), scopes=("conversations:write", "conversations:export"))
    return api.address, token, EXAMPLE_ORGANIZATION


def check_findings(found: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Compares what a client found with the rows of the sample."""
    listed = [
        row
        for row in rows
        if row["status"] == "closed"
        and {"Questions", "Docs, translations"} & set(row["categories"])
        and "2003-05-01" <= row["created_on"] < "2003-06"
    ]
    assert listed
    assert found["listed"] == [row["uid"] for row in sorted(listed, key=lambda row: row["created_on"], reverse=True)]
    assert len(found["walked"]) == len(rows)
    assert set(found["walked"]) == {row["uid"] for row in rows}
    exported, told = found["exported"]
    assert sorted(exported) == sorted(row["uid"] for row in rows if row["status"] in ("closed", "draft"))
    assert told == len(exported)
    assert found["counted"].pop("total") == len(rows)
    assert found["counted"] == {
        status: sum(row["status"] == status for row in rows) for status in {row["status"] for row in rows}
    }
    assert "twisted" in found["suggested"]
    assert found["written"] == ["written", "written", "rejected"]
    assert found["read"] == "Written by a client"
    assert found["deleted"] == "written"
    assert found["failures"] == ["invalid_parameter", "per_page", "forbidden", "unauthorized", "not_found"]


def test_a_client_of_openapi_python_client_is_strictly_typed_and_works(
    sample_api: Api, document: Path, samples: Path, tmp_path: Path
) -> None:
    (tmp_path / "settings.yaml").write_text("post_hooks: []\n")
    generator = Path(sys.executable).with_name("openapi-python-client")
    run(
        generator, "generate", "--path", document, "--config", tmp_path / "settings.yaml", "--meta", "none",
        "--output-path", tmp_path / "conversations_client",
    )  # fmt: skip
    shutil.copy(CLIENTS / "ask.py", tmp_path)
    run(sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", "ask.py", "conversations_client",
        cwd=tmp_path)  # fmt: skip
    check_findings(json.loads(run(sys.executable, tmp_path / "ask.py", *arguments(sample_api))), sample_rows(samples))


@needs_node
def test_a_client_of_openapi_typescript_is_strictly_typed_and_works(
    sample_api: Api, document: Path, samples: Path, node_modules: Path, tmp_path: Path
) -> None:
    programs = node_modules / ".bin"
    (tmp_path / "node_modules").symlink_to(node_modules)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(CLIENTS / "ask.ts", tmp_path)
    example = DOCS.read_text("utf-8").partition("```typescript\n")[2].partition("```")[0]
    (tmp_path / "example.ts").write_text(f"declare const TOKEN: string;\n{example}")
    run(programs / "openapi-typescript", document, "--output", tmp_path / "api.d.ts")
    run(
        programs / "tsc", "--strict", "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes", "--target", "es2022",
        "--module", "nodenext", "--lib", "es2022,dom,dom.iterable", "ask.ts", "example.ts", "api.d.ts", cwd=tmp_path,
    )  # fmt: skip
    check_findings(json.loads(run("node", tmp_path / "ask.js", *arguments(sample_api))), sample_rows(samples))


@needs_node
def test_the_linters_find_nothing_wrong_with_the_document(document: Path, node_modules: Path) -> None:
    programs = node_modules / ".bin"
    run(programs / "spectral", "lint", document, "--ruleset", CLIENTS / "spectral.yaml", "--fail-severity", "warn")
    found = json.loads(run(programs / "redocly", "lint", document, "--extends", "recommended", "--format", "json"))
    assert found["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}


@needs_node
def test_the_files_of_swagger_ui_are_those_of_the_locked_package(node_modules: Path) -> None:
    package = node_modules / "swagger-ui-dist"
    version = json.loads((package / "package.json").read_text())["version"]
    assert (SWAGGER_UI / "README.md").read_text().startswith(f"# Swagger UI {version}\n")
    for name in FILES:
        assert gzip.decompress((SWAGGER_UI / f"{name}.gz").read_bytes()) == (package / name).read_bytes()
    for name in ("LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"):
        assert (SWAGGER_UI / name).read_bytes() == (package / name).read_bytes()


@needs_node
def test_the_files_of_lit_html_and_axe_are_those_of_the_locked_packages(node_modules: Path) -> None:
    page = ROOT / "service" / "web" / "vendor" / "lit-html"
    version = json.loads((node_modules / "lit-html" / "package.json").read_text())["version"]
    assert (page / "README.md").read_text().startswith(f"# lit-html {version}\n")
    for path in [*page.rglob("*.js"), page / "LICENSE"]:
        assert path.read_bytes() == (node_modules / "lit-html" / path.relative_to(page)).read_bytes()
    axe = gzip.decompress((ROOT / "tests" / "browser" / "axe.min.js.gz").read_bytes())
    assert axe == (node_modules / "axe-core" / "axe.min.js").read_bytes()
