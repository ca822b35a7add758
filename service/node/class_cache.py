"""Makes a cache of the classes that OpenSearch loads at start, which reduces the start time to a third.

The JDK records the cache (JEP 514, ahead-of-time cache) while a temporary node starts once. The cache is optional: if
it cannot be made, nodes start without it.
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

FREE_BYTES_NEEDED = 1000 * 2**20  # for the cache (about 110 MB) and for the temporary node

WRITE_SECONDS = 300.0  # timeout for writing the cache, which takes about 6 s on two processors


def prepare(cache: Path, *, java_home: Path | None = None) -> Distribution:
    """Fetches the distribution and makes its class cache, unless they exist. Raises DistributionFailed.

    The cache is only made for the downloaded JDK, and only with more than FREE_BYTES_NEEDED of free disk space.
    """
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
                node.stop(WRITE_SECONDS)  # the JVM writes the cache when it exits
            for old in path.parent.glob("classes-*.aot"):
                old.unlink(missing_ok=True)
            made.chmod(0o644)  # like the jars, because users may share the cache folder
            made.replace(path)
        except (NodeFailed, OSError) as error:
            reason = str(error).partition("\n")[0]
            progress.say(f"It will start more slowly ({reason})")
