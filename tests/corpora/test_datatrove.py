"""The DataTrove recipe of ``docs/corpora.md`` in a pipeline between DataTrove's own reader and writer."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "corpora.md"


def test_the_recipe_of_the_page_runs_in_a_pipeline(tmp_path: Path) -> None:
    executor = pytest.importorskip("datatrove.executor")
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (recipe,) = (block for block in blocks if "PipelineStep" in block)
    found: dict[str, Any] = {"__name__": "__main__"}
    exec(recipe, found)
    texts = ["他在北京。", "", "下雨了。"]
    lines = [json.dumps({"id": str(n), "text": text}) for n, text in enumerate(texts)]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    steps = [
        JsonlReader(str(tmp_path / "in")),
        found["Tagger"](),
        JsonlWriter(str(tmp_path / "out"), compression=None),
    ]
    executor.LocalPipelineExecutor(pipeline=steps, tasks=1, logging_dir=str(tmp_path / "logs")).run()
    rows = [json.loads(line) for path in (tmp_path / "out").iterdir() for line in path.read_text("utf-8").splitlines()]
    kept = [text for text in texts if text]  # DataTrove's reader leaves out blank texts
    assert [row["text"] for row in rows] == kept
    assert ["".join(row["metadata"]["words"]) for row in rows] == kept
    assert [row["metadata"]["entities"] for row in rows] == [[[2, 4, "LOC"]], []]
