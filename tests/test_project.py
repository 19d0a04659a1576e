"""The project's own files: workflows, templates, citation and the Makefile agree with the package."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import lexel
from tests.docs.notebook import TUTORIAL, run_notebook, shown_texts
from tests.fast import fast_files

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = [path for path in sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")) if path.name != "config.yml"]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
RECIPE = ROOT / "deploy" / "conda" / "recipe.yaml"
FRAGMENTS = [path for path in sorted((ROOT / "changelog.d").iterdir()) if path.name != "README.md"]


def read(path: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text("utf-8"))
    return found


def test_the_citation_has_the_packages_version() -> None:
    assert read(ROOT / "CITATION.cff")["version"] == PROJECT["project"]["version"] == lexel.__version__


def test_the_conda_package_needs_what_the_wheel_needs() -> None:
    """conda-forge has every one of these packages under the name that it has on PyPI."""
    recipe, project = read(RECIPE), PROJECT["project"]
    assert recipe["context"] == {
        "version": project["version"],
        "python_min": project["requires-python"].removeprefix(">="),
    }
    needed = [re.sub(r"(?=[<>=!~])", " ", one, count=1) for one in project["dependencies"]]
    assert recipe["requirements"]["run"] == ["python >=${{ python_min }}", *needed]
    assert recipe["build"]["python"]["entry_points"] == [f"{a} = {b}" for a, b in project["scripts"].items()]
    assert (recipe["about"]["license"], recipe["about"]["license_file"]) == (
        project["license"],
        project["license-files"],
    )


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.name)
def test_a_changelog_fragment_has_a_kind_and_a_sentence(path: Path) -> None:
    assert re.fullmatch(r"\+[a-z0-9-]+\.(\w+)\.md", path.name)
    assert path.name.split(".")[1] in PROJECT["tool"]["towncrier"]["fragment"]
    text = path.read_text("utf-8")
    assert text[0].isupper() or text[0] == "`"
    assert text.endswith(".\n")


def test_fragments_become_a_section_of_the_changelog(tmp_path: Path) -> None:
    pytest.importorskip("towncrier")
    for name in ("pyproject.toml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    fragments = tmp_path / "changelog.d"
    fragments.mkdir()
    (fragments / "+one.added.md").write_text("`lexel sing` sings.\n", "utf-8")
    (fragments / "+two.results.md").write_text("Words are longer.\n", "utf-8")
    line = [sys.executable, "-m", "towncrier", "build", "--yes", "--version", "9.8.7", "--date", "2030-01-02"]
    ran = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    before, _, after = (ROOT / "CHANGELOG.md").read_text("utf-8").partition("<!-- towncrier release notes start -->\n")
    written = (tmp_path / "CHANGELOG.md").read_text("utf-8")
    assert written.startswith(before)
    assert written.endswith(after)
    assert written.removeprefix(before).removesuffix(after).split("\n") == [
        "<!-- towncrier release notes start -->",
        "",
        "## [9.8.7] - 2030-01-02",
        "",
        "### Added",
        "",
        "- `lexel sing` sings.",
        "",
        "### Changed results",
        "",
        "- Words are longer.",
        "",
        "",
    ]
    assert list(fragments.iterdir()) == []


def test_every_python_that_is_supported_is_tested() -> None:
    classifiers = PROJECT["project"]["classifiers"]
    supported = [one.rpartition(" ")[2] for one in classifiers if "Python :: 3." in one]
    matrix = read(ROOT / ".github" / "workflows" / "test.yml")["jobs"]["fast"]["strategy"]["matrix"]
    assert matrix["python"] == supported


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read_and_ends_in_time(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] <= 90 for job in workflow["jobs"].values())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_makes_what_the_makefile_has(path: Path) -> None:
    steps = [step.get("run", "") for job in read(path)["jobs"].values() for step in job["steps"]]
    asked = {name for step in steps for name in re.findall(r"^make ([a-z-]+)", step, re.MULTILINE)}
    assert asked <= set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def test_what_the_whole_suite_does_not_install_is_tested_nightly_and_before_a_release() -> None:
    nightly = read(ROOT / ".github" / "workflows" / "nightly.yml")
    assert {"schedule", "push"} <= nightly[True].keys()  # YAML reads "on" as a boolean
    steps = [step.get("run") for job in nightly["jobs"].values() for step in job["steps"]]
    assert {"make test-clients", "make test-export", "make audit"} <= set(steps)


def test_every_folder_with_packages_of_npm_is_kept_up_to_date() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "*/package.json"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a checkout")
    updates = {one["package-ecosystem"]: one for one in read(ROOT / ".github" / "dependabot.yml")["updates"]}
    folders = [f"/{name.removesuffix('/package.json')}" for name in listed.stdout.splitlines()]
    assert updates["npm"]["directories"] == folders


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_an_issue_form_has_what_the_site_asks_for(path: Path) -> None:
    form = read(path)
    assert {"name", "description", "body"} <= form.keys()
    ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(set(ids)) == len(ids) > 0
    assert all(part["attributes"]["label"] for part in form["body"] if part["type"] != "markdown")


def test_every_verb_of_the_makefile_is_explained() -> None:
    verbs = " ".join(re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)).split()
    explained = re.findall(r"^([a-z-]+):.*##", MAKEFILE, re.MULTILINE)
    assert sorted(verbs) == sorted(explained)


def test_the_fast_tests_import_no_peer() -> None:
    files = fast_files(ROOT / "tests")
    assert ROOT / "tests" / "test_document.py" in files
    assert ROOT / "tests" / "decoding" / "test_lexicon.py" in files
    assert ROOT / "tests" / "text" / "test_sentencepiece_file.py" not in files  # imports it
    assert ROOT / "tests" / "flow" / "test_options.py" not in files  # imports what imports torch


def test_the_tutorial_runs_and_shows_what_it_printed(tmp_path: Path) -> None:
    pytest.importorskip("nbmake")
    pytest.importorskip("pandas")
    copy = tmp_path / TUTORIAL.name
    shutil.copy(TUTORIAL, copy)
    run_notebook(copy)
    assert shown_texts(copy) == shown_texts(TUTORIAL), "write it again: python -m tests.docs.notebook"
