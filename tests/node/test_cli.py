"""The command line on a real cluster and a real service, with the same answers: pipes, full disks and terminals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
import zstandard
from rich.cells import cell_len

from service.cli.examples import EXAMPLES
from service.conversation import Conversation
from tests.commands import run_here
from tests.corpus import ORGANIZATIONS, corpus
from tests.node import impatient
from tests.node.clusters import Cluster
from tests.node.serving import Api, serving
from tests.node.terminal import COMMAND, WAIT_SECONDS, Terminal, environment, on_terminal
from tests.processes import end_with_the_test, wait_until

ORGANIZATION = ORGANIZATIONS[0]
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def run(
    cluster: Cluster, home: Path, *arguments: str, text: str = "", **changes: str
) -> subprocess.CompletedProcess[str]:
    return run_here(arguments, environment=environment(cluster, home, **changes), folder=home, text=text)


@pytest.fixture
def token(api: Api, tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text(api.token(*ORGANIZATIONS, default=ORGANIZATION))
    path.chmod(0o600)
    return str(path)


# The same answers from a service and from the cluster


@pytest.mark.parametrize(
    "asked",
    [
        ("search",), ("search", "status:active"), ("search", "--status", "active,draft", "--limit", "3", "--page", "2"),
        ("search", "--where", "status!=closed&sort=subject", "--where", "highlight=subject", "is:unread"),
        ("search", "nofield:x", "--sort", "status,-created_on"), ("count", "-o", "json", "--where", "facets=status"),
        ("get", str(next(one.uid for one in corpus() if one.organization_uid == ORGANIZATION))),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_service_and_the_cluster_answer_the_same(
    asked: tuple[str, ...], cluster: Cluster, api: Api, token: str, tmp_path: Path
) -> None:
    direct = run(cluster, tmp_path, *asked)
    over_http = run(cluster, tmp_path, *asked, "--url", api.address, "--token-file", token)
    assert (direct.returncode, over_http.returncode) == (0, 0), direct.stderr + over_http.stderr
    assert json.loads(direct.stdout) == json.loads(over_http.stdout)
    assert direct.stderr == over_http.stderr


def test_search_prints_the_data_of_the_api(cluster: Cluster, api: Api, token: str, tmp_path: Path) -> None:
    done = run(cluster, tmp_path, "search", "status:active", "--url", api.address, "--token-file", token)
    body = api.conversations(Path(token).read_text(), {"q": "status:active", "organization_uid": str(ORGANIZATION)})
    assert json.loads(done.stdout) == body["data"]
    names = run(cluster, tmp_path, "search", "status:active", "-o", "name").stdout.split()
    assert names == [item["uid"] for item in body["data"]["items"]]
    total = body["data"]["pagination"]["total"]
    assert run(cluster, tmp_path, "count", "status:active").stdout == f"{total}\n"


@pytest.mark.parametrize("way", ["service", "cluster"])
def test_the_same_mistake_has_the_same_message_and_exit_code(
    way: str, cluster: Cluster, api: Api, token: str, tmp_path: Path
) -> None:
    more = ("--url", api.address, "--token-file", token) if way == "service" else ()
    wrong = run(cluster, tmp_path, "search", "--status", "nope", "--where", "created_on[gte]=x", *more)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("conversations: status: must be any of draft")
    assert "created_on[gte]" in wrong.stderr
    strict = run(cluster, tmp_path, "count", "status:nope", "--strict", *more)
    assert (strict.returncode, strict.stderr.count("\n")) == (2, 1)
    missing = run(cluster, tmp_path, "get", str(uuid4()), *more)
    assert (missing.returncode, missing.stderr.count("\n")) == (1, 1)
    assert "no such conversation" in missing.stderr


def test_a_refused_token_is_reported_in_one_line(cluster: Cluster, api: Api, token: str, tmp_path: Path) -> None:
    refused = run(cluster, tmp_path, "count", "--url", api.address, CONVERSATIONS_TOKEN="a.b.c")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "answered 401" in refused.stderr
    uid = str(next(one.uid for one in corpus() if one.organization_uid == ORGANIZATION))
    unscoped = run(cluster, tmp_path, "delete", uid, "--yes", "-q", "--url", api.address, "--token-file", token)
    assert (unscoped.returncode, unscoped.stderr.count("\n")) == (1, 1)
    assert "conversations:write" in unscoped.stderr


# Deleting


def uids(count: int) -> list[str]:
    return [str(one.uid) for one in corpus() if one.organization_uid == ORGANIZATION][:count]


def test_delete_asks_on_a_terminal_and_needs_yes_elsewhere(fresh: Cluster, tmp_path: Path) -> None:
    some = corpus()[:50]
    assert {one.organization_uid for one in some} == {ORGANIZATION}
    fresh.load(some)
    first, second, third = uids(3)
    subject = next(one.subject for one in corpus() if str(one.uid) == first) or ""
    assert run(fresh, tmp_path, "delete", first).returncode == 2
    dry = run(fresh, tmp_path, "delete", first, second, "--dry-run")
    assert (dry.returncode, [one["outcome"] for one in json.loads(dry.stdout)["items"]]) == (
        0,
        ["would be deleted"] * 2,
    )
    for answer, code, says in (
        ("n\n", 1, "nothing was deleted"),
        ("perhaps\n\n", 1, "Please answer y or n."),
        ("\x04", 1, "nothing was deleted"),
        ("\x03", 130, "Nothing was deleted."),
        ("y\n", 0, first),
    ):
        terminal = Terminal(fresh, tmp_path, "delete", first, columns=300)
        terminal.read_until("[y/N]")
        assert first in terminal.printed
        assert subject[:20] in terminal.printed
        terminal.type(answer)
        assert terminal.end() == code
        assert says in terminal.printed.partition("[y/N]")[2]
    assert run(fresh, tmp_path, "get", first).returncode == 1
    both = run(fresh, tmp_path, "delete", second, first, "--yes")
    assert both.returncode == 1
    assert "nothing was deleted" in both.stderr
    assert run(fresh, tmp_path, "get", second).returncode == 0
    piped = run(fresh, tmp_path, "delete", "-", "--yes", "-o", "name", "-q", text=f"{second}\n{third}\n{second}\n")
    assert (piped.returncode, piped.stdout.split(), piped.stderr) == (0, [second, third], "")
    assert run(fresh, tmp_path, "count").stdout == f"{len(some) - 3}\n"


def test_delete_over_http(fresh: Cluster, tmp_path: Path) -> None:
    fresh.load(corpus()[:20])
    for api in serving(fresh.settings, fresh.url):
        token = api.token(*ORGANIZATIONS, default=ORGANIZATION, scopes=("conversations:write", "conversations:export"))
        own = {"CONVERSATIONS_URL": api.address, "CONVERSATIONS_TOKEN": token}
        uid = json.loads(run(fresh, tmp_path, "search", "--limit", "1", **own).stdout)["items"][0]["uid"]
        assert run(fresh, tmp_path, "delete", uid, "--yes", **own).returncode == 0
        assert run(fresh, tmp_path, "get", uid, **own).returncode == 1


# Terminals


@pytest.mark.parametrize("columns", [30, 80, 120])
def test_a_table_fits_the_terminal(columns: int, cluster: Cluster, tmp_path: Path) -> None:
    code, printed = on_terminal(cluster, tmp_path, "search", "--limit", "100", "-q", columns=columns)
    assert code == 0
    lines = ESCAPE.sub("", printed).splitlines()
    assert len(lines) == 101
    assert max(map(cell_len, lines)) <= columns
    if columns > 36:
        assert re.match(r"[0-9a-f-]{36}  \S", lines[1])
    assert ("FROM" in lines[0]) == (columns >= 120)
    assert "\x1b[1m" in printed


@pytest.mark.parametrize("changes", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
@pytest.mark.parametrize("command", ["search", "status", "load"])
def test_no_colours_where_they_are_not_wanted(
    command: str, changes: dict[str, str], cluster: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "one.ndjson").write_text(corpus()[0].model_dump_json() + "\n")
    more = {"load": ("one.ndjson",), "export": ("out.ndjson", "--organization", str(ORGANIZATION))}
    _code, printed = on_terminal(cluster, tmp_path, command, *more.get(command, ()), columns=100, **changes)
    styles = re.findall(r"\x1b\[[0-9;]*m", printed)
    assert [style for style in styles if style not in ("\x1b[0m",)] == []
    if changes == {"TERM": "dumb"}:
        assert "\x1b" not in printed


def test_no_control_characters_of_a_subject_reach_the_terminal(fresh: Cluster, tmp_path: Path) -> None:
    evil = corpus()[0].model_copy(
        update={"subject": "title \x1b]0;owned\x07 \x9b31m red \u202e reversed", "organization_uid": ORGANIZATION}
    )
    fresh.load([Conversation.model_validate(evil.model_dump())])
    for arguments in (("search",), ("get", str(evil.uid), "--json")):
        code, printed = on_terminal(fresh, tmp_path, *arguments, columns=200)
        assert code == 0
        assert not re.search("[\x07\x9b\u202e]", printed)
        assert "\x1b]" not in printed
        assert "owned" in printed
    piped = run(fresh, tmp_path, "get", str(evil.uid))
    assert json.loads(piped.stdout)["subject"] == evil.subject


def test_status_is_a_table_on_a_terminal_and_json_elsewhere(cluster: Cluster, tmp_path: Path) -> None:
    code, printed = on_terminal(cluster, tmp_path, "status")
    assert code == 0
    assert "INDEX" in printed
    assert '"alias"' not in printed
    piped = run(cluster, tmp_path, "status")
    assert json.loads(piped.stdout)["alias"] == cluster.settings.alias
    assert "INDEX" in run(cluster, tmp_path, "status", "-o", "table").stdout


def test_status_is_watched_until_ctrl_c(cluster: Cluster, tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "status", "--watch", "--interval", "0.5"], env=environment(cluster, tmp_path), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_SECONDS) == 130
        assert process.stderr.read() == "Stopped.\n"
    assert [line["alias"] for line in lines] == [cluster.settings.alias] * 2


# Pipes and full disks


def test_head_ends_an_export_quietly(cluster: Cluster, tmp_path: Path) -> None:
    shell = f"{' '.join(COMMAND)} export - --organization {ORGANIZATION} -q | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", shell], env=environment(cluster, tmp_path), capture_output=True, text=True, check=True
    )
    line, code = done.stdout.splitlines()
    assert json.loads(line)["organization_uid"] == str(ORGANIZATION)
    assert code in ("141", "0")  # 0 if all of it fitted into the pipe
    assert done.stderr == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("search", "-o", "table"),
        ("doctor",),
        ("export", "-", "--organization", str(ORGANIZATION)),
    ],
    ids=" ".join,
)
def test_a_full_standard_output_is_one_line_and_exit_code_1(
    arguments: tuple[str, ...], cluster: Cluster, tmp_path: Path
) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, *arguments, "-q"], env=environment(cluster, tmp_path), stdout=full, stderr=subprocess.PIPE,
            text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "No space left on device" in done.stderr


def test_a_closed_pipe_is_exit_code_141(cluster: Cluster, tmp_path: Path) -> None:
    for arguments in (("search", "-o", "table"), ("doctor",)):
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "w") as closed:
            done = subprocess.run(
                [*COMMAND, *arguments], env=environment(cluster, tmp_path), stdout=closed, stderr=subprocess.PIPE,
                text=True, check=False,
            )  # fmt: skip
        assert (done.returncode, done.stderr) == (141, ""), arguments


# Examples


SAMPLE = Path(__file__).parents[1] / "samples" / "conversations.ndjson.gz"
COMMANDS_PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


def test_the_documented_examples_find_something_in_the_sample(fresh: Cluster, tmp_path: Path) -> None:
    """The lines of docs/commands.md and the examples of --help, typed into a shell as they stand."""
    assert run(fresh, tmp_path, "load", str(SAMPLE), "--create").returncode == 0
    fresh.act(lambda client: client.indices.refresh(index=fresh.settings.alias))
    section = COMMANDS_PAGE.read_text().partition("\n## Finding conversations\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^    (.+)$", section, re.MULTILINE)
    of_help = [line for name in ("search", "get", "count", "delete") for line in EXAMPLES[f"conversations {name}"]]
    export, *typed = lines
    assert export.startswith("export CONVERSATIONS_ORGANIZATION=")
    assert len(typed) == 6
    script = f'{export}; conversations() {{ {sys.executable} -m service "$@"; }}\n'
    for line in dict.fromkeys([*typed, *of_help]):
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", script + line], env=environment(fresh, tmp_path), cwd=tmp_path,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, (line, done.stderr)
        assert done.stdout.strip() not in ("", "0"), line
        assert '"items": []' not in done.stdout, line


# Loading


def test_load_reads_zstandard_and_prints_the_right_counts(fresh: Cluster, tmp_path: Path) -> None:
    fresh.load(corpus()[:1])
    lines = [one.model_dump_json() for one in corpus()[:30]]
    (tmp_path / "a.ndjson.zst").write_bytes(zstandard.compress("\n".join([*lines, "nonsense"]).encode()))
    done = run(fresh, tmp_path, "load", "a.ndjson.zst", "--no-progress")
    assert done.returncode == 3
    assert json.loads(done.stdout) == {"written": 29, "unchanged": 1, "rejected": 1}
    assert done.stderr == "conversations: 1 rejected, with the reasons in rejects.ndjson\n"
    again = run(fresh, tmp_path, "load", "a.ndjson.zst", "--dry-run", "-q")
    assert json.loads(again.stdout) == {"would_load": 30, "would_reject": 1}


def test_a_load_that_is_interrupted_says_how_to_go_on(fresh: Cluster, tmp_path: Path) -> None:
    fresh.load(corpus()[:1])
    many = [one.model_copy(update={"uid": uuid4()}).model_dump_json() for one in corpus() for _ in range(4)]
    (tmp_path / "many.ndjson").write_text("\n".join(many) + "\n")
    process = subprocess.Popen(
        [*impatient.COMMAND, "load", "many.ndjson", "-q"],
        env=environment(fresh, tmp_path, PYTHONPATH=str(impatient.ROOT)), cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    end_with_the_test(process)
    wait_until((tmp_path / "load.checkpoint").exists, process=process, says=process.communicate)
    process.send_signal(signal.SIGINT)
    _out, errors = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 130, errors
    *_progress, stopped, how_to_go_on = errors.splitlines()
    assert stopped == "Stopped."
    assert "--resume" in how_to_go_on
    assert run(fresh, tmp_path, "load", "many.ndjson", "--resume", "-q").returncode == 0


def test_a_context_reaches_the_processes_of_a_parallel_load(fresh: Cluster, tmp_path: Path) -> None:
    """Only the configuration file has the alias."""
    fresh.load(corpus()[:1])
    for name, part in (("a.ndjson", corpus()[:20]), ("b.ndjson", corpus()[20:40])):
        (tmp_path / name).write_text("\n".join(one.model_dump_json() for one in part))
    config = tmp_path / "config.toml"
    config.write_text(f'[contexts.here]\nalias = "{fresh.settings.alias}"\nopensearch_url = "{fresh.url}"\n')
    own = {"CONVERSATIONS_ALIAS": "", "OPENSEARCH_URL": ""}
    done = run(
        fresh,
        tmp_path,
        "--config",
        str(config),
        "--context",
        "here",
        "load",
        "a.ndjson",
        "b.ndjson",
        "--parallel",
        "2",
        **own,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"written": 39, "unchanged": 1, "rejected": 0}


def test_an_export_of_nothing_says_so(cluster: Cluster, tmp_path: Path) -> None:
    done = run(
        cluster, tmp_path, "export", "none.ndjson", "--organization", str(ORGANIZATION), "--where",
        "status=closed&status[nin]=closed", "--no-progress",
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stderr == f"no conversation of {ORGANIZATION} matches: none.ndjson holds none\n"
