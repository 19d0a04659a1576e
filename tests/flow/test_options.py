"""``load`` sets the defaults of options, a call changes them for itself; the engine has the same options everywhere."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest

from lexel.decoding.lexicon import Lexicon
from lexel.engines.choose import EngineKeywords, EngineOptions
from lexel.errors import DataError, EngineError, LabelError, OptionError
from lexel.tasks.answer import Answerer, AnswerKeywords, AnswerOptions
from lexel.tasks.calibration import Calibration
from lexel.tasks.classify import Classifier, ClassifyKeywords, ClassifyOptions
from lexel.tasks.embed import Embedder
from lexel.tasks.fill import Filler, FillKeywords, FillOptions
from lexel.tasks.layers import TagKeywords, TagOptions
from lexel.tasks.pooling_choice import EmbedKeywords, EmbedOptions
from lexel.tasks.tag import Tagger
from lexel.tasks.zero_shot import ZeroShotClassifier, ZeroShotKeywords, ZeroShotOptions
from tests.builders import ENTITIES, POS, WORDS, build_plain, build_tagger
from tests.classify.conftest import NLI, build_classifier

TEXT = "天下的人 the new york liveing 王小明在台北市 天下[MASK][MASK]的人👩\u200d👩\u200d👧"

READERS: dict[str, tuple[Any, Any, Any]] = {
    "Tagger": (Tagger, TagOptions, TagKeywords),
    "Classifier": (Classifier, ClassifyOptions, ClassifyKeywords),
    "ZeroShotClassifier": (ZeroShotClassifier, ZeroShotOptions, ZeroShotKeywords),
    "Filler": (Filler, FillOptions, FillKeywords),
    "Answerer": (Answerer, AnswerOptions, AnswerKeywords),
    "Embedder": (Embedder, EmbedOptions, EmbedKeywords),
}

CHANGES: dict[str, dict[str, Any]] = {
    "Tagger": {
        "decode": "argmax",
        "lexicon": ["天下的人"],
        "biases": {"words": np.array([[0, -40, 0], [0, -40, 0], [0, -40, 0]], float)},
        "joint": False,
        "entities_on_words": True,
        "min_score": 0.9,
        "ignore": ["PER"],
        "snap": "grapheme",
    },
    "Classifier": {
        "top_k": 1,
        "function": "none",
        "multi_label": True,
        "threshold": 0.999,
        "calibration": Calibration(temperature=7.0),
    },
    "ZeroShotClassifier": {"template": "the {} live", "multi_label": True, "threshold": 0.999, "top_k": 1},
    "Filler": {
        "top_k": 2,
        "targets": ["天", "下"],
        "joint": True,
        "length": 2,
        "mask": "的",
        "beam": 1,
        "order": "left",
        "rank": "pll",
        "length_penalty": 3.0,
    },
    "Answerer": {
        "top_k": 3,
        "max_answer_pieces": 1,
        "max_answer_chars": 1,
        "null_threshold": -99.0,
        "align": "words",
        "window": 12,
        "overlap": 5,
    },
    "Embedder": {"pooling": "cls", "normalise": True, "dimensions": 5, "prompt": "query: "},
}
"""A value of each option that changes a result."""

TOGETHER: dict[tuple[str, str], dict[str, Any]] = {
    ("Filler", "beam"): {"length": 3, "joint": True},
    ("Filler", "order"): {"joint": True, "length": 3},
    ("Filler", "rank"): {"joint": True, "length": 2},
    ("Filler", "length_penalty"): {"length": (1, 3)},
    ("Tagger", "entities_on_words"): {"joint": False},
    ("Answerer", "align"): {"top_k": 9, "max_answer_pieces": 1},
    ("Answerer", "overlap"): {"window": 12},
}
"""Other options with which an option matters."""

EACH_OPTION = [(name, option) for name, changes in CHANGES.items() for option in changes]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("options")
    for name in ("classify", "nli", "fill", "answer"):
        (root / name).mkdir()
    return {
        "Tagger": build_tagger(root / "tag", heads={"words": WORDS, "pos": POS, "entities": ENTITIES}, pieces="chars"),
        "Classifier": build_classifier(root / "classify"),
        "ZeroShotClassifier": build_classifier(root / "nli", NLI),
        "Filler": build_plain(root / "fill", "fill"),
        "Answerer": build_plain(root / "answer", "answer"),
        "Embedder": build_tagger(root / "embed", heads={}),
    }


def load(folders: dict[str, Path], name: str, **keywords: Any) -> Any:
    labels = {"labels": ["天", "new york"]} if name == "ZeroShotClassifier" else {}
    return READERS[name][0].load(folders[name], engine="numpy", **labels, **keywords)


def read(reader: Any, **changes: Any) -> Any:
    """What a reader makes of the text, so that it can be compared."""
    found = reader(*(("天下", TEXT) if isinstance(reader, Answerer) else (TEXT,)), **changes)
    if isinstance(reader, Tagger):
        return [list(found.words), list(found.entities)]
    return found.vector.tolist() if isinstance(reader, Embedder) else found


@pytest.mark.parametrize(("name", "option"), EACH_OPTION)
def test_an_option_of_a_call_does_what_it_does_as_a_default(folders: dict[str, Path], name: str, option: str) -> None:
    others = TOGETHER.get((name, option), {})
    reader = load(folders, name, **others)
    before, usual = read(reader), reader.options
    change = {option: CHANGES[name][option]}
    found = read(reader, **change)
    assert found == read(load(folders, name, **others, **change))
    assert found != before
    assert reader.options == usual
    assert read(reader) == before


@pytest.mark.parametrize(("name", "option"), EACH_OPTION)
def test_a_call_takes_options_as_one_object(folders: dict[str, Path], name: str, option: str) -> None:
    reader, options = load(folders, name), READERS[name][1]
    value = CHANGES[name][option]
    asked = options(**{option: Lexicon(value) if option == "lexicon" else value})
    assert read(reader, options=asked) == read(reader, **{option: value})


@pytest.mark.parametrize("name", READERS)
def test_every_reader_refuses_long_texts_by_default_or_by_call(folders: dict[str, Path], name: str) -> None:
    with pytest.raises(DataError, match="expected at most 3"):
        read(load(folders, name, max_chars=3))
    with pytest.raises(DataError, match="expected at most 3"):
        read(load(folders, name), max_chars=3)
    read(load(folders, name, max_chars=3), max_chars=None)


@pytest.mark.parametrize("name", READERS)
def test_every_option_has_a_test_here(name: str) -> None:
    loaded = {"Embedder": {"layer"}, "Tagger": {"nested"}}.get(name, set())  # need other models, see elsewhere
    assert {field.name for field in fields(READERS[name][1])} == {*CHANGES[name], *loaded, "max_chars"}


@pytest.mark.parametrize("name", READERS)
def test_keywords_and_options_have_the_same_names_in_the_same_order(name: str) -> None:
    _, options, keywords = READERS[name]
    assert list(get_type_hints(keywords)) == [field.name for field in fields(options)]


def test_keywords_of_the_engine_are_the_fields_of_its_options() -> None:
    assert get_type_hints(EngineKeywords) == get_type_hints(EngineOptions)


@pytest.mark.parametrize("name", READERS)
def test_load_names_every_option_in_its_documentation(name: str) -> None:
    reader, options, _ = READERS[name]
    said = inspect.getdoc(reader.load) or ""
    of_engine = {"engine", "precision", "threads", "device", "batch_pieces"}
    assert [word for word in (*of_engine, *(one.name for one in fields(options))) if f"``{word}``" not in said] == []


@pytest.mark.parametrize("name", READERS)
def test_engine_options_come_together_or_one_by_one(folders: dict[str, Path], name: str) -> None:
    reader, labels = READERS[name][0], {"labels": ["天"]} if name == "ZeroShotClassifier" else {}
    options = EngineOptions(precision="float32", threads=1)
    loaded = reader.load(folders[name], options=options, threads=2, **labels)
    flow = loaded.flows[0] if isinstance(loaded, Tagger) else loaded.flow
    assert (flow.engine.precision, flow.engine.threads) == ("float32", 2)


@pytest.mark.parametrize("name", READERS)
def test_unknown_options_are_refused_with_the_nearest_name(folders: dict[str, Path], name: str) -> None:
    with pytest.raises(TypeError, match=rf"{name}\.load: unknown argument 'precison', the nearest is 'precision'"):
        load(folders, name, precison="float32")
    with pytest.raises(TypeError, match=f"{name}: unknown argument 'max_char', the nearest is 'max_chars'"):
        read(load(folders, name), max_char=3)


@pytest.mark.parametrize("name", READERS)
def test_options_of_something_else_are_refused(folders: dict[str, Path], name: str) -> None:
    with pytest.raises(TypeError, match=rf"{name}\.load: options is .*; expected EngineOptions"):
        load(folders, name, options=READERS[name][1]())
    with pytest.raises(TypeError, match=f"{name}: options is .*; expected {READERS[name][1].__name__}"):
        read(load(folders, name), options=EngineOptions())


def test_all_ways_to_tag_take_options(folders: dict[str, Path]) -> None:
    tagger = load(folders, "Tagger", entities_on_words=True)
    words = ["天下", "的", "人"]
    document = tagger.tag_words(words)
    assert document.entities
    ignore = sorted(set(tagger.layers["entities"].label_set.types))
    ways: list[Callable[[], Any]] = [
        lambda: tagger.tag_words(words, ignore=ignore),
        lambda: next(tagger.stream_words([words], ignore=ignore)),
        lambda: next(tagger.stream_documents([document], ignore=ignore)),
        lambda: next(tagger.stream_documents([document], given_words=True, ignore=ignore)),
        lambda: next(tagger.stream([document.text], ignore=ignore)),
    ]
    assert [len(way().entities) for way in ways] == [0] * len(ways)


def test_ignoring_a_label_that_the_model_lacks_is_an_error(folders: dict[str, Path]) -> None:
    with pytest.raises(LabelError, match=r"ignore: label 'X'; expected labels of entities: .*PER"):
        load(folders, "Tagger", ignore=["X"])
    with pytest.raises(LabelError, match="ignore: label 'X'"):
        load(folders, "Tagger")(TEXT, ignore=["PER", "X"])
    with pytest.raises(TypeError, match="ignore is the str 'PER'; expected a list of labels"):
        TagOptions(ignore="PER")


def test_a_lexicon_of_a_call_may_be_a_file(folders: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("下的\n", encoding="utf-8")
    assert "下的" in load(folders, "Tagger")(TEXT, lexicon=tmp_path / "words.txt").words.texts


def test_layers_that_were_not_loaded_cannot_be_pooled_by_a_call(folders: dict[str, Path]) -> None:
    wide = load(folders, "Embedder", pooling="last-2")
    assert read(wide, pooling="mean") == read(load(folders, "Embedder"))
    assert read(wide, pooling="mean", layer=1) == read(load(folders, "Embedder", layer=1))
    with pytest.raises(
        OptionError, match=r"hidden\.1 not loaded; loaded are hidden\.2\. Pass pooling and layer to load"
    ):
        read(load(folders, "Embedder"), pooling="last-2")


def test_values_of_engine_options_are_checked() -> None:
    with pytest.raises(EngineError, match="batch_pieces is 0; expected 1 or more"):
        EngineOptions(batch_pieces=0)
