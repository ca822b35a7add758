"""Explains in one sentence why the local node ended, from its exit code, its output and the exceptions of its JVM.

The runner that starts the node swallows the exception that ended a start. So a start that failed without a reason in
its output is repeated with `exception_logging`, which makes the JVM log every exception.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LOG = "exceptions.log"
LOG_MEGABYTES = 20  # for each of two files; a start logs about 3 MB
MOST_CHARACTERS = 400  # of an exception's text that a message shows


def exception_logging(logs: Path) -> str:
    """The JVM option (JEP 158) that logs all exceptions to the file LOG in this folder."""
    # The quotation marks let the path contain colons.
    return f'-Xlog:exceptions=info:file="{logs / LOG}"::filecount=1,filesize={LOG_MEGABYTES}m'


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the node ended, in its own words, and what to do about it, if that is known."""

    words: str
    way_out: str | None = None
    is_address_in_use: bool = False

    def __str__(self) -> str:
        return self.words if self.way_out is None else f"{self.words}: {self.way_out}"


def ending(code: int) -> str:
    """How a process ended, as a phrase such as "was ended by SIGTERM". `code` is that of `subprocess`."""
    if code == -signal.SIGKILL:
        return f"was killed by SIGKILL, {KILLED}"
    if code >= 0:
        return f"ended with the exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal
        return f"was ended by the signal {-code}"


KILLED = "perhaps by the kernel because memory ran out (see 'dmesg')"
_HEAP = "set CONVERSATIONS_NODE_HEAP to an amount of memory that this machine has, such as 512m"
_DAMAGED = "the data folder is damaged: restore a snapshot into another folder, or start again with another --data"

# What to do, by a pattern in an exception or a line of output. The first match counts.
_WAYS_OUT: tuple[tuple[str, str], ...] = (
    (r"No space left on device|Disk quota exceeded", "free disk space, or choose another folder with --data"),
    (r"Address already in use|BindException", "end the process that uses the port"),
    (r"annot downgrade|IndexFormatTooNew", "the data was written by a newer version of OpenSearch: use that version"),
    (r"annot upgrade|IndexFormatTooOld", f"the data is from an older version of OpenSearch, or {_DAMAGED}"),
    (r"CorruptIndex|CorruptState|checksum|EOFException|NoSuchFile.*(_state|nodes/)", _DAMAGED),
    (r"failed to obtain node locks|LockObtainFailed", "another process uses the folder: end it, or use another --data"),
    (
        r"AccessDenied|Permission denied|Read-only file system|Not a directory|Operation not permitted",
        "make all of the data folder writable, or choose another with --data",
    ),
    (r"OutOfMemoryError|heap|insufficient memory|annot allocate memory|Could not reserve", _HEAP),
    (r"VM option|JVM option|Java Virtual Machine", "correct JAVA_TOOL_OPTIONS, or _JAVA_OPTIONS"),
    (r"SettingsException|unknown setting|Failed to parse value", "correct the node's settings"),
    (r"ClassNotFound|NoClassDef|could not find or load main class", "remove CONVERSATIONS_CACHE to fetch it again"),
)

# What the JVM itself prints. The group of each pattern is the reason.
_PRINTED: tuple[re.Pattern[str], ...] = (
    re.compile(r"^Terminating due to (java\.lang\.OutOfMemoryError.*)$", re.MULTILINE),
    re.compile(r"^Error occurred during initialization of VM\n(.+)$", re.MULTILINE),
    re.compile(r"^# (There is insufficient memory for the Java Runtime.*)$", re.MULTILINE),
    re.compile(r"^((?:Unrecognized|Improperly specified|Conflicting) (?:VM )?option.*)$", re.MULTILINE),
    re.compile(r"^((?:Invalid|Too small|Too large) .*heap.*)$", re.MULTILINE),
    re.compile(r"^Error: (Could not find or load main class.*)$", re.MULTILINE),
    re.compile(r"^Error: (?!Could not create the Java|A fatal exception)(.+)$", re.MULTILINE),
    re.compile(r"^(#  SIG[A-Z]+ \(0x[0-9a-f]+\).*)$", re.MULTILINE),
)
_ROOT_IN_LOG = re.compile(r"^(?:Caused by|uncaught exception[^\n]*\n[^\n]*): ([\w.$]+(?:Exception|Error): .*)$", re.M)
_THROWN = re.compile(r"Exception <a '([\w/$]+)'\{0x[0-9a-f]+\}(?:: (.*?))?(?:> \(0x.*|>)?$", re.MULTILINE)
_RUNNER = "OpenSearchRunnerException"
_WRAPPERS = re.compile(r"failed to |Failed to |org\.opensearch\.|java\.")  # messages that only announce their cause
# Every start throws and catches these, inside the JVM or while it parses settings.
_EVERYDAY = re.compile(
    r"NoSuchMethod|NoSuchField|IncompatibleClassChange|Interrupted|UnixException|NumberFormat|ClassNotFound|ParseException$"
)


def reason(code: int, output: str, exceptions: str = "") -> Reason | None:
    """Why a start failed, or None if neither the output nor the logged exceptions show it.

    `exceptions` is the text of LOG, if the start had `exception_logging`.
    """
    if code == -signal.SIGKILL:
        return Reason(f"it {ending(code)}", "free memory, or set a smaller CONVERSATIONS_NODE_HEAP")
    if code < 0:
        return Reason(f"it {ending(code)}")
    words = _printed(output) or _thrown(exceptions) or _logged(output)
    return None if words is None else _reason(words)


def _reason(words: str) -> Reason:
    way_out = next((way for pattern, way in _WAYS_OUT if re.search(pattern, words)), None)
    return Reason(words, way_out, bool(re.search(r"Address already in use", words)))


def disk_is_full(text: str) -> bool:
    """Whether a log says that the node could not write because the disk was full."""
    return re.search(r"No space left on device|Disk quota exceeded", text) is not None


def _printed(output: str) -> str | None:
    for pattern in _PRINTED:
        if match := pattern.search(output):
            return match[1].strip()[:MOST_CHARACTERS]
    return None


def _logged(output: str) -> str | None:
    causes = _ROOT_IN_LOG.findall(output)
    return str(causes[-1])[:MOST_CHARACTERS] if causes else None


def _thrown(exceptions: str) -> str | None:
    """The exception that ended the start, with its causes: the last ones before the runner's own exception.

    Exceptions that occur at every start are skipped.
    """
    before, ended, _ = exceptions.partition(_RUNNER)
    if not ended:
        return None
    chain: list[str] = []
    for kind, message in _backwards(before):
        if kind == "BindException" or not _EVERYDAY.search(kind):
            words = f"{kind}: {message}"[:MOST_CHARACTERS]
            if message and words not in chain:
                chain.append(words)
            if message and not _WRAPPERS.match(message):
                break
        if len(chain) == _LINKS:
            break
    return " (".join(chain) + ")" * (len(chain) - 1) if chain else None


_LINKS = 4  # links of the chain from an exception to its cause


def _backwards(text: str) -> Iterator[tuple[str, str]]:
    for kind, message in reversed(_THROWN.findall(text[-_TAIL_CHARACTERS:])):
        yield str(kind).rpartition("/")[2], str(message).strip()


_TAIL_CHARACTERS = 1_000_000
