"""Columns: datasets.map, pandas, polars and scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas
import polars
import pytest
from datasets.fingerprint import Hasher
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from lexel import Embedder, Tagger, frames
from lexel.integrations.datasets import TagColumn
from lexel.integrations.sklearn import LexelVectorizer, WordTokenizer

TEXTS = ["馬英九在台北。", None, "天氣很好。"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    datasets.disable_progress_bars()


@pytest.mark.parametrize("num_proc", [None, 2])
def test_map_adds_a_column_a_layer(num_proc: int | None, nlp: Tagger) -> None:
    given = datasets.Dataset.from_dict({"text": TEXTS})
    found = given.map(TagColumn("text"), batched=True, batch_size=2, num_proc=num_proc)
    expected = nlp("馬英九在台北。")
    assert found["words"] == [expected.words.texts, None, ["天氣", "很好", "。"]]
    assert found["pos"][0] == expected.words.pos
    assert [(e["start"], e["end"], e["label"]) for e in found["entities"][0]] == [(0, 3, "PER"), (4, 6, "LOC")]
    assert found["entities"][1:] == [None, []]


def test_a_function_that_has_read_is_known_to_the_cache_again() -> None:
    function = TagColumn("text", columns=["words"])
    before = Hasher.hash(function)
    assert list(function({"text": TEXTS})) == ["words"]
    assert Hasher.hash(function) == before
    assert Hasher.hash(TagColumn("text")) != before


def test_a_row_in_place_of_a_batch_is_refused() -> None:
    with pytest.raises(TypeError, match="Pass batched=True"):
        TagColumn("text")({"text": "天氣很好。"})


def frame_of(library: str, texts: list[str | None]) -> Any:
    return (
        pandas.DataFrame({"text": texts}, index=list("xyz")[: len(texts)])
        if library == "pandas"
        else polars.DataFrame({"text": texts})
    )


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_frame_gets_a_column_a_layer(library: str, nlp: Tagger) -> None:
    frame = frame_of(library, TEXTS)
    found = frames.tag(frame, "text", tagger=nlp)
    assert type(found) is type(frame)
    assert list(found.columns) == ["text", "words", "pos", "entities"]
    words = found["words"].to_list() if library == "polars" else list(found["words"])
    assert words == [nlp(TEXTS[0] or "").words.texts, None, ["天氣", "很好", "。"]]
    assert list(frame.columns) == ["text"]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_entities_are_a_frame_of_their_own(library: str, nlp: Tagger) -> None:
    found = frames.entities(frame_of(library, ["天氣很好。", *TEXTS[:2]]), "text", tagger=nlp)
    rows = found.to_dict("records") if library == "pandas" else found.to_dicts()
    assert [(row["row"], row["text"], row["label"]) for row in rows] == [(1, "馬英九", "PER"), (1, "台北", "LOC")]
    if library == "pandas":
        assert list(found.index) == ["y", "y"]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_no_entities_are_a_frame_without_rows(library: str, nlp: Tagger) -> None:
    found = frames.entities(frame_of(library, ["天氣很好。"]), "text", tagger=nlp)
    assert found.shape == (0, 6)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_frame_gets_a_column_of_vectors(library: str, embedder: Embedder) -> None:
    found = frames.embed(frame_of(library, ["天下", None, "我"]), "text", embedder)
    column = found["vector"].to_list() if library == "polars" else list(found["vector"])
    assert column[1] is None
    np.testing.assert_array_equal([column[0], column[2]], embedder.encode(["天下", "我"]))


def test_what_is_no_frame_or_has_no_such_column_is_refused(nlp: Tagger) -> None:
    with pytest.raises(TypeError, match="frame is builtins's list; expected a DataFrame"):
        frames.tag(["天氣"], "text", tagger=nlp)
    with pytest.raises(TypeError, match="Collect a LazyFrame first"):
        frames.tag(polars.LazyFrame({"text": ["天氣"]}), "text", tagger=nlp)
    with pytest.raises(KeyError, match="no column 'texts'; the frame has 'text'"):
        frames.tag(pandas.DataFrame({"text": ["天氣"]}), "texts", tagger=nlp)


def test_vectors_feed_a_classifier(sentence_model: Path, embedder: Embedder) -> None:
    texts, labels = ["天下的我", "the new york", "我的天下", "new york the"], [0, 1, 0, 1]
    pipeline = make_pipeline(LexelVectorizer(sentence_model), LogisticRegression()).fit(texts, labels)
    assert pipeline.predict(texts).tolist() == labels
    np.testing.assert_array_equal(pipeline[0].transform(texts), embedder.encode(texts))
    assert pipeline[:-1].get_feature_names_out().shape == (embedder.plan.size,)


def test_a_vectorizer_can_be_cloned_with_its_parameters(sentence_model: Path) -> None:
    copy = clone(LexelVectorizer(sentence_model, dimensions=2))
    assert copy.get_params()["dimensions"] == 2
    assert copy.transform(["天下"]).shape == (1, 2)


def test_words_can_be_counted(nlp: Tagger) -> None:
    counter = CountVectorizer(tokenizer=WordTokenizer(nlp), token_pattern=None)
    counter.fit(["天氣很好。", "天氣不好。"])
    assert sorted(counter.vocabulary_) == ["不好", "天氣", "很好"]
    nouns = TfidfVectorizer(tokenizer=WordTokenizer(nlp, pos={"NOUN"}), token_pattern=None).fit(["天氣很好。"])
    assert list(nouns.vocabulary_) == ["天氣"]
