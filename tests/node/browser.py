"""A real browser without a network, driven through its DevTools protocol."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.processes import WAIT_SECONDS, wait_until

CHROMIUM = shutil.which("chromium")
STILL_SECONDS = 0.5


class Page:
    """An open page. `requested` are the addresses that it has asked for."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.requested: list[str] = []

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One call of the protocol. Records the requests of the page that are reported before the answer."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json()
            if message.get("method") == "Network.requestWillBeSent":
                self.requested.append(message["params"]["request"]["url"])
            if message.get("id") == number:
                assert "error" not in message, message
                found: dict[str, Any] = message["result"]
                return found

    async def run(self, script: str) -> Any:
        """The value of a JavaScript expression. A promise is awaited."""
        found = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def wait_for(self, script: str) -> Any:
        """The value of the expression once it is true; it must not be an object of the page.

        Raises AssertionError with what the page shows if it does not become true in time.
        """
        deadline = time.monotonic() + WAIT_SECONDS
        while not (value := await self.run(script)):
            if time.monotonic() > deadline:
                shown = await self.run("document.body.innerText")
                raise AssertionError(f"never true: {script}\n{shown[-10_000:]}")
            await asyncio.sleep(0.02)
        return value

    async def wait_until_still(self, script: str) -> None:
        """Waits until the expression keeps its value for STILL_SECONDS, because a page is built in several steps."""
        last, value = None, await self.run(script)
        while value != last:
            await asyncio.sleep(STILL_SECONDS)
            last, value = value, await self.run(script)


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[Page]:
    """The page, in a browser of its own that can reach 127.0.0.1 only and keeps its files in the folder."""
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1280,2000",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", f"--user-data-dir={folder}",
        "--remote-debugging-port=0", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        port = await asyncio.to_thread(_port, folder / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                targets = json.loads(await answer.text())
            target = next(one["webSocketDebuggerUrl"] for one in targets if one["type"] == "page")
            async with session.ws_connect(target, max_msg_size=0) as socket:
                page = Page(socket)
                await page.call("Network.enable")
                await page.call("Page.navigate", url=url)
                yield page
    finally:
        process.terminate()
        await process.wait()


def _port(file: Path) -> int:
    """Where the browser serves its protocol, which it writes into the file once it does."""
    wait_until(lambda: file.exists() and file.read_text().count("\n") > 0)
    return int(file.read_text().splitlines()[0])


def is_missing() -> bool:
    """Whether a test must be skipped: never in CI, which installs a Chromium."""
    return CHROMIUM is None and "CI" not in os.environ
