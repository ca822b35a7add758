"""HTTP as a browser and a scanner expect it: origins, host names, security headers, and nothing that leaks."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from service import __version__
from service.api.documentation import PAGE, POLICY, SCRIPT
from service.api.middleware import cors
from service.api.middleware.hosts import host_of
from service.errors import Misconfigured
from service.settings import Settings
from tests.without_cluster import ask

ORIGIN = "https://app.example.com"
PATHS = [
    "/",
    "/sign-in",
    "/web/0/app.js",
    "/docs",
    "/docs/openapi.json",
    "/docs/assets/swagger-ui.css",
    "/health/live",
    "/api/conversations",
    "/x",
]
PREFLIGHT = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_the_headers_that_protect_it(bare_settings: Settings, path: str) -> None:
    methods = ("GET", "HEAD", "OPTIONS", "POST", "TRACE")
    for answer in ask(bare_settings, *({"url": path, "method": method} for method in methods)):
        assert_protected(path, answer)


def assert_protected(path: str, answer: httpx.Response) -> None:
    headers = answer.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == headers["cross-origin-opener-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "unsafe" not in headers["content-security-policy"].replace("style-src 'self' 'unsafe-inline'", "")
    assert headers.get_list("content-security-policy", split_commas=False) == [headers["content-security-policy"]]
    assert ("cache-control" in headers) or not path.startswith("/api/")
    assert "strict-transport-security" not in headers
    assert not {"server", "x-powered-by", "access-control-allow-origin"} & headers.keys()
    assert __version__ not in answer.text or "css" in path
    assert re.fullmatch("[0-9a-f]{32}", headers["x-request-id"])


def test_encrypted_answers_tell_the_browser_to_stay_encrypted(bare_settings: Settings) -> None:
    (answer,) = ask(bare_settings, {}, base="https://search.example.com")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_the_page_runs_its_own_script_only() -> None:
    assert PAGE.count("<script") == 2
    assert f"<script>{SCRIPT}</script>" in PAGE
    (script,) = re.findall("script-src ([^;]+);", POLICY)
    assert re.fullmatch(r"'self' 'sha256-[A-Za-z0-9+/]{43}='", script)


def test_browsers_keep_other_origins_out_without_the_setting(bare_settings: Settings) -> None:
    for method in ("GET", "OPTIONS"):
        (answer,) = ask(
            bare_settings, {"url": "/api/conversations", "method": method, "headers": {"Origin": ORIGIN, **PREFLIGHT}}
        )
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_the_origins_of_the_setting_may_ask_and_read(bare_settings: Settings) -> None:
    settings = bare_settings.but(cors_origins=f"{ORIGIN} http://localhost:3000")
    for origin in (ORIGIN, "http://localhost:3000"):
        preflight, refused, missing = ask(
            settings,
            {"url": "/api/conversations/bulk", "method": "OPTIONS", "headers": {"Origin": origin, **PREFLIGHT}},
            {"url": "/api/conversations", "headers": {"Origin": origin}},
            {"url": "/api/conversations", "headers": {"Origin": origin, "Accept-Encoding": "identity;q=0, *;q=0"}},
        )
        assert preflight.status_code == 204
        assert preflight.content == b""
        assert preflight.headers["access-control-allow-methods"] == cors.METHODS.decode()
        assert "Authorization" in preflight.headers["access-control-allow-headers"]
        assert [answer.status_code for answer in (refused, missing)] == [401, 406]
        for answer in (preflight, refused, missing):
            assert answer.headers.get_list("access-control-allow-origin") == [origin]
            assert "Origin" in answer.headers["vary"]
            assert "access-control-allow-credentials" not in answer.headers
        assert "X-Request-ID" in refused.headers["access-control-expose-headers"]


def test_the_default_port_of_an_origin_may_be_in_the_setting(bare_settings: Settings) -> None:
    ports = {"https://a.example:443": "https://a.example", "http://b.example:80": "http://b.example"}
    others = ("https://c.example:80", "http://d.example:443", "https://e.example:8443", "http://[::1]:8080")
    settings = bare_settings.but(cors_origins=" ".join([*ports, *others]))
    for origin in (*ports.values(), *others):
        (answer,) = ask(settings, {"url": "/api/conversations", "headers": {"Origin": origin}})
        assert answer.headers.get_list("access-control-allow-origin") == [origin]


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.com.evil.example", "https://evil.example", "http://app.example.com", "null", "*", "",
        "https://app.example.com:8443", "https://app.example.com/", "https://APP.example.com", f"{ORIGIN} {ORIGIN}",
        f"{ORIGIN}, {ORIGIN}",
    ],
)  # fmt: skip
def test_an_origin_must_match_exactly(bare_settings: Settings, origin: str) -> None:
    settings = bare_settings.but(cors_origins=ORIGIN)
    headers: Any = {"Origin": origin}
    twice: Any = [("Origin", ORIGIN), ("Origin", origin)]
    asked: list[dict[str, Any]] = [
        {"url": "/api/conversations", "method": method, "headers": given}
        for given in (headers, headers | PREFLIGHT, twice)
        for method in ("GET", "OPTIONS")
    ]
    for answer in ask(settings, *asked):
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "Origin" in answer.headers["vary"]


def test_only_the_api_is_for_other_origins(bare_settings: Settings) -> None:
    settings = bare_settings.but(cors_origins=ORIGIN)
    for path in ("/", "/docs", "/metrics", "/health/live"):
        (answer,) = ask(settings, {"url": path, "method": "OPTIONS", "headers": {"Origin": ORIGIN, **PREFLIGHT}})
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("search.example.com", 401), ("search.example.com:8000", 401), ("SEARCH.example.COM", 401), ("[::1]:80", 401),
        ("evil.example", 421), ("search.example.com.evil.example", 421), ("search.example.com@evil.example", 421),
        ("search.example.com:80:80", 421), ("", 421), ("127.0.0.1", 421), ("search.example.com.", 421),
        ("search.example.com, evil.example", 421), ("evil.example#search.example.com", 421),
    ],
)  # fmt: skip
def test_the_service_answers_under_its_own_names(bare_settings: Settings, host: str, status: int) -> None:
    settings = bare_settings.but(allowed_hosts="search.example.com [::1]")
    answer, health = ask(
        settings,
        {"url": "/api/conversations", "headers": {"Host": host}},
        {"url": "/health/live", "headers": {"Host": host}},
    )
    assert answer.status_code == status
    assert health.status_code == (200 if re.fullmatch(r"[A-Za-z0-9.:@[\]-]*", host) else 400)
    if status == 421:
        assert answer.json()["error"]["code"] == "misdirected_request"
        assert host not in answer.json()["error"]["message"] or not host


@pytest.mark.parametrize(
    ("host", "is_answered"),
    [
        ("search.example.com", True), ("10.1.2.3:9100", True), ("10.1.2.3", True), ("[fd00::7]:9100", True),
        ("LOCALHOST:9100", True), ("evil.example:9100", False), ("10.1.2.3.evil.example", False), ("fd00::7", False),
        ("[10.1.2.3]", False), ("[evil.example]", False), ("0x7f000001", False), ("127.1", False), ("", False),
    ],
)  # fmt: skip
def test_the_address_for_operators_answers_by_ip_address_too(
    bare_settings: Settings, host: str, is_answered: bool
) -> None:
    """DNS rebinding needs a host name, so an IP address in the Host header is safe."""
    settings = bare_settings.but(allowed_hosts="search.example.com", operations_address="127.0.0.1:9100")
    asked = ({"url": path, "headers": {"Host": host}} for path in ("/metrics", "/api/conversations"))
    metrics, api = ask(settings, *asked, base="http://127.0.0.1:9100")
    assert (metrics.status_code != 421) is is_answered
    assert api.status_code == (404 if is_answered else 421)
    if not is_answered:
        assert "CONVERSATIONS_ALLOWED_HOSTS" in metrics.json()["error"]["message"]
    (public,) = ask(settings, {"url": "/api/conversations", "headers": {"Host": host}})
    assert public.status_code == (401 if host == "search.example.com" else 421)
    if public.status_code == 421:
        assert "CONVERSATIONS" not in public.text


def test_a_request_with_two_host_headers_is_refused(bare_settings: Settings) -> None:
    headers: Any = [("Host", "search.example.com"), ("Host", "search.example.com")]
    (answer,) = ask(bare_settings.but(allowed_hosts="search.example.com"), {"headers": headers})
    assert answer.status_code == 421


def test_no_answer_holds_the_name_that_a_request_was_sent_to(bare_settings: Settings) -> None:
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    for answer in ask(bare_settings, *({"url": path, "headers": evil} for path in PATHS)):
        assert "evil.example" not in answer.text + str(answer.headers)


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [
        ("abcdefgh", True),
        ("a" * 64, True),
        ("a" * 65, False),
        ("short", False),
        ("a b c d e f", False),
        ("é" * 9, False),
    ],
)
def test_a_request_id_is_taken_only_if_it_is_well_formed(bare_settings: Settings, given: str, is_kept: bool) -> None:
    (answer,) = ask(bare_settings, {"headers": [(b"X-Request-ID", given.encode())]})
    assert (answer.headers["x-request-id"] == given) is is_kept


def test_an_error_shows_neither_the_cluster_nor_the_code(bare_settings: Settings) -> None:
    for answer in ask(bare_settings, {"url": "/health/ready"}, {"url": "/x"}, {"url": "/", "method": "PUT"}):
        assert not re.search(r"127\.0\.0\.1|:1\b|Traceback|\.py\b|site-packages|litestar", answer.text, re.IGNORECASE)


def test_the_answer_to_an_unexpected_error_shows_none_of_its_text(
    bare_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does the log: it has the type of the error, and where in the code it happened."""

    async def fails(*_arguments: object) -> None:
        raise RuntimeError("/secret/path 10.0.0.1")

    monkeypatch.setattr("service.api.routes._caller", fails)
    with capture_logs() as logs:
        answers = ask(
            bare_settings, *({"url": f"/api/conversations{path}"} for path in ("", "/count", "/export", "/x"))
        )
    for answer in answers:
        assert answer.status_code == 500
        assert answer.json()["error"]["code"] == "internal_error"
        shown = f"{answer.headers} {answer.text}"
        assert not re.search(r"secret|10\.0\.0\.1|RuntimeError|Traceback|\.py\b|site-packages", shown)
    faults = [line for line in logs if line["event"] == "fault"]
    assert [line["request_id"] for line in faults] == [answer.headers["x-request-id"] for answer in answers]
    for line in faults:
        assert line["error"] == "RuntimeError"
        assert "test_http_security.py" in line["places"][-1]
    assert not re.search(r"/secret|10\.0\.0\.1", str(logs))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"cors_origins": "*"}, "CONVERSATIONS_CORS_ORIGINS"),
        ({"cors_origins": "https://*.example.com"}, "CONVERSATIONS_CORS_ORIGINS"),
        ({"cors_origins": f"{ORIGIN}/"}, "CONVERSATIONS_CORS_ORIGINS"),
        ({"cors_origins": "app.example.com"}, "CONVERSATIONS_CORS_ORIGINS"),
        ({"cors_origins": "null"}, "CONVERSATIONS_CORS_ORIGINS"),
        ({"allowed_hosts": "*"}, "CONVERSATIONS_ALLOWED_HOSTS"),
        ({"allowed_hosts": "search.example.com:8000"}, "CONVERSATIONS_ALLOWED_HOSTS"),
        ({"allowed_hosts": ORIGIN}, "CONVERSATIONS_ALLOWED_HOSTS"),
    ],
)
def test_invalid_origins_and_hosts_are_refused(bare_settings: Settings, changes: dict[str, str], says: str) -> None:
    with pytest.raises(Misconfigured, match=says):
        bare_settings.but(**changes)


def test_a_host_is_read_without_its_port() -> None:
    assert [host_of(text) for text in (b"A.b:80", b"[::1]:80", b"[::1]", b"a:b", b"a:")] == [
        "a.b", "[::1]", "[::1]", "a:b", "a:",
    ]  # fmt: skip
