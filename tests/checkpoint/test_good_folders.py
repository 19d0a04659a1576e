"""Good folders with harmless oddities are read as transformers reads them."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import lexel
from lexel.checkpoint import open_checkpoint
from lexel.checkpoint.config import read_config
from lexel.errors import CheckpointError, WeightError
from lexel.jsonfile import read_object
from tests.builders import ENTITIES, RECIPES, build_reference, build_tagger, compute, random_sequences, write_json
from tests.fuzz.breaking import torch_archive

TEXT = "天下大王在臺北"


def tagger(folder: Path) -> Path:
    return build_tagger(folder, heads={"entities": ENTITIES})


def change_config(folder: Path, **changes: Any) -> Path:
    values = {**read_object(folder / "config.json"), **changes}
    write_json(folder / "config.json", {key: value for key, value in values.items() if value != "gone"})
    return folder


def entities(folder: Path) -> list[tuple[int, int, str]]:
    return [(span.start, span.end, span.label) for span in lexel.load(folder, engine="numpy")(TEXT).entities]


def test_weights_of_a_training_loss_are_left_alone(tmp_path: Path) -> None:
    path = tagger(tmp_path / "model") / "model.safetensors"
    save_file(load_file(path) | {"loss_fct.weight": np.ones(5, np.float32)}, path)
    lexel.load(tmp_path / "model", engine="numpy")


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "model.", "module._orig_mod."])
def test_what_a_wrapper_put_before_all_names_is_taken_off_and_said(
    tmp_path: Path, wrapper: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tagger(tmp_path / "model") / "model.safetensors"
    before = entities(tmp_path / "model")
    save_file({wrapper + name: tensor for name, tensor in load_file(path).items()}, path)
    with caplog.at_level(logging.INFO, "lexel"):
        assert entities(tmp_path / "model") == before
    assert f"all names begin with '{wrapper}'" in caplog.text


def test_a_wrapper_before_some_names_only_is_no_wrapper(tmp_path: Path) -> None:
    path = tagger(tmp_path / "model") / "model.safetensors"
    tensors = load_file(path)
    save_file({("" if "classifier" in name else "module.") + name: tensors[name] for name in tensors}, path)
    with pytest.raises(WeightError, match="no tensor"):
        lexel.load(tmp_path / "model", engine="numpy")


def test_a_state_dict_inside_a_checkpoint_of_training_is_read_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tagger(tmp_path / "model")
    before = entities(folder)
    data = torch_archive(load_file(folder / "model.safetensors"), inside="state_dict")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(data)
    with caplog.at_level(logging.INFO, "lexel"):
        assert entities(folder) == before
    assert "pytorch_model.bin: the tensors are under 'state_dict'; the rest of the file is not read" in caplog.text


def test_nan_among_the_weights_is_an_error(tmp_path: Path) -> None:
    path = tagger(tmp_path / "model") / "model.safetensors"
    tensors = load_file(path)
    tensors["bert.encoder.layer.0.output.dense.weight"][3, 3] = np.nan
    save_file(tensors, path)
    with pytest.raises(WeightError, match=r"'bert\.encoder\.layer\.0\.output\.dense\.weight' holds NaN"):
        lexel.load(tmp_path / "model", engine="numpy")


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({"pad_token_id": -1}, "pad_id", 0),
        ({"hidden_act": "gone"}, "activation", "gelu"),
        ({"hidden_act": "quick_gelu"}, "activation", "quick_gelu"),
        ({"id2label": {"0": 7, "1": 8}}, "labels", ("7", "8")),
        ({"model_type": "electra", "embedding_size": "gone"}, "embedding_size", 128),
        ({"model_type": "albert", "embedding_size": "gone", "hidden_act": "gone"}, "activation", "gelu_new"),
        ({"model_type": "roberta", "pad_token_id": -1}, "position_offset", 0),
    ],
)
def test_a_config_is_read_as_transformers_reads_it(
    tmp_path: Path, changes: dict[str, Any], name: str, value: Any
) -> None:
    assert getattr(read_config(change_config(tagger(tmp_path / "model"), **changes)), name) == value


@pytest.mark.parametrize(("key", "value"), [("num_hidden_layers", 10**9), ("vocab_size", 10**30)])
def test_a_size_that_no_model_has_is_refused(tmp_path: Path, key: str, value: int) -> None:
    folder = change_config(tagger(tmp_path / "model"), **{key: value})
    with pytest.raises(CheckpointError, match=f"{key} is 10+; expected a whole number from 1 to"):
        read_config(folder)


@pytest.mark.parametrize("engine", ["openvino", "torch", "numpy"])
def test_quick_gelu_is_computed_as_by_transformers(tmp_path: Path, engine: str) -> None:
    import torch

    from lexel.engines.choose import EngineOptions, start_engine

    recipe = RECIPES["bert"]
    reference = build_reference(
        tmp_path / "model", type(recipe)(recipe.model_type, {**recipe.settings, "hidden_act": "quick_gelu"})
    )
    sequences = random_sequences([9])
    precision = "float64" if engine == "numpy" else "float32"
    running = start_engine(open_checkpoint(tmp_path / "model"), EngineOptions(engine=engine, precision=precision))
    found = compute(running, sequences, ["entities"], max_length=16)["entities"]
    with torch.no_grad():
        expected = reference(torch.tensor(sequences.ids[None].astype(np.int64))).logits[0].numpy()
    np.testing.assert_allclose(found, expected, atol=2e-4)
    assert json.loads((tmp_path / "model" / "config.json").read_text("utf-8"))["hidden_act"] == "quick_gelu"
