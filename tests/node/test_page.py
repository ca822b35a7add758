"""The page for people: searching, filtering and reading, with keys and mouse."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.node import browser
from tests.node.pages import MINE, OTHER, Site, items, search, settled, total, uids

pytestmark = pytest.mark.skipif(browser.is_missing(), reason="needs a Chromium; CI installs one")


def test_the_sign_in_link_of_run_works_once(web: Site) -> None:
    link = f"{web.api.address}/#sign-in={web.codes.make(web.token)}"
    page = web.blank()
    page.goto(link)
    settled(page)
    assert page.url == f"{web.api.address}/"
    assert page.evaluate("Object.keys(localStorage)") == []
    page.reload()
    settled(page)
    page.evaluate("(hash) => { location.hash = hash; }", f"sign-in={web.codes.make(web.api.token(OTHER))}")
    expect(page.locator(".total")).to_have_text("120 conversations")  # another link in the same tab
    assert "sign-in" not in page.url
    again = web.blank()
    again.goto(link)
    expect(again.locator("[role=alert]")).to_contain_text("used already")
    expect(again.locator("#token")).to_be_visible()


def test_a_pasted_token_signs_in_where_the_address_leads(web: Site) -> None:
    page = web.blank()
    page.goto(f"{web.api.address}/#q=windows")
    page.fill("#token", "nonsense")
    page.keyboard.press("Enter")
    expect(page.locator("[role=alert]")).to_contain_text("does not accept")
    page.fill("#token", f" Bearer {web.token}\n")
    page.keyboard.press("Enter")
    settled(page)
    assert uids(page) == [item["uid"] for item in items(web, q="windows", sort="relevance")]
    page.click(".menu summary")
    page.click("text=Sign out")
    expect(page.locator("#token")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


def test_another_organization_has_other_conversations(web: Site) -> None:
    page = web.open()
    first = uids(page)
    page.click(".menu summary")
    page.select_option("#organization", str(OTHER))
    settled(page)
    assert uids(page) == [item["uid"] for item in items(web, organization_uid=OTHER)] != first
    page.reload()
    settled(page)
    assert total(page) == 120
    page.click(".menu summary")
    expect(page.locator("#organization")).to_have_value(str(OTHER))


def test_a_link_to_an_organization_of_others_shows_an_error(web: Site) -> None:
    page = web.open(("organization_uid", "00000000-0000-0000-0000-00000000ffff"), ("q", "windows"))
    expect(page.locator("main [role=alert]")).to_contain_text("The token does not allow this")
    page.click(".home")
    expect(page.locator("main [role=alert]")).to_have_count(0)
    settled(page)
    assert total(page) == 281


def test_a_token_without_a_default_organization_begins_with_its_first(web: Site) -> None:
    page = web.blank()
    web.sign_in(page, web.api.token(MINE, OTHER))
    web.go(page)
    assert str(MINE) in page.url


def test_words_find_and_mark_and_the_address_holds_everything(web: Site) -> None:
    page = web.open()
    search(page, "windows")
    assert page.locator(".row mark").all_inner_texts() == ["windows", "windows", "Windows"]
    assert uids(page) == [item["uid"] for item in items(web, q="windows", sort="relevance")]
    page.click("[data-filter=category] .value >> text=Bugs")
    settled(page)
    shown = uids(page)
    other = web.blank()
    web.sign_in(other)
    other.goto(page.url)
    settled(other)
    assert uids(other) == shown
    expect(other.locator("#box")).to_have_value("windows")
    page.go_back()
    settled(page)
    assert total(page) == 3
    page.go_back()
    settled(page)
    assert total(page) == 281
    expect(page.locator("#box")).to_have_value("")
    page.go_forward()
    settled(page)
    assert total(page) == 3


def test_completions_of_words_senders_fields_and_values(web: Site) -> None:
    page = web.open()
    page.keyboard.press("/")
    page.keyboard.type("windo")
    expect(page.locator("#completions .words .name").first).to_have_text("windows")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#box")).to_have_attribute("aria-activedescendant", "completion-0")
    page.keyboard.press("Enter")
    expect(page.locator("#box")).to_have_value("windows ")
    page.keyboard.type("fro")
    page.locator("#completions .field", has_text="from:").click()
    page.keyboard.type("dalke")
    page.locator("#completions .senders", has_text="dalke@dalkescientific.com").click()
    expect(page.locator("#box")).to_have_value("windows from:dalke@dalkescientific.com ")
    settled(page)
    assert total(page) == 1
    page.keyboard.type("status:cl")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    expect(page.locator("#box")).to_have_value("windows from:dalke@dalkescientific.com status:closed ")
    page.keyboard.type("category:docs")
    page.locator("#completions .categories").click()
    expect(page.locator("#box")).to_have_value(re.compile('category:"Docs, translations" $'))
    page.keyboard.type("is:un")
    expect(page.locator("#completions .value")).to_have_count(3)
    page.keyboard.press("Escape")
    expect(page.locator("#completions")).to_be_hidden()


def test_a_warning_stands_under_its_words(web: Site) -> None:
    page = web.open()
    search(page, "😀 windows status:activ")
    expect(page.locator(".mirror .wrong")).to_have_text("activ")
    expect(page.locator("#told li")).to_contain_text("did you mean active?")
    expect(page.locator("#box")).to_have_attribute("aria-describedby", "told")
    box, wrong = page.locator("#box").bounding_box(), page.locator(".wrong").bounding_box()
    assert box is not None
    assert wrong is not None
    assert box["x"] < wrong["x"]
    assert wrong["x"] + wrong["width"] < box["x"] + box["width"]
    search(page, "windows")
    expect(page.locator("#told")).to_have_count(0)


def test_the_error_of_an_invalid_search_is_below_the_box(web: Site) -> None:
    page = web.open()
    search(page, " ".join("abcdefghijklmnopqrstuvwxyzabcdefgh"))
    expect(page.locator("#told .error")).to_contain_text("q:")
    search(page, "windows")
    expect(page.locator("#told")).to_have_count(0)
    assert total(page) == 3


def test_the_page_says_when_not_all_words_matched(web: Site) -> None:
    page = web.open()
    search(page, "windows zebra")
    expect(page.locator("#matched")).to_contain_text("some of them")
    assert total(page) == 3
    search(page, "windo")
    expect(page.locator("#matched")).to_contain_text("windo*")
    assert total(page) == 3
    expect(page.locator("[data-filter=channel] .count")).to_have_text("3")
    page.click(".request summary")
    expect(page.locator(".request pre")).to_contain_text("q=windo*")
    search(page, "windows")
    expect(page.locator("#matched")).to_have_count(0)


def test_a_search_without_results_offers_other_searches(web: Site) -> None:
    page = web.open(("status", "draft"), ("is_read", "true"))
    search(page, "wimdows ")
    expect(page.locator(".empty h2")).to_have_text("Nothing found")
    meant = page.locator(".meant a")
    expect(meant).to_have_text("windows")
    page.locator(".ways a", has_text="without the words").click()
    settled(page)
    assert total(page) > 0
    page.go_back()
    settled(page)
    meant.click()
    settled(page)
    assert total(page) == 3


def test_filters_count_combine_and_are_removed(web: Site) -> None:
    page = web.open()
    facets: Any = web.asked(facets="status,category")["facets"]
    shown = dict(
        zip(
            *(page.locator(f"[data-filter=status] .{part}").all_inner_texts() for part in ("name", "count")),
            strict=True,
        )
    )
    assert {name.lower(): int(count) for name, count in shown.items()} == {
        one["value"]: one["count"] for one in facets["status"]["values"]
    }
    for status in ("Draft", "Closed"):
        page.click(f"[data-filter=status] .value >> text={status}")
        settled(page)
    page.click('[data-filter=category] .value >> text="Docs, translations"')
    settled(page)
    assert total(page) == len(items(web, status="draft,closed", category='"Docs, translations"', per_page=100))
    chips = page.locator(".chip:not(.all)")
    expect(chips).to_have_count(3)
    chips.filter(has_text="Docs").click()
    settled(page)
    assert total(page) == 98
    for name in ("No category", "Bugs"):  # "none" stands alone
        page.click(f"[data-filter=category] .value >> text={name}")
        settled(page)
    expect(page.locator("[data-filter=category] [aria-pressed=true]")).to_have_text(re.compile("Bugs"))
    page.click(".chip.all")
    settled(page)
    assert total(page) == 281


@pytest.mark.parametrize(
    ("name", "asked"),
    [("Unread", {"is_read": "false"}), ("Unassigned", {"agent_uid": "none"}), ("No reply", {"has_reply": "false"})],
)
def test_saved_views(web: Site, name: str, asked: dict[str, str]) -> None:
    page = web.open()
    page.click(f".views >> text={name}")
    settled(page)
    assert uids(page) == [item["uid"] for item in items(web, **asked)]
    expect(page.locator(".views [aria-current=page]")).to_have_text(name)


def test_a_range_of_time_is_dragged_or_typed(web: Site) -> None:
    page = web.open()
    box = page.locator(".histogram").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 1, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20)
    page.mouse.up()
    settled(page)
    start, end = (page.locator(f"[name={name}]").input_value() for name in ("from", "to"))
    assert start == "2003-01-01"
    expected = {"created_on[gte]": start, "created_on[lte]": end, "tz": "Europe/Berlin"}
    pagination: Any = web.asked(**expected)["pagination"]
    assert 0 < total(page) == pagination["total"] < 281
    page.fill("[name=to]", "2003-05-03")
    page.fill("[name=from]", "2003-05-01")
    settled(page)
    shown: Any = web.asked(**{**expected, "created_on[gte]": "2003-05-01", "created_on[lte]": "2003-05-03"})[
        "pagination"
    ]
    assert total(page) == shown["total"] > 0
    page.click("text=Any time")
    settled(page)
    assert total(page) == 281


def test_a_range_of_time_is_picked_by_keys(web: Site) -> None:
    page = web.open()
    chart = page.locator(".histogram")
    page.locator(".views a").last.focus()
    page.keyboard.press("Tab")
    expect(chart).to_be_focused()
    bars = page.locator(".histogram [role=option]")
    page.keyboard.press("End")
    expect(chart).to_have_attribute("aria-activedescendant", f"bar-{bars.count() - 1}")
    page.keyboard.press("Home")
    expect(chart).to_have_attribute("aria-activedescendant", "bar-0")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    label = bars.first.get_attribute("aria-label")
    assert label is not None
    page.keyboard.press("Enter")
    settled(page)
    expect(bars.first).to_have_attribute("aria-selected", "true")
    assert label.endswith(f": {total(page)}")
    expect(chart).to_be_focused()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator("#said")).to_contain_text("conversations")
    said = page.locator("#said").inner_text()
    page.keyboard.press("Escape")
    expect(page.locator(".histogram [aria-selected=true]")).to_have_count(1)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Space")
    settled(page)
    expect(page.locator(".histogram [aria-selected=true]")).to_have_count(3)
    assert said.endswith(f": {total(page)} conversations")
    expect(page.locator(".chip:not(.all)")).to_have_count(2)
