"""The tagger as people use it: lazily, nested, from threads, with wrong arguments, with one checkpoint or several."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lexel.decoding.lexicon import Entry, Lexicon
from lexel.document import Document
from lexel.engines.fake import FakeEngine
from lexel.errors import DataError, EngineError, LabelError
from lexel.tasks.base import BLOCK_CHARS
from lexel.tasks.layers import TagOptions
from lexel.tasks.tag import Tagger
from tests.builders import ENTITIES, POS, VOCAB, WORDS, WORDS_POS, build_rule_tagger, build_tagger, fake_tagger
from tests.quantised import int8, quantised_tagger

LAYERS = {"words": WORDS, "pos": POS, "entities": ENTITIES}
TEXTS = [
    "天下的我",
    "",
    "我 the 中国",
    "   ",
    "人在北市，要學天地。" * 30,
    "x",
    "\n",
    "new york 上天",
    "王小明出生",
    "那就去",
] * 3


@pytest.fixture(scope="module", params=["float32", int8("int8")])
def nlp(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tagger:
    """A joint model of three layers, computed for real."""
    if request.param == "int8":
        return Tagger.load(quantised_tagger(pieces="chars"), precision="int8", threads=2)
    folder = build_tagger(tmp_path_factory.mktemp("joint"), heads=LAYERS, pieces="chars")
    return Tagger.load(folder, precision="float32", threads=2)


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Tagger:
    return fake_tagger(build_tagger(tmp_path_factory.mktemp("fake"), heads=LAYERS, pieces="chars"))


@pytest.fixture(scope="module")
def expected(nlp: Tagger) -> list[Document]:
    """What each text gives by itself."""
    return [nlp(text) for text in TEXTS]


def same(found: Document, wanted: Document) -> bool:
    """Equal but for the last digits of scores."""
    words = [(word.start, word.end, word.pos) for word in found.words] == [
        (word.start, word.end, word.pos) for word in wanted.words
    ]
    entities = [entity[:4] for entity in map(_fields, found.entities)] == [
        entity[:4] for entity in map(_fields, wanted.entities)
    ]
    return found.text == wanted.text and words and entities and bool(_close(found, wanted))


def _fields(entity: Any) -> tuple[Any, ...]:
    return entity.start, entity.end, entity.text, entity.label


def _close(found: Document, wanted: Document) -> bool:
    pairs = [(found.words.scores, wanted.words.scores), (found.words.pos_scores, wanted.words.pos_scores)]
    pairs.append((found.entities.scores, wanted.entities.scores))
    return all(np.allclose(a, b, atol=1e-5) for a, b in pairs if a is not None and b is not None)


# Streams -------------------------------------------------------------------------------------------------------------


def test_a_stream_gives_one_document_for_each_text_in_order(nlp: Tagger, expected: list[Document]) -> None:
    found = list(nlp.stream(TEXTS))
    assert len(found) == len(TEXTS)
    assert all(map(same, found, expected))


def test_every_layer_is_there(expected: list[Document]) -> None:
    assert expected[0].layers == {"words", "pos", "entities", "sentences"}
    assert sum(len(document.entities) for document in expected) > 10
    assert {word.pos for document in expected for word in document.words} == set(POS)


@pytest.mark.parametrize("text", ["", " ", "\n", "\u3000\t "])
def test_an_empty_or_blank_text_gives_an_empty_document(nlp: Tagger, text: str) -> None:
    document = nlp(text)
    assert document.text == text
    assert len(document.words) == 0
    assert len(document.sentences) == 0


def test_no_texts_give_no_documents(nlp: Tagger) -> None:
    assert list(nlp.stream([])) == []


def test_only_empty_texts_give_as_many_documents(nlp: Tagger) -> None:
    assert [document.text for document in nlp.stream([""] * 40_000)] == [""] * 40_000


class Counted:
    """Texts that count how many of them were taken; far more than anybody should take."""

    def __init__(self, n_chars: int) -> None:
        self.taken = 0
        self._text = "天" * n_chars

    def __iter__(self) -> Iterator[str]:
        while self.taken < 10_000:
            self.taken += 1
            yield self._text


@pytest.mark.parametrize("n_chars", [100, 5000, 40_000])
def test_a_stream_takes_its_texts_lazily(fake: Tagger, n_chars: int) -> None:
    texts = Counted(n_chars)
    stream = fake.stream(texts)
    assert texts.taken == 0
    next(stream)
    in_a_block = -(-BLOCK_CHARS // (n_chars + 1))
    assert texts.taken <= 2 * in_a_block
    for _ in range(3 * in_a_block):
        next(stream)
    assert texts.taken <= 6 * in_a_block


def test_a_real_engine_takes_its_texts_lazily_too(nlp: Tagger) -> None:
    texts = Counted(1000)
    next(nlp.stream(texts))
    assert texts.taken <= 3 * (BLOCK_CHARS // 1000 + 1)


def test_texts_may_be_read_one_inside_the_loop_over_another(nlp: Tagger, expected: list[Document]) -> None:
    for document, wanted in zip(nlp.stream(TEXTS), expected, strict=True):
        assert same(document, wanted)
        assert same(nlp("天下的我"), expected[0])
        assert same(next(nlp.stream(TEXTS)), expected[0])


def test_two_streams_may_be_read_in_turn(nlp: Tagger, expected: list[Document]) -> None:
    for one, other, wanted in zip(nlp.stream(TEXTS), nlp.stream(TEXTS), expected, strict=True):
        assert same(one, wanted)
        assert same(other, wanted)


def test_the_result_of_a_stream_may_be_its_own_input(nlp: Tagger, expected: list[Document]) -> None:
    again = nlp.stream(document.text for document in nlp.stream(TEXTS))
    assert all(map(same, again, expected))


def test_eight_threads_may_read_at_once(nlp: Tagger, expected: list[Document]) -> None:
    def read(number: int) -> bool:
        if number % 2:
            return all(map(same, nlp.stream(TEXTS), expected))
        return all(same(nlp(text), wanted) for text, wanted in zip(TEXTS, expected, strict=True))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(8)))


def test_an_abandoned_stream_harms_nobody(nlp: Tagger, expected: list[Document]) -> None:
    held = [nlp.stream(TEXTS) for _ in range(20)]
    for stream in held:
        next(stream)
    assert all(map(same, nlp.stream(TEXTS), expected))
    del held, stream
    gc.collect()
    assert all(map(same, nlp.stream(TEXTS), expected))


def test_an_error_in_the_source_of_texts_passes_through(nlp: Tagger, expected: list[Document]) -> None:
    def failing() -> Iterator[str]:
        yield "天下"
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(nlp.stream(failing()))
    assert same(nlp(TEXTS[0]), expected[0])


# Wrong arguments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("argument", [["a", "b"], b"bytes", None, 3])
def test_a_call_takes_one_str(fake: Tagger, argument: Any) -> None:
    with pytest.raises(TypeError, match=rf"found {type(argument).__name__}; for several, iterate over stream"):
        fake(argument)


def test_a_stream_refuses_one_str_at_once(fake: Tagger) -> None:
    with pytest.raises(TypeError, match="expected several texts, found one str"):
        fake.stream("天下")


def test_a_stream_names_the_text_that_is_none(fake: Tagger) -> None:
    with pytest.raises(TypeError, match="text 2: expected str, found NoneType"):
        list(fake.stream(["a", "b", None]))  # type: ignore[list-item]


def test_given_words_are_a_list(fake: Tagger) -> None:
    with pytest.raises(TypeError, match="found a str; to find words, call the tagger"):
        fake.tag_words("天下")


def test_given_words_of_a_stream_are_lists(fake: Tagger) -> None:
    with pytest.raises(TypeError, match="text 1: expected its words"):
        list(fake.stream_words([["天", "下"], "天下"]))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"engine": "onnx"}, EngineError, "engine 'onnx' is not known"),
        ({"precision": "fp8"}, EngineError, "precision 'fp8' is not known"),
        ({"threads": 0}, EngineError, "threads is 0; expected 1 or more"),
        ({"decode": "greedy"}, ValueError, "decode is 'greedy'; expected 'viterbi' or 'argmax'"),
        ({"batch_pieces": 0}, EngineError, "batch_pieces is 0; expected 1 or more"),
    ],
)
def test_unknown_options_are_refused(
    tmp_path: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Tagger.load(build_tagger(tmp_path, heads={"words": WORDS}), **options)


def test_max_chars_refuses_longer_texts_and_names_them(tmp_path: Path) -> None:
    limited = fake_tagger(build_tagger(tmp_path, heads=LAYERS, pieces="chars"), max_chars=5)
    assert len(list(limited.stream(["12345", ""]))) == 2
    with pytest.raises(DataError, match=r"text 1: 6 characters; expected at most 5 \(max_chars\)"):
        list(limited.stream(["12345", "123456"]))
    with pytest.raises(DataError, match="text 0: 6 characters"):
        limited.tag_words(["123", "456"])


# Layers from several checkpoints -------------------------------------------------------------------------------------


def options() -> dict[str, Any]:
    return {"precision": "float32", "threads": 1}


def test_separate_checkpoints_act_as_one(tmp_path: Path) -> None:
    folders = {
        name: build_tagger(tmp_path / name, heads={name: labels}, pieces=pieces, seed=i)
        for i, (name, labels, pieces) in enumerate(
            [("words", WORDS, "chars"), ("pos", POS, "chars"), ("entities", ENTITIES, "tokenizer")]
        )
    }
    together = Tagger.load(**folders, **options())
    words, entities = (Tagger.load(folders[name], **options()) for name in ("words", "entities"))
    pos = Tagger.load(pos=folders["pos"], words=folders["words"], **options())
    assert len(together.flows) == 3
    for text, document in zip(TEXTS, together.stream(TEXTS), strict=True):
        assert document.words.texts == words(text).words.texts
        assert document.words.pos == pos(text).words.pos
        assert document.entities == entities(text).entities


def test_a_named_checkpoint_takes_the_place_of_the_main_ones_head(tmp_path: Path) -> None:
    main = build_tagger(tmp_path / "main", heads=LAYERS, pieces="chars")
    other = build_tagger(tmp_path / "other", heads={"entities": ("O", "B-ORG", "I-ORG")}, pieces="chars", seed=5)
    tagger = Tagger.load(main, entities=other, **options())
    alone = Tagger.load(main, joint=False, **options())
    assert {entity.label for document in tagger.stream(TEXTS) for entity in document.entities} == {"ORG"}
    assert [document.words for document in tagger.stream(TEXTS)] == [document.words for document in alone.stream(TEXTS)]


def test_a_checkpoint_named_for_a_layer_must_have_it(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path, heads={"entities": ENTITIES}, pieces="chars")
    with pytest.raises(LabelError, match=r"no head gives words; it has entities \(entities\)"):
        Tagger.load(words=folder, **options())


def test_one_checkpoint_of_several_heads_is_read_in_one_pass(nlp: Tagger) -> None:
    assert len(nlp.flows) == 1


def test_a_model_of_characters_that_only_tags_asks_for_words(tmp_path: Path) -> None:
    tagger = Tagger.load(build_tagger(tmp_path, heads={"pos": POS}, pieces="chars"), **options())
    with pytest.raises(LabelError, match="it tags words but does not find them; load it with words="):
        tagger("天下")
    with pytest.raises(LabelError, match="give the words to tag_words or stream_words"):
        tagger.stream(["天下"])
    assert tagger.tag_words(["天下", "的"]).words.texts == ["天下", "的"]


def test_without_a_words_head_words_are_the_pre_tokenisers_and_this_is_said(tmp_path: Path) -> None:
    tagger = fake_tagger(build_tagger(tmp_path, heads={"entities": ENTITIES}))
    assert tagger("The new-york x1, 天下").words.texts == ["The", "new", "-", "york", "x1", ",", "天", "下"]
    assert "words: no head gives them, so they are the pre-tokeniser's" in tagger.description


def test_the_description_names_model_heads_and_engine(nlp: Tagger) -> None:
    lines = nlp.description.splitlines()
    assert lines[0].startswith("model: ")
    assert "head words: words in BI, 2 labels" in lines
    assert "head entities: entities in BIO, 5 labels" in lines
    precision = nlp.flows[0].engine.precision
    assert any(line.startswith(f"engine: openvino {precision}, 2 threads, ") for line in lines)


# Decoding ------------------------------------------------------------------------------------------------------------

Rule = Callable[[NDArray[np.int32]], NDArray[np.float32]]


def always(*scores: float) -> Rule:
    """A rule that gives every piece the same scores."""
    return lambda ids: np.tile(np.float32(scores), (len(ids), 1))


def table(by_char: dict[str, tuple[float, ...]], otherwise: tuple[float, ...]) -> Rule:
    """A rule that gives some characters scores of their own."""
    rows = {VOCAB.index(char): scores for char, scores in by_char.items()}
    return lambda ids: np.array([rows.get(i, otherwise) for i in ids.tolist()], np.float32).reshape(-1, len(otherwise))


JOINT = {
    "words": table({"下": (-4, 4), "国": (-4, 4)}, (4, -4)),
    "pos": table({"天": (9, 0, 0, 0), "下": (0, 9, 0, 0), "我": (0, 0, 9, 0)}, (0, 0, 0, 3)),
    "entities": table({"下": (0, 9, 0, 0, 0), "国": (0, 0, 0, 0, 0), "的": (0, 0, 7, 0, 0)}, (9, 0, 0, 0, 0)),
}
SENTENCE = "天下的我中国"


def joint(folder: Path, *, word_label: str = "first", **options: Any) -> Tagger:
    folder = build_tagger(folder, heads=LAYERS, pieces="chars", word_label=word_label)
    return fake_tagger(folder, FakeEngine(JOINT), **{"joint": False, **options})


def test_words_tags_and_entities_come_from_one_pass(tmp_path: Path) -> None:
    document = joint(tmp_path)(SENTENCE)
    assert document.words.texts == ["天下", "的", "我", "中国"]
    assert document.words.pos == ["Na", "PERIODCATEGORY", "D", "PERIODCATEGORY"]
    assert [(entity.text, entity.label) for entity in document.entities] == [("下的", "PER")]


def test_words_and_entities_are_decoded_together_unless_the_caller_says_otherwise(tmp_path: Path) -> None:
    found = {}
    for together in (True, False):
        document = joint(tmp_path / str(together), joint=together)(SENTENCE)
        found[together] = document.words.texts, document.entities.texts
    assert found[True] == (["天", "下", "的", "我", "中国"], ["下的"])
    assert found[False] == (["天下", "的", "我", "中国"], ["下的"])


def test_biases_for_words_leave_the_layers_apart(tmp_path: Path) -> None:
    biases = {"words": np.zeros((3, 3))}
    assert joint(tmp_path, joint=True, biases=biases)(SENTENCE).words.texts == ["天下", "的", "我", "中国"]


def test_scores_are_means_of_probabilities_of_the_decoded_tags(tmp_path: Path) -> None:
    document = joint(tmp_path)(SENTENCE)
    certain = 1 / (1 + np.exp(-8))
    assert [word.score for word in document.words] == pytest.approx([certain] * 4)
    assert document.words[0].pos_score == pytest.approx(np.exp(9) / (np.exp(9) + 3))
    parts = [np.exp(score) / (np.exp(score) + 4) for score in (9, 7)]
    assert document.entities[0].score == pytest.approx(sum(parts) / 2)


def test_a_words_tag_may_be_the_mean_over_its_pieces(tmp_path: Path) -> None:
    rule = table({"天": (1, 0, 0, 0), "下": (0, 9, 0, 0)}, (0, 0, 0, 3))
    folder = build_tagger(tmp_path, heads=LAYERS, pieces="chars", word_label="mean")
    assert fake_tagger(folder, FakeEngine({**JOINT, "pos": rule}), joint=False)("天下").words.pos == ["VC"]


def test_entities_may_be_widened_to_whole_words(tmp_path: Path) -> None:
    document = joint(tmp_path, entities_on_words=True)(SENTENCE)
    assert [(entity.text, entity.label) for entity in document.entities] == [("天下的", "PER")]


def test_of_two_entities_widened_into_one_word_the_more_probable_stays(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path, heads={"words": WORDS, "entities": ENTITIES}, pieces="chars")
    entities = table({"天": (0, 5, 0, 0, 0), "下": (0, 0, 0, 9, 0)}, (9, 0, 0, 0, 0))
    words = table({"下": (0, 9)}, (9, 0))
    found = {
        whole: [
            (entity.text, entity.label)
            for entity in fake_tagger(
                folder, FakeEngine({"words": words, "entities": entities}), joint=False, entities_on_words=whole
            )("天下的").entities
        ]
        for whole in (False, True)
    }
    assert found == {False: [("天", "PER"), ("下", "LOC")], True: [("天下", "LOC")]}


def test_tags_of_typed_boundaries_follow_the_cuts_of_a_lexicon(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path, heads={"words+pos": WORDS_POS})
    rule = table({"天": (9, 0, 0, 0), "下": (0, 9, 0, 0)}, (0, 0, 9, 0))
    tagger = fake_tagger(folder, FakeEngine({"words+pos": rule}), lexicon=Lexicon(["下的"]))
    words = tagger("天下的我").words
    assert words.texts == ["天", "下的", "我"]
    assert len(set(words.pos or ())) > 1
    assert words[0].pos == "Na"


def test_a_head_for_words_with_tags_gives_both(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path, heads={"words+pos": WORDS_POS})
    rule = table({"天": (9, 0, 0, 0), "下": (0, 9, 0, 0)}, (0, 0, 9, 0))
    document = fake_tagger(folder, FakeEngine({"words+pos": rule}))("天下的我")
    assert list(zip(document.words.texts, document.words.pos, strict=True)) == [
        ("天下", "Na"),
        ("的", "VC"),
        ("我", "VC"),
    ]


def test_viterbi_decodes_valid_tags_where_argmax_does_not(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path, heads={"entities": ENTITIES}, pieces="chars")
    rule = table({"天": (5, 4.5, 0, 0, 0), "下": (0, 0, 5, 0, 0)}, (9, 0, 0, 0, 0))
    found = {
        decode: [
            (entity.text, entity.label)
            for entity in fake_tagger(folder, FakeEngine({"entities": rule}), decode=decode)("天下").entities
        ]
        for decode in ("viterbi", "argmax")
    }
    assert found == {"viterbi": [("天下", "PER")], "argmax": [("下", "PER")]}


def test_biases_on_transitions_move_the_boundaries(tmp_path: Path) -> None:
    biases = np.zeros((3, 3))
    biases[:2, 0] = -100  # into B
    folder = build_tagger(tmp_path, heads={"words": WORDS}, pieces="chars")
    tagger = fake_tagger(folder, FakeEngine({"words": always(1, 0)}), biases={"words": biases})
    assert tagger("天下的我").words.texts == ["天下的我"]


def test_a_forced_word_beats_the_model(tmp_path: Path) -> None:
    tagger = joint(tmp_path, lexicon=Lexicon(["下的我"]))
    assert tagger(SENTENCE).words.texts == ["天", "下的我", "中国"]


def test_a_preferred_word_wins_only_with_enough_weight(tmp_path: Path) -> None:
    words = {
        weight: joint(tmp_path / str(weight), lexicon=Lexicon([Entry("的我", "prefer", weight)]))(SENTENCE).words.texts
        for weight in (1.0, 20.0)
    }
    assert words == {1.0: ["天下", "的", "我", "中国"], 20.0: ["天下", "的我", "中国"]}


def test_a_forced_cut_may_fall_inside_a_piece(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path, heads={"words": WORDS})
    tagger = fake_tagger(folder, FakeEngine({"words": always(5, -5)}), lexicon=Lexicon(["ork", "w y"]))
    assert tagger("new york").words.texts == ["ne", "w y", "ork"]


def test_a_lexicon_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("下的我\tforce\n", encoding="utf-8")
    folder = build_tagger(tmp_path / "model", heads={"words": WORDS}, pieces="chars")
    assert "下的我" in Tagger.load(folder, lexicon=tmp_path / "words.txt", **options())(SENTENCE).words.texts


def test_given_words_keep_their_delimiter_and_get_tags(tmp_path: Path) -> None:
    document = joint(tmp_path).tag_words(["天下", "我", "", "中国"], delimiter=" ")
    assert document.text == "天下 我  中国"
    assert document.words.texts == ["天下", "我", "", "中国"]
    assert document.words.pos == ["Na", "D", "_", "PERIODCATEGORY"]
    assert document.words.scores is None


def test_given_words_stream_lazily_in_order(fake: Tagger) -> None:
    texts = ([*("天" * (i % 5)), "下"] for i in range(50_000))
    found = list(itertools.islice(fake.stream_words(texts), 3000))
    assert [len(document.words) for document in found] == [i % 5 + 1 for i in range(3000)]


def test_documents_from_data_keep_their_names(fake: Tagger) -> None:
    documents = [Document("天下", id="a"), Document("", id=None), Document("我", id="c")]
    found = list(fake.stream_documents(documents))
    assert [(document.text, document.id) for document in found] == [("天下", "a"), ("", None), ("我", "c")]


def test_a_lexicon_may_be_plain_words(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path, heads={"words": WORDS}, pieces="chars")
    assert "下的我" in Tagger.load(folder, lexicon=["下的我"], **options())(SENTENCE).words.texts


def test_a_word_that_is_no_string_is_named(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="text 0, word 1: expected str, found int"):
        joint(tmp_path).tag_words(["天下", 3])  # type: ignore[list-item]


def test_biases_of_a_layer_that_is_none_are_refused() -> None:
    with pytest.raises(ValueError, match="biases for 'word'; expected layers: words, pos, entities"):
        TagOptions(biases={"word": np.zeros((3, 3))})


def test_a_tagger_says_its_layers_and_engine(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path, heads={"words": WORDS})
    assert repr(fake_tagger(folder)) == "<Tagger of words: fake float32, 1 thread, none>"


def test_an_entity_never_begins_or_ends_with_white_space(tmp_path: Path) -> None:
    rule = {"王": "B-PER", "明": "I-PER", "在": "O"}  # any other piece, white space too, goes on with a person
    folder = build_rule_tagger(tmp_path / "model", ("I-PER", "B-PER", "O"), rule)
    nlp = Tagger.load(folder, pieces="chars")
    text = "在王 明  在 王 在"
    assert [(span.start, span.end, span.text) for span in nlp(text).entities] == [(1, 4, "王 明"), (8, 9, "王")]


def test_the_bundled_model_reads_full_width_letters_and_digits_as_ascii() -> None:
    text = "他在1998年7月去了NBA的USA总部，见到Tim。"
    wide = text.translate({code: code + 0xFEE0 for code in range(128) if chr(code).isalnum()})
    nlp = Tagger.load(precision="float32", threads=1)
    narrow, read = nlp(text), nlp(wide)
    assert [word[:2] for word in read.words] == [word[:2] for word in narrow.words]
    assert read.words.pos == narrow.words.pos
    assert [(one.start, one.end, one.label) for one in read.entities] == [
        (one.start, one.end, one.label) for one in narrow.entities
    ]
    assert [word.text for word in read.words] == [wide[word.start : word.end] for word in narrow.words]
