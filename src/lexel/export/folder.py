"""Exports a model for other programs: one folder per head, in the layout that they expect.

    config.json, tokenizer.json, tokenizer_config.json, special_tokens_map.json
    onnx/model.onnx              float32; weights above 2 GB in onnx/model.onnx_data
    onnx/model_quantized.onnx    int8, by onnxruntime's dynamic quantiser with a scale for each channel
    onnx/model_fp16.onnx         float16; inputs and outputs do not change
    model.safetensors, pytorch_model.bin, model.pt2    PyTorch's formats, if asked for
    jax/, tensorflow/, litert/, openvino/              other formats, if asked for
    lexel.json                   Lexel's own entries
    export.json                  the source model, and the difference of each graph from it

Each graph is compared with the engine before the folder gets its final name.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lexel.checkpoint import Checkpoint, Head
from lexel.checkpoint.exported import GRAPHS, RECORD
from lexel.checkpoint.folder import new_folder
from lexel.checkpoint.sentence_transformers import SentenceModules
from lexel.checkpoint.source import bundled_names
from lexel.checkpoint.weights import weight_checksums
from lexel.disk import sha256_of, write_json
from lexel.document import Document
from lexel.errors import CheckpointError, LabelError, MissingExtra, OptionError
from lexel.export.budget import MOST_FLIPS, Budget, graph_cost
from lexel.export.card import write_card
from lexel.export.description import write_description
from lexel.export.formats import FORMATS, check_format, check_libraries, write_format
from lexel.jsonfile import read_object
from lexel.names import LABELS_PIECES
from lexel.provenance import Step, base_material, write_provenance
from lexel.tasks.embed import open_embedder
from lexel.tasks.loading import Source
from lexel.tasks.pooling_choice import EmbedOptions, plan_pooling

if TYPE_CHECKING:
    from lexel.export.parity import Reference


def export_model(
    source: Source | None,
    out: Path,
    *,
    to: Sequence[str] = ("onnx",),
    head: str | None = None,
    joint: bool = False,
    precisions: Sequence[str] = ("float32",),
    max_flips: float = 30.0,
    max_drop: float = 0.2,
    gold: Sequence[Document] = (),
    revision: str | None = None,
) -> dict[str, dict[str, Any]]:
    """Export a model for other programs, and compare each file with the model.

    The loss of int8 and float16 is reported as by ``lexel quantize``, and must be within the budget.

    Args:
        source: A model folder (of sentence-transformers too), a hub id, or an opened checkpoint. Default: the bundled
            model.
        out: The new folder; it must not exist. A model with several heads gets a folder for each inside it.
        to: Formats: ``onnx`` and those of ``lexel.export.formats``.
        head: Export only this head.
        joint: Export all heads for labels of pieces as one graph, with an output for each by its name.
        precisions: Of the ONNX graphs: some of ``float32``, ``int8`` and ``float16``.
        max_flips: Without ``gold``: maximum number of changed decisions per thousand in int8 or float16.
        max_drop: With ``gold``: maximum loss of F1 per layer in int8 or float16, in points.
        gold: Labelled documents to measure int8 and float16 on.
        revision: Branch, tag or commit of a hub id.

    Returns:
        The content of each ``export.json`` by the head's name; ``encoder`` for a model without heads or a joint graph.

    Raises:
        MissingExtra: If a library that a format needs is not installed.
        CheckpointError: If ``out`` exists, or the model cannot be used.
        LabelError: If there is no such head.
        EngineError: If a graph differs too much from the model.
    """
    if unknown := sorted(set(precisions) - set(GRAPHS)) or not precisions:
        raise OptionError(f"precision {unknown!r}: not known for ONNX; expected some of {', '.join(GRAPHS)}")
    if unknown := sorted(set(to) - {"onnx", *FORMATS}) or not to:
        raise OptionError(f"format {unknown!r}: not known; expected some of {', '.join(('onnx', *FORMATS))}")
    _check_libraries(to)
    checkpoint, modules = open_embedder(source, revision=revision)
    together = _joint(checkpoint, head, to) if joint else ()
    heads = [None] if joint else _chosen(checkpoint, head)
    budget = Budget(max_flips=max_flips, max_drop=max_drop, gold=gold)
    with new_folder(out) as folder:
        records: dict[str, dict[str, Any]] = {}
        for one in heads:
            name = "encoder" if one is None else one.name
            place = folder if len(heads) == 1 else folder / name
            place.mkdir(exist_ok=True)
            reference = _reference(checkpoint, modules, one, together)
            write_description(checkpoint, place, reference.target, head=one, modules=modules)
            graphs = _export_onnx(checkpoint, place, reference, precisions, budget) if "onnx" in to else {}
            records[name] = _record(checkpoint, one, graphs, _export_formats(checkpoint, place, reference, to))
            records[name]["joint"] = [each.name for each in together]
            write_json(place / RECORD, records[name])
            parameters = {"to": list(to), "head": records[name]["head"], "precisions": list(precisions)}
            write_provenance(place, Step("export", parameters, [base_material(checkpoint)]))
            write_card(checkpoint.source.folder, place, records[name])
    return records


def model_of(folder: Path) -> str:
    """The source of an exported folder: a hub id, or the name of a bundled model.

    Raises:
        CheckpointError: If the source was a local folder, which the caller must name.
    """
    path = next((path for path in (folder / RECORD, *sorted(folder.glob(f"*/{RECORD}"))) if path.exists()), None)
    if path is None:
        raise CheckpointError(f"{folder}: no {RECORD}; expected a folder that lexel export wrote")
    name = str(read_object(path)["model"])
    if "/" not in name and name not in bundled_names():
        raise CheckpointError(
            f"{path}: made from the folder {name!r}; expected a hub id or a bundled model. Name the model, too: "
            "lexel export MODEL FOLDER --check"
        )
    return name


def check_export(source: Source | None, folder: Path, *, revision: str | None = None) -> dict[str, dict[str, Any]]:
    """Compare the graphs of an exported folder with the model again.

    Args:
        source: The model that it was made from.
        folder: The exported folder.
        revision: Branch, tag or commit of a hub id.

    Returns:
        The difference of each graph, by head and file.

    Raises:
        CheckpointError: If it is not an exported folder, or a file has changed.
        EngineError: If a graph differs too much from the model.
    """
    checkpoint, modules = open_embedder(source, revision=revision)
    found = {}
    for path in [folder / RECORD] if (folder / RECORD).exists() else sorted(folder.glob(f"*/{RECORD}")):
        record = read_object(path)
        _check_libraries([*(["onnx"] if record["graphs"] else []), *record.get("formats", {})])
        head = _chosen(checkpoint, record["head"])[0] if record["head"] else None
        together = tuple(checkpoint.heads[name] for name in record.get("joint", ()))
        reference, graphs = _reference(checkpoint, modules, head, together), {}
        for precision, entry in record["graphs"].items():
            graph = path.parent / GRAPHS[precision]
            if not graph.is_file() or sha256_of(graph) != entry["sha256"]:
                raise CheckpointError(f"{graph}: not the file that was exported; export the model again")
            from lexel.export.onnx import run_onnx

            parity = reference.compare(run_onnx(graph))
            parity.check(graph, is_exact=precision == "float32", max_flips=entry["max_flips"])
            graphs[precision] = {**entry, **asdict(parity)}
        formats = {
            name: check_format(name, entry, path.parent, _without_pooling(name, checkpoint, reference))
            for name, entry in record.get("formats", {}).items()
        }
        found[record["head"] or "encoder"] = {**record, "graphs": graphs, "formats": formats}
    if not found:
        raise CheckpointError(f"{folder}: no {RECORD}; expected a folder that lexel export wrote")
    return found


def _chosen(checkpoint: Checkpoint, name: str | None) -> list[Head | None]:
    """The heads to export; ``None`` for a bare encoder."""
    if name is not None and name not in checkpoint.heads:
        known = ", ".join(checkpoint.heads) or "(none)"
        raise LabelError(f"{checkpoint.source.folder}: no head {name!r}; expected one of {known}")
    found = list(checkpoint.heads.values()) if name is None else [checkpoint.heads[name]]
    if spans := [head for head in found if head.task == "spans"]:
        raise LabelError(
            f"{checkpoint.source.folder}: head {spans[0].name} scores spans, for which exported graphs have no output; "
            "expected another head. Name it with --head"
        )
    return [*found] or [None]


def _export_onnx(
    checkpoint: Checkpoint, place: Path, reference: Reference, precisions: Sequence[str], budget: Budget
) -> dict[str, Any]:
    """Write the ONNX graphs, and return their differences from the model."""
    from lexel.export.onnx import WEIGHTS, run_onnx, write_onnx

    graph = place / GRAPHS["float32"]
    graph.parent.mkdir()
    write_onnx(checkpoint, graph, reference.target)
    for precision in set(precisions) & {"int8", "float16"}:
        _reduce(precision, graph, place / GRAPHS[precision])
    if "float32" not in precisions:
        graph.unlink()
        (graph.parent / WEIGHTS).unlink(missing_ok=True)
    elif (graph.parent / WEIGHTS).exists():
        config = read_object(place / "config.json")
        split = {path.name.removesuffix("_data"): True for path in sorted(graph.parent.glob("*_data"))}
        config["transformers.js_config"] = {"use_external_data_format": split}
        write_json(place / "config.json", config)
    graphs = {}
    for precision in precisions:
        path = place / GRAPHS[precision]
        parity = reference.compare(run_onnx(path))
        is_exact = precision == "float32"
        max_flips = budget.max_flips if is_exact or not budget.gold else MOST_FLIPS
        parity.check(path.relative_to(place), is_exact=is_exact, max_flips=max_flips)
        size = sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
        graphs[precision] = {"sha256": sha256_of(path), "bytes": size, **asdict(parity), "max_flips": max_flips}
        if not is_exact:
            graphs[precision] |= graph_cost(checkpoint, place, precision, reference.target, budget)
    return graphs


def _export_formats(
    checkpoint: Checkpoint, place: Path, reference: Reference, to: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Write the other formats, and return their differences from the model."""
    return {
        name: write_format(name, checkpoint, place, _without_pooling(name, checkpoint, reference))
        for name in FORMATS
        if name in to
    }


def _record(
    checkpoint: Checkpoint, head: Head | None, graphs: Mapping[str, Any], formats: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of ``export.json``."""
    return {
        "model": checkpoint.source.pin or checkpoint.source.folder.name,
        "head": None if head is None else head.name,
        "weights_sha256": weight_checksums(checkpoint.source.folder),
        "graphs": graphs,
        "formats": formats,
    }


def _without_pooling(name: str, checkpoint: Checkpoint, reference: Reference) -> Reference:
    """The target that a format is compared with: the hidden states only, if it has no pooling."""
    from lexel.export.parity import Reference
    from lexel.export.standard import Target

    if reference.target.plan is None or not FORMATS[name].is_states:
        return reference
    return Reference(checkpoint, Target())


def _joint(checkpoint: Checkpoint, head: str | None, to: Sequence[str]) -> tuple[Head, ...]:
    """The heads for a joint graph.

    Raises:
        OptionError: If there are none, or a format allows only one head.
    """
    found = tuple(one for one in checkpoint.heads.values() if one.task in LABELS_PIECES)
    if head is not None or {"torch", "bin"} & set(to):
        raise OptionError("joint: given with one head or a plain folder; expected all heads in another format")
    if not found:
        raise OptionError(f"{checkpoint.source.folder}: no heads for labels of pieces; leave joint out")
    return found


def _reference(
    checkpoint: Checkpoint, modules: SentenceModules | None, head: Head | None, joint: tuple[Head, ...]
) -> Reference:
    from lexel.export.parity import Reference
    from lexel.export.standard import Target

    if joint:
        return Reference(checkpoint, Target(joint=joint))
    makes_vectors = head.task == "embed" if head is not None else modules is not None
    plan = plan_pooling(checkpoint, modules, EmbedOptions()) if makes_vectors else None
    return Reference(checkpoint, Target(None if plan else head, plan), modules=modules)


def _reduce(precision: str, graph: Path, to: Path) -> None:
    """Write a smaller graph: weights in eight bits, or everything in float16."""
    from lexel.export.onnx import WEIGHTS
    from lexel.export.onnx_runtime import halve, quantise

    write = {"int8": quantise, "float16": halve}[precision]
    with _quiet():
        write(graph, to, is_split=(graph.parent / WEIGHTS).exists())


@contextmanager
def _quiet() -> Iterator[None]:
    """Drop onnxruntime's advice on the root logger to optimise the graph first: it does so itself on loading."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)


def _check_libraries(formats: Sequence[str]) -> None:
    needed = ("onnx", "onnx_ir", "onnxruntime") if "onnx" in formats else ()
    if missing := [name for name in needed if find_spec(name) is None]:
        raise MissingExtra(f'ONNX export needs {", ".join(missing)}: pip install "lexel[onnx]"')
    check_libraries(set(formats))
