"""Checks that OpenSearch answers at an address before a command begins, and explains what is wrong if it does not."""

from __future__ import annotations

import asyncio
import errno
import http.client
import socket
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
from opensearchpy.exceptions import ConnectionError as Unreachable
from opensearchpy.exceptions import ConnectionTimeout, SerializationError, TransportError

from service import urls
from service.cli.exit_codes import NotBegun
from service.client import connect
from service.errors import ConversationsError, Misconfigured, WrongPath
from service.settings import Settings
from service.urls import without_password

PATIENCE_SECONDS = 15.0
NODE_SECONDS = 3.0  # for each of several nodes
_OPENSEARCH_ERROR = ("error", "status")


def address(url: str) -> str:
    """The URL without user and password, for messages."""
    return without_password(url)


def check_ca_file(settings: Settings, url: str) -> None:
    """Raises Misconfigured if certificates must be checked and the file of the authority cannot be used."""
    if settings.opensearch_ca_file is None or not url.startswith("https://"):
        return
    try:
        ssl.create_default_context(cafile=str(settings.opensearch_ca_file))
    except ssl.SSLError:
        reason = "it holds no certificate in PEM"
    except OSError as error:
        reason = error.strerror or str(error)
    else:
        return
    raise Misconfigured(f"OPENSEARCH_CA_FILE is {settings.opensearch_ca_file}, which cannot be used: {reason}")


async def require_opensearch(settings: Settings, url: str) -> None:
    """Raises NotBegun with the address and the cause if OpenSearch does not answer there."""
    if (problem := await problem_at(settings, url)) is not None:
        raise NotBegun(problem)


async def problems_at(settings: Settings, url: str) -> list[str]:
    """Why OpenSearch does not answer, a sentence for each of the URLs where it does not. All are asked at once."""
    every = urls.nodes(url)
    seconds = PATIENCE_SECONDS if len(every) == 1 else NODE_SECONDS
    found = await asyncio.gather(*(problem_at(settings, one, seconds=seconds) for one in every))
    return [problem for problem in found if problem is not None]


async def shared_nodes(settings: Settings, url: str) -> list[str]:
    """A sentence for each node that several of the URLs lead to. All are asked at once."""
    every = urls.nodes(url)
    found = await asyncio.gather(*(_node_at(settings, one) for one in every))
    by_node: dict[tuple[str, str], list[str]] = {}
    for one, node in zip(every, found, strict=True):
        if node is not None:
            by_node.setdefault(node, []).append(address(one))
    return [f"{' and '.join(at)} are the same node, {name}" for (_id, name), at in by_node.items() if len(at) > 1]


async def _node_at(settings: Settings, url: str) -> tuple[str, str] | None:
    """The id and the name of the node at the URL; None if it is not known."""
    client = connect(settings, url, timeout=NODE_SECONDS)
    try:
        answer = await client.nodes.info(node_id="_local", metric="http", params={"filter_path": "nodes.*.name"})
        return next(((number, str(node["name"])) for number, node in answer["nodes"].items()), None)
    except (TransportError, ConversationsError, TimeoutError, KeyError, TypeError, AttributeError):
        return None
    finally:
        await client.close()


async def problem_at(settings: Settings, url: str, *, seconds: float = PATIENCE_SECONDS) -> str | None:
    """Why OpenSearch does not answer at the URL within `seconds`, as a sentence.

    None if it answers, even if it refuses the user.
    """
    check_ca_file(settings, url)
    client = connect(settings, url, timeout=seconds)
    try:
        answer = await client.info()
    except (ConnectionTimeout, TimeoutError):
        return f"OpenSearch at {address(url)} did not answer within {seconds:.0f} s"
    except Unreachable as error:
        cause = error.info if isinstance(error.info, BaseException) else error
        return f"cannot reach OpenSearch at {address(url)}: {reason_of(cause)}"
    except TransportError as error:
        refused = error.status_code in (
            401,
            403,
            429,
            502,
            503,
            504,
        )  # a proxy's 502 is treated as the cluster's: it is temporary
        is_its_own = _is_from_opensearch(error.info) and not (_has_path(url) and error.status_code in (400, 404, 405))
        return None if refused or is_its_own else _other(url, str(error.status_code))
    except WrongPath:
        return _other(url, "that there is no such path, or no such index")
    except (SerializationError, msgspec.MsgspecError, ConversationsError):
        return _other(url, "something that is not JSON")
    finally:
        await client.close()
    is_opensearch = isinstance(answer, dict) and "cluster_name" in answer and "version" in answer
    return None if is_opensearch else _other(url, "something else")


def _is_from_opensearch(info: object) -> bool:
    return isinstance(info, dict) and all(key in info for key in _OPENSEARCH_ERROR)


def _has_path(url: str) -> bool:
    return any(urlsplit(one).path.strip("/") for one in urls.nodes(url))


def _other(url: str, what: str) -> str:
    if _has_path(url):
        return (
            f"OpenSearch is not at {address(url)} (GET there answered {what}): check the path in OPENSEARCH_URL, or "
            "leave it out"
        )
    return (
        f"the server at {address(url)} is not OpenSearch (GET / answered {what}): does another program use this port?"
    )


def reason_of(error: BaseException) -> str:
    """A phrase that says why a server could not be reached."""
    for cause in _chain(error):
        if isinstance(cause, OSError) and cause.errno in _BY_NUMBER and not isinstance(cause, ssl.SSLError):
            return _BY_NUMBER[cause.errno]
        for kind, words in _BY_KIND:
            if isinstance(cause, kind):
                return words(cause)
    return str(getattr(error, "reason", None) or error) or type(error).__name__


def _tls(error: ssl.SSLError) -> str:
    reason = next((found for cause in _chain(error) if isinstance(found := getattr(cause, "reason", None), str)), "")
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL"):
        return "it does not speak HTTPS: use http://"
    return f"TLS failed ({reason or error})"


def _distrusted(error: ssl.SSLError) -> str:
    causes = [getattr(cause, "verify_message", None) for cause in _chain(error)]
    return f"its certificate is not trusted ({next(filter(None, causes), 'unknown')}): see OPENSEARCH_CA_FILE"


_CUT = "the connection was closed without an answer: does the server use HTTPS?"
_BY_NUMBER: dict[int, str] = {
    errno.ECONNREFUSED: "connection refused: does anything run there?",
    errno.EHOSTUNREACH: "no route to the host",
    errno.ENETUNREACH: "no route to the network",
    errno.ECONNRESET: _CUT,
}
_BY_KIND: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Callable[[Any], str]], ...] = (
    (ssl.SSLCertVerificationError, _distrusted),
    (ssl.SSLError, _tls),
    ((aiohttp.ClientConnectorDNSError, socket.gaierror), lambda _error: "the host is unknown"),
    (TimeoutError, lambda _error: "it did not answer in time"),
    (
        (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, http.client.RemoteDisconnected),
        lambda _error: _CUT,
    ),
    (
        (aiohttp.ClientResponseError, http.client.HTTPException),
        lambda _error: "it does not answer with HTTP: does the server use HTTPS?",
    ),
)


def _chain(error: BaseException) -> list[BaseException]:
    """The error and its causes."""
    found: list[BaseException] = []
    cause: object = error
    while isinstance(cause, BaseException) and cause not in found:
        found.append(cause)
        attributes = [getattr(cause, name, None) for name in ("os_error", "certificate_error", "reason")]
        inner = [one for one in attributes if isinstance(one, BaseException) and one not in found]
        cause = inner[0] if inner else cause.__cause__ or cause.__context__
    return found
