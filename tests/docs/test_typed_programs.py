"""The check of types in examples and pages finds programs, and what is wrong with one."""

from __future__ import annotations

import pytest

from tests.docs.typed_programs import problems_of_programs, programs, public_names

PAGE = """# A page
```python
import lexel
```
```python
>>> for i in range(2):
...     print(i)
0
1
```
```console
$ lexel
```
```python
>>> i
1
```
"""


def test_a_program_stands_alone_and_the_sessions_of_a_page_together() -> None:
    assert dict(programs("page.md", PAGE)) == {
        "page.md/1.py": "import lexel\n",
        "page.md/sessions.py": "for i in range(2):\n    print(i)\ni\n",
    }


def test_the_reference_names_the_facade() -> None:
    assert "lexel.pipelines.pipeline.pipeline" in public_names()


def test_a_program_that_a_type_forbids_is_reported_with_its_line() -> None:
    pytest.importorskip("basedpyright")
    found = problems_of_programs({"a.md/1.py": "import lexel\n\nnlp = lexel.load()\nnlp(3)\n", "b.py": "n: int = 3\n"})
    (problem,) = found
    assert problem.startswith("a.md/1.py:4: ")
    assert '"str"' in problem
