"""Provenance of the figures in a report: data, model, engine, versions."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from lexel.checkpoint.source import bundled_name
from lexel.checkpoint.weights import weight_checksums
from lexel.data.faults import Faults
from lexel.disk import bytes_of, sha256_of
from lexel.evaluation.scores.run import EvaluationOptions
from lexel.tasks.base import Flow
from lexel.tasks.tag import Tagger

_LIBRARIES = ("lexel", "numpy", "openvino", "tokenizers", "torch")


def describe_run(
    tagger: Tagger, options: EvaluationOptions, *, command: str, data: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything that is needed to reproduce the figures.

    Args:
        tagger: The tagger.
        options: The options of the evaluation.
        command: The command line, or the call.
        data: The description of the gold data, from ``describe_data``.
    """
    return {
        **describe_command(command),
        "data": dict(data),
        "models": describe_models(tagger),
        "options": {
            "decode": tagger.options.decode,
            "joint": tagger.options.joint,
            "min_score": tagger.options.min_score,
            "entities_on_words": tagger.options.entities_on_words,
            "has_lexicon": tagger.options.lexicon is not None,
            "given_words": options.given_words,
            "label_map": dict(options.label_map),
            "n_vocabulary": None if options.vocabulary is None else len(options.vocabulary),
            "n_samples": options.sampling.n_samples,
            "seed": options.sampling.seed,
        },
    }


def describe_command(command: str) -> dict[str, Any]:
    """The command, the time, the machine and the versions."""
    return {
        "command": command,
        "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": describe_machine(),
        "versions": dict(describe_versions()),
    }


def describe_data(
    path: str | os.PathLike[str], *, format: str, fold: str | None = None, faults: Faults | None = None
) -> dict[str, Any]:
    """A file of data: name, format, size and checksum.

    Args:
        path: Its path.
        format: Its format.
        fold: The rule by which its tags were folded, if any.
        faults: The skipped and repaired records, if known.
    """
    described = {"file": os.fspath(path), "format": format, "bytes": bytes_of(path)}
    counts = {} if faults is None else {"skipped": faults.count, "repaired": faults.n_repaired}
    left_out = {name: count for name, count in counts.items() if count}
    return described | {"sha256": sha256_of(path)} | ({} if fold is None else {"fold": fold}) | left_out


def describe_models(tagger: Tagger) -> list[dict[str, Any]]:
    """Each checkpoint with its revision, the checksums of its weights, and its engine."""
    of_flow: dict[str, list[str]] = {flow.name: [] for flow in tagger.flows}
    for layer, head in tagger.layers.items():
        of_flow[head.flow].append(layer)
    return [describe_flow(flow, layers=of_flow[flow.name]) for flow in tagger.flows]


def describe_flow(flow: Flow, *, layers: Sequence[str]) -> dict[str, Any]:
    """A checkpoint with its revision, the checksums of its weights, its layers, and its engine."""
    checkpoint, engine = flow.checkpoint, flow.engine
    source = checkpoint.source
    name = source.repo_id or bundled_name(source.folder) or str(source.folder)
    return {
        "name": name,
        "repo_id": source.repo_id,
        "commit": source.commit,
        "weights_sha256": weight_checksums(checkpoint.source.folder),
        "model_type": checkpoint.config.model_type,
        "licence": checkpoint.card.licence,
        "layers": list(layers),
        "engine": engine.name,
        "precision": engine.precision,
        "device": engine.device,
        "threads": engine.threads,
        "script": flow.script,
    }


def describe_versions() -> Mapping[str, str]:
    """Versions of Python, Lexel and the installed computing libraries."""
    found = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def describe_machine() -> str:
    """System, processor family and number of processors."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
