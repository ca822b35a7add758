"""Folders with unusual names: the node starts in them, or one line says which other folder to name."""

from __future__ import annotations

import http.client
from pathlib import Path

import pytest

from service.errors import DistributionFailed
from service.node import LocalNode, fetch
from service.settings import Settings

SNAPSHOTS = '{"type": "fs", "settings": {"location": "first"}}'


@pytest.mark.parametrize("name", ["Größe 大", 'it\'s "a" $name', "data:colon"])
def test_a_node_starts_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Also in the locale C, in which Java takes the names of files for ASCII."""
    monkeypatch.setenv("LC_ALL", "C")
    settings = Settings.load()
    fetch(settings.cache, java_home=settings.java_home)
    cache = settings.cache
    if ":" not in name:
        cache = tmp_path / name / "cache"
        cache.parent.mkdir()
        cache.symlink_to(settings.cache)
    with LocalNode(tmp_path / name / "data", fetch(cache, java_home=settings.java_home)) as node:
        connection = http.client.HTTPConnection(node.url.removeprefix("http://"), timeout=30)
        connection.request("PUT", "/_snapshot/first", SNAPSHOTS, {"Content-Type": "application/json"})
        assert connection.getresponse().status == 200
        connection.close()
    assert (tmp_path / name / "data" / "snapshots" / "first").is_dir()


@pytest.mark.parametrize("linked", [False, True])
def test_a_cache_with_a_colon_in_its_path_is_refused(tmp_path: Path, linked: bool) -> None:
    cache = tmp_path / "a:b"
    if linked:
        cache.mkdir()
        cache = tmp_path / "link"
        cache.symlink_to(tmp_path / "a:b")
    with pytest.raises(DistributionFailed, match="name another folder in CONVERSATIONS_CACHE"):
        fetch(cache)
