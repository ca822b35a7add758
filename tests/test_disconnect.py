"""The middleware that cancels the work of a disconnected client, around small ASGI applications, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from service.api.middleware.disconnect import MOMENT_SECONDS, Disconnect
from tests import virtual_time

LEAVES = 1.0  # seconds after the start, or after the end of the body
WORK = 3.0
BODY = {"type": "http.request", "body": b"{}", "more_body": False}
PATH = "/api/conversations"


class Request:
    """A request and its outcome. Its client disconnects `leaves` seconds after it sent everything (None: it stays)."""

    def __init__(self, method: str = "GET", path: str = PATH, leaves: float | None = LEAVES) -> None:
        self.notes: dict[str, object] = {}
        self.scope = {"type": "http", "method": method, "path": path, "state": {"notes": self.notes}}
        self.sent: list[dict[str, Any]] = []
        self.has_worked = False
        self.ended = 0.0
        self._leaves = leaves
        self._has_body = method in ("POST", "DELETE")
        self.received = 0

    async def receive(self) -> dict[str, Any]:
        self.received += 1
        if self._has_body:
            self._has_body = False
            return BODY
        if self._leaves is None:
            await asyncio.Event().wait()
        await asyncio.sleep(self._leaves or 0.0)
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    async def work(self, _scope: Any, receive: Any, send: Any) -> None:
        """An application that works and then answers."""
        if self._has_body:
            assert await receive() == BODY
        await asyncio.sleep(WORK)
        self.has_worked = True
        await answer(send)

    def run(self, app: Any = None) -> Request:
        async def handled() -> None:
            try:
                await Disconnect(app or self.work)(self.scope, self.receive, self.send)  # type: ignore[arg-type]
            finally:
                self.ended = asyncio.get_running_loop().time()
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0
            await asyncio.sleep(WORK)  # a cancellation that came later would be raised here
            assert len(asyncio.all_tasks()) == 1  # and nobody watches any more

        virtual_time.run(handled())
        return self

    @property
    def is_noted(self) -> bool:
        return self.notes == {"client_disconnected": True}


async def answer(send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x"})


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_work_ends_when_its_client_leaves(method: str) -> None:
    request = Request(method).run()
    assert not request.has_worked
    assert request.sent == []
    assert request.is_noted
    assert request.ended == pytest.approx(MOMENT_SECONDS + LEAVES)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_work_is_completed_when_its_client_stays(method: str) -> None:
    request = Request(method, leaves=None).run()
    assert request.has_worked
    assert [message["type"] for message in request.sent] == ["http.response.start", "http.response.body"]
    assert not request.is_noted
    assert request.ended == WORK


@pytest.mark.parametrize(("method", "path"), [("DELETE", PATH), ("GET", "/health/ready"), ("HEAD", PATH)])
def test_work_that_is_not_watched_is_completed(method: str, path: str) -> None:
    request = Request(method, path).run()
    assert request.has_worked
    assert not request.is_noted


def test_a_quick_request_is_not_watched() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await answer(send)

    assert Request().run(app).received == 0


def test_a_client_that_leaves_after_the_whole_answer_cancels_nothing() -> None:
    """A handler may still tidy up then."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await answer(send)
        await asyncio.sleep(WORK)
        tidied.append(True)

    tidied: list[bool] = []
    assert not Request().run(app).is_noted
    assert tidied == [True]


@pytest.mark.parametrize("leaves", [None, LEAVES])
def test_the_error_of_the_work_itself_is_kept(leaves: float | None) -> None:
    """Also if it is raised because the client has left."""

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        try:
            await asyncio.sleep(WORK)
        finally:
            raise LookupError("its own")

    with pytest.raises(LookupError, match="its own"):
        Request(leaves=leaves).run(app)


def test_a_cancellation_from_elsewhere_is_kept() -> None:
    """As when the server stops."""

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(LEAVES / 2, task.cancel)
        await asyncio.sleep(WORK)

    with pytest.raises(asyncio.CancelledError):
        Request().run(app)
