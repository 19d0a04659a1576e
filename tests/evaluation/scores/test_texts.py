"""Classifiers and models that answer, scored: beside scikit-learn's figures and the metrics' own, and as a command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics

from lexel.data.classified import Classified
from lexel.data.questions import Question
from lexel.errors import DataError, LabelError
from lexel.evaluation.scores.tallies import Sampling
from lexel.evaluation.scores.texts import ClassScores, TextResults, evaluate_answerer, evaluate_classifier
from lexel.metrics.answers import score_answers
from lexel.tasks.answer import Answerer
from lexel.tasks.classify import Classifier
from tests.builders import CHARS, bert_config, bert_tensors, write_folder
from tests.builders import VOCAB as PIECES
from tests.classify.conftest import CLASSES, build_classifier
from tests.evaluation.conftest import Run

SAMPLING = Sampling(50)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random classifier of three classes."""
    return build_classifier(tmp_path_factory.mktemp("single"))


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model that answers."""
    folder = tmp_path_factory.mktemp("models") / "answers"
    config = bert_config(architectures=["BertForQuestionAnswering"])
    write_folder(folder, config, bert_tensors(config, {"qa_outputs": 2}, seed=4), PIECES)
    return folder


def _texts(n: int = 60, *, seed: int = 0) -> list[str]:
    random = np.random.default_rng(seed)
    return ["".join(CHARS[i] for i in random.integers(len(CHARS), size=random.integers(2, 12))) for _ in range(n)]


def _examples(n: int = 60, *, labels: Sequence[str] = CLASSES) -> list[Classified]:
    random = np.random.default_rng(1)
    return [
        Classified(text, None, (labels[random.integers(len(labels))],), f"dev:{i}")
        for i, text in enumerate(_texts(n), 1)
    ]


def _scores(results: TextResults) -> ClassScores:
    assert results.classes is not None
    return results.classes


def test_one_class_a_text_is_scored_as_scikit_learn_does(folder: Path) -> None:
    classifier, examples = Classifier.load(folder, engine="numpy"), _examples()
    scores = _scores(evaluate_classifier(classifier, examples, sampling=SAMPLING))
    gold = [example.labels[0] for example in examples]
    found = list(classifier.stream(example.text for example in examples))
    predicted = [each.label for each in found]
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        gold, predicted, average="macro", zero_division=0
    )
    assert scores.accuracy
    assert scores.macro
    assert scores.micro
    assert scores.matthews
    assert scores.loss
    assert scores.confusion
    assert scores.accuracy.value == pytest.approx(metrics.accuracy_score(gold, predicted))
    assert [each.value for each in scores.macro] == pytest.approx([precision, recall, f1])
    assert scores.micro.f1.value == pytest.approx(scores.accuracy.value)
    assert scores.matthews.value == pytest.approx(metrics.matthews_corrcoef(gold, predicted))
    probs = [dict(each.ranked) for each in found]
    assert scores.loss.loss.value == pytest.approx(
        metrics.log_loss(gold, [[each[label] for label in sorted(CLASSES)] for each in probs], labels=sorted(CLASSES))
    )
    ours = np.array(scores.confusion.counts)[:3, :3]
    assert ours.tolist() == metrics.confusion_matrix(gold, predicted, labels=CLASSES).tolist()
    for estimate in (scores.accuracy, scores.matthews, scores.micro.f1, scores.loss.loss):
        assert estimate.low is not None
        assert estimate.high is not None
        assert estimate.low <= estimate.value <= estimate.high


def test_every_text_is_in_the_reliability(folder: Path) -> None:
    results = evaluate_classifier(Classifier.load(folder, engine="numpy"), _examples(), sampling=SAMPLING)
    reliability = _scores(results).reliability
    assert reliability
    assert sum(reliability.counts) == results.n_documents == 60


def test_several_labels_a_text_are_scored_as_scikit_learn_does(folder: Path) -> None:
    classifier = Classifier.load(folder, engine="numpy", multi_label=True)
    random = np.random.default_rng(2)
    wanted = random.random((60, 3)) < 0.5
    examples = [
        Classified(text, None, tuple(np.array(CLASSES)[row]), f"dev:{i}")
        for i, (text, row) in enumerate(zip(_texts(), wanted, strict=True), 1)
    ]
    scores = _scores(evaluate_classifier(classifier, examples, sampling=Sampling(0)))
    found = np.array([[label in each.labels for label in CLASSES] for each in classifier.stream(_texts())])
    assert scores.problem == "multi"
    assert scores.accuracy
    assert scores.macro
    assert scores.micro
    assert scores.accuracy.value == pytest.approx(metrics.accuracy_score(wanted, found))
    assert scores.macro[2].value == pytest.approx(metrics.f1_score(wanted, found, average="macro", zero_division=0))
    assert scores.micro.f1.value == pytest.approx(metrics.f1_score(wanted, found, average="micro", zero_division=0))
    assert (scores.confusion, scores.matthews, scores.loss) == (None, None, None)


def test_numbers_are_scored_by_their_correlation(tmp_path: Path) -> None:
    classifier = Classifier.load(build_classifier(tmp_path, ["score"]), engine="numpy")
    values = [each.score for each in classifier.stream(_texts())]
    examples = [Classified(text, None, (str(value**3),), "dev:1") for text, value in zip(_texts(), values, strict=True)]
    scores = _scores(evaluate_classifier(classifier, examples, sampling=SAMPLING))
    assert scores.spearman
    assert scores.pearson
    assert scores.spearman.value == pytest.approx(1)
    assert scores.pearson.value == pytest.approx(np.corrcoef(values, np.array(values) ** 3)[0, 1])
    assert scores.accuracy is None


def test_classes_that_the_model_does_not_know_count_as_missed_and_are_said(folder: Path) -> None:
    examples = [*_examples(20), Classified("我", None, ("great",), "dev:21")]
    results = evaluate_classifier(Classifier.load(folder, engine="numpy"), examples, sampling=SAMPLING)
    assert results.notes == ["the model does not know great (1); these count as missed"]
    assert _scores(results).by_label["great"].f1.value == 0


@pytest.mark.parametrize(
    ("examples", "error", "said"),
    [
        ([], DataError, "no texts"),
        ([Classified("我", None, ("A",), "dev:1")], LabelError, "the gold classes are A .1.; the model has good, bad"),
        ([Classified("我", None, ("good", "bad"), "dev:7")], DataError, "dev:7: good, bad; expected one class"),
    ],
)
def test_texts_that_cannot_be_scored_are_refused(
    folder: Path, examples: list[Classified], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        evaluate_classifier(Classifier.load(folder, engine="numpy"), examples, sampling=SAMPLING)


# Answers -------------------------------------------------------------------------------------------------------------


def _questions(*, unanswerable: int = 0) -> list[Question]:
    contexts = [text for text in _texts(40) if len(text) > 4]
    return [
        Question(str(i), "王在?", context, () if i < unanswerable else ((1, 3),), f"dev:{i}")
        for i, context in enumerate(contexts)
    ]


def test_answers_are_scored_by_the_rule_of_their_language(answering: Path) -> None:
    answerer, questions = Answerer.load(answering, engine="numpy"), _questions()
    results = evaluate_answerer(answerer, questions, sampling=SAMPLING)
    found = [each.best for each in answerer.stream((q.question, q.context) for q in questions)]
    expected = score_answers(
        [q.answer_texts for q in questions], ["" if best is None else best.text for best in found], rule="chars"
    )
    assert results.answers
    assert results.answers.rule == "chars"
    assert results.answers.exact.value == pytest.approx(expected.exact.mean())
    assert results.answers.f1.value == pytest.approx(expected.f1.mean())
    assert 0 < results.answers.f1.value < 1
    assert results.n_mistakes == int((expected.exact == 0).sum())


def test_questions_without_an_answer_are_scored_by_themselves(answering: Path) -> None:
    questions = _questions(unanswerable=5)
    always = evaluate_answerer(Answerer.load(answering, engine="numpy"), questions, sampling=SAMPLING)
    assert always.answers
    assert always.answers.unanswerable
    assert always.answers.unanswerable.value == 0
    assert always.notes == ["5 questions have no answer, but the model was set to answer always"]
    never = Answerer.load(answering, engine="numpy", null_threshold=-1e9)
    silent = evaluate_answerer(never, questions, sampling=SAMPLING)
    assert silent.answers
    assert silent.answers.unanswerable
    assert silent.answers.unanswerable.value == 1
    assert silent.answers.exact.value == pytest.approx(5 / len(questions))


def test_the_best_threshold_gives_the_f1_that_it_promises(answering: Path) -> None:
    questions = _questions(unanswerable=5)
    results = evaluate_answerer(Answerer.load(answering, engine="numpy"), questions, sampling=SAMPLING)
    assert results.answers
    assert results.answers.best_threshold
    threshold, promised = results.answers.best_threshold
    told = evaluate_answerer(
        Answerer.load(answering, engine="numpy", null_threshold=threshold), questions, sampling=SAMPLING
    )
    assert told.answers
    assert told.answers.f1.value == pytest.approx(promised)
    assert promised >= results.answers.f1.value


def test_questions_that_all_have_an_answer_need_no_threshold(answering: Path) -> None:
    results = evaluate_answerer(Answerer.load(answering, engine="numpy"), _questions(), sampling=SAMPLING)
    assert results.answers
    assert results.answers.best_threshold is None


# The command ---------------------------------------------------------------------------------------------------------


def test_the_command_scores_a_classifier(lexel_command: Run, folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "dev.tsv"
    rows = [f"{example.text}\t{example.labels[0]}" for example in _examples()]
    data.write_text("text\tlabel\n" + "\n".join(rows) + "\n", encoding="utf-8")
    out, page = tmp_path / "r.json", tmp_path / "r.html"
    result = lexel_command("evaluate", folder, "-d", data, "--samples", "20", "-o", out, "--html", page)
    assert result.returncode == 0, result.stderr
    for said in ("accuracy", "F1, micro", "F1, macro", "F1, so so", "Matthews", "calibration error", "loss:"):
        assert said in result.stdout
    read = json.loads(out.read_text(encoding="utf-8"))
    assert read["results"]["classes"]["accuracy"].keys() == {"value", "low", "high"}
    assert read["models"][0]["layers"] == ["classes"]
    assert 'data-layer="classes"' in page.read_text(encoding="utf-8")


def test_the_command_scores_answers(lexel_command: Run, answering: Path, tmp_path: Path) -> None:
    data = tmp_path / "dev.jsonl"
    lines = [
        json.dumps({"id": q.id, "question": q.question, "context": q.context, "answers": [[1, 3]]})
        for q in _questions()
    ]
    data.write_text("\n".join(lines), encoding="utf-8")
    out, page = tmp_path / "r.json", tmp_path / "r.html"
    result = lexel_command("evaluate", answering, "-d", data, "--samples", "20", "-o", out, "--html", page)
    assert result.returncode == 0, result.stderr
    for said in ("exact match", "F1", "CMRC 2018's rule"):
        assert said in result.stdout
    assert json.loads(out.read_text(encoding="utf-8"))["results"]["answers"]["rule"] == "chars"
    quiet = lexel_command("evaluate", answering, "-d", data, "--samples", "0", "-q")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_a_task_that_the_model_has_no_head_for_is_refused(lexel_command: Run, folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "dev.jsonl"
    data.write_text('{"text": "我在"}\n', encoding="utf-8")
    result = lexel_command("evaluate", folder, "-d", data, "--task", "answer", "-q")
    assert result.returncode == 1
    assert "no head for answer" in result.stderr
