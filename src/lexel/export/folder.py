"""A model exported for other programs: one folder a head, in the form in which they look for it.

    config.json, tokenizer.json, tokenizer_config.json, special_tokens_map.json
    onnx/model.onnx              float32; weights above 2 GB in onnx/model.onnx_data
    onnx/model_quantized.onnx    int8, by onnxruntime's dynamic quantiser with a scale for each channel
    export.json                  what it was made from, and how near each graph is to the model

Each graph is compared with the engine before the folder gets its name.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lexel.checkpoint import Checkpoint, Head
from lexel.checkpoint.folder import copy_licences, copy_sentence_files, new_folder
from lexel.checkpoint.sentence_transformers import SentenceModules
from lexel.checkpoint.weights import weight_checksums
from lexel.disk import sha256_of, write_json
from lexel.errors import CheckpointError, LabelError, MissingExtra, OptionError
from lexel.jsonfile import read_object
from lexel.names import PROBLEMS
from lexel.provenance import Step, base_material, write_provenance
from lexel.tasks.embed import open_embedder
from lexel.tasks.loading import Source
from lexel.tasks.pooling_choice import EmbedOptions, plan_pooling
from lexel.text.tokenizer_export import write_tokenizer

GRAPHS: Mapping[str, str] = {"float32": "onnx/model.onnx", "int8": "onnx/model_quantized.onnx"}
"""The graphs by their precision."""

RECORD = "export.json"

_ENDINGS = {"fill": "ForMaskedLM", "classify": "ForSequenceClassification", "answer": "ForQuestionAnswering"}


def export_onnx(
    source: Source | None,
    out: Path,
    *,
    head: str | None = None,
    precisions: Sequence[str] = ("float32",),
    max_flips: float = 30.0,
    revision: str | None = None,
) -> dict[str, dict[str, Any]]:
    """Export a model as ONNX graphs, each checked against the model.

    Args:
        source: A model folder (of sentence-transformers too), a hub id, or an opened checkpoint; nothing is the bundled
            model.
        out: The new folder; it must not exist. A model with several heads gets a folder for each inside it.
        head: Export this head alone.
        precisions: ``float32``, ``int8`` or both.
        max_flips: Most decisions of a thousand that may come out otherwise in int8.
        revision: Branch, tag or commit of a hub id.

    Returns:
        What each ``export.json`` says, by the head's name; ``encoder`` for a model without heads.

    Raises:
        MissingExtra: If onnx, onnx-ir or onnxruntime is not installed.
        CheckpointError: If ``out`` exists, or the model cannot be used.
        LabelError: If there is no such head.
        EngineError: If a graph is not near enough to the model.
    """
    if unknown := sorted(set(precisions) - set(GRAPHS)) or not precisions:
        raise OptionError(f"precision {unknown!r}: not known for ONNX; expected some of {', '.join(GRAPHS)}")
    _check_extra()
    checkpoint, modules = open_embedder(source, revision=revision)
    heads = _chosen(checkpoint, head)
    with new_folder(out) as folder:
        records = {}
        for one in heads:
            name = "encoder" if one is None else one.name
            place = folder if len(heads) == 1 else folder / name
            (place / "onnx").mkdir(parents=True)
            records[name] = _export(checkpoint, modules, one, place, precisions, max_flips=max_flips)
    return records


def check_export(source: Source | None, folder: Path, *, revision: str | None = None) -> dict[str, dict[str, Any]]:
    """Compare the graphs of an exported folder with the model again.

    Args:
        source: The model that it was made from.
        folder: The exported folder.
        revision: Branch, tag or commit of a hub id.

    Returns:
        How near each graph is now, by head and file.

    Raises:
        CheckpointError: If it is no exported folder, or a file is not what was exported.
        EngineError: If a graph is not near enough to the model.
    """
    _check_extra()
    checkpoint, modules = open_embedder(source, revision=revision)
    found = {}
    for path in [folder / RECORD] if (folder / RECORD).exists() else sorted(folder.glob(f"*/{RECORD}")):
        record = read_object(path)
        head = _chosen(checkpoint, record["head"])[0] if record["head"] else None
        reference, graphs = _reference(checkpoint, modules, head), {}
        for precision, entry in record["graphs"].items():
            graph = path.parent / GRAPHS[precision]
            if not graph.is_file() or sha256_of(graph) != entry["sha256"]:
                raise CheckpointError(f"{graph}: not the file that was exported; export the model again")
            parity = reference.compare(graph)
            parity.check(graph, is_exact=precision == "float32", max_flips=entry["max_flips"])
            graphs[precision] = {**entry, **asdict(parity)}
        found[record["head"] or "encoder"] = {**record, "graphs": graphs}
    if not found:
        raise CheckpointError(f"{folder}: no {RECORD}; expected a folder that lexel export wrote")
    return found


def _chosen(checkpoint: Checkpoint, name: str | None) -> list[Head | None]:
    """The heads to export; a bare encoder has ``None``."""
    if name is None:
        return list(checkpoint.heads.values()) or [None]
    if name not in checkpoint.heads:
        known = ", ".join(checkpoint.heads) or "(none)"
        raise LabelError(f"{checkpoint.source.folder}: no head {name!r}; expected one of {known}")
    return [checkpoint.heads[name]]


def _export(
    checkpoint: Checkpoint,
    modules: SentenceModules | None,
    head: Head | None,
    place: Path,
    precisions: Sequence[str],
    *,
    max_flips: float,
) -> dict[str, Any]:
    """Write one head's folder."""
    from lexel.export.onnx import WEIGHTS, write_onnx

    reference, config = _reference(checkpoint, modules, head), checkpoint.config
    graph = place / GRAPHS["float32"]
    write_onnx(checkpoint, graph, reference.target)
    if "int8" in precisions:
        _quantise(graph, place / GRAPHS["int8"])
    if "float32" not in precisions:
        graph.unlink()
        (graph.parent / WEIGHTS).unlink(missing_ok=True)
    graphs = {}
    for precision in precisions:
        path = place / GRAPHS[precision]
        parity = reference.compare(path)
        parity.check(path.relative_to(place), is_exact=precision == "float32", max_flips=max_flips)
        size = sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
        graphs[precision] = {"sha256": sha256_of(path), "bytes": size, **asdict(parity), "max_flips": max_flips}
    source = checkpoint.source
    write_json(place / "config.json", _config(checkpoint, head, is_split=(graph.parent / WEIGHTS).exists()))
    write_tokenizer(
        source.folder,
        place,
        pieces=checkpoint.pieces,
        model_type=config.model_type,
        max_length=config.max_positions,
    )
    copy_licences(source.folder, place)
    if reference.target.plan is not None and modules is not None:
        copy_sentence_files(source.folder, place)
    record = {
        "model": source.pin or source.folder.name,
        "head": None if head is None else head.name,
        "weights_sha256": weight_checksums(source.folder),
        "graphs": graphs,
    }
    write_json(place / RECORD, record)
    parameters = {"to": "onnx", "head": record["head"], "precisions": list(precisions)}
    write_provenance(place, Step("export", parameters, [base_material(checkpoint)]))
    return record


def _reference(checkpoint: Checkpoint, modules: SentenceModules | None, head: Head | None) -> Any:
    from lexel.export.onnx import Target
    from lexel.export.onnx_parity import Reference

    makes_vectors = head.task == "embed" if head is not None else modules is not None
    plan = plan_pooling(checkpoint, modules, EmbedOptions()) if makes_vectors else None
    return Reference(checkpoint, Target(None if plan else head, plan), modules=modules)


def _config(checkpoint: Checkpoint, head: Head | None, *, is_split: bool) -> dict[str, Any]:
    """The config of a model that has this head alone, as transformers has it."""
    values = read_object(checkpoint.source.folder / "config.json")
    for key in ("auto_map", "torch_dtype", "id2label", "label2id", "num_labels", "problem_type", "architectures"):
        values.pop(key, None)
    config = checkpoint.config
    is_bare = head is None or head.task == "embed"
    ending = "Model" if is_bare or head is None else _ENDINGS.get(head.task, "ForTokenClassification")
    values |= {
        "architectures": [config.family.model_types[config.model_type].classes + ending],
        "model_type": config.model_type,
        "dtype": "float32",
    }
    if head is not None and head.labels:
        values["id2label"] = {str(i): label for i, label in enumerate(head.labels)}
        values["label2id"] = {label: i for i, label in enumerate(head.labels)}
    if head is not None and head.problem is not None:
        values["problem_type"] = next(name for name, problem in PROBLEMS.items() if problem == head.problem)
    if is_split:
        values["transformers.js_config"] = {"use_external_data_format": {"model.onnx": True}}
    return values


def _quantise(graph: Path, to: Path) -> None:
    """Weights in eight bits, and what they are multiplied with while computing."""
    from lexel.export.onnx import WEIGHTS
    from lexel.export.onnx_runtime import quantise

    with _quiet():
        quantise(graph, to, is_split=(graph.parent / WEIGHTS).exists())


@contextmanager
def _quiet() -> Iterator[None]:
    """onnxruntime advises on the root logger to optimise the graph first, which it does itself when it loads it."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)


def _check_extra() -> None:
    if missing := [name for name in ("onnx", "onnx_ir", "onnxruntime") if find_spec(name) is None]:
        raise MissingExtra(f'ONNX export needs {", ".join(missing)}: pip install "lexel[onnx]"')
