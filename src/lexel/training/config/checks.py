"""Checks of training options: each value by itself, then the values together.

The checks take any object with the attributes of ``TrainingOptions``, whose module imports this one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, get_args

from lexel.errors import OptionError
from lexel.names import Pieces
from lexel.training.config.choices import LabelsFrom, Method, Optimizer, Schedule, Strategy, listed, refusal_of

_HEAD_NAME = re.compile(r"[A-Za-z][\w+-]*")

_Check = Callable[[str, Callable[[Any], bool], str], None]


def checking(options: object, where: str) -> _Check:
    def check(name: str, is_right: Callable[[Any], bool], expected: str) -> None:
        value = getattr(options, name)
        try:
            right = is_right(value)
        except TypeError:
            right = False
        if not right:
            raise OptionError(f"{where}{name}: {value!r}; expected {expected}")

    return check


def is_one_of(choices: Any) -> Callable[[Any], bool]:
    return lambda value: value in get_args(choices)


def or_list(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def check_method(method: str) -> None:
    refused = refusal_of(method)
    if refused is not None:
        raise OptionError(f"method: {refused}")


def check_ranges(options: Any) -> None:
    check = checking(options, "")
    for name in (
        "per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps", "lora_r",
        "adapter_size", "logging_steps", "save_steps",
    ):  # fmt: skip
        check(name, is_count, "a whole number, 1 or more")
    for name in ("batch_pieces", "last_layers", "eval_steps", "save_total_limit", "early_stopping_patience", "threads"):
        check(name, lambda value: value is None or is_count(value), "a whole number, 1 or more")
    for name in ("adam_beta1", "adam_beta2", "warmup_ratio", "label_smoothing_factor", "lora_dropout", "dev_fraction"):
        check(name, lambda value: 0 <= value < 1, "a number from 0 to less than 1")
    check("unknown_piece_probability", lambda value: 0 <= value < 1, "a number from 0 to less than 1")
    for name in ("learning_rate", "adam_epsilon", "lora_alpha", "num_train_epochs"):
        check(name, lambda value: 0 < value < math.inf, "a number above 0")
    for name in ("weight_decay", "max_grad_norm", "warmup_steps", "focal_gamma"):
        check(name, lambda value: 0 <= value < math.inf, "a number, 0 or more")
    check("max_steps", lambda value: value == -1 or is_count(value), "a whole number, 1 or more, or -1 to count epochs")
    check("seed", lambda value: isinstance(value, int) and 0 <= value < 2**32, "a whole number from 0 to 4294967295")
    check("layer_decay", lambda value: 0 < value <= 1, "a factor above 0, at most 1")
    check("ema_decay", lambda value: value is None or 0 < value < 1, "a number between 0 and 1")
    check("window", lambda value: value is None or (is_count(value) and value >= 8), "8 pieces or more")
    check("folds", lambda value: value is None or (is_count(value) and value >= 2), "a whole number, 2 or more")
    check("overlap", lambda value: value is None or value >= 0, "a number of pieces, 0 or more")


def check_choices(options: Any) -> None:
    check = checking(options, "")
    choices = {
        "optim": Optimizer, "lr_scheduler_type": Schedule, "method": Method, "eval_strategy": Strategy,
        "save_strategy": Strategy, "labels_from": LabelsFrom,
    }  # fmt: skip
    for name, kinds in choices.items():
        check(name, is_one_of(kinds), f"one of {listed(kinds)}")
    check("pieces", lambda value: value is None or value in get_args(Pieces), f"one of {listed(Pieces)}")
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
            raise OptionError(f"class_weights: {weight!r} for label {label!r}; expected a number, 0 or more")


def check_card(answers: Mapping[str, Any]) -> None:
    """Refuse answers for the card now instead of after the training, when the card is written."""
    if answers:
        from lexel.cards.questions import check_answers

        check_answers(answers)


def check_together(options: Any) -> None:
    if options.teacher is not None and options.method in ("lora", "dora", "ia3", "adapter"):
        raise OptionError(f"method: {options.method} with a teacher; expected full, last_layers or head")
    if options.teacher is None and options.distill != type(options.distill)():
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
    measured = options.validation or options.dev_fraction or options.folds
    for name in ("early_stopping_patience", "metric_for_best_model"):
        if getattr(options, name) is not None and not measured:
            raise OptionError(
                f"{name}: {getattr(options, name)} without validation data; expected validation files, dev_fraction or "
                "folds"
            )
    if options.window is not None and options.overlap is not None and options.overlap >= options.window - 2:
        raise OptionError(f"overlap: {options.overlap} of a window of {options.window}; expected less than the window")
    validating = [name for name in ("validation", "dev_fraction", "folds") if getattr(options, name)]
    if len(validating) > 1:
        raise OptionError(f"{', '.join(validating)}: given together; expected one of them")
    if options.folds and options.eval_strategy == "no":
        raise OptionError(f"folds: {options.folds} with eval_strategy no; expected epoch or steps")
    number = options.fold_number
    if number is not None and not (options.folds and is_count(number) and number <= options.folds):
        raise OptionError(f"fold_number: {number} with folds {options.folds}; expected a number from 1 to folds")
    if any(head.crf for head in options.heads.values()):
        for name in ("class_weights", "label_smoothing_factor", "focal_gamma"):
            if getattr(options, name):
                raise OptionError(f"{name}: {getattr(options, name)} with a CRF head; expected heads without crf")
    if options.fp16 and options.bf16:
        raise OptionError("fp16: true, and bf16 true; expected one of them")
