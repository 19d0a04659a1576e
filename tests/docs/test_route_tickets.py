"""The example that routes tagged tickets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "examples" / "route_tickets.py"


def test_each_ticket_goes_to_the_queue_of_its_first_entity_rule_or_to_other(tmp_path: Path) -> None:
    entities = ([[0, 1, "PER"]], [[0, 1, "GPE"], [1, 2, "PERSON"]], [[0, 1, "ORG"]], [], None, [[0, 1, "DATE"]])
    lines = [json.dumps({"text": "他在", "entities": found, "nr": n}) + "\n" for n, found in enumerate(entities)]
    command = [sys.executable, str(SCRIPT), str(tmp_path / "queues")]
    subprocess.run(command, input="".join(lines).encode(), check=True)
    found = {
        path.stem: [json.loads(line)["nr"] for line in path.read_text(encoding="utf-8").splitlines()]
        for path in (tmp_path / "queues").iterdir()
    }
    assert found == {"people": [0, 1], "companies": [2], "other": [3, 4, 5]}
