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
def at() -> Iterator[Provider]:
    with provider() as served:
        yield served


@pytest.fixture(scope="module")
def opened_site(page_service: tuple[Api, SignInCodes], opensearch_url: str, at: Provider) -> Iterator[Site]:
    """The page of a service that believes the provider, and no tokens of its own."""
    settings = page_service[0].settings.but(
        token_issuer=at.url, token_discovery=True, oidc_client_id=CLIENT_ID, oidc_scopes="openid profile",
        oidc_parameters="audience=conversations",
    )  # fmt: skip
    for api in serving(settings, opensearch_url):
        with site(api, SignInCodes()) as opened:
            yield opened


@pytest.fixture
def web(opened_site: Site, at: Provider) -> Iterator[Site]:
    at.returns, at.changes, at.access = {f"{opened_site.api.address}/"}, {}, {"organizations": [str(MINE)]}
    at.said.clear()
    at.signed_out.clear()
    for watched in opened_site.watched():
        watched.others.append(at.url)
        yield watched


def begun(web: Site, fragment: str = "", page: Page | None = None) -> Page:
    """A page that has gone to the provider."""
    page = page or web.blank()
    page.goto(f"{web.api.address}/#{fragment}")
    page.click(".provider")
    expect(page.locator("h1")).to_have_text("Provider")
    return page


def test_one_signs_in_and_goes_on_where_one_was(web: Site, at: Provider) -> None:
    page = begun(web, "q=windows&per_page=10")
    (asked,) = at.said
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
    assert len(at.said) == 1  # the tab keeps its token
    kept = page.evaluate("[JSON.stringify(localStorage), document.cookie, Object.keys(sessionStorage).sort().join()]")
    assert kept == ["{}", "", "conversations.signed-in-at,conversations.token"]
    other = web.blank()  # and no other tab has it
    other.goto(web.api.address)
    expect(other.locator(".provider")).to_be_visible()


def test_only_the_providers_own_origin_may_be_asked(web: Site, at: Provider) -> None:
    page = web.blank()
    answer = page.goto(web.api.address)
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert re.findall("connect-src ([^;]+);", policy) == [f"'self' {at.url}"]
    assert policy.count("http") == 1


def test_one_signs_out_there_too(web: Site, at: Provider) -> None:
    page = begun(web)
    page.click("text=Go on")
    settled(page)
    page.click(".menu summary")
    page.click("text=Sign out")
    expect(page.locator(".provider")).to_be_visible()
    assert at.signed_out == [{"client_id": CLIENT_ID, "post_logout_redirect_uri": f"{web.api.address}/"}]
    assert page.evaluate("sessionStorage.length") == 0
    assert page.evaluate("document.body.innerText.includes('Sign in at')")


def test_an_ended_sign_in_is_begun_again_at_the_same_place(web: Site, at: Provider) -> None:
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


def test_what_was_refused_there_is_said_in_words(web: Site, at: Provider) -> None:
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
def test_an_id_token_of_another_sign_in_is_not_taken(web: Site, at: Provider, changes: dict[str, Any]) -> None:
    at.changes = changes
    page = begun(web)
    page.click("text=Go on")
    expect(page.locator("[role=alert]")).to_contain_text("did not sign you in")
    assert page.evaluate("sessionStorage.length") == 0


def test_an_answer_that_this_tab_did_not_ask_for_is_not_taken(web: Site, at: Provider) -> None:
    page = begun(web)
    answer = at.answer(at.said[0], name="mallory", is_granted=True)
    other = web.blank()
    other.goto(answer)
    expect(other.locator("[role=alert]")).to_contain_text("not begun in this tab")
    assert other.url == f"{web.api.address}/"
    forged = re.sub("iss=[^&]+", "iss=http%3A%2F%2F127.0.0.1%3A1", answer)
    page.goto(forged)
    expect(page.locator("[role=alert]")).to_contain_text("not begun in this tab")
    page.goto("about:blank")
    page.goto(answer)  # what was kept for it was used up
    expect(page.locator("[role=alert]")).to_contain_text("not begun in this tab")


def test_a_wrong_verifier_gets_no_token(web: Site, at: Provider) -> None:
    page = begun(web)
    answer = at.answer(at.said[0], name="ada", is_granted=True)
    page.goto(f"{web.api.address}/health/live")  # of the same origin, so that what the tab keeps can be changed
    page.evaluate(
        """() => { const kept = JSON.parse(sessionStorage.getItem('conversations.signing-in'));
        sessionStorage.setItem('conversations.signing-in', JSON.stringify({ ...kept, verifier: 'x'.repeat(43) })); }"""
    )
    page.goto(answer)
    expect(page.locator("[role=alert]")).to_contain_text("invalid_grant")


def test_a_token_that_the_service_refuses_says_why(web: Site, at: Provider) -> None:
    at.access = {"organizations": ...}
    page = begun(web)
    page.click("text=Go on")
    expect(page.locator("[role=alert]")).to_contain_text("does not accept this token")
    expect(page.locator("[role=alert]")).to_contain_text("organizations")


def test_it_works_below_a_path_of_another_server(web: Site, at: Provider) -> None:
    with below_path(web.api.address, "/tools/search") as below:
        web.others.append(below)
        at.returns = {f"{below}/"}
        page = web.blank()
        page.goto(f"{below}/#q=windows")
        page.click(".provider")
        page.click("text=Go on")
        settled(page)
        assert page.url == f"{below}/#q=windows"
        assert total(page) == 3


def test_two_tabs_sign_in_side_by_side(web: Site, at: Provider) -> None:
    one = begun(web, "q=windows")
    other = begun(web, "q=twisted", one.context.new_page())
    for page, text in ((one, "windows"), (other, "twisted")):
        page.click("text=Go on")
        settled(page)
        assert dict(parse_qsl(urlsplit(page.url).fragment)) == {"q": text}


def test_a_token_may_be_pasted_instead(web: Site, at: Provider) -> None:
    page = web.blank()
    page.goto(web.api.address)
    page.click("summary")
    page.fill("#token", at.issuer.token(organizations=[str(MINE)]))
    page.keyboard.press("Enter")
    settled(page)
    page.click(".menu summary")
    page.click("text=Sign out")
    expect(page.locator(".provider")).to_be_visible()
    assert at.signed_out == []


def test_a_provider_that_does_not_answer_the_exchange_is_said(web: Site, at: Provider) -> None:
    page = begun(web)

    def broken(route: Route) -> None:
        route.abort()

    page.route(f"{at.url}/token", broken)
    page.click("text=Go on")
    expect(page.locator("[role=alert]")).to_contain_text("did not sign you in")
