"""Commands whose server is missing, is another one, or speaks another protocol."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from tests import in_thread
from tests.command_line import (
    ORGANIZATION,
    UID,
    Page,
    assert_one_line,
    conversations,
    web_server,
)
from tests.corpus import corpus

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


class NoPath(Page):
    status = 404
    kind = "application/json"
    body = b'{"status": "error", "error": {"code": "not_found", "message": "there is no such path", "details": []}}'


class Unfit(Page):
    status = 503
    kind = "application/json"
    body = b'{"status": "error", "error": {"code": "x", "message": "not now", "details": [], "request_id": "id-5"}}'


class NoIndex(Page):
    """OpenSearch's answer to `GET /index/`."""

    status = 404
    kind = "application/json"
    body = b"""{"error": {"root_cause": [], "type": "index_not_found_exception", "reason": "no such index [index]",
        "index": "index", "resource.id": "index"}, "status": 404}"""


class NoHandler(Page):
    status = 400
    kind = "application/json"
    body = b'{"error": "no handler found for uri [/index/] and method [GET]", "status": 400}'


@pytest.mark.parametrize("page", [NoIndex, NoHandler, NoOpenSearch, Page])
@pytest.mark.parametrize("arguments", CLUSTER_COMMANDS, ids=" ".join)
def test_a_wrong_path_in_the_url_is_reported(arguments: tuple[str, ...], page: type[Page], tmp_path: Path) -> None:
    (tmp_path / "one.ndjson").write_text(corpus()[0].model_dump_json() + "\n")
    with web_server(page) as url:
        done = conversations(tmp_path, *arguments, "--opensearch-url", f"{url}/index")
    assert_one_line(done, 1, f"{url}/index", "check the path in OPENSEARCH_URL")
    assert "does not exist" not in done.stderr


@pytest.mark.parametrize("page", [NoIndex, NoHandler])
def test_doctor_reports_a_wrong_path(page: type[Page], tmp_path: Path) -> None:
    with web_server(page) as url:
        done = conversations(tmp_path, "doctor", "--json", "--opensearch-url", f"{url}/index")
    checks = {check["check"]: check for check in map(json.loads, done.stdout.splitlines())}
    assert checks["cluster"]["verdict"] == "failed"
    assert "check the path in OPENSEARCH_URL" in checks["cluster"]["found"]


@pytest.mark.parametrize("page", [Page, Missing, NoOpenSearch])
def test_doctor_and_healthy_recognize_another_web_server(page: type[Page], tmp_path: Path) -> None:
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


def test_a_proxy_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    proxy = f"127.0.0.1:{free_port()}"
    done = conversations(
        tmp_path, "count", "--url", "https://example.invalid", CONVERSATIONS_TOKEN="abc",
        https_proxy=f"http://user:hidden@{proxy}", no_proxy="",
    )  # fmt: skip
    assert_one_line(done, 1, f"https://example.invalid through the proxy {proxy}: connection refused")
    assert "hidden" not in done.stderr


def test_a_url_with_the_path_of_the_api_is_not_reported_as_a_missing_conversation(tmp_path: Path) -> None:
    with web_server(NoPath) as url:
        done = conversations(tmp_path, "get", UID, "--url", f"{url}/api", CONVERSATIONS_TOKEN="abc")
    assert_one_line(done, 1, url, "answered 404: there is no such path: leave /api/conversations out of the URL")


def test_an_error_of_the_service_is_reported_with_the_id_of_its_request(tmp_path: Path) -> None:
    with web_server(Unfit) as url:
        done = conversations(
            tmp_path, "search", "x", "--organization", ORGANIZATION, "--url", url, CONVERSATIONS_TOKEN="t"
        )
    assert_one_line(done, 1, url, "answered 503: not now (request_id id-5)")


def test_healthy_says_that_readiness_may_have_an_address_of_its_own(tmp_path: Path) -> None:
    with web_server(NoPath) as url:
        done = conversations(tmp_path, "healthy", "--url", url)
    assert_one_line(done, 1, "not ready (404): there is no such path: ", "CONVERSATIONS_OPERATIONS_ADDRESS")


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
        with in_thread.serving(server):
            yield f"https://127.0.0.1:{server.server_port}"


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


def test_a_missing_secret_is_reported_before_anything_is_served(tmp_path: Path) -> None:
    done = conversations(tmp_path, "serve", "--port", "0", "--opensearch-url", "http://127.0.0.1:9")
    assert_one_line(done, 2, "CONVERSATIONS_TOKEN_SECRET")
    assert "Serving" not in done.stderr


def test_a_token_is_required_and_its_file_is_checked(tmp_path: Path) -> None:
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
    done = conversations(tmp_path, "count", "--url", "http://127.0.0.1:9", "--token-file", "/dev/null")
    assert_one_line(done, 2, "/dev/null", "one token")  # and no advice to take rights from a device
