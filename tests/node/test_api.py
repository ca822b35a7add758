"""The API over HTTP: errors and their shape, health, the OpenAPI document, request ids and logs."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from service.api import openapi_examples, response_models
from service.api.errors import BY_ERROR
from service.api.openapi import example_of
from service.conversation import Conversation
from service.errors import NO_INDEX
from service.node import Distribution, LocalNode
from service.query.parameters import (
    COUNT_PARAMETERS,
    EXAMPLE_ORGANIZATION,
    EXPORT_PARAMETERS,
    LIST_PARAMETERS,
    SUGGEST_PARAMETERS,
)
from service.query.query_string import Parameter
from service.settings import Settings
from tests.corpus import ORGANIZATIONS
from tests.node.asking import error
from tests.node.clusters import Cluster
from tests.node.serving import Api, serve_process, serving

CHROMIUM = shutil.which("chromium")


def test_all_problems_come_in_one_answer(api: Api) -> None:
    answer = api.get("/api/conversations?per_page=500&page=0&foo=1&status=open&status=x", api.token(*ORGANIZATIONS))
    details = error(answer, 400, "invalid_parameter")["details"]
    assert [detail["parameter"] for detail in details] == ["per_page", "page", "foo", "status", "organization_uid"]
    assert details[0] == {"parameter": "per_page", "message": "must be between 1 and 100", "value": "500"}


def test_no_token_or_a_wrong_one_is_401(api: Api) -> None:
    for answer in (api.get("/api/conversations?foo=1"), api.get("/api/conversations", "nonsense")):
        error(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"


def test_another_organization_is_403(api: Api) -> None:
    answer = api.get(f"/api/conversations?organization_uid={ORGANIZATIONS[1]}", api.token(ORGANIZATIONS[0]))
    assert error(answer, 403, "forbidden")["details"] == []


def test_unknown_paths_and_methods_are_404_and_405(api: Api) -> None:
    error(api.get("/api/nothing"), 404, "not_found")
    answer = api.http.post(f"{api.address}/api/conversations")
    error(answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["allow"]


def test_the_default_organization_is_used(api: Api) -> None:
    for token in (api.token(ORGANIZATIONS[3]), api.token(*ORGANIZATIONS, default=ORGANIZATIONS[3])):
        data = api.conversations(token)["data"]
        assert [item["organization_uid"] for item in data["items"]] == [str(ORGANIZATIONS[3])]


def test_only_a_valid_request_id_of_the_client_is_kept(api: Api) -> None:
    for sent, kept in (("my-request-1", True), ("x", False), ("a b c d e f g h", False)):
        answer = api.http.get(f"{api.address}/health/live", headers={"X-Request-ID": sent})
        assert (answer.headers["x-request-id"] == sent) is kept


def test_health(api: Api) -> None:
    assert api.get("/health/live").json() == {"status": "live"}
    assert api.get("/health/ready").json() == {"status": "ready"}
    error(api.get("/health/ready?x=1"), 400, "invalid_parameter")


def test_the_openapi_document_has_every_parameter_and_error_with_an_example(api: Api) -> None:
    document = api.get("/docs/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    failures = {str(answer.status) for answer in BY_ERROR.values()} - {"413", "415"} | {"414", "431", "500"}
    for path, parameters, statuses in (
        ("/api/conversations", LIST_PARAMETERS, {"200", "304"}),
        ("/api/conversations/export", EXPORT_PARAMETERS, {"200"}),
        ("/api/conversations/count", COUNT_PARAMETERS, {"200", "304"}),
        ("/api/conversations/suggest", SUGGEST_PARAMETERS, {"200", "304"}),
    ):
        operation = document["paths"][path]["get"]
        found = [resolved(document, parameter) for parameter in operation["parameters"]]
        assert [one["name"] for one in found] == [one.name for one in parameters if one.documented]
        assert all("example" in one and one["description"] and one["schema"] for one in found)
        assert set(operation["responses"]) == failures | statuses
        for status, reference in operation["responses"].items():
            response = resolved(document, reference)
            for content in response.get("content", {}).values():
                assert content["example"]
                assert content["schema"]
            assert "content" in response or status == "304"


def resolved(document: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The component that a reference names; anything else as it is."""
    if "$ref" not in found:
        return found
    _, kind, name = found["$ref"].removeprefix("#/").split("/")
    component: dict[str, Any] = document["components"][kind][name]
    return component


def test_the_examples_of_the_parameters_find_the_example_in_the_sample(sample_api: Api) -> None:
    """Each alone, all together, and in each form of a list."""
    token = sample_api.token(UUID(EXAMPLE_ORGANIZATION))
    for parameter in LIST_PARAMETERS:
        needed = {"search": "twisted"} if parameter.name == "match" else {}
        answer = sample_api.get("/api/conversations", token, params={parameter.name: parameter.example, **needed})
        assert answer.status_code == 200, (parameter.name, answer.text)
        assert answer.json()["data"]["pagination"]["total"] > 0, parameter.name
    documented = [parameter for parameter in LIST_PARAMETERS if parameter.documented]
    for pairs in (
        [(one.name, one.example) for one in documented],
        [(one.name, text) for one in documented for text in _texts(one)],
    ):
        answer = sample_api.get("/api/conversations", token, params=pairs)
        assert answer.status_code == 200, answer.text
        assert [item["uid"] for item in answer.json()["data"]["items"]] == [openapi_examples.ITEM["uid"]]


def test_the_answers_have_the_documented_shapes(sample_api: Api) -> None:
    """Decoded strictly: no field is missing, and none is there that the document does not have."""
    token = sample_api.token(UUID(EXAMPLE_ORGANIZATION), scopes=("conversations:write", "conversations:export"))
    everything = "facets=status,channel,category,agent_uid,is_read,direction&facets[created_on]=year&explain=query"
    for shape, path in (
        (response_models.PageAnswer, "?"),
        (response_models.PageAnswer, "?cursor=*&per_page=3"),
        (response_models.PageAnswer, f"?{everything}&q=twisted+is:nonsense&highlight=subject&tz=Europe/Berlin"),
        (response_models.PageAnswer, "?q=twisted+is:nonsense"),
        (response_models.PageAnswer, "?search=twistde&status=draft&suggest=true"),
        (response_models.PageAnswer, "?search=nothinglikethis&suggest=true"),
        (response_models.CountAnswer, f"/count?{everything}"),
        (response_models.CountAnswer, "/count?q=twisted+is:nonsense"),
        (response_models.SuggestAnswer, "/suggest?q=twis"),
        (response_models.SuggestAnswer, "/suggest?q=a"),
        (response_models.ConversationAnswer, f"/{openapi_examples.ITEM['uid']}"),
        (response_models.ErrorAnswer, "?page=0&per_page=500&nothing=1"),
        (response_models.ErrorAnswer, "/count?search=a&match=nothing"),
    ):
        decoded(shape, sample_api.get(f"/api/conversations{path}", token).content)
    headers = {"Authorization": f"Bearer {token}"}
    written = sample_api.http.post(
        f"{sample_api.address}/api/conversations/bulk", headers=headers, content=openapi_examples.WRITE_LINES + "{}\n"
    )
    decoded(response_models.BulkAnswer, written.content)
    gone = sample_api.http.delete(
        f"{sample_api.address}/api/conversations/{openapi_examples.DELETED_UID}", headers=headers
    )
    decoded(response_models.DeletionAnswer, gone.content)
    for path in ("live", "ready"):
        decoded(response_models.Health, sample_api.get(f"/health/{path}").content)


def _texts(parameter: Parameter[object]) -> list[str]:
    example = example_of(parameter)
    return example if isinstance(example, list) else [parameter.example]


def decoded(shape: type[msgspec.Struct], body: bytes) -> None:
    def conversation(kind: type, value: Any) -> Any:
        assert kind is Conversation
        found = Conversation.model_validate_json(msgspec.json.encode(value))
        assert list(value) == list(Conversation.model_fields)
        return found

    msgspec.json.decode(body, type=shape, dec_hook=conversation)


def test_the_page_of_the_documentation_loads_nothing_from_other_hosts(api: Api) -> None:
    page = api.get("/docs/").text
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(sources) == 3
    for source in sources:
        if not source.startswith("data:"):
            assert source.startswith("assets/"), source
            assert api.get(f"/docs/{source}").status_code == 200
    assert "SwaggerUIBundle" in page


@pytest.mark.skipif(not CHROMIUM and "CI" not in os.environ, reason="needs a Chromium; CI installs one")
def test_the_page_of_the_documentation_shows_the_operation_in_a_browser_without_network(
    api: Api, tmp_path: Path
) -> None:
    assert CHROMIUM is not None
    shown = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", f"--user-data-dir={tmp_path}",
            "--virtual-time-budget=20000", "--dump-dom", f"{api.address}/docs/",
        ],
        capture_output=True, text=True, check=True, timeout=120,
    ).stdout  # fmt: skip
    assert re.search(r'class="opblock-summary-path"[^>]*data-path="/api/conversations"', shown)
    assert "Find conversations" in re.sub(r"<script.*?</script>", "", shown, flags=re.DOTALL)


def test_a_suspended_node_is_504_until_it_resumes_and_a_killed_one_503(
    settings: Settings, distribution: Distribution, tmp_path: Path
) -> None:
    """The node is suspended, resumed and killed while the service runs."""
    node = LocalNode(tmp_path, distribution)
    node.start()
    assert node.process is not None
    try:
        own = settings.but(request_timeout=1.0)
        for api in serving(own, node.url):
            token = api.token(ORGANIZATIONS[0])
            answer = api.get("/api/conversations", token)
            assert answer.headers["retry-after"] == "1"
            written = api.http.post(
                f"{api.address}/api/conversations/bulk", content=b"{}",
                headers={"Authorization": f"Bearer {api.token(ORGANIZATIONS[0], scopes=('conversations:write',))}"},
            )  # fmt: skip
            for one in (answer, written, api.get("/health/ready")):
                assert error(one, 503, "search_unavailable")["message"] == NO_INDEX, "no advice to create it"
            Cluster(own, node.url).load([])
            assert api.conversations(token)["data"]["pagination"]["total"] == 0
            os.kill(node.process.pid, signal.SIGSTOP)
            error(api.get("/api/conversations", token), 504, "search_timeout")
            os.kill(node.process.pid, signal.SIGCONT)
            assert api.conversations(token)["data"]["pagination"]["total"] == 0
            node.kill()
            error(api.get("/api/conversations", token), 503, "search_unavailable")
            error(api.get("/health/ready"), 503, "search_unavailable")
            assert api.get("/health/live").status_code == 200
    finally:
        node.stop()


@pytest.fixture
def served(cluster: Cluster) -> Iterator[tuple[subprocess.Popen[bytes], str, Path]]:
    with serve_process(cluster) as process:
        yield process


def test_logs_hold_no_token_subject_or_search_text(served: tuple[subprocess.Popen[bytes], str, Path], api: Api) -> None:
    process, address, log = served
    token = api.token(ORGANIZATIONS[0])
    headers = {"Authorization": f"Bearer {token}"}
    for path in ("?search=secretword", "?search=secretword&foo=secretword", "/secretword", "?category=secretword"):
        httpx.get(f"{address}/api/conversations{path}", headers=headers)
    httpx.get(f"{address}/api/conversations", headers={"Authorization": "Bearer secretword"})
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) in (0, -signal.SIGTERM, 128 + signal.SIGTERM)
    written = log.read_text()
    assert written.count('"event":"request"') >= 5
    assert '"request_id"' in written
    assert str(ORGANIZATIONS[0]) in written
    assert "secretword" not in written
    assert token not in written
    assert token.split(".")[2] not in written


def test_sigterm_lets_requests_under_way_end(served: tuple[subprocess.Popen[bytes], str, Path], api: Api) -> None:
    process, address, _log = served
    headers = {"Authorization": f"Bearer {api.token(ORGANIZATIONS[0])}"}
    with httpx.stream("GET", f"{address}/api/conversations?per_page=100", headers=headers) as answer:
        process.send_signal(signal.SIGTERM)
        assert answer.read()
        assert answer.status_code == 200
    process.wait(30)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/health/live")
