"""The card's metadata from the facts, in the hub's own types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lexel.cards.facts import Facts
from lexel.cards.results import eval_results, slug
from lexel.checkpoint.sentence_transformers import is_sentence_folder
from lexel.licences import identifier_of
from lexel.names import TAGGING

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

_PIPELINES = {
    "fill": "fill-mask",
    "classify": "text-classification",
    "answer": "question-answering",
    "embed": "feature-extraction",
}
_TAGS = {
    "words": "word-segmentation",
    "pos": "part-of-speech",
    "words+pos": "part-of-speech",
    "entities": "named-entity-recognition",
    "spans": "named-entity-recognition",
}
_KEPT = ("thumbnail", "widget", "co2_eq_emissions", "extra_gated_prompt", "extra_gated_fields")
"""Metadata of an earlier card that stays valid, independent of the files."""


def build_metadata(facts: Facts) -> ModelCardData:
    """The front matter: licence, languages, base, data, metrics, and the ``model-index`` with every figure."""
    from huggingface_hub import ModelCardData

    figures = eval_results(facts)
    values: dict[str, Any] = {
        **_licence(facts),
        "language": facts.languages or None,
        "library_name": _library(facts),
        "pipeline_tag": _pipeline(facts),
        "tags": list(dict.fromkeys(["lexel", *(_TAGS[task] for task in facts.tasks if task in _TAGS)])),
        "base_model": facts.hub_base,
        "datasets": list(dict.fromkeys(slug(row.set_name) for row in facts.data)) or None,
        "metrics": list(dict.fromkeys(str(figure.metric_type) for figure in figures)) or None,
        **{key: facts.previous[key] for key in _KEPT if key in facts.previous},
    }
    if figures:
        values |= {"model_name": facts.name, "eval_results": figures}
    return ModelCardData(**{key: value for key, value in values.items() if value is not None})


def _licence(facts: Facts) -> dict[str, str | None]:
    """The hub has a list of licences; any other is ``other``, with a name and a link."""
    if facts.licence is None:
        return {}
    identifier = identifier_of(facts.licence)
    if identifier is not None:
        return {"license": identifier}
    link = facts.answer("licence_link") or facts.previous.get("license_link")
    return {"license": "other", "license_name": slug(facts.licence), "license_link": link}


def _pipeline(facts: Facts) -> str | None:
    if any(task in TAGGING for task in facts.tasks):
        return "token-classification"
    return next((_PIPELINES[task] for task in facts.tasks if task in _PIPELINES), None)


def _library(facts: Facts) -> str:
    """The library that loads the folder: transformers or sentence-transformers, unless it needs Lexel."""
    heads = facts.heads.heads.values()
    is_ours = facts.heads.pieces == "chars" or any(head.prefix.startswith("heads.") for head in heads)
    theirs = "sentence-transformers" if is_sentence_folder(facts.folder) else "transformers"
    return "lexel" if is_ours else theirs
