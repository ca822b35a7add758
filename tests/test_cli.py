"""The command line without a cluster: its options, configuration file, exit codes, and what it never prints."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click
import pytest
import zstandard
from rich.cells import cell_len

from service import terminal
from service.cli import cli, output
from service.cli.examples import EXAMPLES
from service.cli.exit_codes import EXIT_CODES
from tests.commands import run_here
from tests.corpus import corpus

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "service"]
ORGANIZATION = str(corpus()[0].organization_uid)
UID = str(corpus()[0].uid)
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def environment(home: Path, **changes: str) -> dict[str, str]:
    """A user's environment, in which nothing of the service's is set."""
    own = ("CONVERSATIONS_", "OPENSEARCH_", "XDG_", "NO_COLOR", "COLUMNS")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return clean | {"HOME": str(home), "PYTHONPATH": str(ROOT), "CONVERSATIONS_DATA": str(home / "data")} | changes


def conversations(home: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return run_here(arguments, environment=environment(home, **changes), folder=home)


def process(home: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own."""
    return subprocess.run(
        [*COMMAND, *arguments], env=environment(home, **changes), cwd=home, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, check=False, timeout=120,
    )  # fmt: skip


def assert_one_line(done: subprocess.CompletedProcess[str], code: int, *says: str) -> None:
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert done.stderr.startswith("conversations: ")
    for part in says:
        assert part in done.stderr, done.stderr


class Page(BaseHTTPRequestHandler):
    """A web server that is neither OpenSearch nor this service: every path answers with the same page."""

    status = 200
    kind = "text/html"
    body = b"<html>\x1b[31mWelcome</html>"

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Type", self.kind)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def web_server(page: type[Page] = Page) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(30)


def leaves(command: click.Command = cli, path: str = "conversations") -> Iterator[tuple[str, click.Command]]:
    """Every command by its full name, groups too."""
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from leaves(inner, f"{path} {name}")


# Help, examples, completion


@pytest.mark.parametrize("path", [path for path, _command in leaves()])
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
def test_bash_takes_the_script(tmp_path: Path) -> None:
    script = conversations(tmp_path, "completion", "bash").stdout
    done = subprocess.run(
        ["bash", "-c", f"{script}\ncomplete -p conversations"], capture_output=True, text=True, check=True
    )
    assert "_conversations_completion" in done.stdout


# Options of every command


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
    assert_one_line(conversations(tmp_path, "status", "--context", "prod"), 2, 'no context "prod"')


# Settings and options are checked alike


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
        ({"CONVERSATIONS_REFRESH_INTERVAL": "1"}, "a time in ms, s, m or h, such as 500ms or 30s, or -1 for never"),
        ({"CONVERSATIONS_TOKEN_SECRET": "not-long-enough"}, "at least 32 bytes"),
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
        ("--refresh-interval", "CONVERSATIONS_REFRESH_INTERVAL"),
    ):
        for command in ("create", "reindex"):
            typed = conversations(tmp_path, command, name, "many")
            assert_one_line(typed, 2, name, '"many"')
            assert typed.stderr.replace(name, variable) == conversations(tmp_path, command, **{variable: "many"}).stderr
    assert_one_line(conversations(tmp_path, "healthy", "--url", "127.0.0.1:8000"), 2, "--url")
    assert_one_line(conversations(tmp_path, "dashboards", "--url", "127.0.0.1"), 2, "--url")


def test_names_of_fields_are_no_environment_variables(tmp_path: Path) -> None:
    """Many machines have URL or TOKEN set for something else."""
    done = conversations(tmp_path, "count", URL="http://other.invalid", TOKEN="x", DATA="/other", ALIAS="other")
    assert "other" not in done.stderr


def test_a_user_and_password_in_an_url_are_not_shown(tmp_path: Path) -> None:
    for url in ("http://ada:hunter2@127.0.0.1:9", "http://ada:hunter2@h:99999"):
        done = conversations(tmp_path, "status", "--opensearch-url", url)
        assert "hunter2" not in done.stderr


# What is not there, or is something else


CLUSTER_COMMANDS = [
    ("status",), ("create",), ("reindex",), ("reindex", "--resume"), ("rollback",), ("prune",),
    ("verify", "--against", "x"), ("load", "one.ndjson"), ("export", "-", "--organization", ORGANIZATION),
    ("search", "x", "--organization", ORGANIZATION), ("count", "--organization", ORGANIZATION),
    ("get", UID, "--organization", ORGANIZATION), ("delete", UID, "--yes", "--organization", ORGANIZATION),
]  # fmt: skip


@pytest.mark.parametrize("arguments", CLUSTER_COMMANDS, ids=" ".join)
def test_a_web_server_is_not_taken_for_opensearch(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "one.ndjson").write_text(corpus()[0].model_dump_json() + "\n")
    with web_server() as url:
        done = conversations(tmp_path, *arguments, "--opensearch-url", url)
    assert_one_line(done, 1, url, "is not OpenSearch")
    assert done.stdout == ""


class Missing(Page):
    status = 404


class NoOpenSearch(Page):
    kind = "application/json"
    body = b'{"status": "fine"}'


@pytest.mark.parametrize("page", [Page, Missing, NoOpenSearch])
def test_doctor_and_healthy_know_a_web_server(page: type[Page], tmp_path: Path) -> None:
    with web_server(page) as url:
        doctor = conversations(
            tmp_path, "doctor", "--json", "--opensearch-url", url, CONVERSATIONS_TOKEN_SECRET=os.urandom(24).hex()
        )
        healthy = conversations(tmp_path, "healthy", "--url", url)
        count = conversations(tmp_path, "count", "--url", url, CONVERSATIONS_TOKEN="abc")
    assert doctor.returncode == 1
    checks = {check["check"]: check for check in map(json.loads, doctor.stdout.splitlines())}
    assert checks["cluster"]["verdict"] == "failed"
    assert "is not OpenSearch" in checks["cluster"]["found"]
    assert checks["mapping"]["verdict"] == "skipped"
    if page is not NoOpenSearch:
        assert_one_line(healthy, 1, url, "is not this service")
    assert_one_line(count, 1, url, "is not this service")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("host", "says"),
    [("127.0.0.1:{port}", "connection refused"), ("no-such-host.invalid:9200", "the host is unknown")],
)
def test_what_cannot_be_reached_is_named_with_the_cause(host: str, says: str, tmp_path: Path) -> None:
    url = f"http://{host.format(port=free_port())}"
    assert_one_line(conversations(tmp_path, "status", "--opensearch-url", url), 1, url, says)
    assert_one_line(conversations(tmp_path, "healthy", "--url", url), 1, url, says)
    done = conversations(tmp_path, "get", UID, "--url", url, CONVERSATIONS_TOKEN="abc")
    assert_one_line(done, 1, url, says)


def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert_one_line(conversations(tmp_path, "healthy", "--url", url, "--timeout", "0.5"), 1, url, "within 0.5 s")


def test_https_at_an_http_port_and_the_other_way_round(tmp_path: Path) -> None:
    with web_server() as plain:
        url = plain.replace("http:", "https:")
        assert_one_line(conversations(tmp_path, "status", "--opensearch-url", url), 1, url, "use http://")
        assert_one_line(conversations(tmp_path, "healthy", "--url", url), 1, url, "use http://")
    with tls_server(tmp_path) as secure:
        plain = secure.replace("https:", "http:")
        assert_one_line(conversations(tmp_path, "status", "--opensearch-url", plain), 1, plain, "HTTPS")
        assert_one_line(conversations(tmp_path, "healthy", "--url", plain), 1, plain, "HTTPS")
        assert_one_line(conversations(tmp_path, "status", "--opensearch-url", secure), 1, secure, "not trusted")
        assert_one_line(conversations(tmp_path, "healthy", "--url", secure), 1, secure, "not trusted")


@contextmanager
def tls_server(folder: Path) -> Iterator[str]:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "key.pem", "-out", "cert.pem",
         "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.handle_error = lambda *_arguments: None  # type: ignore[method-assign]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(30)


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_a_file_of_the_authority_that_cannot_be_used_is_named(text: str | None, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text)
    own = {"OPENSEARCH_CA_FILE": str(file), "CONVERSATIONS_TOKEN_SECRET": "s" * 40}
    url = f"https://127.0.0.1:{free_port()}"
    for arguments in (
        ("status", "--opensearch-url", url), ("healthy", "--url", url), ("doctor", "--opensearch-url", url),
        ("serve", "--port", "0", "--opensearch-url", url), ("count", "--url", url, "--token", "abc"),
    ):  # fmt: skip
        assert_one_line(conversations(tmp_path, *arguments, **own), 2, "OPENSEARCH_CA_FILE", str(file))


def test_a_missing_secret_is_said_before_anything_is_served(tmp_path: Path) -> None:
    done = conversations(tmp_path, "serve", "--port", "0", "--opensearch-url", "http://127.0.0.1:9")
    assert_one_line(done, 2, "CONVERSATIONS_TOKEN_SECRET")
    assert "Serving" not in done.stderr


def test_a_token_is_needed_and_its_file_is_looked_at(tmp_path: Path) -> None:
    assert_one_line(conversations(tmp_path, "count", "--url", "http://127.0.0.1:9"), 2, "--token-file")
    token = tmp_path / "token"
    token.write_text("two words\n")
    token.chmod(0o600)
    done = conversations(tmp_path, "count", "--url", "http://127.0.0.1:9", "--token-file", str(token))
    assert_one_line(done, 2, str(token), "one token")
    assert "two words" not in done.stderr
    token.write_text("abc")
    token.chmod(0o644)
    done = conversations(tmp_path, "count", "--url", "http://127.0.0.1:9", "--token-file", str(token))
    assert "chmod 600" in done.stderr


# Output that cannot be written, and text that must not be


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("completion", "bash"), ("context", "show", "a")])
def test_a_full_standard_output_is_an_error(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[contexts.a]\n")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, *arguments], env=environment(tmp_path, CONVERSATIONS_CONFIG="c.toml"), cwd=tmp_path, stdout=full,
            stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "No space left on device" in done.stderr


@pytest.mark.slow
def test_a_full_standard_error_changes_nothing_else(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*COMMAND, "status"], env=environment(tmp_path), stderr=full, check=False)
    assert done.returncode == 2


@pytest.mark.slow
@pytest.mark.parametrize("arguments", ["--help", "completion bash", "load --help"])
def test_a_reader_that_goes_away_is_no_error(arguments: str, tmp_path: Path) -> None:
    """With the pipe's buffer full already, so that the writer meets the closed pipe for certain."""
    done = subprocess.run(
        ["bash", "-c", f"{shlex.join(COMMAND)} {arguments} | true; echo ${{PIPESTATUS[0]}}"],
        env=environment(tmp_path), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.strip() in ("141", "0")


@pytest.mark.slow
def test_a_closed_pipe_ends_with_141(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = subprocess.run(
            [*COMMAND, "completion", "bash"], env=environment(tmp_path), stdout=closed, stderr=subprocess.PIPE, text=True,
            check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (141, "")


def test_no_control_characters_of_file_names_or_files_are_printed(tmp_path: Path) -> None:
    name = "evil\x1b]0;title\x07\nname\x9b31m.ndjson"
    (tmp_path / name).write_bytes(b'{"uid": "\x1b[2J\xc2\x9b", "status": "\\u001b[31m"}\n')
    for arguments in (("load", name, "--dry-run"), ("load", f"no{name}", "--dry-run"), ("status", "--config", name),
                      ("verify", f"no{name}"), ("search", "--status", name), (name,)):  # fmt: skip
        done = conversations(tmp_path, *arguments)
        assert done.returncode != 0
        assert not CONTROLS.search(done.stderr + done.stdout), done


@pytest.mark.slow
def test_an_encoding_without_these_letters_is_no_fault(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('[contexts.a]\nurl = "http://é.日本/"\n', "utf-8")
    done = process(tmp_path, "context", "show", "a", "--config", str(config), PYTHONIOENCODING="latin-1")
    assert json.loads(done.stdout)["settings"] == {"url": "http://é.日本/"}


# load, without a cluster


def test_a_dry_run_of_load_checks_lines_and_writes_nothing(tmp_path: Path) -> None:
    lines = [one.model_dump_json() for one in corpus()[:5]]
    text = "\n".join([*lines, "{}", "nonsense"]).encode()
    (tmp_path / "a.ndjson.zst").write_bytes(zstandard.compress(text[:100]) + zstandard.compress(text[100:]))
    before = sorted(tmp_path.iterdir())
    done = conversations(tmp_path, "load", "a.ndjson.zst", "--dry-run", "--no-progress")
    assert done.returncode == 3
    assert json.loads(done.stdout) == {"would_load": 5, "would_reject": 2}
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == [
        "a.ndjson.zst, line 6", "a.ndjson.zst, line 7", "conversations",
    ]  # fmt: skip
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.gz", b'{"uid": 1}\n', "is not gzip"),
        ("a.zst", b'{"uid": 1}\n', "is not zstandard"),
        ("a.ndjson", b"PK\x03\x04....", "is a zip archive"),
        ("a.ndjson", b"\xff\xfe{\x00", "is UTF-16"),
        ("a.gz", b"\x1f\x8b\x08\x00broken", "is incomplete or damaged"),
        ("a.zst", zstandard.compress(b"{}\n" * 9999)[:-9], "is incomplete or damaged"),
        ("a.zst", b"\x28\xb5\x2f\xfd" + b"\xff" * 50, "is incomplete or damaged"),
    ],
)
def test_a_file_that_is_not_what_it_seems_is_refused_in_one_line(
    name: str, content: bytes, says: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    assert_one_line(conversations(tmp_path, "load", name, "--dry-run", "--no-progress", "-q"), 1, name, says)


def test_import_into_a_file_does_not_say_that_it_wrote(tmp_path: Path) -> None:
    mailbox = str(ROOT / "tests" / "samples" / "twisted-python.mbox.gz")
    done = conversations(tmp_path, "import-mail", mailbox, "--organization", ORGANIZATION, "--output", "out.ndjson")
    assert done.returncode == 0
    record = json.loads(done.stdout)
    assert "written" not in record
    assert record["in_output"] == len((tmp_path / "out.ndjson").read_text().splitlines()) > 10


# Exit codes


def test_the_table_of_exit_codes_is_the_code() -> None:
    page = (ROOT / "docs" / "commands.md").read_text("utf-8")
    rows = {int(code): meaning for code, meaning in re.findall(r"^\| (\d+) \| (.+?) \|$", page, re.MULTILINE)}
    assert rows == EXIT_CODES


def test_the_page_of_commands_has_every_command() -> None:
    page = (ROOT / "docs" / "commands.md").read_text("utf-8")
    for path, command in leaves():
        if not isinstance(command, click.Group):
            assert f"`{path.removeprefix('conversations ')}" in page, path


def test_the_page_of_commands_has_every_key_of_the_configuration() -> None:
    from service.settings import environment_names

    page = (ROOT / "docs" / "running.md").read_text("utf-8")
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
def test_wrong_use_is_one_line_and_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    assert_one_line(conversations(tmp_path, *arguments), 2)


@pytest.mark.slow
def test_ctrl_c_is_one_line_and_130(tmp_path: Path) -> None:
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    process = subprocess.Popen(
        [*COMMAND, "load", str(fifo), "--dry-run"], env=environment(tmp_path), stderr=subprocess.PIPE, text=True
    )
    with closing(os.fdopen(os.open(fifo, os.O_WRONLY), "wb")) as feed:  # opens when the command reads
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
    items = [one.model_dump(mode="json") for one in [*corpus()[:80], *long]]
    monkeypatch.setattr(terminal, "UNBOUNDED", width)
    output.print_conversations(items)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(items) + 1
    assert max(map(cell_len, lines)) <= width
    if width > 36:
        assert [line[:36] for line in lines[1:]] == [item["uid"] for item in items]
