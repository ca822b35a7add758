"""The page for people at `/`, and its files, which are built from service/web: one script, one style sheet, the texts.

The addresses of the files contain a checksum of them all, so browsers may keep them forever and never mix two versions.
All addresses are relative, so the page also works below a path of another server.
"""

from __future__ import annotations

import functools
import hashlib
import html
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

import msgspec
from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from service.api.conditional_requests import names
from service.api.requests import ApiRequest
from service.api.web_bundle import bundle
from service.identity.providers import Provider, origin
from service.query.query_string import no_parameters

FILES = "/web"
KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
LATE = "words/"  # the folder of modules that are loaded only when they are needed
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src {}; img-src 'self' data:; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)
FOR_GOOD = "public, max-age=31536000, immutable"
EACH_TIME = "no-cache"


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    kind: str
    tag: str


@functools.cache
def files() -> dict[str, _File]:
    """Every file of the page by its path, except for index.html."""
    found: dict[str, str] = {}
    _collect(resources.files("service").joinpath("web"), "", found)
    modules = {name: text for name, text in found.items() if name.endswith(".js")}
    styles = [text for name, text in found.items() if name.endswith(".css")]
    served = {name: text for name, text in found.items() if name.startswith(LATE) or name.endswith(".svg")}
    served |= {"app.js": bundle(modules, "app.js"), "style.css": "\n".join(styles)}
    return {name: _file(name, text) for name, text in served.items()}


def _collect(folder: Traversable, before: str, found: dict[str, str]) -> None:
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.is_dir():
            _collect(entry, f"{before}{entry.name}/", found)
        elif entry.name.endswith(tuple(KINDS)):
            found[before + entry.name] = entry.read_text("utf-8")


def _file(name: str, text: str) -> _File:
    content = text.encode()
    return _File(content, KINDS[name[name.rfind(".") :]], _checksum(content))


@functools.cache
def version() -> str:
    """A checksum of all files and their names."""
    return _checksum(b"".join(f"{name}:{file.tag};".encode() for name, file in files().items()))


def policy(providers: Sequence[Provider]) -> str:
    """The Content-Security-Policy: the page may send requests only to this service and to token endpoints."""
    return POLICY.format(" ".join(["'self'", *dict.fromkeys(origin(one.token_endpoint) for one in providers)]))


def index(providers: Sequence[Provider]) -> _File:
    """The page. Its checksum covers the policy too, because browsers take no new policy from a 304."""
    text = resources.files("service").joinpath("web", "index.html").read_text("utf-8")
    known = html.escape(msgspec.json.encode(providers).decode()) if providers else "[]"
    content = text.replace("FOLDER", f"{FILES[1:]}/{version()}").replace("PROVIDERS", known).encode()
    return _File(content, "text/html", _checksum(content + policy(providers).encode()))


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:20]


def page(request: ApiRequest, varying: dict[str, str], providers: Sequence[Provider]) -> Response[bytes]:
    headers = {"Cache-Control": EACH_TIME, "Content-Security-Policy": policy(providers), **varying}
    return _answer(request, index(providers), headers)


@get(f"{FILES}/{{folder:str}}/{{path:path}}", include_in_schema=False)
async def web_file(request: ApiRequest, folder: FromPath[str], path: FromPath[str]) -> Response[bytes]:
    """A file of the page. If the address has the checksum of another version, browsers must not keep the answer."""
    no_parameters(request.scope["query_string"])
    file = files().get(str(path).removeprefix("/"))
    if file is None:
        raise NotFoundException
    return _answer(request, file, {"Cache-Control": FOR_GOOD if folder == version() else EACH_TIME})


def _answer(request: ApiRequest, file: _File, headers: dict[str, str]) -> Response[bytes]:
    headers = {"ETag": f'W/"{file.tag}"', **headers}
    if names(request.headers.getall("if-none-match", []), file.tag):
        return Response(b"", status_code=304, headers=headers)
    return Response(file.content, media_type=file.kind, headers=headers)
