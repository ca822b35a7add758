"""Why a node ended, from what it and the JVM print: texts of real starts, shortened."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from service.node import failure

EVERYDAY = """\
[1.1s][info][exceptions] Exception <a 'java/lang/NoSuchMethodError'{0x00000000ff1}: 'void a.b()'> (0x00000000ff1)
[                      ]  thrown [src/hotspot/share/interpreter/linkResolver.cpp, line 770]
[1.2s][info][exceptions] Exception <a 'sun/nio/fs/UnixException'{0x00000000ff2}> (0x00000000ff2)
[                      ]  thrown in interpreter method <{method} {0x1} 'a' '()V' in 'B'> at bci 1 (main)
"""
RUNNER = """\
[1.9s][info][exceptions] Exception <a 'org/codelibs/opensearch/runner/OpenSearchRunnerException'{0xfe}: Failed to start node 1>
"""


def thrown(*exceptions: tuple[str, str]) -> str:
    lines = [
        f"[1.5s][info][exceptions] Exception <a '{kind}'{{0x00000000fe{n}}}{message and f': {message}'}> (0x00000000fe)\n"
        for n, (kind, message) in enumerate(exceptions)
    ]
    return EVERYDAY + EVERYDAY.join(lines) + EVERYDAY + RUNNER


@pytest.mark.parametrize(
    ("exceptions", "words", "way_out"),
    [
        (
            [("org/opensearch/common/settings/SettingsException", "unknown setting [a] did you mean [b]?")],
            "SettingsException: unknown setting [a] did you mean [b]?",
            "settings",
        ),
        (
            [
                ("org/apache/lucene/index/CorruptIndexException", "checksum failed (hardware problem?)"),
                ("org/opensearch/OpenSearchException", "failed to bind service"),
            ],
            "OpenSearchException: failed to bind service (CorruptIndexException: checksum failed (hardware problem?))",
            "the data folder is damaged",
        ),
        (
            [("java/lang/IllegalStateException", "cannot downgrade a node from version [4.0.0] to version [3.8.0]")],
            "IllegalStateException: cannot downgrade a node from version [4.0.0] to version [3.8.0]",
            "newer version",
        ),
        (
            [
                ("java/nio/file/FileSystemException", "/data/index/nodes: Read-only file system"),
                ("org/opensearch/OpenSearchException", "failed to bind service"),
            ],
            "OpenSearchException: failed to bind service "
            "(FileSystemException: /data/index/nodes: Read-only file system)",
            "writable",
        ),
        (
            [("java/io/IOException", "No space left on device"), ("java/lang/IllegalStateException", "Failed to x")],
            "IllegalStateException: Failed to x (IOException: No space left on device)",
            "free disk space",
        ),
    ],
)
def test_the_exception_that_ended_a_start_is_reported_with_its_cause(
    exceptions: list[tuple[str, str]], words: str, way_out: str
) -> None:
    found = failure.reason(1, "Closed all nodes.\n", thrown(*exceptions))
    assert found is not None
    assert found.words == words
    assert found.way_out is not None
    assert way_out in found.way_out
    assert not found.is_address_in_use


def test_only_an_address_in_use_is_reported_as_such() -> None:
    taken = thrown(
        ("java/net/BindException", "Address already in use"),
        ("org/opensearch/transport/BindTransportException", "Failed to bind to 127.0.0.1:9300"),
    )
    found = failure.reason(1, "", taken)
    assert found is not None
    assert found.is_address_in_use
    other = failure.reason(1, "", thrown(("a/TransportException", "the transport has no port")))
    assert other is not None
    assert not other.is_address_in_use


@pytest.mark.parametrize(
    ("output", "words", "way_out"),
    [
        ("Error occurred during initialization of VM\nToo small maximum heap\n", "Too small maximum heap", "HEAP"),
        (
            "Picked up JAVA_TOOL_OPTIONS: -XX:+X\nUnrecognized VM option 'X'\n"
            "Error: Could not create the Java Virtual Machine.\n"
            "Error: A fatal exception has occurred. Program will exit.\n",
            "Unrecognized VM option 'X'",
            "JAVA_TOOL_OPTIONS",
        ),
        ("a\nTerminating due to java.lang.OutOfMemoryError: Java heap space\n", "java.lang.OutOfMemoryError", "HEAP"),
        (
            "#\n# There is insufficient memory for the Java Runtime Environment to continue.\n# Native memory\n",
            "There is insufficient memory",
            "HEAP",
        ),
    ],
)
def test_what_the_jvm_prints_is_the_reason(output: str, words: str, way_out: str) -> None:
    found = failure.reason(1, output)
    assert found is not None
    assert found.words.startswith(words)
    assert way_out in str(found)


def test_a_death_by_signal_is_named() -> None:
    killed = failure.reason(-signal.SIGKILL, "Error occurred during initialization of VM\nx\n")
    assert "SIGKILL" in str(killed)
    assert "memory" in str(killed)
    assert "SIGTERM" in str(failure.reason(-signal.SIGTERM, ""))
    assert failure.ending(-(signal.SIGRTMIN + 1)) == f"was ended by the signal {signal.SIGRTMIN + 1}"
    assert failure.ending(3) == "ended with the exit code 3"


def test_without_evidence_there_is_no_reason() -> None:
    assert failure.reason(1, "[INFO ][o.o.t.TransportService] publish port 9300\nClosed all nodes.\n") is None
    assert failure.reason(1, "", EVERYDAY) is None


def test_the_log_of_exceptions_may_lie_in_any_folder() -> None:
    option = failure.exception_logging(Path("/a b/c:d/logs"))
    assert option.startswith('-Xlog:exceptions=info:file="/a b/c:d/logs/exceptions.log"')
