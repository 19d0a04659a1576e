"""Every format beside transformers' own torch models; those whose library is not installed are left out.

``make test-export`` installs all of them.
"""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import load_file

import lexel
from lexel.checkpoint import open_checkpoint
from lexel.checkpoint.source import bundled_folder
from lexel.errors import CheckpointError, EngineError, MissingExtra, OptionError
from lexel.export import formats
from lexel.export.folder import check_export, export_model
from lexel.export.formats import FORMATS
from lexel.export.standard import StandardModel, Target
from tests.builders import (
    ENTITIES,
    POS,
    RECIPES,
    WORDS,
    build_plain,
    build_reference,
    build_sentence_model,
    build_tagger,
)
from tests.export.onnx.test_folder import Exported
from tests.export.onnx.test_parity import CLASSES, TOLERANCE, by_torch, padded

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::ImportWarning")

INSTALLED = [name for name, one in FORMATS.items() if all(find_spec(library) for library in one.needs)]
ASKED = os.environ.get("LEXEL_TEST_EXPORT") == "1"
GRAPHS = [name for name in INSTALLED if name not in ("torch", "bin") and (name != "pt2" or ASKED)]
"""Where torch.export is not asked for, ``test_torch_files`` has one program of it: each takes seconds."""
FAMILIES = ("bert", "roberta", "electra", "albert", "distilbert", "modernbert", "deberta-v3", "nezha", "roformer")


def computed(name: str, folder: Path, checkpoint: Any, target: Target, batch: Any) -> Any:
    """What a format gives for a batch, written and read again."""
    out = folder / "out"
    out.mkdir()
    FORMATS[name].write(checkpoint, out, target, name=name)
    given = {key: array for key, array in batch.items() if key != "token_type_ids" or checkpoint.config.n_types}
    return FORMATS[name].run(out, name=name)(given)


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("recipe", FAMILIES)
def test_labels_of_pieces_are_those_of_transformers(recipe: str, name: str, tmp_path: Path) -> None:
    model = build_reference(tmp_path, RECIPES[recipe])
    checkpoint = open_checkpoint(tmp_path)
    batch = padded(checkpoint.config)
    theirs, is_piece = by_torch(model, checkpoint.config, batch), batch["attention_mask"] == 1
    found = computed(name, tmp_path, checkpoint, Target(checkpoint.heads["entities"]), batch)
    assert set(found) == {"logits"}
    assert np.abs(found["logits"] - theirs.logits.numpy())[is_piece].max() <= TOLERANCE


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("task", CLASSES)
def test_other_heads_are_those_of_transformers(task: str, name: str, tmp_path: Path) -> None:
    settings = RECIPES["bert"]
    torch.manual_seed(1)
    config = transformers.AutoConfig.for_model(settings.model_type, **settings.settings)
    model = getattr(transformers, CLASSES[task]).from_config(config).eval()
    model.save_pretrained(tmp_path)
    checkpoint = open_checkpoint(tmp_path)
    batch = padded(checkpoint.config)
    found = computed(name, tmp_path, checkpoint, Target(checkpoint.heads[task]), batch)
    theirs = by_torch(model, checkpoint.config, batch)
    is_piece = slice(None) if task == "classify" else batch["attention_mask"] == 1
    assert set(found) == ({"start_logits", "end_logits"} if task == "answer" else {"logits"})
    for key, scores in found.items():
        assert np.abs(scores - getattr(theirs, key).numpy())[is_piece].max() <= TOLERANCE


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_sentence_vectors_are_in_every_graph(pooling: str, name: str, tmp_path: Path) -> None:
    folder = build_sentence_model(tmp_path / "model", pooling=pooling)
    record = export_model(folder, tmp_path / "out", to=[name])["encoder"]["formats"][name]
    assert record["largest"] < 1e-4
    assert record["bytes"] == sum((tmp_path / "out" / file).stat().st_size for file in record["files"])


def test_a_family_that_transformers_does_not_have_is_refused_by_name(tmp_path: Path) -> None:
    build_reference(tmp_path / "model", RECIPES["nezha"])
    with pytest.raises(OptionError, match="has no class NezhaModel; export to another format"):
        FORMATS["torch"].write(open_checkpoint(tmp_path / "model"), tmp_path, Target(), name="torch")


def test_a_head_that_transformers_would_read_otherwise_is_refused(tmp_path: Path) -> None:
    build_reference(tmp_path / "model", RECIPES["modernbert"])
    entry = {"task": "entities", "labels": list(ENTITIES), "scheme": "BIO", "prefix": "heads.entities"}
    lexel = {"format": 1, "pieces": "tokenizer", "heads": {"entities": entry}}
    (tmp_path / "model" / "lexel.json").write_text(json.dumps(lexel), encoding="utf-8")
    checkpoint = open_checkpoint(tmp_path / "model")
    with pytest.raises(OptionError, match=r"transformers' modernbert \(head\.dense, head\.norm, classifier\)"):
        FORMATS["torch"].write(checkpoint, tmp_path, Target(checkpoint.heads["entities"]), name="torch")


@pytest.mark.skipif("tensorflow" not in INSTALLED, reason="needs TensorFlow")
def test_a_saved_model_of_characters_reads_text(tmp_path: Path) -> None:
    import tensorflow

    export_model(None, tmp_path / "out", to=["onnx", "tensorflow"], head="pos")
    text = tensorflow.saved_model.load(str(tmp_path / "out" / "tensorflow")).signatures["text"]
    texts = ["傅達仁在台北。", "ＡＢ １２", "好" * 300]
    labels = text(text=tensorflow.constant(texts))["labels"].numpy().astype(str)
    assert labels.shape == (3, 254)
    for row, one in zip(labels, texts[:2], strict=False):
        assert row[: len(one)].tolist() == Exported(tmp_path / "out").tags(one)
        assert set(row[len(one) :]) == {""}


@pytest.mark.parametrize("head", ["words", "pos", "entities"])
def test_a_head_becomes_a_plain_folder_that_transformers_loads_whole(head: str, tmp_path: Path) -> None:
    heads = {"words": WORDS, "pos": POS, "entities": ENTITIES}
    folder = build_tagger(tmp_path / "model", heads=heads)
    export_model(folder, tmp_path / "out", to=["torch"])
    out = tmp_path / "out" / head
    model, loading = transformers.AutoModelForTokenClassification.from_pretrained(out, output_loading_info=True)
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    assert [model.config.id2label[i] for i in range(len(heads[head]))] == list(heads[head])
    weights = load_file(folder / "model.safetensors")[f"heads.{head}.weight"]
    assert np.array_equal(model.classifier.weight.detach().numpy(), weights)


@pytest.mark.parametrize("task", ["fill", "classify", "answer"])
def test_other_heads_become_plain_folders_too(task: str, tmp_path: Path) -> None:
    record = export_model(build_plain(tmp_path / "model", task), tmp_path / "out", to=["torch"])
    assert record[task]["formats"]["torch"]["largest"] < 1e-4


def test_lexel_reads_a_plain_folder_as_it_reads_the_model(tmp_path: Path) -> None:
    export_model(None, tmp_path / "out", to=["torch"], head="entities")
    ours, theirs = (
        lexel.load(path, precision="float32")("傅達仁在台北。") for path in (tmp_path / "out", bundled_folder())
    )
    assert [(span.text, span.label) for span in ours.entities] == [(span.text, span.label) for span in theirs.entities]
    assert "pos" not in ours.layers


@pytest.mark.parametrize("name", INSTALLED)
def test_a_file_that_was_changed_is_not_checked(name: str, tmp_path: Path) -> None:
    folder = build_tagger(tmp_path / "model", heads={"words": WORDS})
    record = export_model(folder, tmp_path / "out", to=[name])["words"]
    assert check_export(folder, tmp_path / "out")["words"]["formats"][name]["largest"] < 1e-4
    file = tmp_path / "out" / max(record["formats"][name]["files"])
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(CheckpointError, match="not the file that was exported"):
        check_export(folder, tmp_path / "out")


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_that_is_not_the_model_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, positions = build_tagger(tmp_path / "model", heads={"words": WORDS}), StandardModel.__call__

    def wrong(self: Any, given: Any, **rest: Any) -> Any:
        return positions(self, given | {"token_type_ids": given["attention_mask"]}, **rest)

    monkeypatch.setattr(StandardModel, "__call__", wrong)
    with pytest.raises(EngineError, match=f"{name}: differs from the model by"):
        export_model(folder, tmp_path / "out", to=[name])
    assert not (tmp_path / "out").exists()


def test_a_missing_library_is_named_with_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r'jax export needs jax: pip install "lexel\[jax\]"'):
        export_model(None, tmp_path / "out", to=["jax"])


def test_an_unknown_format_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(
        OptionError, match=r"format \['caffe'\]: not known; expected some of onnx, torch, bin, pt2, jax"
    ):
        export_model(None, tmp_path / "out", to=["caffe"])
