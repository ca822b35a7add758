"""Alert rules that tests/node/test_monitoring.py cannot check, because no node dies there."""

from __future__ import annotations

import re
from typing import Any

import yaml

from service import telemetry
from service.client.node_health import State
from tests.deploy_files import ROOT

RULES = yaml.safe_load((ROOT / "docs/monitoring/alerts.yml").read_text("utf-8"))
BY_NAME: dict[str, dict[str, Any]] = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}


def test_a_dead_node_is_an_alert() -> None:
    """With three nodes, no caller notices: the service uses the other two."""
    rule = BY_NAME["ConversationsNodeDead"]
    found = re.fullmatch(r'(\w+)\{state="(\w+)"\} > 0', rule["expr"])
    assert found is not None
    assert found[1] in {family.name for family in telemetry.REGISTRY.collect()}
    assert State(found[2]) is State.DEAD
    assert rule["labels"]["severity"] == "ticket"


def test_metrics_that_each_worker_counts_say_so() -> None:
    told = {family.name: family.documentation for family in telemetry.REGISTRY.collect()}
    assert "need not add up" in told["conversations_opensearch_nodes"]
    assert "each worker" in told["conversations_opensearch_circuits_opened"]
