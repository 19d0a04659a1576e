"""Where the numbers of a report come from: data, model, engine, versions."""

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
    """Everything that someone needs who wants to see the same numbers.

    Args:
        tagger: What was measured.
        options: How.
        command: What was typed, or the call.
        data: The gold data, as ``describe_data`` describes it.
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
    """What was typed, when, on which machine, with which versions."""
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
        path: Where it is.
        format: Its format.
        fold: The rule by which its tags were folded, if any.
        faults: What was skipped and repaired while it was read, if that is known.
    """
    described = {"file": os.fspath(path), "format": format, "bytes": bytes_of(path)}
    counts = {} if faults is None else {"skipped": faults.count, "repaired": faults.n_repaired}
    left_out = {name: count for name, count in counts.items() if count}
    return described | {"sha256": sha256_of(path)} | ({} if fold is None else {"fold": fold}) | left_out


def describe_models(tagger: Tagger) -> list[dict[str, Any]]:
    """Each checkpoint with its revision, the checksums of its weights, and what computes it."""
    of_flow: dict[str, list[str]] = {flow.name: [] for flow in tagger.flows}
    for layer, head in tagger.layers.items():
        of_flow[head.flow].append(layer)
    return [describe_flow(flow, layers=of_flow[flow.name]) for flow in tagger.flows]


def describe_flow(flow: Flow, *, layers: Sequence[str]) -> dict[str, Any]:
    """A checkpoint with its revision, the checksums of its weights, what it is read for, and what computes it."""
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
    """Versions of Python, Lexel and the libraries that compute, where they are installed."""
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
