"""The files for containers, compared with official sources (deploy_facts.yml). docs/containers.md says what was run."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from service import __version__
from tests.deploy_files import COMPOSE, DASHBOARDS, FACTS, OPENSEARCH, ROOT, SERVICES
from tests.facts import without_source

VERSION = "3.8.0"
JOBS = {"dev-setup", "dev-views", "check-secrets", "certificates", "setup", "views", "cluster-setup", "cluster-views"}
CLUSTER = ("cluster-opensearch-1", "cluster-opensearch-2", "cluster-opensearch-3")
TMP = "/tmp"  # noqa: S108 in containers
# The image's entry point removes the security plugin from the image's own files.
WRITABLE = {"dev-dashboards"}


def openssl(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)


def subject(certificate: Path) -> str:
    """The subject of a certificate, in the format of OpenSearch's security plugin."""
    told = openssl("x509", "-in", certificate, "-noout", "-subject", "-nameopt", "RFC2253").stdout
    return told.removeprefix("subject=").strip()


def profile(name: str) -> dict[str, dict[str, Any]]:
    return {service: held for service, held in SERVICES.items() if name in held["profiles"]}


def security(name: str) -> dict[str, Any]:
    held: dict[str, Any] = yaml.safe_load((ROOT / "deploy/opensearch/security" / name).read_text("utf-8"))
    return held


def test_every_fact_has_its_source() -> None:
    for name, fact in FACTS.items():
        assert without_source(fact, name) == []
        assert "why" in fact or fact["repository"].count("/") == 1, name
    for name in ("dashboards_entrypoint", "dashboards_own_settings"):
        assert set(FACTS[name]["settings"]) <= set(FACTS[name]["lines"]), name
    for name in ("security_files", "authentication_domains"):
        assert set(FACTS[name]["names"]) <= set(FACTS[name]["lines"]), name


def test_a_row_needs_a_line_or_a_reason() -> None:
    row: dict[str, object] = {"path": "a/file", "commit": "0" * 40, "lines": {"name": 1}}
    wrongs: list[dict[str, object]] = [
        {"lines": {}},
        {"lines": {"name": 0}},
        {"lines": None},
        {"commit": "main"},
        {"why": ""},
    ]
    assert without_source(row | {"inside": {"why": "nothing was at hand"}}, "row") == []
    for wrong in wrongs:
        assert without_source(row | wrong, "row") == ["row"]
        assert without_source(row | {"inside": row | wrong}, "row") == ["row.inside"]
    assert without_source({"place": "somewhere"}, "row") == ["row"]


def test_every_variable_of_the_compose_file_is_in_the_example() -> None:
    used = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text("utf-8")))
    given = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE))
    assert used == given


def test_ci_validates_every_profile() -> None:
    workflow = (ROOT / ".github/workflows/ci.yml").read_text("utf-8")
    validated = re.findall(r"^ +docker compose (.*) config --quiet$", workflow, re.MULTILINE)
    assert {name for line in validated for name in re.findall(r"--profile (\w+)", line)} == {
        name for held in COMPOSE["services"].values() for name in held["profiles"]
    }


def test_the_profiles_are_whole_and_wait_for_what_they_need() -> None:
    for name in ("dev", "production", "cluster"):
        services = profile(name)
        for service, held in services.items():
            assert set(held.get("depends_on", {})) <= set(services), service
            for needed, how in held.get("depends_on", {}).items():
                if how["condition"] == "service_healthy":
                    assert "test" in services[needed]["healthcheck"], f"{service} waits for the health of {needed}"
                else:
                    assert needed in JOBS, f"{service} waits for the end of {needed}"
    assert set(profile("dev")) | set(profile("production")) | set(profile("cluster")) == set(SERVICES)


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_every_container_has_limited_privileges_memory_and_logs(service: str) -> None:
    held = SERVICES[service]
    assert held["mem_limit"]
    assert held["cap_drop"] == ["ALL"]
    assert held["security_opt"] == ["no-new-privileges:true"]
    assert held["logging"] == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}}
    assert held.get("read_only", False) is (service not in WRITABLE)
    if service not in WRITABLE:
        assert TMP in {one.partition(":")[0] for one in held["tmpfs"]}
    # A job has no health, and would inherit the check of the image, which asks a service.
    assert held.get("healthcheck", {}).get("disable", False) is (service in JOBS)
    assert held.get("restart") == (None if service in JOBS else "unless-stopped")


def test_opensearch_and_dashboards_have_time_to_start() -> None:
    """`up` ends with "is unhealthy" otherwise: with a load of 35 on two cores, OpenSearch took four minutes."""
    for service in ("dev-opensearch", "opensearch", *CLUSTER, "dev-dashboards", "dashboards"):
        assert SERVICES[service]["healthcheck"]["start_period"] == "5m"


def test_containers_have_time_to_end() -> None:
    """By default, Compose kills a container 10 s after it asks it to stop."""
    for service, held in SERVICES.items():
        if held["image"].startswith("conversation-search/"):
            assert held["stop_grace_period"] == ("2m" if "/opensearch:" in held["image"] else "1m"), service


@pytest.mark.parametrize("name", ["dev", "production", "cluster"])
def test_one_service_of_a_profile_builds_an_image(name: str) -> None:
    """As `images_that_others_build` says, Compose then does not look for it in a registry."""
    own = [held for held in profile(name).values() if held["image"].startswith("conversation-search/")]
    images = {held["image"] for held in own}
    assert sorted(held["image"] for held in own if "build" in held) == sorted(images)
    assert images == {
        f"conversation-search/service:{__version__}",
        f"conversation-search/opensearch:{VERSION}-{__version__}",
    }


def test_the_images_of_others_are_pinned() -> None:
    digests: dict[str, str] = FACTS["digests"]["images"]
    variable = re.compile(r"\$\{DASHBOARDS_IMAGE:-(.+)\}")
    named = [variable.sub(r"\1", SERVICES[service]["image"]) for service in ("dashboards", "dev-dashboards")]
    assert f"DASHBOARDS_IMAGE={named[0]}\n" in (ROOT / ".env.example").read_text("utf-8")
    for file in ("Dockerfile", "deploy/opensearch/Dockerfile"):
        named += re.findall(r"^FROM (\S+)", (ROOT / file).read_text("utf-8"), re.MULTILINE)
    assert {image.partition("@")[0] for image in named} == set(digests)
    for image in named:
        tag, _, digest = image.partition("@")
        assert digest == digests[tag]
    assert f'"opensearch": "{VERSION}"' in (ROOT / "service/node/distribution.lock.json").read_text("utf-8")


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


def test_opensearch_is_reached_from_the_internal_network_only() -> None:
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    networks: dict[str, Any] = {
        service: held.get("networks", held.get("network_mode")) for service, held in profile("production").items()
    }
    assert {service for service, held in networks.items() if "outside" in held} == {"service", "dashboards"}
    assert {service for service, held in networks.items() if held == "none"} == {"check-secrets", "certificates"}
    assert networks["opensearch"] == ["inside"]
    assert "ports" not in SERVICES["opensearch"]


def test_secrets_are_files_and_each_container_has_its_own_only() -> None:
    """`docker inspect` shows variables, and an image's entry point puts them on a command line."""
    names = set(COMPOSE["secrets"])
    for name, held in COMPOSE["secrets"].items():
        # As `secrets_of_read_only_containers` says, nothing but a file can be given to a read-only container.
        assert held == {"file": f"./secrets/{name}"}
    of_one = profile("production")
    users = {name: {service for service, held in of_one.items() if name in held.get("secrets", [])} for name in names}
    assert all("check-secrets" in held for held in users.values())
    assert {name: held - {"check-secrets"} for name, held in users.items()} == {
        "token_secret": {"setup", "views", "service"},
        "cursor_secret": {"setup", "views", "service"},
        "conversations_password": {"opensearch", "setup", "views", "service"},
        "admin_password": {"opensearch"},
        "analyst_password": {"opensearch"},
        "dashboards_password": {"opensearch", "dashboards"},
        "dashboards_cookie": {"dashboards"},
    }
    for service, held in profile("production").items():
        for variable, value in held.get("environment", {}).items():
            if re.search("PASSWORD|SECRET", variable):
                assert value.removeprefix("/run/secrets/") in held["secrets"], f"{service}: {variable}"


def test_three_nodes_form_one_cluster_and_otherwise_equal_production() -> None:
    """`lists_of_settings`: a text is split at its commas. The settings of a single node are replaced."""
    rows = FACTS["nodes_of_a_cluster"]
    assert OPENSEARCH[rows["type"]["setting"]] == "single-node"
    names = [SERVICES[node]["environment"]["node.name"] for node in CLUSTER]
    assert names == ["opensearch-1", "opensearch-2", "opensearch-3"]
    single = SERVICES["opensearch"]
    volumes = set()
    for node, name in zip(CLUSTER, names, strict=True):
        held = SERVICES[node]
        assert held["environment"] == {
            **single["environment"], "node.name": name, rows["type"]["setting"]: rows["type"]["value"],
            rows["hosts"]["setting"]: ",".join(names), rows["first"]["setting"]: ",".join(names),
        }  # fmt: skip
        # The certificate of the nodes is for each name, and for the one that all of them answer to.
        assert held["networks"] == {"inside": {"aliases": ["opensearch", name]}}
        volumes.add(held["volumes"][0].partition(":")[0])
        own = {"build", "profiles", "environment", "networks", "volumes"}
        assert {key: value for key, value in held.items() if key not in own} == {
            key: value for key, value in single.items() if key not in own
        }
        assert held["volumes"][1:] == single["volumes"][1:]
    assert len(volumes) == 3
    for service in ("dashboards", "setup", "views", "service"):
        one, several = SERVICES[service], SERVICES[f"cluster-{service}"]
        own = {"profiles", "depends_on", "networks", "environment"}
        assert {key: value for key, value in one.items() if key not in own} == {
            key: value for key, value in several.items() if key not in own
        }
        urls = {"OPENSEARCH_URL": " ".join(f"https://{name}:9200" for name in names)}
        assert several["environment"] == one["environment"] | ({} if service == "dashboards" else urls)
        assert set(several["networks"]) == set(one["networks"])
    assert set(SERVICES["cluster-setup"]["depends_on"]) == set(CLUSTER)


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
        told += [str(OPENSEARCH)] if service == "opensearch" else []
        named = re.findall(r"[\w./-]+\.pem\b", " ".join(told))
        assert bool(named) is (service != "check-secrets")
        for file in named:
            path = Path("/usr/share/opensearch/config", file.removeprefix("config/"))
            volume = mounted(service)[str(path.parent)]
            assert (made / folders[volume] / path.name).is_file(), f"{service} names {file}"


@pytest.mark.slow
def test_the_web_certificate_gives_no_access_to_opensearch(made: Path) -> None:
    """`lists_of_settings`: a text would be split at its commas, and the name with it."""
    admin, nodes = (OPENSEARCH[name] for name in FACTS["names_of_administrators"]["settings"])
    assert (admin, nodes) == ([subject(made / "admin" / "admin.pem")], [subject(made / "opensearch" / "node.pem")])
    assert subject(made / "web" / "web.pem") not in admin + nodes
    purposes = openssl("x509", "-in", made / "web" / "web.pem", "-noout", "-ext", "extendedKeyUsage").stdout
    assert "Server" in purposes
    assert "Client" not in purposes


def test_the_variables_are_those_that_the_images_know() -> None:
    opensearch, dashboards = FACTS["opensearch_entrypoint"], FACTS["dashboards_entrypoint"]
    options = {name.upper().replace(".", "_") for name in dashboards["settings"]} | {*dashboards["variables"]}
    for service in ("opensearch", "dev-opensearch"):
        for variable in SERVICES[service]["environment"]:
            assert variable in opensearch["variables"] or re.match(opensearch["settings"], variable), variable
        assert SERVICES[service]["environment"]["DISABLE_PERFORMANCE_ANALYZER_AGENT_CLI"] == "true"
    for service in ("dashboards", "dev-dashboards"):
        assert set(SERVICES[service]["environment"]) <= options
    assert SERVICES["dashboards"]["environment"]["OPENSEARCH_SSL_VERIFICATIONMODE"] == "full"
    assert FACTS["security_health"]["url"] in str(SERVICES["opensearch"]["healthcheck"]["test"])


def test_the_folders_that_are_written_are_in_memory_or_a_volume() -> None:
    home = FACTS["opensearch_image"]["home"]
    in_memory = {one.partition(":")[0] for one in SERVICES["opensearch"]["tmpfs"]}
    assert in_memory == {TMP, f"{home}/logs", f"{home}/config"}
    assert {f"{home}/data", f"{home}/snapshots"} <= set(mounted("opensearch"))
    assert OPENSEARCH["path.repo"] == [f"{home}/snapshots"]
    dockerfile = (ROOT / "deploy/opensearch/Dockerfile").read_text("utf-8")
    assert "mkdir snapshots" in dockerfile, "the image's user owns it, and so the volume"
    assert "USER" not in dockerfile
    # As `modes_of_folders_in_memory` says, the mode of the image's own folder wins with an older runc.
    assert "chmod 1777 config logs" in dockerfile
    assert SERVICES["dashboards"]["tmpfs"] == [TMP]
    assert DASHBOARDS[FACTS["dashboards_data"]["setting"]] == TMP


def test_opensearch_can_load_native_libraries_from_its_temporary_folder() -> None:
    """`native_libraries`: Docker and Podman mount folders in memory noexec, unless their options say exec."""
    for service in ("opensearch", "dev-opensearch"):
        (options,) = (one.partition(":")[2] for one in SERVICES[service]["tmpfs"] if one.partition(":")[0] == TMP)
        assert FACTS["native_libraries"]["needed"] in options.split(",")


def test_the_scripts_start_what_the_images_start() -> None:
    for name, image in (("opensearch", "opensearch_image"), ("dashboards", "dashboards_image")):
        script = (ROOT / "deploy" / name / "start").read_text("utf-8")
        assert FACTS[image]["home"] in script
        entry = FACTS["opensearch_image" if name == "opensearch" else "dashboards_entrypoint"]["entrypoint"]
        assert script.splitlines()[-1].startswith(f"exec {entry} opensearch")
    assert FACTS["opensearch_image"]["user"] == FACTS["dashboards_image"]["user"] == 1000


def test_the_files_of_the_security_plugin_are_known_to_it() -> None:
    folder = ROOT / "deploy/opensearch/security"
    names = {path.name for path in folder.iterdir()}
    assert names | {"internal_users.yml", "allowlist.yml"} == set(FACTS["security_files"]["names"])
    audit = security("audit.yml")["config"]
    assert (audit["enabled"], audit["audit"]["log_request_body"]) == (True, False)
    assert OPENSEARCH["plugins.security.audit.type"] == "log4j"
    assert security("config.yml")["config"]["dynamic"]["kibana"]["default_tenant"] == FACTS["tenants"]["global"]


def test_the_ways_to_sign_in_have_names_that_the_plugin_knows() -> None:
    for domain in security("config.yml")["config"]["dynamic"]["authc"].values():
        assert set(domain) <= set(FACTS["authentication_domains"]["names"])


def test_no_role_or_user_is_reserved() -> None:
    for name in ("roles.yml", "roles_mapping.yml"):
        assert not any(held.get("reserved") for held in security(name).values())
    assert "reserved: true" not in (ROOT / "deploy/opensearch/start").read_text("utf-8")


def test_the_analyst_may_use_ppl_and_sql() -> None:
    role, needed = security("roles.yml")["conversations_analyst"], FACTS["ppl_permissions"]
    assert {*needed["cluster"], *FACTS["sql_permissions"]["cluster"]} <= set(role["cluster_permissions"])
    allowed = role["index_permissions"][0]["allowed_actions"]
    assert {needed["contained"].get(action, action) for action in needed["index"]} <= set(allowed)


def test_nobody_has_access_to_the_saved_objects_of_others() -> None:
    """`dashboards_index`, `tenants_of_others`: kibana_user reads, changes and deletes what lies in every tenant."""
    index = FACTS["dashboards_index"]["index"]
    assert security("config.yml")["config"]["dynamic"]["kibana"]["index"] == index
    assert FACTS["tenants_of_others"]["role"] not in security("roles_mapping.yml")
    allowed: dict[str, set[str]] = {}
    for role, held in security("roles.yml").items():
        for permission in held.get("index_permissions", []):
            if any(pattern.startswith((".", "*")) for pattern in permission["index_patterns"]):
                assert permission["index_patterns"] == [index], "the alias alone: the indices of tenants begin with it"
                allowed[role] = set(permission["allowed_actions"])
    assert set(allowed) == {"conversations_analyst", "conversations_views"}
    assert allowed["conversations_analyst"] == {"read"}
    assert not any(
        re.search(r"delete|manage|all|\*$", action)
        for action in allowed["conversations_views"] - {"indices:data/write/bulk*"}
    )


def test_the_service_runs_as_nobody_from_locked_requirements() -> None:
    _head, build, last = (ROOT / "Dockerfile").read_text("utf-8").split("FROM ")
    assert "--require-hashes" in build
    assert re.search(r"^USER 65532", last, re.MULTILINE)
    assert not re.search(r"\b(pip|apt-get|RUN)\b", last), "the last stage builds nothing"
