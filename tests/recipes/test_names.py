"""Listed names are read alike in all texts that a teacher labelled."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

RECIPE = Path(__file__).parents[2] / "recipes" / "zh"
PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
import names
text, words, pos, entities = json.loads(sys.argv[2])
print(json.dumps(names.agreed(text, words, pos, entities)))
"""


def agreed(sentence: str, entities: list[list[Any]]) -> list[list[Any]]:
    """The entities of a sentence given as ``word/TAG word/TAG``, as the recipe makes them agree."""
    pairs = [word.split("/") for word in sentence.split()]
    words, at = [], 0
    for word, _ in pairs:
        words.append([at, at + len(word)])
        at += len(word)
    given = json.dumps(["".join(word for word, _ in pairs), words, [tag for _, tag in pairs], entities])
    run = subprocess.run([sys.executable, "-c", PROGRAM, RECIPE, given], capture_output=True, text=True, check=True)
    found: list[list[Any]] = json.loads(run.stdout)
    return found


@pytest.mark.parametrize(
    ("sentence", "before", "after"),
    [
        ("立法/VERB 院/PART 昨天/NOUN 休会/VERB", [], [[0, 3, "ORG"]]),
        ("他/PRON 在/VERB 高雄/PROPN 市/PART 。/PUNCT", [], [[2, 5, "LOC"]]),
        ("卢安达/PROPN 在/VERB 非洲/PROPN", [[0, 3, "PER"], [4, 6, "LOC"]], [[0, 3, "LOC"], [4, 6, "LOC"]]),
        ("哈哈哈/PROPN 周一/NOUN 谢谢/VERB", [[0, 3, "PER"], [3, 5, "PER"], [5, 7, "PER"]], []),
        ("东/NOUN 罗马/PROPN 的/PART 皇帝/NOUN", [], []),
        ("罗马/PROPN 人/PART 来/VERB 了/PART", [], []),
        ("高雄/PROPN 大学/NOUN", [], []),
        ("王/PROPN 小明/PROPN 来/VERB 了/PART", [[0, 3, "PER"]], [[0, 3, "PER"]]),
    ],
    ids=["missed", "with its ending", "label", "no names", "a part", "people", "an institution", "not listed"],
)
def test_a_listed_name_is_read_as_it_is_listed(sentence: str, before: list[Any], after: list[Any]) -> None:
    assert agreed(sentence, before) == after
