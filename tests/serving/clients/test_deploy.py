"""The files in deploy/: what cannot be built here is linted and compared with what the server does."""

from __future__ import annotations

import copy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).parents[3] / "deploy"
HADOLINT = shutil.which("hadolint") or shutil.which("hadolint", path=str(Path(sys.executable).parent))


@pytest.fixture(scope="module")
def kubernetes() -> dict[str, Any]:
    """The manifest's objects by kind."""
    documents = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text("utf-8"))
    return {document["kind"]: document for document in documents}


@pytest.mark.skipif(HADOLINT is None, reason="no hadolint; run make test-clients")
def test_the_containerfile_has_no_faults() -> None:
    done = subprocess.run([str(HADOLINT), str(DEPLOY / "Containerfile")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_recipe_for_conda_forge_is_one_package_for_every_platform() -> None:
    builder = pytest.importorskip("rattler_build", reason="no rattler-build; run make test-clients")
    (rendered,) = builder.Stage0Recipe.from_file(DEPLOY / "conda" / "recipe.yaml").render()
    recipe = rendered.recipe.to_dict()
    assert (recipe["package"]["name"], recipe["build"]["noarch"]) == ("lexel", "python")
    assert recipe["requirements"]["host"][0].startswith("python 3.")
    assert "${{" not in str(recipe["requirements"] | {"tests": recipe["tests"]})


@pytest.mark.parametrize("version", ["1.30", "1.33", "1.37"])
def test_the_manifest_follows_the_schemas_of_kubernetes(kubernetes: dict[str, Any], version: str) -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="no schemas; run make test-clients")
    for found in kubernetes.values():
        validator.validate(found, version, strict=True)


def test_a_fault_in_the_manifest_is_found(kubernetes: dict[str, Any]) -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="no schemas; run make test-clients")
    broken = copy.deepcopy(kubernetes["Deployment"])
    broken["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(validator.ValidationError, match="readynessProbe"):
        validator.validate(broken, "1.37", strict=True)


def test_the_service_reaches_the_pods(kubernetes: dict[str, Any]) -> None:
    pod, service = kubernetes["Deployment"]["spec"]["template"], kubernetes["Service"]["spec"]
    assert kubernetes["Deployment"]["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert service["selector"].items() <= pod["metadata"]["labels"].items()
    ports = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
    assert {port["targetPort"] for port in service["ports"]} <= ports


def test_pods_are_given_more_time_to_stop_than_the_server_takes(kubernetes: dict[str, Any]) -> None:
    from lexel.serving.options import ServerOptions

    pod = kubernetes["Deployment"]["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > ServerOptions().drain_s
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]["lexel"]
    assert int(compose["stop_grace_period"].rstrip("s")) > ServerOptions().drain_s


def test_pods_run_without_rights(kubernetes: dict[str, Any]) -> None:
    pod = kubernetes["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    rights = container["securityContext"]
    assert (rights["allowPrivilegeEscalation"], rights["readOnlyRootFilesystem"]) == (False, True)
    assert container["resources"]["limits"].keys() == {"cpu", "memory"}


def test_the_containers_command_is_one_that_the_program_knows(kubernetes: dict[str, Any]) -> None:
    lines = (DEPLOY / "Containerfile").read_text("utf-8").splitlines()
    entry = next(line for line in lines if line.startswith("ENTRYPOINT")).partition(" ")[2]
    (container,) = kubernetes["Deployment"]["spec"]["template"]["spec"]["containers"]
    words = [*yaml.safe_load(entry), *container["args"]]
    said = subprocess.run([sys.executable, "-m", *words, "--help"], capture_output=True, text=True)
    assert said.returncode == 0
    options = [word for word in words if word.startswith("--")]
    assert all(option in said.stdout for option in options)


def test_probes_ask_paths_that_need_no_key(kubernetes: dict[str, Any]) -> None:
    from lexel.serving.front import OPEN

    (container,) = kubernetes["Deployment"]["spec"]["template"]["spec"]["containers"]
    probes = [value["httpGet"]["path"] for name, value in container.items() if name.endswith("Probe")]
    assert set(probes) <= OPEN
    assert len(probes) == 3
