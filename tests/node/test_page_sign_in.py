"""Signing in at an identity provider: OpenID Connect's code flow with PKCE, in a real browser, at a real provider."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from service.api.sign_in import SignInCodes
from tests.node import browser
from tests.node.below_path import below_path
from tests.node.pages import MINE, Site, check_access, settled, site, total
from tests.node.serving import Api, serving
from tests.provider import CLIENT_ID, Provider, provider

pytestmark = pytest.mark.skipif(browser.is_missing(), reason="needs a Chromium; CI installs one")


@pytest.fixture(scope="module")
def idp() -> Iterator[Provider]:
    with provider() as served:
        yield served


@pytest.fixture(scope="module")
def opened_site(page_service: tuple[Api, SignInCodes], opensearch_url: str, idp: Provider) -> Iterator[Site]:
    """The page of a service that accepts the tokens of the provider, and none of its own."""
    settings = page_service[0].settings.but(
        token_issuer=idp.url, token_discovery=True, oidc_client_id=CLIENT_ID, oidc_scopes="openid profile",
        oidc_parameters="audience=conversations",
    )  # fmt: skip
    for api in serving(settings, opensearch_url):
        with site(api, SignInCodes()) as opened:
            yield opened


@pytest.fixture
def web(opened_site: Site, idp: Provider) -> Iterator[Site]:
    idp.returns, idp.changes, idp.access = {f"{opened_site.api.address}/"}, {}, {"organizations": [str(MINE)]}
    idp.said.clear()
    idp.signed_out.clear()
    for watched in opened_site.watched():
        watched.others.append(idp.url)
        yield watched


def begun(web: Site, fragment: str = "", page: Page | None = None) -> Page:
    """A page whose sign-in has led to the provider."""
    page = page or web.blank()
    page.goto(f"{web.api.address}/#{fragment}")
    page.click(".provider")
    expect(page.locator("h1")).to_have_text("Provider")
    return page


def test_after_the_sign_in_the_page_shows_the_same_search(web: Site, idp: Provider) -> None:
    page = begun(web, "q=windows&per_page=10")
    (asked,) = idp.said
    assert (asked["scope"], asked["audience"]) == ("openid profile", "conversations")
    assert (asked["response_mode"], asked["code_challenge_method"]) == ("fragment", "S256")
    assert len(asked["code_challenge"]) == 43, "the provider compares it with the hash of the verifier"
    page.click("text=Go on")
    settled(page)
    assert total(page) == 3
    assert page.url == f"{web.api.address}/#q=windows&per_page=10"
    expect(page.locator(".menu .initial")).to_have_text("A")
    page.reload()
    settled(page)
    assert len(idp.said) == 1  # the tab keeps its token
    kept = page.evaluate("[JSON.stringify(localStorage), document.cookie, Object.keys(sessionStorage).sort().join()]")
    assert kept == ["{}", "", "conversations.signed-in-at,conversations.token"]
    other = web.blank()  # and no other tab has it
    other.goto(web.api.address)
    expect(other.locator(".provider")).to_be_visible()


def test_the_page_may_connect_only_to_the_service_and_the_provider(web: Site, idp: Provider) -> None:
    page = web.blank()
    answer = page.goto(web.api.address)
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert re.findall("connect-src ([^;]+);", policy) == [f"'self' {idp.url}"]
    assert policy.count("http") == 1


def test_signing_out_also_signs_out_at_the_provider(web: Site, idp: Provider) -> None:
    page = begun(web)
    page.click("text=Go on")
    settled(page)
    page.click(".menu summary")
    page.click("text=Sign out")
    expect(page.locator(".provider")).to_be_visible()
    assert idp.signed_out == [{"client_id": CLIENT_ID, "post_logout_redirect_uri": f"{web.api.address}/"}]
    assert page.evaluate("sessionStorage.length") == 0
    assert page.evaluate("document.body.innerText.includes('Sign in at')")


def test_after_an_expired_sign_in_the_next_one_leads_to_the_same_search(web: Site, idp: Provider) -> None:
    page = begun(web, "q=windows")
    page.click("text=Go on")
    settled(page)
    page.evaluate("sessionStorage.setItem('conversations.token', 'e' + sessionStorage.getItem('conversations.token'))")
    page.reload()
    expect(page.locator("[role=alert]")).to_contain_text("sign-in has ended")
    check_access(page)
    page.click(".provider")
    page.click("text=Go on")
    settled(page)
    assert page.url.endswith("#q=windows")
    assert total(page) == 3


def test_a_cancelled_sign_in_is_reported(web: Site, idp: Provider) -> None:
    page = begun(web, "q=windows")
    page.click("text=Cancel")
    expect(page.locator("[role=alert]")).to_contain_text("was cancelled")
    assert page.url.endswith("/#q=windows")
    assert page.evaluate("sessionStorage.length") == 0
    check_access(page)


@pytest.mark.parametrize(
    "changes",
    [{"nonce": "another"}, {"aud": "another"}, {"iss": "http://127.0.0.1:1"}, {"exp": 1_000_000_000}, {"nonce": ...}],
)
def test_an_id_token_with_wrong_claims_is_refused(web: Site, idp: Provider, changes: dict[str, Any]) -> None:
    idp.changes = changes
    page = begun(web)
    page.click("text=Go on")
    expect(page.locator("[role=alert]")).to_contain_text("did not sign you in")
    assert page.evaluate("sessionStorage.length") == 0


def test_an_answer_that_this_tab_did_not_ask_for_is_refused(web: Site, idp: Provider) -> None:
    page = begun(web)
    answer = idp.answer(idp.said[0], name="mallory", is_granted=True)
    other = web.blank()
    other.goto(answer)
    expect(other.locator("[role=alert]")).to_contain_text("not begun in this tab")
    assert other.url == f"{web.api.address}/"
    forged = re.sub("iss=[^&]+", "iss=http%3A%2F%2F127.0.0.1%3A1", answer)
    page.goto(forged)
    expect(page.locator("[role=alert]")).to_contain_text("not begun in this tab")
    page.goto("about:blank")
    page.goto(answer)  # what the tab kept works only once
    expect(page.locator("[role=alert]")).to_contain_text("not begun in this tab")


def test_a_wrong_verifier_gets_no_token(web: Site, idp: Provider) -> None:
    page = begun(web)
    answer = idp.answer(idp.said[0], name="ada", is_granted=True)
    page.goto(f"{web.api.address}/health/live")  # of the same origin, so that what the tab keeps can be changed
    page.evaluate(
        """() => { const kept = JSON.parse(sessionStorage.getItem('conversations.signing-in'));
        sessionStorage.setItem('conversations.signing-in', JSON.stringify({ ...kept, verifier: 'x'.repeat(43) })); }"""
    )
    page.goto(answer)
    expect(page.locator("[role=alert]")).to_contain_text("invalid_grant")


def test_a_token_that_the_service_refuses_says_why(web: Site, idp: Provider) -> None:
    idp.access = {"organizations": ...}
    page = begun(web)
    page.click("text=Go on")
    expect(page.locator("[role=alert]")).to_contain_text("does not accept this token")
    expect(page.locator("[role=alert]")).to_contain_text("organizations")


def test_the_sign_in_works_below_a_path_of_another_server(web: Site, idp: Provider) -> None:
    with below_path(web.api.address, "/tools/search") as below:
        web.others.append(below)
        idp.returns = {f"{below}/"}
        page = web.blank()
        page.goto(f"{below}/#q=windows")
        page.click(".provider")
        page.click("text=Go on")
        settled(page)
        assert page.url == f"{below}/#q=windows"
        assert total(page) == 3


def test_two_tabs_sign_in_side_by_side(web: Site, idp: Provider) -> None:
    one = begun(web, "q=windows")
    other = begun(web, "q=twisted", one.context.new_page())
    for page, text in ((one, "windows"), (other, "twisted")):
        page.click("text=Go on")
        settled(page)
        assert dict(parse_qsl(urlsplit(page.url).fragment)) == {"q": text}


def test_a_token_may_be_pasted_instead(web: Site, idp: Provider) -> None:
    page = web.blank()
    page.goto(web.api.address)
    page.click("summary")
    page.fill("#token", idp.issuer.token(organizations=[str(MINE)]))
    page.keyboard.press("Enter")
    settled(page)
    page.click(".menu summary")
    page.click("text=Sign out")
    expect(page.locator(".provider")).to_be_visible()
    assert idp.signed_out == []


def test_a_provider_that_does_not_answer_the_exchange_is_reported(web: Site, idp: Provider) -> None:
    page = begun(web)

    def broken(route: Route) -> None:
        route.abort()

    page.route(f"{idp.url}/token", broken)
    page.click("text=Go on")
    expect(page.locator("[role=alert]")).to_contain_text("did not sign you in")
