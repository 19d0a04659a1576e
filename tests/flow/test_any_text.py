"""Any string that Python can hold: offsets slice it, words tile it, whatever the scores are."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lexel.decoding.lexicon import Entry, Lexicon
from lexel.document import Document
from lexel.engines.fake import FakeEngine
from lexel.tasks.layers import TagOptions
from lexel.tasks.tag import Tagger
from tests.builders import (
    ENTITIES,
    POS,
    WORDS,
    WORDS_POS,
    build_tagger,
    fake_tagger,
    write_byte_level_tokenizer,
    write_unigram_tokenizer,
)
from tests.quantised import int8, quantised_tagger

FRAGMENTS = (
    *("天下", "我的中国", "台北市長", "the new york", "unaffable", "a1b2", "don't", "e.g. 3.14"),
    *(
        "สวัสดีครับ",
        "東京タワーに行きました。",
        "日本語",
        "مرحبا بالعالم",
        "שלום עולם",
        "नमस्ते",
        "한국어",
        "\u1112\u1161\u11ab",
    ),
    *(
        "👩\u200d👩\u200d👧\u200d👦",
        "🇹🇼",
        "👍🏽",
        "e\u0301\u0323",
        "\u0301",
        "o\u0308\u0304",
        "\ufe0f",
        "1\ufe0f\u20e3",
    ),
    *(
        "\x00",
        "\x07\x1b[0m",
        "\x7f",
        "\u200b",
        "\u200d",
        "\ufeff",
        "\u00ad",
        "\u200f",
        "\u202e",
        "\ue000",
        "\ufffd",
        "\ufffe",
    ),
    *("\ud800", "\udfff", "\ud83d\ude00", "\udc80", "\U0010ffff", "\U000e0041", "𠮷野家"),
    *(" ", "  ", "\t", "\n", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\xa0", "\u2003", "\u2028", "\u3000"),
    *("İstanbul", "ß", "ﬃ", "㍿", "Ａ１", "ǅ", "[SEP]", "[CLS][MASK]", "<s></s>", "##a", "▁", "Ġ", "x" * 120),
)
CHARACTERS = st.one_of(
    st.characters(), st.characters(categories=["Cs"]), st.characters(categories=["Cc", "Cf", "Mn", "Zs"])
)
TEXTS = st.one_of(
    st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join),
    st.text(CHARACTERS, max_size=30),
    st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(CHARACTERS, max_size=4)), max_size=8).map("".join),
)
BATCHES = st.lists(TEXTS, max_size=5)

LAYERS = {"words": WORDS, "pos": POS, "entities": ENTITIES}
KINDS: dict[str, Callable[[Path], Tagger]] = {
    "characters": lambda folder: fake_tagger(build_tagger(folder, heads=LAYERS, pieces="chars")),
    "word pieces": lambda folder: fake_tagger(build_tagger(folder, heads=LAYERS)),
    "bytes": lambda folder: fake_tagger(
        _with(write_byte_level_tokenizer, build_tagger(folder, heads=LAYERS, config=WIDE))
    ),
    "unigrams": lambda folder: fake_tagger(
        _with(write_unigram_tokenizer, build_tagger(folder, heads=LAYERS, config=WIDE))
    ),
    "words with tags": lambda folder: fake_tagger(build_tagger(folder, heads={"words+pos": WORDS_POS})),
    "BMES": lambda folder: fake_tagger(build_tagger(folder, heads={"words": tuple("BMES")}, pieces="chars")),
    "entities only": lambda folder: fake_tagger(build_tagger(folder, heads={"entities": ENTITIES})),
    "argmax": lambda folder: fake_tagger(build_tagger(folder, heads=LAYERS, pieces="chars"), decode="argmax"),
    "a real model": lambda folder: Tagger.load(
        build_tagger(folder, heads=LAYERS, pieces="chars"), precision="float32", threads=1
    ),
    "int8": lambda _: Tagger.load(quantised_tagger(pieces="chars"), precision="int8", threads=1),
    "clusters": lambda folder: fake_tagger(
        _with(write_byte_level_tokenizer, build_tagger(folder, heads=LAYERS, config=WIDE)), snap="grapheme"
    ),
    "entities on words": lambda folder: fake_tagger(build_tagger(folder, heads=LAYERS), entities_on_words=True),
}
WIDE = {"vocab_size": 400}


def _with(write: Callable[[Path], None], folder: Path) -> Path:
    write(folder)
    return folder


@pytest.fixture(scope="module", params=[int8(kind) if kind == "int8" else kind for kind in KINDS])
def tagger(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tagger:
    return KINDS[request.param](tmp_path_factory.mktemp("model"))


def check(
    document: Document,
    text: str,
    *,
    with_spaces: bool = False,
    tags: Collection[str] = (*POS, "Na", "VC"),
    labels: Collection[str] = ("PER", "LOC"),
) -> None:
    """What holds of every result."""
    assert document.text is text
    check_words(document, with_spaces=with_spaces, tags=tags)
    position = 0
    for entity in document.entities:
        assert position <= entity.start < entity.end <= len(text)
        position = entity.end
        assert text[entity.start : entity.end] == entity.text
        assert entity.label in labels
        assert 0 <= entity.score <= 1


def check_words(document: Document, *, with_spaces: bool, tags: Collection[str]) -> None:
    text, position = document.text, 0
    for word in document.words:
        assert position <= word.start < word.end <= len(text)
        assert text[position : word.start].strip() == ""
        assert text[word.start : word.end] == word.text
        assert with_spaces or not any(map(str.isspace, word.text)) or _is_cluster_with_blank(word.text)
        assert word.score is None or 0 <= word.score <= 1
        assert word.pos is None or word.pos in (*tags, "_")
        position = word.end
    assert text[position:].strip() == ""


def _is_cluster_with_blank(word: str) -> bool:
    """A blank that carries a mark is not a blank to a reader, so it is in a word where clusters are kept."""
    return any(len(cluster) > 1 and not cluster.isspace() and re.search(r"\s", cluster) for cluster in clusters(word))


def clusters(text: str) -> list[str]:
    return regex.findall(r"\X", text)


@given(texts=BATCHES)
@example(texts=["\u0301 \u0301", " \u0301a", "a \u0301", "👩\u200d👩\u200d👧 🇹🇼🇹🇼", "\u0600 a", "\r\n\u0301"])
@settings(max_examples=200)
def test_no_span_cuts_a_grapheme_cluster_where_that_is_asked_for(clustered: Tagger, texts: list[str]) -> None:
    for document in clustered.stream(texts, entities_on_words=False):
        edges = set(itertools.accumulate(map(len, clusters(document.text)), initial=0))
        assert {edge for span in (*document.words, *document.entities) for edge in span[:2]} <= edges


@pytest.fixture(scope="module")
def clustered(tmp_path_factory: pytest.TempPathFactory) -> Tagger:
    return KINDS["clusters"](tmp_path_factory.mktemp("clusters"))


@given(texts=BATCHES)
@example(texts=[])
@example(texts=["", " ", "\n", "\x00", "\ud800"])
@example(texts=list(FRAGMENTS))
@settings(max_examples=60)
def test_offsets_slice_back_and_words_tile(tagger: Tagger, texts: list[str]) -> None:
    documents = list(tagger.stream(texts))
    assert len(documents) == len(texts)
    for document, text in zip(documents, texts, strict=True):
        check(document, text)


@pytest.mark.parametrize("kind", ["bytes", "unigrams"])
def test_a_character_of_several_pieces_is_in_one_entity(kind: str, tmp_path: Path) -> None:
    tagger = KINDS[kind](tmp_path)
    engine, begin = tagger.flows[0].engine, ENTITIES.index("B-PER")
    assert isinstance(engine, FakeEngine)
    engine._rules = engine._rules | {
        "entities": lambda ids: np.eye(len(ENTITIES), dtype=np.float32)[begin][None].repeat(len(ids), 0)
    }
    assert [(one.start, one.end) for one in tagger("⭢ 張 ㍿").entities] == [(0, 1), (2, 3), (4, 5)]


@given(texts=BATCHES)
@settings(max_examples=25)
def test_a_text_gets_the_same_result_in_any_batch(tagger: Tagger, texts: list[str]) -> None:
    assert list(tagger.stream(texts)) == [tagger(text) for text in texts]


@given(text=TEXTS)
@settings(max_examples=25)
def test_every_character_but_blanks_is_in_one_sentence(tagger: Tagger, text: str) -> None:
    inside = [0] * len(text)
    for sentence in tagger(text).sentences:
        for position in range(sentence.start, sentence.end):
            inside[position] += 1
    assert all(n == 1 or (n == 0 and char.isspace()) for n, char in zip(inside, text, strict=True))


@given(
    words=st.lists(st.text(CHARACTERS, max_size=6) | st.sampled_from(FRAGMENTS), max_size=8),
    delimiter=st.sampled_from(["", " ", "\x00"]),
)
@example(words=["", "天", ""], delimiter="")
@settings(max_examples=40)
def test_given_words_come_out_as_they_went_in(tagger: Tagger, words: list[str], delimiter: str) -> None:
    document = tagger.tag_words(words, delimiter=delimiter)
    assert document.text == delimiter.join(words)
    assert document.words.texts == words


ENTRIES = ("天下", "下 我", "中", "new york", "ffa", "京タ", "\u0301", "👩", "b2")


@given(
    texts=st.lists(
        st.one_of(TEXTS, st.lists(st.sampled_from((*ENTRIES, "天", " ")), max_size=9).map("".join)), max_size=4
    ),
    entries=st.lists(st.sampled_from(ENTRIES), unique=True),
)
@settings(max_examples=60)
def test_a_forced_word_is_a_word_and_words_still_tile(tagger: Tagger, texts: list[str], entries: list[str]) -> None:
    lexicon = Lexicon([Entry(word, "force" if i % 2 else "prefer", 5.0) for i, word in enumerate(entries)])
    guided = Tagger(tagger._flows, tagger.layers, TagOptions(lexicon=lexicon))
    for document, text in zip(guided.stream(texts), texts, strict=True):
        check(document, text, with_spaces=True)
        assert all(any(entry in word for entry in entries) for word in document.words.texts if " " in word)
        found = {(word.start, word.end) for word in document.words}
        for start, end in lexicon.match(text):
            if text[start:end] in entries[1::2]:
                assert (start, end) in found or has_dropped(tagger, text, start, end, found)


def has_dropped(tagger: Tagger, text: str, start: int, end: int, found: set[tuple[int, int]]) -> bool:
    """Whether a word holds the range and, beside it, only characters that no piece covers."""
    pieces = tagger._flows[0].tokenizer.encode([text])
    covered = {i for a, b in zip(pieces.starts.tolist(), pieces.ends.tolist(), strict=True) for i in range(a, b)}
    around = [{*range(a, start), *range(end, b)} for a, b in found if a <= start and end <= b]
    return any(covered.isdisjoint(rest) for rest in around)


# The rule for characters that no piece covers ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cutting(tmp_path_factory: pytest.TempPathFactory) -> Tagger:
    """A WordPiece tagger for which every piece begins a word."""
    import numpy as np

    from lexel.engines.fake import FakeEngine

    engine = FakeEngine({"words": lambda ids: np.tile(np.float32([5, -5]), (len(ids), 1))})
    return fake_tagger(build_tagger(tmp_path_factory.mktemp("model"), heads={"words": WORDS}), engine)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("天下", ["天", "下"]),
        ("天\x00下", ["天\x00", "下"]),
        ("\x00天下", ["\x00天", "下"]),
        ("\x00\u200b", ["\x00\u200b"]),
        ("天 \x00", ["天", "\x00"]),
        ("\x00 天", ["\x00", "天"]),
        (" \u3000天\n下\t", ["天", "下"]),
        ("\ufffd下", ["\ufffd下"]),
        ("", []),
        (" \u3000\n", []),
    ],
)
def test_dropped_characters_join_the_word_before_else_after_else_form_one(
    cutting: Tagger, text: str, words: list[str]
) -> None:
    assert cutting(text).words.texts == words


def test_the_fragments_cover_what_the_rules_speak_of() -> None:
    characters = set(itertools.chain.from_iterable(FRAGMENTS))
    assert any("\ud800" <= char <= "\udfff" for char in characters)
    assert any(char.isspace() for char in characters)
