"""The files for containers, as far as they can be looked at without an engine; docs/running.md tells what was run."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
VERSION = "3.8.0"


def profile(name: str) -> dict[str, dict[str, Any]]:
    return {service: held for service, held in SERVICES.items() if held["profiles"] == [name]}


def test_every_variable_of_the_compose_file_is_in_the_example() -> None:
    used = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text("utf-8")))
    given = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE))
    assert used == given


def test_the_profiles_are_whole_and_wait_for_what_they_need() -> None:
    for name in ("dev", "production"):
        services = profile(name)
        for service, held in services.items():
            assert set(held.get("depends_on", {})) <= set(services), service
            assert held.get("mem_limit") or service == "certificates", service
            for needed, how in held.get("depends_on", {}).items():
                if how["condition"] == "service_healthy":
                    assert "healthcheck" in services[needed], f"{service} waits for the health of {needed}"
    assert set(profile("dev")) | set(profile("production")) == set(SERVICES)


def test_dev_listens_on_this_machine_only() -> None:
    ports = [port for held in profile("dev").values() for port in held.get("ports", [])]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_production_has_passwords_and_tls_everywhere() -> None:
    for service, held in profile("production").items():
        told = {**held.get("environment", {})}
        assert "DISABLE_SECURITY_PLUGIN" not in told
        assert not any(str(value).startswith(("http://", '["http://')) for value in told.values()), service
    own = SERVICES["service"]
    assert own["environment"]["OPENSEARCH_USER"] == "conversations"
    assert "--tls-certificate" in own["command"]
    assert own["read_only"] is True
    assert own["cap_drop"] == ["ALL"]


def test_the_versions_are_the_same_everywhere() -> None:
    assert SERVICES["dashboards"]["image"].endswith(f":{VERSION}")
    assert f"FROM opensearchproject/opensearch:{VERSION}" in (ROOT / "deploy/opensearch/Dockerfile").read_text("utf-8")
    assert f'"opensearch": "{VERSION}"' in (ROOT / "service/node/distribution.lock.json").read_text("utf-8")


def test_the_service_runs_as_nobody_from_locked_requirements() -> None:
    _head, build, last = (ROOT / "Dockerfile").read_text("utf-8").split("FROM ")
    assert "--require-hashes" in build
    assert re.search(r"^USER 65532", last, re.MULTILINE)
    assert not re.search(r"\b(pip|apt-get|RUN)\b", last), "the last stage builds nothing"


def test_certificates_are_made_once_and_belong_together(tmp_path: Path) -> None:
    command = [str(ROOT / "deploy" / "certificates"), str(tmp_path)]
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert "are good" in done.stdout
    made = {file.name for file in tmp_path.iterdir()}
    assert made == {"ca.pem", "node.pem", "node-key.pem", "admin.pem", "admin-key.pem"}
    for name in ("node", "admin"):
        checked = subprocess.run(
            ["openssl", "verify", "-CAfile", tmp_path / "ca.pem", tmp_path / f"{name}.pem"],
            capture_output=True,
            check=False,
        )
        assert checked.returncode == 0
        assert (tmp_path / f"{name}-key.pem").stat().st_mode & 0o077 == 0o040, "its group reads it, nobody else"
