"""``lexel probe`` as a process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lexel.evaluation.reports.probe_report import bar
from tests.builders import build_tagger
from tests.cli.conftest import Run, environment, lexel, model, one_error  # noqa: F401  # fixtures

DATA = Path(__file__).parents[2] / "data" / "zh_gsdsimp.jsonl"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first sentences of the open set."""
    path = tmp_path_factory.mktemp("data") / "small.jsonl"
    path.write_text("\n".join(DATA.read_text(encoding="utf-8").splitlines()[:60]), encoding="utf-8")
    return path


def test_layers_are_scored_in_a_table_json_and_a_page(lexel: Run, small: Path, tmp_path: Path) -> None:  # noqa: F811
    out, page = tmp_path / "p.json", tmp_path / "p.html"
    options = ("--samples", "20", "-o", out, "--html", page)
    result = lexel("probe", "--data", small, "--head", "pos", *options)
    said = result.stdout.decode()
    assert result.returncode == 0, result.stderr.decode()
    assert "baseline" in said
    assert "best: layer" in said
    read = json.loads(out.read_text(encoding="utf-8"))
    assert [layer["layer"] for layer in read["layers"]] == [0, 1, 2]
    assert read["best"] in (0, 1, 2)
    assert read["data"][0]["sha256"]
    written = page.read_text(encoding="utf-8")
    assert "<svg" in written
    assert "<script" not in written


def test_a_bare_encoder_is_probed_too_and_quietly(lexel: Run, small: Path, tmp_path: Path) -> None:  # noqa: F811
    folder = build_tagger(tmp_path / "bare", heads={})
    out = tmp_path / "p.json"
    result = lexel("probe", folder, "-d", small, "--test", small, "--head", "words", "--samples", "0", "-q", "-o", out)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    assert json.loads(out.read_text(encoding="utf-8"))["n_documents"][2] == 60


def test_data_without_the_property_is_refused(lexel: Run, tmp_path: Path) -> None:  # noqa: F811
    path = tmp_path / "bare.jsonl"
    path.write_text('{"text": "我在"}\n', encoding="utf-8")
    said = one_error(lexel("probe", "-d", path, "--head", "entities", "-q"))
    assert "entities: 0 documents with that layer" in said


@pytest.mark.parametrize(("share", "drawn"), [(0, ""), (1, "█" * 40), (0.5, "█" * 20), (1 / 320, "▏")])
def test_a_bar_is_as_long_as_its_share(share: float, drawn: str) -> None:
    assert bar(share) == drawn
