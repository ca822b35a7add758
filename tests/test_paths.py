"""A path with additional slashes is the same path for every part of the service, with the same limits and headers."""

from __future__ import annotations

import httpx
import pytest

from service.settings import Settings
from tests.without_cluster import ask

ORIGIN = "https://app.example.com"
OPERATIONS = "http://127.0.0.1:9100"
API = "http://search.example.com"
METHODS = ["GET", "HEAD", "POST", "OPTIONS"]
PATHS = [
    "/", "/metrics", "/health/live", "/health/ready", "/docs", "/docs/openapi.json", "/api/caller", "/api/conversations",
    "/api/conversations/count", "/api/conversations/bulk", "/api/conversations/xyz", "/api/x", "/x",
]  # fmt: skip


def written_otherwise(path: str) -> list[str]:
    """Other spellings of the path. httpx does not decode the encoded slash in them."""
    return [f"/{path}", f"//{path}", f"{path}/", f"{path}//", f"/%2f{path[1:]}", f"{path}%2F", path.replace("/", "//")]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("base", [API, OPERATIONS])
def test_more_slashes_change_nothing(bare_settings: Settings, path: str, base: str) -> None:
    settings = bare_settings.but(operations_address="127.0.0.1:9100", cors_origins=ORIGIN, allowed_hosts="127.0.0.1")
    headers = {"Origin": ORIGIN, "Host": "127.0.0.1", "Accept": "text/html"}
    sent = [(method, one) for method in METHODS for one in (path, *written_otherwise(path))]
    requests = ({"url": httpx.URL(base + one), "method": method, "headers": headers} for method, one in sent)
    answers = list(zip(sent, map(told, ask(settings, *requests)), strict=True))
    expected = {method: answer for (method, one), answer in answers if one == path}
    assert [(one, answer) for one, answer in answers if answer != expected[one[0]]] == []


def told(answer: httpx.Response) -> tuple[int, dict[str, str]]:
    varying = {"x-request-id", "content-length"}  # /metrics counts requests
    return answer.status_code, {name: value for name, value in answer.headers.items() if name not in varying}


@pytest.mark.parametrize("path", written_otherwise("/metrics"))
def test_metrics_are_only_at_the_address_for_operators(bare_settings: Settings, path: str) -> None:
    settings = bare_settings.but(operations_address="127.0.0.1:9100")
    ((api,), (operations,)) = (ask(settings, {"url": httpx.URL(base + path)}, base=base) for base in (API, OPERATIONS))
    assert api.status_code == 404
    assert operations.status_code != 404
