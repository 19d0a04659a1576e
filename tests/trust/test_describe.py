"""A model described before its weights are loaded, from a folder and from a hub that sends no more than it is asked."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from lexel.checkpoint.remote import local_tensors, remote_tensors
from lexel.cli.app import app
from lexel.describe.facts import as_record, describe
from lexel.describe.languages import SAMPLES
from lexel.describe.measure import Speed, measure
from lexel.errors import CheckpointError, WeightError
from tests.builders import ENTITIES
from tests.checkpoint.hub_server import Hub

from .conftest import NAME, NEW


def weight_bytes(hub: Hub) -> list[str]:
    return [request for request in hub.requests if request.startswith("GET") and "safetensors" in request]


def test_a_hub_model_is_described_without_its_weights(hub: Hub, project: Path, model: Path) -> None:
    hub.repositories[NAME].open_threads = 3
    found = describe(NAME)
    assert found.tensors == local_tensors(model)
    assert (found.config.n_layers, found.config.hidden_size) == (2, 16)
    assert found.heads[0].labels == tuple(ENTITIES)
    assert found.source.commit == NEW
    assert (found.changed, found.open_threads) == ("2026-03-01", 3)
    assert found.licence.kind == "permissive"
    assert len(weight_bytes(hub)) == 1
    assert not list(found.source.folder.glob("*.safetensors"))


def test_a_folder_and_the_hub_say_the_same(hub: Hub, project: Path, model: Path) -> None:
    here, there = as_record(describe(model)), as_record(describe(NAME))
    of_place = ("model", "commit", "changed", "open_threads")
    assert {key: value for key, value in here.items() if key not in of_place} == {
        key: value for key, value in there.items() if key not in of_place
    }


def test_a_server_without_ranges_is_read_no_further_than_the_header(hub: Hub, project: Path, model: Path) -> None:
    hub.repositories[NAME].knows_ranges = False
    assert describe(NAME).tensors == local_tensors(model)


def test_a_header_longer_than_the_first_part_is_read_whole(hub: Hub, project: Path, model: Path, monkeypatch) -> None:
    monkeypatch.setattr("lexel.checkpoint.remote._FIRST_BYTES", 100)
    assert describe(NAME).tensors == local_tensors(model)
    assert len(weight_bytes(hub)) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: b"\xff" * 8 + data[8:], "the header claims"),
        (lambda data: data[:8] + b"x" * 20 + data[28:], "not JSON"),
        (lambda data: b"1234", "has 4 bytes"),
    ],
)
def test_a_damaged_header_is_said(hub: Hub, project: Path, change, said: str) -> None:
    files = hub.repositories[NAME].files
    files["model.safetensors"] = change(files["model.safetensors"])
    with pytest.raises(WeightError, match=said):
        describe(NAME)


def test_a_hub_that_breaks_off_is_said(hub: Hub, project: Path) -> None:
    from lexel.checkpoint.hub import list_files

    listing = list_files(NAME, None)
    hub.repositories[NAME].cut_off = True
    hub.repositories[NAME].knows_ranges = False
    with pytest.raises(CheckpointError):
        remote_tensors(NAME, listing)


def test_of_a_bin_file_the_list_of_entries_and_the_program_are_read(hub: Hub, project: Path, model: Path) -> None:
    from safetensors.torch import load_file

    tensors = load_file(model / "model.safetensors")
    large = {**tensors, "bert.embeddings.word_embeddings.weight": torch.zeros(100_000, 16)}
    saved = io.BytesIO()
    torch.save(large, saved)
    files = hub.repositories[NAME].files
    del files["model.safetensors"]
    files["pytorch_model.bin"] = saved.getvalue()
    sent = hub.sent
    found = describe(NAME)
    assert found.tensors is not None
    assert {name: tensor.shape for name, tensor in found.tensors.items()} == {
        name: tuple(tensor.shape) for name, tensor in large.items()
    }
    assert hub.sent - sent < 1_000_000 < len(saved.getvalue())


@pytest.mark.parametrize("data", [b"no archive", b"PK\x03\x04" + b"x" * 1000])
def test_of_other_files_the_tensors_are_not_known(hub: Hub, project: Path, data: bytes) -> None:
    files = hub.repositories[NAME].files
    del files["model.safetensors"]
    files["pytorch_model.bin"] = data
    found = describe(NAME)
    assert found.n_parameters is None
    assert any("known only after a download" in problem for problem in found.problems)


def test_a_program_that_asks_for_more_than_tensors_is_refused_from_afar(hub: Hub, project: Path) -> None:
    saved = io.BytesIO()
    with zipfile.ZipFile(saved, "w") as archive:
        archive.writestr("archive/data.pkl", b"cos\nsystem\n(S'touch ran'\ntR.")
    files = hub.repositories[NAME].files
    del files["model.safetensors"]
    files["pytorch_model.bin"] = saved.getvalue()
    with pytest.raises(WeightError):
        describe(NAME)
    assert not (project / "ran").exists()


def test_parameters_are_counted(model: Path) -> None:
    found = describe(model)
    size = (model / "model.safetensors").stat().st_size
    assert found.n_parameters is not None
    assert 0 < size - 4 * found.n_parameters < 8_000
    assert found.stored_as == "F32"


def test_languages_tell_what_the_vocabulary_is_for() -> None:
    costs = describe().languages
    assert costs.keys() == SAMPLES.keys()
    assert costs["Chinese, simplified"].unknown == costs["Chinese, traditional"].unknown == 0
    assert costs["Thai"].unknown > 0.5


def test_labels_that_nobody_can_read_are_a_problem_and_no_end(model: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    config["id2label"] = {"0": "B-X", "2": "O"}
    (model / "config.json").write_text(json.dumps(config))
    with pytest.raises(Exception, match="id2label"):
        describe(model)


def test_the_command_prints_a_table_and_json(model: Path, project: Path) -> None:
    said = CliRunner().invoke(app, ["describe", str(model)]).stdout
    assert "2 layers of 16, 2 heads" in said
    assert "pieces a character" in said
    record = json.loads(CliRunner().invoke(app, ["describe", str(model), "--to", "json"]).stdout)
    assert record["licence"] == {"name": "mit", "verdict": "permissive", "demand": None}
    assert record["memory_bytes"].keys() >= {"float32", "bf16"}


def test_prices_follow_from_the_rate() -> None:
    speed = Speed("engine", 1.0, 0.01, chars_per_s=1000.0, pieces_per_s=500.0)
    assert speed.price_of_million_chars(3.6) == pytest.approx(1.0)
    assert speed.price_of_million_pieces(3.6) == pytest.approx(2.0)


def test_speed_is_measured_on_the_users_text(model: Path) -> None:
    from lexel.checkpoint import open_checkpoint

    speed = measure(open_checkpoint(model), ["new york", "王小明"], seconds=0.05, engine="numpy")
    assert speed.chars_per_s > speed.pieces_per_s / 2 > 0
    assert 0 < speed.latency_s < speed.load_s + 10


def test_prices_without_a_measurement_are_refused(model: Path, project: Path) -> None:
    result = CliRunner().invoke(app, ["describe", str(model), "--hour-price", "1"])
    assert result.exit_code == 1
    assert "need --measure" in result.stderr
