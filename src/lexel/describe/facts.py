"""All facts about a model without its weights: from config, headers, tokenizer, licence, and the hub's page."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lexel.checkpoint.check import files_loaded
from lexel.checkpoint.config import read_config
from lexel.checkpoint.files import files_read
from lexel.checkpoint.gate import licence_of
from lexel.checkpoint.heads import Head, read_heads
from lexel.checkpoint.hub import Listing, count_open_threads, list_files
from lexel.checkpoint.remote import TensorShape, local_tensors, remote_tensors
from lexel.checkpoint.source import Source, fetch, fetch_description, split_revision
from lexel.describe.languages import LanguageCost, language_costs
from lexel.describe.memory import estimate_memory
from lexel.encoder.family import ModelConfig
from lexel.errors import LexelError
from lexel.licences import Verdict, demand_of
from lexel.text.tokenizer import load_tokenizer


@dataclass(frozen=True, slots=True)
class Description:
    """The facts about a model without its weights.

    Attributes:
        name: The user's name for it.
        source: The folder of its small files, and their commit.
        config: The content of ``config.json``.
        heads: Its heads.
        pieces: The units that it reads: ``chars`` or ``tokenizer``.
        tensors: Its tensors from the headers; ``None`` if they could not be read.
        files: Size of each file that loading reads, by name.
        memory: Peak memory of a process in bytes, by precision.
        languages: Tokenizer costs by language.
        n_pieces: Size of the vocabulary.
        longest: Maximum number of pieces that are read at once; longer texts are read in windows.
        licence: The verdict on its licence.
        problems: Facts that could not be determined, one line each.
        changed: The day of the last change on the hub.
        open_threads: Open discussions and pull requests on the hub.
    """

    name: str
    source: Source
    config: ModelConfig
    heads: Sequence[Head]
    pieces: str
    tensors: Mapping[str, TensorShape] | None
    files: Mapping[str, int]
    memory: Mapping[str, int]
    languages: Mapping[str, LanguageCost]
    n_pieces: int | None
    longest: int
    licence: Verdict
    problems: Sequence[str] = field(default_factory=tuple)
    changed: str | None = None
    open_threads: int | None = None

    @property
    def n_parameters(self) -> int | None:
        """Number of parameters."""
        return None if self.tensors is None else sum(tensor.n_numbers for tensor in self.tensors.values())

    @property
    def stored_as(self) -> str | None:
        """The type of most of its parameters, by safetensors' name."""
        sizes: dict[str, int] = {}
        for tensor in (self.tensors or {}).values():
            sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + tensor.n_numbers
        return max(sizes, key=lambda name: sizes[name], default=None)


def describe(source: str | os.PathLike[str] | None = None, *, revision: str | None = None) -> Description:
    """Describe a model; for a hub model, only small files and the headers of its weights are downloaded.

    Args:
        source: A folder, a hub id (also ``owner/name@revision``), or ``None`` for the bundled model.
        revision: A branch, tag or commit of a hub id.

    Raises:
        CheckpointError: If there is no such model, or Lexel does not support it.
    """
    name = "zh" if source is None else os.fspath(source)
    repo_id, named = split_revision(name)
    if source is None or "/" not in repo_id or Path(name).expanduser().exists():
        place = fetch(source, revision=revision, is_own=True)
        sizes = {file: (place.folder / file).stat().st_size for file in files_read(place.folder)}
        return _describe(name, place, sizes, local_tensors(place.folder))
    listing = list_files(repo_id, named or revision)
    place = fetch_description(repo_id, listing.commit, with_tokenizer=True)
    sizes = {file: listing.files[file].size for file in files_loaded(listing)}
    return _describe(name, place, sizes, remote_tensors(repo_id, listing), listing=listing)


def _describe(
    name: str,
    place: Source,
    sizes: Mapping[str, int],
    tensors: Mapping[str, TensorShape] | None,
    *,
    listing: Listing | None = None,
) -> Description:
    config = read_config(place.folder)
    problems: list[str] = []
    heads: Sequence[Head] = ()
    pieces = "tokenizer"
    try:
        found = read_heads(place.folder, config, repo_id=place.repo_id)
        heads, pieces = tuple(found.heads.values()), found.pieces
    except LexelError as error:
        problems.append(f"labels: {error}")
    languages: Mapping[str, LanguageCost] = {}
    n_pieces, longest = None, config.max_positions
    try:
        tokenizer = load_tokenizer(place.folder, pieces=pieces, model_type=config.model_type)
        languages, n_pieces = language_costs(tokenizer), tokenizer.n_pieces
    except LexelError as error:
        problems.append(f"tokenizer: {error}")
    if tensors is None:
        problems.append("weights: none, or in a form whose tensors are known only after a download")
    return Description(
        name=name,
        source=place,
        config=config,
        heads=heads,
        pieces=pieces,
        tensors=tensors,
        files=sizes,
        memory={} if tensors is None else estimate_memory(config, tensors),
        languages=languages,
        n_pieces=n_pieces,
        longest=longest,
        licence=licence_of(place.folder),
        problems=problems,
        changed=None if listing is None or listing.changed is None else listing.changed.date().isoformat(),
        open_threads=None if listing is None or place.repo_id is None else count_open_threads(place.repo_id),
    )


def as_record(found: Description) -> dict[str, Any]:
    """A description for programs."""
    config, licence = found.config, found.licence
    return {
        "model": found.name,
        "commit": found.source.commit,
        "family": config.model_type,
        "layers": config.n_layers,
        "hidden_size": config.hidden_size,
        "attention_heads": config.n_heads,
        "parameters": found.n_parameters,
        "stored_as": found.stored_as,
        "heads": {head.name: _head_record(head) for head in found.heads},
        "reads": found.pieces,
        "vocabulary": found.n_pieces,
        "longest_pieces": found.longest,
        "memory_bytes": dict(found.memory),
        "files": dict(found.files),
        "languages": {name: cost._asdict() for name, cost in found.languages.items()},
        "licence": {"name": licence.licence, "verdict": licence.kind, "demand": demand_of(licence.licence)},
        "changed": found.changed,
        "open_threads": found.open_threads,
        "problems": list(found.problems),
    }


def _head_record(head: Head) -> dict[str, Any]:
    return {"task": head.task, "scheme": head.scheme, "labels": list(head.labels)}
