"""The command line: help, examples, completion, options of every command, exit codes."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import pytest
from rich.cells import cell_len

from service import terminal
from service.cli import cli, output
from service.cli.examples import EXAMPLES
from service.cli.exit_codes import EXIT_CODES
from tests.command_line import (
    COMMAND,
    ORGANIZATION,
    ROOT,
    UID,
    assert_one_line,
    conversations,
    environment,
    every_command,
    process,
)
from tests.corpus import corpus
from tests.processes import end_all, end_with_the_test


@pytest.mark.parametrize("path", [path for path, _command in every_command()])
def test_every_command_has_help_with_an_example_that_parses(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for example in EXAMPLES[path]:
        inner = re.search(r"<\((.*)\)", example)
        words = shlex.split(inner[1] if inner else example.partition("|")[0])
        assert words[0] == "conversations"
        for word in words[1:]:
            if "." in word and "/" not in word and "=" not in word:
                Path(word).touch()  # a file that must be there
        parse(cli.make_context("conversations", words[1:]))


def parse(ctx: click.Context) -> None:
    """Raises what click raises for a wrong option or argument of the command, or of those inside it."""
    if isinstance(ctx.command, click.Group):
        name, found, rest = ctx.command.resolve_command(ctx, [*ctx._protected_args, *ctx.args])
        assert found is not None
        assert name is not None
        parse(found.make_context(name, rest, parent=ctx))


def test_help_names_the_environment_variable_of_an_option(tmp_path: Path) -> None:
    shown = conversations(tmp_path, "search", "--help").stdout
    for variable in ("CONVERSATIONS_URL", "CONVERSATIONS_TOKEN_FILE", "CONVERSATIONS_ORGANIZATION", "OPENSEARCH_URL"):
        assert variable in re.sub(r"\s+", "", shown)
    assert "Examples:" in shown
    for command in ("create", "reindex"):
        shown = re.sub(r"\s+", "", conversations(tmp_path, command, "--help").stdout)
        for variable in ("CONVERSATIONS_SHARDS", "CONVERSATIONS_REPLICAS", "CONVERSATIONS_REFRESH_INTERVAL"):
            assert variable in shown


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("search --limit x", "--limit: 'x' must be a whole number from 1 to 100"),
        ("search --limit 500", "--limit: '500' must be a whole number from 1 to 100"),
        ("status --watch --interval 0", "--interval: '0' must be a number of at least 0.5"),
        ("serve --port 70000", "--port: '70000' must be a whole number from 0 to 65535"),
        ("search --data file", "--data: 'file' is a file, and must be a folder"),
        ("load .", "FILE: '.' is a folder, and must be a file"),
        ("load none", "FILE: file 'none' does not exist"),
        ("get x y", "must be a UUID"),
        ("completion bsh", "SHELL: 'bsh' must be one of bash, zsh, fish; did you mean bash?"),
        ("completion", "missing argument 'SHELL': one of bash, zsh, fish"),
        ("search -o tabel", "--output: 'tabel' must be one of table, json, name; did you mean table?"),
        ("delete x", "UID: 'x': must be a UUID"),
        ("status --interval", "--interval needs a value"),
        ("status --watch=3", "--watch takes no value"),
        ("healthy now", "unexpected: now"),
        ("status --jsn", "there is no option --jsn; did you mean --json?"),
        ("serch", "there is no command serch; did you mean search?"),
        (
            "search --is-read no --opensearch-url http://127.0.0.1:9",
            "is_read: must be true or false, or none or any; did you mean false?",
        ),
        # options that would change nothing
        ("search --limit 3 -- -ssh -o name", "-o comes after --"),
        ("count -- x --json", "--json comes after --"),
        ("search x --match fuzzy", "--match fuzzy is not for QUERY: write the words as --where 'search=TEXT' instead"),
        ("count x --match exact --where is_read=true", "--match exact is not for QUERY"),
        ("search x --token-file file", "--token-file is for a running service"),
        ("status --interval 3", "--interval is for --watch"),
        ("run --sample", "--sample is for the cluster of --opensearch-url"),
        ("run --create", "--create is for the cluster of --opensearch-url"),
        ("load file --dry-run --create", "leave out --create"),
        ("import-sms file --output out --create", "leave out --create"),
        ("prune --dry-run --tombstones 9d", "leave out --tombstones"),
    ],
)
def test_wrong_use_is_named_in_plain_words(typed: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    words = shlex.split(typed)
    if words[0].startswith("import"):
        words += ["--organization", ORGANIZATION]
    done = conversations(tmp_path, *words, CONVERSATIONS_ORGANIZATION=ORGANIZATION)
    assert_one_line(done, 2, says)
    assert "valid integer" not in done.stderr


def test_the_summary_of_every_command_is_whole(tmp_path: Path) -> None:
    shown = conversations(tmp_path, "--help", COLUMNS="80").stdout.partition("Commands:")[2]
    assert "…" not in shown
    assert "..." not in shown
    for name, command in cli.commands.items():
        assert name in shown
        assert (command.short_help or "").endswith("."), name


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_for_the_console_script(shell: str, tmp_path: Path) -> None:
    done = conversations(tmp_path, "completion", shell)
    assert done.returncode == 0
    assert "_CONVERSATIONS_COMPLETE" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "offers"),
    [
        ("conversations sea", "search"),
        ("conversations search sta", "status:"),
        ("conversations search status:dr", "status:draft"),
        ("conversations search --sort status,upd", "status,updated_on"),
        ("conversations search --where created_on[g", "created_on[gte]="),
        ("conversations search --status active,dr", "active,draft"),
        ("conversations --context pr", "prod"),
        ("conversations context use t", "test"),
        ("conversations completion z", "zsh"),
    ],
)
def test_the_shell_completes(typed: str, offers: str, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[contexts.prod]\n[contexts.test]\n")
    words = typed.split()
    done = process(
        tmp_path, COMP_WORDS=typed, COMP_CWORD=str(len(words) - 1), _CONVERSATIONS_COMPLETE="bash_complete",
        CONVERSATIONS_CONFIG=str(config),
    )  # fmt: skip
    assert f"plain,{offers}" in done.stdout.splitlines(), done


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="there is no bash")
def test_bash_accepts_the_completion_script(tmp_path: Path) -> None:
    script = conversations(tmp_path, "completion", "bash").stdout
    done = subprocess.run(
        ["bash", "-c", f"{script}\ncomplete -p conversations"], capture_output=True, text=True, check=True
    )
    assert "_conversations_completion" in done.stdout


@pytest.mark.parametrize("arguments", [("-q", "context", "list"), ("context", "-q", "list"), ("context", "list", "-q")])
def test_options_of_every_command_stand_before_or_after_its_name(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """The note about a file that others can read is not printed with -q."""
    config = tmp_path / "config.toml"
    config.write_text('[contexts.one]\ntoken = "abc"\n')
    config.chmod(0o644)
    loud = conversations(tmp_path, "--config", str(config), "context", "list")
    assert "chmod 600" in loud.stderr
    quiet = conversations(tmp_path, *arguments, CONVERSATIONS_CONFIG=str(config))
    assert (quiet.returncode, quiet.stderr) == (0, "")
    assert json.loads(quiet.stdout) == [{"name": "one", "is_current": False}]


def test_the_configuration_file_gives_what_neither_option_nor_environment_gives(tmp_path: Path) -> None:
    config = tmp_path / ".config" / "conversation-search" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(
        'current = "a"\n\n[contexts.a]\nopensearch_url = "http://a.invalid:1"\n'
        '[contexts.b]\nopensearch_url = "http://b.invalid:2"\n'
    )

    def address(*arguments: str, **changes: str) -> str:
        found = re.search(r"at (\S+):", conversations(tmp_path, *arguments, **changes).stderr)
        assert found is not None
        return found[1]

    assert address("status") == "http://a.invalid:1"
    assert address("--context", "b", "status") == "http://b.invalid:2"
    assert address("status", "--context", "b") == "http://b.invalid:2"
    assert address("status", CONVERSATIONS_CONTEXT="b") == "http://b.invalid:2"
    assert address("--context", "a", "status", CONVERSATIONS_CONTEXT="b") == "http://a.invalid:1"
    assert address("status", OPENSEARCH_URL="http://env.invalid:3") == "http://env.invalid:3"
    assert (
        address("status", "--opensearch-url", "http://option.invalid:4", OPENSEARCH_URL="http://env.invalid:3")
        == "http://option.invalid:4"
    )
    assert conversations(tmp_path, "context", "use", "b").returncode == 0
    assert address("status") == "http://b.invalid:2"
    assert json.loads(conversations(tmp_path, "context", "list", "-o", "json").stdout)[1] == {
        "name": "b", "is_current": True,
    }  # fmt: skip


def test_context_use_keeps_comments_and_mode(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('# ours\ncurrent = "a" # now\n[contexts.a]\n# the key\ntoken = "s"\n[contexts."b c"]\n')
    config.chmod(0o600)
    done = conversations(tmp_path, "context", "use", "b c", "--config", str(config))
    assert done.returncode == 0, done.stderr
    assert config.read_text() == '# ours\ncurrent = "b c"\n[contexts.a]\n# the key\ntoken = "s"\n[contexts."b c"]\n'
    assert config.stat().st_mode & 0o777 == 0o600
    shown = conversations(tmp_path, "context", "show", "a", "--config", str(config))
    assert json.loads(shown.stdout)["settings"] == {"token": "(hidden)"}
    assert shown.stderr == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[contexts.a]\nopensearch_uri = 'x'\n", ('"opensearch_uri" in [contexts.a] is not a key', "opensearch_url")),
        ("contxts = 1\n", ('"contxts" is not a key', "contexts")),
        ("current = 'x'\n", ('no context "x"', "there are: none")),
        ("current = 'prd'\n[contexts.prod]\n", ('no context "prd"', "there are: prod; did you mean prod?")),
        ("current = 5\n", ("current must be the name of a context",)),
        ("contexts = 5\n", ("contexts must be tables",)),
        ("not toml", ("is not TOML",)),
        ("current='a'\n[contexts.a]\nopensearch_url='search:9200'\n",
         ('opensearch_url in [contexts.a]', '"search:9200"', "must begin with http:// or https://")),
        ("current='a'\n[contexts.a]\nrequest_timeout='soon'\n", ("request_timeout in [contexts.a]", "a number above 0")),
        ("current='a'\n[contexts.a]\ntoken_secret='short-secret'\n", ("token_secret in [contexts.a]", "32 bytes")),
    ],
)  # fmt: skip
def test_a_wrong_configuration_file_is_refused_by_name(text: str, says: tuple[str, ...], tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(text)
    config.chmod(0o600)
    done = conversations(tmp_path, "status", "--config", str(config))
    assert_one_line(done, 2, *says)
    assert "short-secret" not in done.stderr


def test_a_configuration_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    assert_one_line(conversations(tmp_path, "status", "--config", "none.toml"), 2, "none.toml")
    assert_one_line(conversations(tmp_path, "status", "--context", "prod"), 2, 'no context "prod"', "there is no file")


def test_the_table_of_exit_codes_matches_the_code() -> None:
    page = (ROOT / "docs" / "commands.md").read_text("utf-8")
    rows = {int(code): meaning for code, meaning in re.findall(r"^\| (\d+) \| (.+?) \|$", page, re.MULTILINE)}
    assert rows == EXIT_CODES


def test_the_page_of_commands_has_every_command() -> None:
    page = (ROOT / "docs" / "commands.md").read_text("utf-8")
    for path, command in every_command():
        if not isinstance(command, click.Group):
            assert f"`{path.removeprefix('conversations ')}" in page, path


def test_the_page_of_commands_has_every_key_of_the_configuration() -> None:
    from service.settings import environment_names

    page = (ROOT / "docs" / "settings.md").read_text("utf-8")
    assert all(f"`{name}`" in page for name in environment_names())


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",), ("load",), ("status", "--nonsense"), ("get", "x"), ("search", "--limit", "0"),
        ("search", "--organization", ORGANIZATION, "--json", "-o", "table"), ("delete", UID),
        ("search", "--url", "http://h", "--opensearch-url", "http://h"), ("status",), ("token", "--organization", "x"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_use_is_one_line_and_exit_code_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    assert_one_line(conversations(tmp_path, *arguments), 2)


@pytest.fixture
def _no_process_outlasts_its_test() -> Iterator[None]:
    yield
    end_all()


@pytest.mark.slow
@pytest.mark.usefixtures("_no_process_outlasts_its_test")
def test_ctrl_c_is_one_line_and_exit_code_130(tmp_path: Path) -> None:
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    process = subprocess.Popen(
        [*COMMAND, "load", str(fifo), "--dry-run"], env=environment(tmp_path), stderr=subprocess.PIPE, text=True
    )
    end_with_the_test(process)  # otherwise its collection causes a warning in a later test
    with closing(os.fdopen(os.open(fifo, os.O_WRONLY), "wb")) as feed:  # blocks until the command reads
        feed.write(b"\n")
        feed.flush()
        process.send_signal(signal.SIGINT)
        _out, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "Stopped."
    assert "Traceback" not in errors


@pytest.mark.parametrize("width", [20, 36, 50, 72, 80, 100, 120, 200])
def test_a_table_of_conversations_keeps_uids_whole_and_fits(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    long = [one.model_copy(update={"subject": "参照の直後に" * 30}) for one in corpus()[:20]]
    items: Any = [one.model_dump(mode="json") for one in [*corpus()[:80], *long]]
    monkeypatch.setattr(terminal, "UNBOUNDED", width)
    output.print_conversations(items)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(items) + 1
    assert max(map(cell_len, lines)) <= width
    if width > 36:
        assert [line[:36] for line in lines[1:]] == [item["uid"] for item in items]
