"""An identity provider for people: OpenID Connect's code flow with PKCE, on 127.0.0.1, with a page to sign in on.

It refuses what a strict provider refuses: an unknown redirect address, a code that was used, a wrong verifier.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests import in_thread
from tests.issuer import Issuer, jwk

CLIENT_ID = "page"
SIGN_IN_PAGE = """<!DOCTYPE html><html lang="en"><title>Provider</title><h1>Provider</h1>
<form method="post"><input type="hidden" name="asked" value="{asked}">
<label>Name <input name="name" value="ada"></label> <button name="go" value="yes">Go on</button>
<button name="go" value="no">Cancel</button></form>"""


@dataclass
class Provider:
    """`returns` are the addresses that it may send people back to. `changes` are claims of the next ID tokens.

    `said` are the parameters of each request for a code, and `signed_out` those of each request to sign out.
    """

    issuer: Issuer
    returns: set[str] = field(default_factory=set)
    changes: dict[str, Any] = field(default_factory=dict)
    access: dict[str, Any] = field(default_factory=dict)
    said: list[dict[str, str]] = field(default_factory=list)
    signed_out: list[dict[str, str]] = field(default_factory=list)
    is_down: bool = False
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.issuer.url

    def configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.url, "jwks_uri": self.issuer.jwks_url, "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token", "end_session_endpoint": f"{self.url}/end",
            "response_modes_supported": ["query", "fragment"], "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }  # fmt: skip

    def refusal(self, asked: dict[str, str]) -> str | None:
        """Why it refuses a request instead of showing its page; None if it does not."""
        expected = {"client_id": CLIENT_ID, "response_type": "code", "code_challenge_method": "S256"}
        wrong = [name for name, value in expected.items() if asked.get(name) != value]
        if asked.get("redirect_uri") not in self.returns:
            wrong.append("redirect_uri")
        if "openid" not in asked.get("scope", "").split():
            wrong.append("scope")
        wrong += [name for name in ("state", "nonce") if len(asked.get(name, "")) < 20]
        return f"wrong: {' '.join(wrong)}" if wrong else None

    def answer(self, asked: dict[str, str], *, name: str, is_granted: bool) -> str:
        """The address to which the browser is redirected."""
        found = {"state": asked["state"], "iss": self.url}
        if is_granted:
            code = secrets.token_urlsafe(16)
            self._codes[code] = {**asked, "sub": name}
            found["code"] = code
        else:
            found |= {"error": "access_denied", "error_description": "Ada did not want to"}
        return f"{asked['redirect_uri']}{'#' if asked.get('response_mode') == 'fragment' else '?'}{urlencode(found)}"

    def tokens(self, given: dict[str, str]) -> dict[str, Any] | None:
        asked = self._codes.pop(given.get("code", ""), None)
        if asked is None or given.get("grant_type") != "authorization_code":
            return None
        digest = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        same = all(given.get(name) == asked[name] for name in ("client_id", "redirect_uri"))
        if not same or challenge != asked["code_challenge"]:
            return None
        claims: dict[str, Any] = {"sub": asked["sub"], "aud": CLIENT_ID, "nonce": asked["nonce"], "organizations": ...}
        return {
            "access_token": self.issuer.token(**({"sub": asked["sub"]} | self.access)).removeprefix("Bearer "),
            "id_token": self.issuer.token(**(claims | self.changes)).removeprefix("Bearer "),
            "token_type": "Bearer", "expires_in": 3_600,
        }  # fmt: skip


@contextmanager
def provider() -> Iterator[Provider]:
    """Serves it until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def _parameters(self) -> dict[str, str]:
            return dict(parse_qsl(urlsplit(self.path).query))

        def _form(self) -> dict[str, str]:
            return dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))

        def _send(self, status: int, content: str, kind: str = "application/json", **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": f"{kind}; charset=utf-8", **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            body = content.encode()
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            served.issuer.requests.append(path)
            if served.is_down:
                self._send(503, "{}")
            elif path == "/.well-known/openid-configuration":
                self._send(200, json.dumps(served.configuration()))
            elif path == "/keys":
                self._send(200, json.dumps({"keys": served.issuer.keys}))
            elif path == "/authorize":
                self._sign_in_page()
            elif path == "/end":
                served.signed_out.append(asked := self._parameters())
                self._send(302, "", Location=asked["post_logout_redirect_uri"])
            else:
                self._send(404, "{}")

        def _sign_in_page(self) -> None:
            served.said.append(asked := self._parameters())
            if (why := served.refusal(asked)) is not None:
                self._send(400, why, "text/plain")
            else:
                self._send(200, SIGN_IN_PAGE.format(asked=html.escape(json.dumps(asked))), "text/html")

        def do_POST(self) -> None:
            given = self._form()
            if urlsplit(self.path).path == "/authorize":
                to = served.answer(json.loads(given["asked"]), name=given["name"], is_granted=given["go"] == "yes")
                return self._send(303, "", Location=to)
            found = served.tokens(given)
            allowed = {"Access_Control_Allow_Origin": self.headers.get("Origin") or "null"}
            status = 200 if found is not None else 400
            return self._send(status, json.dumps(found or {"error": "invalid_grant"}), **allowed)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served = Provider(Issuer(f"http://127.0.0.1:{server.server_address[1]}", keys=[jwk("first")]))
        with in_thread.serving(server):
            yield served
