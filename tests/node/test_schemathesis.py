"""schemathesis over the OpenAPI document: no request makes the service fail, and each answer is as the document says.

It sends random values, and values from earlier answers (stateful). The suite sends some hundred requests.
SCHEMA_REQUESTS=10000 sends that many, and also tries each limit of each parameter; docs/reliability.md has the figures.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from service.settings import Settings
from tests.corpus import ORGANIZATIONS, corpus
from tests.node.asking import SCOPE
from tests.node.clusters import own_alias
from tests.node.serving import Api, serving

REQUESTS = int(os.environ.get("SCHEMA_REQUESTS", "300"))
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "use_after_free", "ignored_auth",
)  # fmt: skip
OPERATIONS = 10
LONG = 2000
ROOT = Path(__file__).parents[2]
_CASES = re.compile(r"(\d+) generated")


def test_every_answer_is_as_the_document_says(settings: Settings, opensearch_url: str, tmp_path: Path) -> None:
    with own_alias(settings, opensearch_url) as cluster:
        cluster.load([one for one in corpus() if one.organization_uid == ORGANIZATIONS[0]][:200])
        for api in serving(cluster.settings, cluster.url):
            sent, seed = 0, 18
            while sent < REQUESTS:
                phases = "examples,coverage" if REQUESTS > LONG and seed == 18 else "fuzzing,stateful"
                sent += run(api, tmp_path, phases, examples=min(REQUESTS // OPERATIONS // 2, 200), seed=seed)
                seed += 1
            print(sent, "requests")


def run(api: Api, folder: Path, phases: str, *, examples: int, seed: int) -> int:
    """Runs schemathesis in a process of its own, and returns how many requests it sent."""
    token = api.token(ORGANIZATIONS[0], scopes=SCOPE)
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{api.address}/docs/openapi.json", "--no-color"]
    command += ["--checks", ",".join(CHECKS), "--max-examples", str(examples), "--seed", str(seed), "--warnings", "off"]
    command += ["--phases", phases]
    command += ["--header", f"Authorization: Bearer {token}", "--continue-on-failure", "--suppress-health-check", "all"]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "tests.schemathesis_hooks", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    found = _CASES.search(done.stdout)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert found is not None, done.stdout[-3000:]
    return int(found[1])
