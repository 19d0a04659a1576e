"""The probe on models whose layers are known: what is put into a layer is found there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lexel.checkpoint import Checkpoint, open_checkpoint
from lexel.data import read_jsonl
from lexel.document import Document, Spans, Words
from lexel.engines.choose import EngineOptions
from lexel.errors import DataError
from lexel.evaluation.probe.probe import ProbeOptions, ProbeResult, probe
from lexel.names import Layer
from tests.builders import SPECIALS, bert_config, bert_tensors, build_tagger, write_folder

LETTERS = "abcdefgh"
ENGINE = EngineOptions(engine="numpy")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A BERT without a head, whose layers mix a piece with its neighbours."""
    folder = tmp_path_factory.mktemp("models") / "bare"
    vocab = (*SPECIALS, *LETTERS, *(f"##{letter}" for letter in LETTERS))
    config = bert_config(vocab_size=len(vocab), hidden_size=32, num_attention_heads=4)
    config["architectures"] = ["BertModel"]
    write_folder(folder, config, bert_tensors(config, {}, seed=3), vocab)
    return open_checkpoint(folder)


def _documents(n: int = 150, *, seed: int = 0, by_text: bool = False) -> list[Document]:
    """Words of a letter each; their tag tells the letter, or whether the text has an ``a``."""
    random = np.random.default_rng(seed)
    documents = []
    for number in range(n):
        letters = [LETTERS[i] for i in random.integers(len(LETTERS), size=8)]
        text = " ".join(letters)
        tags = [
            ("A" if "a" in text else "B") if by_text else "VOWEL" if letter in "ae" else "OTHER" for letter in letters
        ]
        spans = [(2 * i, 2 * i + 1) for i in range(len(letters))]
        types = {"b": "X", "c": "Y", "d": "Z"}
        entities = [(*span, types[letter]) for span, letter in zip(spans, letters, strict=True) if letter in types]
        documents.append(Document(text, Words.of(text, spans, tags), Spans.of(text, entities), id=str(number)))
    return documents


def _probe(checkpoint: Checkpoint, documents: list[Document], target: Layer = "pos", **options: int) -> ProbeResult:
    return probe(checkpoint, documents, options=ProbeOptions(target, n_samples=50, **options), engine=ENGINE)


def test_what_a_piece_says_of_itself_is_in_every_layer(checkpoint: Checkpoint) -> None:
    result = _probe(checkpoint, _documents())
    assert [layer.layer for layer in result.layers] == [0, 1, 2]
    assert [layer.score.value for layer in result.layers] == pytest.approx([1, 1, 1], abs=0.02)
    assert result.best.layer == 0


def test_what_only_the_context_says_is_not_in_the_embeddings(checkpoint: Checkpoint) -> None:
    result = _probe(checkpoint, _documents(300, by_text=True))
    assert result.layers[0].score.value == pytest.approx(result.baseline.value, abs=0.05)
    assert result.best.layer > 0
    assert result.best.score.low is not None
    assert result.layers[0].score.high is not None
    assert result.best.score.low > result.layers[0].score.high


def test_entities_and_words_are_scored_as_spans(checkpoint: Checkpoint) -> None:
    entities = _probe(checkpoint, _documents(), "entities")
    assert set(entities.labels) == {"O", "B-X", "I-X", "B-Y", "I-Y", "B-Z", "I-Z"}
    assert entities.baseline.value == 0
    assert entities.best.score.value > 0.95
    words = _probe(checkpoint, _joined(), "words")
    assert words.metric == "F1 of words"
    assert words.best.score.value > words.baseline.value


def _joined() -> list[Document]:
    """Words of one or two pieces: ``a`` goes with the letter after it."""
    documents = []
    for document in _documents():
        text = document.text.replace("a ", "a")
        cuts = [i for i, char in enumerate(text) if char != " " and (i == 0 or text[i - 1] in " ")]
        ends = [text.find(" ", start) if text.find(" ", start) > 0 else len(text) for start in cuts]
        documents.append(Document(text, Words.of(text, zip(cuts, ends, strict=True))))
    return documents


def test_the_same_seed_gives_the_same_scores(checkpoint: Checkpoint) -> None:
    one, same = (_probe(checkpoint, _documents(60)) for _ in range(2))
    assert one.layers == same.layers
    assert one == same
    assert _probe(checkpoint, _documents(60), seed=1).n_documents != one.n_documents


def test_the_parts_add_up_and_a_test_set_is_scored_whole(checkpoint: Checkpoint) -> None:
    result = _probe(checkpoint, _documents(60))
    assert sum(result.n_documents) == 60
    assert sum(result.n_items) == 60 * 8
    options = ProbeOptions("pos", n_samples=0)
    given = probe(checkpoint, _documents(60), options=options, engine=ENGINE, test=_documents(20, seed=5))
    assert given.n_documents[2] == 20
    assert sum(given.n_documents) == 80
    assert given.best.score.low is None


def test_only_so_many_pieces_are_looked_at(checkpoint: Checkpoint) -> None:
    documents = _documents(2000)
    assert sum(_probe(checkpoint, documents, max_items=400).n_items) < 4000


def test_documents_without_the_property_are_passed_over(checkpoint: Checkpoint) -> None:
    bare = [Document(document.text) for document in _documents(40)]
    mixed = [each for pair in zip(_documents(40), bare, strict=True) for each in pair]
    assert sum(_probe(checkpoint, mixed).n_documents) == 40


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ([Document("a b")], "pos: 0 documents with that layer"),
        (_documents(1), "pos: 1 documents with that layer"),
        ([Document("b c", Words.of("b c", [(0, 1)], ["X"]))] * 20, "pos: one label in all of the data"),
    ],
)
def test_too_little_data_is_refused(checkpoint: Checkpoint, documents: list[Document], said: str) -> None:
    with pytest.raises(DataError, match=said):
        _probe(checkpoint, documents)


def test_real_sentences_can_be_probed_with_any_head(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path / "model", heads={"words": ("B", "I")}, pieces="chars")
    data = Path(__file__).parents[2] / "data" / "zh_gsdsimp.jsonl"
    result = probe(
        open_checkpoint(folder),
        list(read_jsonl(data))[:80],
        options=ProbeOptions("entities", n_samples=20, max_items=2000),
        engine=ENGINE,
    )
    assert set(result.labels) == {"O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"}
    assert all(0 <= layer.score.value < 1 for layer in result.layers)
