"""The page of the API in a real browser: "Execute" works for every route, with what the page fills in."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

import pytest

from service.api import openapi_examples
from service.api.openapi import OPERATIONS
from service.query.parameters import EXAMPLE_ORGANIZATION
from tests.node import browser
from tests.node.serving import Api

FILLED_IN = """(block) => [...block.querySelectorAll('tr[data-param-name]:has(.required), .opblock-section-request-body')]
    .every((part) => part.querySelector('input, textarea')?.value)"""


async def authorize(page: browser.Page, token: str) -> None:
    """Enters the token as a person does: the button, the field, the other button."""
    await page.wait_for("document.querySelector('.opblock') !== null")
    await page.run("document.querySelector('.btn.authorize').click()")
    await page.wait_for("document.querySelector('.auth-container input') !== null")
    await page.run("document.querySelector('.auth-container input').focus()")
    await page.call("Input.insertText", text=token)
    await page.run("document.querySelector('.auth-container .authorize').click()")
    await page.wait_for("document.querySelector('.auth-container input') === null")
    await page.run("document.querySelector('.auth-container .btn-done').click()")


async def execute(page: browser.Page, operation: str, tag: str) -> tuple[str, str]:
    """The status and the URL of the request that "Execute" makes, when nothing was filled in by hand."""
    block = f"document.getElementById('operations-{tag}-{operation}')"
    await page.run(f"{block}.querySelector('.opblock-summary-control').click()")
    await page.wait_for(f"{block}.querySelector('.execute') !== null && ({FILLED_IN})({block})")
    await page.wait_until_still(f"{block}.outerHTML")
    await page.run(f"{block}.querySelector('.execute').click()")
    status = await page.wait_for(
        f"{block}.querySelector('.live-responses-table .response .response-col_status')?.textContent.trim()"
    )
    url = await page.run(f"{block}.querySelector('.request-url pre').textContent")
    await page.run(f"{block}.querySelector('.opblock-summary-control').click()")  # Swagger UI renders all that is open
    return status, url


@pytest.mark.skipif(browser.is_missing(), reason="needs a Chromium; CI installs one")
def test_try_it_out_works_untouched_for_every_route(sample_api: Api, tmp_path: Path) -> None:
    token = sample_api.token(UUID(EXAMPLE_ORGANIZATION), scopes=("conversations:write", "conversations:export"))

    async def tried() -> tuple[dict[str, tuple[str, str]], list[str]]:
        async with browser.opened(f"{sample_api.address}/docs", tmp_path) as page:
            await authorize(page, token)
            found = {one.name: await execute(page, one.name, one.tag) for one in OPERATIONS}
            return found, page.requested

    found, requested = asyncio.run(tried())
    assert {name: status for name, (status, _url) in found.items() if not status.startswith("200")} == {}
    listed = found["listConversations"][1]
    assert "page=1" in listed
    assert "cursor" not in listed  # the examples of optional parameters are shown, and not filled in
    assert openapi_examples.DELETED_UID in found["deleteConversation"][1]
    assert requested
    assert [url for url in requested if not url.startswith((f"{sample_api.address}/", "data:", "blob:"))] == []
