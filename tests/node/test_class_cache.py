"""The class cache only makes starts faster: a node also starts without it, or with a damaged one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from service.node import LocalNode, class_cache, prepare
from service.settings import Settings


def test_the_jvm_accepts_the_prepared_cache(settings: Settings, tmp_path: Path) -> None:
    distribution = prepare(settings.cache)
    assert distribution.class_cache is not None
    assert distribution.class_cache.exists()
    with LocalNode(tmp_path, distribution, jvm_options=("-XX:AOTMode=on",)) as node:  # ends a JVM without it
        assert httpx.get(node.url, timeout=60).status_code == 200


@pytest.mark.parametrize("damage", ["cut", "empty", "other"])
def test_a_node_starts_with_a_damaged_cache(settings: Settings, tmp_path: Path, damage: str) -> None:
    distribution = prepare(settings.cache)
    assert distribution.class_cache is not None
    damaged = tmp_path / "damaged.aot"
    whole = distribution.class_cache.read_bytes()
    damaged.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "other": b"no cache" * 1_000}[damage])
    with LocalNode(tmp_path / "node", replace(distribution, class_cache=damaged)) as node:
        assert httpx.get(node.url, timeout=60).status_code == 200


def test_a_cache_that_cannot_be_made_is_reported_and_leaves_no_file(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\nexit 9\n")
    java.chmod(0o755)
    distribution = replace(prepare(settings.cache), java=java)
    class_cache._make(distribution, tmp_path / "classes-x.aot")
    said = capsys.readouterr().err
    assert "It will start more slowly (OpenSearch did not start" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["java"]
