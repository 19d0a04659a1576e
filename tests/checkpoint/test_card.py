"""What cards in the wild say of their licence and their languages."""

from __future__ import annotations

from pathlib import Path

import pytest

from lexel.checkpoint.card import read_card, read_languages
from lexel.checkpoint.front_matter import front_matter_of, read_keys
from lexel.licences.names import LICENCES


def card(folder: Path, text: str) -> Path:
    (folder / "README.md").write_text(text, encoding="utf-8", newline="")
    return folder


@pytest.mark.parametrize(
    ("front", "licence"),
    [
        ("license: mit", "mit"),
        ("license: 'apache-2.0'", "apache-2.0"),
        ('license: "gpl-3.0" # as the code', "gpl-3.0"),
        ("license: mit   # a comment", "mit"),
        ("license:\n- cc-by-4.0\n- mit", "cc-by-4.0, mit"),
        ("license:\n  - cc-by-4.0", "cc-by-4.0"),
        ("license: [mit, 'apache-2.0']", "mit, apache-2.0"),
        ("language:\n- zh\nlicense: mit\ntags:\n- x", "mit"),
        ("License: MIT", "MIT"),
        ("model-index:\n- name: x\n  license: mit\n  results:\n  - task:\n      license: gpl", None),
        ("license:", None),
        ("license: null", None),
        ("# license: mit", None),
        ("", None),
    ],
)
def test_licence_is_read_from_the_front_matter(tmp_path: Path, front: str, licence: str | None) -> None:
    assert read_card(card(tmp_path, f"---\n{front}\n---\n# A model\n")).licence == licence


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff---\r\nlicense: mit\r\n---\r\n# A model",
        "---  \nlicense: mit\n---\n",
        "---\nlicense: mit\n---",
    ],
)
def test_byte_order_marks_and_line_ends_do_not_matter(tmp_path: Path, text: str) -> None:
    assert read_card(card(tmp_path, text)).licence == "mit"


@pytest.mark.parametrize("text", ["", "# A model\nlicense: mit\n", "---\nlicense: mit\n", "\n---\nlicense: mit\n---\n"])
def test_text_that_is_not_front_matter_says_nothing(tmp_path: Path, text: str) -> None:
    assert read_card(card(tmp_path, text)).licence is None


@pytest.mark.parametrize(
    ("licence", "kind"),
    [
        ("apache-2.0", "permissive"),
        ("MIT", "permissive"),
        ("cc-by-sa-4.0", "share-alike"),
        ("gpl-3.0", "copyleft"),
        ("agpl-3.0", "copyleft"),
        ("cc-by-nc-sa-4.0", "non-commercial"),
        ("other", "unknown"),
        ("openrail", "use-restricted"),
        ("unknown", "unknown"),
        ("cc-by-nd-4.0", "use-restricted"),
        ("mpl-2.0", "weak-copyleft"),
    ],
)
def test_licence_has_the_kind_of_the_table(tmp_path: Path, licence: str, kind: str) -> None:
    assert read_card(card(tmp_path, f"---\nlicense: {licence}\n---\n")).kind == kind


@pytest.mark.parametrize(
    "licence", sorted(name for name, kind in LICENCES.items() if kind in ("permissive", "share-alike"))
)
def test_free_licence_is_not_said_aloud(tmp_path: Path, licence: str) -> None:
    assert read_card(card(tmp_path, f"---\nlicense: {licence}\n---\n")).notice is None


@pytest.mark.parametrize("licence", ["gpl-3.0", "cc-by-nc-4.0", "other"])
def test_other_licence_is_said_aloud_in_one_line_that_names_it(tmp_path: Path, licence: str) -> None:
    notice = read_card(card(tmp_path, f"---\nlicense: {licence}\n---\n")).notice
    assert notice is not None
    assert licence in notice
    assert "\n" not in notice


def test_of_several_licences_the_strictest_counts(tmp_path: Path) -> None:
    assert read_card(card(tmp_path, "---\nlicense: [mit, gpl-3.0]\n---\n")).kind == "copyleft"


def test_name_and_link_of_another_licence_are_said(tmp_path: Path) -> None:
    text = "---\nlicense: other\nlicense_name: acme-1\nlicense_link: https://example.org/l#a\n---\n"
    assert "other (acme-1, https://example.org/l#a)" in (read_card(card(tmp_path, text)).notice or "")


def test_folder_without_a_card_has_an_unknown_licence(tmp_path: Path) -> None:
    found = read_card(tmp_path)
    assert (found.licence, found.kind) == (None, "unknown")
    assert "not stated" in (found.notice or "")


def test_card_that_is_not_utf8_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(b"---\nlicense: mit\ndatasets: \xff\n---\n")
    assert read_card(tmp_path).licence == "mit"


def test_only_top_level_keys_that_are_asked_for_are_read() -> None:
    text = "---\na: 1\nb:\n  license: 2\nc: [x, y]\n---\n"
    assert read_keys(text, ("a", "c", "license")) == {"a": 1, "c": ["x", "y"]}


def test_a_card_that_is_not_yaml_elsewhere_still_says_its_licence(tmp_path: Path) -> None:
    assert read_card(card(tmp_path, "---\ntitle: a: b: {\nlicense: mit\nx: [\n---\n")).licence == "mit"


@pytest.mark.parametrize("value", ["[" * 5000, "&a [*a]", "!!python/object:os.system x", "{x: {y: z}}", "'open"])
def test_a_licence_that_cannot_be_parsed_is_not_stated(tmp_path: Path, value: str) -> None:
    found = read_card(card(tmp_path, f"---\nlicense: {value}\n---\n"))
    assert (found.licence, found.kind) == (None, "unknown")


def test_front_matter_without_an_end_is_none() -> None:
    assert front_matter_of("---\nlicense: mit\n") is None


@pytest.mark.parametrize(
    ("front", "languages"),
    [
        ("language: de", ("de",)),
        ("language:\n- zh\n- en", ("zh", "en")),
        ("language: no", ("no",)),
        ("language: [pt-BR, no, 3]", ("pt-BR", "no")),
        ("license: mit", ()),
        ("language:", ()),
    ],
)
def test_languages_are_read_from_the_front_matter(tmp_path: Path, front: str, languages: tuple[str, ...]) -> None:
    assert read_languages(card(tmp_path, f"---\n{front}\n---\n")) == languages


def test_a_folder_without_a_card_names_no_language(tmp_path: Path) -> None:
    assert read_languages(tmp_path) == ()
