"""The Spark recipe of ``docs/corpora.md`` in a local Spark session."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "corpora.md"


def test_the_recipe_of_the_page_runs_in_spark() -> None:
    sql = pytest.importorskip("pyspark.sql")
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (recipe,) = (block for block in blocks if "SCHEMA" in block)
    found: dict[str, Any] = {"__name__": "__main__"}
    exec(recipe, found)
    session = sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        frame = session.createDataFrame([("1", "他在北京。"), ("2", "")], "id string, text string")
        rows = frame.mapInPandas(found["tag"], found["SCHEMA"]).orderBy("id").collect()
    finally:
        session.stop()
    assert ["".join(row["words"]) for row in rows] == ["他在北京。", ""]
    assert [row["text"][one["start"] : one["end"]] for row in rows for one in row["entities"]] == ["北京"]
