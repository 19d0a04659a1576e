"""Everything in an exported folder except the graphs: config, tokenizer, licences, and ``lexel.json``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lexel.checkpoint import Checkpoint, Head
from lexel.checkpoint.convert import write_safetensors
from lexel.checkpoint.exported import KEPT_WEIGHTS
from lexel.checkpoint.folder import copy_licences, copy_sentence_files, copy_transition_biases
from lexel.checkpoint.heads import describe_heads
from lexel.checkpoint.sentence_transformers import SentenceModules
from lexel.checkpoint.transitions import PLAIN_PREFIXES, transition_prefixes
from lexel.checkpoint.weights import read_tensors, weight_file
from lexel.disk import write_json
from lexel.engines.heads import plain_prefix
from lexel.jsonfile import read_object
from lexel.names import LABELS_PIECES, PROBLEMS
from lexel.text.tokenizer_export import write_tokenizer

if TYPE_CHECKING:
    from lexel.export.standard import Target

_ENDINGS = {"fill": "ForMaskedLM", "classify": "ForSequenceClassification", "answer": "ForQuestionAnswering"}


def write_description(
    checkpoint: Checkpoint, place: Path, target: Target, *, head: Head | None, modules: SentenceModules | None
) -> None:
    """Write the files.

    Args:
        checkpoint: The model.
        place: The exported folder.
        target: The outputs of its graphs.
        head: The head, if they compute one.
        modules: The contents of the model's sentence-transformers files, if it has them.
    """
    source, config = checkpoint.source, checkpoint.config
    write_json(place / "config.json", _config(checkpoint, head))
    write_tokenizer(
        source.folder,
        place,
        pieces=checkpoint.pieces,
        model_type=config.model_type,
        max_length=config.max_positions,
    )
    copy_licences(source.folder, place)
    if target.plan is not None and modules is not None:
        copy_sentence_files(source.folder, place)
    heads = target.joint or (() if head is None else (head,))
    _keep_transitions(source.folder, heads, place)
    if any(one.task == "entities" for one in heads):
        copy_transition_biases(source.folder, place)
    write_json(place / "lexel.json", _description(checkpoint, head, target.joint))


def _keep_transitions(folder: Path, heads: tuple[Head, ...], place: Path) -> None:
    """Write the transition scores of CRFs, if heads have them: Lexel uses them in decoding.

    They keep their names if the folder has several heads.
    """
    file, kept = weight_file(folder), {}
    tensors = {} if file is None else read_tensors(folder, file)
    for head in (one for one in heads if one.task in LABELS_PIECES):
        for name in (one for one in tensors if one.rpartition(".")[0] in transition_prefixes(head)):
            own = name if len(heads) > 1 else f"{PLAIN_PREFIXES[0]}.{name.rpartition('.')[2]}"
            kept[own] = tensors[name]
    if kept:
        write_safetensors(kept, place / KEPT_WEIGHTS)


def _description(checkpoint: Checkpoint, head: Head | None, joint: tuple[Head, ...]) -> dict[str, Any]:
    """The entries for Lexel itself: one head as in a plain folder, or several as in the model's folder."""
    values = describe_heads(checkpoint)
    kept = {key: values[key] for key in ("format", "pieces", "base", "made") if key in values}
    if head is None:
        return kept | {"heads": {one.name: values["heads"][one.name] for one in joint}}
    prefix = head.prefix if head.task == "embed" else plain_prefix(head, checkpoint.config)
    return kept | {"heads": {head.name: values["heads"][head.name] | {"prefix": prefix}}}


def _config(checkpoint: Checkpoint, head: Head | None) -> dict[str, Any]:
    """The config of a model with only this head, in transformers' form."""
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
    return values
