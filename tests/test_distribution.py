"""The cache of downloads: files of killed downloads are removed once nobody can be using them."""

from __future__ import annotations

import os
import time
from pathlib import Path

from service.node import distribution


def test_old_leftovers_are_removed_and_nothing_else(tmp_path: Path) -> None:
    names = (".jdk-a", "opensearch-1/.download-b", "opensearch-1/.classes-c", "opensearch-1", "other/.kept")
    for name in names:
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / name / "file").write_text("x")
    (tmp_path / "opensearch-1" / ".download-young").mkdir()
    old = time.time() - 2 * distribution.LEFTOVER_SECONDS
    for name in names:
        os.utime(tmp_path / name, (old, old))
    distribution._remove_leftovers(tmp_path)
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_dir())
    assert left == ["opensearch-1", "opensearch-1/.download-young", "other", "other/.kept"]
    assert (tmp_path / "opensearch-1" / "file").exists()
