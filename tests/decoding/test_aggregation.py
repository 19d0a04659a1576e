"""The drop-in's groups against transformers' own pipeline, on a tiny random model."""

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForTokenClassification, BertTokenizerFast, pipeline

from lexel.decoding.aggregation import STRATEGIES, find_subwords, group_pieces
from lexel.decoding.tags import softmax
from lexel.labels import detect

LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
TEXTS = [
    "The boys were playing football in Boston, when Kowalskis' unbelievable goal ended it.",
    "Mr. Smithson-Jones (born 1972) re-joined AC/DC; nobody's playing replaying.",
    "傅达仁今将执行安乐死,却突然爆出自己20年前遭纬来体育台封杀.",
    "playing",
    "¿Ünlike unplaying? 东京 Tokyo zzz",
    "",
]
PIECES = """
[PAD] [UNK] [CLS] [SEP] [MASK] the boys were play ##ing ##ed ##s foot ##ball in boston when kow ##al ##ski un re
##believ ##able ##play goal end it mr smith ##son jones born 19 ##72 20 join ac dc nobody ##like to ##kyo s
. , - ( ) / ; ' ? 傅 达 仁 今 将 执 行 安 乐 死 却 突 然 爆 出 自 己 年 前 遭 东 京
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tiny")
    (path / "vocab.txt").write_text("\n".join(PIECES.split()), encoding="utf-8")
    tokenizer = BertTokenizerFast(vocab=str(path / "vocab.txt"), do_lower_case=True)
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        id2label=dict(enumerate(LABELS)),
        label2id={label: i for i, label in enumerate(LABELS)},
        initializer_range=0.5,
    )
    model = BertForTokenClassification(config).eval()
    model.classifier.bias.data = torch.tensor([0, 0, 3.0, 0, 2.5])  # so that I- follows its like often enough
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def peer(folder):
    return pipeline("token-classification", model=str(folder), device="cpu")


def read(peer, text):
    """One text's pieces as a tagger would have them: probabilities, offsets and strings, without special pieces."""
    encoded = peer.tokenizer(text, return_offsets_mapping=True, return_tensors="pt")
    offsets = encoded.pop("offset_mapping")[0].numpy()[1:-1]
    with torch.no_grad():
        scores = peer.model(**encoded).logits[0].numpy()[1:-1]
    ids = encoded["input_ids"][0].numpy()[1:-1]
    return softmax(scores), offsets[:, 0], offsets[:, 1], peer.tokenizer.convert_ids_to_tokens(ids.tolist())


def group(peer, text, strategy, *, label_set=None, **options):
    probs, starts, ends, strings = read(peer, text)
    is_subword = find_subwords(
        strings,
        text,
        starts=starts,
        ends=ends,
        unknown=np.array([string == "[UNK]" for string in strings], bool),
        has_prefix=True,
    )
    label_set = label_set or detect(LABELS)
    return group_pieces(
        probs, label_set, starts=starts, ends=ends, strategy=strategy, is_subword=is_subword, **options
    ), strings


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("ignore_labels", [["O"], [], ["PER", "B-PER"]])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_groups_are_those_of_the_pipeline(peer, strategy, ignore_labels, text):
    expected = peer(text, aggregation_strategy=strategy, ignore_labels=ignore_labels)
    groups, _ = group(peer, text, strategy, ignore_labels=ignore_labels)
    key = "entity" if strategy == "none" else "entity_group"
    assert [(g.label, g.start, g.end) for g in groups] == [(e[key], e["start"], e["end"]) for e in expected]
    assert [g.score for g in groups] == pytest.approx([float(e["score"]) for e in expected], abs=1e-6)


def test_the_random_model_makes_groups_worth_comparing(peer):
    merged = [g for text in TEXTS for g in group(peer, text, "simple")[0] if g.pieces[1] - g.pieces[0] > 1]
    labels = {g.label for text in TEXTS for g in group(peer, text, "simple")[0]}
    assert len(merged) > 5
    assert labels == {"PER", "LOC"}


def test_strategy_none_gives_the_pieces_index_and_string(peer):
    expected = peer(TEXTS[0], aggregation_strategy="none")
    groups, strings = group(peer, TEXTS[0], "none")
    assert [(g.pieces[0] + 1, strings[g.pieces[0]]) for g in groups] == [(e["index"], e["word"]) for e in expected]


@pytest.mark.parametrize("strategy", ["simple", "first", "average", "max"])
def test_the_peers_spelling_of_a_word_can_be_made_from_its_pieces(peer, strategy):
    spell = peer.tokenizer.convert_tokens_to_string
    expected = peer(TEXTS[0], aggregation_strategy=strategy)
    groups, strings = group(peer, TEXTS[0], strategy)
    simple = [spell(strings[slice(*g.pieces)]) for g in groups]
    wordwise = [spell([spell(strings[slice(*word)]) for word in g.words]) for g in groups]
    assert (simple if strategy == "simple" else wordwise) == [e["word"] for e in expected]


def test_scores_are_numpys_float32_as_theirs(peer):
    groups, _ = group(peer, TEXTS[0], "average")
    assert {type(g.score) for g in groups} == {np.float32}


def labelled(tags, labels):
    probs = np.full((len(tags), len(labels)), 0.1, np.float32)
    probs[np.arange(len(tags)), [labels.index(tag) for tag in tags]] = 0.6
    return probs


@pytest.mark.parametrize(
    ("labels", "tags", "expected"),
    [
        ("O B-X I-X E-X S-X", "B-X I-X E-X S-X O", [("X", 0, 3), ("X", 3, 4)]),
        ("O B_X I_X", "B_X I_X O B_X", [("X", 0, 2), ("X", 3, 4)]),
        ("O B-X I-X L-X U-X", "U-X U-X B-X L-X", [("X", 0, 1), ("X", 1, 2), ("X", 2, 4)]),
        ("B I", "B I I B", [("B", 0, 3), ("B", 3, 4)]),
        ("NOUN VERB", "NOUN NOUN VERB", [("NOUN", 0, 2), ("VERB", 2, 3)]),
        ("O PER LOC", "PER O LOC LOC", [("PER", 0, 1), ("LOC", 2, 4)]),
    ],
)
def test_units_of_every_scheme_are_joined(labels, tags, expected):
    labels, tags = labels.split(), tags.split()
    at = np.arange(len(tags))
    groups = group_pieces(labelled(tags, labels), detect(labels), starts=at, ends=at + 1, strategy="simple")
    assert [(g.label, g.start, g.end) for g in groups] == expected


def test_neighbours_outside_are_one_group():
    labels, at = ("O", "B-X", "I-X"), np.arange(3)
    groups = group_pieces(
        labelled(["O", "O", "B-X"], labels),
        detect(labels),
        starts=at,
        ends=at + 1,
        strategy="simple",
        ignore_labels=(),
    )
    assert [(g.label, g.start, g.end) for g in groups] == [("O", 0, 2), ("X", 2, 3)]


def test_without_a_continuation_prefix_a_piece_after_no_space_is_a_subword():
    text = " the cats"
    starts, ends = np.array([0, 4, 8, 9]), np.array([4, 8, 9, 9])
    flags = find_subwords(
        ["Ġthe", "Ġcat", "s", "x"], text, starts=starts, ends=ends, unknown=np.zeros(4, bool), has_prefix=False
    )
    assert flags.tolist() == [False, False, True, True]


def test_an_unknown_strategy_is_refused():
    at = np.arange(1)
    with pytest.raises(ValueError, match="'median'; expected one of none, simple"):
        group_pieces(np.ones((1, 2), np.float32), detect(("B", "I")), starts=at, ends=at, strategy="median")


def test_word_strategies_need_to_know_the_subwords():
    at = np.arange(1)
    with pytest.raises(ValueError, match="'first' needs to know"):
        group_pieces(np.ones((1, 2), np.float32), detect(("B", "I")), starts=at, ends=at, strategy="first")
