"""The int8 graph beside a folder's weights is used only as it was written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

import lexel
from lexel.checkpoint import open_checkpoint
from lexel.checkpoint.quantised import GRAPH, quantised_graph
from lexel.checkpoint.source import bundled_folder
from lexel.errors import CheckpointError, EngineError
from tests.builders import WORDS, build_tagger


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The bundled model: its graph and its lexel.json to be changed, the rest by link."""
    for file in bundled_folder().iterdir():
        if file.name in (GRAPH, "lexel.json"):
            (tmp_path / file.name).write_bytes(file.read_bytes())
        else:
            (tmp_path / file.name).symlink_to(file)
    return tmp_path


def bind(folder: Path) -> None:
    """Write the checksum of a changed graph, as somebody hostile would."""
    values = json.loads((folder / "lexel.json").read_text("utf-8"))
    values["quantised"]["xml_sha256"] = hashlib.sha256((folder / GRAPH).read_bytes()).hexdigest()
    (folder / "lexel.json").write_text(json.dumps(values), encoding="utf-8")


def test_the_bundled_graph_is_bound_and_used(folder: Path) -> None:
    assert quantised_graph(open_checkpoint(folder)) == folder / GRAPH


def test_a_flipped_byte_in_the_operations_is_refused(folder: Path) -> None:
    data = bytearray((folder / GRAPH).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / GRAPH).write_bytes(data)
    with pytest.raises(CheckpointError, match=rf"{GRAPH}: is not the file .* by its checksum"):
        quantised_graph(open_checkpoint(folder))


def test_a_graph_without_a_checksum_is_not_used_and_that_is_said(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = json.loads((folder / "lexel.json").read_text("utf-8"))
    del values["quantised"]["xml_sha256"]
    (folder / "lexel.json").write_text(json.dumps(values), encoding="utf-8")
    assert open_checkpoint(folder).quantised is None
    assert f"no checksum of {GRAPH}, so the int8 graph is not used" in caplog.text


HOSTILE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a loop": (lambda data: data.replace(b'type="Gelu"', b'type="Loop"', 1), "has Loop"),
    "entities": (
        lambda data: data.replace(b"<net", b'<!DOCTYPE a [<!ENTITY b "c">]><net', 1),
        "not the XML of a graph",
    ),
    "no XML": (lambda data: data[:-20], "not the XML of a graph"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_graph_of_other_operations_is_refused_whatever_its_checksum(folder: Path, case: str) -> None:
    change, message = HOSTILE[case]
    (folder / GRAPH).write_bytes(change((folder / GRAPH).read_bytes()))
    bind(folder)
    with pytest.raises(CheckpointError, match=message):
        quantised_graph(open_checkpoint(folder))


def test_a_graph_that_openvino_cannot_read_is_one_clear_line(folder: Path) -> None:
    data = (folder / GRAPH).read_bytes()
    (folder / GRAPH).write_bytes(data.replace(b'from-layer="', b'from-nowhere="'))
    bind(folder)
    with pytest.raises(EngineError, match=rf"{GRAPH}: cannot be read .*Run lexel quantize again"):
        lexel.load(folder, engine="openvino", precision="int8")("天")


def test_a_graph_that_openvino_cannot_compile_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nlp = lexel.load(build_tagger(tmp_path / "model", heads={"words": WORDS}), engine="openvino", precision="float32")

    def fail(*_: object) -> None:
        raise RuntimeError("Exception from src/core: \n no such operation\x1b[31m")

    engine = nlp.flows[0].engine.own  # type: ignore[attr-defined]
    monkeypatch.setattr(engine, "_core", SimpleNamespace(compile_model=fail))
    with pytest.raises(EngineError) as caught:
        nlp("天")
    assert str(caught.value).startswith("openvino: the graph could not be compiled in float32: Exception from src/core")
    assert str(caught.value).isprintable()
