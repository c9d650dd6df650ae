"""The recipes as files: what can be said of them without an engine."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.container.recipes import RECIPES
from tests.server.node import PROJECT
from tests.support.command import run
from walrus_fast.config.load import load_config

if TYPE_CHECKING:
    from pathlib import Path

KUBERNETES = PROJECT / "deploy" / "kubernetes"
COMPOSE = sorted(RECIPES.glob("compose*.yaml"))
MANIFESTS = sorted(KUBERNETES.glob("*.yaml"))


def documents(path: Path) -> list[dict[str, Any]]:
    """The documents of a YAML file."""
    return list(yaml.safe_load_all(path.read_text()))


def of_kind(kind: str) -> dict[str, Any]:
    """The one Kubernetes object of a kind."""
    (found,) = [document for path in MANIFESTS for document in documents(path) if document["kind"] == kind]
    return found


@pytest.mark.parametrize("path", sorted(RECIPES.glob("node-config*.yaml")), ids=lambda path: path.name)
def test_the_configurations_are_right(path: Path) -> None:
    assert run("config", "check", "--config-path", path).status == 0
    assert load_config(path).warnings == ()


def test_kubernetes_has_the_configuration_of_the_compose_file(tmp_path: Path) -> None:
    text = of_kind("ConfigMap")["data"]["node-config.yaml"]
    assert yaml.safe_load(text) == yaml.safe_load((RECIPES / "node-config.yaml").read_text())


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_a_sidecar_has_no_more_than_it_needs(path: Path) -> None:
    sidecar = documents(path)[0]["services"]["backups"]
    assert sidecar["read_only"] is True
    assert sidecar["network_mode"] == "none"
    assert sidecar["cap_drop"] == ["ALL"]
    assert sidecar["user"] == "10001:10001"
    assert ("database:/data:ro" in sidecar["volumes"]) == (path.name == "compose.yaml")


@pytest.mark.parametrize("kind", ["StatefulSet", "Job"])
def test_a_pod_has_no_more_than_it_needs(kind: str) -> None:
    pod = of_kind(kind)["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    (ours,) = [container for container in pod["containers"] if "walrus-fast" in container["image"]]
    assert ours["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    claimed = {claim["metadata"]["name"] for claim in of_kind("StatefulSet")["spec"]["volumeClaimTemplates"]}
    given = {volume["name"] for volume in pod["volumes"]} | (claimed if kind == "StatefulSet" else set())
    assert {mount["name"] for mount in ours["volumeMounts"]} <= given
    writable = {mount["mountPath"] for mount in ours["volumeMounts"] if not mount.get("readOnly")}
    assert ("/data" in writable) == (kind == "Job")


def test_commands_and_folders_in_the_dockerfile_are_there() -> None:
    text = (PROJECT / "Dockerfile").read_text()
    stages = re.findall(r"^FROM (\S+)(?: AS (\S+))?$", text, re.MULTILINE)
    assert [stage for _, stage in stages] == ["python", "builder", "test", ""]
    assert {base for base, _ in stages} == {"debian:bookworm-slim", "python", "builder"}
    for name in re.findall(r"(?:source|unpacked)/([\w.-]+\.lock)", text):
        assert (PROJECT / name).exists()
    health = re.search(r"walrus-node (local-admin .*)$", text, re.MULTILINE)
    assert health is not None
    assert run(*health[1].replace('"$WALRUS_ADMIN_SOCKET"', "/nowhere/admin.socket").split()).status == 50


@pytest.mark.long
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_the_schema_of_kubernetes_knows_every_field(path: Path) -> None:
    validate = pytest.importorskip("kubernetes_validate").validate
    for document in documents(path):
        validate(document, "1.33", strict=True)


@pytest.mark.long
@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_podman_compose_reads_the_recipe(path: Path) -> None:
    program = pytest.importorskip("podman_compose").__file__
    command = [sys.executable, program, "--file", str(path), "config"]
    environment = {"PATH": "/usr/bin:/bin", "DATABASE_IMAGE": "example"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
