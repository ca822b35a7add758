"""Makes a cache of the classes that OpenSearch loads at its start: with it, a start takes a third of the time.

The JDK records it (JEP 514, ahead-of-time cache) while a node of its own starts once in a folder that is deleted
afterwards. Nothing depends on it: where it cannot be made, nodes start as they would without.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from service import progress
from service.errors import NodeFailed
from service.node.distribution import Distribution, fetch
from service.node.process import LocalNode

FREE_BYTES_NEEDED = 1000 * 2**20  # for the cache, about 110 MB, and beside it for what the node itself asks for

WRITE_SECONDS = 300.0  # it takes about 6 s of two processors


def prepare(cache: Path, *, java_home: Path | None = None) -> Distribution:
    """Fetches the distribution and makes its cache of classes, where either is missing. Raises DistributionFailed."""
    distribution = fetch(cache, java_home=java_home)
    path = distribution.class_cache
    if path is not None and not path.exists() and shutil.disk_usage(path.parent).free > FREE_BYTES_NEEDED:
        _make(distribution, path)
    return distribution


def _make(distribution: Distribution, path: Path) -> None:
    progress.say("Preparing OpenSearch to start quickly (about 20 s), once")
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".classes-", ignore_cleanup_errors=True) as folder:
        made = Path(folder, path.name)
        node = LocalNode(
            Path(folder, "node"),
            replace(distribution, class_cache=None),
            jvm_options=(f"-XX:AOTCacheOutput={made}", "-Xlog:aot*=off"),
        )
        try:
            with node:
                node.stop(WRITE_SECONDS)  # the JVM writes the cache when it ends
            for old in path.parent.glob("classes-*.aot"):
                old.unlink(missing_ok=True)
            made.chmod(0o644)  # as the jars: the cache folder may be shared
            made.replace(path)
        except (NodeFailed, OSError) as error:
            reason = str(error).partition("\n")[0]
            progress.say(f"It will start more slowly ({reason})")
