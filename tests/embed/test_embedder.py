"""What an embedder gives beyond sentence-transformers: long texts, layers, learned pooling, words, entities."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

import lexel
from lexel import CheckpointError, DataError, Document, Embedder, LexelError, Spans, Words
from lexel.checkpoint import open_checkpoint
from lexel.engines.fake import FakeEngine
from lexel.tasks.base import Flow
from lexel.tasks.pooling_choice import EmbedOptions, plan_pooling
from tests.builders import ENTITIES, VOCAB, build_tagger, write_json
from tests.embed.conftest import HIDDEN, TEXTS

CLS, SEP = VOCAB.index("[CLS]"), VOCAB.index("[SEP]")
LONG = "我在北京上大学 the new york 123 " * 20
TABLE = np.random.default_rng(3).normal(size=(len(VOCAB), HIDDEN)).astype(np.float32)
SHARES = np.random.default_rng(4).normal(size=(len(VOCAB), 1)).astype(np.float32) * 2


def load(folder: Path | str, **options: Any) -> Embedder:
    return Embedder.load(folder, **{"engine": "numpy", **options})


@pytest.fixture(scope="module")
def embedder(encoder: Path) -> Embedder:
    return load(encoder)


def add_head(folder: Path, encoder: Path, *, dense: int | None = 6, attention: bool = True) -> Path:
    """A Lexel folder with a head for learned pooling."""
    folder.mkdir()
    for path in encoder.iterdir():
        if path.name != "model.safetensors":
            (folder / path.name).write_bytes(path.read_bytes())
    random = np.random.default_rng(5)
    tensors = load_file(encoder / "model.safetensors")
    shapes = {"attention": 1} if attention else {}
    for name, size in (shapes | ({} if dense is None else {"dense": dense})).items():
        tensors[f"heads.vec.{name}.weight"] = random.normal(size=(size, HIDDEN)).astype(np.float32)
        tensors[f"heads.vec.{name}.bias"] = random.normal(size=size).astype(np.float32)
    save_file(tensors, folder / "model.safetensors")
    entry = {"task": "embed", "prefix": "heads.vec"}
    write_json(folder / "lexel.json", {"format": 1, "pieces": "tokenizer", "heads": {"vec": entry}})
    return folder


def faked(folder: Path, pooling: str | None) -> Embedder:
    """An embedder whose hidden states are looked up by piece, so that the right answer is plain."""
    checkpoint = open_checkpoint(folder)
    plan = plan_pooling(checkpoint, None, EmbedOptions(pooling))
    engine = FakeEngine({"hidden.2": lambda ids: TABLE[ids], "vec": lambda ids: SHARES[ids]})
    return Embedder(Flow("fake", checkpoint, engine, outputs=plan.outputs, batch_pieces=128), plan)


def pieces_of(embedder: Embedder, text: str) -> NDArray[np.int32]:
    return embedder.flow.tokenizer.encode([text]).ids


def expected_of(way: str, ids: NDArray[np.int32]) -> NDArray[Any]:
    """The vector of a whole text's pieces, special ones around them."""
    framed = np.array([CLS, *ids, SEP])
    states = TABLE[framed].astype(np.float64)
    if way == "attention":
        weights = np.exp(SHARES[framed, 0].astype(np.float64))
        return (states * weights[:, None]).sum(0) / weights.sum()
    places = np.arange(1, len(framed) + 1)[:, None]
    return {
        "mean": states.mean(0),
        "max": states.max(0),
        "cls": states[0],
        "last": states[-1],
        "mean_sqrt_len": states.sum(0) / np.sqrt(len(framed)),
        "weighted_mean": (states * places).sum(0) / places.sum(),
    }[way]


@pytest.mark.parametrize("way", ["mean", "max", "cls", "last", "mean_sqrt_len", "weighted_mean"])
def test_a_text_of_many_windows_is_pooled_as_if_it_were_read_at_once(way: str, encoder: Path) -> None:
    embedder = faked(encoder, way)
    texts = ["上", LONG, "the new york", LONG[:300], ""]
    for text, found in zip(texts, embedder.stream(texts), strict=True):
        ids = pieces_of(embedder, text)
        assert found.n_pieces == len(ids)
        np.testing.assert_allclose(found.vector, expected_of(way, ids), atol=2e-6)
    assert embedder(LONG).n_windows > 5


def test_learned_pooling_over_many_windows_is_one_softmax(encoder: Path, tmp_path: Path) -> None:
    embedder = faked(add_head(tmp_path / "model", encoder, dense=None), None)
    assert embedder.plan.ways == ("attention",)
    for text in (LONG, "上", ""):
        found = embedder(text)
        np.testing.assert_allclose(found.vector, expected_of("attention", pieces_of(embedder, text)), atol=2e-6)


def states_of(encoder: Path, text: str) -> NDArray[Any]:
    """The last hidden states of a text, special pieces included."""
    pipe = lexel.pipeline("feature-extraction", str(encoder), engine="numpy", precision="float64")
    return np.asarray(pipe(text, return_tensors="np")[0])


def test_a_learned_head_weighs_pieces_and_maps_their_mean(encoder: Path, tmp_path: Path) -> None:
    folder = add_head(tmp_path / "model", encoder)
    tensors = {name: value.astype(np.float64) for name, value in load_file(folder / "model.safetensors").items()}
    states = states_of(encoder, TEXTS[1])
    shares = states @ tensors["heads.vec.attention.weight"][0] + tensors["heads.vec.attention.bias"]
    pooled = (np.exp(shares)[:, None] * states).sum(0) / np.exp(shares).sum()
    expected = np.tanh(tensors["heads.vec.dense.weight"] @ pooled + tensors["heads.vec.dense.bias"])
    for engine in ("numpy", "openvino", "torch"):
        precision = "auto" if engine == "numpy" else "float32"
        found = load(folder, engine=engine, precision=precision, threads=1)
        np.testing.assert_allclose(found(TEXTS[1]).vector, expected, atol=1e-4)


def test_a_head_of_a_dense_map_alone_maps_the_mean(encoder: Path, tmp_path: Path) -> None:
    folder = add_head(tmp_path / "model", encoder, attention=False)
    tensors = load_file(folder / "model.safetensors")
    mean = states_of(encoder, TEXTS[0]).mean(0)
    expected = np.tanh(tensors["heads.vec.dense.weight"] @ mean + tensors["heads.vec.dense.bias"])
    np.testing.assert_allclose(load(folder)(TEXTS[0]).vector, expected, atol=1e-5)


def test_learned_pooling_without_a_head_is_refused(encoder: Path) -> None:
    with pytest.raises(CheckpointError, match="no head for learned pooling; it holds a bare encoder"):
        load(encoder, pooling="learned")


def test_a_head_without_weights_is_refused(encoder: Path, tmp_path: Path) -> None:
    folder = add_head(tmp_path / "model", encoder, dense=None, attention=False)
    with pytest.raises(CheckpointError, match=r"head vec has neither heads.vec.attention nor heads.vec.dense"):
        load(folder)


def test_the_mean_of_the_last_layers_is_that_of_each(encoder: Path) -> None:
    layers = [load(encoder, layer=layer).encode(TEXTS) for layer in (0, 1, 2)]
    np.testing.assert_allclose(load(encoder, pooling="last-2").encode(TEXTS), (layers[1] + layers[2]) / 2, atol=1e-5)
    np.testing.assert_allclose(load(encoder, pooling="last-3").encode(TEXTS), sum(layers) / 3, atol=1e-5)
    np.testing.assert_array_equal(load(encoder, layer=-1).encode(TEXTS), layers[2])
    assert np.abs(layers[1] - layers[2]).max() > 0.1


def test_a_plain_folder_is_pooled_by_mean_and_that_is_said(encoder: Path, embedder: Embedder) -> None:
    np.testing.assert_allclose(embedder(TEXTS[1]).vector, states_of(encoder, TEXTS[1]).mean(0), atol=1e-5)
    assert "pooling: mean of hidden.2 (the model's files do not define it" in embedder.description


def test_vectors_come_in_order_one_for_each_text_as_arrays_or_one_by_one(embedder: Embedder) -> None:
    texts = [TEXTS[i % len(TEXTS)] * (1 + i % 3) for i in range(60)]
    together = embedder.encode(texts)
    np.testing.assert_allclose(np.stack([one.vector for one in embedder.stream(texts)]), together)
    for i in (0, 3, 31):
        np.testing.assert_allclose(embedder(texts[i]).vector, together[i], atol=1e-5)


def test_no_texts_give_an_empty_array(embedder: Embedder) -> None:
    assert embedder.encode([]).shape == (0, HIDDEN)


def test_texts_are_read_as_they_come(embedder: Embedder) -> None:
    seen = 0

    def texts() -> Iterator[str]:
        nonlocal seen
        for _ in range(100):
            seen += 1
            yield "的" * 5000

    next(embedder.stream(texts()))
    assert seen < 20


def test_normalised_vectors_have_length_1_cut_ones_too(encoder: Path) -> None:
    for options in ({}, {"dimensions": 7}):
        found = load(encoder, normalise=True, **options).encode(TEXTS)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    plain = load(encoder, dimensions=7).encode(TEXTS)
    np.testing.assert_array_equal(plain, load(encoder).encode(TEXTS)[:, :7])


def test_similarity_is_the_cosine_of_the_vectors(embedder: Embedder) -> None:
    vectors = embedder.encode(TEXTS)
    cosines = [a @ vectors[0] / np.linalg.norm(a) / np.linalg.norm(vectors[0]) for a in vectors[1:]]
    np.testing.assert_allclose(embedder.similarity(TEXTS[0], TEXTS[1:]), cosines, atol=1e-5)
    assert embedder.similarity(TEXTS[0], [TEXTS[0]])[0] == pytest.approx(1)


def test_a_word_is_the_mean_of_its_pieces_in_its_text(encoder: Path, embedder: Embedder) -> None:
    text = "the living 我 york"
    states = states_of(encoder, text)[1:-1]
    assert embedder.flow.tokenizer.strings(pieces_of(embedder, text))[:3] == ["the", "live", "##ing"] or len(states) > 4
    pieces = embedder.flow.tokenizer.encode([text])
    document = Document(text, Words.of(text, [(0, 3), (4, 10), (11, 12), (13, 17)]))
    found = embedder.words(document)
    for vector, word in zip(found, document.words, strict=True):
        own = (pieces.starts >= word.start) & (pieces.ends <= word.end)
        np.testing.assert_allclose(vector, states[own].mean(0), atol=1e-5)


def test_an_entity_is_the_mean_of_its_pieces_and_may_cross_words(encoder: Path, embedder: Embedder) -> None:
    text = "in new york 上"
    document = Document(text, None, Spans.of(text, [(3, 11, "LOC")]))
    states = states_of(encoder, text)[1:-1]
    np.testing.assert_allclose(embedder.entities(document), states[1:3].mean(0)[None], atol=1e-5)


def test_words_of_many_documents_come_in_order_and_a_long_ones_all(encoder: Path) -> None:
    embedder = load(encoder, normalise=True, dimensions=5)
    texts = [LONG, "", "的一", LONG[:100]]
    documents = [
        Document(text, Words.of(text, [(i, i + 1) for i in range(len(text)) if text[i] != " "])) for text in texts
    ]
    found = list(embedder.stream_parts(documents, part="word"))
    assert [vectors.shape for vectors in found] == [(len(document.words), 5) for document in documents]
    np.testing.assert_allclose(np.linalg.norm(found[0], axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(found[2], embedder.words(documents[2]), atol=1e-5)


def test_a_word_in_no_piece_has_zeros(embedder: Embedder) -> None:
    document = Document("的\x00一", Words.of("的\x00一", [(0, 1), (1, 2), (2, 3)]))
    norms = np.linalg.norm(embedder.words(document), axis=1)
    assert norms[1] == 0
    assert norms[[0, 2]].min() > 0.1


def test_a_document_without_the_layer_is_refused(embedder: Embedder) -> None:
    with pytest.raises(DataError, match="document 'a': has no entities; expected them to embed"):
        embedder.entities(Document("the new york", id="a"))


def test_a_tagging_folder_is_embedded_without_its_heads(tmp_path: Path, encoder: Path) -> None:
    folder = build_tagger(tmp_path / "ner", heads={"entities": ENTITIES}, config={"hidden_size": HIDDEN}, seed=4)
    assert load(folder).encode(TEXTS).shape == (len(TEXTS), HIDDEN)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "median"}, "pooling is 'median'; expected one of cls, max, mean"),
        ({"pooling": "last-4"}, "pooling is last-4; expected at most last-3, with layer 2"),
        ({"layer": 3}, r"layer is 3; expected -3 to 2"),
        ({"dimensions": 33}, "dimensions is 33; expected 1 to 32"),
        ({"dimensions": 0}, "dimensions is 0; expected 1 to 32"),
    ],
)
def test_what_a_model_does_not_have_is_refused(options: dict[str, Any], message: str, encoder: Path) -> None:
    with pytest.raises(LexelError, match=message):
        load(encoder, **options)


def test_one_text_and_several_are_told_apart(embedder: Embedder) -> None:
    with pytest.raises(TypeError, match=r"expected one text \(str\), found list"):
        embedder(["a"])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected several texts, found one str"):
        embedder.encode("a")
    with pytest.raises(TypeError, match="text 1: expected str, found int"):
        embedder.encode(["a", 1])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="found one str; put it in a list"):
        embedder.similarity("a", "b")
