"""The kustomize folder: complete, restricted, in step with the image. docs/kubernetes.md says how it was checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from service import __version__
from service.api.openapi import document
from service.settings import environment_names

FOLDER = Path(__file__).parents[1] / "deploy" / "kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text("utf-8"))
KINDS: dict[str, dict[str, Any]] = {
    held["kind"]: held
    for held in (yaml.safe_load((FOLDER / name).read_text("utf-8")) for name in KUSTOMIZATION["resources"])
}
DEPLOYMENT = KINDS["Deployment"]["spec"]


def pod(kind: str) -> dict[str, Any]:
    held: dict[str, Any] = KINDS[kind]["spec"]["template"]["spec"]
    return held


def test_every_file_is_in_the_kustomization() -> None:
    assert {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"} == {*KUSTOMIZATION["resources"]}
    assert set(KINDS) == {"Namespace", "ConfigMap", "Deployment", "Service", "PodDisruptionBudget", "Job"}
    assert KUSTOMIZATION["images"] == [{"name": "conversation-search/service", "newTag": __version__}]


@pytest.mark.parametrize("kind", ["Deployment", "Job"])
def test_pods_fit_the_restricted_standard(kind: str) -> None:
    assert KINDS["Namespace"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    held = pod(kind)
    assert held["automountServiceAccountToken"] is False
    security = held["securityContext"]
    assert (security["runAsNonRoot"], security["runAsUser"]) == (True, 65532)
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = held["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]
    assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in held["volumes"]}


def test_settings_are_known_and_name_files_that_are_mounted() -> None:
    settings = KINDS["ConfigMap"]["data"]
    assert set(settings) <= set(environment_names())
    made = {one["name"]: {path.split("=")[0].split("/")[-1] for path in one["files"]} for one in
            KUSTOMIZATION["secretGenerator"] + KUSTOMIZATION["configMapGenerator"]}  # fmt: skip
    for kind in ("Deployment", "Job"):
        (container,) = pod(kind)["containers"]
        folders = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
        sources = {one["name"]: one.get("secret", {}).get("secretName") or one.get("configMap", {}).get("name")
                   for one in pod(kind)["volumes"]}  # fmt: skip
        named = [*settings.values(), *container["args"]]
        files = [Path(value) for value in named if value.startswith("/run/")]
        assert len(files) >= 3
        for file in files:
            assert file.name in made[sources[folders[str(file.parent)]]], file


def test_opensearch_has_the_name_of_its_own_chart() -> None:
    """The fact `chart`: a certificate must hold this name."""
    facts = yaml.safe_load((Path(__file__).parent / "deploy_facts.yml").read_text("utf-8"))["chart"]
    page = (Path(__file__).parents[1] / "docs" / "kubernetes.md").read_text("utf-8")
    host = f"{facts['service']}.opensearch.svc"
    assert KINDS["ConfigMap"]["data"]["OPENSEARCH_URL"] == f"https://{host}:{facts['port']}"
    assert f"NODE_NAMES={host} " in page
    assert all(f"`{name}" in page for name in facts["values"])


def test_probes_ask_what_the_service_answers() -> None:
    paths = document()["paths"]
    (container,) = pod("Deployment")["containers"]
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    assert ports == {"https": 8000}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container[probe]["httpGet"]
        assert asked["path"] in cast(dict[str, object], paths)
        assert (asked["port"], asked["scheme"]) == ("https", "HTTPS")
    assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/health/live"


def test_selectors_find_the_pods_of_the_deployment_only() -> None:
    labels = DEPLOYMENT["template"]["metadata"]["labels"]
    assert DEPLOYMENT["selector"]["matchLabels"] == labels
    assert KINDS["Service"]["spec"]["selector"] == labels
    assert KINDS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert KINDS["Job"]["spec"]["template"]["metadata"]["labels"] != labels
    assert DEPLOYMENT["replicas"] > KINDS["PodDisruptionBudget"]["spec"]["maxUnavailable"]
