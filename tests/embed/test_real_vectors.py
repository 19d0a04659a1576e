"""Real vectors end to end: what is alike is found, and grouped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lexel import Embedder
from lexel.tasks.cluster import assign_clusters
from lexel.tasks.search import find_nearest
from tests.embed.conftest import sentences

N = 120


@pytest.fixture(scope="module")
def twins() -> list[str]:
    """Sentences in traditional characters, and the same in simplified ones behind them."""
    pairs = [(a, b) for a, b in zip(sentences("zh_gsd", 300), sentences("zh_gsdsimp", 300), strict=True) if a != b]
    assert len(pairs) > N
    return [a for a, _ in pairs[:N]] + [b for _, b in pairs[:N]]


@pytest.fixture(scope="module")
def vectors(twins: list[str]) -> np.ndarray:
    """Their vectors by the bundled encoder, which was trained to tag, with mean pooling."""
    return Embedder.load(precision="float32").encode(twins)


def test_the_bundled_encoder_finds_a_sentence_in_the_other_script(vectors: np.ndarray) -> None:
    found = find_nearest(vectors[N:], vectors[:N], top_k=1)
    assert (found.rows[:, 0] == np.arange(N)).mean() > 0.95


def test_clusters_put_the_two_scripts_of_a_sentence_together(twins: list[str]) -> None:
    vectors = Embedder.load(precision="float32", script="simplified").encode(twins)
    labels = assign_clusters(vectors, n_clusters=20)
    assert (labels[:N] == labels[N:]).mean() > 0.9
    assert len(set(labels.tolist())) == 20
    assert (labels[:N] == np.roll(labels[N:], 1)).mean() < 0.3
    joined = assign_clusters(vectors, threshold=0.97)
    assert (joined[:N] == joined[N:]).mean() > 0.8


def test_all_minilm_finds_what_means_the_same(minilm: str) -> None:
    embedder = Embedder.load(minilm)
    corpus = [*sentences("en_ewt", 200), "The cat sat on the mat.", "Shares fell sharply in London on Friday."]
    queries = ["On the rug, there was a kitten sitting.", "Stock prices dropped at the end of the week in England."]
    found = find_nearest(embedder.encode(corpus), embedder.encode(queries), top_k=1)
    assert found.rows[:, 0].tolist() == [200, 201]
    assert embedder.similarity("How old are you?", ["What is your age?", "Where do you live?"]).argmax() == 0


def test_embedded_texts_are_the_same_alone_and_among_others(minilm: str, tmp_path: Path) -> None:
    embedder = Embedder.load(minilm, precision="float32")
    texts = sentences("en_ewt", 30)
    together = embedder.encode(texts)
    np.testing.assert_allclose(np.stack([embedder(text).vector for text in texts[:6]]), together[:6], atol=1e-6)


def test_a_model_that_reads_one_script_gives_both_scripts_of_a_sentence_one_vector() -> None:
    traditional, simplified = "他們說這裡的天氣很好。", "他们说这里的天气很好。"
    plain, converting = (Embedder.load(precision="float32", script=script) for script in ("as-is", "simplified"))
    assert converting.similarity(traditional, [simplified])[0] == pytest.approx(1, abs=1e-5)
    assert plain.similarity(traditional, [simplified])[0] < 0.999
