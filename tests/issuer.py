"""An issuer of tokens: a real HTTP server on 127.0.0.1 with real keys, which tests replace, stop and slow down."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests import in_thread

ORGANIZATION = "6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")


@cache
def private_key(kid: str, algorithm: str) -> Any:
    """One key for each kid and kind of key; made once, because RSA keys take long."""
    if algorithm.startswith("ES"):
        return ec.generate_private_key(ec.SECP256R1() if algorithm == "ES256" else ec.SECP384R1())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return _rsa(kid)


@cache
def _rsa(_kid: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def jwk(kid: str, algorithm: str = "RS256", **more: Any) -> dict[str, Any]:
    """The public key, as an entry of a key set."""
    kind = ECAlgorithm if algorithm.startswith("ES") else OKPAlgorithm if algorithm == "EdDSA" else RSAAlgorithm
    return {**json.loads(kind.to_jwk(private_key(kid, algorithm).public_key())), "kid": kid, "use": "sig"} | more


@dataclass
class Issuer:
    """`requests` are the requested paths. `override`, if it is set, makes the body of each answer, or raises."""

    url: str
    keys: list[dict[str, Any]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    status: int = 200
    seconds: float = 0.0
    override: Callable[[str], bytes] | None = None

    @property
    def jwks_url(self) -> str:
        return f"{self.url}/keys"

    def body(self, path: str) -> bytes:
        if self.override is not None:
            return self.override(path)
        if path == "/.well-known/openid-configuration":
            return json.dumps({"issuer": self.url, "jwks_uri": self.jwks_url}).encode()
        return json.dumps({"keys": self.keys}).encode()

    @contextmanager
    def hanging(self) -> Iterator[threading.Event]:
        """Answers no request until the block ends. The event is set when a request has arrived."""
        asked, ended = threading.Event(), threading.Event()

        def wait(_path: str) -> bytes:
            asked.set()
            assert ended.wait(60)
            return b""

        self.override = wait
        try:
            yield asked
        finally:
            self.override = None
            ended.set()

    def claims(self, **changes: Any) -> dict[str, Any]:
        usual = {
            "iss": self.url, "sub": "ada", "aud": "conversations", "exp": int(time.time()) + 3_600,
            "organizations": [ORGANIZATION],
        }  # fmt: skip
        return {name: value for name, value in (usual | changes).items() if value is not ...}

    def token(
        self, kid: str = "first", algorithm: str = "RS256", headers: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        """The Authorization header with a token of this issuer."""
        key = private_key(kid, algorithm)
        content = json.dumps(self.claims(**changes)).encode()
        header = {"kid": kid, "typ": "JWT", **(headers or {})}
        header = {name: value for name, value in header.items() if value is not ...}
        return "Bearer " + jwt.PyJWS().encode(content, key, algorithm, header)


@contextmanager
def issuer(certificate: tuple[Path, Path] | None = None) -> Iterator[Issuer]:
    """Serves https with a certificate and its key, if they are given."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.requests.append(self.path)
            time.sleep(served.seconds)
            content = served.body(self.path)
            self.send_response(served.status)
            if served.status in (301, 302, 307):
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(content)))
            with suppress(OSError):  # the client may have stopped waiting
                self.end_headers()
                self.wfile.write(content)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served = Issuer(f"http{'s' if certificate else ''}://127.0.0.1:{server.server_address[1]}")
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        with in_thread.serving(server):
            yield served


def encoded(part: bytes | dict[str, Any]) -> str:
    """A part of a token, in base64url."""
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()
