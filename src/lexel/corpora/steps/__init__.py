"""The steps by name, one file each."""

from __future__ import annotations

from lexel.corpora.steps.base import CorpusStep, Machine, Shard, Step
from lexel.corpora.steps.chinese import Chinese
from lexel.corpora.steps.classify import Classify
from lexel.corpora.steps.dedup import Dedup
from lexel.corpora.steps.embed import Embed
from lexel.corpora.steps.function import Function
from lexel.corpora.steps.html import Html
from lexel.corpora.steps.language import Language
from lexel.corpora.steps.length import Length
from lexel.corpora.steps.lines import RepeatedLines
from lexel.corpora.steps.normalise import Normalise
from lexel.corpora.steps.perplexity import Perplexity
from lexel.corpora.steps.redact import Redact
from lexel.corpora.steps.rewrite import Rewrite
from lexel.corpora.steps.script import Script
from lexel.corpora.steps.substitute import Substitute
from lexel.corpora.steps.swap import Swap
from lexel.corpora.steps.tag import Segment, Tag

_READ = (Tag, Segment, Embed, Classify, Perplexity)
_CLEAN = (Html, Normalise, Chinese, RepeatedLines, Length, Script, Language, Dedup)
_CHANGE = (Redact, Substitute, Swap, Rewrite, Function)

STEPS: dict[str, type[Step]] = {step.name: step for step in (*_READ, *_CLEAN, *_CHANGE)}

__all__ = [
    "STEPS",
    "Chinese",
    "Classify",
    "CorpusStep",
    "Dedup",
    "Embed",
    "Function",
    "Html",
    "Language",
    "Length",
    "Machine",
    "Normalise",
    "Perplexity",
    "Redact",
    "RepeatedLines",
    "Rewrite",
    "Script",
    "Segment",
    "Shard",
    "Step",
    "Substitute",
    "Swap",
    "Tag",
]
