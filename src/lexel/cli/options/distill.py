"""Options of ``lexel distill``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from lexel.cli.options.groups import option

_DATA, _STUDENT, _LEARNING = "Data", "Student", "Learning"

Text = Annotated[
    list[str] | None,
    option("--text", panel=_DATA, value="FILE", help="Text like the text the student will read. Labels are ignored."),
]

Data = Annotated[
    list[str] | None,
    option("--data", "-d", panel=_DATA, value="FILE", help="Labelled data to train on in addition."),
]

Dev = Annotated[
    list[str] | None,
    option(
        "--dev",
        panel=_DATA,
        value="FILE",
        help="Labelled data to evaluate teacher and student on. For vectors: any text.",
    ),
]

HeldOut = Annotated[
    str | None,
    option("--held-out", panel=_DATA, value="FILE", help="Text to compare decisions on. Default: the text of --dev."),
]

Heads = Annotated[
    str | None,
    option(
        "--heads",
        panel=_STUDENT,
        value="NAMES",
        help="Heads of the teacher to keep. Default: all tagging heads, or vectors.",
    ),
]


@dataclass(frozen=True, slots=True)
class SizeOptions:
    """The sizes of the student. Default: the teacher's sizes."""

    num_hidden_layers: Annotated[
        int | None, option("--num-hidden-layers", panel=_STUDENT, value="N", min=1, help="Number of layers.")
    ] = None
    hidden_size: Annotated[
        int | None,
        option(
            "--hidden-size", panel=_STUDENT, value="N", min=1,
            help="Hidden size. If it differs from the teacher's, training starts from random weights.",
        ),
    ] = None  # fmt: skip
    intermediate_size: Annotated[
        int | None,
        option(
            "--intermediate-size",
            panel=_STUDENT,
            value="N",
            min=1,
            help="Size of the feed-forward layers. Default: in proportion to the hidden size.",
        ),
    ] = None
    num_attention_heads: Annotated[
        int | None,
        option(
            "--num-attention-heads",
            panel=_STUDENT,
            value="N",
            min=1,
            help="Number of attention heads. Default: in proportion to the hidden size.",
        ),
    ] = None
    vocabulary: Annotated[
        int | None,
        option(
            "--vocabulary", panel=_STUDENT, value="N", min=1,
            help="Keep the N most frequent pieces of the vocabulary. Default: all.",
        ),
    ] = None  # fmt: skip


@dataclass(frozen=True, slots=True)
class LearningOptions:
    """How the student learns. A recipe of ``lexel train`` has more options."""

    max_steps: Annotated[
        int | None,
        option("--max-steps", panel=_LEARNING, value="N", min=1, help="Number of steps. Overrides the epochs."),
    ] = None
    num_train_epochs: Annotated[
        float | None,
        option("--num-train-epochs", panel=_LEARNING, value="NUMBER", help="Number of epochs. Default: 3."),
    ] = None
    learning_rate: Annotated[
        float | None,
        option("--learning-rate", panel=_LEARNING, value="NUMBER", help="The highest learning rate. Default: 0.0003."),
    ] = None
    batch_pieces: Annotated[
        int | None, option("--batch-pieces", panel=_LEARNING, value="N", min=8, help="Pieces per step. Default: 4096.")
    ] = None
    warmup_ratio: Annotated[
        float | None,
        option("--warmup-ratio", panel=_LEARNING, value="NUMBER", help="Share of the steps for warmup. Default: 0.05."),
    ] = None
    temperature: Annotated[
        float | None,
        option("--temperature", panel=_LEARNING, value="NUMBER", help="Distillation temperature. Default: 2."),
    ] = None
    label_weight: Annotated[
        float | None,
        option(
            "--label-weight",
            panel=_LEARNING,
            value="NUMBER",
            help="Weight of the teacher's labels in the loss. Default: 1.",
        ),
    ] = None
    hidden_weight: Annotated[
        float | None,
        option(
            "--hidden-weight",
            panel=_LEARNING,
            value="NUMBER",
            help="Weight of the teacher's hidden states in the loss. Default: 1.",
        ),
    ] = None
    gold_weight: Annotated[
        float | None,
        option(
            "--gold-weight",
            panel=_LEARNING,
            value="NUMBER",
            help="Weight of the labels of --data in the loss. Default: 1.",
        ),
    ] = None
    hidden_layers: Annotated[
        str | None,
        option("--hidden-layers", panel=_LEARNING, value="NAME", help="Hidden layers to compare: last or all."),
    ] = None
    seed: Annotated[
        int | None, option("--seed", panel=_LEARNING, value="N", help="Seed of all random choices. Default: 42.")
    ] = None
    bf16: Annotated[
        bool | None,
        option(
            "--bf16/--no-bf16", panel=_LEARNING, help="Compute in bf16. Default: if the processor supports it natively."
        ),
    ] = None
    threads: Annotated[
        int | None,
        option("--threads", panel=_LEARNING, value="N", min=1, help="Number of threads. Default: all physical cores."),
    ] = None
