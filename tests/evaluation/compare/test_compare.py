"""Models side by side: the same scores as alone, differences that hold, flips that can be seen in the texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lexel
from lexel.document import Document, Spans
from lexel.errors import DataError, LabelError
from lexel.evaluation.compare.child import ChildModel
from lexel.evaluation.compare.compare import DataSet, compare
from lexel.evaluation.compare.differences import FlipList
from lexel.evaluation.compare.models import LocalModel
from lexel.evaluation.compare.results import CompareOptions, Comparison
from lexel.evaluation.compare.schemes import LabelMap
from lexel.evaluation.scores.chunks import Pair
from lexel.evaluation.scores.run import EvaluationOptions, evaluate
from lexel.evaluation.scores.tallies import Sampling
from lexel.tasks.tag import Tagger
from tests.builders import ENTITIES, POS, WORDS, build_tagger
from tests.evaluation.conftest import random_gold

SAMPLING = Sampling(50)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two random models of all three layers."""
    place = tmp_path_factory.mktemp("models")
    heads = {"words": WORDS, "pos": POS, "entities": ENTITIES}
    one, other = (build_tagger(place / f"seed{seed}", heads=heads, pieces="chars", seed=seed) for seed in (1, 2))
    return one, other


@pytest.fixture(scope="module")
def taggers(folders: tuple[Path, Path]) -> tuple[Tagger, Tagger]:
    """The two, loaded."""
    one, other = (lexel.load(folder, engine="numpy") for folder in folders)
    return one, other


def _data(documents: Sequence[Document], name: str = "dev") -> DataSet:
    return DataSet(name, lambda: iter(documents))


def _compare(taggers: Sequence[Tagger], *data: DataSet, **options: Any) -> Comparison:
    models = [LocalModel(tagger, name=f"model {i}") for i, tagger in enumerate(taggers)]
    given = CompareOptions(**{"sampling": SAMPLING, "rounds": 0, **options})
    return compare(models, data or [_data(random_gold(80))], options=given)


# Scores --------------------------------------------------------------------------------------------------------------


def test_scores_are_those_of_each_model_alone(taggers: tuple[Tagger, Tagger]) -> None:
    gold = random_gold(80)
    (found,) = _compare(taggers, _data(gold)).data
    for i, tagger in enumerate(taggers):
        alone = evaluate(tagger, gold, options=EvaluationOptions(sampling=SAMPLING))
        assert alone.words
        assert alone.pos
        assert alone.entities
        assert found.scores["words, F1"][i] == alone.words.words.f1
        assert found.scores["words and pos, F1"][i] == alone.pos.words_and_tags.f1
        assert found.scores["entities, strict, F1"][i] == alone.entities.strict.micro.f1
        assert found.scores["entities, lenient, F1"][i] == alone.entities.lenient.micro.f1
        assert replace(found.results[i], seconds=0) == replace(alone, seconds=0)


def test_a_model_does_not_differ_from_itself(taggers: tuple[Tagger, Tagger]) -> None:
    (found,) = _compare((taggers[0], taggers[0])).data
    assert {(each.value, each.low, each.high, each.p_bootstrap, each.p_mcnemar) for each in found.contrasts} == {
        (0.0, 0.0, 0.0, 1.0, 1.0)
    }
    assert found.flips[0].verdicts == {}


def test_a_model_that_agrees_with_gold_is_significantly_better(taggers: tuple[Tagger, Tagger]) -> None:
    texts = [document.text for document in random_gold(80)]
    gold = list(taggers[1].stream(texts))
    (found,) = _compare(taggers, _data(gold), sampling=Sampling(200)).data
    words = next(each for each in found.contrasts if each.score == "words, F1")
    assert words.model == 1
    assert words.low
    assert 0 < words.low < words.value
    assert words.p_bootstrap == pytest.approx(2 / 201)
    assert words.p_mcnemar < 0.001
    assert set(found.flips[0].verdicts["words"]) == {"second right"}


def test_p_values_are_raised_when_several_models_are_compared(taggers: tuple[Tagger, Tagger]) -> None:
    two = _compare(taggers).data[0].contrasts
    three = _compare((*taggers, taggers[1])).data[0].contrasts
    assert [each.p_mcnemar for each in three if each.model == 1] == [min(1.0, 2 * each.p_mcnemar) for each in two]


def test_models_are_held_against_the_best_if_one_wants(taggers: tuple[Tagger, Tagger]) -> None:
    texts = [document.text for document in random_gold(40)]
    gold = list(taggers[1].stream(texts))
    comparison = _compare(taggers, _data(gold), against="best")
    assert comparison.reference == 1
    assert {each.model for each in comparison.data[0].contrasts} == {0}
    assert all(each.value < 0 for each in comparison.data[0].contrasts)
    assert {flip.verdict for _, flip in comparison.flips} == {"first right"}


def test_without_samples_there_are_no_intervals_but_differences(taggers: tuple[Tagger, Tagger]) -> None:
    (found,) = _compare(taggers, sampling=Sampling(0)).data
    assert {(each.low, each.p_bootstrap) for each in found.contrasts} == {(None, None)}
    assert any(each.value for each in found.contrasts)


def test_several_data_sets_have_a_mean(taggers: tuple[Tagger, Tagger]) -> None:
    sets = [_data(random_gold(40, seed=seed), f"set {seed}") for seed in (1, 2, 3)]
    comparison = _compare(taggers, *sets)
    for i in range(2):
        each = [score.value for found in comparison.data if (score := found.scores["words, F1"][i])]
        mean = comparison.means["words, F1"][i]
        assert mean
        assert mean.value == pytest.approx(sum(each) / 3)
        assert mean.low is not None
        assert mean.high is not None
        assert mean.low < mean.value < mean.high


# What models can do, and what labels mean ----------------------------------------------------------------------------


def test_a_model_without_a_head_is_said_and_has_no_score(taggers: tuple[Tagger, Tagger], tmp_path: Path) -> None:
    alone = lexel.load(build_tagger(tmp_path / "words", heads={"words": WORDS}, pieces="chars"), engine="numpy")
    (found,) = _compare((taggers[0], alone)).data
    assert found.scores["words, F1"][1] is not None
    assert found.scores["entities, strict, F1"][1] is None
    assert "model 1 has no head for entities; it is not in the scores of entities" in found.notes


def _other_types(place: Path) -> Tagger:
    labels = ("O", "B-PERSON", "I-PERSON", "B-GPE", "I-GPE", "B-MISC", "I-MISC")
    return lexel.load(build_tagger(place / "other", heads={"entities": labels}, pieces="chars"), engine="numpy")


def test_models_that_label_different_things_are_refused_by_name(taggers: tuple[Tagger, Tagger], tmp_path: Path) -> None:
    with pytest.raises(
        LabelError, match=r"entities: model 1 labels GPE, MISC, PERSON, the data LOC, PER; .*--label-map"
    ):
        _compare((taggers[0], _other_types(tmp_path)))


def test_a_map_must_bring_all_types_together(taggers: tuple[Tagger, Tagger], tmp_path: Path) -> None:
    label_map = LabelMap({"PERSON": "PER", "GPE": "LOC"})
    with pytest.raises(LabelError, match=r"model 1 has MISC; all have LOC, PER\); expected the same types"):
        _compare((taggers[0], _other_types(tmp_path)), label_map=label_map)


def test_a_map_gives_labels_common_names_and_leaves_types_out(taggers: tuple[Tagger, Tagger], tmp_path: Path) -> None:
    other, gold = _other_types(tmp_path), random_gold(80)
    label_map = LabelMap({"PERSON": "PER", "GPE": "LOC", "MISC": None})
    (found,) = _compare((taggers[0], other), _data(gold), label_map=label_map).data
    names = {"PERSON": "PER", "GPE": "LOC"}
    predicted = [
        {(span.start, span.end, names[span.label]) for span in document.entities if span.label in names}
        for document in other.stream_documents(gold)
    ]
    n_correct = sum(
        (span.start, span.end, span.label) in here
        for document, here in zip(gold, predicted, strict=True)
        for span in document.entities
    )
    n_gold, n_predicted = sum(len(document.entities) for document in gold), sum(map(len, predicted))
    score = found.scores["entities, strict, F1"][1]
    assert score
    assert score.value == pytest.approx(2 * n_correct / (n_gold + n_predicted))


def test_a_map_can_hold_for_one_model_alone() -> None:
    label_map = LabelMap.of(
        {"GPE": "LOC", "b": {"LOC": "FAC"}, "gold": {"X": None}}, names=("a", "b"), where="map.json"
    )
    assert label_map.renaming("a") == {"GPE": "LOC"}
    assert label_map.renaming("b") == {"GPE": "LOC", "LOC": "FAC"}
    assert label_map.renaming("gold") == {"GPE": "LOC", "X": None}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"c": {"LOC": "FAC"}}, "map.json: an object under 'c'; expected a label, 'gold', or a model: 'a', 'b'"),
        ({"LOC": 3}, "map.json: 'LOC' is mapped to 3; expected a label, or null"),
    ],
)
def test_a_map_that_says_nothing_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(LabelError, match=said):
        LabelMap.of(values, names=("a", "b"), where="map.json")


def test_empty_data_is_refused(taggers: tuple[Tagger, Tagger]) -> None:
    with pytest.raises(DataError, match="dev: no documents; expected labelled ones"):
        _compare(taggers, _data([]))


def test_data_that_no_model_reads_is_refused(taggers: tuple[Tagger, Tagger]) -> None:
    with pytest.raises(DataError, match="dev: holds nothing, the models read entities, pos, words"):
        _compare(taggers, _data([Document("我在")]))


# Flips ---------------------------------------------------------------------------------------------------------------


def test_flips_stand_in_the_texts_and_say_who_is_right(taggers: tuple[Tagger, Tagger]) -> None:
    gold = random_gold(60)
    comparison = _compare(taggers, _data(gold))
    by_id = {document.id: document for document in gold}
    assert comparison.flips
    for number, flip in comparison.flips:
        assert number == 1
        around = flip.before.removeprefix("…") + flip.text + flip.after.removesuffix("…")
        assert around in by_id[flip.document].text
        assert flip.first != flip.second
    counted = comparison.data[0].flips[0].verdicts
    assert sum(sum(each.values()) for each in counted.values()) == len(comparison.flips)


@pytest.mark.parametrize(
    ("gold", "first", "second", "verdict", "change"),
    [
        ([(0, 2, "PER")], [(0, 2, "PER")], [(0, 2, "LOC")], "first right", "PER → LOC"),
        ([(0, 2, "PER")], [(0, 2, "LOC")], [(0, 2, "PER")], "second right", "LOC → PER"),
        ([(0, 2, "PER")], [(0, 1, "PER")], [(1, 2, "PER")], "both wrong", "PER → nothing"),
        ([(0, 3, "PER")], [(0, 2, "PER")], [(1, 2, "PER")], "both wrong", "other bounds"),
        ([], [(0, 2, "PER")], [], "second right", "PER → nothing"),
    ],
)
def test_a_flip_is_right_where_all_of_it_is(
    gold: list[Any], first: list[Any], second: list[Any], verdict: str, change: str
) -> None:
    text = "abcd"
    pairs = [
        Pair(
            1,
            Document(text, entities=Spans.of(text, gold)),
            Document(text, entities=Spans.of(text, each)),
            np.ones(9, bool),
        )
        for each in (first, second)
    ]
    flips = FlipList("dev", ["entities"])
    flips.add([pairs[0]], [pairs[1]])
    assert (flips.kept[0].verdict, flips.kept[0].change) == (verdict, change)


def test_a_flip_of_entities_says_what_becomes_of_what(taggers: tuple[Tagger, Tagger]) -> None:
    changes = _compare(taggers).data[0].flips[0].changes["entities"]
    assert {"LOC → PER", "nothing → LOC", "PER → nothing"} <= set(changes)


def test_where_gold_is_silent_nobody_is_right(taggers: tuple[Tagger, Tagger]) -> None:
    gold = [Document(d.text, d.words, id=d.id) for d in random_gold(40)]
    verdicts = _compare(taggers, _data(gold)).data[0].flips[0].verdicts
    assert set(verdicts["entities"]) == {"no gold"}
    assert "no gold" not in verdicts["words"]


# Speed and memory ----------------------------------------------------------------------------------------------------


class _Watched(LocalModel):
    """Notes whose turn it was."""

    turns: list[str]

    def seconds(self, documents: Sequence[Document], *, given_words: bool) -> float:
        self.turns.append(self.facts.name)
        return 2.0


def test_speed_is_measured_in_rounds_of_alternating_order(taggers: tuple[Tagger, Tagger]) -> None:
    turns: list[str] = []
    models = [_Watched(tagger, name=name) for tagger, name in zip(taggers, "ab", strict=True)]
    for model in models:
        model.turns = turns
    gold = random_gold(40)
    options = CompareOptions(sampling=Sampling(0), rounds=3, speed_chars=100)
    comparison = compare(models, [_data(gold)], options=options)
    assert turns == ["a", "b", "b", "a", "a", "b"]
    speed = comparison.models[0].speed
    assert speed
    assert speed.n_chars >= 100
    assert speed.median == speed.n_chars / 2


def test_a_model_says_what_it_weighs(folders: tuple[Path, Path], taggers: tuple[Tagger, Tagger]) -> None:
    facts = LocalModel(taggers[0], name="a").facts
    from safetensors.numpy import load_file

    assert facts.parameters == sum(tensor.size for tensor in load_file(folders[0] / "model.safetensors").values())
    assert facts.disk_bytes == sum(path.stat().st_size for path in folders[0].iterdir())


# A process of its own ------------------------------------------------------------------------------------------------


@pytest.fixture
def child(folders: tuple[Path, Path]) -> Iterator[ChildModel]:
    """The first model in a process of its own."""
    with ChildModel(str(folders[0]), name="first", options={"engine": "numpy"}) as model:
        yield model


def test_a_child_reads_as_this_process_does(child: ChildModel, taggers: tuple[Tagger, Tagger]) -> None:
    gold = random_gold(40)
    here = LocalModel(taggers[0], name="first")
    found = child.read(gold, given_words=False)
    assert [each.document for each in found] == [each.document for each in here.read(gold, given_words=False)]
    assert child.facts == here.facts
    assert child.seconds(gold, given_words=False) > 0
    peak = child.peak_bytes()
    assert peak is None or 10_000_000 < peak < 1_000_000_000


def test_what_goes_wrong_in_a_child_is_the_same_error_here(folders: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(lexel.CheckpointError, match=r"empty: .*no config\.json"):
        ChildModel(str(tmp_path), name="empty", options={})


def test_a_child_that_ends_is_said_with_its_last_words(child: ChildModel) -> None:
    child._process.kill()
    with pytest.raises(lexel.EngineError, match="first: its process stopped"):
        child.read(random_gold(3), given_words=False)


def test_spans_of_types_left_out_take_their_strictness_with_them(
    taggers: tuple[Tagger, Tagger],
) -> None:
    text = "我在臺北"
    gold = [Document(text, entities=Spans.of(text, [(2, 4, "LOC")]))]
    label_map = LabelMap({"PER": None})
    (found,) = _compare(taggers, _data(gold), label_map=label_map).data
    assert set(found.results[0].entities.lenient.by_label) == {"LOC"}  # type: ignore[union-attr]
