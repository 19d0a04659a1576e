"""Options of ``lexel distill``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from lexel.cli.options.groups import option

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
