"""Serves the OpenAPI document and Swagger UI, whose files are part of the package."""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import mimetypes
from importlib import resources

import msgspec
from litestar import MediaType, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from service.api.openapi import document
from service.api.requests import ApiRequest
from service.query.query_string import no_parameters

DOCS = "/docs"
ASSETS = f"{DOCS}/assets"
FILES = ("swagger-ui-bundle.js", "swagger-ui.css")

# "Try it out" fills in every parameter that has an example. With all optional parameters filled in, a search would
# match almost no conversation, so the examples of optional parameters are moved into their descriptions.
SCRIPT = """
function withoutOptionalExamples(specification) {
  for (const parameter of Object.values(specification.components.parameters)) {
    if (!parameter.required) {
      const example = [].concat(parameter.example).join(",");
      parameter.description += "\\n\\nExample: `" + example + "`";
      delete parameter.example;
    }
  }
  return specification;
}
// If another server publishes the service below a path, every URL begins with that path.
const docs = new URL("..", document.querySelector("script[src]").src);
function here(specification) {
  return { ...specification, servers: [{ url: new URL("..", docs).href.replace(/[/]$/, "") }] };
}
fetch(new URL("openapi.json", docs)).then((answer) => answer.json()).then((specification) => SwaggerUIBundle({
  spec: here(withoutOptionalExamples(specification)),
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayOperationId: true,
  tryItOutEnabled: true,
  validatorUrl: null,
}));
"""
PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Conversation search</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="FOLDERassets/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="FOLDERassets/swagger-ui-bundle.js"></script>
<script>{SCRIPT}</script>
</body>
</html>
"""

_HASH = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
# Swagger UI uses inline styles, and images that its style sheet contains as data.
POLICY = (
    f"default-src 'none'; script-src 'self' 'sha256-{_HASH}'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


@get(DOCS, include_in_schema=False)
async def page(request: ApiRequest) -> Response[str]:
    no_parameters(request.scope["query_string"])
    folder = "" if request.scope["raw_path"].endswith(b"/") else f"{DOCS[1:]}/"
    text = PAGE.replace("FOLDER", folder)
    return Response(text, media_type=MediaType.HTML, headers={"Content-Security-Policy": POLICY})


@get(f"{DOCS}/openapi.json", include_in_schema=False)
async def openapi(request: ApiRequest) -> Response[bytes]:
    no_parameters(request.scope["query_string"])
    return Response(_document(), media_type=MediaType.JSON)


@get(f"{ASSETS}/{{name:str}}", include_in_schema=False)
async def asset(name: FromPath[str]) -> Response[bytes]:
    """A file of Swagger UI."""
    if name not in FILES:
        raise NotFoundException
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response(_file(name), media_type=kind, headers={"Cache-Control": "public, max-age=86400"})


@functools.cache
def _document() -> bytes:
    return msgspec.json.encode(document())


@functools.cache
def _file(name: str) -> bytes:
    return gzip.decompress(resources.files("service.api").joinpath("swagger_ui", f"{name}.gz").read_bytes())


PAGES = [page, openapi, asset]
