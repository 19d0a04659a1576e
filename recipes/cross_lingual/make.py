"""Train entities on English and score them on other languages, in one table.

    python recipes/cross_lingual/make.py --corpora DIR --work DIR

``DIR`` holds ``labelled/<set>/{train,dev,test}.jsonl`` in Lexel's JSON lines. The stages, each of which is passed over
when its result is there:

1. a cased WordPiece vocabulary over the text of all languages;
2. ``pretrain.yaml``: a multilingual-cased-shaped model from random weights, by masked words of all languages;
3. ``finetune.yaml``: entities, from the English training set alone;
4. ``lexel compare``: the table, on the test set of each language that is there.

What follows ``--`` is given to both trainings, such as ``-- --max-steps 20``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = "en_ewt"
TARGETS = ("pt_bosque", "da_ddt", "sv_talbanken", "sr_set", "hr_set", "sk_snk")
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the stages that are not done."""
    given, others = _split(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(description="Entities from English to other languages.")
    parser.add_argument("--corpora", type=Path, required=True, help="folder with labelled/<set>/<split>.jsonl")
    parser.add_argument("--work", type=Path, required=True, help="where everything is made")
    parser.add_argument("--pieces", type=int, default=12_000, help="size of the vocabulary")
    asked = parser.parse_args(given)
    labelled = asked.corpora / "labelled"
    sets = [name for name in (SOURCE, *TARGETS) if (labelled / name).is_dir()]
    asked.work.mkdir(parents=True, exist_ok=True)
    train = [labelled / name / "train.jsonl" for name in sets]
    tokenizer, base, model = (asked.work / name for name in ("tokenizer", "base", "model"))
    if not tokenizer.is_dir():
        learn_vocabulary(texts_of(train), tokenizer, size=asked.pieces)
    if not base.is_dir():
        files = [part for path in train for part in ("--train-file", str(path))]
        lexel("train", HERE / "pretrain.yaml", *files, "--tokenizer", tokenizer, "-o", base, *others)
    if not model.is_dir():
        english = ("--train-file", train[0], "--validation-file", labelled / SOURCE / "dev.jsonl")
        lexel("train", HERE / "finetune.yaml", "-m", base, *english, "-o", model, *others)
    tests = [part for name in sets for part in ("-d", _renamed(labelled / name / "test.jsonl", asked.work, name))]
    lexel("compare", model, *tests, "-o", asked.work / "table.json", "--html", asked.work / "table.html")


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """What stands before and after ``--``."""
    given = list(arguments)
    at = given.index("--") if "--" in given else len(given)
    return given[:at], given[at + 1 :]


def texts_of(paths: Sequence[Path]) -> Iterator[str]:
    """The text of every record."""
    for path in paths:
        with path.open(encoding="utf-8") as file:
            yield from (json.loads(line)["text"] for line in file if line.strip())


def learn_vocabulary(texts: Iterator[str], folder: Path, *, size: int) -> None:
    """A tokenizer folder with a cased WordPiece vocabulary."""
    from tokenizers import BertWordPieceTokenizer

    tokenizer = BertWordPieceTokenizer(lowercase=False, strip_accents=False)
    tokenizer.train_from_iterator(texts, vocab_size=size, special_tokens=SPECIALS, show_progress=False)
    folder.mkdir()
    tokenizer.save_model(str(folder))
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "strip_accents": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


def _renamed(path: Path, work: Path, name: str) -> Path:
    """The same data under the name of its set, which the table then shows."""
    place = work / f"{name}.jsonl"
    place.write_bytes(path.read_bytes())
    return place


def lexel(*arguments: object) -> None:
    """Run ``lexel`` as a command, in sight."""
    subprocess.run([sys.executable, "-m", "lexel", *map(str, arguments)], check=True)


if __name__ == "__main__":
    main()
