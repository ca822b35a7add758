"""How much work the page is for a browser: the start, and paging through 10,000 conversations.

The tests measure the processor time of the page's thread, because other programs do not change that time.
`python -m tests.bench.page ADDRESS TOKEN` measures by the clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import CDPSession, Page, Route

from tests.node import browser
from tests.node.pages import Site, settled

pytestmark = pytest.mark.skipif(browser.is_missing(), reason="needs a Chromium; CI installs one")

PHONE = 4  # a phone's processor takes about this many times as long
SECOND = 1.0
FRAME = 1 / 60


class Work:
    """The processor time of the page's thread, in seconds."""

    def __init__(self, page: Page) -> None:
        self._session: CDPSession = page.context.new_cdp_session(page)
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def done(self) -> float:
        metrics = self._session.send("Performance.getMetrics")["metrics"]
        return next(float(one["value"]) for one in metrics if one["name"] == "TaskDuration")

    @contextmanager
    def measured(self, into: list[float]) -> Iterator[None]:
        before = self.done()
        yield
        into.append(self.done() - before)


def test_a_phone_can_use_the_page_within_a_second(web: Site) -> None:
    page = web.blank(width=390, height=844)
    web.sign_in(page)
    work = Work(page)
    web.go(page)
    assert work.done() * PHONE < SECOND


def test_the_page_loads_in_three_steps(web: Site) -> None:
    """The page; then its files; then texts, caller and results in parallel."""
    page = web.blank()
    web.sign_in(page)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/api/caller", hold)
    with page.expect_request("**/words/en.js"), page.expect_request("**/api/conversations?*"):
        page.goto(web.api.address)
    assert len(held) == 1
    listed = [url for url in web.requested if "/api/conversations?" in url]
    held[0].continue_()
    settled(page)
    assert len(listed) == 1
    assert [url for url in web.requested if "/api/conversations?" in url] == listed  # and are not asked for again
    assert len(web.requested) <= 8


def many_pages(page: Page, token: str, web: Site) -> None:
    """Answers like the service, but repeats its conversations: 100 pages of 100. Only the browser is measured."""

    def answered(route: Route) -> None:
        asked = dict(parse_qsl(urlsplit(route.request.url).query))
        number = int(asked.get("page", 1))
        parameters = {**asked, "page": number % 2 + 1}
        body = web.api.conversations(token, parameters)
        for item in body["data"]["items"]:
            item["uid"] = f"{number:08d}{item['uid'][8:]}"
        body["data"]["pagination"] |= {"page": number, "total": 10_000, "total_pages": 100}
        route.fulfill(json=body)

    page.route("**/api/conversations?*", answered)


TURNED = """(key) => new Promise((done) => {
  const first = () => document.querySelector('.row')?.dataset.uid;
  const before = first();
  const looking = new MutationObserver(() => {
    if (first() === before || document.querySelector('main').ariaBusy === 'true') return;
    looking.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(done));
  });
  looking.observe(document.querySelector('main'), { subtree: true, childList: true, attributes: true });
  document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
})"""
SCROLLED = """(top) => new Promise((done) => {
  scrollBy({ top, behavior: 'instant' });
  requestAnimationFrame(() => requestAnimationFrame(done));
})"""


def test_ten_thousand_conversations_are_paged_and_scrolled_smoothly(web: Site) -> None:
    page = web.blank()
    web.sign_in(page)
    many_pages(page, web.token, web)
    web.go(page, ("per_page", "100"))
    work = Work(page)
    assert page.locator(".total").inner_text() == "10,000 conversations"

    def median(script: str, *arguments: str | int, times: int) -> float:
        spent: list[float] = []
        for _ in range(times):
            with work.measured(spent):
                page.evaluate(script, *arguments)
        return sorted(spent)[times // 2]

    first, elements = median(TURNED, "n", times=7), page.locator("*").count()
    page.fill("#page-number", "91")
    page.keyboard.press("Enter")
    settled(page)
    last = median(TURNED, "n", times=7)
    assert page.locator("#page-number").input_value() == "98"
    assert last < 1.5 * first + 0.02
    assert first * PHONE < SECOND / 2  # a hundred conversations at once
    assert page.locator("*").count() < 1.1 * elements
    page.evaluate("scrollTo(0, 0)")
    still = median(SCROLLED, 0, times=15)  # what the browser and its driver do anyway in two frames
    scrolled = median(SCROLLED, 300, times=15)
    assert page.evaluate("scrollY") > 1_000
    assert (scrolled - still) * PHONE < 2 * FRAME
