"""Steps from YAML: a list of names, each with its options.

- normalise: {form: NFKC}
- length: {least: 10}
- tag
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lexel.corpora.settings import read_settings
from lexel.corpora.steps import STEPS, Step
from lexel.disk import refused
from lexel.errors import DataError, OptionError
from lexel.near import nearest_name


def load_steps(path: str) -> tuple[Step, ...]:
    """The steps that a YAML file lists.

    Raises:
        DataError: If the file cannot be read.
        OptionError: If a step or an option is unknown.
    """
    import yaml

    try:
        given = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: {refused(error)}; expected a YAML file of steps") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not YAML ({error}); expected a list of steps") from error
    if isinstance(given, Mapping) and set(given) == {"steps"}:
        given = given["steps"]
    return read_steps(given, where=path)


def read_steps(given: Any, *, where: str) -> tuple[Step, ...]:
    """Steps from a list of names and of mappings from a name to options.

    Raises:
        OptionError: If a step or an option is unknown.
    """
    if not isinstance(given, list) or not given:
        raise OptionError(f"{where}: found {type(given).__name__}; expected a list of steps, as in '- tag'")
    return tuple(_step(item, f"{where}: step {number}") for number, item in enumerate(given, 1))


def _step(item: Any, where: str) -> Step:
    named = {item: None} if isinstance(item, str) else item
    if not isinstance(named, Mapping) or len(named) != 1:
        raise OptionError(
            f"{where} is {item!r}; expected a name, or a name with options, as in 'length: {{least: 10}}'"
        )
    ((name, options),) = named.items()
    if name not in STEPS:
        near = nearest_name(str(name), STEPS)
        advice = f"did you mean {near!r}?" if near else f"expected one of {', '.join(STEPS)}"
        raise OptionError(f"{where}: no step is called {name!r}; {advice}")
    return read_settings(STEPS[name], options, where=f"{where} ({name})")
