"""Make the bundled Chinese model: one command from open corpora to the finished folder.

    python recipes/zh/make.py --corpora DIR --out DIR [--work DIR] [--fast]

``DIR`` holds ``raw/<name>.txt[.xz]``, a paragraph a line, and ``labelled/<set>/<split>.jsonl``. The stages, each of
which goes on where it stopped:

1. ``prepare.py``: silver words and tags by jieba over the raw text, the vocabulary;
2. ``pretrain.yaml``: from random weights, masked characters and silver labels;
3. ``finetune.yaml``: gold words, tags and entities, which gives a teacher;
4. ``relabel.py``: the raw text as the teacher reads it;
5. ``selftrain.yaml``: masked characters and the teacher's labels, gold among them;
6. ``finetune.yaml`` again, which gives a second teacher;
7. ``distill.yaml``: the same encoder goes on, with the second teacher's probabilities in raw text beside gold labels,
   and becomes the third teacher;
8. ``relabel.py`` again, with that teacher;
9. ``selftrain_long.yaml``: masked characters and the third teacher's labels, gold and transcripts among them;
10. ``names.py``, ``selftrain_agreed.yaml``: the same with entities that agree from text to text;
11. a graph in eight bits, calibrated scores, and the card.

``--fast`` is the same chain at a size of minutes; its model is poor.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import names
import prepare
import relabel
import yaml
from safetensors.numpy import load_file, save_file

from lexel.cards import write_card
from lexel.cards.measuring import CardData, add_reports
from lexel.data.labelled import DataOptions, open_labelled
from lexel.evaluation.calibrate import calibrate_folder
from lexel.evaluation.verify.claimed_data import Labelled

HERE = Path(__file__).parent
PIECES = 7168
VARIED = 0.03
"""Times an epoch reads each of the four varied copies: an eighth of all sentences."""

TREEBANKS = ("zh_gsdsimp", "zh_gsd")
RELABELLED = 30_000
"""Most documents of a raw file that the teacher reads."""

GOLD_AMONG_SILVER, GOLD_AMONG_SILVER_AGAIN = 5, 8
"""Times an epoch of the first and of the second self-training reads the treebank."""

GOLD_AMONG_TEXT = 10
"""Times an epoch of distillation reads the treebank beside the raw text."""

VARIED_AMONG_TEXT = 0.3
TRANSCRIPTS_AMONG_TEXT = 1.5
TALK = {
    "crosswoz": 3,
    "kdconv": 4,
    "tatoeba": 4,
    "cc0_sentences_zh_tw": 4,
    "commonvoice_zh_tw": 4,
    "commonvoice_zh_hk": 2,
    "readr_election_talks": 3,
}
"""How often stages after the second teacher read what people say and write to each other; else sources.yaml says."""

CALIBRATION_SENTENCES = 300
"""Training sentences of each script, none in both, on which the eight-bit graph is calibrated."""

SCRIPT_BORDER = 4.0
"""Bonus for a word's begin where the script changes: the least that is best on both development sets (4 to 7 are)."""

TRANSCRIPTS, TRANSCRIPTS_AMONG_SILVER = 0.15, 1.0
"""Times an epoch of fine-tuning and of the second self-training reads the transcripts in each script."""

# The C library gives large blocks back to the system after every operation, and each step then pays for fresh pages:
# a fifth of the time.
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": "8589934592",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "268435456",
}
FAST = {
    "pretrain": {"max_steps": 60, "save_steps": 30, "logging_steps": 20, "warmup_steps": 10},
    "selftrain": {"max_steps": 40, "save_steps": 20, "logging_steps": 20, "warmup_steps": 10},
    "selftrain_long": {
        "max_steps": 40,
        "save_steps": 20,
        "logging_steps": 20,
        "warmup_steps": 10,
        "eval_strategy": "no",
    },
    "selftrain_agreed": {"max_steps": 20, "logging_steps": 10, "warmup_steps": 5, "eval_strategy": "no"},
    "finetune": {"max_steps": 40, "warmup_steps": 10, "eval_strategy": "no"},
    "distill": {"max_steps": 20, "save_steps": 10, "logging_steps": 10, "warmup_steps": 5, "eval_strategy": "no"},
}
FAST_CONFIG = {"hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 128}
GOLD_LICENCE = "CC BY-SA 4.0"

log = logging.getLogger("recipe")


def make(corpora: Path, out: Path, *, work: Path, processes: int, fast: bool) -> None:
    """Run the stages.

    Args:
        corpora: Where the corpora are.
        out: The finished folder.
        work: Intermediate results.
        processes: Processes that label and train.
        fast: A small model, a part of the text, few steps.
    """
    sources = yaml.safe_load((HERE / "sources.yaml").read_text(encoding="utf-8"))
    if fast:
        sources = {name: source for name, source in sources.items() if raw_file(corpora, name).exists()}
    silver, gold, tokenizer = work / "silver", work / "gold", work / "tokenizer"
    prepare.write_silver(corpora, silver, list(sources), processes=processes, limit=200 if fast else None)
    prepare.write_tokenizer(silver, tokenizer, n_pieces=PIECES)
    prepare.write_gold(corpora, gold)
    train("pretrain", pretraining(sources, silver, tokenizer, fast=fast), work=work, processes=processes)
    teacher = finetuning(corpora, gold, work / "pretrain", keeps_heads=False, fast=fast)
    train("teacher", teacher, work=work, processes=processes)
    relabel.relabel(work / "teacher", silver, work / "relabelled", names=list(sources), limit=RELABELLED)
    train("selftrain", selftraining(corpora, sources, work, fast=fast), work=work, processes=processes)
    second = finetuning(corpora, gold, work / "selftrain", keeps_heads=True, fast=fast)
    train("finetune", second, work=work, processes=processes)
    third = distilling(corpora, sources, gold, work, fast=fast)
    train("distill", third, work=work, processes=processes)
    relabel.relabel(work / "distill", silver, work / "relabelled_again", names=list(sources), limit=RELABELLED)
    texts = _read_again(corpora, sources, gold, work / "relabelled_again")
    long = selftraining_again("selftrain_long", corpora, texts, base=work / "distill", fast=fast)
    train("selftrain_long", long, work=work, processes=processes)
    names.write_agreed(work / "relabelled_again", work / "agreed", names=list(sources))
    texts = _read_again(corpora, sources, gold, work / "agreed")
    agreed = selftraining_again("selftrain_agreed", corpora, texts, base=work / "selftrain_long", fast=fast)
    train("selftrain_agreed", agreed, work=work, processes=processes)
    drop_fill(work / "selftrain_agreed", work / "float")
    quantize(corpora, work / "float", work / "quantized")
    for folder in ("float", "quantized"):  # with the record of the training, then with what eight bits change
        shutil.copytree(work / folder, out, dirs_exist_ok=True)
    calibrate(corpora / "labelled", out)
    write_card(out, answers=card(sources), replace_foreign=True)
    log.info("made %s", out)


def drop_fill(folder: Path, out: Path) -> None:
    """Write a trained folder again without the head for masked characters, which the model was trained with only."""
    if out.exists():
        return
    part = out.with_suffix(".part")
    ignored = shutil.ignore_patterns("checkpoints", "features", "evaluation.json", "reliability.svg")
    shutil.copytree(folder, part, dirs_exist_ok=True, ignore=ignored)
    described = json.loads((part / "lexel.json").read_bytes())
    prefix = described["heads"].pop("fill")["prefix"]
    prepare.write_text(part / "lexel.json", json.dumps(described, ensure_ascii=False, indent=2) + "\n")
    weights = load_file(part / "model.safetensors")
    kept = {name: values for name, values in weights.items() if not name.startswith(f"{prefix}.")}
    save_file(kept, part / "model.safetensors", metadata={"format": "pt"})
    part.rename(out)


def quantize(corpora: Path, folder: Path, out: Path) -> None:
    """Write a trained folder once more with a graph in eight bits, unless that is done."""
    if out.exists():
        return
    simplified, traditional = (prepare.read_labelled(corpora, name, "train") for name in TREEBANKS)
    n = CALIBRATION_SENTENCES
    records = simplified[:n] + traditional[n : 2 * n]
    calibration = out.with_name("calibration.txt")
    prepare.write_text(calibration, "".join(f"{record['text']}\n" for record in records))
    dev = corpora / "labelled" / "zh_gsdsimp" / "dev.jsonl"
    run_quantize(folder, out, "--calibration", calibration, "--data", dev, "--fold", prepare.FOLD, "--max-drop", "0.5")


def run_quantize(folder: Path, out: Path, *options: str | Path) -> None:
    """Run ``lexel quantize``."""
    command = [sys.executable, "-m", "lexel", "quantize", folder, out, *options]
    subprocess.run([*map(str, command)], check=True, env=os.environ | ALLOCATOR)


def calibrate(labelled: Path, out: Path) -> None:
    """Calibrate the finished folder on the development sets, and measure it again."""
    files = [labelled / name / "dev.jsonl" for name in (*TREEBANKS, "zh_aishell_ner")]
    options = DataOptions(fold=prepare.FOLD)
    calibrate_folder(
        out, [open_labelled(file, options) for file in files if file.exists()], script_border=SCRIPT_BORDER
    )
    roles = {"dev": "validation", "test": "test"}
    sets = [
        CardData(
            Labelled.at(labelled / name / f"{split}.jsonl"),
            name=name,
            licence=GOLD_LICENCE,
            role=role,
            fold=prepare.FOLD,
        )
        for split, role in roles.items()
        for name in TREEBANKS
    ]
    add_reports(out, sets, command="python recipes/zh/make.py")


def card(sources: dict[str, Any]) -> dict[str, Any]:
    """What the card says that no file knows, every source of the raw text among it."""
    answers: dict[str, Any] = yaml.safe_load((HERE / "card.yaml").read_text(encoding="utf-8"))
    rows = [
        f"| {name} | {source['weight']:g} | {source['source']} | {source['licence']} |"
        for name, source in sources.items()
    ]
    table = "\n".join(["| raw text | times a round reads it | source | licence |", "| --- | ---: | --- | --- |", *rows])
    return answers | {"attribution": f"{(HERE / 'attribution.md').read_text(encoding='utf-8')}\n{table}"}


def raw_file(corpora: Path, name: str) -> Path:
    """Where the raw text of a name is."""
    plain = corpora / "raw" / f"{name}.txt"
    return plain if plain.exists() else plain.with_name(f"{name}.txt.xz")


def pretraining(sources: dict[str, Any], silver: Path, tokenizer: Path, *, fast: bool) -> dict[str, Any]:
    """The options of the pre-training: every file in both scripts, each half as often as the source says."""
    options = _options("pretrain", fast=fast)
    everything = sources | {"gold": {"weight": 5, "licence": GOLD_LICENCE}}
    options["tokenizer"] = str(tokenizer)
    options["train"] = [
        {
            "path": str(silver / f"{name}.{script}.jsonl"),
            "name": f"{name} ({script})",
            "weight": source["weight"] / 2,
            "licence": source["licence"],
        }
        for name, source in everything.items()
        for script in prepare.SCRIPTS
    ]
    return options


def selftraining(corpora: Path, sources: dict[str, Any], work: Path, *, fast: bool) -> dict[str, Any]:
    """The options of the self-training: what the teacher read, in both scripts, and the treebank."""
    options = _options("selftrain", fast=fast)
    options["model"] = str(work / "pretrain")
    options["train"] = relabelled(sources, work / "relabelled", times_read(sources))
    options["train"] += _treebanks(corpora, "train", weight=GOLD_AMONG_SILVER)
    return options


def selftraining_again(
    stage: str, corpora: Path, texts: list[dict[str, Any]], *, base: Path, fast: bool
) -> dict[str, Any]:
    """The options of the second self-training and of what settles it."""
    splits = {"train": texts, "validation": _treebanks(corpora, "dev"), "test": _treebanks(corpora, "test")}
    return _options(stage, fast=fast) | {"model": str(base)} | splits


def _read_again(corpora: Path, sources: dict[str, Any], gold: Path, folder: Path) -> list[dict[str, Any]]:
    """What the third teacher read in both scripts, and all gold."""
    files = relabelled(sources, folder, times_read(sources) | TALK) + _treebanks(
        corpora, "train", weight=GOLD_AMONG_SILVER_AGAIN
    )
    return files + _transcripts(gold, weight=TRANSCRIPTS_AMONG_SILVER)


def times_read(sources: dict[str, Any]) -> dict[str, float]:
    """How often a round reads each source, in both scripts together."""
    return {name: source["weight"] for name, source in sources.items()}


def relabelled(sources: dict[str, Any], folder: Path, weights: Mapping[str, float]) -> list[dict[str, Any]]:
    """The raw text of every source in both scripts, as a teacher reads it."""
    return [
        {
            "path": str(folder / f"{name}.{script}.jsonl"),
            "name": f"{name} ({script}, as the teacher reads it)",
            "weight": max(1.0, weights[name] / 2),
            "licence": source["licence"],
        }
        for name, source in sources.items()
        for script in prepare.SCRIPTS
    ]


def distilling(corpora: Path, sources: dict[str, Any], gold: Path, work: Path, *, fast: bool) -> dict[str, Any]:
    """The options of the distillation: raw text, which the teacher reads as it goes, and gold labels."""
    options = _options("distill", fast=fast)
    options["model"] = options["teacher"] = str(work / "finetune")
    options["train"] = unlabelled(sources, work / "silver", times_read(sources) | TALK)
    options["train"] += _treebanks(corpora, "train", weight=GOLD_AMONG_TEXT)
    options["train"] += _varied(gold, weight=VARIED_AMONG_TEXT)
    options["train"] += _transcripts(gold, weight=TRANSCRIPTS_AMONG_TEXT)
    return options | {"validation": _treebanks(corpora, "dev"), "test": _treebanks(corpora, "test")}


def unlabelled(sources: dict[str, Any], silver: Path, weights: Mapping[str, float]) -> list[dict[str, Any]]:
    """The raw text of every source in both scripts, without its silver labels."""
    return [
        {
            "path": str(silver / f"{name}.{script}.jsonl"),
            "name": f"{name} ({script})",
            "weight": weights[name] / 2,
            "licence": source["licence"],
            "layers": [],
        }
        for name, source in sources.items()
        for script in prepare.SCRIPTS
    ]


def finetuning(corpora: Path, gold: Path, base: Path, *, keeps_heads: bool, fast: bool) -> dict[str, Any]:
    """The options of the fine-tuning: the treebank in both scripts, varied copies, transcripts."""
    options = _options("finetune", fast=fast)
    options["model"] = str(base)
    if keeps_heads:
        for name, head in options["heads"].items():
            head["from_head"] = name
    options["train"] = _treebanks(corpora, "train") + _varied(gold, weight=VARIED)
    options["train"] += _transcripts(gold, weight=TRANSCRIPTS)
    return options | {"validation": _treebanks(corpora, "dev"), "test": _treebanks(corpora, "test")}


def _treebanks(corpora: Path, split: str, **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "path": str(corpora / "labelled" / name / f"{split}.jsonl"),
            "name": name,
            "licence": GOLD_LICENCE,
            "fold": prepare.FOLD,
            **more,
        }
        for name in TREEBANKS
    ]


def _varied(gold: Path, *, weight: float) -> list[dict[str, Any]]:
    return [
        {
            "path": str(gold / f"{name}.varied.jsonl"),
            "name": f"{name}, varied",
            "weight": weight,
            "licence": GOLD_LICENCE,
        }
        for name in TREEBANKS
    ]


def _transcripts(gold: Path, *, weight: float) -> list[dict[str, Any]]:
    return [
        {
            "path": str(gold / f"zh_aishell_ner.{script}.jsonl"),
            "name": f"zh_aishell_ner ({script})",
            "weight": weight,
            "licence": "Apache-2.0",
        }
        for script in prepare.SCRIPTS
    ]


def _options(stage: str, *, fast: bool) -> dict[str, Any]:
    options: dict[str, Any] = yaml.safe_load((HERE / f"{stage}.yaml").read_text(encoding="utf-8"))
    if fast:
        options |= FAST[stage]
        options["config"] |= FAST_CONFIG if stage == "pretrain" else {}
    return options


def train(stage: str, options: dict[str, Any], *, work: Path, processes: int) -> None:
    """Write a stage's recipe and train by it, unless its folder is finished."""
    folder, recipe = work / stage, work / f"{stage}.yaml"
    if (folder / "model.safetensors").exists():
        log.info("%s: done before", stage)
        return
    options["output_dir"] = str(folder)
    prepare.write_text(recipe, yaml.safe_dump(options, allow_unicode=True, sort_keys=False))
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}"]
    command += ["-m", "lexel", "train", str(recipe)]
    subprocess.run(command, check=True, env=os.environ | ALLOCATOR | {"OMP_NUM_THREADS": "1"})


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True, help="folder with raw/ and labelled/")
    parser.add_argument("--out", type=Path, required=True, help="the finished folder")
    parser.add_argument("--work", type=Path, default=Path("build/zh"), help="intermediate results")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="that label and train")
    parser.add_argument("--fast", action="store_true", help="minutes instead of hours, and a poor model")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    make(options.corpora, options.out, work=options.work, processes=options.processes, fast=options.fast)


if __name__ == "__main__":
    main()
