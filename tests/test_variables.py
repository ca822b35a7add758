"""Variables that look like settings and are none: `serve`, `run` and `doctor` name them, and go on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from service.cli import cli
from service.settings import environment_names
from service.variables import OF_OPTIONS, unknown
from tests.command_line import conversations, every_command

ROOT = Path(__file__).parents[1]
CLUSTER = {"OPENSEARCH_URL": "http://127.0.0.1:1", "CONVERSATIONS_TOKEN_SECRET": 2 * "a secret of the test "}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CONVERSATIONS_CALER_RATE", "CONVERSATIONS_CALLER_RATE"),
        ("CONVERSATIONS_TOKEN_REQUIRED_CLAIM", "CONVERSATIONS_TOKEN_REQUIRED_CLAIMS"),
        ("CONVERSATION_CALLER_RATE", "CONVERSATIONS_CALLER_RATE"),
        ("CONVERSTIONS_CALLER_RATE", "CONVERSATIONS_CALLER_RATE"),
        ("conversations_caler_rate", "CONVERSATIONS_CALLER_RATE"),
        ("CONVERSATIONS_WORKER", "CONVERSATIONS_WORKERS"),
    ],
)
def test_the_nearest_setting_is_named(name: str, meant: str) -> None:
    assert unknown({name}) == [f"{name} is no setting and has no effect; did you mean {meant}?"]


def test_a_variable_like_no_setting_is_named_without_a_suggestion() -> None:
    (sentence,) = unknown({"CONVERSATIONS_" + "Q" * 1_000})
    assert sentence.endswith("QQ is no setting and has no effect")
    assert len(sentence) < 150


def test_no_other_variable_is_named() -> None:
    others = {
        "PATH", "HOME", "CONVERSE_TOKEN", "CONVERT_TOKEN", "CONVERSION_RATE", "CONVERSATIONS", "_CONVERSATIONS_COMPLETE",
        "OPENSEARCH_JAVA_HOME", "OPENSEARCH_INITIAL_ADMIN_PASSWORD", "OTEL_SERVICE_NAME", "conversations_alias",
        "CONVERSATIONS_SERVICE_HOST", "CONVERSATIONS_SERVICE_PORT", "CONVERSATIONS_SERVICE_PORT_HTTPS",
        "CONVERSATIONS_PORT", "CONVERSATIONS_PORT_443_TCP", "CONVERSATIONS_PORT_443_TCP_ADDR",
        "CONVERSATIONS_API_SERVICE_HOST", "CONVERSATIONS_API_PORT_8000_TCP_PROTO",
    }  # fmt: skip
    assert unknown(others) == []


def test_all_variables_of_settings_options_and_files_are_known() -> None:
    options = {
        variable
        for command in (cli, *(command for _path, command in every_command()))
        for option in command.params
        for variable in ([option.envvar] if isinstance(option.envvar, str) else option.envvar or [])
    }
    assert set(OF_OPTIONS) <= options
    folders = ("deploy", "scripts", "clients")
    files = [
        ROOT / "docker-compose.yml",
        ROOT / "Dockerfile",
        *(one for name in folders for one in (ROOT / name).rglob("*")),
    ]
    texts = [one.read_text("utf-8", "replace") for one in files if one.is_file()]
    used = {name for text in texts for name in re.findall(r"\bCONVERSATIONS_[A-Z0-9_]*[A-Z0-9]\b", text)}
    assert len(used) > 10
    assert unknown(options | used | set(environment_names())) == []


@pytest.mark.parametrize("command", ["serve", "run", "doctor"])
def test_a_command_warns_and_goes_on(tmp_path: Path, command: str) -> None:
    wrong = {"CONVERSATIONS_CALER_RATE": "5-and-a-secret"}
    port = () if command == "doctor" else ("--port", "99999999" if command == "serve" else "0")
    if command == "serve":  # it would serve until it is stopped
        wrong["CONVERSATIONS_OPERATIONS_ADDRESS"] = "192.0.2.1:1"
        port = ("--port", "0")
    plain = conversations(
        tmp_path, command, *port, **{**CLUSTER, **{k: v for k, v in wrong.items() if "CALER" not in k}}
    )
    warned = conversations(tmp_path, command, "--quiet", *port, **CLUSTER, **wrong)
    first, *_rest = warned.stderr.splitlines()
    assert (
        first
        == "Warning: CONVERSATIONS_CALER_RATE is no setting and has no effect; did you mean CONVERSATIONS_CALLER_RATE?"
    )
    assert "secret" not in warned.stderr
    assert warned.returncode == plain.returncode
    assert "Warning" not in plain.stderr


def test_the_warning_is_a_line_of_a_json_log_too(tmp_path: Path) -> None:
    wrong = {"CONVERSATIONS_CALER_RATE": "5", "CONVERSATIONS_LOG_FORMAT": "json"}
    done = conversations(tmp_path, "run", "--port", "0", **CLUSTER, **wrong)
    line = json.loads(done.stderr.splitlines()[0])
    assert (line["event"], line["level"]) == ("note", "warning")
    assert "CONVERSATIONS_CALLER_RATE" in line["message"]
