"""Reads a card's front matter, and the claims in its ``model-index``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lexel.checkpoint.front_matter import front_matter_of
from lexel.disk import refused
from lexel.errors import CheckpointError
from lexel.evaluation.verify.claims import Claim

CARD = "README.md"


def read_claims(folder: str | Path) -> list[Claim]:
    """The claims of a folder's card, in order.

    Raises:
        CheckpointError: If there is no card, its front matter cannot be read, or it has no claims.
    """
    folder = Path(folder)
    path = folder / CARD
    index = read_metadata(folder).get("model-index")
    if index is None:
        found = "no model-index" if path.is_file() else "no such file"
        raise CheckpointError(
            f"{path}: {found}; expected a card whose metadata claims figures. Write one with lexel card"
        )
    claims = list(_claims(index, path))
    if not claims:
        raise CheckpointError(f"{path}: its model-index holds no figure; expected at least one to verify")
    return claims


def read_metadata(folder: Path) -> dict[str, Any]:
    """The unchanged front matter of a folder's card; empty without a card or front matter.

    Raises:
        CheckpointError: If it is not YAML, or not a mapping.
    """
    path = folder / CARD
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path}: {refused(error, doing='read')}; expected a card in UTF-8") from error
    return parse_metadata(text, where=str(path))


def parse_metadata(text: str, *, where: str) -> dict[str, Any]:
    """The front matter of a card's text.

    Raises:
        CheckpointError: If it is not YAML, or not a mapping.
    """
    import yaml

    front = front_matter_of(text)
    if front is None:
        return {}
    try:
        values = yaml.safe_load(front)
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise CheckpointError(f"{where}: its front matter is not YAML ({said}); repair it") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise CheckpointError(f"{where}: its front matter is a {type(values).__name__}; expected names and values")
    return values


def _claims(index: Any, path: Path) -> Iterator[Claim]:
    for model in _items(index, "model-index", path):
        for result in _items(model.get("results"), "results", path):
            dataset = _mapping(result.get("dataset"))
            for metric in _items(result.get("metrics"), "metrics", path):
                yield _claim(dataset, metric)


def _claim(dataset: Mapping[str, Any], metric: Mapping[str, Any]) -> Claim:
    return Claim(
        dataset=_text(dataset.get("name")) or "",
        value=metric.get("value"),
        metric_type=_text(metric.get("type")) or "",
        metric_name=_text(metric.get("name")) or "",
        dataset_type=_text(dataset.get("type")) or "",
        config=_text(dataset.get("config")),
        split=_text(dataset.get("split")),
        revision=_text(dataset.get("revision")),
        args=_mapping(metric.get("args")),
    )


def _items(value: Any, name: str, path: Path) -> list[Mapping[str, Any]]:
    """A list of mappings; a single mapping counts as a list."""
    items = [value] if isinstance(value, Mapping) else [] if value is None else value
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise CheckpointError(f"{path}: {name} is {value!r}; expected a list of entries")
    return items


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
