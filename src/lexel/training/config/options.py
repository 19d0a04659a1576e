"""The options of a training run: the data, the heads, and how the weights are trained.

Names and defaults are those of transformers' ``TrainingArguments`` wherever it has the option. Each option is described
once, in the docstring; the command line's help is read from there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal, get_args

from lexel.errors import DataError, OptionError
from lexel.names import SPAN_TASKS, OnError, Pieces, Problem, RowUnit, Task, WordLabel
from lexel.pointers import DEFAULT_SIZE, PointerKind
from lexel.training.config.checks import (
    check_card,
    check_choices,
    check_method,
    check_ranges,
    check_together,
    checking,
    is_count,
    is_one_of,
    or_list,
)
from lexel.training.config.choices import (
    HeadPooling,
    LabelsFrom,
    Method,
    Optimizer,
    Schedule,
    Strategy,
    listed,
)

_NO_OTHER_KEYS: Final[Any] = {"extra": "forbid"}
"""Tells pydantic, which reads recipes, to refuse unknown keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadOptions:
    """The options of one head.

    Attributes:
        task: What the head predicts.
        labels: The labels in the order of the outputs; the labels of the data if not given.
        scheme: The scheme of the tags (BIO, BIOES, BMES, ...); if not given, BI for words and BIO for entities.
        loss_weight: Factor on the loss of this head.
        word_label: Predict a word's label at its ``first`` piece, or as the ``mean`` over its pieces.
        problem: For classify: ``single`` for one class a text, ``multi`` for any number of classes, ``regression`` for
            a number; detected from the data if not given.
        crf: For words, words+pos and entities: train a linear-chain CRF, whose transition scores are used in decoding.
        from_head: Head of the base model to start from, with its weights and labels.
        mlm_probability: For fill: share of the pieces to predict.
        whole_word: For fill: mask all pieces of a word, where the data has words.
        pooling: For embed: pieces weighted by ``attention``, their mean through a ``dense`` layer, or both.
        dimensions: For embed: size of the vectors; the hidden size if not given.
        pointer: For spans: ``global-pointer`` with queries and keys of each label, or ``efficient-global-pointer``
            with shared ones.
        pointer_size: For spans: numbers of a query and of a key.
        rotary: For spans: turn queries and keys by their positions.

    Raises:
        OptionError: If a value is out of its range or belongs to another task.
    """

    task: Task
    labels: tuple[str, ...] | None = None
    scheme: str | None = None
    loss_weight: float = 1.0
    word_label: WordLabel = "first"
    problem: Problem | None = None
    crf: bool = False
    from_head: str | None = None
    mlm_probability: float = 0.15
    whole_word: bool = True
    pooling: HeadPooling = "both"
    dimensions: int | None = None
    pointer: PointerKind = "global-pointer"
    pointer_size: int = DEFAULT_SIZE
    rotary: bool = True

    __pydantic_config__ = _NO_OTHER_KEYS

    def __post_init__(self) -> None:
        check = checking(self, "a head's ")
        check("task", is_one_of(Task), f"one of {listed(Task)}")
        check("loss_weight", lambda value: value > 0, "a number above 0")
        check("word_label", is_one_of(WordLabel), "first or mean")
        check("problem", lambda value: value is None or value in get_args(Problem), f"one of {listed(Problem)}")
        check("pooling", is_one_of(HeadPooling), f"one of {listed(HeadPooling)}")
        check("pointer", is_one_of(PointerKind), f"one of {listed(PointerKind)}")
        check("pointer_size", is_count, "a whole number, 1 or more")
        check("dimensions", lambda value: value is None or is_count(value), "a whole number, 1 or more")
        check("mlm_probability", lambda value: 0 < value < 1, "a share between 0 and 1")
        if self.labels is not None and len(set(self.labels)) < len(self.labels):
            raise OptionError(f"a head's labels: {', '.join(self.labels)}; expected each of them once")
        if self.problem is not None and self.task != "classify":
            raise OptionError(f"a head's problem: {self.problem} with task {self.task}; expected task classify")
        if self.scheme is not None and self.task not in SPAN_TASKS:
            raise OptionError(f"a head's scheme: {self.scheme} with task {self.task}; expected {or_list(SPAN_TASKS)}")
        if self.crf and self.task not in SPAN_TASKS:
            raise OptionError(f"a head's crf: true with task {self.task}; expected {or_list(SPAN_TASKS)}")
        if self.rotary and self.pointer_size % 2:
            raise OptionError(
                f"a head's pointer_size: {self.pointer_size} with rotary positions; expected an even number"
            )
        if self.dimensions is not None and (self.task != "embed" or self.pooling == "attention"):
            raise OptionError(
                f"a head's dimensions: {self.dimensions}, task {self.task}, pooling {self.pooling}; expected "
                "task embed with a dense layer"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """A file of examples.

    Attributes:
        path: The path of the file.
        weight: How many times an epoch reads it; 0.5 reads a random half in each epoch.
        format: The name of its format; by its ending if not given.
        encoding: Its text encoding; UTF-8 if not given.
        columns: For CoNLL files: what each column holds: word, pos, tag (of entities), or - to skip it.
        separator: For CoNLL files: what separates columns: tab, blank, or any text.
        scheme: For CoNLL files: the scheme of the tags.
        unit: For CoNLL files: what a row is, words or chars; by the first rows if not given.
        entity_key: For CoNLL-U files: the key of entity tags in MISC; Entity if not given.
        text_field: For classified texts: key or column of the text.
        pair_field: For classified texts: key or column of a pair's second text.
        label_field: For classified texts: key or column of the label.
        on_error: What happens at a record that cannot be read: stop, skip or repair; stop if not given.
        name: Its name in the card; the file's name if not given.
        licence: Its licence, for the card.
        layers: The layers to learn from; all if not given, none if empty.
        label_map: Names of its labels and the heads' names for them.
        fold: Fold part-of-speech tags by each word's second tag (``xpos``): a rule's name, or a table
            ``{SCONJ: {RB: ADV, DEC: PART}}``.

    Raises:
        OptionError: If the weight is not above 0, or the path is empty.
    """

    __pydantic_config__ = _NO_OTHER_KEYS

    path: str
    weight: float = 1.0
    format: str | None = None
    encoding: str | None = None
    columns: tuple[str, ...] | None = None
    separator: str | None = None
    scheme: str | None = None
    unit: RowUnit | None = None
    entity_key: str | None = None
    text_field: str | None = None
    pair_field: str | None = None
    label_field: str | None = None
    on_error: OnError | None = None
    name: str | None = None
    licence: str | None = None
    layers: tuple[str, ...] | None = None
    label_map: Mapping[str, str] | None = None
    fold: str | Mapping[str, Mapping[str, str]] | None = None

    def __post_init__(self) -> None:
        check = checking(self, "a data file's ")
        check("path", lambda value: bool(value), "a path")
        check("weight", lambda value: 0 < value < math.inf, "a number above 0")
        check("unit", lambda value: value is None or value in get_args(RowUnit), "words or chars")


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillOptions:
    """How a student learns from its teacher.

    Attributes:
        temperature: Divides the scores of teacher and student before they are compared.
        label_weight: Weight of the loss against the teacher's probabilities, or vectors, times each head's
            loss_weight.
        hidden_weight: Weight of the loss against the teacher's hidden states.
        gold_weight: Weight of the loss against the labels of the data.
        hidden_layers: Compare the last layer only, or each layer of the student with the teacher's at the same
            relative depth.
        vocabulary: Keep this many pieces, the most frequent in the training files; all if not given.

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
        check = checking(self, "distill.")
        check("temperature", lambda value: 0 < value < math.inf, "a number above 0")
        for name in ("label_weight", "hidden_weight", "gold_weight"):
            check(name, lambda value: 0 <= value < math.inf, "a number, 0 or more")
        check("hidden_layers", lambda value: value in ("last", "all"), "last or all")
        check("vocabulary", lambda value: value is None or is_count(value), "a whole number, 1 or more")
        if not (self.label_weight or self.hidden_weight):
            raise OptionError("distill: label_weight and hidden_weight are 0; expected one of them above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """All options of a training run.

    Attributes:
        train: Training files.
        validation: Files to evaluate on during training.
        test: Files to evaluate the finished model on.
        dev_fraction: Share of the training documents to hold out for validation.
        folds: Number of parts for cross-validation. Trains once per part, which is held out for validation.
        fold_number: With folds: hold out this part only, counted from 1.
        data_format: Format of all files that do not name their own. Default: by the file ending.
        encoding: Encoding of all files that do not name their own. Default: utf-8.
        columns: Columns of CoNLL files: word, pos, tag (of entities), or - to skip one. Default: by their number.
        separator: What separates the columns of CoNLL files: tab, blank, or any text. Default: by the first row.
        data_scheme: Scheme of the tags in CoNLL files (BIO, IOB1, IOE1, IOE2, BIOES, BILOU). Default: BIO.
        unit: What a row of CoNLL files is: words, or chars, which hold no words. Default: by the first rows.
        entity_key: Key of entity tags in CoNLL-U's MISC. Default: Entity.
        text_field: Key or column of the text in classified texts. Default: text.
        pair_field: Key or column of a pair's second text. Default: text_pair.
        label_field: Key or column of the label in classified texts. Default: label.
        on_error: What happens to bad records. Default: stop.
        data_fold: Rule that folds part-of-speech tags by XPOS, such as ud-zh-2.12.
        labels_from: Take the labels of new heads from the training files, or from all files.
        heads: The heads by name, or a list of their tasks (words, pos, words+pos, entities, labels, spans, fill,
            classify, answer, embed).
        output_dir: The folder to create.
        model: Folder or hub id of the base model. Default: random weights from ``config``.
        revision: Branch, tag or commit of a hub id.
        tokenizer: Folder of a tokenizer, to train from scratch.
        config: Values of config.json, to override the base model's or to train from scratch.
        teacher: Folder or hub id of a model to distil; without a base model, the student is made from it.
        distill: How to learn from the teacher: temperature, label_weight, hidden_weight, gold_weight, hidden_layers,
            vocabulary.
        pieces: What the model reads, single characters or a tokenizer's pieces. Default: as in the base model.
        seed: Seed of all random choices.
        num_train_epochs: Number of passes over the training data; a fraction stops within an epoch.
        max_steps: Number of steps, which overrides the epochs; -1 to count epochs.
        learning_rate: The highest learning rate.
        per_device_train_batch_size: Windows for each step and process.
        per_device_eval_batch_size: Windows for each evaluation batch.
        batch_pieces: Pieces for each step and process, instead of a number of windows.
        gradient_accumulation_steps: Batches whose gradients are summed before a step.
        packing: Put several windows into a row, so that no compute is spent on padding.
        group_by_length: Batch windows of similar length, where rows are not packed.
        window: Longest window in pieces, special pieces included. Default: the model's limit.
        overlap: Pieces that neighbouring windows share. Default: as in prediction.
        optim: The optimizer; muon orthogonalises the updates of hidden matrices, adamw_torch trains the rest.
        adam_beta1: Adam's decay of the first moment.
        adam_beta2: Adam's decay of the second moment.
        adam_epsilon: Adam's term for numerical stability.
        weight_decay: Decoupled weight decay, for matrices only.
        max_grad_norm: Clip gradients to this norm; 0 for no clipping.
        lr_scheduler_type: The learning rate schedule.
        warmup_steps: Steps of learning rate warmup.
        warmup_ratio: The same as a share of all steps.
        layer_decay: Factor on the learning rate for each layer further from the heads.
        label_smoothing_factor: Share of each label's probability that is spread over all labels.
        class_weights: Weight of each label in the loss: balanced, or a number by label.
        focal_gamma: Focal loss for heads with labels: easy labels count less by (1 - probability) ** gamma.
        ema_decay: Keep a moving average of the weights with this decay, which is lower in the first steps, and
            evaluate and save the average.
        bf16: Compute in bfloat16. Default: if the device supports it natively.
        fp16: Compute in float16 with dynamic loss scaling, for GPUs without bfloat16.
        gradient_checkpointing: Recompute activations in the backward pass, for less memory and more time.
        method: Which weights are trained, or which adapters are added.
        last_layers: For method last_layers: how many layers are trained.
        lora_r: For lora and dora: rank of the update.
        lora_alpha: For lora and dora: the update is scaled by this over the rank.
        lora_dropout: For lora and dora: dropout on the input of the update.
        target_modules: For lora, dora and ia3: endings of module names. Default: by the family.
        adapter_size: For adapter: size of the bottleneck.
        merge: For lora, dora and ia3: merge the update into the weights; without, the folder also keeps it in
            adapter/, as peft reads it.
        eval_strategy: When to evaluate.
        eval_steps: Steps between evaluations, with eval_strategy steps. Default: logging_steps.
        logging_steps: Steps between reports of the mean loss.
        save_strategy: When to save a checkpoint.
        save_steps: Steps between checkpoints, with save_strategy steps.
        save_total_limit: Checkpoints to keep, also after training. Default: two during training, none after.
        load_best_model_at_end: Save the best weights evaluated instead of the last ones.
        metric_for_best_model: The figure that decides, such as f1, entities/f1 or entities/PER/f1. Default: f1 (the
            mean over several heads), else accuracy, else the loss.
        greater_is_better: Whether a higher figure is better. Default: by the metric.
        early_stopping_patience: Stop after this many evaluations without improvement.
        unknown_piece_probability: Share of the pieces that are replaced by the unknown piece during training.
        report_to: Experiment trackers to report to.
        threads: Threads for each process. Default: all physical cores.
        repair: Repair ill-formed label sequences by conlleval's rule instead of refusing them.
        save_dtype: Number type of the saved weights.
        card: Answers for the model card, such as licence, language, intended_use and author.

    Raises:
        OptionError: If a value is out of its range, or two do not go together.
    """

    __pydantic_config__ = _NO_OTHER_KEYS

    train: tuple[DataFile, ...]
    validation: tuple[DataFile, ...] = ()
    test: tuple[DataFile, ...] = ()
    dev_fraction: float = 0.0
    folds: int | None = None
    fold_number: int | None = None
    data_format: str | None = None
    encoding: str | None = None
    columns: tuple[str, ...] | None = None
    separator: str | None = None
    data_scheme: str | None = None
    unit: RowUnit | None = None
    entity_key: str | None = None
    text_field: str | None = None
    pair_field: str | None = None
    label_field: str | None = None
    on_error: OnError | None = None
    data_fold: str | None = None
    labels_from: LabelsFrom = "train"

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
    focal_gamma: float = 0.0
    ema_decay: float | None = None
    bf16: bool | None = None
    fp16: bool = False
    gradient_checkpointing: bool = False

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
        for role in ("train", "validation", "test"):
            object.__setattr__(self, role, tuple(_with_defaults(file, self) for file in getattr(self, role)))
        check_method(self.method)
        check_ranges(self)
        check_choices(self)
        check_together(self)
        check_card(self.card)


_FOR_ALL_FILES = {
    "format": "data_format", "encoding": "encoding", "columns": "columns", "separator": "separator",
    "scheme": "data_scheme", "unit": "unit", "entity_key": "entity_key",
    "text_field": "text_field", "pair_field": "pair_field", "label_field": "label_field",
    "on_error": "on_error", "fold": "data_fold",
}  # fmt: skip
"""Options of a file, and the option with the same meaning for all files."""

_OF_FORMAT = {
    "columns": "conll", "separator": "conll", "scheme": "conll", "unit": "conll", "entity_key": "conllu",
}  # fmt: skip
"""Options that apply to files of one format only."""


def _with_defaults(file: DataFile, options: TrainingOptions) -> DataFile:
    """The file with the options for all files filled in, if it has none of its own and they apply to its format."""
    given = {name: getattr(options, everywhere) for name, everywhere in _FOR_ALL_FILES.items()}
    given = {name: value for name, value in given.items() if value is not None and getattr(file, name) is None}
    if _OF_FORMAT.keys() & given.keys():
        format = given.get("format") or file.format or _format_of(file.path)
        given = {name: value for name, value in given.items() if _OF_FORMAT.get(name, format) == format}
    return replace(file, **given) if given else file


def _format_of(path: str) -> str | None:
    from lexel.data.labelled import labelled_format

    try:
        return labelled_format(path).name
    except DataError:  # reported when the file is read
        return None


def as_plain(options: TrainingOptions) -> dict[str, Any]:
    """All options in JSON's types."""
    return {name: _plain(value) for name, value in asdict(options).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value
