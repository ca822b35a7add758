"""How long the page takes by the clock, in Chromium on a processor slowed down four times: `python -m tests.bench.page`.

Needs the service, such as `scripts/run`, and a Chromium. Prints milliseconds from the request for the page until its
first paint, until the search box can be used, and until the results are there.
"""

from __future__ import annotations

import json
import shutil
import statistics

from playwright.sync_api import Browser, sync_playwright

from tests.program_options import Parser

PHONE = 4
TIMES = 5
MARKS = """const marks = {};
new MutationObserver(() => {
  if (!marks.box && document.querySelector('#box')) marks.box = performance.now();
  if (!marks.results && document.querySelector('.row[data-uid]')) marks.results = performance.now();
}).observe(document, { subtree: true, childList: true });
globalThis.marks = marks;
"""
PAINT = """new Promise((done) => new PerformanceObserver((list) => list.getEntriesByName('first-contentful-paint')
  .forEach((one) => done(one.startTime))).observe({ type: 'paint', buffered: true }))"""


def opened(browser: Browser, address: str, token: str) -> dict[str, float]:
    """The milliseconds of one first visit, with nothing in the browser's cache."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.add_init_script(f"sessionStorage.setItem('conversations.token', {json.dumps(token)});{MARKS}")
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": PHONE})
    page.goto(address)
    page.wait_for_selector(".row[data-uid]")
    found = {"paint": float(page.evaluate(PAINT)), **page.evaluate("marks")}
    context.close()
    return found


def main() -> None:
    parser = Parser(prog="python -m tests.bench.page", description=__doc__)
    parser.add_argument("address", help="of the service, such as http://127.0.0.1:8000")
    parser.add_argument("token", help="from `conversations token`")
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        visits = [opened(browser, options.address, options.token) for _ in range(TIMES)]
        browser.close()
    print(json.dumps({name: round(statistics.median(one[name] for one in visits)) for name in visits[0]}))


if __name__ == "__main__":
    main()
