"""The page for people at `/`, and its files in service/web.

The addresses of the files hold a checksum of them all, so a browser keeps them for good and never mixes two versions.
All addresses are relative, so the page also works below a path of another server.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from service.api.conditional_requests import names
from service.api.requests import ApiRequest
from service.query.query_string import no_parameters

FILES = "/web"
KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
LATE = "words/"  # the folder of modules of which one is loaded when it is needed
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
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
    found: dict[str, _File] = {}
    _collect(resources.files("service").joinpath("web"), "", found)
    return found


def _collect(folder: Traversable, before: str, found: dict[str, _File]) -> None:
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.is_dir():
            _collect(entry, f"{before}{entry.name}/", found)
            continue
        kind = KINDS.get(entry.name[entry.name.rfind(".") :])
        if kind is not None:
            content = entry.read_bytes()
            found[before + entry.name] = _File(content, kind, _checksum(content))


@functools.cache
def version() -> str:
    """A checksum of all files and their names."""
    return _checksum(b"".join(f"{name}:{file.tag};".encode() for name, file in files().items()))


@functools.cache
def index() -> _File:
    """The page, which names its style sheets and modules, so that the browser asks for all of them at once."""
    folder = f"{FILES[1:]}/{version()}"
    styles = [f'<link rel="stylesheet" href="{folder}/{name}">' for name in files() if name.endswith(".css")]
    modules = [
        f'<link rel="modulepreload" href="{folder}/{name}">'
        for name in files()
        if name.endswith(".js") and not name.startswith(LATE)
    ]
    text = resources.files("service").joinpath("web", "index.html").read_text("utf-8")
    content = text.replace("<!-- files -->", "\n".join([*styles, *modules])).replace("FOLDER", folder).encode()
    return _File(content, "text/html", _checksum(content))


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:20]


def page(request: ApiRequest, varying: dict[str, str]) -> Response[bytes]:
    return _answer(request, index(), {"Cache-Control": EACH_TIME, "Content-Security-Policy": POLICY, **varying})


@get(f"{FILES}/{{folder:str}}/{{path:path}}", include_in_schema=False)
async def web_file(request: ApiRequest, folder: FromPath[str], path: FromPath[str]) -> Response[bytes]:
    """A file of the page. Under the checksum of another version, it is sent too, but not to be kept."""
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
