"""What a person asks of training: the data, the heads, and how the weights are to be found.

Names and defaults are those of transformers' ``TrainingArguments`` wherever it has the option. Each option is described
once, in the docstring; the command line's help is read from there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from lexel.errors import OptionError

HeadTask = Literal["words", "pos", "words+pos", "entities", "labels", "fill", "classify", "answer", "embed"]
HeadPooling = Literal["attention", "dense", "both"]
Problem = Literal["single", "multi", "regression"]
Method = Literal["full", "head", "last_layers", "lora", "dora", "ia3", "adapter"]
Strategy = Literal["epoch", "steps", "no"]
Optimizer = Literal["adamw_torch", "muon"]
Schedule = Literal["linear", "cosine", "polynomial", "constant", "constant_with_warmup", "inverse_sqrt"]
Pieces = Literal["chars", "tokenizer"]

REFUSED_METHODS: Mapping[str, str] = dict.fromkeys(
    ("prompt", "prompt_tuning", "prefix", "prefix_tuning", "p_tuning", "ptuning"),
    "it puts made-up pieces before every sequence, which take room from each window and cannot be merged into weights "
    "that the engines run",
)
"""Methods that others have, each with the reason why it is none here."""

_NO_OTHER_KEYS: Final[Any] = {"extra": "forbid"}
"""Tells pydantic, which reads recipes, to refuse unknown keys."""

_HEAD_NAME = re.compile(r"[A-Za-z][\w+-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadOptions:
    """One head to be trained.

    Attributes:
        task: What it is for.
        labels: Its labels in the order of its outputs; those of the training data if not given.
        scheme: Scheme of its tags (BIO, BIOES, BMES, ...); if not given, BI for words and BIO for entities.
        loss_weight: What its loss counts for beside those of the other heads.
        word_label: Whether a word's label is that of its first piece, or the mean over its pieces.
        problem: Of classify: one label a text, any number of them, or a number; as the data says if not given.
        from_head: Head of the base model whose weights and labels it starts from.
        mlm_probability: Of fill: share of the pieces that are to be guessed.
        whole_word: Of fill: mask all pieces of a word, where the data says what the words are.
        pooling: Of embed: pieces weighed by ``attention``, their mean through a ``dense`` map, or both.
        dimensions: Of embed: how many numbers the dense map gives; as many as the encoder if not given.

    Raises:
        OptionError: If a value is out of its range, or belongs to another task.
    """

    __pydantic_config__ = _NO_OTHER_KEYS

    task: HeadTask
    labels: tuple[str, ...] | None = None
    scheme: str | None = None
    loss_weight: float = 1.0
    word_label: Literal["first", "mean"] = "first"
    problem: Problem | None = None
    from_head: str | None = None
    mlm_probability: float = 0.15
    whole_word: bool = True
    pooling: HeadPooling = "both"
    dimensions: int | None = None

    def __post_init__(self) -> None:
        check = _checking(self, "a head's ")
        check("task", _is_one_of(HeadTask), f"one of {_listed(HeadTask)}")
        check("loss_weight", lambda value: value > 0, "a number above 0")
        check("word_label", lambda value: value in ("first", "mean"), "first or mean")
        check("problem", lambda value: value is None or value in get_args(Problem), f"one of {_listed(Problem)}")
        check("pooling", _is_one_of(HeadPooling), f"one of {_listed(HeadPooling)}")
        check("dimensions", lambda value: value is None or _is_count(value), "a whole number from 1 on")
        check("mlm_probability", lambda value: 0 < value < 1, "a share between 0 and 1")
        if self.labels is not None and len(set(self.labels)) < len(self.labels):
            raise OptionError(f"a head's labels: {', '.join(self.labels)}; expected each of them once")
        if self.problem is not None and self.task != "classify":
            raise OptionError(f"a head's problem: {self.problem} of a head for {self.task}; only classify has one")
        if self.scheme is not None and self.task not in ("words", "words+pos", "entities"):
            raise OptionError(f"a head's scheme: {self.scheme} of a head for {self.task}; only tags of spans have one")
        if self.dimensions is not None and (self.task != "embed" or self.pooling == "attention"):
            raise OptionError(
                f"a head's dimensions: {self.dimensions}, task {self.task}, pooling {self.pooling}; only embed with a "
                "dense map has them"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """A file of examples.

    Attributes:
        path: Where it is.
        weight: How many times an epoch reads it; 0.5 reads another half of it each epoch.
        format: Its format's name, where its ending does not say it.
        name: What the card calls it; the file's name if not given.
        licence: Its licence, for the card.
        layers: The layers to learn from; all that it has if not given, none of them if empty.
        label_map: Its labels to those that the heads have.
        fold: How its part-of-speech tags become others by each word's second tag (``xpos``): a rule's name, or a table
            ``{SCONJ: {RB: ADV, DEC: PART}}``.

    Raises:
        OptionError: If the weight is not above 0, or the path is empty.
    """

    __pydantic_config__ = _NO_OTHER_KEYS

    path: str
    weight: float = 1.0
    format: str | None = None
    name: str | None = None
    licence: str | None = None
    layers: tuple[str, ...] | None = None
    label_map: Mapping[str, str] | None = None
    fold: str | Mapping[str, Mapping[str, str]] | None = None

    def __post_init__(self) -> None:
        check = _checking(self, "a data file's ")
        check("path", lambda value: bool(value), "a path")
        check("weight", lambda value: 0 < value < math.inf, "a number above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillOptions:
    """What is learnt from a teacher, and what of it the student keeps.

    Attributes:
        temperature: The teacher's and the student's scores are divided by it before they are compared.
        label_weight: What the distance from the teacher's probabilities, or vectors, counts for, times each head's
            loss_weight.
        hidden_weight: What the distance from the teacher's hidden states counts for.
        gold_weight: What the data's own labels count for.
        hidden_layers: Compare the last layer, or every layer of the student with the one of the teacher at its height.
        vocabulary: Most pieces to keep, those that the training files use most; all if not given.

    Raises:
        OptionError: If a value is out of its range.
    """

    __pydantic_config__ = _NO_OTHER_KEYS

    temperature: float = 2.0
    label_weight: float = 1.0
    hidden_weight: float = 1.0
    gold_weight: float = 1.0
    hidden_layers: Literal["last", "all"] = "last"
    vocabulary: int | None = None

    def __post_init__(self) -> None:
        check = _checking(self, "distill.")
        check("temperature", lambda value: 0 < value < math.inf, "a number above 0")
        for name in ("label_weight", "hidden_weight", "gold_weight"):
            check(name, lambda value: 0 <= value < math.inf, "a number from 0 on")
        check("hidden_layers", lambda value: value in ("last", "all"), "last or all")
        check("vocabulary", lambda value: value is None or _is_count(value), "a whole number from 1 on")
        if not (self.label_weight or self.hidden_weight):
            raise OptionError("distill: label_weight and hidden_weight are 0; expected one of them above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """All options of a training run.

    Attributes:
        train: Files to learn from.
        validation: Files to measure on while training.
        test: Files to measure on when it is done.
        dev_fraction: Share of the training documents to measure on, if there are no validation files.
        heads: The heads by name, or a list of their tasks (words, pos, words+pos, entities, labels, fill, classify,
            answer, embed).
        output_dir: The folder to make.
        model: Folder or hub id of the model to start from; random weights of ``config`` if not given.
        revision: Branch, tag or commit of a hub id.
        tokenizer: Folder of a tokenizer, to train from scratch.
        config: Values of config.json, to overrule the model's or to make one from scratch.
        teacher: Folder or hub id of a model to learn from; without a model to start from, the student is made of it.
        distill: What is learnt from the teacher: temperature, label_weight, hidden_weight, gold_weight, hidden_layers,
            vocabulary.
        pieces: What the model reads, single characters or a tokenizer's pieces; as the model says if not given.
        seed: Of everything random.
        num_train_epochs: Times the training data is read; a fraction stops within an epoch.
        max_steps: Steps to make, in place of epochs; -1: as many as the epochs have.
        learning_rate: The highest learning rate.
        per_device_train_batch_size: Windows a step and process.
        per_device_eval_batch_size: Windows a batch while measuring.
        batch_pieces: Pieces a step and process, in place of a number of windows.
        gradient_accumulation_steps: Batches whose gradients are summed before a step.
        packing: Put several windows into a row, so that nothing is computed for padding.
        group_by_length: Put windows of like length into a batch, where rows are not packed.
        window: Longest window in pieces, with its special pieces; the model's longest if not given.
        overlap: Pieces that neighbouring windows share; as for prediction if not given.
        optim: The optimiser; muon turns the hidden matrices' steps orthogonal, adamw_torch serves the rest.
        adam_beta1: Adam's decay of the first moment.
        adam_beta2: Adam's decay of the second moment.
        adam_epsilon: Adam's term for numerical stability.
        weight_decay: Decoupled weight decay, of matrices only.
        max_grad_norm: Longer gradients are shortened to this norm; 0: never.
        lr_scheduler_type: How the learning rate goes down.
        warmup_steps: Steps in which the learning rate goes up.
        warmup_ratio: The same as a share of all steps.
        layer_decay: Factor on the learning rate for each layer further from the heads.
        label_smoothing_factor: Share of each label's probability that is spread over all labels.
        class_weights: What a label's loss counts for: balanced, or a number by label.
        ema_decay: Keep a moving average of the weights with this decay, less in the first steps, and measure and save
            that.
        bf16: Compute in bf16; where the processor has it if not given.
        method: Which weights are trained, or what is put in beside them.
        last_layers: Of method last_layers: how many layers are trained.
        lora_r: Of lora and dora: rank of the update.
        lora_alpha: Of lora and dora: the update is scaled by this over the rank.
        lora_dropout: Of lora and dora: dropout on the update's input.
        target_modules: Of lora, dora and ia3: endings of the modules' names; as fits the family if not given.
        adapter_size: Of adapter: width of the bottleneck.
        merge: Of lora, dora and ia3: merge the update into the weights, and keep nothing else; if not, the folder has
            it in adapter/ too, as peft reads it.
        eval_strategy: When to measure.
        eval_steps: Steps between measurements, with eval_strategy steps; as logging_steps if not given.
        logging_steps: Steps over which the reported loss is a mean.
        save_strategy: When to save a checkpoint.
        save_steps: Steps between checkpoints, with save_strategy steps.
        save_total_limit: Checkpoints to keep, also when it is done; if not given, two while it runs, then none.
        load_best_model_at_end: Give the best weights measured, not the last.
        metric_for_best_model: Which figure decides; f1 if not given (of several heads the mean), or accuracy, or the
            loss.
        greater_is_better: Whether a higher figure is better; as the metric says if not given.
        early_stopping_patience: Stop after so many measurements without a better one.
        unknown_piece_probability: Share of the pieces that are made unknown while training.
        report_to: Trackers to tell the figures to.
        threads: Threads a process; all physical cores if not given.
        repair: Put ill-formed label sequences right, as conlleval reads them, instead of refusing them.
        save_dtype: Number type of the saved weights.
        card: Answers for the card, such as licence, language, intended_use and author.

    Raises:
        OptionError: If a value is out of its range, or two do not go together.
    """

    __pydantic_config__ = _NO_OTHER_KEYS

    train: tuple[DataFile, ...]
    validation: tuple[DataFile, ...] = ()
    test: tuple[DataFile, ...] = ()
    dev_fraction: float = 0.0

    heads: Mapping[str, HeadOptions]
    output_dir: str

    model: str | None = None
    revision: str | None = None
    tokenizer: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    teacher: str | None = None
    distill: DistillOptions = field(default_factory=DistillOptions)
    pieces: Pieces | None = None

    seed: int = 42
    num_train_epochs: float = 3.0
    max_steps: int = -1
    learning_rate: float = 5e-5
    per_device_train_batch_size: int = 8
    per_device_eval_batch_size: int = 8
    batch_pieces: int | None = None
    gradient_accumulation_steps: int = 1
    packing: bool = True
    group_by_length: bool = False
    window: int | None = None
    overlap: int | None = None

    optim: Optimizer = "adamw_torch"
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-8
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    lr_scheduler_type: Schedule = "linear"
    warmup_steps: int = 0
    warmup_ratio: float = 0.0
    layer_decay: float = 1.0
    label_smoothing_factor: float = 0.0
    class_weights: Literal["balanced"] | Mapping[str, float] | None = None
    ema_decay: float | None = None
    bf16: bool | None = None

    method: Method = "full"
    last_layers: int | None = None
    lora_r: int = 8
    lora_alpha: float = 16
    lora_dropout: float = 0.0
    target_modules: tuple[str, ...] | None = None
    adapter_size: int = 64
    merge: bool = True

    eval_strategy: Strategy = "epoch"
    eval_steps: int | None = None
    logging_steps: int = 500
    save_strategy: Strategy = "epoch"
    save_steps: int = 500
    save_total_limit: int | None = None
    load_best_model_at_end: bool = True
    metric_for_best_model: str | None = None
    greater_is_better: bool | None = None
    early_stopping_patience: int | None = None

    unknown_piece_probability: float = 0.0
    report_to: tuple[str, ...] = ()
    threads: int | None = None
    repair: bool = False
    save_dtype: Literal["float32", "float16"] = "float32"
    card: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_method(self.method)
        _check_ranges(self)
        _check_choices(self)
        _check_together(self)
        _check_card(self.card)


def refusal_of(method: str) -> str | None:
    """Why a method that others have is refused; ``None`` if it is not one of these."""
    reason = REFUSED_METHODS.get(method.lower().replace("-", "_")) if isinstance(method, str) else None
    return None if reason is None else f"{method!r} is refused: {reason}. Use one of {_listed(Method)}"


# Checks --------------------------------------------------------------------------------------------------------------

_Check = Callable[[str, Callable[[Any], bool], str], None]


def _checking(options: object, where: str) -> _Check:
    def check(name: str, is_right: Callable[[Any], bool], expected: str) -> None:
        value = getattr(options, name)
        try:
            right = is_right(value)
        except TypeError:
            right = False
        if not right:
            raise OptionError(f"{where}{name}: {value!r}; expected {expected}")

    return check


def _is_one_of(choices: Any) -> Callable[[Any], bool]:
    return lambda value: value in get_args(choices)


def _listed(choices: Any) -> str:
    return ", ".join(get_args(choices))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _check_method(method: str) -> None:
    refused = refusal_of(method)
    if refused is not None:
        raise OptionError(f"method: {refused}")


def _check_ranges(options: TrainingOptions) -> None:
    check = _checking(options, "")
    for name in (
        "per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps", "lora_r",
        "adapter_size", "logging_steps", "save_steps",
    ):  # fmt: skip
        check(name, _is_count, "a whole number from 1 on")
    for name in ("batch_pieces", "last_layers", "eval_steps", "save_total_limit", "early_stopping_patience", "threads"):
        check(name, lambda value: value is None or _is_count(value), "a whole number from 1 on")
    for name in ("adam_beta1", "adam_beta2", "warmup_ratio", "label_smoothing_factor", "lora_dropout", "dev_fraction"):
        check(name, lambda value: 0 <= value < 1, "a number from 0 to below 1")
    check("unknown_piece_probability", lambda value: 0 <= value < 1, "a number from 0 to below 1")
    for name in ("learning_rate", "adam_epsilon", "lora_alpha", "num_train_epochs"):
        check(name, lambda value: 0 < value < math.inf, "a number above 0")
    for name in ("weight_decay", "max_grad_norm", "warmup_steps"):
        check(name, lambda value: 0 <= value < math.inf, "a number from 0 on")
    check("max_steps", lambda value: value == -1 or _is_count(value), "a whole number from 1 on, or -1 for the epochs'")
    check("seed", lambda value: isinstance(value, int) and 0 <= value < 2**32, "a whole number from 0 to 4294967295")
    check("layer_decay", lambda value: 0 < value <= 1, "a factor above 0, at most 1")
    check("ema_decay", lambda value: value is None or 0 < value < 1, "a number between 0 and 1")
    check("window", lambda value: value is None or (_is_count(value) and value >= 8), "8 pieces or more")
    check("overlap", lambda value: value is None or value >= 0, "a number of pieces from 0 on")


def _check_choices(options: TrainingOptions) -> None:
    check = _checking(options, "")
    choices = {
        "optim": Optimizer, "lr_scheduler_type": Schedule, "method": Method, "eval_strategy": Strategy,
        "save_strategy": Strategy,
    }  # fmt: skip
    for name, kinds in choices.items():
        check(name, _is_one_of(kinds), f"one of {_listed(kinds)}")
    check("pieces", lambda value: value is None or value in get_args(Pieces), f"one of {_listed(Pieces)}")
    check("save_dtype", lambda value: value in ("float32", "float16"), "float32 or float16")
    check("train", lambda value: len(value) > 0, "at least one file to learn from")
    check("output_dir", lambda value: bool(value), "the folder to make")
    check("heads", lambda value: len(value) > 0, "at least one, such as words or entities")
    for name in options.heads:
        if not _HEAD_NAME.fullmatch(name):
            raise OptionError(f"heads: {name!r}; expected a name of letters, digits, + and -")
    weights = options.class_weights
    if isinstance(weights, str) and weights != "balanced":
        raise OptionError(f"class_weights: {weights!r}; expected balanced, or a number by label")
    for label, weight in weights.items() if isinstance(weights, Mapping) else ():
        if not weight >= 0:
            raise OptionError(f"class_weights: {weight!r} for label {label!r}; expected a number from 0 on")


def _check_card(answers: Mapping[str, Any]) -> None:
    """Refuse at once what would be refused when the card is written, after all the training."""
    if answers:
        from lexel.cards.questions import check_answers

        check_answers(answers)


def _check_together(options: TrainingOptions) -> None:
    if options.teacher is not None and options.method in ("lora", "dora", "ia3", "adapter"):
        raise OptionError(f"method: {options.method} with a teacher; expected full, last_layers or head")
    if options.teacher is None and options.distill != DistillOptions():
        raise OptionError("distill: given without a teacher; expected teacher")
    if options.distill.vocabulary and (options.model or options.tokenizer):
        raise OptionError(
            "distill.vocabulary: given beside a model or a tokenizer; the vocabulary cut is the teacher's"
        )
    if options.model is None and options.teacher is None and not options.config:
        raise OptionError("model: none; expected a model to start from, or config to make one from random weights")
    if options.model is None and options.teacher is None and options.tokenizer is None:
        raise OptionError("tokenizer: none; a model made from random weights needs the folder of one")
    if options.revision is not None and options.model is None:
        raise OptionError(f"revision: {options.revision!r} of no model; expected model")
    if options.warmup_steps and options.warmup_ratio:
        raise OptionError(
            f"warmup_steps: {options.warmup_steps}, and warmup_ratio {options.warmup_ratio}; expected one of them"
        )
    if (options.method == "last_layers") != (options.last_layers is not None):
        raise OptionError(
            f"last_layers: {options.last_layers} with method {options.method}; method last_layers and a number of "
            "layers go together"
        )
    if not options.merge and options.method not in ("lora", "dora", "ia3"):
        raise OptionError(f"merge: false with method {options.method}; only lora, dora and ia3 can be kept apart")
    if options.early_stopping_patience is not None and options.eval_strategy == "no":
        raise OptionError(
            f"early_stopping_patience: {options.early_stopping_patience} with eval_strategy no; expected epoch or steps"
        )
    measured = options.validation or options.dev_fraction
    for name in ("early_stopping_patience", "metric_for_best_model"):
        if getattr(options, name) is not None and not measured:
            raise OptionError(
                f"{name}: {getattr(options, name)} without anything to measure on; expected validation files, or "
                "dev_fraction"
            )
    if options.window is not None and options.overlap is not None and options.overlap >= options.window - 2:
        raise OptionError(f"overlap: {options.overlap} of a window of {options.window}; expected less than the window")
    if options.dev_fraction and options.validation:
        raise OptionError(f"dev_fraction: {options.dev_fraction} beside validation files; expected one of them")
