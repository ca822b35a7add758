"""A server that gives the answers of a list, for tests of clients."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import httpx

from conversation_search import Client, Retries
from tests.served import CERTIFICATES

Answer = tuple[int, dict[str, str], bytes]
UID, ORGANIZATION = UUID(int=1), UUID(int=2)
ITEM = {"uid": str(UID), "organization_uid": str(ORGANIZATION), "updated_on": "2026-01-02T03:04:05.678Z"}
QUICK = Retries(attempts=3, longest_wait=0.01)


class Server:
    """Gives the answers of a list in order, then the last one again and again, and records the requests.

    An answer whose Content-Length is wrong is cut off: the connection breaks.
    """

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests: list[tuple[str, str, bytes]] = []
        outer = self

        class Answering(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.requests.append((self.command, self.path, body))
                status, headers, content = outer.answers[min(len(outer.requests), len(outer.answers)) - 1]
                self.send_response(status)
                length = {"Content-Length": str(len(content)), "Connection": "close"}
                for name, value in {**length, **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)
                self.close_connection = True

            do_GET = do_POST = do_DELETE = _answer

            def log_message(self, *_arguments: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def client(self, retries: Retries = QUICK) -> Client:
        return Client(self.url, token="a-token", retries=retries, transport=httpx.HTTPTransport(verify=CERTIFICATES))


def success(data: Any) -> Answer:
    return 200, {}, json.dumps({"status": "success", "data": data}).encode()


def failure(status: int, code: str = "a_code", **headers: str) -> Answer:
    details = [{"parameter": "per_page", "message": "must be less", "value": "500"}]
    error = {"code": code, "message": "It failed", "details": details, "request_id": "an-id"}
    return status, headers, json.dumps({"status": "error", "error": error}).encode()


def page(*items: Any, **pagination: Any) -> Answer:
    return success({"items": items, "pagination": {"per_page": 100, "total": len(items), **pagination}})


def lines(*rows: Any) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def export_end(conversations: int) -> dict[str, Any]:
    return {"export": {"complete": True, "conversations": conversations, "organization_uid": "", "where": ""}}
