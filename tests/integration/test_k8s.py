"""The manifests are valid for Kubernetes, closed by default, and fit each other."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from features.settings import Settings
from serving.ranking.blocks import load_blocks
from serving.settings import ServeSettings
from tests.integration.kustomize import Manifest, build, pod_specs

K8S = Path(__file__).parents[2] / "k8s"
FOLDERS = [K8S / "base", *sorted((K8S / "overlays").iterdir())]
OLDEST, NEWEST = "1.32.0", "1.37.0"

each_folder = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def named(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {m["metadata"]["name"]: m for m in manifests if m["kind"] == kind}


def containers(manifests: list[Manifest]) -> list[dict[str, Any]]:
    return [c for m in manifests for spec in pod_specs(m) for c in spec["containers"]]


@each_folder
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_manifest_is_valid_for_the_oldest_and_the_newest_cluster(
    folder: Path, version: str
) -> None:
    for manifest in build(folder):
        assert version.startswith(kubernetes_validate.validate(manifest, version, strict=True))


def test_a_misspelt_field_is_not_valid() -> None:
    manifest = next(m for m in build(K8S / "base") if m["kind"] == "CronJob")
    manifest["spec"]["concurrencyPolice"] = "Forbid"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, NEWEST, strict=True)


@each_folder
def test_what_the_tests_see_is_what_kubectl_applies(folder: Path) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed: https://kubernetes.io/docs/tasks/tools/")
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, check=True)  # noqa: S603 - a fixed command
    theirs = [m for m in yaml.safe_load_all(done.stdout) if m]

    def key(manifest: Manifest) -> tuple[str, str]:
        return manifest["kind"], manifest["metadata"]["name"]

    assert sorted(theirs, key=key) == sorted(build(folder), key=key)


@each_folder
def test_every_pod_keeps_the_restricted_pod_security_standard(folder: Path) -> None:
    for manifest in build(folder):
        for spec in pod_specs(manifest):
            assert spec["automountServiceAccountToken"] is False
            assert spec["securityContext"]["runAsNonRoot"] is True
            assert spec["securityContext"]["runAsUser"] >= 10_000
            assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
            assert not any("hostPath" in volume for volume in spec.get("volumes", []))


@each_folder
def test_every_container_is_locked_down_and_says_what_it_needs(folder: Path) -> None:
    for container in containers(build(folder)):
        locked = container["securityContext"]
        assert locked["allowPrivilegeEscalation"] is False
        assert locked["readOnlyRootFilesystem"] is True
        assert locked["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


@each_folder
def test_every_mounted_volume_exists_and_every_claim_is_made(folder: Path) -> None:
    manifests = build(folder)
    claims = named(manifests, "PersistentVolumeClaim")
    for manifest in manifests:
        for spec in pod_specs(manifest):
            volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
            for container in spec["containers"]:
                assert {m["name"] for m in container["volumeMounts"]} <= volumes.keys()
            for volume in volumes.values():
                claim = volume.get("persistentVolumeClaim", {}).get("claimName")
                assert claim is None or claim in claims


@each_folder
def test_selectors_find_the_pods_they_mean(folder: Path) -> None:
    manifests = build(folder)
    labels = [
        m["spec"]["template"]["metadata"]["labels"] for m in named(manifests, "Deployment").values()
    ]
    for service in named(manifests, "Service").values():
        wanted = service["spec"]["selector"].items()
        assert sum(wanted <= found.items() for found in labels) == 1
    for budget in named(manifests, "PodDisruptionBudget").values():
        wanted = budget["spec"]["selector"]["matchLabels"].items()
        assert sum(wanted <= found.items() for found in labels) == 1
    for scaler in named(manifests, "HorizontalPodAutoscaler").values():
        target = named(manifests, "Deployment")[scaler["spec"]["scaleTargetRef"]["name"]]
        assert "replicas" not in target["spec"]


@each_folder
def test_the_event_log_has_one_writer_and_training_never_runs_twice(folder: Path) -> None:
    manifests = build(folder)
    ingest = named(manifests, "Deployment")["homing-ingest"]["spec"]
    assert (ingest["replicas"], ingest["strategy"]) == (1, {"type": "Recreate"})
    for job in named(manifests, "CronJob").values():
        assert job["spec"]["concurrencyPolicy"] == "Forbid"


def test_with_a_log_on_a_server_every_pod_takes_events_in_and_keeps_none(tmp_path: Path) -> None:
    page = (K8S.parent / "docs" / "operations.md").read_text()
    (overlay,) = re.findall(r"```yaml\n(apiVersion: kustomize.*?)```", page, re.DOTALL)
    written = overlay.replace("[../production]", f"[{K8S / 'overlays' / 'production'}]")
    (tmp_path / "kustomization.yaml").write_text(written)
    manifests = build(tmp_path)
    for manifest in manifests:
        assert kubernetes_validate.validate(manifest, NEWEST, strict=True)
    deployed = named(manifests, "Deployment")
    for one in containers([deployed["homing-serve"], deployed["homing-ingest"]]):
        urls = [given for given in one["env"] if given["name"] == "HOMING_LOG_URL"]
        assert [url["valueFrom"]["secretKeyRef"]["key"] for url in urls] == ["log-url"]
    ingest = deployed["homing-ingest"]["spec"]
    assert (ingest["replicas"], ingest["strategy"]["type"]) == (3, "RollingUpdate")
    claims = [
        volume.get("persistentVolumeClaim") for volume in ingest["template"]["spec"]["volumes"]
    ]
    assert [claim["claimName"] for claim in claims if claim] == ["homing-lake"]


@each_folder
def test_no_secret_is_written_down(folder: Path) -> None:
    manifests = build(folder)
    assert not named(manifests, "Secret")
    for container in containers(manifests):
        for variable in container.get("env", []):
            if variable["name"] in {"HOMING_SECRET", "HOMING_STORE_URL"}:
                assert "secretKeyRef" in variable["valueFrom"]


@each_folder
def test_every_variable_is_a_setting_that_homing_reads(folder: Path) -> None:
    manifests = build(folder)
    names = {v["name"] for c in containers(manifests) for v in c.get("env", [])}
    for configuration in named(manifests, "ConfigMap").values():
        names |= configuration["data"].keys()
    known = {
        f"HOMING_{name.upper()}" for name in Settings.model_fields | ServeSettings.model_fields
    }
    assert {name for name in names if name.startswith("HOMING_")} <= known


@each_folder
def test_a_network_policy_closes_every_pod(folder: Path) -> None:
    manifests = build(folder)
    closed = [
        m["spec"]["podSelector"].get("matchLabels", {"": ""}).items()
        for m in named(manifests, "NetworkPolicy").values()
        if m["spec"]["policyTypes"] == ["Ingress", "Egress"]
    ]
    for manifest in manifests:
        for _ in pod_specs(manifest):
            spec = manifest["spec"].get("jobTemplate", manifest)["spec"]
            labels = spec["template"]["metadata"]["labels"].items()
            assert any(selector <= labels for selector in closed), manifest["metadata"]["name"]


@each_folder
def test_blocks_that_are_given_can_be_read(folder: Path, tmp_path: Path) -> None:
    given = named(build(folder), "ConfigMap")
    where = given["homing"]["data"].get("HOMING_BLOCKS_FILE")
    blocks = given.get("homing-blocks", {"data": {}})["data"]
    assert (where is None) == (blocks == {})
    for name, text in blocks.items():
        assert where == f"/etc/homing/{name}"
        (tmp_path / name).write_text(text)
        assert load_blocks(tmp_path / name)
