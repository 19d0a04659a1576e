"""Make the fast Chinese model for words: one command from the bundled model and open text to the finished folder.

    pip install "lexel[train,quantize]" jieba opencc
    python recipes/zh_fast/make.py --corpora DIR --out DIR [--work DIR] [--silver DIR] [--fast]

``DIR`` holds ``raw`` and ``labelled`` as for ``recipes/zh``, whose text in both scripts is used; ``--silver`` names the
folder where that recipe has left it. The stages, each of which resumes where it stopped:

1. the text, by ``recipes/zh/prepare.py``;
2. ``distill.yaml``: a narrow encoder of two layers learns word boundaries from the bundled model;
3. weights and a graph in eight bits, calibrated scores, and the card.

``--fast`` is the same chain at a size of seconds; its model is poor.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "zh"))

import make as chinese  # noqa: E402
import prepare  # noqa: E402

from lexel.cards import write_card  # noqa: E402
from lexel.cards.measuring import CardData, add_reports  # noqa: E402
from lexel.data.labelled import open_labelled  # noqa: E402
from lexel.evaluation.calibrate import calibrate_folder  # noqa: E402
from lexel.evaluation.verify.claimed_data import Labelled  # noqa: E402

GOLD_AMONG_TEXT = 10
"""Times an epoch reads the treebank beside the raw text."""

FAST = {"max_steps": 20, "warmup_steps": 5, "logging_steps": 10, "save_steps": 10}

log = logging.getLogger("recipe")


def make(corpora: Path, out: Path, *, work: Path, silver: Path, processes: int, fast: bool) -> None:
    """Run the stages.

    Args:
        corpora: Where the corpora are.
        out: The finished folder.
        work: Intermediate results.
        silver: Where the text in both scripts is, or goes.
        processes: Processes that label and train.
        fast: A part of the text, few steps.
    """
    sources = yaml.safe_load((HERE.parent / "zh" / "sources.yaml").read_text(encoding="utf-8"))
    if fast:
        sources = {name: source for name, source in sources.items() if chinese.raw_file(corpora, name).exists()}
    prepare.write_silver(corpora, silver, list(sources), processes=processes, limit=200 if fast else None)
    chinese.train("distill", distilling(corpora, sources, silver, fast=fast), work=work, processes=processes)
    quantize(corpora, work)
    finish(corpora / "labelled", work / "quantized")
    shutil.copytree(work / "quantized", out, dirs_exist_ok=True)
    answers = yaml.safe_load((HERE / "card.yaml").read_text(encoding="utf-8"))
    attribution = chinese.card(sources)["attribution"]
    write_card(out, answers=answers | {"attribution": attribution}, replace_foreign=True)
    log.info("made %s", out)


def distilling(corpora: Path, sources: dict[str, Any], silver: Path, *, fast: bool) -> dict[str, Any]:
    """The options of the distillation: text of every source in both scripts, and the treebank's words."""
    options: dict[str, Any] = yaml.safe_load((HERE / "distill.yaml").read_text(encoding="utf-8"))
    if fast:
        options |= FAST
    options["train"] = chinese.unlabelled(sources, silver, chinese.times_read(sources))
    parts = {"train": ("train", {"weight": GOLD_AMONG_TEXT}), "dev": ("validation", {}), "test": ("test", {})}
    for split, (option, more) in parts.items():
        options.setdefault(option, []).extend(
            {
                "path": str(corpora / "labelled" / name / f"{split}.jsonl"),
                "name": name,
                "licence": chinese.GOLD_LICENCE,
                "layers": ["words"],
                **more,
            }
            for name in chinese.TREEBANKS
        )
    return options


def quantize(corpora: Path, work: Path) -> None:
    """Write the folder with weights and graph in eight bits, unless it is there."""
    small = work / "small"
    if not small.exists():  # the weights take more room than the graph, and are only read to train on or to export
        chinese.run_quantize(work / "distill", small, "--weights-only")
    chinese.quantize(corpora, small, work / "quantized")


def finish(labelled: Path, folder: Path) -> None:
    """Calibrate the scores on the development sets, and measure the folder."""
    dev = [open_labelled(labelled / name / "dev.jsonl") for name in chinese.TREEBANKS]
    calibrate_folder(folder, dev, script_border=chinese.SCRIPT_BORDER)
    roles = {"dev": "validation", "test": "test"}
    sets = [
        CardData(Labelled.at(labelled / name / f"{split}.jsonl"), name=name, licence=chinese.GOLD_LICENCE, role=role)
        for split, role in roles.items()
        for name in chinese.TREEBANKS
    ]
    add_reports(folder, sets, command="python recipes/zh_fast/make.py")


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True, help="folder with raw/ and labelled/")
    parser.add_argument("--out", type=Path, required=True, help="the finished folder")
    parser.add_argument("--work", type=Path, default=Path("build/zh_fast"), help="intermediate results")
    parser.add_argument("--silver", type=Path, help="text in both scripts; in the working folder if not given")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="that label and train")
    parser.add_argument("--fast", action="store_true", help="seconds instead of an hour, and a poor model")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    silver = options.silver or options.work / "silver"
    make(
        options.corpora,
        options.out,
        work=options.work,
        silver=silver,
        processes=options.processes,
        fast=options.fast,
    )


if __name__ == "__main__":
    main()
