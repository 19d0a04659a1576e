"""The types that an editor shows: pyright reads the examples, the programs of the pages, and the public names.

``python -m tests.docs.typed_programs`` prints what is wrong. The programs see Lexel as an installed package, so its
annotations count, as for a user. The checker is basedpyright, which brings its own Node.js.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PAGES = (*sorted(ROOT.glob("README*.md")), *sorted(ROOT.glob("docs/**/*.md")))
FOREIGN = ('parameter "token_pattern"',)
"""Parts of messages about other libraries: scikit-learn takes None here, but its default alone shows a type."""
RULES = {"typeCheckingMode": "standard", "reportMissingImports": False, "reportUnusedExpression": False}
"""A missing import is no error: a page may show a library that is not installed, and its programs run in the tests."""
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_REFERENCE = re.compile(r"^::: (\S+)", re.MULTILINE)


def programs(name: str, page: str) -> Iterator[tuple[str, str]]:
    """The Python blocks of a page by name: each program alone, and all sessions together, since they share names."""
    session = ""
    for number, block in enumerate(_BLOCK.findall(page), 1):
        if block.startswith(">>> "):
            session += "".join(line[4:] for line in block.splitlines(True) if line.startswith((">>> ", "... ")))
        else:
            yield f"{name}/{number}.py", block
    if session:
        yield f"{name}/sessions.py", session


def public_names() -> set[str]:
    """The names that the reference documents."""
    return {name for path in ROOT.glob("docs/reference/*.md") for name in _REFERENCE.findall(path.read_text("utf-8"))}


def problems_of_programs(files: Mapping[str, str], *, others: tuple[Path, ...] = ()) -> list[str]:
    """What the checker says of programs, one line each.

    Args:
        files: Programs by name.
        others: Folders with more.
    """
    with TemporaryDirectory() as folder:
        for name, text in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        found = _check(Path(folder), others=others)["generalDiagnostics"]
        return [
            f"{one['file'].removeprefix(folder + os.sep)}:{one['range']['start']['line'] + 1}: {first_line}"
            for one in found
            for first_line in one["message"].splitlines()[:1]
            if one["severity"] == "error" and not any(part in one["message"] for part in FOREIGN)
        ]


def incomplete_names() -> list[str]:
    """The names of the reference, and their attributes, whose types an editor cannot tell."""
    with TemporaryDirectory() as folder:
        symbols = _check(Path(folder), "--verifytypes", "lexel", "--ignoreexternal")["typeCompleteness"]["symbols"]
    public = public_names()
    if missing := sorted(public - {one["name"] for one in symbols}):
        return [f"{name}: not found" for name in missing]
    return [
        f"{one['name']}: {one['diagnostics'][0]['message'].splitlines()[0]}"
        for one in symbols
        if not one["isTypeKnown"]
        and any(f"{one['name']}.".startswith(f"{name}.") for name in public)
        and not all("class unknown" in said["message"] for said in one["diagnostics"])  # a base of another library
    ]


def _check(folder: Path, *arguments: str, others: tuple[Path, ...] = ()) -> dict[str, Any]:
    """What the checker found in a folder, as it writes it."""
    config = RULES | {"include": [".", *map(str, others)]}
    (folder / "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
    line = [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable, *arguments]
    ran = subprocess.run(
        line,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    if not ran.stdout.lstrip().startswith("{"):
        raise RuntimeError(f"basedpyright: {ran.stdout}{ran.stderr}")
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def main() -> int:
    """Print every problem; 1 if there is one."""
    files = dict(
        one for path in PAGES for one in programs(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    )
    with ThreadPoolExecutor(2) as pool:
        names = pool.submit(incomplete_names)
        found = problems_of_programs(files, others=(EXAMPLES,)) + names.result()
    print("\n".join(found) or f"{len(files)} programs, {len(public_names())} names: the types are complete")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
