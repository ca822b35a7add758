"""The backend for a running service, over HTTP with the standard library. Its errors are those of this package."""

from __future__ import annotations

import http.client
import json
import ssl
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import IO, Any
from urllib.parse import quote, urlsplit
from uuid import UUID

from service import progress
from service.cli.answers import Count, Item, Page
from service.cli.connectivity import address, check_ca_file, reason_of
from service.cli.contexts import READABLE_BY_OTHERS
from service.errors import ConversationsError, InvalidQuery, Misconfigured, NotFound, Problem, SearchUnavailable
from service.settings import Settings

MOST_BYTES = 64 * 2**20
PATH = "/api/conversations"
NO_PATH = "there is no such path"  # as in service/api/errors.py


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Refuses redirects: the service never sends any, and a token must not go to another server."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> Any:
        """The body as JSON; None if it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


def send(
    settings: Settings, url: str, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None,
    timeout: float = 60.0,
) -> Answer:  # fmt: skip
    """The answer, whatever its status. Raises SearchUnavailable with the address and the cause if there is none."""
    check_ca_file(settings, url)
    trusted = ssl.create_default_context(cafile=settings.opensearch_ca_file) if url.startswith("https://") else None
    opener = urllib.request.build_opener(_NoRedirects, urllib.request.HTTPSHandler(context=trusted))
    request = urllib.request.Request(url.rstrip("/") + path, method=method, headers=dict(headers or {}))  # noqa: S310
    started = time.perf_counter()
    try:
        try:
            with opener.open(request, timeout=timeout) as answer:
                found = Answer(answer.status, answer.read(MOST_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                found = Answer(error.code, error.read(MOST_BYTES))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise SearchUnavailable(
            f"cannot reach {address(url)}{_by_proxy(request)}: {_reason(error, timeout)}"
        ) from error
    progress.detail(f"{method} {path} [status:{found.status} request:{time.perf_counter() - started:.3f}s]")
    return found


def _by_proxy(request: urllib.request.Request) -> str:
    """Names the proxy that the request went through, if the environment sets one."""
    return f" through the proxy {request.host}" if request.host != urlsplit(request.full_url).netloc else ""


def _reason(error: Exception, timeout: float) -> str:
    cause = getattr(error, "reason", error)
    if isinstance(cause, TimeoutError):
        return f"it did not answer within {timeout:g} s"
    return reason_of(cause if isinstance(cause, BaseException) else error)


class Service:
    """A running service as a backend of commands (see backends.Source). Raises Misconfigured if there is no token."""

    def __init__(self, settings: Settings, url: str) -> None:
        self._settings, self._url = settings, url
        self._headers = {"Authorization": f"Bearer {_token(settings)}", "Accept": "application/json"}

    @property
    def name(self) -> str:
        return address(self._url)

    def page(self, query: bytes, *, strict: bool) -> Page:
        found: Page = self._data("GET", f"{PATH}?{_encoded(query)}", strict=strict)
        return found

    def count(self, query: bytes, *, strict: bool) -> Count:
        found: Count = self._data("GET", f"{PATH}/count?{_encoded(query)}", strict=strict)
        return found

    def one(self, uid: UUID, organization: UUID | None) -> Item:
        found: Item = self._data("GET", f"{PATH}/{uid}{_scope(organization)}")
        return found

    def delete(self, uid: UUID, organization: UUID | None) -> str:
        scope = _scope(organization)
        data = self._data("DELETE", f"{PATH}/{uid}{scope}{'&' if scope else '?'}refresh=wait_for")
        return str(data["items"][0]["outcome"])

    def _data(self, method: str, path: str, *, strict: bool = False) -> Any:
        headers = self._headers | ({"Prefer": "handling=strict"} if strict else {})
        answer = send(self._settings, self._url, path, method=method, headers=headers)
        body = answer.json()
        if not isinstance(body, dict) or body.get("status") not in ("success", "error"):
            raise SearchUnavailable(another_program(self._url, answer))
        if body["status"] == "error":
            raise _error(self.name, answer.status, body.get("error"))
        found = body.get("data")
        if not isinstance(found, dict):
            raise SearchUnavailable(f"{self.name} answered without data")
        return found


def another_program(url: str, answer: Answer) -> str:
    """The message for an answer that did not come from this service."""
    return (
        f"the server at {address(url)} is not this service "
        f"(it answered {answer.status} without this service's JSON): does another program use this port?"
    )


def _scope(organization: UUID | None) -> str:
    return "" if organization is None else f"?organization_uid={organization}"


def _encoded(query: bytes) -> str:
    """The query string with the characters that a URL may not contain percent-encoded. Its meaning does not change."""
    return quote(query, safe="%&=+[]!,:;/?@$'()*-._~")


def _token(settings: Settings) -> str:
    if settings.token is not None:
        return _checked(settings.token.get_secret_value().strip(), "the token (--token, CONVERSATIONS_TOKEN)")
    if settings.token_file is None:
        raise Misconfigured("a running service needs a token: give --token-file, or set CONVERSATIONS_TOKEN")
    try:
        token = settings.token_file.read_text("utf-8").strip()
        mode = settings.token_file.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Misconfigured(f"the token file {settings.token_file} cannot be read: {reason}") from None
    if stat.S_ISREG(mode) and mode & READABLE_BY_OTHERS:  # not a pipe or a device such as /dev/stdin
        advice = "run chmod 600 on it ('umask 077' before you write a file protects it from the start)"
        progress.say(f"{settings.token_file} holds a secret and can be read by others: {advice}")
    return _checked(token, f"the token file {settings.token_file}")


def _checked(token: str, where: str) -> str:
    """The token. Raises Misconfigured, without showing the token, if it cannot be sent in a header."""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise Misconfigured(f"{where} must hold one token, as 'conversations token' prints it")
    return token


def _error(name: str, status: int, error: object) -> ConversationsError:
    """The service's error as one of this package, so that a mistake has the same words and exit code everywhere."""
    held = error if isinstance(error, dict) else {}
    message = str(held.get("message") or f"status {status}")
    details = [detail for detail in held.get("details") or () if isinstance(detail, dict)]
    if status == 400 and details:
        return InvalidQuery([Problem(str(one.get("parameter")), str(one.get("message"))) for one in details])
    if status == 404:
        return NotFound(
            message if message != NO_PATH else f"{name} answered 404: {NO_PATH}: leave {PATH} out of the URL"
        )
    request_id = f" (request_id {held['request_id']})" if status >= 500 and held.get("request_id") else ""
    return ConversationsError(f"{name} answered {status}: {message}{request_id}")
