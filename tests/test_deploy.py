"""The files for containers, as far as they can be looked at without an engine; docs/running.md tells what was run."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
VERSION = "3.8.0"


def openssl(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)


def subject(certificate: Path) -> str:
    """As OpenSearch's security plugin writes it."""
    told = openssl("x509", "-in", certificate, "-noout", "-subject", "-nameopt", "RFC2253").stdout
    return told.removeprefix("subject=").strip()


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


def mounted(service: str) -> dict[str, str]:
    """Folder in the container -> volume."""
    return {target: volume for volume, target, *_ in (one.split(":") for one in SERVICES[service].get("volumes", []))}


def test_a_private_key_is_mounted_only_where_it_is_used() -> None:
    users = {
        volume: {service for service in profile("production") if volume in mounted(service).values()}
        for volume in COMPOSE["volumes"]
    }
    assert users["authority"] == users["admin-certificates"] == {"certificates"}
    assert users["opensearch-certificates"] == {"certificates", "opensearch"}
    assert users["web-certificates"] == {"certificates", "dashboards", "service"}
    assert users["ca"] == {"certificates", "opensearch", "dashboards", "setup", "views", "service"}
    for service in set(profile("production")) - {"certificates"}:
        for mount in SERVICES[service].get("volumes", []):
            assert mount.endswith(":ro") or not re.match("authority|ca|.*-certificates", mount), f"{service}: {mount}"


@pytest.mark.slow
def test_every_certificate_that_is_named_is_made_and_mounted(made: Path) -> None:
    folders = {"authority": "authority", "admin-certificates": "admin", "ca": "ca"}
    folders |= {"opensearch-certificates": "opensearch", "web-certificates": "web"}
    assert mounted("certificates") == {
        **{f"/certificates/{folder}": volume for volume, folder in folders.items()},
        "/certificates.sh": "./deploy/certificates",
    }
    for service, held in profile("production").items():
        if service == "certificates":
            continue
        told = [str(held.get(part, "")) for part in ("environment", "command", "healthcheck")]
        named = re.findall(r"[\w./-]+\.pem\b", " ".join(told))
        for file in named:
            path = Path("/usr/share/opensearch/config", file.removeprefix("config/"))
            volume = mounted(service)[str(path.parent)]
            assert (made / folders[volume] / path.name).is_file(), f"{service} names {file}"


@pytest.mark.slow
def test_the_certificate_of_the_web_opens_nothing_in_opensearch(made: Path) -> None:
    environment = SERVICES["opensearch"]["environment"]
    names = {environment["plugins.security.nodes_dn"], environment["plugins.security.authcz.admin_dn"]}
    assert {subject(made / "opensearch" / "node.pem"), subject(made / "admin" / "admin.pem")} == names
    assert subject(made / "web" / "web.pem") not in names
    purposes = openssl("x509", "-in", made / "web" / "web.pem", "-noout", "-ext", "extendedKeyUsage").stdout
    assert "Server" in purposes
    assert "Client" not in purposes


def test_the_versions_are_the_same_everywhere() -> None:
    assert SERVICES["dashboards"]["image"].endswith(f":{VERSION}")
    assert f"FROM opensearchproject/opensearch:{VERSION}" in (ROOT / "deploy/opensearch/Dockerfile").read_text("utf-8")
    assert f'"opensearch": "{VERSION}"' in (ROOT / "service/node/distribution.lock.json").read_text("utf-8")


def test_the_service_runs_as_nobody_from_locked_requirements() -> None:
    _head, build, last = (ROOT / "Dockerfile").read_text("utf-8").split("FROM ")
    assert "--require-hashes" in build
    assert re.search(r"^USER 65532", last, re.MULTILINE)
    assert not re.search(r"\b(pip|apt-get|RUN)\b", last), "the last stage builds nothing"
