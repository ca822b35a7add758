"""The settings with which OpenSearch Dashboards starts in its container, against what the official sources say."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy_files import DASHBOARDS, EVERYWHERE, FACTS, ROOT, SERVICES


def test_the_settings_of_dashboards_replace_all_of_the_images() -> None:
    for name, how in FACTS["dashboards_own_settings"]["settings"].items():
        if how == "variable":
            assert name.upper().replace(".", "_") in SERVICES["dashboards"]["environment"]
        elif how == "secret":
            assert f"'{name}: " in (ROOT / "deploy/dashboards/start").read_text("utf-8")
        else:
            assert name in DASHBOARDS
    assert DASHBOARDS["opensearch_security.cookie.secure"] is True
    assert DASHBOARDS["opensearch_security.multitenancy.tenants.preferred"][0] == "Global"
    assert DASHBOARDS["server.host"] == EVERYWHERE


@pytest.mark.parametrize("password", ["1234567890123", "12345678901e5", "secret=with=signs", "a,b%c^d~e_f-g.h/i"])
def test_dashboards_gets_every_password_as_it_is(tmp_path: Path, password: str) -> None:
    """Its command line would cut it at "=" and take digits for a number (`dashboards_command_line`)."""
    (tmp_path / "dashboards_password").write_text(password + "\n")
    (tmp_path / "dashboards_cookie").write_text("7" * 32)
    entry = tmp_path / "opensearch-dashboards-docker-entrypoint.sh"
    entry.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    entry.chmod(0o755)
    folders = {"SECRETS": str(tmp_path), "TMPDIR": str(tmp_path), "DASHBOARDS_HOME": str(tmp_path)}
    script = ROOT / "deploy/dashboards/start"
    done = subprocess.run([script], env=folders | {"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True)
    command, option, settings = done.stdout.splitlines()
    assert (command, option) == ("opensearch-dashboards", "--config")
    held = yaml.safe_load(Path(settings).read_text("utf-8"))
    assert held == DASHBOARDS | {"opensearch.password": password, "opensearch_security.cookie.password": "7" * 32}
    assert Path(settings).stat().st_mode & 0o777 == 0o600
