"""What the drivers take and refuse, and where they do better than the original."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import lexel
from lexel import CheckpointError, EngineError, LabelError
from lexel.ckip import CkipNerChunker, CkipPosTagger, CkipWordSegmenter, NerToken
from tests.builders import ENTITIES, POS, WORDS, build_tagger

from .conftest import OURS, THEIRS, make_rule_model

CHARS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"我在臺北市長大")


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return CkipWordSegmenter(model_name=make_rule_model(tmp_path_factory.mktemp("ws"), WORDS, "甲乙", positions=12))


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return CkipPosTagger(model_name=make_rule_model(tmp_path_factory.mktemp("pos"), POS, "甲乙丙丁", positions=12))


@pytest.fixture(scope="module")
def chunker(tmp_path_factory: pytest.TempPathFactory) -> Any:
    labels = ("O", "B-P", "I-P", "E-P", "S-P")
    return CkipNerChunker(
        model_name=make_rule_model(tmp_path_factory.mktemp("ner"), labels, "甲乙丙丁戊", positions=12)
    )


def test_words_tags_and_entities_have_the_original_shapes(segmenter: Any, tagger: Any, chunker: Any) -> None:
    assert segmenter(["甲乙甲"]) == [["甲乙", "甲"]]
    assert tagger([["甲乙", "乙", " "]]) == [["Na", "VC", "WHITESPACE"]]
    (token,) = chunker(["甲乙丙丁"])[0]
    assert token == NerToken(word="乙丙丁", ner="P", idx=(1, 4))
    assert token == ("乙丙丁", "P", (1, 4))


@pytest.mark.parametrize("given", [[], [""], ["", ""]], ids=repr)
def test_nothing_to_read_gives_nothing(given: list[str], segmenter: Any, chunker: Any, tagger: Any) -> None:
    expected: list[list[Any]] = [[] for _ in given]
    assert segmenter(given) == chunker(given) == expected
    assert tagger([[] for _ in given]) == expected


@pytest.mark.parametrize("given", [[], [""]], ids=repr)
def test_theirs_fails_on_nothing_to_read(given: list[str], tmp_path: Path) -> None:
    their = THEIRS["ws"](model_name=str(make_rule_model(tmp_path, WORDS, "甲乙")), device=-1)
    with pytest.raises(ValueError, match="empty sequence"):
        their(given, show_progress=False)


def test_a_word_longer_than_the_context_is_tagged(tagger: Any) -> None:
    words = ["丙" * 25, "丁", "，", "乙"]
    expected = [["D", "PERIODCATEGORY", "Na", "VC"]]
    assert tagger([words]) == tagger([words], cut="ckip") == tagger([words], cut="ckip", max_length=3) == expected


def test_a_lone_surrogate_is_a_character(segmenter: Any) -> None:
    assert segmenter(["甲\ud800甲"]) == [["甲\ud800", "甲"]]


def test_a_generator_of_texts_is_read(segmenter: Any, tagger: Any) -> None:
    assert segmenter(text for text in ("甲乙甲", "乙")) == [["甲乙", "甲"], ["乙"]]
    assert tagger(words for words in (("甲", "乙"), ["丙"])) == [["Na", "VC"], ["D"]]


def test_many_texts_keep_their_order(segmenter: Any) -> None:
    texts = ["甲" + "乙" * (i % 30) for i in range(3000)]
    assert segmenter(texts) == [[text] for text in texts]


@pytest.mark.parametrize("kind", ["ws", "pos", "ner"])
def test_one_text_instead_of_a_list_is_refused(kind: str, segmenter: Any, tagger: Any, chunker: Any) -> None:
    driver = {"ws": segmenter, "pos": tagger, "ner": chunker}[kind]
    with pytest.raises(TypeError, match="found one str"):
        driver("甲乙")


def test_an_input_that_is_no_text_is_named_by_its_number(segmenter: Any, tagger: Any) -> None:
    with pytest.raises(TypeError, match="text 1: expected a str, found a NoneType"):
        segmenter(["甲", None])
    with pytest.raises(TypeError, match="text 0: expected a list of words, found str"):
        tagger(["甲乙"])


@pytest.mark.parametrize("max_length", [0, -1, 11])
def test_a_context_that_cannot_be_is_refused(max_length: int, segmenter: Any) -> None:
    with pytest.raises(ValueError, match=f"max_length is {max_length}; expected 1 to 10"):
        segmenter(["甲"], max_length=max_length)


def test_the_longest_context_can_be_asked_for(segmenter: Any) -> None:
    assert segmenter(["甲乙"], max_length=10) == [["甲乙"]]


def test_an_unknown_cut_is_refused(segmenter: Any) -> None:
    with pytest.raises(ValueError, match="cut is 'none'; expected 'window' or 'ckip'"):
        segmenter(["甲"], cut="none")


def test_an_unknown_argument_is_a_type_error(segmenter: Any) -> None:
    with pytest.raises(TypeError, match="batchsize"):
        segmenter(["甲"], batchsize=3)
    with pytest.raises(TypeError, match="level"):
        CkipWordSegmenter(level=3)  # type: ignore[call-arg]


def test_an_unknown_model_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="'bert-huge' is not known; expected one of bert-base, bert-tiny"):
        CkipWordSegmenter("bert-huge")


@pytest.mark.parametrize(("kind", "model"), [("ws", "bert-base"), ("pos", "albert-tiny"), ("ner", "albert-base")])
def test_a_short_name_is_ckips_model_on_the_hub(kind: str, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def note(source: object, **_: object) -> None:
        asked.append(source)
        raise CheckpointError("noted")

    monkeypatch.setattr("lexel.ckip.open_checkpoint", note)
    with pytest.raises(CheckpointError, match="noted"):
        OURS[kind](model)
    assert asked == [f"ckiplab/{model}-chinese-{kind}"]


def test_float32_is_the_default(segmenter: Any) -> None:
    assert "openvino float32" in segmenter.description


def test_a_gpu_is_not_taken_for_a_processor(tmp_path: Path) -> None:
    folder = make_rule_model(tmp_path, WORDS, "甲乙")
    with pytest.raises(EngineError, match="a GPU is for the engine torch"):
        CkipWordSegmenter(model_name=folder, device=0, engine="openvino")


def test_a_head_that_the_driver_cannot_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="has 4 labels; expected 2"):
        CkipWordSegmenter(model_name=make_rule_model(tmp_path / "a", POS, "甲乙丙丁"))
    with pytest.raises(LabelError, match="expected BIOES"):
        CkipNerChunker(model_name=make_rule_model(tmp_path / "b", ("O", "B-X", "I-X"), "甲乙丙"))


def test_a_folder_with_several_heads_gives_each_driver_its_own(tmp_path: Path) -> None:
    bioes = ("O", "B-P", "I-P", "E-P", "S-P")
    heads = {"words": WORDS, "pos": POS, "entities": bioes}
    folder = build_tagger(tmp_path / "three", heads=heads, pieces="chars", vocab=CHARS, max_length=64)
    words = CkipWordSegmenter(model_name=folder)(["我在臺北市長大"])
    assert "".join(words[0]) == "我在臺北市長大"
    assert set(CkipPosTagger(model_name=lexel.open_checkpoint(folder))(words)[0]) <= set(POS)
    assert isinstance(CkipNerChunker(model_name=folder)(["我在臺北市長大"])[0], list)


def test_a_folder_without_the_drivers_head_is_refused(tmp_path: Path) -> None:
    heads = {"words": WORDS, "entities": ENTITIES}
    folder = build_tagger(tmp_path, heads=heads, pieces="chars", vocab=CHARS, max_length=64)
    with pytest.raises(LabelError, match="expected one head for pos; it has words"):
        CkipPosTagger(model_name=folder)
