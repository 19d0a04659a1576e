"""Saves a model: weights with their usual names, config, tokenizer files and ``lexel.json``."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from lexel.checkpoint.files import TOKENIZER_FILES
from lexel.checkpoint.folder import copy_sentence_files
from lexel.checkpoint.heads import PLAIN_CLASSIFIER
from lexel.disk import write_json
from lexel.encoder.family import Family
from lexel.training.data.heads import TrainedHead
from lexel.training.model.methods import PEFT_METHODS, adapter_entry, merge_method, save_unmerged
from lexel.training.model.model import MultiHead, head_names, named_tensors, tensors_of
from lexel.training.start.setup import Setup

_ENDINGS = {"fill": "ForMaskedLM", "classify": "ForSequenceClassification", "answer": "ForQuestionAnswering"}
_PROBLEMS = {
    "single": "single_label_classification",
    "multi": "multi_label_classification",
    "regression": "regression",
}


def is_plain(heads: Sequence[TrainedHead]) -> bool:
    """Whether a folder is a plain Hugging Face folder: with one head, of a kind that transformers knows."""
    return len(heads) == 1 and heads[0].task not in ("embed", "spans") and not heads[0].options.crf


def prefixes_of(heads: list[TrainedHead], *, family: Family) -> dict[str, str]:
    """The prefix of each head's tensors: plain Hugging Face names if possible, else ``heads.<name>``."""
    if not is_plain(heads):
        return {head.name: f"heads.{head.name}" for head in heads}
    plain = {"fill": family.fill.prefix, "answer": family.answer.output}
    return {head.name: plain.get(head.task, PLAIN_CLASSIFIER) for head in heads}


def write_model(folder: Path, model: MultiHead, setup: Setup, *, made: Mapping[str, Any]) -> None:
    """Write weights, config, tokenizer files, ``lexel.json`` and a teacher's pooling into an existing folder."""
    prefixes = prefixes_of(setup.heads, family=setup.family)
    if setup.options.method in PEFT_METHODS and not setup.options.merge:
        save_update(folder / "adapter", model, setup, prefixes)
    merge_method(model.encoder, setup.options)
    encoder_prefix = f"{model.encoder.base_model_prefix}."
    tensors = named_tensors(model, setup.heads, family=setup.family, prefixes=prefixes, encoder_prefix=encoder_prefix)
    dtype = torch.float16 if setup.options.save_dtype == "float16" else torch.float32
    stored = {
        name: tensor.detach().to("cpu", dtype).contiguous().clone()
        for name, tensor in tensors.items()
        if tensor.is_floating_point()
    }
    save_file(stored, folder / "model.safetensors", {"format": "pt"})
    write_json(folder / "config.json", _config(setup))
    for path in sorted(setup.tokenizer_folder.iterdir()):
        if path.is_file() and any(fnmatchcase(path.name, pattern) for pattern in TOKENIZER_FILES):
            shutil.copyfile(path, folder / path.name)
    write_json(folder / "lexel.json", _description(setup, prefixes, made))
    if setup.teacher is not None and any(head.modules for head in setup.heads):
        copy_sentence_files(setup.teacher.source.folder, folder)


def save_update(folder: Path, model: MultiHead, setup: Setup, prefixes: Mapping[str, str]) -> None:
    """Write the update and the heads as peft's files, for the base model."""
    heads: dict[str, torch.Tensor] = {}
    for head in setup.heads:
        heads |= tensors_of(model.head(head.name), head_names(head, family=setup.family, prefix=prefixes[head.name]))
    base = setup.base
    folder.mkdir()
    save_unmerged(
        folder,
        model.encoder,
        setup.options,
        base=("", None) if base is None else (base.source.repo_id or str(base.source.folder), base.source.commit),
        prefix=model.encoder.base_model_prefix if is_plain(setup.heads) else "",
        heads=heads,
        task=setup.heads[0].task if is_plain(setup.heads) else None,
    )


def _config(setup: Setup) -> dict[str, Any]:
    config, heads = setup.config, setup.heads
    values = config.to_dict()
    for key in (
        "_attn_implementation",
        "attn_implementation",
        "transformers_version",
        "_name_or_path",
        "dtype",
        "torch_dtype",
    ):
        values.pop(key, None)
    values["dtype"] = setup.options.save_dtype
    class_name = setup.family.model_types[config.model_type].classes
    if is_plain(heads):
        head = heads[0]
        values["architectures"] = [class_name + _ENDINGS.get(head.task, "ForTokenClassification")]
        if head.labels:
            values["id2label"] = {str(i): label for i, label in enumerate(head.labels)}
            values["label2id"] = {label: i for i, label in enumerate(head.labels)}
        if head.task == "classify":
            values["problem_type"] = _PROBLEMS[head.options.problem or "single"]
    else:
        values["architectures"] = [f"{class_name}Model"]
        for key in ("id2label", "label2id", "num_labels"):
            values.pop(key, None)
    return {key: value for key, value in values.items() if value is not None}


def _description(setup: Setup, prefixes: Mapping[str, str], made: Mapping[str, Any]) -> dict[str, Any]:
    heads = {}
    for head in setup.heads:
        if head.modules is not None:  # which has its own files
            continue
        entry: dict[str, Any] = {"task": head.task, "prefix": prefixes[head.name]}
        if head.labels and head.task != "embed":
            entry["labels"] = list(head.labels)
        if head.label_set is not None:
            entry["scheme"] = head.label_set.scheme
        if head.pointer is not None:
            entry["pointer"] = head.pointer.record
        if head.word_label is not None:
            entry["word_label"] = head.word_label
        if head.options.crf:
            entry["crf"] = True
        if head.options.problem is not None:
            entry["problem"] = head.options.problem
        heads[head.name] = entry
    return {
        "format": 1,
        "pieces": setup.pieces,
        "heads": heads,
        **({"adapter": adapter_entry(setup.config, setup.options)} if setup.options.method == "adapter" else {}),
        "base": base_of(setup),
        "made": dict(made),
    }


def base_of(setup: Setup) -> dict[str, Any] | None:
    """The base model, or a student's teacher: id, revision, commit, licence, architecture, parameters."""
    base = setup.base or setup.teacher
    if base is None:
        return None
    source = base.source
    n = sum(int(torch.tensor(shape).prod()) for shape in _shapes(source.folder))
    return {
        "id": source.repo_id or (Path(setup.options.model).name if setup.options.model else source.folder.name),
        "revision": setup.options.revision,
        "commit": source.commit,
        "licence": base.card.licence,
        "architecture": base.config.architecture,
        "parameters": n,
    }


def _shapes(folder: Path) -> list[tuple[int, ...]]:
    from lexel.checkpoint.weights import read_tensors, weight_file

    file = weight_file(folder)
    return [] if file is None else [stored.shape for stored in read_tensors(folder, file).values()]
