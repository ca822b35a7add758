"""The page for people in each state: without a connection or a token, small, dark, in other languages, below a path."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from service.api import web as web_files
from tests.node import browser
from tests.node.below_path import below_path
from tests.node.pages import Site, check_access, search, settled, total, uids

pytestmark = pytest.mark.skipif(browser.is_missing(), reason="needs a Chromium; CI installs one")

MOST_BYTES = 60_000  # of the first load, compressed
MOST_FILES = 5  # the page, its script, its style sheet, its texts and its icon
PICTURES = os.environ.get("PICTURES")  # a folder
LISTED = "**/api/conversations?*"
COUNTED = "**/api/conversations/count?*"


def test_a_lost_connection_is_reported_and_the_page_recovers_by_itself(web: Site) -> None:
    page = web.open()
    shown = uids(page)
    page.context.set_offline(True)
    search(page, "windows")
    expect(page.locator("main [role=alert]")).to_contain_text("cannot be reached")
    assert uids(page) == shown
    page.context.set_offline(False)
    expect(page.locator("main [role=alert]")).to_have_count(0)
    settled(page)
    assert total(page) == 3


def refuse(page: Page, status: int, code: str, *, times: int = 1_000, **headers: str) -> None:
    """Answers the next requests for the list with an error, as the service would."""
    body = json.dumps({"status": "error", "error": {"code": code, "message": code, "details": [], "request_id": "0"}})
    page.route(LISTED, lambda route: route.fulfill(status=status, body=body, headers=headers), times=times)


def test_a_busy_service_is_asked_again(web: Site) -> None:
    page = web.open()
    refuse(page, 429, "too_many_requests", times=1, **{"Retry-After": "1"})
    search(page, "windows")
    expect(page.locator(".rows")).to_be_visible()
    expect(page.locator(".total")).to_have_text("3 conversations")
    expect(page.locator("main [role=alert]")).to_have_count(0)
    refuse(page, 503, "search_unavailable")
    search(page, "twisted")
    expect(page.locator("main [role=alert]")).to_contain_text("will be tried again")
    page.unroute(LISTED)
    page.click("main [role=alert] button")
    expect(page.locator("main [role=alert]")).to_have_count(0)


def test_an_expired_token_asks_for_another_and_keeps_the_place(web: Site) -> None:
    page = web.open(("q", "windows"))
    refuse(page, 401, "unauthorized", times=1)
    page.click("[data-filter=category] .value >> text=Bugs")
    expect(page.locator("[role=alert]")).to_contain_text("no longer accepted")
    expect(page.locator(".row")).to_have_count(0)
    page.fill("#token", web.token)
    page.keyboard.press("Enter")
    settled(page)
    assert total(page) == 1
    assert "category=Bugs" in page.url


def test_a_slower_older_answer_never_replaces_a_newer_one(web: Site) -> None:
    page = web.open()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/api/conversations?*q=twisted&*", hold)
    page.click("#box")
    page.keyboard.type("twisted")
    page.keyboard.press("Enter")
    expect(page.locator("main[aria-busy=true]")).to_be_visible()
    assert held
    search(page, "windows")
    shown = uids(page)
    for route in held:
        route.continue_()
    page.keyboard.press("Escape")
    settled(page)
    assert uids(page) == shown
    assert total(page) == 3


@pytest.mark.parametrize(
    ("locale", "found", "unread"),
    [("de-AT", "281 Konversationen", "Ungelesen"), ("es", "281 conversaciones", "No leídas"), ("fr-CA", "281 conversations", "Non lues")],
)  # fmt: skip
def test_the_page_has_the_language_of_the_browser(web: Site, locale: str, found: str, unread: str) -> None:
    page = web.open(locale=locale)
    expect(page.locator(".total")).to_have_text(found)
    expect(page.locator(".views")).to_contain_text(unread)
    assert page.locator("html").get_attribute("lang") == locale[:2]
    page.click(".menu summary")
    page.select_option("#language", "en")
    expect(page.locator(".total")).to_have_text("281 conversations")
    expect(page.locator(".views")).to_contain_text("Unread")
    page.reload()
    settled(page)
    expect(page.locator(".views")).to_contain_text("Unread")


def test_the_page_works_below_a_path_of_another_server(web: Site) -> None:
    with below_path(web.api.address, "/tools/search") as below:
        web.others.append(below)
        page = web.blank()
        web.sign_in(page)
        page.goto(f"{below}/#q=windows")
        settled(page)
        assert total(page) == 3
        page.click(".request summary")
        expect(page.locator(".request pre")).to_contain_text(f"{below}/api/conversations")
        page.click(".menu summary")
        page.click("text=Documentation of the API")  # which asks nothing outside of the path either
        page.locator("#operations-conversations-listConversations .opblock-summary-control").click()
        page.click("#operations-conversations-listConversations .execute")
        expect(page.locator(".request-url pre")).to_contain_text(f"{below}/api/conversations?")
        expect(page.locator(".live-responses-table .response-col_status").last).to_contain_text("401")
    assert [url for url in web.requested if not url.startswith((below, "data:", "blob:"))] == []


def test_the_first_load_is_small_and_cached(web: Site) -> None:
    page = web.blank()
    web.sign_in(page)
    sizes: list[int] = []
    page.on(
        "response",
        lambda answer: sizes.append(answer.request.sizes()["responseBodySize"]) if "/api/" not in answer.url else None,
    )
    web.go(page)
    assert 0 < sum(sizes) < MOST_BYTES
    assert len(sizes) == MOST_FILES
    web.requested.clear()
    page.reload()
    settled(page)
    policy = page.evaluate(
        "fetch('.', { headers: { Accept: 'text/html' } }).then((answer) => answer.headers.get('content-security-policy'))"
    )
    assert policy == web_files.policy([])
    assert (
        page.evaluate(
            "performance.getEntriesByType('resource').filter((one) => one.name.includes('/web/') && one.transferSize > 0).length"
        )
        == 0
    )


def sign_in_state(web: Site, page: Page) -> None:
    page.goto(web.api.address)
    expect(page.locator("#token")).to_be_visible()
    page.fill("#token", "nonsense")
    page.keyboard.press("Enter")
    expect(page.locator("[role=alert]")).to_be_visible()


def signed_in(web: Site, page: Page, *parameters: tuple[str, str]) -> None:
    web.sign_in(page)
    web.go(page, *parameters)


def first_state(web: Site, page: Page) -> None:
    signed_in(web, page)
    expect(page.locator(".example")).to_have_count(3)
    for place in range(3):
        page.locator(".example").nth(place).click()
        settled(page)
        assert total(page) > 0
        page.go_back()
        settled(page)


def detail_state(web: Site, page: Page) -> None:
    signed_in(web, page, ("q", "windows"), ("status", "active"), ("channel", "email"))
    page.locator(".row").first.click()
    expect(page.locator(".detail dl")).to_be_visible()


def request_state(web: Site, page: Page) -> None:
    signed_in(web, page, ("q", "windows zebra status:activ"), ("from", "2003-01-01"))
    page.click(".request summary")
    expect(page.locator(".request table")).to_be_visible()


def empty_state(web: Site, page: Page) -> None:
    signed_in(web, page, ("q", "wimdows "), ("is_read", "false"))
    expect(page.locator(".empty")).to_be_visible()


def completing_state(web: Site, page: Page) -> None:
    signed_in(web, page)
    page.click("#box")
    page.keyboard.type("st")
    expect(page.locator("#completions li").nth(1)).to_be_visible()
    page.keyboard.press("ArrowDown")
    settled(page)


def help_state(web: Site, page: Page) -> None:
    signed_in(web, page)
    page.evaluate("document.querySelector('.show-keys').click()")
    expect(page.locator("dialog")).to_be_visible()


def menu_state(web: Site, page: Page) -> None:
    signed_in(web, page)
    page.click(".menu summary")
    expect(page.locator("#theme")).to_be_visible()


def failed_state(web: Site, page: Page) -> None:
    signed_in(web, page)
    refuse(page, 503, "search_unavailable")
    search(page, "twisted")
    expect(page.locator("main [role=alert]")).to_be_visible()


def picking_state(web: Site, page: Page) -> None:
    signed_in(web, page)
    page.locator(".histogram").focus()
    for key in ("Home", "Shift+ArrowRight", "Shift+ArrowRight"):
        page.keyboard.press(key)
    expect(page.locator(".histogram [aria-selected=true]")).to_have_count(3)


def expired_state(web: Site, page: Page) -> None:
    signed_in(web, page, ("q", "windows"))
    refuse(page, 401, "unauthorized")
    page.fill("#box", "twisted")
    expect(page.locator("[role=alert]")).to_be_visible()


def offline_state(web: Site, page: Page) -> None:
    signed_in(web, page)
    page.context.set_offline(True)
    search(page, "twisted")
    expect(page.locator("main [role=alert]")).to_be_visible()


def loading_state(web: Site, page: Page) -> None:
    web.sign_in(page)
    page.route(LISTED, lambda route: None)
    page.route(COUNTED, lambda route: None)
    page.goto(web.api.address)
    expect(page.locator(".skeleton").first).to_be_visible()
    expect(page.locator("#box")).to_be_visible()


def counting_state(web: Site, page: Page) -> None:
    signed_in(web, page)
    page.route(COUNTED, lambda route: None)
    page.click("[data-filter=channel] .value >> nth=0")
    expect(page.locator(".facets.is-old .histogram")).to_be_visible()
    expect(page.locator("main[aria-busy=false]")).to_be_visible()


def rtl_state(web: Site, page: Page) -> None:
    signed_in(web, page)
    page.locator(".row").first.click()
    expect(page.locator(".detail dl")).to_be_visible()


STATES = (
    picking_state, expired_state, offline_state, loading_state, counting_state, rtl_state,
    sign_in_state, first_state, detail_state, request_state, empty_state, completing_state, help_state, menu_state,
    failed_state,
)  # fmt: skip


def keep_pictures(page: Page, name: str) -> None:
    """For `scripts/pictures`: the state in light, dark, and on a phone."""
    if PICTURES is None:
        return
    folder = Path(PICTURES)
    for look, width, height, scheme in (
        ("light", 1280, 800, "light"),
        ("dark", 1280, 800, "dark"),
        ("phone", 390, 844, "light"),
    ):
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.screenshot(path=folder / f"{name}-{look}.png")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme="light")


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_every_state_is_accessible_in_light_and_dark(web: Site, state: Callable[[Site, Page], None]) -> None:
    page = web.blank()
    state(web, page)
    keep_pictures(page, state.__name__.removesuffix("_state"))
    check_access(page)
    page.emulate_media(color_scheme="dark")
    check_access(page, only="color-contrast")  # nothing else depends on colours


def test_a_phone_shows_everything_without_scrolling_sideways(web: Site) -> None:
    page = web.open(("q", "windows"), width=360, height=740)
    wide = "document.documentElement.scrollWidth <= innerWidth"
    assert page.evaluate(wide)
    expect(page.locator("#filters")).to_be_hidden()
    page.click(".show-filters")
    page.click("[data-filter=category] .value >> text=Bugs")
    settled(page)
    assert total(page) == 1
    check_access(page)
    page.click(".show-filters")
    page.locator(".row").click()
    expect(page.locator(".detail")).to_be_visible()
    assert page.evaluate(wide)
    check_access(page)
    page.click("#close-detail")
    expect(page.locator(".detail")).to_have_count(0)


def test_colours_are_chosen_and_kept(web: Site) -> None:
    page = web.open()
    back = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(back)
    page.click(".menu summary")
    page.select_option("#theme", "dark")
    dark = page.evaluate(back)
    assert dark != light
    page.reload()
    settled(page)
    assert page.evaluate(back) == dark


def test_changes_are_announced(web: Site) -> None:
    page = web.open()
    expect(page.locator("#said")).to_have_text("281 conversations, page 1 of 12")
    search(page, "windows")
    expect(page.locator("#said")).to_have_text("3 conversations")
    search(page, "qqqqq ")
    expect(page.locator("#said")).to_have_text("Nothing found")
    assert page.locator("#said").get_attribute("aria-live") == "polite"
