"""ONNX Runtime behind the engine's contract: model folders, exported folders, machines without OpenVINO."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import lexel
from lexel.checkpoint import open_checkpoint
from lexel.data import read_jsonl
from lexel.engines import choose, onnxruntime
from lexel.engines.choose import EngineOptions, start_engine
from lexel.errors import CheckpointError, EngineError, MissingExtra, WeightError
from lexel.export.folder import check_export, export_model
from tests.builders import ENTITIES, WORDS, build_plain, build_sentence_model, build_tagger

TEXTS = [document.text for document in read_jsonl(Path(__file__).parent.parent / "data" / "zh_gsdsimp.jsonl")][:30]
ENGLISH = ["he went to new york.", "in", "the live, 0123456789"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "entities"
    export_model(None, folder, head="entities", precisions=("float32", "int8"))
    return folder


def found(tagger: Any) -> list[Any]:
    return [[(span.start, span.end, span.label) for span in document.entities] for document in tagger.stream(TEXTS)]


def test_a_model_folder_gives_the_words_and_entities_that_openvino_gives() -> None:
    ours, theirs = (lexel.load(engine=engine, precision="float32") for engine in ("onnxruntime", "openvino"))
    for one, other in zip(ours.stream(TEXTS), theirs.stream(TEXTS), strict=True):
        assert [(w.start, w.end, w.pos) for w in one.words] == [(w.start, w.end, w.pos) for w in other.words]
        assert [(e.start, e.end, e.label) for e in one.entities] == [(e.start, e.end, e.label) for e in other.entities]


@pytest.mark.parametrize("end", ["", "onnx"])
def test_an_exported_folder_is_read_as_the_model_is(exported: Path, end: str) -> None:
    tagger = lexel.load(exported / end)
    assert tagger.flows[0].engine.name == "onnxruntime"
    assert tagger.flows[0].checkpoint.pieces == "chars"
    expected = found(lexel.load(engine="openvino", precision="float32", joint=False))
    assert any(expected)
    assert found(tagger) == expected


def test_the_quantised_graph_is_another_computation(exported: Path) -> None:
    exact, fast = (lexel.load(exported, precision=precision) for precision in ("float32", "int8"))
    assert fast.flows[0].engine.precision == "int8"
    assert found(fast) != [] != found(exact)
    scores = [
        [span.score for document in tagger.stream(TEXTS) for span in document.entities] for tagger in (exact, fast)
    ]
    assert scores[0] != scores[1]


def test_a_precision_that_was_not_exported_is_refused_by_name(exported: Path) -> None:
    with pytest.raises(EngineError, match=r"has no graph in bf16; found float32, int8"):
        lexel.load(exported, precision="bf16")


def test_a_graph_that_was_changed_is_refused(exported: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(exported, tmp_path / "changed")
    graph = folder / "onnx" / "model.onnx"
    graph.write_bytes(graph.read_bytes() + b" ")
    with pytest.raises(CheckpointError, match="not the file that was exported"):
        lexel.load(folder)


def test_other_engines_say_that_an_exported_folder_has_no_weights(exported: Path) -> None:
    with pytest.raises(WeightError, match=r"no model\.safetensors"):
        lexel.load(exported, engine="openvino")


def test_heads_in_one_graph_are_read_together(tmp_path: Path) -> None:
    export_model(None, tmp_path / "out", joint=True)
    ours, theirs = lexel.load(tmp_path / "out"), lexel.load(engine="openvino", precision="float32")
    for one, other in zip(ours.stream(TEXTS), theirs.stream(TEXTS), strict=True):
        assert [(w.start, w.end, w.pos) for w in one.words] == [(w.start, w.end, w.pos) for w in other.words]
        assert [(e.start, e.end, e.label) for e in one.entities] == [(e.start, e.end, e.label) for e in other.entities]
    assert check_export(None, tmp_path / "out")["encoder"]["graphs"]["float32"]["largest"] < 1e-4


@pytest.mark.parametrize(("task", "reader"), [("classify", "Classifier"), ("answer", "Answerer"), ("fill", "Filler")])
def test_other_heads_are_read_from_their_graphs(task: str, reader: str, tmp_path: Path) -> None:
    folder = build_plain(tmp_path / "model", task)
    export_model(folder, tmp_path / "out")
    texts = {"answer": [("where did he go ?", text) for text in ENGLISH], "fill": ["he went to [MASK] york"]}
    given: Any = texts.get(task, ENGLISH)
    results = []
    for source in (folder, tmp_path / "out"):
        model = getattr(lexel, reader).load(source, precision="float32")
        results.append([model(*one) if task == "answer" else model(one) for one in given])
    assert repr_rounded(results[0]) == repr_rounded(results[1])


def repr_rounded(results: Any) -> str:
    import re

    return re.sub(r"\d+\.\d+(e-\d+)?", lambda match: f"{float(match[0]):.4f}", repr(results))


def test_sentence_vectors_of_an_exported_folder_are_those_of_the_model(tmp_path: Path) -> None:
    folder = build_sentence_model(tmp_path / "model")
    export_model(folder, tmp_path / "out")
    ours, theirs = (
        lexel.Embedder.load(path, precision="float32").encode(ENGLISH) for path in (tmp_path / "out", folder)
    )
    assert np.abs(ours - theirs).max() <= 1e-5


def test_a_crf_decodes_with_the_transitions_beside_the_graph(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path / "model", heads={"entities": ENTITIES}, pieces="chars")
    tensors, random = load_file(folder / "model.safetensors"), np.random.default_rng(0)
    n_labels = len(ENTITIES)
    for name, shape in (
        ("transitions", (n_labels, n_labels)),
        ("start_transitions", n_labels),
        ("end_transitions", n_labels),
    ):
        tensors[f"heads.entities.crf.{name}"] = random.normal(size=shape, scale=5).astype(np.float32)
    save_file(tensors, folder / "model.safetensors")
    export_model(folder, tmp_path / "out")
    ours, theirs = (lexel.load(path, precision="float32") for path in (tmp_path / "out", folder))
    assert (tmp_path / "out" / "decoding.safetensors").is_file()
    assert found(ours) == found(theirs) != found(lexel.load(folder, precision="float32", decode="argmax"))


def test_weights_that_no_message_can_hold_go_through_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = open_checkpoint(build_tagger(tmp_path / "model", heads={"words": WORDS}))
    tagger = lexel.load(checkpoint, engine="onnxruntime")
    expected = [word.text for word in tagger(ENGLISH[0]).words]
    monkeypatch.setattr(onnxruntime, "MOST_IN_FILE", 0)
    assert [word.text for word in lexel.load(checkpoint, engine="onnxruntime")(ENGLISH[0]).words] == expected


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(choose, "find_spec", lambda name: None if name in names else there(name))


def test_it_is_taken_where_openvino_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = open_checkpoint(build_tagger(tmp_path / "model", heads={"words": WORDS}))
    without(monkeypatch, "openvino")
    assert start_engine(checkpoint, EngineOptions()).name == "onnxruntime"


WITHOUT_OPENVINO = """
import sys
sys.modules["openvino"] = None  # as if it were not installed
from pathlib import Path
import lexel
from lexel.errors import MissingExtra
from lexel.export.folder import export_model
out, model = map(Path, sys.argv[1:])
for source in (out / "onnx", None):
    nlp = lexel.load(source)
    assert {flow.engine.name for flow in nlp.flows} == {"onnxruntime"}
    print([(span.text, span.label) for span in nlp("傅達仁在台北。").entities])
assert export_model(model, out.with_name("again"))["words"]["graphs"]["float32"]["largest"] < 1e-4
try:
    lexel.load(engine="openvino")("字")
except MissingExtra as error:
    print(error)
"""


def test_a_process_without_openvino_reads_exports_and_says_what_openvino_needs(tmp_path: Path) -> None:
    model, out = build_tagger(tmp_path / "model", heads={"words": WORDS}, pieces="chars"), tmp_path / "out"
    export_model(None, out, head="entities")
    command = [sys.executable, "-c", WITHOUT_OPENVINO, str(out), str(model)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    exported, bundled, missing = done.stdout.splitlines()
    assert exported == bundled == "[('傅達仁', 'PER'), ('台北', 'LOC')]"
    assert missing == "the engine openvino needs openvino: pip install openvino. Or choose another engine"


def test_a_missing_library_is_named_with_the_extra(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "onnxruntime")
    with pytest.raises(MissingExtra, match=r'onnxruntime needs onnxruntime: pip install "lexel\[onnx\]"'):
        lexel.load(exported)
