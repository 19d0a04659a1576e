"""Read the raw text with a model of our own, and make training data of what it says: self-training.

The model reads the simplified form; the traditional form gets the same labels, so that both scripts are cut alike.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import opencc
import prepare

import lexel

log = logging.getLogger("recipe")


def relabel(teacher: Path, silver: Path, out: Path, *, names: Sequence[str], limit: int) -> None:
    """Write ``<name>.<script>.jsonl`` of documents as the teacher reads them.

    Args:
        teacher: A model folder with words, tags and entities.
        silver: Folder of the silver files.
        out: Where the files go; those that are there are skipped.
        names: The raw files.
        limit: Most documents of each, taken evenly.
    """
    nlp = None
    for name in names:
        targets = {script: out / f"{name}.{script}.jsonl" for script in prepare.SCRIPTS}
        if all(path.exists() for path in targets.values()):
            continue
        nlp = nlp or lexel.load(teacher, threads=None)
        documents = list(nlp.stream(_texts(silver / f"{name}.simplified.jsonl", limit=limit)))
        for script, path in targets.items():
            lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in _records(documents, script))
            prepare.write_text(path, "".join(lines))
        log.info("relabel: %s, %d documents", name, len(documents))


def _texts(path: Path, *, limit: int) -> Iterator[str]:
    lines = path.read_bytes().splitlines()
    step = max(1, len(lines) // limit)
    for line in islice(lines, None, None, step):
        yield json.loads(line)["text"]


def _records(documents: Sequence[lexel.Document], script: str) -> Iterator[prepare.Record]:
    convert = opencc.OpenCC("s2t").convert if script == "traditional" else str
    for document in documents:
        text = convert(document.text)
        if len(text) == len(document.text):
            yield {
                "text": text,
                "words": [[word.start, word.end] for word in document.words],
                "pos": [word.pos for word in document.words],
                "entities": [[span.start, span.end, span.label] for span in document.entities],
            }
