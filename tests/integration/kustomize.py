"""As much of `kustomize build` as our manifests use, so that tests can look at what is applied.

`test_k8s.py` compares it with `kubectl kustomize` where that is installed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]
CLUSTER_WIDE = {"Namespace"}
KNOWN_FIELDS = {"apiVersion", "kind", "namespace", "resources", "images", "patches"}


def build(folder: Path) -> list[Manifest]:
    """The manifests of an overlay or a base, patched as kustomize would."""
    plan = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert plan.keys() <= KNOWN_FIELDS, f"{folder}: teach tests/integration/kustomize.py these"
    manifests = [copy.deepcopy(m) for name in plan["resources"] for m in _read(folder / name)]
    for patch in plan.get("patches", []):
        found = [manifest for manifest in manifests if _is(manifest, patch["target"])]
        assert found, f"{folder}: no manifest for the patch of {patch['target']}"
        for manifest in found:
            for step in yaml.safe_load(patch["patch"]):
                _apply(manifest, step)
    for manifest in manifests:
        _set_images(manifest, {image["name"]: image for image in plan.get("images", [])})
        if "namespace" in plan and manifest["kind"] not in CLUSTER_WIDE:
            manifest["metadata"]["namespace"] = plan["namespace"]
    return manifests


def pod_specs(manifest: Manifest) -> Iterator[Manifest]:
    """The pod specs inside a manifest."""
    spec = manifest.get("spec", {})
    if "jobTemplate" in spec:
        spec = spec["jobTemplate"]["spec"]
    if "template" in spec:
        yield spec["template"]["spec"]


def _read(path: Path) -> list[Manifest]:
    if path.is_dir():
        return build(path)
    return [m for m in yaml.safe_load_all(path.read_text()) if m]


def _is(manifest: Manifest, target: dict[str, str]) -> bool:
    return target == {"kind": manifest["kind"], "name": manifest["metadata"]["name"]}


def _apply(manifest: Manifest, step: dict[str, Any]) -> None:
    """One step of a JSON patch (RFC 6902): `add` or `replace`."""
    *way, last = [
        part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]
    ]
    node: Any = manifest
    for part in way:
        node = node[int(part) if isinstance(node, list) else part]
    if isinstance(node, list):
        if (step["op"], last) == ("add", "-"):
            node.append(step["value"])
            return
        assert step["op"] == "replace", f"{step}: only appending to lists and replacing is known"
        node[int(last)] = step["value"]
        return
    assert step["op"] == "add" or last in node, f"{step}: nothing there to replace"
    node[last] = step["value"]


def _set_images(manifest: Manifest, images: dict[str, dict[str, str]]) -> None:
    for spec in pod_specs(manifest):
        for container in spec["containers"]:
            image = images.get(container["image"])
            if image is not None:
                name = image.get("newName", image["name"])
                container["image"] = f"{name}:{image['newTag']}"
