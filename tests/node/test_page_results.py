"""The page for people: pages of results, keys, the pane with a conversation, the curl line and the export."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.node import browser
from tests.node.pages import MINE, Site, items, settled, total, uids

pytestmark = pytest.mark.skipif(browser.is_missing(), reason="needs a Chromium; CI installs one")


def test_every_page_size_and_order_can_be_chosen(web: Site) -> None:
    page = web.open(("per_page", "10"))
    page.fill("#page-number", "17")
    page.keyboard.press("Enter")
    settled(page)
    assert uids(page) == [item["uid"] for item in items(web, page=17, per_page=10)]
    page.click("text=Next")
    settled(page)
    assert "page=18" in page.url
    page.locator("h1").focus()
    for key, number in (("p", 17), ("p", 16), ("n", 17)):
        page.keyboard.press(key)
        settled(page)
        expect(page.locator("#page-number")).to_have_value(str(number))
    page.select_option("#order", "subject")
    settled(page)
    assert uids(page) == [item["uid"] for item in items(web, sort="subject", per_page=10)]
    page.select_option("#per-page", "100")
    settled(page)
    assert len(uids(page)) == 100
    web.go(page, ("page", "900"))
    page.click("text=Go to the last page")
    settled(page)
    assert page.locator("#page-number").input_value() == "12"


def focused(page: Page) -> str:
    uid: str = page.evaluate("document.activeElement.dataset.uid ?? document.activeElement.id")
    return uid


def test_keys_work_and_can_be_switched_off(web: Site) -> None:
    page = web.open()
    shown = uids(page)
    for key, place in (("j", 0), ("j", 1), ("j", 2), ("k", 1)):
        page.keyboard.press(key)
        assert focused(page) == shown[place]
    page.keyboard.press("Enter")
    expect(page.locator(".detail dl")).to_be_visible()
    assert focused(page) == "detail-title"
    page.keyboard.press("j")
    expect(page.locator(".row.is-open")).to_have_attribute("data-uid", shown[2])
    page.keyboard.press("Escape")
    expect(page.locator(".detail")).to_have_count(0)
    assert focused(page) == shown[2]
    page.keyboard.press("?")
    expect(page.locator("dialog")).to_be_visible()
    page.locator("dialog input").uncheck()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    page.keyboard.press("/")
    assert focused(page) != "box"
    page.click(".show-keys")
    page.locator("dialog input").check()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("jk?np")
    expect(page.locator("#box")).to_have_value("jk?np")


def test_the_pane_has_every_field_and_copies_uid_and_link(web: Site) -> None:
    page = web.open()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(".row").first.click()
    pane = page.locator(".detail")
    for text in ("שלום עולם invoice", "dana@example.com", "<b>not bold</b>", "urgent", "help@example.com", "SMS"):
        expect(pane).to_contain_text(text)
    (item,) = items(web, per_page=1)
    names = {name for name in item if name not in ("metadata", "subject")} | set(item["metadata"]) - {
        "from_name",
        "from_email",
        "snippet",
    }
    assert pane.locator("dt").count() == len(names)
    page.click(".copy-uid")
    expect(page.locator(".copy-uid")).to_contain_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == item["uid"]
    page.click(".copy-link")
    expect(page.locator(".copy-link")).to_contain_text("Copied")
    link = page.evaluate("navigator.clipboard.readText()")
    other = web.blank()
    web.sign_in(other)
    other.goto(f"{link}&status=closed")  # this page of results does not have the conversation
    expect(other.locator("#detail-title")).to_have_text("שלום עולם invoice")
    other.goto(f"{web.api.address}/#open=00000000-0000-0000-0000-00000000ffff")
    expect(other.locator("#detail-title")).to_contain_text("no such conversation")
    direction = "(element) => getComputedStyle(element).direction"
    assert page.locator("#detail-title").evaluate(direction) == "rtl"
    assert page.locator(".row .subject").first.evaluate(direction) == "rtl"
    pane.locator("text=dana@example.com").click()
    settled(page)
    assert total(page) == 1


def test_the_curl_line_finds_what_is_on_the_screen(web: Site) -> None:
    page = web.open(
        ("q", "windows it's"),
        ("category", "Docs, translations"),
        ("per_page", "10"),
        ("from", "2003-05-01"),
        ("channel", "email"),
    )
    page.click(".request summary")
    line = page.locator(".request pre").inner_text()
    assert "eyJ" not in line
    done = subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        text=True,
        check=True,
        env={"TOKEN": web.token, "PATH": "/usr/bin:/bin"},
    )
    data = json.loads(done.stdout)["data"]
    assert [item["uid"] for item in data["items"]] == uids(page)
    assert len(data["items"]) > 0


def test_the_export_has_all_that_is_found(web: Site) -> None:
    page = web.open(("status", "closed"))
    with page.expect_download() as download:
        page.click(".export")
    lines = Path(download.value.path()).read_text().splitlines()
    assert download.value.suggested_filename.endswith(".ndjson")
    assert len(lines) - 1 == total(page) == 74
    assert json.loads(lines[-1])["export"]["complete"] is True
    expect(page.locator(".export-told")).to_contain_text("74 conversations saved")
    reader = web.blank()
    web.sign_in(reader, web.api.token(MINE, scopes=("conversations:read",)))
    web.go(reader)
    expect(reader.locator(".export")).to_be_disabled()


def test_an_export_that_is_cut_off_is_not_reported_as_saved(web: Site) -> None:
    page = web.open(("status", "closed"))
    cut = '{"uid":"1"}\n{"export":{"complete":false,"conversations":1}}\n'
    page.route("**/api/conversations/export?*", lambda route: route.fulfill(body=cut))
    page.click(".export")
    for place in (".export-told", "#said"):
        expect(page.locator(place)).to_contain_text("cut off")


def test_an_export_that_fails_is_not_said_to_be_tried_again(web: Site) -> None:
    page = web.open(("status", "closed"))
    error = {"code": "search_unavailable", "message": "", "details": [], "request_id": "0"}
    answer = json.dumps({"status": "error", "error": error})
    page.route("**/api/conversations/export?*", lambda route: route.fulfill(status=503, body=answer))
    page.click(".export")
    expect(page.locator(".export-told")).to_have_text("The search cannot answer now.")
