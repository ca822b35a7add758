"""How much work the page makes of a browser: the start, and paging through 10,000 conversations.

Measured is the time that the page's thread computes, not what a clock says: it is the same on a machine that others use
too. `python -m tests.bench.page ADDRESS TOKEN` prints what a clock says.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import pytest
from playwright.sync_api import CDPSession, Page, Route

from service.api.sign_in import SignInCodes
from service.conversation import Conversation, Metadata
from service.times import parse_time
from tests.node import browser
from tests.node.conftest import Api, Cluster
from tests.node.pages import Site, settled, site, uids

pytestmark = pytest.mark.skipif(browser.is_missing(), reason="needs a Chromium; CI installs one")

PHONE = 4  # a phone's processor takes about this many times as long
SECOND = 1.0
MANY = UUID("c7a1f0de-3b52-4f8e-9d60-7e8f90a1b2c3")
NUMBER = 10_000


class Work:
    """Seconds that the page's thread has computed."""

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


@pytest.fixture(scope="module")
def many(page_service: tuple[Api, SignInCodes], opensearch_url: str) -> None:
    """10,000 conversations of an organization of their own."""
    newest = parse_time("2026-11-01T08:00:00Z")
    Cluster(page_service[0].settings, opensearch_url).load(
        [
            Conversation(
                uid=UUID(int=place),
                organization_uid=MANY,
                channel=("email", "sms")[place % 2],
                status="closed",
                subject=f"Invoice {place}",
                is_read=place % 3 == 0,
                message_count=place % 7,
                categories=["Bugs"],
                created_on=newest,
                updated_on=newest - timedelta(hours=place),
                metadata=Metadata(
                    from_name=f"Ada {place % 50}", snippet="A few words of what it is about, in one line"
                ),
            )  # fmt: skip
            for place in range(1, NUMBER + 1)
        ]
    )


@pytest.fixture(scope="module")
def opened_site(many: None, page_service: tuple[Api, SignInCodes]) -> Iterator[Site]:
    """As everywhere, but with the 10,000: they are loaded before the browser's driver starts its event loop."""
    with site(*page_service) as opened:
        yield opened


def test_a_phone_can_use_it_within_a_second(web: Site) -> None:
    page = web.blank(width=390, height=844)
    web.sign_in(page)
    work = Work(page)
    web.go(page)
    assert work.done() * PHONE < SECOND


def test_it_asks_in_three_turns(web: Site) -> None:
    """The page; then its files; then texts, caller and results side by side, of which none waits for another."""
    page = web.blank()
    web.sign_in(page)
    held: list[Route] = []
    page.route("**/api/caller", lambda route: held.append(route))
    with page.expect_request("**/words/en.js"), page.expect_request("**/api/conversations?*"):
        page.goto(web.api.address)
    assert len(held) == 1
    listed = [url for url in web.requested if "/api/conversations?" in url]
    held[0].continue_()
    settled(page)
    assert len(listed) == 1
    assert [url for url in web.requested if "/api/conversations?" in url] == listed  # and are not asked for again
    assert len(web.requested) <= 8


def test_ten_thousand_are_paged_and_scrolled_without_a_stutter(web: Site) -> None:
    page = web.blank()
    web.sign_in(page, web.api.token(MANY))
    web.go(page, ("per_page", "100"))
    work = Work(page)
    assert page.locator(".total").inner_text() == "10,000 conversations"

    def turned() -> float:
        """The seconds of a page, as the middle one of five."""
        spent: list[float] = []
        for _ in range(5):
            shown = uids(page)
            with work.measured(spent):
                page.keyboard.press("n")
                settled(page)
            assert len(uids(page)) == 100
            assert uids(page) != shown
        return sorted(spent)[2]

    first, elements = turned(), page.locator("*").count()
    page.fill("#page-number", "90")
    page.keyboard.press("Enter")
    settled(page)
    last = turned()
    print(f"turning: {first:.3f} s at first, {last:.3f} s at the end")
    assert last < 1.5 * first + 0.02
    assert page.locator("*").count() < 1.1 * elements
    scrolled: list[float] = []
    for _ in range(30):
        with work.measured(scrolled):
            page.mouse.wheel(0, 300)
            page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    print(f"scrolling: {max(scrolled):.3f} s at most")
