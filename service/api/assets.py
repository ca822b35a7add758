"""The files of Swagger UI, which the page of the documentation needs: a table of a package's files, made once."""

from __future__ import annotations

import functools
import mimetypes
from importlib import resources

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from service.api.openapi import ASSETS


@get(f"{ASSETS}/{{folder:str}}/{{name:str}}", include_in_schema=False)
async def asset(folder: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """A file of Swagger UI. Only names that the package has are looked for on the disk."""
    body = _assets().get(f"{folder}/{name}")
    if body is None:
        raise NotFoundException
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response(body, media_type=kind, headers={"Cache-Control": "public, max-age=86400"})


@functools.cache
def _assets() -> dict[str, bytes]:
    """The files by their path, which is a folder and a name."""
    root = resources.files("mkdocs_swagger_ui_tag").joinpath("swagger-ui")
    return {
        f"{folder.name}/{file.name}": file.read_bytes()
        for folder in root.iterdir()
        if folder.is_dir()
        for file in folder.iterdir()
        if file.is_file()
    }
