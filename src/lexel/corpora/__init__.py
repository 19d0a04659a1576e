"""Corpora: sends more text than fits in memory through steps, shard by shard, without losing or duplicating records.

>>> from lexel.corpora import run_corpus
>>> from lexel.corpora.steps import Length, Tag
>>> run_corpus(["news.jsonl"], "tagged", steps=[Length(least=10), Tag()])      # doctest: +SKIP

    inputs -> plan (shards of whole records) -> workers: read, steps, write aside, rename -> a record for each shard
"""

from lexel.corpora.job import Outcome, run_corpus
from lexel.corpora.plan import JobOptions
from lexel.corpora.recipe import load_steps
from lexel.corpora.status import read_status
from lexel.corpora.verify import verify_corpus
from lexel.data.records import Record

__all__ = ["JobOptions", "Outcome", "Record", "load_steps", "read_status", "run_corpus", "verify_corpus"]
