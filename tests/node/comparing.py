"""Removes what differs in each answer, so that two answers can be compared."""

from __future__ import annotations

import re

import httpx

OWN_HEADERS = {"date", "x-request-id"}  # which differ in each answer
SIZES = {"content-length", "etag"}  # which change with a cursor in the body
_CURSOR = re.compile(r'(?<="next_cursor":")[^"]+|(?<=[?&]cursor=)[A-Za-z0-9_%-]{20,}')
_RESTRICTED = re.compile(r'"is_restricted":(?:true|false)')
_REQUEST_ID = re.compile(r'(?<="request_id":")[0-9a-f]{32}')


def comparable(answer: httpx.Response) -> tuple[int, dict[str, str], str]:
    """The status, the headers and the body, without what differs in each answer."""
    body = _RESTRICTED.sub("RESTRICTED", _REQUEST_ID.sub("ID", answer.text))  # the token for the copy is not restricted
    has_cursor = bool(_CURSOR.search(body))
    left_out = OWN_HEADERS | (SIZES if has_cursor or body != answer.text else set())
    headers = {
        name: _CURSOR.sub("CURSOR", value)
        for name, value in answer.headers.items()
        if name not in left_out and not name.startswith("ratelimit")
    }
    return answer.status_code, headers, _CURSOR.sub("CURSOR", body)
