"""What an evaluation counts, against counts of sets made the plain way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from seqeval.scheme import IOB2, Entities

from lexel.document import Document, Spans, Words
from lexel.errors import LabelError
from lexel.evaluation.scores.tallies import Sampling
from lexel.metrics.scores import SpanScore
from lexel.tasks.tag import Tagger
from tests.builders import ENTITIES, VOCAB, build_tagger, fake_tagger, noise
from tests.evaluation.conftest import Measure, random_gold
from tests.metrics.naive import conlleval_spans


def _counts(score: SpanScore) -> tuple[int, int, int]:
    return score.n_gold, score.n_predicted, score.n_correct


def _sets(gold: list[Document], predicted: list[Document], layer: str) -> tuple[int, int, int]:
    """Gold, predicted and correct spans, one document after the other."""

    def spans(document: Document) -> set[tuple[object, ...]]:
        if layer == "entities":
            return {(span.start, span.end, span.label) for span in document.entities}
        return {(word.start, word.end, word.pos if layer == "pos" else None) for word in document.words}

    pairs = [(spans(a), spans(b)) for a, b in zip(gold, predicted, strict=True)]
    return sum(len(a) for a, _ in pairs), sum(len(b) for _, b in pairs), sum(len(a & b) for a, b in pairs)


def test_every_layer_is_counted_as_sets_of_spans(measure: Measure, tagger: Tagger) -> None:
    gold = random_gold(700)
    results, predicted = measure(gold), list(tagger.stream_documents(gold))
    assert results.words
    assert results.pos
    assert results.entities
    assert _counts(results.words.words) == _sets(gold, predicted, "words")
    assert _counts(results.words.tokens) == _sets(gold, predicted, "words")
    assert _counts(results.pos.words_and_tags) == _sets(gold, predicted, "pos")
    assert _counts(results.entities.lenient.micro) == _sets(gold, predicted, "entities")
    found, right = results.words.words.n_correct, results.pos.words_and_tags.n_correct
    assert results.pos.accuracy.value == pytest.approx(right / found)
    by_label = results.pos.by_label.values()
    assert sum(score.n_correct for score in by_label) == right
    assert np.diagonal(results.pos.confusion.counts).sum() == right


def test_a_model_that_is_right_has_full_scores_and_no_mistakes(measure: Measure, tagger: Tagger) -> None:
    gold = list(tagger.stream_documents(random_gold(60)))
    results = measure(gold)
    assert results.words
    assert results.pos
    assert results.entities
    scores = (results.words.words.f1, results.pos.accuracy, results.entities.strict.micro.f1)
    assert [(score.value, score.low, score.high) for score in scores] == [(1.0, 1.0, 1.0)] * 3
    assert results.n_mistakes == {"words": 0, "pos": 0, "entities": 0}


def test_intervals_hold_their_scores_and_come_again_with_the_same_seed(measure: Measure) -> None:
    gold = random_gold(100)
    one, again, other = (measure(gold, sampling=Sampling(200, seed)) for seed in (1, 1, 2))
    assert one.words
    assert again.words
    assert other.words
    f1 = one.words.words.f1
    assert f1.low is not None
    assert f1.high is not None
    assert f1.low < f1.value < f1.high
    assert f1 == again.words.words.f1
    assert f1 != other.words.words.f1


def test_without_samples_there_are_no_intervals(measure: Measure) -> None:
    results = measure(random_gold(10), sampling=Sampling(0))
    assert results.words
    assert results.words.words.f1.low is None


def test_under_argmax_the_strict_rule_leaves_out_what_is_ill_formed(measure: Measure, folder: Path) -> None:
    gold = random_gold(300, seed=3, longest=100)  # longer than a window
    table = noise(len(ENTITIES), seed=2)
    tags = [[ENTITIES[i] for i in table(np.array([VOCAB.index(c) for c in d.text], int)).argmax(-1)] for d in gold]
    expected = {(e.sent_id, e.start, e.end, e.tag) for sentence in Entities(tags, IOB2).entities for e in sentence}
    spans = {(i, *span) for i, sentence in enumerate(tags) for span in conlleval_spans(sentence)}
    right = {(i, span.start, span.end, span.label) for i, document in enumerate(gold) for span in document.entities}
    results = measure(gold, tagger=fake_tagger(folder, decode="argmax"))
    assert results.entities
    assert _counts(results.entities.lenient.micro) == (len(right), len(spans), len(right & spans))
    assert _counts(results.entities.strict.micro) == (len(right), len(expected), len(right & expected))
    assert len(expected) < len(spans)
    assert not any("both rules" in note for note in results.notes)


def test_under_viterbi_both_rules_agree_and_that_is_said(measure: Measure) -> None:
    results = measure(random_gold(100))
    assert results.entities
    assert results.entities.strict.micro == results.entities.lenient.micro
    assert any("both rules read the same" in note for note in results.notes)


def test_macro_scores_are_means_over_types(measure: Measure) -> None:
    results = measure(random_gold(100))
    assert results.entities
    rule = results.entities.lenient
    assert set(rule.by_label) == {"PER", "LOC"}
    assert rule.macro_f1.value == pytest.approx(np.mean([score.f1.value for score in rule.by_label.values()]))


def test_gold_beyond_the_model_s_window_counts(measure: Measure) -> None:
    text = "我" * 1000
    gold = Document(text, Words.of(text, [(i, i + 1) for i in range(1000)]), Spans.of(text, [(998, 1000, "PER")]))
    results = measure([gold])
    assert results.words
    assert results.entities
    assert results.words.words.n_gold == 1000
    assert results.entities.strict.micro.n_gold == 1


def test_a_layer_that_gold_lacks_is_said_and_not_counted(measure: Measure) -> None:
    results = measure([Document("我在", Words.of("我在", [(0, 1), (1, 2)]))])
    assert results.pos is None
    assert results.entities is None
    assert results.absent == dict.fromkeys(("pos", "entities"), "no document of the data has it")


def test_a_layer_that_the_model_lacks_is_said(measure: Measure, tmp_path: Path) -> None:
    alone = fake_tagger(build_tagger(tmp_path / "words", heads={"words": ("B", "I")}, pieces="chars"))
    results = measure(random_gold(20), tagger=alone)
    assert results.words is not None
    assert results.absent == dict.fromkeys(("pos", "entities"), "the model has no head for it")


def test_documents_without_a_layer_do_not_count_as_empty(measure: Measure) -> None:
    gold = random_gold(30)
    bare = [Document(document.text, id=document.id) for document in gold]
    mixed, alone = measure([*gold, *bare]), measure(gold)
    assert mixed.words == alone.words
    assert mixed.entities == alone.entities
    assert "words: scored on the 30 of 60 documents that carry them" in mixed.notes


def test_no_documents_have_no_scores(measure: Measure) -> None:
    results = measure([])
    assert (results.words, results.pos, results.entities, results.n_documents) == (None, None, None, 0)


def test_words_are_known_or_out_of_vocabulary(measure: Measure, tagger: Tagger) -> None:
    gold = random_gold(50)
    vocabulary = {word for document in gold[:10] for word in document.words.texts}
    results = measure(gold, vocabulary=vocabulary)
    found = [{word[:2] for word in document.words} for document in tagger.stream_documents(gold)]
    known = [(w.text in vocabulary, w[:2] in found[i]) for i, document in enumerate(gold) for w in document.words]
    assert results.words
    assert results.words.n_known == sum(is_known for is_known, _ in known)
    assert results.words.n_oov == len(known) - results.words.n_known
    assert results.words.oov_recall
    hits = sum(is_found for is_known, is_found in known if not is_known)
    assert results.words.oov_recall.value == pytest.approx(hits / results.words.n_oov)


def test_given_words_are_kept_and_only_their_tags_scored(measure: Measure) -> None:
    results = measure(random_gold(50), given_words=True)
    assert results.words is None
    assert results.absent["words"] == "the gold words were given to the model"
    assert results.pos
    assert results.pos.accuracy.value == results.pos.words_and_tags.f1.value


def test_scores_by_length_add_up_to_all_documents(measure: Measure) -> None:
    gold = [document for document in random_gold(100, longest=200) if document.text]
    results = measure(gold)
    assert results.words
    assert sum(score.n_documents for score in results.words.by_length) == len(gold)
    assert sum(score.n_gold for score in results.words.by_length) == results.words.words.n_gold
    assert [score.low for score in results.words.by_length][:3] == [1, 11, 21]


def test_empty_documents_have_a_length_too(measure: Measure) -> None:
    results = measure([Document("", Words.of("", []))])
    assert results.words
    assert results.words.words.n_gold == 0


def test_every_prediction_is_in_the_reliability(measure: Measure) -> None:
    results = measure(random_gold(100))
    assert results.words
    assert results.words.reliability
    assert results.pos
    assert results.pos.reliability
    assert sum(results.words.reliability.counts) == results.words.words.n_predicted
    assert sum(results.pos.reliability.counts) == results.words.words.n_correct


# Labels with other names -------------------------------------------------------------------------------------------


def _renamed(documents: list[Document], names: dict[str, str]) -> list[Document]:
    return [
        Document(d.text, d.words, Spans.of(d.text, [(s.start, s.end, names.get(s.label, s.label)) for s in d.entities]))
        for d in documents
    ]


def test_mapped_labels_count_as_the_model_s(measure: Measure) -> None:
    gold = random_gold(100)
    mapped = measure(_renamed(gold, {"PER": "PERSON"}), label_map={"PERSON": "PER"})
    assert mapped.entities == measure(gold).entities
    assert mapped.n_mistakes == measure(gold).n_mistakes


def test_labels_that_the_model_does_not_know_count_as_missed_and_are_said(measure: Measure) -> None:
    gold = random_gold(100)
    results = measure(_renamed(gold, {"PER": "PERSON"}))
    n_gold = sum(len(document.entities) for document in gold)
    n_persons = sum(span.label == "PER" for document in gold for span in document.entities)
    assert results.entities
    assert results.entities.strict.micro.n_gold == n_gold
    assert any(f"does not know PERSON ({n_persons:,})" in note for note in results.notes)


def test_gold_of_which_the_model_knows_no_label_is_refused(measure: Measure) -> None:
    with pytest.raises(LabelError, match=r"entities: the gold labels are .*PERSON.*; the model has PER, LOC, none"):
        measure(_renamed(random_gold(100), {"PER": "PERSON", "LOC": "PLACE"}))


def test_a_map_to_a_label_that_the_model_has_not_is_refused(measure: Measure) -> None:
    with pytest.raises(LabelError, match="--map-labels: 'GPE': not among the model's labels"):
        measure(random_gold(1), label_map={"LOCATION": "GPE"})


def test_a_map_of_labels_that_the_data_has_not_is_said(measure: Measure) -> None:
    results = measure(random_gold(20), label_map={"PERSON": "PER", "PER": "PER"})
    assert "--map-labels: the data has no PERSON" in results.notes


def test_the_strict_rule_is_refused_where_it_cannot_be_told(measure: Measure, folder: Path) -> None:
    with pytest.raises(LabelError, match="entities_on_words with argmax"):
        measure(random_gold(1), tagger=fake_tagger(folder, decode="argmax", entities_on_words=True))


# Mistakes ----------------------------------------------------------------------------------------------------------


def _mistakes_of(measure: Measure, tagger: Tagger, text: str, **layers: object) -> list[tuple[str, str, str, str]]:
    predicted = tagger(text)
    words = layers.get("words", predicted.words)
    entities = layers.get("entities", predicted.entities)
    results = measure([Document(text, words, entities)])  # type: ignore[arg-type]
    return [(m.layer, m.kind, m.gold, m.predicted) for m in results.mistakes]


def test_mistakes_of_words_are_splits_merges_and_shifts(measure: Measure, tagger: Tagger) -> None:
    text = "我在臺北市長和你說的人是他們大學生"
    predicted = tagger(text)
    longest = max(predicted.words, key=lambda word: word.end - word.start)
    cut = [(w.start, w.end) for w in predicted.words if w != longest]
    cut += [(i, i + 1) for i in range(longest.start, longest.end)]
    found = _mistakes_of(measure, tagger, text, words=Words.of(text, sorted(cut)))
    assert longest.end - longest.start > 1
    assert found == [("words", "merged", " | ".join(longest.text), longest.text)]


def test_mistakes_of_entities_are_of_four_kinds(measure: Measure) -> None:
    gold = random_gold(200)
    kinds = {mistake.kind for mistake in measure(gold).mistakes if mistake.layer == "entities"}
    assert kinds == {"missed", "spurious", "wrong label", "wrong bounds"}


def test_a_mistake_stands_in_its_context(measure: Measure) -> None:
    gold = random_gold(50)
    texts = {document.id: document.text for document in gold}
    for mistake in measure(gold).mistakes:
        around = mistake.before.removeprefix("…") + mistake.text + mistake.after.removesuffix("…")
        assert around in texts[mistake.document]
