"""Checkpoints: loads a folder or a hub id as a config, heads, and weights by name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lexel.checkpoint.adapter import AdapterConfig
from lexel.checkpoint.card import Card, read_card
from lexel.checkpoint.config import read_config
from lexel.checkpoint.exported import has_kept_weights, open_kept_weights
from lexel.checkpoint.heads import FolderHeads, Head, describe_tensors, read_heads
from lexel.checkpoint.quantised import Quantised
from lexel.checkpoint.source import Source, bundled_name, fetch
from lexel.checkpoint.weights import Weights, open_weights
from lexel.encoder.family import ModelConfig
from lexel.errors import OptionError
from lexel.labels import LabelSet, detect
from lexel.trust.contract import Expects, judged_head, read_contract

__all__ = ["Checkpoint", "Head", "ModelConfig", "Source", "Weights", "open_checkpoint"]


@dataclass(frozen=True)
class Checkpoint:
    """A model folder, read without its weights.

    Attributes:
        source: The folder and its origin.
        config: The content of ``config.json``.
        heads: Its heads by name; empty for a bare encoder.
        pieces: ``chars`` or ``tokenizer``.
        card: The facts in its card.
        base: Its base model, from ``lexel.json``.
        made: How it was made, from ``lexel.json``.
        labels_from: The source of the labels, a file or the caller; for messages.
        adapter: The bottleneck adapters in its encoder, if it has any.
        quantised: The quantised graph next to its weights, if there is one.
        renames: New names of labels in results, by the name of the head and of the label; see ``expecting``.
    """

    source: Source
    config: ModelConfig
    heads: dict[str, Head]
    pieces: str
    card: Card
    base: Mapping[str, Any] = field(default_factory=dict)
    made: Mapping[str, Any] = field(default_factory=dict)
    labels_from: str = "config.json"
    adapter: AdapterConfig | None = None
    quantised: Quantised | None = None
    renames: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def expecting(self, expects: Expects | None) -> Checkpoint:
        """A copy with the labels that a program expects; see ``lexel.trust.contract``.

        Args:
            expects: Labels, or the path of a mapping file; ``None``: any.

        Raises:
            LabelError: If the model has other labels.
            OptionError: If ``expects`` names no labels, or a map merges two classes.
        """
        if expects is None:
            return self
        contract = read_contract(expects)
        heads = list(self.heads.values())
        contract.check(heads, model=self.source.repo_id or str(self.source.folder))
        head = judged_head(heads)
        if head is None or not contract.renames:
            return self
        if head.task != "classify":
            return replace(self, renames={head.name: contract.renames})
        labels = tuple(contract.renames.get(label, label) for label in head.labels)
        if len(set(labels)) < len(labels):
            raise OptionError(f"{contract.where}: gives two classes the same name; expected different names")
        return replace(self, heads={**self.heads, head.name: replace(self.heads[head.name], labels=labels)})

    def label_set(self, head: Head) -> LabelSet:
        """The interpreted labels of a tagging head, with their names in results."""
        found = detect(head.labels, scheme=head.scheme, where=f"{self.source.folder}: head {head.name}")
        renames = self.renames.get(head.name)
        return found if not renames else replace(found, types=tuple(renames.get(name, name) for name in found.types))

    @property
    def description(self) -> str:
        """A description, one line each: source, commit and how to pin it, licence, heads, pieces."""
        source = self.source
        bundled = bundled_name(source.folder)
        known = source.repo_id or (f"{bundled}, bundled with Lexel" if bundled else source.folder)
        lines = [f"model: {known} ({self.config.model_type})"]
        if source.commit:
            lines.append(f"commit: {source.commit}; to pin it: {source.pin}")
        if self.card.notice:
            lines.append(self.card.notice)
        lines += [_described(head) for head in self.heads.values()] or ["heads: none, a bare encoder"]
        pieces = "single characters" if self.pieces == "chars" else "the tokenizer's"
        return "\n".join([*lines, f"pieces: {pieces}"])

    def open_weights(self) -> Weights:
        """Open the folder's weights.

        Raises:
            WeightError: If there are none, or a file is damaged.
        """
        labelled = {head.prefix: self.labels_from for head in self.heads.values() if head.labels}
        return open_weights(self.source.folder, heads=labelled)

    def open_decoding_weights(self) -> Weights:
        """Open the weights for decoding; an exported folder has them in a separate file.

        Raises:
            WeightError: If there are none, or a file is damaged.
        """
        folder = self.source.folder
        return open_kept_weights(folder) if has_kept_weights(folder) else self.open_weights()

    def unread_tensors(self) -> str:
        """Tensors outside the encoder and its family's heads, with their shapes; for messages."""
        return describe_tensors(self.open_weights().shapes, self.config)


TRAINED = "lexel train"
"""The entries of ``lexel.json`` for a model that Lexel trained."""


def open_checkpoint(
    source: str | os.PathLike[str] | None = None,
    *,
    revision: str | None = None,
    pieces: str | None = None,
    scheme: str | None = None,
    labels: Sequence[str] | None = None,
    expects: Expects | None = None,
    is_own: bool = False,
) -> Checkpoint:
    """Find a model and read everything except its weights.

    Args:
        source: A folder, a hub id (``owner/name``, or ``owner/name@revision``), or ``None`` for the bundled model.
        revision: A branch, tag or commit, for a hub id without one.
        pieces: ``chars`` or ``tokenizer``, to override detection.
        scheme: The scheme of the only tagging head, to override detection.
        labels: Its labels by output, to override the file's.
        expects: The labels that your program expects, or the path of a mapping file; see ``lexel.trust.contract``.
        is_own: Skip policy and lock, because this process has just made the folder.

    Raises:
        PolicyError: If the project's policy or lock refuses the model.
        CheckpointError: If there is no such model, or Lexel does not support it.
        LabelError: If its labels have no meaning, or do not match each other.
    """
    place = fetch(source, revision=revision, is_own=is_own)
    config = read_config(place.folder)
    found = read_heads(place.folder, config, repo_id=place.repo_id, pieces=pieces, scheme=scheme, labels=labels)
    checkpoint = Checkpoint(
        source=place,
        config=config,
        heads=found.heads,
        pieces=found.pieces,
        card=_card_of(place, found, is_own=is_own),
        base=found.base,
        made=found.made,
        labels_from=found.labels_from,
        adapter=found.adapter,
        quantised=found.quantised,
    )
    return checkpoint.expecting(expects)


def _card_of(place: Source, found: FolderHeads, *, is_own: bool) -> Card:
    """The card; if the user may have trained the model, its notice explains how to state a licence."""
    is_trained = place.repo_id is None and found.made.get("by") == TRAINED
    card = read_card(place.folder, base=found.base, is_own=is_trained)
    # A process that has just made a folder lists the missing facts at its end.
    return replace(card, notice=None) if is_trained and is_own and card.licence is None else card


def _described(head: Head) -> str:
    gives = "one tag per word" if head.task == "pos" else head.task
    scheme = f" in {head.scheme}" if head.scheme and head.scheme != "bare" else ""
    labels = f", {len(head.labels)} labels" if head.labels else ""
    return f"head {head.name}: {gives}{scheme}{labels}"
