"""Settings and options of commands are checked alike."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.command_line import (
    assert_one_line,
    conversations,
)


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"OPENSEARCH_URL": "search:9200"}, "must begin with http:// or https://"),
        ({"OPENSEARCH_URL": "http://"}, "must name a host"),
        ({"OPENSEARCH_URL": "http://h:99999"}, "a port from 1 to 65535"),
        ({"CONVERSATIONS_REQUEST_TIMEOUT": "nan"}, "a number above 0 up to 300"),
        ({"OPENSEARCH_CONNECTIONS": "1.5"}, "a whole number from 1 up to 1000"),
        ({"OPENSEARCH_VERIFY_CERTS": "perhaps"}, "true or false"),
        ({"CONVERSATIONS_LOG_FORMAT": "xml"}, "console or json"),
        ({"CONVERSATIONS_ALIAS": "A-B"}, "lower-case letters"),
        ({"CONVERSATIONS_NODE_HEAP": "much"}, "512m"),
        ({"CONVERSATIONS_SHARDS": "0"}, "a whole number from 1 up to 1024"),
        ({"CONVERSATIONS_REPLICAS": "-1"}, "a whole number from 0 up to 100"),
        ({"CONVERSATIONS_ROUTING_PARTITION": "0"}, "a whole number from 1 up to 1023"),
        ({"CONVERSATIONS_REFRESH_INTERVAL": "1"}, "a time in ms, s, m or h, such as 500ms or 30s, or -1 for never"),
        ({"CONVERSATIONS_TOKEN_SECRET": "not-long-enough"}, "at least 32 bytes"),
        ({"CONVERSATIONS_TOKEN_SECRET": "s" * 40 + "\udcff"}, "must be UTF-8"),
        ({"CONVERSATIONS_TOKEN_ISSUER": "a\udcff"}, "must be UTF-8"),
    ],
)
def test_a_wrong_setting_is_a_plain_sentence(variables: dict[str, str], says: str, tmp_path: Path) -> None:
    done = conversations(tmp_path, "status", **variables)
    assert_one_line(done, 2, *variables, says)
    assert not re.search(r"Input should|Value error|pydantic|not-long-enough", done.stderr)


def test_a_wrong_option_is_refused_as_the_setting_is(tmp_path: Path) -> None:
    for value in ("search:9200", "http://", "http://h:99999", "http://a b"):
        option = conversations(tmp_path, "status", "--opensearch-url", value)
        setting = conversations(tmp_path, "status", OPENSEARCH_URL=value)
        assert_one_line(option, 2, "--opensearch-url")
        assert option.stderr.replace("--opensearch-url", "OPENSEARCH_URL") == setting.stderr
    for name, variable in (
        ("--shards", "CONVERSATIONS_SHARDS"),
        ("--replicas", "CONVERSATIONS_REPLICAS"),
        ("--routing-partition", "CONVERSATIONS_ROUTING_PARTITION"),
        ("--refresh-interval", "CONVERSATIONS_REFRESH_INTERVAL"),
    ):
        for command in ("create", "reindex"):
            typed = conversations(tmp_path, command, name, "many")
            assert_one_line(typed, 2, name, '"many"')
            assert typed.stderr.replace(name, variable) == conversations(tmp_path, command, **{variable: "many"}).stderr
    assert_one_line(conversations(tmp_path, "healthy", "--url", "127.0.0.1:8000"), 2, "--url")
    assert_one_line(conversations(tmp_path, "dashboards", "--url", "127.0.0.1"), 2, "--url")


def test_names_of_settings_fields_are_not_read_from_the_environment(tmp_path: Path) -> None:
    """Many machines have URL or TOKEN set for something else."""
    done = conversations(tmp_path, "count", URL="http://other.invalid", TOKEN="x", DATA="/other", ALIAS="other")
    assert "other" not in done.stderr


def test_a_user_and_password_in_an_url_are_not_shown(tmp_path: Path) -> None:
    for url in ("http://ada:hunter2@127.0.0.1:9", "http://ada:hunter2@h:99999"):
        done = conversations(tmp_path, "status", "--opensearch-url", url)
        assert "hunter2" not in done.stderr


def test_nothing_is_served_if_the_audit_file_cannot_be_written(tmp_path: Path) -> None:
    """Nor does a worker start."""
    (tmp_path / "folder").mkdir()
    for file in (tmp_path / "nowhere" / "audit", tmp_path / "folder"):
        cluster = {"OPENSEARCH_URL": "http://127.0.0.1:1", "CONVERSATIONS_TOKEN_SECRET": 2 * "a secret of the test "}
        for command in (("serve",), ("serve", "--workers", "2"), ("serve", "--as-worker", "x"), ("run",)):
            done = conversations(tmp_path, *command, "--port", "0", CONVERSATIONS_AUDIT_FILE=str(file), **cluster)
            assert_one_line(done, 2, f"CONVERSATIONS_AUDIT_FILE names {file}, which cannot be written")
