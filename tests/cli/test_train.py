"""``lexel train``: options, the dry run, a run, and what is said on the way."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

from lexel.checkpoint import open_checkpoint
from lexel.cli.jobs.training import check_extra, told_once
from lexel.cli.options.train import GivenOptions, _help, _lines_of_docstring
from lexel.cli.terminal.train_progress import show_training
from lexel.data import read_jsonl
from lexel.errors import MissingExtra, OptionError
from lexel.training.config.options import TrainingOptions
from lexel.training.config.recipe import build_options, read_recipe
from tests.cli.conftest import Run, one_error

DATA = Path(__file__).parents[1] / "data" / "zh_hk.jsonl"
CONLL = "new\tB-LOC\nyork\tI-LOC\n\nin\tO\nthe\tI-LOC\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A dozen sentences with words and tags."""
    path = tmp_path / "train.jsonl"
    path.write_text("".join(DATA.read_text(encoding="utf-8").splitlines(keepends=True)[:12]), encoding="utf-8")
    return path


def test_every_option_of_training_can_be_typed() -> None:
    assert [field.name for field in fields(GivenOptions)] == [field.name for field in fields(TrainingOptions)]


@pytest.mark.parametrize("field", fields(TrainingOptions), ids=lambda field: field.name)
def test_every_option_has_help_from_its_description(field) -> None:
    said = _lines_of_docstring()[field.name]
    assert said[0].isupper()
    assert said.endswith(".")
    assert _help(field, str).startswith(said.replace("``", "").rstrip("."))


def test_the_dry_run_says_what_would_happen_and_writes_nothing(lexel: Run, data: Path, tmp_path: Path) -> None:
    dev = tmp_path / "dev.jsonl"
    dev.write_text("".join(data.read_text(encoding="utf-8").splitlines(keepends=True)[-2:]), encoding="utf-8")
    result = lexel(
        "train", "--train-file", data, "--validation_file", dev, "-o", tmp_path / "out", "--dry-run",
        "--learning_rate", "2e-5", "--num-train-epochs", "2", "--per-device-train-batch-size", "4",
    )  # fmt: skip
    said = result.stdout.decode()
    assert result.returncode == 0, result.stderr.decode()
    n_words = sum(len(document.words) for document in read_jsonl(data))
    assert f"train: {data}: 12 documents" in said
    assert f"{n_words:,} words" in said
    assert "2 documents (100.0%) are also in the training data" in said
    assert "steps: 6, 3 an epoch" in said
    assert "no label is dropped" in said
    assert "heads: words, pos, the layers of" in result.stderr.decode()
    assert not (tmp_path / "out").exists()


def test_training_makes_a_folder_and_says_what_next(lexel: Run, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "train: train.jsonl\nvalidation: train.jsonl\nheads: [words]\noutput_dir: out\nmax_steps: 9\nthreads: 1\n"
    )
    typed = ("--max-steps", "2", "--report-to", "tensorboard", "--save-recipe", tmp_path / "all.yaml")
    result = lexel("train", recipe, *typed)
    said = result.stderr.decode()
    assert result.returncode == 0, said
    assert list(open_checkpoint(out).heads) == ["words"]
    assert f"lexel tag -m {out}" in result.stdout.decode()
    assert "its card lacks: licence, language" in result.stdout.decode()
    assert "finished.partial" not in said
    assert "validation loss" in said
    assert build_options(read_recipe(tmp_path / "all.yaml")).max_steps == 2
    assert json.loads((out / "lexel.json").read_text(encoding="utf-8"))["heads"]["words"]["task"] == "words"
    assert list(tmp_path.glob("out-logs/**/events.out.tfevents.*"))
    again = one_error(lexel("train", recipe, "--max-steps", "2"))
    assert str(out) in again


def test_a_head_of_the_base_model_that_the_data_does_not_train_is_named(lexel: Run, data: Path, model: Path) -> None:
    typed = ("train", "-m", model, "--train-file", data, "-o", data.parent / "out", "--dry-run")
    said = lexel(*typed).stderr.decode()
    assert f"note: the base model's head entities is left out: {data} has no entities" in said
    assert said.count("is left out") == 1
    assert "is left out" not in lexel(*typed, "--heads", "words").stderr.decode()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ((), 2, "--train-file and --output-dir: not given, and no recipe either"),
        (("--learning-rat", "1"), 2, "No such option: --learning-rat; did you mean --learning-rate?"),
        (("none.yaml",), 1, "none.yaml: no such file"),
        (("--train-file", "none.jsonl", "-o", "out"), 1, "none.jsonl"),
        (("--train-file", "none.txt", "-o", "out"), 1, "none.txt: no such file; expected a file of training data"),
        (("--train-file", f"file://{__file__}", "-o", "out"), 1, f"--heads: not given, and file://{__file__} has no"),
        (("--train-file", __file__, "-o", "out"), 1, f"--heads: not given, and {__file__} has no words, pos or"),
        (("--train-file", "a.jsonl", "-o", "o", "--heads", "words", "--seed", "x"), 1, "--seed: 'x'; expected a whole"),
        (("--train-file", "a.jsonl", "-o", "o", "--heads", "words", "--method", "prefix"), 1, "'prefix' is refused"),
        (("--train-file", "a.jsonl", "-o", "o", "--heads", "chunks"), 1, "'chunks'; expected one of words"),
        (("--train-file", "a.jsonl", "-o", "o", "--heads", "words", "--report-to", "abacus"), 1, "'abacus' is no"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(lexel: Run, arguments: tuple[str, ...], status: int, said: str) -> None:
    assert said in one_error(lexel("train", "--quiet", *arguments), status=status)


def test_a_missing_library_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lexel.cli.jobs.training.find_spec", lambda name: None if name == "accelerate" else name)
    with pytest.raises(MissingExtra, match=r'training needs accelerate: pip install "lexel\[train\]"'):
        check_extra()


def test_variables_give_way_to_what_is_typed(lexel: Run, tmp_path: Path) -> None:
    typed = ("--train-file", "a", "-o", tmp_path, "--heads", "words", "--seed", "y")
    assert "--seed: 'y'" in one_error(lexel("train", *typed, LEXEL_SEED="x"))
    assert "--seed: 'x'" in one_error(lexel("train", *typed[:-2], LEXEL_SEED="x"))


def test_ill_formed_tags_are_counted_and_repaired_when_asked(lexel: Run, tmp_path: Path) -> None:
    path = tmp_path / "train.conll"
    path.write_text(CONLL, encoding="utf-8")
    typed = ("train", "--train-file", path, "-o", tmp_path / "out", "--heads", "entities", "--dry-run")
    said = one_error(lexel(*typed, "--quiet"))
    assert "train.conll:5: tag 'I-LOC' is not allowed here" in said
    assert "1 tags of the file are ill-formed; --repair" in said
    repaired = lexel(*typed, "--repair")
    assert repaired.returncode == 0, repaired.stderr.decode()
    assert "1 ill-formed tags, repaired" in repaired.stdout.decode()


def test_the_table_is_printed_as_it_grows(capsys: pytest.CaptureFixture[str]) -> None:
    with show_training(is_wanted=True) as progress:
        progress.on_start(4)
        progress.on_step(1, 0.5, 10.0)
        progress.on_evaluation({"step": 2, "training_loss": 0.5, "f1": 0.25})
        progress.on_evaluation({"step": 4, "training_loss": 0.25, "f1": 0.5})
        progress.on_save(Path("out"))
    assert capsys.readouterr().err == (
        "  step  training loss      F1\n     2         0.5000  0.2500\n     4         0.2500  0.5000\n"
    )


def test_titles_are_printed_once_though_not_every_row_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    with show_training(is_wanted=True) as progress:
        progress.on_evaluation({"step": 2, "training_loss": 0.5, "f1": 0.25})
        progress.on_evaluation({"step": 3, "training_loss": 0.4})
        progress.on_evaluation({"step": 4, "training_loss": 0.3, "f1": 0.5})
    assert [line.split() for line in capsys.readouterr().err.splitlines()] == [
        ["step", "training", "loss", "F1"], ["2", "0.5000", "0.2500"], ["3", "0.4000"], ["4", "0.3000", "0.5000"],
    ]  # fmt: skip


def test_a_run_that_goes_on_says_from_where(capsys: pytest.CaptureFixture[str]) -> None:
    with show_training(is_wanted=True) as progress:
        progress.on_start(4_000, done=1_000)
    assert capsys.readouterr().err == "resuming after step 1,000 of 4,000\n"


def test_of_several_processes_the_first_tells_what_is_wrong_and_another_only_if_that_one_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("lexel.cli.jobs.training.time.sleep", waited.append)
    for rank, times in (("0", 0), ("1", 1)):
        monkeypatch.setenv("RANK", rank)
        with pytest.raises(OptionError), told_once():
            raise OptionError("wrong")
        assert len(waited) == times


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with show_training(is_wanted=False) as progress:
        progress.on_start(4)
        progress.on_evaluation({"step": 2, "f1": 0.25})
    assert capsys.readouterr().err == ""


def test_a_dry_run_that_finds_a_problem_lists_it_and_fails(lexel: Run, data: Path, tmp_path: Path) -> None:
    dev = tmp_path / "dev.conll"
    dev.write_text(CONLL, encoding="utf-8")
    result = lexel(
        "train", "--train-file", data, "--validation-file", dev, "-o", tmp_path / "out", "--dry-run", "--quiet"
    )
    assert "problem:" in result.stdout.decode()
    assert "would stop this run" in one_error(result)
