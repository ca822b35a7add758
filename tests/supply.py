"""What scripts/audit does: known vulnerabilities, sums of jars, and the list of all parts (CycloneDX)."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import platformdirs

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "service" / "node" / "distribution.lock.json"
LOCKS = tuple(sorted(path.name for path in ROOT.glob("requirements*.txt")))
SERVICES = ("osv", "pypi")  # the second is asked, too, if the first cannot be reached
NOT_REACHED = "not checked, because the advisory service cannot be reached: check the network, and try again"
NOT_KNOWN = "not checked, because the advisory service does not know the packages"
UNREACHABLE = (
    "ConnectionError",
    "ConnectTimeout",
    "Max retries",
    "ProxyError",
    "SSLError",
    "ServiceError",
    "HTTPError",
)


class Jar(NamedTuple):
    """A file of the local node, as the lock has it."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/audit", description=__doc__)
    parser.add_argument("--sbom", type=Path, metavar="FILE")
    given = parser.parse_args()
    if given.sbom is not None:
        write_sbom(given.sbom)
        return
    cache = Path(os.environ.get("CONVERSATIONS_CACHE") or platformdirs.user_cache_path("conversation-search"))
    problems = [*changed_jars(cache), *vulnerabilities()]
    for problem in problems:
        print(f"audit: {problem}", file=sys.stderr)
    raise SystemExit(bool(problems))


def locked_jars() -> list[Jar]:
    parts = [(jar["coordinate"].split(":"), jar["sha256"]) for jar in json.loads(LOCK.read_text())["jars"]]
    return [Jar(group, artifact, version, sha256) for (group, artifact, version), sha256 in parts]


def changed_jars(cache: Path) -> Iterator[str]:
    """A sentence for each jar in the cache that is not the one of the lock, or that no lock knows."""
    folder = cache / f"opensearch-{json.loads(LOCK.read_text())['opensearch']}"
    known = {jar.file: jar for jar in locked_jars()}
    there = {path.name: path for path in folder.glob("*.jar")}
    for name, path in sorted(there.items()):
        if name not in known:
            yield f"{path} is none of the jars in {LOCK.name}: remove it"
        elif hashlib.sha256(path.read_bytes()).hexdigest() != known[name].sha256:
            yield f"{path} was changed: remove it, and the next start fetches it again"
    print(f"jars: {len(there)} of {len(known)} are in {folder}, and their sums were compared")


def vulnerabilities() -> Iterator[str]:
    """A sentence for each file of locked packages that is not known to be without vulnerabilities."""
    for name in LOCKS:
        problem = asked(name, SERVICES[0])
        if problem == NOT_REACHED:
            problem = asked(name, SERVICES[1])
        if problem is None:
            print(f"{name}: no known vulnerabilities")
            continue
        yield f"{name}: {problem}"
        if problem.startswith((NOT_REACHED, NOT_KNOWN)):
            return  # the other files would take as long


def asked(name: str, service: str) -> str | None:
    """The problem that one advisory service finds in the packages of a file. None if it knows all and finds nothing."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", name, "--disable-pip", "--require-hashes"]
    command += ["--vulnerability-service", service, "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return judged(done.stdout, done.stderr)


def judged(output: str, errors: str) -> str | None:
    """What pip-audit's output means. pip-audit ends with 0 even if the service knows none of the packages."""
    try:
        packages = json.loads(output)["dependencies"]
    except (ValueError, KeyError):
        if any(word in errors for word in UNREACHABLE):
            return NOT_REACHED
        return (errors.strip().splitlines() or ["pip-audit gave no reason"])[-1]
    bad = [f"{one['name']} {one['version']} ({found['id']})" for one in packages for found in one.get("vulns", ())]
    if bad:
        return f"vulnerable: {', '.join(bad)}"
    unknown = [one["name"] for one in packages if "skip_reason" in one]
    return f"{NOT_KNOWN} ({len(unknown)} of {len(packages)})" if unknown else None


def locked_packages() -> list[tuple[str, str]]:
    """Name and version of each package of the service."""
    return re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)


def not_listed(document: str) -> list[str]:
    """The locked packages and jars that a list of parts does not have exactly once; all if it is no CycloneDX."""
    found = json.loads(document)
    parts = found.get("components", []) if found.get("bomFormat") == "CycloneDX" else []
    listed = Counter(part.get("purl", "").partition("?")[0] for part in parts)
    packages = [f"pkg:pypi/{name.lower()}@{version}" for name, version in locked_packages()]
    jars = [f"pkg:maven/{jar.group}/{jar.artifact}@{jar.version}" for jar in locked_jars()]
    return [purl for purl in packages + jars if listed[purl] != 1]


def write_sbom(file: Path) -> None:
    """The packages by cyclonedx-py, and the jars and the JDK of the local node added to them.

    Raises SystemExit, and writes nothing, if a part of the locks is not in the list.
    """
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion
    from packageurl import PackageURL

    warnings.simplefilter("ignore")  # a list of packages does not say which needs which
    command = [
        "-W",
        "ignore",
        "-m",
        "cyclonedx_py",
        "requirements",
        "requirements.txt",
        "--pyproject",
        "pyproject.toml",
    ]
    made = subprocess.run(
        [sys.executable, *command, "--output-format", "JSON"], cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    bom = Bom.from_json(json.loads(made.stdout))
    for jar in locked_jars():
        sums = [HashType(alg=HashAlgorithm.SHA_256, content=jar.sha256)]
        url = PackageURL("maven", jar.group, jar.artifact, jar.version)
        bom.components.add(
            Component(
                type=ComponentType.LIBRARY, group=jar.group, name=jar.artifact, version=jar.version, purl=url,
                bom_ref=str(url), hashes=sums, description="of the local OpenSearch node",
            )
        )  # fmt: skip
    name, _, version = json.loads(LOCK.read_text())["jdk"]["requirement"].partition("==")
    url = PackageURL("pypi", None, name, version)
    bom.components.add(
        Component(
            type=ComponentType.PLATFORM, name=name, version=version, purl=url, bom_ref=str(url),
            description="the JDK of the local OpenSearch node",
        )
    )  # fmt: skip
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)
    if missing := not_listed(text):
        raise SystemExit(f"audit: not listed once, so {file} was not written: {', '.join(missing)}")
    file.write_text(text + "\n")
    print(f"{file}: {len(bom.components)} parts")


if __name__ == "__main__":
    main()
