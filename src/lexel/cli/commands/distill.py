"""``lexel distill``: a smaller model of a larger one, and what that costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lexel.cli.options.groups import MessageOptions, grouped, option
from lexel.cli.terminal.messages import note, reported

if TYPE_CHECKING:
    from lexel.evaluation.cost.cost import Cost
    from lexel.evaluation.cost.student import Gold
    from lexel.training.config.options import DataFile, TrainingOptions

_DATA, _STUDENT, _LEARNING = "Data", "Student", "Learning"

Text = Annotated[
    list[str] | None,
    option(
        "--text", panel=_DATA, value="FILE", help="Text like that which the student is to read; labels are passed over."
    ),
]
Data = Annotated[
    list[str] | None,
    option("--data", "-d", panel=_DATA, value="FILE", help="Labelled data to learn from as well."),
]
Dev = Annotated[
    list[str] | None,
    option(
        "--dev", panel=_DATA, value="FILE", help="Labelled data to score teacher and student on; for vectors any text."
    ),
]
HeldOut = Annotated[
    str | None,
    option("--held-out", panel=_DATA, value="FILE", help="Text to compare decisions on; that of --dev if not given."),
]
Heads = Annotated[
    str | None,
    option(
        "--heads",
        panel=_STUDENT,
        value="NAMES",
        help="Heads of the teacher's to keep; if not given all that tag, or vectors.",
    ),
]


@dataclass(frozen=True, slots=True)
class SizeOptions:
    """How large the student is; the teacher's sizes where nothing is said."""

    num_hidden_layers: Annotated[
        int | None, option("--num-hidden-layers", panel=_STUDENT, value="N", min=1, help="Layers.")
    ] = None
    hidden_size: Annotated[
        int | None,
        option(
            "--hidden-size", panel=_STUDENT, value="N", min=1,
            help="Width; another than the teacher's begins with random weights.",
        ),
    ] = None  # fmt: skip
    intermediate_size: Annotated[
        int | None,
        option("--intermediate-size", panel=_STUDENT, value="N", min=1, help="Inner width; goes with the width."),
    ] = None
    num_attention_heads: Annotated[
        int | None,
        option("--num-attention-heads", panel=_STUDENT, value="N", min=1, help="Attention heads; go with the width."),
    ] = None
    vocabulary: Annotated[
        int | None,
        option(
            "--vocabulary", panel=_STUDENT, value="N", min=1,
            help="Most pieces to keep, those that the text uses most; all if not given.",
        ),
    ] = None  # fmt: skip


@dataclass(frozen=True, slots=True)
class LearningOptions:
    """How it learns; what is not here can be said in a recipe of ``lexel train``."""

    max_steps: Annotated[
        int | None, option("--max-steps", panel=_LEARNING, value="N", min=1, help="Steps, in place of epochs.")
    ] = None
    num_train_epochs: Annotated[
        float | None,
        option("--num-train-epochs", panel=_LEARNING, value="NUMBER", help="Times the text is read; 3 if not given."),
    ] = None
    learning_rate: Annotated[
        float | None,
        option("--learning-rate", panel=_LEARNING, value="NUMBER", help="The highest learning rate; 0.0003."),
    ] = None
    batch_pieces: Annotated[
        int | None, option("--batch-pieces", panel=_LEARNING, value="N", min=8, help="Pieces a step; 4096.")
    ] = None
    warmup_ratio: Annotated[
        float | None,
        option("--warmup-ratio", panel=_LEARNING, value="NUMBER", help="Share of the steps to warm up in; 0.05."),
    ] = None
    temperature: Annotated[
        float | None,
        option("--temperature", panel=_LEARNING, value="NUMBER", help="Scores are divided by it to be compared; 2."),
    ] = None
    label_weight: Annotated[
        float | None,
        option("--label-weight", panel=_LEARNING, value="NUMBER", help="What the teacher's labels count for; 1."),
    ] = None
    hidden_weight: Annotated[
        float | None,
        option("--hidden-weight", panel=_LEARNING, value="NUMBER", help="What its hidden states count for; 1."),
    ] = None
    gold_weight: Annotated[
        float | None,
        option("--gold-weight", panel=_LEARNING, value="NUMBER", help="What the labels of --data count for; 1."),
    ] = None
    hidden_layers: Annotated[
        str | None,
        option("--hidden-layers", panel=_LEARNING, value="NAME", help="Compare the last layer, or all: last, all."),
    ] = None
    seed: Annotated[
        int | None, option("--seed", panel=_LEARNING, value="N", help="Of everything random; 42 if not given.")
    ] = None
    bf16: Annotated[
        bool | None, option("--bf16/--no-bf16", panel=_LEARNING, help="Compute in bf16; where the processor has it.")
    ] = None
    threads: Annotated[
        int | None, option("--threads", panel=_LEARNING, value="N", min=1, help="Threads; all physical cores.")
    ] = None


_DEFAULTS: Mapping[str, Any] = {"learning_rate": 3e-4, "batch_pieces": 4096, "warmup_ratio": 0.05}
_OF_TEACHER = ("temperature", "label_weight", "hidden_weight", "gold_weight", "hidden_layers")


@grouped
def distill(
    *,
    teacher: Annotated[str, typer.Argument(metavar="TEACHER", help="A model folder, or a hub id.")],
    out: Annotated[str, typer.Argument(metavar="OUT", help="The folder to make.")],
    text: Text = None,
    data: Data = None,
    dev: Dev = None,
    held_out: HeldOut = None,
    heads: Heads = None,
    size: SizeOptions,
    learning: LearningOptions,
    save_recipe: Annotated[
        str | None,
        option("--save-recipe", panel=_LEARNING, value="FILE", help="Write the same as a recipe of lexel train."),
    ] = None,
    messages: MessageOptions,
) -> None:
    """Make a smaller model that reads text as a larger one does.

    It learns from what the teacher says of raw text. What it costs, and
    what it gains, is measured and printed. Started again, it goes on where
    it was stopped.

    [bold]lexel distill my-model small --text news.txt --dev dev.jsonl
    --num-hidden-layers 2[/]
    """
    with reported(messages):
        from lexel.cli.commands.train import check_extra, is_first_process, train_with

        check_extra()
        options = _training_options(teacher, out, text, data, dev, heads, size, learning)
        if save_recipe is not None:
            from lexel.training.config.recipe import write_recipe

            write_recipe(options, save_recipe)
        train_with(options, is_quiet=messages.quiet or not is_first_process())
        if is_first_process():
            for line in described(_cost(options, held_out)):
                note(line)


def _training_options(
    teacher: str,
    out: str,
    text: list[str] | None,
    data: list[str] | None,
    dev: list[str] | None,
    heads: str | None,
    size: SizeOptions,
    learning: LearningOptions,
) -> TrainingOptions:
    """The options of the training that this is.

    Raises:
        typer.BadParameter: If there is nothing to learn from.
        OptionError: If a value is out of its range.
    """
    from lexel.training.config.recipe import Value, build_options, read_words

    if not (text or data):
        raise typer.BadParameter("expected --text, or --data", param_hint="--text")
    tasks = _heads_of(teacher, heads)
    asked = {name: Value({"task": Value(task, "--heads")}, "--heads") for name, task in tasks.items()}
    given = {name: value for name, value in _given(learning).items() if name not in _OF_TEACHER}
    values = {name: Value(str(value).lower(), f"--{name.replace('_', '-')}") for name, value in given.items()}
    sizes = {name: Value(str(value), f"--{name.replace('_', '-')}") for name, value in _given(size).items()}
    distilling = {
        name: Value(str(value), "--" + name) for name, value in _given(learning).items() if name in _OF_TEACHER
    }
    if "vocabulary" in sizes:
        distilling["vocabulary"] = sizes.pop("vocabulary")
    if not data:
        distilling["gold_weight"] = Value("0", "--data")
    values |= {
        "teacher": Value(teacher, "TEACHER", is_quoted=True),
        "output_dir": Value(out, "OUT", is_quoted=True),
        "train": read_words("train", [*(text or ()), *(data or ())], where="--text"),
        "validation": read_words("validation", dev or [], where="--dev"),
        "config": Value(sizes, "sizes"),
        "distill": Value(distilling, "distill"),
        "eval_strategy": Value("epoch" if dev and "embed" not in tasks.values() else "no", "--dev"),
        "heads": Value(asked, "--heads"),
    }
    defaults = {name: Value(str(value), name) for name, value in _DEFAULTS.items()}
    options = build_options(defaults, values)
    n_texts = len(text or ())
    train = (*map(_text_alone, options.train[:n_texts]), *options.train[n_texts:])
    scored = map(_text_alone, options.validation) if "embed" in tasks.values() else options.validation
    return replace(options, train=train, validation=tuple(scored))


def _text_alone(file: DataFile) -> DataFile:
    """A file whose labels are passed over."""
    return replace(file, layers=())


def _given(options: Any) -> dict[str, Any]:
    return {field: value for field in options.__slots__ if (value := getattr(options, field)) is not None}


def _heads_of(teacher: str, asked: str | None) -> dict[str, str]:
    """The tasks of the teacher's heads that the student is to have, by name; ``embed`` if it makes vectors without one.

    Raises:
        LabelError: If the teacher has none, or not those asked for.
    """
    from lexel.checkpoint import open_checkpoint
    from lexel.checkpoint.heads import TAGGING
    from lexel.checkpoint.sentence_transformers import is_sentence_folder
    from lexel.errors import LabelError

    checkpoint = open_checkpoint(teacher)
    there: dict[str, str] = {name: head.task for name, head in checkpoint.heads.items()}
    if is_sentence_folder(checkpoint.source.folder) and "embed" not in there.values():
        there["embed"] = "embed"
    tagging = [name for name, task in there.items() if task in TAGGING]
    vectors = [name for name, task in there.items() if task == "embed"]
    names = tagging or vectors or list(there) if asked is None else [name.strip() for name in asked.split(",")]
    missing = [name for name in names if name not in there]
    if missing or not names:
        raise LabelError(
            f"{teacher}: no head {', '.join(missing) or 'at all'}; it has {', '.join(there) or 'none'}. Choose among "
            "them with --heads, or take a teacher with heads"
        )
    return {name: there[name] for name in names}


# The cost ------------------------------------------------------------------------------------------------------------


def _cost(options: TrainingOptions, held_out: str | None) -> Cost:
    """Measure what the student lost, and write it into its folder."""
    import json

    from lexel.cards import write_card
    from lexel.checkpoint import open_checkpoint
    from lexel.evaluation.cost.measure import without_announcements
    from lexel.evaluation.cost.student import student_cost
    from lexel.training.config.options import DataFile
    from lexel.training.model.student import texts_of
    from lexel.training.outcome.finish import TELLING_SIZE
    from lexel.training.outcome.record import for_others

    gold = _gold(options)
    texts = gold.texts
    if held_out is not None:
        texts = list(texts_of(DataFile(path=held_out), options))
    elif not texts:
        note("decisions are compared on text that it learnt from; give --dev, or --held-out, to be told the truth")
        texts = [text for file in options.train for text in texts_of(file, options)]
    assert options.teacher is not None
    both = open_checkpoint(options.teacher), open_checkpoint(options.output_dir)
    with without_announcements():
        cost = student_cost(*both, gold=gold, texts=texts, threads=options.threads)
    record = for_others({"format": 1, "teacher": options.teacher, "cost": cost.record()})
    path = Path(options.output_dir) / "distillation.json"
    path.write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    write_card(options.output_dir, measure=cost.n_bytes >= 4 * TELLING_SIZE)
    return cost


def _gold(options: TrainingOptions) -> Gold:
    from lexel.data.classified import read_classified
    from lexel.data.questions import read_questions
    from lexel.evaluation.cost.student import Gold
    from lexel.training.data.features import read_documents

    tasks = {head.task for head in options.heads.values()}
    files = options.validation
    names = {label: to for file in files for label, to in (file.label_map or {}).items()}
    if tasks & {"classify", "embed"}:
        reading = (read_classified(file.path, format=file.format, labelled="classify" in tasks) for file in files)
        return Gold(classified=[record for records in reading for record in records])
    if "answer" in tasks:
        return Gold(questions=[question for file in files for question in read_questions(file.path)])
    return Gold(documents=[document for file in files for document in read_documents(file)], label_map=names)


def described(cost: Cost) -> list[str]:
    """What was measured, a line each."""
    from lexel.evaluation.cost.cost import described_loss

    lines = described_loss(cost.loss, names=("the teacher's", "the student's"))
    lines.append(f"size: {cost.n_bytes / 1e6:,.1f} MB of weights beside the teacher's {cost.n_bytes_before / 1e6:,.1f}")
    lines.append(f"speed: {cost.chars_per_second:,.0f} characters/s, {cost.times_as_fast:.2f} times the teacher's")
    return lines
