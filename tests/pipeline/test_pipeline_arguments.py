"""What lexel.pipeline takes, what it refuses, and what comes back."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lexel
from lexel import EngineError, LabelError
from tests.builders import ENTITIES, POS, WORDS, build_rule_tagger, build_tagger

from .conftest import theirs

BIO = ("O", "B-PER", "I-PER")
RULE = {"今": "O", "傅": "B-PER", "達": "I-PER"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_rule_tagger(tmp_path_factory.mktemp("rule"), BIO, RULE)


@pytest.fixture(scope="module")
def pipe(folder: Path) -> Any:
    return lexel.pipeline("token-classification", folder, threads=1)


def test_a_piece_has_the_documented_keys_and_types(pipe: Any) -> None:
    (entity,) = pipe("今傅")
    assert list(entity) == ["entity", "score", "index", "word", "start", "end"]
    assert type(entity["score"]) is np.float32
    assert {**entity, "score": None} == {
        "entity": "B-PER",
        "score": None,
        "index": 2,
        "word": "傅",
        "start": 1,
        "end": 2,
    }


def test_a_group_has_the_documented_keys_and_types(pipe: Any) -> None:
    (entity,) = pipe("今傅達", aggregation_strategy="simple")
    assert list(entity) == ["entity_group", "score", "word", "start", "end"]
    assert type(entity["score"]) is np.float32
    assert {**entity, "score": None} == {"entity_group": "PER", "score": None, "word": "傅達", "start": 1, "end": 3}


def test_a_generator_is_read_lazily_and_in_order(pipe: Any) -> None:
    taken = itertools.count()

    def texts() -> Iterator[str]:
        for number in itertools.count():
            next(taken)
            yield "今" * (number % 7) + "傅"

    results = pipe(texts())
    assert iter(results) is results
    firsts = [entities[0]["start"] for entities in itertools.islice(results, 100)]
    assert firsts == [number % 7 for number in range(100)]
    assert next(taken) < 20_000


def test_a_data_set_with_only_getitem_is_read(pipe: Any) -> None:
    class Texts:
        def __getitem__(self, number: int) -> str:
            return ["傅", "今傅"][number]

    assert [entities[0]["start"] for entities in pipe(Texts())] == [0, 1]


def test_ner_is_the_same_task_and_no_task_is_found_from_the_head(folder: Path) -> None:
    assert lexel.pipeline("ner", folder).task == lexel.pipeline(model=folder).task == "token-classification"


def test_an_opened_checkpoint_is_a_model(folder: Path) -> None:
    assert len(lexel.pipeline("ner", lexel.open_checkpoint(folder))("傅")) == 1


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("agregation_strategy", "aggregation_strategy"), ("ignore_label", "ignore_labels"), ("strid", "stride")],
)
def test_an_unknown_argument_is_named_with_the_nearest(name: str, nearest: str, folder: Path, pipe: Any) -> None:
    message = f"unknown argument '{name}', the nearest is '{nearest}'"
    with pytest.raises(TypeError, match=message):
        lexel.pipeline("ner", folder, **{name: 1})
    with pytest.raises(TypeError, match=message):
        pipe("傅", **{name: 1})


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("grouped_entities", "aggregation_strategy='simple'"),
        ("device_map", "pass device"),
        ("config", "config.json"),
        ("token", "HF_TOKEN"),
        ("offset_mapping", "offsets are the tokenizer's own"),
        ("tokenizer_kwargs", "nothing is cut"),
        ("return_all_scores", "top_k=None"),
        ("framework", "pass engine"),
    ],
)
def test_an_argument_of_theirs_that_is_not_taken_says_what_to_do(name: str, advice: str, folder: Path) -> None:
    with pytest.raises(TypeError, match=advice):
        lexel.pipeline("ner", folder, **{name: None})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"aggregation_strategy": "foo"}, "'foo'; expected one of none, simple, first, average, max"),
        ({"stride": 30}, "less than the model's window of 30 pieces"),
        ({"stride": -1}, "stride is -1"),
        ({"word_style": "mine"}, "expected one of source, transformers"),
    ],
)
def test_a_value_that_cannot_be_is_refused(options: dict[str, Any], message: str, folder: Path, pipe: Any) -> None:
    with pytest.raises(ValueError, match=message):
        pipe("傅", **options)
    with pytest.raises(ValueError, match=message):
        lexel.pipeline("ner", folder, **options)


def test_one_label_instead_of_a_list_is_refused(pipe: Any) -> None:
    with pytest.raises(TypeError, match="ignore_labels is the str 'O'"):
        pipe("傅", ignore_labels="O")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokenizer": "another/one"}, "own tokenizer is read"),
        ({"use_fast": False}, "expected True"),
        ({"trust_remote_code": True}, "never run"),
        ({"dtype": "int8"}, "'int8' is not known; expected one of float32"),
        ({"dtype": "float32", "precision": "bf16"}, "ask for bf16 and float32"),
    ],
)
def test_what_lexel_does_not_do_is_refused(options: dict[str, Any], message: str, folder: Path) -> None:
    with pytest.raises(ValueError, match=message):
        lexel.pipeline("ner", folder, **options)


def test_arguments_that_change_nothing_are_taken(folder: Path) -> None:
    pipe = lexel.pipeline(
        "ner", str(folder), tokenizer=str(folder), use_fast=True, trust_remote_code=False, device=-1, batch_size=8
    )
    assert pipe("傅", batch_size=4, num_workers=2) == pipe("傅")


def test_float32_is_the_default_and_dtype_chooses(folder: Path) -> None:
    assert "float32" in lexel.pipeline("ner", folder).description
    assert "bf16" in lexel.pipeline("ner", folder, dtype=torch.bfloat16).description
    assert "bf16" in lexel.pipeline("ner", folder, torch_dtype="bfloat16").description
    assert "float64" in lexel.pipeline("ner", folder, engine="numpy", precision="auto").description


def test_a_device_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(EngineError, match="'mps' is not known"):
        lexel.pipeline("ner", folder, device="mps")
    if not torch.cuda.is_available():
        with pytest.raises(EngineError, match="sees no GPU"):
            lexel.pipeline("ner", folder, device=0)


def test_an_unknown_task_is_refused_with_those_there_are(folder: Path) -> None:
    with pytest.raises(ValueError, match="'summarization' is not known; expected one of token-classification, "):
        lexel.pipeline("summarization", folder)


@pytest.mark.parametrize("inputs", [3, None, b"bytes", {"text": "a"}], ids=repr)
def test_inputs_that_are_no_texts_are_refused(inputs: Any, pipe: Any) -> None:
    with pytest.raises(TypeError, match="expected a str"):
        pipe(inputs)


def test_a_text_that_is_none_is_named_by_its_number(pipe: Any) -> None:
    with pytest.raises(TypeError, match="text 1: expected a str, found a int"):
        pipe(["傅", 3])
    with pytest.raises(TypeError, match="text 0: expected a list of words"):
        pipe(["傅", 3], is_split_into_words=True)
    with pytest.raises(TypeError, match="expected a list of words"):
        pipe("傅", is_split_into_words=True)


def test_of_several_heads_entities_are_read_unless_another_is_named(tmp_path: Path) -> None:
    heads = {"words": WORDS, "pos": POS, "entities": ENTITIES}
    folder = build_tagger(tmp_path, heads=heads, pieces="chars", max_length=64)
    text = "我在臺北市長大"
    entities = lexel.pipeline("ner", folder)(text, ignore_labels=[])
    assert {entity["entity"] for entity in entities} <= set(ENTITIES)
    tags = lexel.pipeline("ner", folder, head="pos")(text)
    assert {entity["entity"] for entity in tags} <= set(POS)
    with pytest.raises(LabelError, match="no head 'nouns' that labels pieces; it has words"):
        lexel.pipeline("ner", folder, head="nouns")


def test_single_characters_have_no_sub_words(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path, heads={"entities": ENTITIES}, pieces="chars", max_length=64)
    pipe = lexel.pipeline("ner", folder, ignore_labels=[])
    text = "I was在 臺北\u200b市"
    assert pipe(text, aggregation_strategy="first") == pipe(text, aggregation_strategy="simple")


def test_labels_that_say_nothing_are_given_as_they_are(tmp_path: Path) -> None:
    folder = build_rule_tagger(tmp_path, ("LABEL_0", "LABEL_1"), {"今": "LABEL_0", "傅": "LABEL_1"})
    options: dict[str, Any] = {"aggregation_strategy": "simple"}
    ours, their = lexel.pipeline("ner", folder, **options), theirs(folder, **options)
    assert [entity["entity_group"] for entity in ours("今今傅今")] == ["LABEL_0", "LABEL_1", "LABEL_0"]
    assert [entity["start"] for entity in their("今今傅今")] == [entity["start"] for entity in ours("今今傅今")]


def test_labels_given_by_the_caller_replace_the_files(tmp_path: Path) -> None:
    folder = build_rule_tagger(tmp_path, ("LABEL_0", "LABEL_1"), {"今": "LABEL_0", "傅": "LABEL_1"})
    pipe = lexel.pipeline("ner", folder, labels=("O", "B-PER"), aggregation_strategy="simple")
    assert [entity["entity_group"] for entity in pipe("今今傅今")] == ["PER"]


def test_labels_that_stand_twice_are_an_error_even_where_names_do_not_matter(tmp_path: Path) -> None:
    folder = build_rule_tagger(tmp_path, ("O", "PER"), {"今": "O", "傅": "PER"})
    with pytest.raises(LabelError, match="appears more than once"):
        lexel.pipeline("ner", folder, labels=("O", "O"))
