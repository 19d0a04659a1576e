"""What a card claims is run again, and where it does not come out, the reason is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lexel.cards import write_card
from lexel.cards.measuring import CardData, add_reports
from lexel.cli.app import app
from lexel.data import write_jsonl
from lexel.document import Document, Spans, Words
from lexel.engines.fake import FakeEngine
from lexel.evaluation.scores.results import Results
from lexel.evaluation.scores.run import EvaluationOptions, evaluate
from lexel.evaluation.scores.tallies import Sampling
from lexel.evaluation.verify.claims import Claim
from lexel.evaluation.verify.verify import Labelled, Verdict, VerifyOptions, verify
from lexel.tasks.tag import Tagger
from tests.builders import CHARS, ENTITIES, POS, WORDS, build_tagger, fake_tagger, noise
from tests.evaluation.conftest import random_gold

QUICK = Sampling(20)
Check = Callable[..., Verdict]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A file of gold documents."""
    write_jsonl(random_gold(40), tmp_path / "test.jsonl")
    return tmp_path / "test.jsonl"


def results_on(tagger: Tagger, documents: Sequence[Document]) -> Results:
    return evaluate(tagger, documents, options=EvaluationOptions(sampling=QUICK))


@pytest.fixture
def check(tagger: Tagger, data: Path) -> Check:
    """Verify one claim on one file."""

    def run(
        value: Any, name: str, *, on: Path = data, by: Tagger = tagger, options: Any = None, **more: Any
    ) -> Verdict:
        claim = Claim("set", value, "", name, **more)
        chosen = replace(VerifyOptions(sampling=QUICK), **(options or {}))
        (verdict,) = verify(by, [claim], files=[Labelled.at(on)], options=chosen).verdicts
        return verdict

    return run


def test_a_figure_that_comes_out_is_within(check: Check, tagger: Tagger) -> None:
    words = results_on(tagger, random_gold(40)).words
    assert words is not None
    verdict = check(words.words.f1.value, "word F1")
    assert verdict.is_within is True
    assert verdict.measured is not None
    assert verdict.measured.value == words.words.f1.value
    assert verdict.measured.low is not None


@pytest.mark.parametrize(("points", "is_within"), [(0.9, True), (1.1, False), (-0.9, True), (-3, False)])
def test_the_tolerance_is_a_point(points: float, is_within: bool, check: Check, tagger: Tagger) -> None:
    words = results_on(tagger, random_gold(40)).words
    assert words is not None
    assert check(words.words.f1.value + points / 100, "word F1").is_within is is_within


def test_the_tolerance_can_be_set(check: Check, tagger: Tagger) -> None:
    words = results_on(tagger, random_gold(40)).words
    assert words is not None
    assert check(words.words.f1.value + 0.03, "word F1", options={"tolerance": 3.5}).is_within is True


def test_per_cent_is_recognised_and_said(tagger: Tagger, data: Path) -> None:
    words = results_on(tagger, random_gold(40)).words
    assert words is not None
    claims = [Claim("set", 100 * words.words.f1.value, "f1", "word F1")]
    verification = verify(tagger, claims, files=[Labelled.at(data)], options=VerifyOptions(sampling=QUICK))
    assert verification.holds
    assert "the card's figures are in per cent" in verification.notes


def test_a_claim_without_data_or_meaning_is_listed_as_not_run(tagger: Tagger, data: Path) -> None:
    words = results_on(tagger, random_gold(40)).words
    assert words is not None
    claims = [
        Claim("set", words.words.f1.value, "f1", "word F1"),
        Claim("set", 3.1, "loss", "Loss"),
        Claim("set", "high", "f1", "word F1"),
        Claim("elsewhere", 0.9, "f1", "word F1"),
    ]
    file = Labelled.at(data, dataset="set")
    verification = verify(tagger, claims, files=[file], options=VerifyOptions(sampling=QUICK))
    assert verification.holds
    assert [verdict.why_not_run for verdict in verification.verdicts] == [
        "",
        "'Loss' is not a figure that Lexel re-runs (loss)",
        "the value 'high' is not a share or per cent",
        "no data given for elsewhere",
    ]


def test_a_card_of_which_nothing_could_be_run_does_not_hold(tagger: Tagger, data: Path) -> None:
    assert not verify(tagger, [Claim("set", 0.4, "loss")], files=[Labelled.at(data)]).holds


# Reasons -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def argmax_gold(tagger: Tagger, tmp_path: Path) -> Path:
    """Gold entities as the model itself finds them by argmax, read leniently."""
    reader = Tagger(tagger.flows, tagger.layers, replace(tagger.options, decode="argmax"))
    write_jsonl(list(reader.stream_documents(random_gold(40))), tmp_path / "argmax.jsonl")
    return tmp_path / "argmax.jsonl"


def test_the_other_rule_is_named_if_it_gives_the_claim(check: Check, argmax_gold: Path) -> None:
    verdict = check(1.0, "entity F1 (strict)", on=argmax_gold, options={"decode": "argmax"})
    assert verdict.is_within is False
    assert verdict.reasons[0] == "the claim is what another rule gives: entity F1, lenient, micro is 100.00"


def test_the_other_decoding_is_named_if_it_gives_the_claim(check: Check, argmax_gold: Path) -> None:
    verdict = check(1.0, "entity F1", on=argmax_gold, args={"decode": "viterbi"})
    assert verdict.is_within is False
    assert "decoded by argmax it is 100.00, as claimed" in verdict.reasons


def test_text_cut_off_is_named_if_that_gives_the_claim(check: Check, tagger: Tagger, tmp_path: Path) -> None:
    long, end = _long_gold(), tagger.flows[0].window
    text = long.text[:end]
    short = Document(text, Words.of(text, [word[:2] for word in long.words if word.end <= end]))
    write_jsonl([long], tmp_path / "long.jsonl")
    cut = results_on(tagger, [short]).words
    whole = results_on(tagger, [long]).words
    assert cut is not None
    assert whole is not None
    assert abs(cut.words.f1.value - whole.words.f1.value) > 0.02
    verdict = check(cut.words.f1.value, "word F1", on=tmp_path / "long.jsonl")
    assert verdict.reasons[0].startswith("1 of 1 texts are longer than the model's window; with these cut off it is")


def test_text_cut_off_is_not_named_where_no_text_is_long(check: Check) -> None:
    assert not any("cut off" in reason for reason in check(0.999, "word F1").reasons)


def _long_gold() -> Document:
    """A text of two windows whose first part is cut into single characters, whose rest is one word."""
    text = (CHARS * 4)[:100]
    return Document(text, Words.of(text, [*((i, i + 1) for i in range(60)), (60, 100)]))


def test_other_data_than_the_cards_is_named(check: Check, data: Path) -> None:
    verdict = check(0.999, "word F1", revision="0" * 64)
    assert f"{data} is not the file of the claim, whose SHA-256 is {'0' * 64}" in verdict.reasons


def test_a_low_precision_is_named(check: Check, folder: Path) -> None:
    rules = {name: noise(len(labels), seed=i) for i, (name, labels) in enumerate(_HEADS.items())}
    engine = FakeEngine(rules)
    engine.precision = "bf16"
    verdict = check(0.999, "word F1", by=fake_tagger(folder, engine))
    assert "computed in bf16; measure with --precision float32" in verdict.reasons


def test_another_version_of_the_tokenizer_is_named(check: Check, tmp_path: Path) -> None:
    folder = build_tagger(tmp_path / "older", heads=_HEADS, pieces="chars")
    values = json.loads((folder / "lexel.json").read_text(encoding="utf-8"))
    values["made"] = {"versions": {"tokenizers": "0.1.0"}}
    (folder / "lexel.json").write_text(json.dumps(values), encoding="utf-8")
    verdict = check(0.999, "word F1", by=fake_tagger(folder))
    assert any(reason.startswith("the model was made with tokenizers 0.1.0; here it is ") for reason in verdict.reasons)


_HEADS = {"words": WORDS, "pos": POS, "entities": ENTITIES}


def test_folded_gold_tags_are_named_if_they_give_the_claim(check: Check, tmp_path: Path) -> None:
    folder = build_tagger(tmp_path / "ud", heads={"words": WORDS, "pos": ("ADV", "PART", "NOUN")}, pieces="chars")
    tagger = fake_tagger(folder)
    read = [tagger(text) for text in ("的一是不在人", "有我他這中大")]
    lines = [_record(document) for document in read]
    (tmp_path / "gsd.jsonl").write_text("".join(lines), encoding="utf-8")
    verdict = check(1.0, "words with tags, F1", on=tmp_path / "gsd.jsonl", by=tagger)
    assert verdict.is_within is False
    assert "with gold tags folded by ud-zh-2.12 (--fold) it is 100.00, as claimed" in verdict.reasons
    assert check(1.0, "words with tags, F1", on=tmp_path / "gsd.jsonl", by=tagger, config="ud-zh-2.12").is_within


def _record(document: Document) -> str:
    """What the model reads, with ADV and PART called SCONJ as the treebank does."""
    pos = document.words.pos or []
    xpos = [{"ADV": "RB", "PART": "DEC"}.get(tag, "NN") for tag in pos]
    values = {
        "text": document.text,
        "words": [word[:2] for word in document.words],
        "upos": ["SCONJ" if tag in ("ADV", "PART") else tag for tag in pos],
        "xpos": xpos,
    }
    return json.dumps(values) + "\n"


def test_where_no_reason_applies_none_is_made_up(check: Check) -> None:
    assert check(0.999, "word F1").reasons == ()


# Single tags ---------------------------------------------------------------------------------------------------------


def test_plain_accuracy_counts_the_tag_of_each_word(check: Check, tagger: Tagger, tmp_path: Path) -> None:
    read = tagger("的一是不在人有我")
    entities = [(span.start, span.end, span.label) for span in read.entities]
    assert entities
    start, end, label = entities[0]
    other = "LOC" if label == "PER" else "PER"
    gold = Document(read.text, read.words, Spans.of(read.text, [(start, end, other), *entities[1:]]))
    write_jsonl([gold], tmp_path / "one.jsonl")
    n_words = len(read.words)
    n_wrong = sum(start <= word.start < end for word in read.words)
    only = Tagger(tagger.flows, {"entities": tagger.layers["entities"]}, tagger.options)
    verdict = check(1 - n_wrong / n_words, "Accuracy", on=tmp_path / "one.jsonl", by=only, options={"tolerance": 0.01})
    assert verdict.figure == "accuracy of single tags"
    assert verdict.is_within


# The command ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def carded(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a card that claims what is true."""
    monkeypatch.setenv("LEXEL_ENGINE", "numpy")
    monkeypatch.delenv("LEXEL_MODEL", raising=False)
    folder = build_tagger(tmp_path / "my-model", heads=_HEADS, pieces="chars", seed=2)
    add_reports(folder, [CardData(Labelled.at(data))], command="test", sampling=QUICK)
    write_card(folder, measure=False)
    return folder


def lexel(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_the_card_that_was_written_holds(carded: Path, data: Path) -> None:
    result = lexel("verify", carded, "--data", data, "--samples", "0")
    assert result.exit_code == 0, result.output
    assert "13 of 13 figures within 1 points" in result.output


@pytest.mark.parametrize("number", range(13))
def test_any_figure_altered_by_three_points_does_not(number: int, carded: Path, data: Path) -> None:
    path = carded / "README.md"
    lines = path.read_text(encoding="utf-8").splitlines()
    at = [i for i, line in enumerate(lines) if line.strip().startswith("value: ")][number]
    value = float(lines[at].partition(": ")[2])
    lines[at] = f"      value: {value + (0.03 if value < 0.5 else -0.03):.4f}"
    path.write_text("\n".join(lines), encoding="utf-8")
    result = lexel("verify", carded, "--data", data, "--samples", "0")
    assert result.exit_code == 1
    assert "12 of 13 figures within 1 points" in result.output


def test_the_report_is_json_too(carded: Path, data: Path, tmp_path: Path) -> None:
    result = lexel("verify", carded, "-d", data, "--samples", "10", "--to", "json", "-o", tmp_path / "r.json", "-q")
    assert result.exit_code == 0, result.output
    read = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert json.loads(result.stdout)["verdicts"] == read["verdicts"]
    assert read["holds"] is True
    assert read["data"][0]["sha256"] == read["verdicts"][0]["claim"]["revision"]
    assert read["models"][0]["weights_sha256"].keys() == {"model.safetensors"}
    assert read["verdicts"][0]["measured"].keys() == {"value", "low", "high"}


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--data", "no.jsonl"], 1, "no.jsonl: no such file"),
        (["--data", "test.jsonl", "--dataset", "else"], 1, "no data set is called 'else'"),
        (["--data", "test.jsonl", "--fold", "none"], 1, "fold 'none' is not a rule"),
        (["--data", "test.jsonl", "-o", "no/r.json"], 1, "there is no folder 'no'"),
    ],
)
def test_what_cannot_be_verified_is_said(
    arguments: list[str], status: int, said: str, carded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(carded.parent)
    result = lexel("verify", carded, *arguments, "-q")
    assert result.exit_code == status
    assert said in result.stderr


def test_a_model_without_a_card_is_an_error(carded: Path, data: Path) -> None:
    (carded / "README.md").unlink()
    result = lexel("verify", carded, "-d", data, "-q")
    assert result.exit_code == 1
    assert "README.md: no such file; expected a card whose metadata claims figures" in result.stderr


def test_a_card_of_transformers_trainer_is_verified(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEXEL_ENGINE", "numpy")
    folder = build_tagger(tmp_path / "ner", heads={"entities": ENTITIES}, max_length=64)
    tagger = Tagger.load(folder, engine="numpy", decode="argmax")
    scores = evaluate(tagger, random_gold(40), options=EvaluationOptions(sampling=Sampling(0))).entities
    assert scores is not None
    micro = scores.lenient.micro
    (folder / "README.md").write_text(
        "---\nmodel-index:\n- name: ner\n  results:\n  - task:\n      name: Token Classification\n"
        "      type: token-classification\n    metrics:\n"
        f"    - name: Precision\n      type: precision\n      value: {micro.precision.value}\n"
        f"    - name: Recall\n      type: recall\n      value: {micro.recall.value}\n"
        f"    - name: F1\n      type: f1\n      value: {micro.f1.value}\n---\n",
        encoding="utf-8",
    )
    result = lexel("verify", folder, "-d", data, "--samples", "0")
    assert result.exit_code == 0, result.output
    assert "3 of 3 figures within 1 points" in result.output
    assert "decoded by argmax" in result.output
