"""The table of ``docs/families.md``; run it as a module to measure and write it.

python -m tests.encoder.parity_page
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from lexel.encoder.families import family_of
from tests.builders import RECIPES
from tests.encoder import test_families
from tests.heads import test_bricks

PAGE = Path(__file__).parents[2] / "docs" / "families.md"
FIGURES = ("NumPy float64", "OpenVINO float32", "torch float32", "OpenVINO bf16", "torch bf16")
HEADS = ("classify", "answer", "fill")
LIMITS = (1e-9, 1e-5, 1e-5, 0.02, 0.02)
_TABLE = re.compile(r"<!-- table -->\n.*?<!-- end -->\n", re.DOTALL)


def measured(recipe: str) -> Iterator[float]:
    """How far each engine is from transformers: hidden states and scores, and in bf16 the probabilities."""
    with TemporaryDirectory() as folder:
        case = test_families.build_case(Path(folder), recipe)
        largest = max(float(np.abs(case.exact[name]).max()) for name in case.outputs)
        yield case.error_of(case.computed_by("numpy", "auto")) / largest
        yield from (case.error_of(case.computed_by(engine, "float32")) for engine in ("openvino", "torch"))
        exact = test_families.probs_of(case.exact["entities"])
        for engine in ("openvino", "torch"):
            found = test_families.probs_of(case.computed_by(engine, "bf16")["entities"])
            yield float(np.abs(found - exact).max())


def measured_head(family: str, kind: str) -> Iterator[float]:
    """How far each engine is from transformers in the scores of a head, as a share of the largest score."""
    with TemporaryDirectory() as folder:
        case = test_bricks.build_case(Path(folder), family, kind)
        largest = float(np.abs(case.exact).max())
        yield case.error_of("numpy", "auto") / largest
        for precision in ("float32", "bf16"):
            yield from (case.error_of(engine, precision) / largest for engine in ("openvino", "torch"))


def table() -> str:
    """Both tables, measured on this machine."""
    lines = [f"| model | {' | '.join(FIGURES)} |", f"|---|{'---|' * len(FIGURES)}"]
    lines += [_row(title_of(recipe), measured(recipe)) for recipe in RECIPES]
    lines += ["", f"| model | head | {' | '.join(FIGURES)} |", f"|---|---|{'---|' * len(FIGURES)}"]
    for family, recipe in test_bricks.RECIPE_OF.items():
        for kind in HEADS:
            title = f"{title_of(recipe)} | {kind}"
            has_head = (family, kind) in test_bricks.CASES
            lines.append(_row(title, measured_head(family, kind)) if has_head else f"| {title} |{' |' * len(FIGURES)}")
    return "\n".join(lines) + "\n"


def _row(title: str, values: Iterator[float]) -> str:
    return f"| {title} | {' | '.join(f'{value:.0e}' for value in values)} |"


def title_of(recipe: str) -> str:
    """What a recipe's model is called: its family's name, and the recipe's own."""
    model_type = RECIPES[recipe].model_type
    return f"{family_of(model_type).model_types[model_type].name} (`{recipe}`)"


def figures_shown(page: str) -> dict[str, list[float]]:
    """The figures of the first table on the page, by its first column."""
    return {row[0]: [float(value) for value in row[1:]] for row in _rows_shown(page)[0]}


def heads_shown(page: str) -> dict[tuple[str, str], list[float]]:
    """The figures of the second table, by its first two columns; empty where transformers has no such head."""
    rows = _rows_shown(page)[1]
    return {(row[0], row[1]): [float(value) for value in row[2:] if value] for row in rows}


def _rows_shown(page: str) -> list[list[list[str]]]:
    """The cells of both tables."""
    shown = _TABLE.search(page)
    assert shown is not None
    tables = shown[0].removeprefix("<!-- table -->\n").split("\n\n")
    lines = [[line for line in one.splitlines()[2:] if line.startswith("|")] for one in tables]
    return [[[cell.strip() for cell in line.strip("|").split("|")] for line in one] for one in lines]


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(_TABLE.sub(lambda _: f"<!-- table -->\n{table()}<!-- end -->\n", page), encoding="utf-8")
