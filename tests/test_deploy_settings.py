"""The settings that docker-compose.yml takes from .env: the service knows each, and an empty one counts as not set."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click
import pytest

from service.cli import cli
from service.settings import Settings, environment_names
from tests.command_line import assert_one_line, conversations
from tests.deploy_files import ROOT, SERVICES

SHAPE = ("SHARDS", "REPLICAS", "ROUTING_PARTITION", "REFRESH_INTERVAL")
OF_OPTIONS = {"CONVERSATIONS_WORKERS"}


def test_each_variable_of_a_container_of_the_service_is_one_that_it_knows() -> None:
    known = {*environment_names(), *OF_OPTIONS}
    for service, held in SERVICES.items():
        if held["image"].startswith("conversation-search/service:") and service != "certificates":
            assert set(held.get("environment", {})) <= known, service


@pytest.mark.parametrize("job", ["setup", "cluster-setup"])
def test_the_shape_of_a_new_index_comes_from_env(job: str) -> None:
    environment = SERVICES[job]["environment"]
    for name in SHAPE:
        assert environment[f"CONVERSATIONS_{name}"] == f"${{CONVERSATIONS_{name}:-}}"


@pytest.mark.parametrize("service", ["service", "cluster-service"])
def test_the_workers_of_the_service_and_their_memory_come_from_env(service: str) -> None:
    assert SERVICES[service]["environment"]["CONVERSATIONS_WORKERS"] == "${CONVERSATIONS_WORKERS:-}"
    assert SERVICES[service]["mem_limit"] == "${SERVICE_MEMORY:-512m}"


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("CONVERSATIONS_", "OPENSEARCH_"))]:
        monkeypatch.delenv(name)
    usual = Settings.load()
    for name in (*(f"CONVERSATIONS_{name}" for name in SHAPE), *OF_OPTIONS):
        monkeypatch.setenv(name, "")
    assert Settings.load() == usual
    serve = cli.commands["serve"]
    (workers,) = (one for one in serve.params if one.name == "workers")
    assert workers.value_from_envvar(click.Context(serve)) is None
    monkeypatch.setenv("CONVERSATIONS_WORKERS", "3")
    assert workers.value_from_envvar(click.Context(serve)) == "3"


def test_a_wrong_number_of_workers_names_the_option(tmp_path: Path) -> None:
    assert_one_line(conversations(tmp_path, "serve", CONVERSATIONS_WORKERS="0"), 2, "workers")


def test_the_docs_name_each_service_of_the_profile_cluster() -> None:
    containers, nodes = ((ROOT / f"docs/{page}.md").read_text("utf-8") for page in ("containers", "nodes"))
    table = containers.partition("**Other names.**")[2].partition("**One node at a time.**")[0]
    named = set(re.findall(r"`(cluster-[\w-]+)`", table))
    assert named == {service for service in SERVICES if service.startswith("cluster-")}
    rolling = nodes.partition("### With Docker Compose\n")[2].partition("\n## ")[0]
    assert {f"cluster-opensearch-{n}" for n in (1, 2, 3)} <= set(SERVICES)
    assert "for n in 1 2 3; do" in rolling
