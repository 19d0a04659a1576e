"""``lexel classify`` as a process: formats in and out, zero-shot, calibration, and what is refused."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest

from lexel.cli.jobs.classifying import WRITERS
from lexel.cli.options.classify import ClassFormatName, FunctionName, TextFormatName
from lexel.data import FORMATS
from lexel.data.classified import FORMATS as OWN_FORMATS
from lexel.data.classified import read_classified
from lexel.data.files import TextOutput
from lexel.decoding.classes import FUNCTIONS
from lexel.tasks.calibration import Calibration
from lexel.tasks.classify import Classification, Classifier
from tests.cli.conftest import COMMAND, one_error
from tests.cli.conftest import environment as environment
from tests.cli.conftest import lexel as lexel
from tests.cli.conftest import model as model

from .conftest import CLASSES

Run = Callable[..., subprocess.CompletedProcess[bytes]]
LABELLED = "text\tlabel\n天下\tgood\n的人\tbad\nnew york\tso so\n王小明\tgood\n"


@pytest.fixture
def classify(lexel: Run, classifier_folder: Path) -> Run:
    def run(*arguments: str | Path, **more: Any) -> subprocess.CompletedProcess[bytes]:
        return lexel("classify", "-m", classifier_folder, *arguments, **more)

    return run


@pytest.fixture(scope="module")
def classifier(classifier_folder: Path) -> Classifier:
    return Classifier.load(classifier_folder, engine="numpy")


def records(result: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    assert result.returncode == 0, result.stderr.decode()
    return [json.loads(line) for line in result.stdout.decode().splitlines()]


def assert_record(record: dict[str, Any], expected: Classification, *, id: str | None) -> None:
    """The record says what was found; scores may differ in their last bits, as texts have neighbours."""
    scores = record.pop("scores")
    said = {"id": id, **expected.record()}
    assert dict(scores) == pytest.approx(dict(said.pop("scores")), abs=1e-9)
    assert record == said


def test_record_n_of_the_output_is_line_n_of_the_input(classify: Run, classifier: Classifier) -> None:
    found = records(classify(input="天下\n\nnew york\n"))
    for text, record in zip(["天下", "", "new york"], found, strict=True):
        assert_record(record, classifier(text), id=None)


def test_pairs_come_from_tables_and_json_lines(classify: Run, classifier: Classifier, tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("first\tsecond\n天\t下\n", encoding="utf-8")
    (tmp_path / "b.jsonl").write_text(
        '{"id": "b1", "first": "天", "second": "下"}\n{"first": "天"}\n', encoding="utf-8"
    )
    fields = ("--text-field", "first", "--pair-field", "second")
    found = records(classify(tmp_path / "a.tsv", tmp_path / "b.jsonl", *fields))
    for record, id, text in zip(found, [None, "b1", None], [("天", "下"), ("天", "下"), "天"], strict=True):
        assert_record(record, classifier(text), id=id)


def test_texts_come_from_documents_too(classify: Run, classifier: Classifier, tmp_path: Path) -> None:
    (tmp_path / "a.seg").write_text("天 下\n", encoding="utf-8")
    (found,) = records(classify(tmp_path / "a.seg"))
    assert_record(found, classifier("天下"), id=None)


def test_lines_of_fasttext_can_be_read_back() -> None:
    stream = io.StringIO()
    write = WRITERS["fasttext"](TextOutput(stream, name="<stream>", encoding="utf-8", binary=False))
    for text, labels in (("天下 ", ("good",)), ("的人", ("good", "bad"))):
        write(SimpleNamespace(found=SimpleNamespace(text=text, pair=None, labels=labels)))
    found = read_classified(io.StringIO(stream.getvalue()), format="fasttext")
    assert [(one.text, one.labels) for one in found] == [("天下 ", ("good",)), ("的人", ("good", "bad"))]


def test_a_classifier_is_scored_and_calibrated_on_lines_of_fasttext(
    classify: Run, lexel: Run, classifier_folder: Path, tmp_path: Path
) -> None:
    gold = tmp_path / "gold.txt"
    gold.write_text("__label__good 天下\n__label__bad 的人\n__label__good 王小明\n", encoding="utf-8")
    scored = lexel("evaluate", classifier_folder, "-d", gold, "--task", "classify")
    assert scored.returncode == 0, scored.stderr.decode()
    calibrated = classify("--calibrate", gold, "-o", tmp_path / "found.json")
    assert calibrated.returncode == 0, calibrated.stderr.decode()


def test_classes_with_blanks_are_no_classes_of_fasttext(classify: Run, classifier: Classifier) -> None:
    assert classifier("new york").label == "so so"
    assert "class 'so so' is empty or has a space" in one_error(classify("-q", "--to", "fasttext", input="new york\n"))


def test_a_table_of_classes_can_be_read_back(classify: Run, tmp_path: Path) -> None:
    assert classify("-o", tmp_path / "out.tsv", input="天下\n的人\n").returncode == 0
    lines = (tmp_path / "out.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "labels\tscore\ttext"
    again = records(classify(tmp_path / "out.tsv"))
    assert [record["text"] for record in again] == ["天下", "的人"]
    assert [line.split("\t")[0] for line in lines[1:]] == [",".join(record["labels"]) for record in again]


def test_a_text_with_a_tab_has_no_place_in_a_table(classify: Run, tmp_path: Path) -> None:
    said = one_error(classify("-q", "-o", tmp_path / "out.tsv", input="天\t下\n"))
    assert "a tab or a line end; a table cannot hold it; write JSON lines" in said
    assert not (tmp_path / "out.tsv").exists()


def test_the_terminal_shows_classes_before_the_text(classify: Run, classifier: Classifier) -> None:
    result = classify("--to", "terminal", "--top-k", "2", input="天\x07下\n")
    (label, score), _ = classifier("天\x07下", top_k=2).ranked
    line = result.stdout.decode()
    assert line.startswith(f"{label} {score:.3f}  ")
    assert line.endswith("\t天␇下\n")


def test_options_reach_the_classifier(classify: Run, classifier: Classifier) -> None:
    arguments = ("--multi-label", "--threshold", "0.3", "--top-k", "2", "--function", "none")
    (found,) = records(classify(*arguments, input="天\n"))
    expected = classifier("天", multi_label=True, threshold=0.3, top_k=2, function="none")
    assert found["labels"] == list(expected.labels)
    assert found["scores"] == [[label, pytest.approx(score)] for label, score in expected.ranked]


def test_thresholds_are_found_and_used(classify: Run, tmp_path: Path) -> None:
    (tmp_path / "dev.tsv").write_text(LABELLED, encoding="utf-8")
    out = tmp_path / "dev.json"
    result = classify("--calibrate", "--multi-label", tmp_path / "dev.tsv", "-o", out)
    assert result.returncode == 0, result.stderr.decode()
    found = Calibration.load(out)
    assert found.n_examples == 4
    assert list(found.thresholds) == list(CLASSES)
    assert "so so: threshold" in result.stderr.decode()
    (record,) = records(classify("--multi-label", "--calibration", out, "--top-k", "3", input="new york\n"))
    assert record["labels"] == [label for label, score in record["scores"] if score >= found.thresholds[label]]


def test_zero_shot_takes_labels_and_a_template(lexel: Run, nli_folder: Path) -> None:
    arguments = ("classify", "-m", nli_folder, "--labels", "天, new york", "--template", "在{}的")
    (found,) = records(lexel(*arguments, input="天下\n"))
    assert sorted(label for label, _ in found["scores"]) == ["new york", "天"]
    assert sum(score for _, score in found["scores"]) == pytest.approx(1)
    (each,) = records(lexel(*arguments, "--multi-label", input="天下\n"))
    assert each["scores"] != found["scores"]


def test_each_record_is_answered_before_the_next(classifier_folder: Path, environment: dict[str, str]) -> None:
    command = [*COMMAND, "classify", "-m", str(classifier_folder), "--line-buffered", "-q"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for text in ("天下", "的人"):
            process.stdin.write(f"{text}\n".encode())
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["text"] == text
        process.stdin.close()
        assert process.wait(timeout=30) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--template", "x{}"), "is for zero-shot; add --labels"),
        (("--labels", "a", "--function", "none"), "is for trained classes; leave out --labels"),
        (("--labels", "a", "--calibrate"), "is for trained classes"),
        (("--out", "x.html"), "ending '.html'; expected one of .jsonl"),
    ],
)
def test_options_that_do_not_go_together_are_misuse(classify: Run, arguments: tuple[str, ...], message: str) -> None:
    assert message in one_error(classify(*arguments, input="天\n"), status=2)


def test_labels_without_entailment_are_one_clear_line(classify: Run) -> None:
    said = one_error(classify("-q", "--labels", "a,b", input="天\n"))
    assert "its labels are good, bad, so so; expected one that means entailment" in said


def test_a_folder_without_the_head_is_one_clear_line(lexel: Run) -> None:
    said = one_error(lexel("classify", "-q", input="天\n"))
    assert "no head for classify; it has words (words), which Tagger reads, pos (pos)" in said


@pytest.mark.parametrize(
    ("name", "content", "arguments", "message"),
    [
        ("a.jsonl", '{"text": "天"}\n{"x": 1}\n', (), "a.jsonl:2: no 'text'"),
        ("a.tsv", "a\tb\n", (), "a.tsv:1: columns 'a', 'b'"),
        ("a.txt", "天下\n天\n", ("--max-chars", "1"), "a.txt:1: 2 characters; expected at most 1"),
        (
            "a.seg",
            "天 下\n",
            ("--calibrate", "--from", "segmented"),
            "expected labelled texts in jsonl, tsv, csv or fasttext",
        ),
        ("a.tsv", "text\tlabel\n天\tgreat\n", ("--calibrate",), "a.tsv:2: label 'great'"),
        ("a.tsv", "text\n天\n", ("--calibrate",), "a.tsv:2: no 'label'"),
    ],
)
def test_what_is_wrong_with_the_input_is_said_with_its_line(
    classify: Run, tmp_path: Path, name: str, content: str, arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert message in one_error(classify("-q", tmp_path / name, *arguments))


def test_a_missing_file_is_said_before_a_model_is_loaded(lexel: Run) -> None:
    assert "nowhere.txt: no such file" in one_error(lexel("classify", "-m", "no/model", "nowhere.txt"))


def test_choices_are_those_of_the_rooms_that_know_them() -> None:
    readable = tuple(name for name, format in FORMATS.items() if format.reader)
    assert set(get_args(TextFormatName)) == {*OWN_FORMATS, *readable}
    assert get_args(ClassFormatName) == tuple(WRITERS)
    assert get_args(FunctionName) == FUNCTIONS
