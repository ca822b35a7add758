"""Sign-in: what the page learns about identity providers, also if they are wrong or down."""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from service.api import web
from service.api.auth import Tokens
from service.errors import Misconfigured
from service.identity import providers
from service.identity.issuers import issuers
from service.identity.providers import RETRY_SECONDS, Configuration, Providers
from service.settings import Settings
from tests.provider import CLIENT_ID, Provider, provider
from tests.without_cluster import ask

HTML = {"headers": {"Accept": "text/html"}}


@pytest.fixture
def at() -> Iterator[Provider]:
    with provider() as served:
        yield served


def settings_of(bare: Settings, at: Provider, **changes: object) -> Settings:
    return bare.but(token_issuer=at.url, token_discovery=True, **{"oidc_client_id": CLIENT_ID, **changes})


def told(page: str) -> list[dict[str, Any]]:
    (content,) = re.findall(r'<meta name="providers" content="([^"]*)">', page)
    found: list[dict[str, Any]] = json.loads(html.unescape(content))
    return found


def test_the_page_knows_where_to_sign_in(bare_settings: Settings, at: Provider) -> None:
    settings = settings_of(bare_settings, at, oidc_scopes="profile openid", oidc_parameters="audience=a%26b&x=")
    first, again = ask(settings, HTML, HTML)
    assert told(first.text) == [
        {
            "issuer": at.url, "client_id": CLIENT_ID, "scope": "openid profile", "parameters": {"audience": "a&b", "x": ""},
            "authorization_endpoint": f"{at.url}/authorize", "token_endpoint": f"{at.url}/token",
            "end_session_endpoint": f"{at.url}/end", "says_issuer": True,
        }
    ]  # fmt: skip
    assert f"connect-src 'self' {at.url};" in first.headers["content-security-policy"]
    assert again.headers["etag"] == first.headers["etag"]
    assert at.issuer.requests == ["/.well-known/openid-configuration"]


def test_without_a_client_the_provider_is_not_asked(bare_settings: Settings, at: Provider) -> None:
    (page,) = ask(bare_settings.but(token_issuer=at.url, token_discovery=True), HTML)
    assert (told(page.text), at.issuer.requests) == ([], [])


def test_a_changed_policy_changes_the_etag(bare_settings: Settings, at: Provider) -> None:
    """After a 304, browsers keep the old policy."""
    (with_it,) = ask(settings_of(bare_settings, at), HTML)
    at.is_down = True
    (without,) = ask(settings_of(bare_settings, at), HTML)
    assert (told(without.text), without.status_code) == ([], 200)
    assert without.headers["etag"] != with_it.headers["etag"]


@pytest.mark.parametrize(
    "changes",
    [
        {"authorization_endpoint": None}, {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": "http://login.example.com/token"}, {"token_endpoint": "https://a;script-src * /token"},
        {"end_session_endpoint": "http://login.example.com/"}, {"response_modes_supported": ["query"]},
        {"issuer": "https://other.example.com"}, {"token_endpoint": 5},
        {"token_endpoint": "http://127.0.0.1:1/token"}, {"authorization_endpoint": "http://localhost:1/authorize"},
    ],
)  # fmt: skip
def test_a_provider_that_cannot_be_used_is_left_out(
    bare_settings: Settings, at: Provider, changes: dict[str, Any]
) -> None:
    right = at.configuration()
    at.configuration = lambda: right | changes  # type: ignore[method-assign]
    (page,) = ask(settings_of(bare_settings, at), HTML)
    assert told(page.text) == []
    assert page.headers["content-security-policy"] == web.policy([])


def test_a_token_endpoint_that_no_policy_can_name_is_named_without_its_password(
    bare_settings: Settings, at: Provider
) -> None:
    changed = at.configuration() | {"issuer": "https://a", "token_endpoint": "https://ada:secret@bücher.example/token"}
    changed |= {"authorization_endpoint": "https://a/authorize", "end_session_endpoint": None}
    issuer, *_others = issuers(settings_of(bare_settings, at))
    with pytest.raises(ValueError, match=r"'bücher\.example', may have only ASCII") as raised:
        providers.provider(issuer, msgspec.convert(changed, Configuration))
    assert "secret" not in str(raised.value)


PAGE = (
    "authorization_endpoint", "token_endpoint", "end_session_endpoint", "response_modes_supported",
    "authorization_response_iss_parameter_supported",
)  # fmt: skip


@pytest.mark.parametrize("name", [*PAGE, "code_challenge_methods_supported"])
@pytest.mark.parametrize("value", [None, 5, "true", {}, [None]])
def test_wrong_values_for_the_page_do_not_affect_the_keys(
    bare_settings: Settings, at: Provider, name: str, value: object
) -> None:
    right = at.configuration()
    at.configuration = lambda: right | {name: value}  # type: ignore[method-assign]
    caller = {"url": "/api/caller", "headers": {"Authorization": at.issuer.token()}}
    (answer,) = ask(settings_of(bare_settings, at), caller)
    assert answer.status_code == 200


def test_a_wrong_jwks_uri_does_not_affect_the_page_and_null_means_absent(bare_settings: Settings, at: Provider) -> None:
    right = at.configuration()
    absent = dict.fromkeys(PAGE[2:])
    at.configuration = lambda: right | {"jwks_uri": 5} | absent  # type: ignore[method-assign]
    (page,) = ask(settings_of(bare_settings, at), HTML)
    (found,) = told(page.text)
    assert (found["end_session_endpoint"], found["says_issuer"]) == (None, False)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"token_discovery": False, "token_issuer": None}, "an issuer with public keys"),
        ({"oidc_parameters": "state=x"}, "sets the parameter state"),
        ({"oidc_parameters": "audience"}, "bad query field"),
    ],
)
def test_settings_that_cannot_work_stop_the_start(
    bare_settings: Settings, at: Provider, changes: dict[str, Any], says: str
) -> None:
    settings = settings_of(bare_settings, at).model_copy(update=changes)
    with pytest.raises(Misconfigured, match=says):
        Tokens(settings)


def test_each_of_several_issuers_may_have_a_client(bare_settings: Settings, tmp_path: Any) -> None:
    file = tmp_path / "issuers.toml"
    one, other = (f'[[issuer]]\nissuer = "https://{name}.example.com"\ndiscovery = true\n' for name in "ab")
    file.write_text(f'{one}client_id = "page"\nclient_scopes = ["x"]\n{other}')
    found = issuers(bare_settings.but(token_issuers_file=file))
    assert [(one.client_id, one.client_scopes) for one in found] == [("page", ("x",)), (None, ("openid",))]
    with pytest.raises(Misconfigured, match="unset CONVERSATIONS_OIDC_CLIENT_ID"):
        issuers(bare_settings.but(token_issuers_file=file, oidc_client_id="page"))


def test_the_last_configuration_serves_while_the_provider_is_down(bare_settings: Settings, at: Provider) -> None:
    now = [0.0]
    answers: list[OSError | Configuration] = [OSError("down"), msgspec.convert(at.configuration(), Configuration)]
    asked: list[str] = []

    async def read(issuer: str) -> Configuration:
        asked.append(issuer)
        answer = answers[min(len(asked), len(answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def run() -> list[int]:
        providers = Providers(issuers(settings_of(bare_settings, at)), read, lifetime=100, clock=lambda: now[0])
        found = []
        for moment in (0.0, RETRY_SECONDS / 2, RETRY_SECONDS, 50.0, 200.0, 201.0):
            now[0] = moment
            if moment == 200.0:
                answers[:] = [OSError("down")]
            found.append(len(await providers.known()))
            await asyncio.sleep(0)
        await providers.close()
        return found

    assert asyncio.run(run()) == [0, 0, 1, 1, 1, 1]
    assert len(asked) == 3
