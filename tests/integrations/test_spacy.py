"""spaCy's pipelines with the component and the tokenizer."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin

from lexel import Tagger
from lexel.document import Document, Words
from lexel.integrations.spacy import LexelComponent, LexelTokenizer, tokens_of

ROOT = Path(__file__).parents[2]
TEXT = "馬英九在台北。天氣  很好。"
TEXTS = [TEXT, "", " 他在北京。", "蘋果公司在加州。\n"]


@pytest.fixture(scope="module")
def pipeline() -> spacy.Language:
    pipeline = spacy.blank("zh")
    pipeline.add_pipe("lexel")
    return pipeline


def test_a_doc_has_the_words_tags_entities_and_sentences_of_a_document(pipeline: spacy.Language, nlp: Tagger) -> None:
    doc, found = pipeline(TEXT), nlp(TEXT)
    assert [(token.text, token.pos_) for token in doc if not token.is_space] == [(w.text, w.pos) for w in found.words]
    assert [(e.start_char, e.end_char, e.label_) for e in doc.ents] == [
        (e.start, e.end, e.label) for e in found.entities
    ]
    assert [entity._.lexel_score for entity in doc.ents] == [entity.score for entity in found.entities]
    assert [sentence.text.strip() for sentence in doc.sents] == found.sentences.texts


def test_the_text_stays_as_it_is(pipeline: spacy.Language) -> None:
    assert [doc.text for doc in pipeline.pipe(TEXTS)] == TEXTS


def test_many_texts_are_read_as_one_by_one(pipeline: spacy.Language) -> None:
    together = list(pipeline.pipe(TEXTS, batch_size=3))
    assert [doc.to_json() for doc in together] == [pipeline(text).to_json() for text in TEXTS]


def test_contexts_come_back_with_their_docs(pipeline: spacy.Language) -> None:
    pairs = [(text, number) for number, text in enumerate(TEXTS)]
    assert [(doc.text, context) for doc, context in pipeline.pipe(pairs, as_tuples=True)] == pairs


def test_tokens_stay_if_they_are_to_stay(nlp: Tagger) -> None:
    blank = spacy.blank("zh")
    doc = LexelComponent(nlp, tokenize=False)(blank("馬英九在台北。"))
    assert [token.text for token in doc] == list("馬英九在台北。")
    assert [(entity.text, entity.label_) for entity in doc.ents] == [("馬英九", "PER"), ("台北", "LOC")]
    assert doc[3].pos_ == "VERB"


def test_a_tokenizer_and_a_component_share_one_reading(nlp: Tagger) -> None:
    pipeline = spacy.blank("zh")
    pipeline.tokenizer = LexelTokenizer(pipeline.vocab, nlp)
    alone = LexelComponent(nlp)
    expected = alone(spacy.blank("zh")(TEXT)).to_json()

    def refuse(texts: list[str]) -> object:
        assert not texts
        return iter(())

    component = LexelComponent(nlp)
    component.tagger = type("Tagger", (), {"stream": staticmethod(refuse)})()  # type: ignore[assignment]
    assert component(pipeline(TEXT)).to_json() == expected


def test_a_doc_can_be_stored(pipeline: spacy.Language) -> None:
    stored = DocBin(store_user_data=True, docs=pipeline.pipe(TEXTS)).to_bytes()
    again = list(DocBin().from_bytes(stored).get_docs(pipeline.vocab))
    assert [doc.text for doc in again] == TEXTS
    assert again[0].ents[0]._.lexel_score > 0.5


def test_a_pipeline_can_be_saved_and_loaded(pipeline: spacy.Language, tmp_path: Path) -> None:
    pipeline.to_disk(tmp_path / "pipeline")
    assert spacy.load(tmp_path / "pipeline")(TEXT).to_json() == pipeline(TEXT).to_json()


def test_a_pipeline_with_the_tokenizer_can_be_made_from_a_config() -> None:
    config = {"nlp": {"tokenizer": {"@tokenizers": "lexel.Tokenizer.v1"}}}
    assert [token.text for token in spacy.blank("zh", config=config)("天氣很好。")] == ["天氣", "很好", "。"]


def test_entry_points_name_what_is_there() -> None:
    points = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]
    assert set(points) == {"spacy_factories", "spacy_tokenizers"}
    for place in (place for group in points.values() for place in group.values()):
        module, _, name = place.partition(":")
        assert callable(getattr(import_module(module), name))


def test_a_pipe_is_found_without_an_import(tmp_path: Path) -> None:
    points = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]
    info = tmp_path / "lexel_points-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lexel-points\nVersion: 1\n")
    groups = [f"[{group}]\n" + "\n".join(f"{k} = {v}" for k, v in some.items()) for group, some in points.items()]
    (info / "entry_points.txt").write_text("\n\n".join(groups) + "\n")
    program = "import spacy; nlp = spacy.blank('zh'); nlp.add_pipe('lexel'); print(*nlp('天氣很好。'))"
    path = os.pathsep.join((str(ROOT / "src"), str(tmp_path)))
    ran = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": path, "PYTHONUTF8": "1"}, capture_output=True, check=True
    )
    assert ran.stdout.decode().split() == ["天氣", "很好", "。"]


@given(st.text(alphabet="a字 \n　", max_size=12), st.data())
@settings(max_examples=60)
def test_tokens_put_together_are_the_text(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))))
    places = [(a, b) for a, b in pairwise(cuts) if not text[a:b].isspace() and data.draw(st.booleans())]
    words, spaces = tokens_of(Document(text, Words.of(text, places)))
    doc = Doc(spacy.blank("xx").vocab, words, spaces)
    assert doc.text == text
    assert {(token.idx, token.idx + len(token)) for token in doc} >= set(places)


def test_of_two_spaces_one_is_the_tokens_and_one_a_token() -> None:
    assert tokens_of(Document("a  b", Words.of("a  b", [(0, 1), (3, 4)]))) == (["a", " ", "b"], [True, False, False])
