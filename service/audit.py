"""The audit trail: who wrote, exported or deleted conversations, or changed API keys, in which organization.

The service logs the lines, and with CONVERSATIONS_AUDIT_FILE appends them to that file too. Commands that work on the
cluster itself have no log, so they only append.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import pwd
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from service.errors import Misconfigured

NAME = "conversations.audit"
MOST_NAMED = 100  # organizations in one line, for actions that may concern very many, such as a load
_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=[0-9]*(?:[a-f]+[0-9]+){2})[0-9a-f]{16,64}|[0-9]{20,64}"
_OPAQUE = re.compile(rf"(?:(?:auth0|email|google-oauth2|sms|windowslive)\|)?(?:{_ID})", re.ASCII | re.IGNORECASE)
_URL = re.compile(r"(?!sha256:)[A-Za-z0-9._~:/?#&=%+-]{1,200}")

_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


def _logger() -> FilteringBoundLogger:
    import structlog  # imported late, so that commands start faster

    made: FilteringBoundLogger = structlog.get_logger(NAME)
    return made


def who(user: str) -> str:
    """A name for the `sub` of a token: its hash, because it could be an address, a number or the name of a person.

    Identifiers that are certainly opaque stand for themselves: UUIDs, at least 16 hexadecimal digits (letters and
    digits mixed), at least 20 digits (more than a telephone number has); each also after the name of a known provider.
    None of them looks like a hash, or like the name of an API key or an operator, which has a space.
    """
    return user if _OPAQUE.fullmatch(user) else _hashed(user)


def issuer(name: str) -> str:
    """A name for the `iss` of a token: itself, or its hash if it is longer than a URL, or has other characters."""
    return name if _URL.fullmatch(name) else _hashed(name)


def _hashed(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def operator() -> str:
    """Who runs this process."""
    try:
        return f"user {pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:  # a container may run as a user without a name
        return f"user {os.getuid()}"


def some_of(organizations: Iterable[UUID | str]) -> tuple[list[str], dict[str, int]]:
    """At most MOST_NAMED of the organizations and, if there are more, the total number as a fact for the line."""
    named = sorted(set(map(str, organizations)))
    return named[:MOST_NAMED], {"organizations_in_all": len(named)} if len(named) > MOST_NAMED else {}


@dataclass(frozen=True, slots=True)
class Audit:
    """Records what was done. Each line is appended to `file` as JSON and, with `is_logged`, also logged."""

    file: Path | None = None
    is_logged: bool = True

    def record(self, action: str, *, who: str, organizations: Iterable[UUID | str], **facts: object) -> None:
        """Writes one line. `facts` are numbers and identifiers, never texts of callers or conversations."""
        named = sorted(map(str, organizations))
        organization = {"organization": named[0]} if len(named) == 1 else {"organizations": named}
        line = {"action": action, "who": who, **(organization if named else {}), **facts}
        if self.is_logged:
            _logger().info("audit", logger=NAME, **line)
        if self.file is not None:
            self._append({"timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}", **line})

    def require_writable(self) -> None:
        """Opens the file for appending, which creates it. Raises Misconfigured if it cannot be opened."""
        if self.file is None:
            return
        try:
            os.close(os.open(self.file, _APPEND | os.O_CREAT | os.O_NONBLOCK, 0o600))
        except (OSError, ValueError) as error:
            raise Misconfigured(_unusable(self.file, error)) from None

    def why_unwritable(self) -> str | None:
        """Why this process could not append to the file; None if it could. Changes nothing."""
        if self.file is None:
            return None
        try:
            os.close(os.open(self.file, _APPEND | os.O_NONBLOCK))
        except FileNotFoundError as error:
            folder = self.file.parent
            if not folder.is_dir():
                return _unusable(self.file, error)
            is_open = os.access(folder, os.W_OK | os.X_OK)
            return None if is_open else _unusable(self.file, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
        except (OSError, ValueError) as error:
            return _unusable(self.file, error)
        return None

    def _append(self, line: dict[str, object]) -> None:
        assert self.file is not None
        try:
            descriptor = os.open(self.file, _APPEND | os.O_CREAT, 0o600)
            try:
                after = b"\n" if _is_cut_off(self.file, descriptor) else b""
                _write_whole(descriptor, after + json.dumps(line).encode() + b"\n")
            finally:
                os.close(descriptor)
        except OSError as error:
            if self.is_logged:  # the log has the line itself
                _logger().error("audit_file_failed", reason=error.strerror)
                return
            raise Misconfigured(
                f"{_unusable(self.file, error)}: the request was carried out, but is not recorded there"
            ) from None


def _is_cut_off(file: Path, descriptor: int) -> bool:
    """Whether the file ends in the middle of a line, because a disk was full when that line was written."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_size == 0:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while another process writes a line
        with file.open("rb") as held:
            held.seek(-1, os.SEEK_END)
            return held.read(1) != b"\n"
    except OSError:  # also if this process may only append, or if the file was moved away just now
        return False


def _write_whole(descriptor: int, line: bytes) -> None:
    """Writes all bytes. A disk that is nearly full takes only some of them at once. Raises OSError."""
    while line:
        line = line[os.write(descriptor, line) :]


def _unusable(file: Path, error: OSError | ValueError) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    return f"CONVERSATIONS_AUDIT_FILE names {file}, which cannot be written ({reason or error})"
