"""The files for containers, and what the official sources say of them (deploy_facts.yml), as Python values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
FACTS: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "tests/deploy_facts.yml").read_text("utf-8"))
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OPENSEARCH: dict[str, Any] = yaml.safe_load((ROOT / "deploy/opensearch/opensearch.yml").read_text("utf-8"))
DASHBOARDS: dict[str, Any] = yaml.safe_load((ROOT / "deploy/dashboards/opensearch_dashboards.yml").read_text("utf-8"))
EVERYWHERE = "0.0.0.0"  # noqa: S104 in containers
