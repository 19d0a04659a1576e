"""A sentence-transformers folder gives the vectors that the library gives, to 1e-5 in float32."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import LayerNorm

from lexel import CheckpointError, Embedder, LexelError
from tests.embed.conftest import HIDDEN, TEXTS, dense, make_family, make_sentence_folder, normalised, sentences

POOLINGS = ("mean", "cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken", ("cls", "mean"), ("max", "cls"))
FAMILIES = ("bert", "roberta", "albert", "electra", "distilbert")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def load(folder: Path | str, **options: Any) -> Embedder:
    return Embedder.load(folder, **{"engine": "openvino", "precision": "float32", "threads": 1, **options})


def assert_same(folder: Path, theirs: SentenceTransformer, texts: Any = TEXTS, **options: Any) -> None:
    __tracebackhide__ = True
    expected = theirs.encode(list(texts))
    found = load(folder, **options).encode(texts)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-5 * max(1.0, float(np.abs(expected).max())))


def test_all_minilm_l6_v2_gives_the_librarys_vectors(minilm: str) -> None:
    texts = [*sentences("en_ewt", 60), *sentences("zh_gsd", 5), ""]
    expected = SentenceTransformer(minilm, device="cpu").encode(texts)
    np.testing.assert_allclose(load(minilm).encode(texts), expected, atol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS, ids=str)
def test_every_way_to_pool_is_the_librarys(pooling: Any, encoder: Path, tmp_path: Path) -> None:
    theirs = make_sentence_folder(tmp_path / "model", encoder, pooling=pooling)
    assert_same(tmp_path / "model", theirs)


@pytest.mark.parametrize("engine", ["openvino", "torch", "numpy"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_on_every_engine_gives_the_librarys_vectors(family: str, engine: str, tmp_path: Path) -> None:
    encoder = make_family(tmp_path / "encoder", "bert-sharp" if family == "bert" else family)
    theirs = make_sentence_folder(tmp_path / "model", encoder, further=[normalised()], max_length=None)
    precision = "auto" if engine == "numpy" else "float32"
    texts = ["the new york", "went to the new", "a", "the " * 20]
    assert_same(tmp_path / "model", theirs, texts, engine=engine, precision=precision)


STEPS = {
    "dense": lambda: [dense(HIDDEN, 12)],
    "dense without bias or activation": lambda: [
        dense(HIDDEN, 12, bias=False, activation_function=torch.nn.Identity()),
        normalised(),
    ],
    "two denses": lambda: [
        dense(HIDDEN, 12, activation_function=torch.nn.ReLU()),
        dense(12, 20, activation_function=torch.nn.SiLU()),
        normalised(),
    ],
    "residual": lambda: [
        dense(HIDDEN, HIDDEN, use_residual=True),
        dense(HIDDEN, 8, use_residual=True, activation_function=torch.nn.Sigmoid()),
    ],
    "layer norm": lambda: [LayerNorm(HIDDEN), normalised()],
}


@pytest.mark.parametrize("steps", STEPS)
def test_what_follows_pooling_is_computed_too(steps: str, encoder: Path, tmp_path: Path) -> None:
    theirs = make_sentence_folder(tmp_path / "model", encoder, further=STEPS[steps]())
    assert_same(tmp_path / "model", theirs)


def test_a_dense_map_behind_two_ways_to_pool_has_twice_the_inputs(encoder: Path, tmp_path: Path) -> None:
    theirs = make_sentence_folder(
        tmp_path / "model", encoder, pooling=("mean", "max"), further=[dense(2 * HIDDEN, 5), normalised()]
    )
    assert_same(tmp_path / "model", theirs)


PROMPTS = {"query": "the new ", "passage": "in: "}


@pytest.mark.parametrize("prompt", [*PROMPTS, "to the "])
@pytest.mark.parametrize("include_prompt", [True, False])
@pytest.mark.parametrize("pooling", ["mean", "cls", "weightedmean"])
def test_a_prompt_goes_before_each_text(
    prompt: str, include_prompt: bool, pooling: str, encoder: Path, tmp_path: Path
) -> None:
    theirs = make_sentence_folder(
        tmp_path / "model", encoder, pooling=pooling, include_prompt=include_prompt, prompts=PROMPTS
    )
    expected = theirs.encode(list(TEXTS), **({"prompt_name": prompt} if prompt in PROMPTS else {"prompt": prompt}))
    found = load(tmp_path / "model", prompt=prompt).encode(TEXTS)
    np.testing.assert_allclose(found, expected, atol=1e-5 * float(np.abs(expected).max()))


def test_the_folders_default_prompt_is_used_unless_another_or_none_is_asked_for(encoder: Path, tmp_path: Path) -> None:
    theirs = make_sentence_folder(tmp_path / "model", encoder, prompts=PROMPTS, default_prompt_name="query")
    assert_same(tmp_path / "model", theirs)
    without = load(tmp_path / "model", prompt="").encode(TEXTS)
    np.testing.assert_allclose(without, theirs.encode(list(TEXTS), prompt=""), atol=1e-5)


def test_a_name_that_is_no_prompt_is_refused_with_those_there_are(encoder: Path, tmp_path: Path) -> None:
    make_sentence_folder(tmp_path / "model", encoder, prompts=PROMPTS)
    with pytest.raises(LexelError, match=r"prompt is 'qurey'; expected a name that the model has \(passage, query\)"):
        load(tmp_path / "model", prompt="qurey")


def test_a_folder_that_says_so_reads_lower_case(tmp_path: Path) -> None:
    encoder = make_family(tmp_path / "encoder", "roberta")
    make_sentence_folder(tmp_path / "model", encoder, max_length=None)
    path = tmp_path / "model" / "sentence_bert_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"do_lower_case": True}))
    theirs = SentenceTransformer(str(tmp_path / "model"), device="cpu")
    texts = ["The New York", "WENT", "ÀÉ"]
    assert_same(tmp_path / "model", theirs, texts)
    assert np.abs(load(tmp_path / "model").encode(texts) - load(encoder).encode(texts)).max() > 0.01


def test_cut_dimensions_are_the_librarys(encoder: Path, tmp_path: Path) -> None:
    make_sentence_folder(tmp_path / "model", encoder, further=[normalised()])
    theirs = SentenceTransformer(str(tmp_path / "model"), device="cpu", truncate_dim=10)
    expected = theirs.encode(list(TEXTS), normalize_embeddings=True)
    np.testing.assert_allclose(load(tmp_path / "model", dimensions=10).encode(TEXTS), expected, atol=1e-5)


def test_older_folders_with_the_encoder_in_a_folder_of_its_own_are_read(encoder: Path, tmp_path: Path) -> None:
    theirs = make_sentence_folder(tmp_path / "model", encoder, pooling="max")
    inner = tmp_path / "model" / "0_Transformer"
    inner.mkdir()
    for path in [path for path in (tmp_path / "model").iterdir() if path.is_file()]:
        if path.name not in ("modules.json", "config_sentence_transformers.json"):
            path.rename(inner / path.name)
    modules = json.loads((tmp_path / "model" / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (tmp_path / "model" / "modules.json").write_text(json.dumps(modules))
    assert_same(tmp_path / "model", theirs)


def test_pooling_can_be_asked_for_in_place_of_the_folders(encoder: Path, tmp_path: Path) -> None:
    make_sentence_folder(tmp_path / "model", encoder, pooling="mean", further=[normalised()])
    theirs = make_sentence_folder(tmp_path / "other", encoder, pooling="cls", further=[normalised()])
    assert_same(tmp_path / "model", theirs, pooling="cls")


def edited(folder: Path, name: str, change: Any) -> Path:
    path = folder / name
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    return folder


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("modules.json", lambda m: [*m[:2], {**m[1], "type": "x.CNN"}], "a module of kind 'CNN'; expected Transformer"),
        ("modules.json", lambda m: m[:1], r"modules Transformer; expected Transformer, Pooling"),
        ("modules.json", lambda m: [m[0], {**m[1], "path": "../1_Pooling"}], r"module 1 lies in '\.\./1_Pooling'"),
        (
            "modules.json",
            lambda m: [m[0], {**m[1], "type": 5}],
            "module 1 is .*; expected an object with type and path",
        ),
        ("modules.json", lambda m: [m[0], {**m[1], "path": ["1"]}], "module 1 is .*; expected an object with type"),
        ("modules.json", lambda m: [m[0], 7], "module 1 is 7; expected an object with type and path"),
        ("modules.json", lambda m: {"modules": m}, "holds a dict; expected one JSON array"),
        ("1_Pooling/config.json", lambda c: {**c, "pooling_mode": "median"}, "pooling_mode is 'median'; expected some"),
        ("2_Dense/config.json", lambda c: {**c, "in_features": 7}, "maps 7 numbers to 12; expected 32"),
        ("2_Dense/config.json", lambda c: {**c, "activation_function": "a.Swoosh"}, "activation_function 'Swoosh'"),
        ("2_Dense/config.json", lambda c: {**c, "module_input_name": "token_embeddings"}, "module_input_name is"),
        ("config_sentence_transformers.json", lambda c: {**c, "prompts": ["a"]}, r"prompts is \['a'\]; expected texts"),
    ],
)
def test_a_folder_that_cannot_be_followed_is_refused(
    name: str, change: Any, message: str, encoder: Path, tmp_path: Path
) -> None:
    make_sentence_folder(tmp_path / "model", encoder, further=[dense(HIDDEN, 12)])
    with pytest.raises(CheckpointError, match=message):
        load(edited(tmp_path / "model", name, change))


def test_a_map_without_weights_is_refused(encoder: Path, tmp_path: Path) -> None:
    make_sentence_folder(tmp_path / "model", encoder, further=[dense(HIDDEN, 12)])
    (tmp_path / "model" / "2_Dense" / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"2_Dense: no model.safetensors"):
        load(tmp_path / "model")
