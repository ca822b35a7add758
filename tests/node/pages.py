"""The page for people in a real browser: one Chromium for a module, and a page of its own for each test."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from playwright.sync_api import Browser, Page, expect, sync_playwright

from service.api.sign_in import SignInCodes
from service.conversation import Conversation, Metadata
from service.query.parameters import EXAMPLE_ORGANIZATION
from service.times import parse_time
from tests.node.serving import Api

MINE = UUID(EXAMPLE_ORGANIZATION)
OTHER = UUID("b3d94c52-7e0f-4a6b-8c1d-2e5f60718293")
SCOPES = ("conversations:export",)
PLENTY = 30_000  # milliseconds to wait at most, on a busy machine
AXE = gzip.decompress((Path(__file__).parents[1] / "browser" / "axe.min.js.gz").read_bytes()).decode()
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Messages that are expected: the browser's about error answers, and Swagger UI's about a format that it does not know.
EXPECTED = re.compile(r"Failed to load resource|Could not find component: JsonSchema_")
TOKEN = re.compile(r"eyJ[\w-]+\.eyJ[\w-]+\.")  # a random value of a sign-in may begin with eyJ, too

expect.set_options(timeout=PLENTY)


def sample(samples: Path) -> list[Conversation]:
    """The sample, and a conversation with what it lacks: SMS, labels, and text from right to left."""
    with gzip.open(samples / "conversations.ndjson.gz", "rt") as lines:
        found = [Conversation.model_validate_json(line) for line in lines]
    newest = parse_time("2026-11-01T08:00:00Z")
    return [
        *found,
        Conversation(
            uid=UUID(int=1), organization_uid=MINE, channel="sms", direction="outbound", status="active",
            subject="שלום עולם invoice", is_read=False, has_reply=False, message_count=2, updated_on=newest,
            created_on=newest, sent_at=newest,
            metadata=Metadata(from_name="דנה", from_email="dana@example.com", labels=["urgent"], has_attachments=True,
                              attachment_count=1, snippet="<b>not bold</b>", to_emails=["help@example.com"]),
        ),
    ]  # fmt: skip


@dataclass
class Site:
    """The service, the browser, and methods that open pages."""

    api: Api
    codes: SignInCodes
    browser: Browser
    troubles: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)  # other addresses that a test's pages may request

    @property
    def token(self) -> str:
        return self.api.token(MINE, OTHER, default=MINE, scopes=SCOPES)

    def blank(self, *, width: int = 1280, height: int = 900, scheme: str = "light", locale: str = "en-GB") -> Page:
        """A page in a profile of its own. Errors and warnings in its console are added to `troubles`."""
        context = self.browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            locale=locale,
            timezone_id="Europe/Berlin",
            reduced_motion="reduce",
            accept_downloads=True,
        )
        context.set_default_timeout(PLENTY)
        page = context.new_page()
        page.on("console", lambda one: self._note(one.type, one.text))
        page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        page.on("request", lambda request: self.requested.append(request.url))
        return page

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not EXPECTED.search(text):
            self.troubles.append(f"{kind}: {text}")

    def open(self, *parameters: tuple[str, str], **options: object) -> Page:
        """A page that is signed in, and shows what the parameters ask for."""
        page = self.blank(**options)  # type: ignore[arg-type]
        self.sign_in(page)
        self.go(page, *parameters)
        return page

    def sign_in(self, page: Page, token: str | None = None) -> None:
        kept = json.dumps(token or self.token)
        page.add_init_script(f"sessionStorage.setItem('conversations.token', {kept})")

    def go(self, page: Page, *parameters: tuple[str, str]) -> None:
        page.goto(f"{self.api.address}/#{urlencode(parameters)}")
        settled(page)

    def asked(self, **parameters: object) -> dict[str, object]:
        """What the API itself answers to the same question."""
        data: dict[str, object] = self.api.conversations(self.token, parameters)["data"]
        return data

    def watched(self) -> Iterator[Site]:
        """For one test. Fails afterwards if a page had errors, requested another address, or put a token in a URL."""
        self.troubles.clear()
        self.requested.clear()
        self.others.clear()
        yield self
        for context in self.browser.contexts:
            context.close()
        assert self.troubles == [], self.troubles
        known = (self.api.address, "blob:", "data:", *self.others)
        assert [url for url in self.requested if not url.startswith(known)] == []
        assert [url for url in self.requested if TOKEN.search(url)] == []


@contextmanager
def site(api: Api, codes: SignInCodes) -> Iterator[Site]:
    executable = shutil.which("chromium")
    assert executable is not None, "needs a Chromium: sudo apt install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
        )
        try:
            yield Site(api, codes, browser)
        finally:
            browser.close()


def settled(page: Page) -> None:
    """Waits until the page shows the answer to what was asked last, and the counts beside it."""
    expect(page.locator("main[aria-busy=false]")).to_be_visible()
    expect(page.locator(".rows:not(.skeleton), .empty, main .problem").first).to_be_visible()
    expect(page.locator(".facets.is-old")).to_have_count(0)


def items(web: Site, **parameters: object) -> list[dict[str, Any]]:
    found: Any = web.asked(**parameters)["items"]
    return list(found)


def uids(page: Page) -> list[str]:
    found: list[str] = page.locator(".row").evaluate_all("rows => rows.map((row) => row.dataset.uid)")
    return found


def total(page: Page) -> int:
    text = page.locator(".total").inner_text()
    return int(re.sub(r"\D", "", text))


def search(page: Page, text: str) -> None:
    """As a person does: click, type, Enter."""
    page.click("#box")
    page.keyboard.press("Control+A")
    page.keyboard.type(text)
    page.keyboard.press("Enter")
    expect(page.locator("#completions")).to_be_hidden()
    settled(page)


def check_access(page: Page, *, only: str | None = None) -> None:
    """Fails with what axe finds wrong with the page as it is, by all rules or by one."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    rules: object = STANDARDS if only is None else {"type": "rule", "values": [only]}
    found = page.evaluate("(rules) => axe.run(document, { runOnly: rules })", rules)
    wrong = [
        f"{one['id']}: {one['help']}\n  "
        + "\n  ".join(f"{node['html'][:200]} | {node['failureSummary'][:300]}" for node in one["nodes"][:3])
        for one in found["violations"]
    ]
    assert wrong == [], "\n".join(wrong)
