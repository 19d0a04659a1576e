"""``lexel.pipeline``: transformers' entry point with the same arguments.

A task is a row of ``TASKS``. ``docs/compatibility.md`` lists the accepted arguments and the differences.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from lexel.checkpoint import Checkpoint, open_checkpoint
from lexel.checkpoint.sentence_transformers import read_sentence_modules
from lexel.engines.choose import EngineOptions, device_named
from lexel.errors import LabelError
from lexel.pipelines import (
    feature_extraction,
    fill_mask,
    question_answering,
    sentence_similarity,
    text_classification,
    token_classification,
    zero_shot_classification,
)
from lexel.pipelines.feature_extraction import FeatureExtractionPipeline
from lexel.pipelines.fill_mask import FillMaskPipeline, MaskOptions
from lexel.pipelines.question_answering import QuestionAnsweringPipeline, QuestionOptions
from lexel.pipelines.sentence_similarity import SentenceSimilarityPipeline
from lexel.pipelines.text_classification import TextClassificationPipeline
from lexel.pipelines.token_classification import ReadOptions, TokenClassificationPipeline, choose_head
from lexel.pipelines.zero_shot_classification import ZeroShotClassificationPipeline
from lexel.tasks.base import Flow
from lexel.tasks.embed import Embedder
from lexel.tasks.loading import find_head, start_flow
from lexel.tasks.pooling_choice import EmbedOptions, plan_pooling
from lexel.tasks.unknown_arguments import refuse_unknown


class Pipeline(Protocol):
    """The common interface of pipelines; each task has its own call signature."""

    @property
    def task(self) -> str: ...
    @property
    def description(self) -> str: ...
    def __call__(self, *inputs: Any, **options: Any) -> Any: ...


Build = Callable[[Checkpoint, EngineOptions, Mapping[str, Any]], Pipeline]


@dataclass(frozen=True, slots=True)
class PipelineTask:
    """The parts of a task.

    Attributes:
        heads: Tasks of the heads (``Head.task``) for which it is the default.
        options: Its own arguments.
        build: Makes the pipeline from the checkpoint, the engine's options, and its own arguments.
    """

    heads: tuple[str, ...]
    options: tuple[str, ...]
    build: Build


def _of_head(task: str, read: Callable[[Mapping[str, Any]], Any], pipeline: Callable[[Flow, Any], Pipeline]) -> Build:
    """A function that makes a pipeline for a head.

    Args:
        task: The head's task (``Head.task``).
        read: Makes the pipeline's options from its arguments.
        pipeline: The pipeline.
    """

    def build(checkpoint: Checkpoint, engine: EngineOptions, options: Mapping[str, Any]) -> Pipeline:
        own = dict(options)
        head = find_head(checkpoint, task, name=own.pop("head", None))
        asked = read(own)
        return pipeline(start_flow(checkpoint, [head.name], engine), asked)

    return build


def _token_classification(checkpoint: Checkpoint, engine: EngineOptions, options: Mapping[str, Any]) -> Pipeline:
    own = dict(options)
    head = choose_head(checkpoint.heads, own.pop("head", None), where=str(checkpoint.source.folder))
    read = ReadOptions().changed(own, where="pipeline")
    return TokenClassificationPipeline(start_flow(checkpoint, [head], engine), read)


def _feature_extraction(checkpoint: Checkpoint, engine: EngineOptions, options: Mapping[str, Any]) -> Pipeline:
    last = f"hidden.{checkpoint.config.n_layers}"
    return FeatureExtractionPipeline(start_flow(checkpoint, [last], engine), options)


def _sentence_similarity(checkpoint: Checkpoint, engine: EngineOptions, options: Mapping[str, Any]) -> Pipeline:
    modules = read_sentence_modules(checkpoint.source.folder, hidden_size=checkpoint.config.hidden_size)
    plan = plan_pooling(checkpoint, modules, EmbedOptions(**options))
    return SentenceSimilarityPipeline(Embedder(start_flow(checkpoint, plan.outputs, engine), plan))


TASKS: Mapping[str, PipelineTask] = {
    "token-classification": PipelineTask(
        heads=token_classification.HEADS,
        options=("head", *token_classification.OPTIONS),
        build=_token_classification,
    ),
    "text-classification": PipelineTask(
        heads=("classify",),
        options=("head", *text_classification.OPTIONS),
        build=_of_head(
            "classify",
            partial(text_classification.ReadOptions().changed, where="pipeline"),
            TextClassificationPipeline,
        ),
    ),
    "zero-shot-classification": PipelineTask(
        heads=(),
        options=("head", *zero_shot_classification.OPTIONS),
        build=_of_head("classify", dict, ZeroShotClassificationPipeline),
    ),
    "fill-mask": PipelineTask(
        heads=("fill",),
        options=("head", *fill_mask.OPTIONS),
        build=_of_head("fill", partial(MaskOptions().changed, where="pipeline"), FillMaskPipeline),
    ),
    "question-answering": PipelineTask(
        heads=("answer",),
        options=("head", *question_answering.OPTIONS),
        build=_of_head("answer", partial(QuestionOptions().changed, where="pipeline"), QuestionAnsweringPipeline),
    ),
    "feature-extraction": PipelineTask((), feature_extraction.OPTIONS, _feature_extraction),
    "sentence-similarity": PipelineTask(("embed",), sentence_similarity.OPTIONS, _sentence_similarity),
}
"""The tasks, by transformers' names."""

ALIASES = {"ner": "token-classification", "sentiment-analysis": "text-classification"}

DTYPES = {"float32": "float32", "bfloat16": "bf16", "float16": "float16", "auto": "float32"}
"""Lexel's precisions by torch's names; ``auto`` (in transformers: as stored) is float32, which loses no precision."""

_OWN = (
    *("revision", "tokenizer", "use_fast", "trust_remote_code", "device", "dtype", "torch_dtype"),
    *("engine", "precision", "threads", "batch_pieces", "pieces", "scheme", "labels"),
)
_REFUSED = {
    "config": "the folder's own config.json is read",
    "token": "log in with the hub's own tools, or set HF_TOKEN",
    "device_map": "pass device",
    "model_kwargs": "pass device, dtype or engine",
    "feature_extractor": "these models read text",
    "image_processor": "these models read text",
    "video_processor": "these models read text",
    "processor": "these models read text",
    "pipeline_class": "the task decides it",
    "grouped_entities": "pass aggregation_strategy='simple'",
    "ignore_subwords": "pass aggregation_strategy='first'",
    "offset_mapping": "offsets are the tokenizer's own",
    "tokenizer_kwargs": "nothing is cut: a long text is read in windows",
    "return_all_scores": "pass top_k=None",
    "framework": "pass engine",
    "args_parser": "pass what the task takes",
    "binary_output": "results are Python's own",
}

_logger = logging.getLogger("lexel")


def pipeline(
    task: str | None = None,
    model: str | os.PathLike[str] | Checkpoint | None = None,
    *,
    revision: str | None = None,
    tokenizer: object = None,
    use_fast: bool = True,
    trust_remote_code: bool | None = None,
    device: object = None,
    dtype: object = None,
    torch_dtype: object = None,
    engine: str = "auto",
    precision: str | None = None,
    threads: int | None = None,
    batch_pieces: int | None = None,
    pieces: str | None = None,
    scheme: str | None = None,
    labels: Sequence[str] | None = None,
    **options: Any,
) -> Pipeline:
    """Make a pipeline with the arguments and results of transformers' pipeline.

    Args:
        task: One of ``TASKS`` or ``ALIASES``; by default the task of the model's head.
        model: A model folder, a hub id, or an opened checkpoint. Default: the bundled Chinese model.
        revision: Branch, tag or commit of a hub id.
        tokenizer: ``None``, or the same as ``model``: the model's own tokenizer is used.
        use_fast: Only ``True``.
        trust_remote_code: Only ``False``: code in a checkpoint is never run.
        device: -1 or ``cpu``; 0, 1, ... or ``cuda:N`` for a GPU, with the engine torch.
        dtype: ``float32`` (the default), ``bfloat16`` or ``float16``, or torch's objects of these names.
        torch_dtype: The older name of ``dtype``.
        engine: ``auto``, ``openvino``, ``onnxruntime``, ``torch`` or ``numpy``.
        precision: Lexel's name for ``dtype``: ``float32``, ``bf16``, ``float16``, or ``auto``.
        threads: Number of threads. Default: the physical cores that this process may use.
        batch_pieces: Maximum number of piece slots in a batch. Default: as many as keep the engine busy.
        pieces: ``chars`` or ``tokenizer``, to override detection.
        scheme: The scheme of the labels, to override detection.
        labels: The labels by index, to override the config's.
        options: The task's own options. Token classification: ``aggregation_strategy``, ``ignore_labels``, ``stride``,
            ``is_split_into_words``, ``delimiter``, ``word_style``, ``head`` (if a folder has several);
            ``batch_size`` and ``num_workers`` are accepted without effect.

    Raises:
        TypeError: If an argument is unknown.
        ValueError: If the task is unknown, or an argument has an invalid value.
        CheckpointError: If the model cannot be used.
        LabelError: If it has no head for the task.
        EngineError: If this machine cannot run the requested engine, device or precision.
    """
    known = {*_OWN, *(name for row in TASKS.values() for name in row.options)}
    refuse_unknown(options, known=known, refused=_REFUSED, where="pipeline")
    _check_own(model, tokenizer=tokenizer, use_fast=use_fast, trust_remote_code=trust_remote_code)
    engine_options = EngineOptions(
        engine=engine,
        precision=_precision(dtype=dtype, torch_dtype=torch_dtype, precision=precision),
        threads=threads,
        device=device_named(device),
        batch_pieces=batch_pieces,
    )
    if task is not None:
        _row_named(task)  # before anything is fetched
    checkpoint = _open(model, revision=revision, pieces=pieces, scheme=scheme, labels=labels)
    row = _row_for(checkpoint) if task is None else _row_named(task)
    refuse_unknown(options, known=row.options, refused=_REFUSED, where="pipeline")
    built = row.build(checkpoint, engine_options, options)
    if checkpoint.card.notice:
        _logger.warning(checkpoint.card.notice)
    _logger.info(built.description)
    return built


def _row_named(task: str) -> PipelineTask:
    name = ALIASES.get(task, task)
    if name not in TASKS:
        raise ValueError(f"task {task!r} is not known; expected one of {', '.join((*TASKS, *ALIASES))}")
    return TASKS[name]


def _row_for(checkpoint: Checkpoint) -> PipelineTask:
    """The task of a checkpoint's head."""
    tasks = {head.task for head in checkpoint.heads.values()}
    for row in TASKS.values():
        if tasks.intersection(row.heads):
            return row
    has = ", ".join(sorted(tasks)) or "a bare encoder"
    raise LabelError(f"{checkpoint.source.folder}: has {has}; no task of {', '.join(TASKS)} reads that")


def _open(
    model: str | os.PathLike[str] | Checkpoint | None,
    *,
    revision: str | None,
    pieces: str | None,
    scheme: str | None,
    labels: Sequence[str] | None,
) -> Checkpoint:
    """The checkpoint; meaningless labels (``LABEL_0``) are accepted, as in transformers."""
    if isinstance(model, Checkpoint):
        return model
    try:
        return open_checkpoint(model, revision=revision, pieces=pieces, scheme=scheme, labels=labels)
    except LabelError as error:
        if scheme is not None or labels is not None:
            raise
        try:
            return open_checkpoint(model, revision=revision, pieces=pieces, scheme="bare")
        except LabelError:
            raise error from None


def _check_own(model: object, *, tokenizer: object, use_fast: bool, trust_remote_code: bool | None) -> None:
    if tokenizer is not None and (model is None or isinstance(model, Checkpoint) or _path(tokenizer) != _path(model)):
        raise ValueError("tokenizer: a model's own tokenizer is read; leave it out, or pass the same as model")
    if not use_fast:
        raise ValueError("use_fast is False; expected True: offsets need the tokenizers library")
    if trust_remote_code:
        raise ValueError("trust_remote_code is true; expected False: code in a checkpoint is never run")


def _path(value: object) -> str | None:
    return os.fspath(value) if isinstance(value, str | os.PathLike) else None


def _precision(*, dtype: object, torch_dtype: object, precision: str | None) -> str:
    """Lexel's name of the precision, from any of the three arguments."""
    asked = {_dtype_named(name) for name in (dtype, torch_dtype) if name is not None}
    asked |= set() if precision is None else {precision}
    if len(asked) > 1:
        raise ValueError(f"dtype, torch_dtype and precision ask for {' and '.join(sorted(asked))}; pass one of them")
    return asked.pop() if asked else "float32"


def _dtype_named(dtype: object) -> str:
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise ValueError(f"dtype {dtype!r} is not known; expected one of {', '.join(DTYPES)}")
    return DTYPES[name]
