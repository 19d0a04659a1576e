"""Send tagged tickets to queues by what they mention, as they come.

    lexel tag --follow tickets.jsonl | python examples/route_tickets.py queues

Each ticket goes, as a line of JSON, to the file of the first rule that its entities match; all others to ``other``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

RULES = {"people": {"PER", "PERSON"}, "places": {"LOC", "GPE"}, "companies": {"ORG"}}


def queue_of(ticket: dict[str, Any]) -> str:
    """The queue for a ticket."""
    labels = {label for _, _, label in ticket["entities"] or ()}
    return next((queue for queue, wanted in RULES.items() if labels & wanted), "other")


def main(folder: Path) -> None:
    """Route the tickets of standard input until it ends."""
    folder.mkdir(exist_ok=True)
    for line in sys.stdin:
        with open(folder / f"{queue_of(json.loads(line))}.jsonl", "a", encoding="utf-8") as queue:
            queue.write(line)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
