"""The report in the terminal, as JSON and as a page, and the command that makes it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lexel.data import write_jsonl
from lexel.disk import sha256_of
from lexel.document import Document, Spans, Words
from lexel.evaluation.reports.page import write_page
from lexel.evaluation.reports.report import as_json, show, write_json
from lexel.evaluation.scores.provenance import describe_data, describe_run
from lexel.evaluation.scores.results import Report
from lexel.evaluation.scores.run import EvaluationOptions
from lexel.tasks.tag import Tagger
from tests.evaluation.conftest import Measure, random_gold

COMMAND = [sys.executable, "-c", "import sys; from lexel.cli.main import run; sys.exit(run())", "evaluate"]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A file of gold documents."""
    path = tmp_path / "dev.jsonl"
    write_jsonl(random_gold(40), path)
    return path


@pytest.fixture
def make_report(measure: Measure, tagger: Tagger, data: Path) -> Callable[..., Report]:
    """A report on documents."""

    def make(documents: list[Document]) -> Report:
        made = describe_run(
            tagger, EvaluationOptions(), command="lexel evaluate", data=describe_data(data, format="jsonl")
        )
        return Report(measure(documents), made)

    return make


@pytest.fixture
def evaluate(folder: Path) -> Run:
    """Run ``lexel evaluate`` with the tiny model, on the engine that starts fastest."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LEXEL_")}
    environment |= {"LEXEL_MODEL": str(folder), "LEXEL_ENGINE": "numpy", "NO_COLOR": "1"}

    def run(*arguments: str | Path, stdout: Any = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            env=environment,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )

    return run


class _Page(HTMLParser):
    """Notes what a page loads, its texts, and tags that are not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.data = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "input"):
            self.open.append(tag)
            self.is_data = ("id", "data") in attrs

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None: ...

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script" and self.is_data:
            self.data += data


def _page(report: Report) -> str:
    out = io.StringIO()
    write_page(report, out)
    return out.getvalue()


def test_files_are_written_although_nobody_reads_the_output(evaluate: Run, data: Path, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as nobody:
        result = evaluate("-d", data, "--html", tmp_path / "page.html", "-o", tmp_path / "report.json", stdout=nobody)
    assert result.returncode == 141
    assert {"page.html", "report.json"} <= set(os.listdir(tmp_path))


def test_the_terminal_names_both_rules_and_every_layer(make_report: Callable[..., Report]) -> None:
    out = io.StringIO()
    show(make_report(random_gold(40)), Console(file=out, width=100))
    for said in ("entities, strict, micro", "entities, lenient, micro", "words, as CoNLL 2018 tokens", "PER", "sha256"):
        assert said in out.getvalue()


def test_json_says_where_the_numbers_come_from(make_report: Callable[..., Report], data: Path, tmp_path: Path) -> None:
    write_json(make_report(random_gold(40)), tmp_path / "report.json")
    read = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert read["data"]["sha256"] == hashlib.sha256(data.read_bytes()).hexdigest()
    (model,) = read["models"]
    assert model["weights_sha256"].keys() == {"model.safetensors"}
    assert model["layers"] == ["words", "pos", "entities"]
    assert {"engine", "precision", "commit", "licence"} <= model.keys()
    assert {"python", "numpy"} <= read["versions"].keys()
    assert read["results"]["n_documents"] == 40
    assert read["results"]["entities"]["strict"]["micro"].keys() == read["results"]["words"]["words"].keys()


def test_json_holds_numbers_that_json_knows(make_report: Callable[..., Report]) -> None:
    text = json.dumps(as_json(make_report([Document("", Words.of("", []))])), allow_nan=False)
    assert json.loads(text)["results"]["n_documents"] == 1


def test_a_page_stands_alone_and_is_well_formed(make_report: Callable[..., Report]) -> None:
    report = make_report(random_gold(40))
    page = _Page(_page(report))
    assert page.loads == []
    assert page.open == []
    assert len(json.loads(page.data)) == len(report.results.mistakes) == sum(report.results.n_mistakes.values())


def test_text_cannot_break_out_of_the_page(make_report: Callable[..., Report]) -> None:
    text = "</script><b>我\ud800&"
    gold = Document(text, Words.of(text, [(0, len(text))]), Spans.of(text, [(0, 3, "PER")]), id="<i>")
    page = _page(make_report([gold]))
    assert page.count("</script>") == 2
    assert "<b>" not in page
    page.encode("utf-8")


# The command -------------------------------------------------------------------------------------------------------


def test_the_command_scores_and_writes_both_reports(evaluate: Run, data: Path, tmp_path: Path) -> None:
    result = evaluate("--data", data, "--samples", "20", "-o", tmp_path / "r.json", "--html", tmp_path / "r.html")
    assert result.returncode == 0, result.stderr
    assert "entities, strict, micro" in result.stdout
    read: dict[str, Any] = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert read["command"].startswith("lexel evaluate") or "evaluate" in read["command"]
    assert read["options"]["n_samples"] == 20
    assert read["data"] == {"file": str(data), "format": "jsonl", "bytes": data.stat().st_size} | {
        "sha256": sha256_of(data)
    }
    assert "<!doctype html>" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_the_command_takes_a_vocabulary_a_map_and_a_model(
    evaluate: Run, data: Path, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "words.utf8").write_text("我\n在 臺\n", encoding="utf-8")
    (tmp_path / "map.json").write_text('{"PERSON": "PER"}', encoding="utf-8")
    options = ("--vocabulary", tmp_path / "words.utf8", "--map-labels", tmp_path / "map.json", "--samples", "0")
    result = evaluate(folder, "-d", data, *options)
    assert result.returncode == 0, result.stderr
    assert "words out of vocabulary" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-d", "no.jsonl"], "no.jsonl: no such file; expected a file of labelled documents"),
        (["-d", "-"], "standard input has no checksum"),
        (["-d", "plain.txt"], "plain.txt: text holds no labels that can be read"),
        (["-d", "bare.jsonl"], "bare.jsonl: nothing to score (words: no document of the data has it"),
        (["-d", "dev.jsonl", "--html", "no/r.html"], "there is no folder 'no'"),
        (["-d", "dev.jsonl", "--map-labels", "plain.txt"], "plain.txt: is not JSON"),
        (["-d", "dev.jsonl", "--vocabulary", "empty.txt"], "empty.txt: holds no words"),
        (["-d", "dev.jsonl", "--max-chars", "3"], "expected at most 3 (--max-chars)"),
    ],
)
def test_what_cannot_be_scored_is_said_in_a_line(
    arguments: list[str], said: str, evaluate: Run, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data.parent)
    Path("plain.txt").write_text("我在臺北\n", encoding="utf-8")
    Path("empty.txt").write_text("", encoding="utf-8")
    Path("bare.jsonl").write_text('{"text": "我在"}\n', encoding="utf-8")
    result = evaluate(*arguments, "-q")
    assert result.returncode == 1
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_data_must_be_named(evaluate: Run) -> None:
    result = evaluate()
    assert result.returncode == 2
    assert "--data" in result.stderr


def test_quiet_prints_nothing_and_still_writes(evaluate: Run, data: Path, tmp_path: Path) -> None:
    result = evaluate("--data", data, "--samples", "0", "-q", "-o", tmp_path / "r.json")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["results"]["losses"].keys() == {
        "words",
        "pos",
        "entities",
    }


def test_columns_and_scheme_of_the_data_are_as_one_says(evaluate: Run, tmp_path: Path) -> None:
    path = tmp_path / "five.conll"
    path.write_text("我 x x x S-PER\n在 x x x O\n臺 x x x B-LOC\n北 x x x E-LOC\n", encoding="utf-8")
    options = ("--columns", "word,-,-,-,tag", "--data-scheme", "bioes", "--samples", "0")
    assert evaluate("--data", path, *options, "-q", "-o", tmp_path / "r.json").returncode == 0
    entities = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["results"]["entities"]
    assert entities["strict"]["micro"]["n_gold"] == 2


def test_ill_formed_tags_are_refused_by_line_and_taken_with_repair(evaluate: Run, tmp_path: Path) -> None:
    path = tmp_path / "ill.conll"
    path.write_text("我 O\n在 I-PER\n", encoding="utf-8")
    refused = evaluate("--data", path)
    assert refused.returncode == 1
    assert f"{path}:2: tag 'I-PER' is not allowed here" in refused.stderr
    assert evaluate("--data", path, "--repair", "--samples", "0").returncode == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--columns", "word,tags"), "'word,tags'; expected one word"),
        (("--data-scheme", "BIEO"), "BIEO"),
        (("--columns", "word,tag", "--from", "jsonl"), "is jsonl; columns: only for CoNLL columns"),
    ],
)
def test_options_that_say_nothing_of_the_data_are_misuse(
    evaluate: Run, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    path = tmp_path / "some.conll"
    path.write_text("我 O\n", encoding="utf-8")
    result = evaluate("--data", path, *options)
    assert result.returncode == 2
    assert said in result.stderr


def test_texts_of_the_training_data_are_counted_and_said(evaluate: Run, data: Path, tmp_path: Path) -> None:
    training = tmp_path / "train.jsonl"
    gold = random_gold(40)
    write_jsonl([*gold[:7], *random_gold(5, seed=9)], training)
    n_both = sum(bool(document.text) for document in gold[:7])
    result = evaluate("--data", data, "--vocabulary", training, "--samples", "0", "-o", tmp_path / "r.json")
    assert f"{n_both} of 40 documents have texts of the training data" in result.stdout
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["results"]["n_overlapping"] == n_both


def test_a_file_without_documents_is_refused(evaluate: Run, tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_text("\n", encoding="utf-8")
    result = evaluate("--data", path)
    assert result.returncode == 1
    assert f"{path}: no documents; expected labelled ones" in result.stderr
