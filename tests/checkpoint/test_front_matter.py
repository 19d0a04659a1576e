"""Some keys of a card's front matter, as a YAML parser reads them."""

from __future__ import annotations

import pytest
import yaml

from lexel.checkpoint.front_matter import read_keys

VALUES = [
    "mit",
    "cc-by-sa-4.0",
    "apache-2.0  ",
    "no",
    "Yes",
    "null",
    "~",
    "'mit'",
    "[mit, isc]",
    "1.0",
    "a: b",
    "x # y",
    "",
]


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_what_a_yaml_parser_reads(value: str) -> None:
    block = f"license: {value}"
    try:
        expected = yaml.safe_load(block)
    except yaml.YAMLError:
        expected = {}
    assert read_keys(f"---\n{block}\ntags: x\n---\n", ("license",)) == expected
