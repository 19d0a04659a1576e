"""Licences as model cards state them: 60 front matters in the forms of the hub, each with what is judged of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lexel.checkpoint.card import read_card
from lexel.licences import identifier_of, judge, kind_of, licence_of_text
from lexel.licences.names import FAMILIES, LICENCES

CARDS: tuple[tuple[str, str | None, str], ...] = (
    # The hub's identifiers
    ("license: apache-2.0", "apache-2.0", "permissive"),
    ("license: mit", "mit", "permissive"),
    ("license: bsd-3-clause", "bsd-3-clause", "permissive"),
    ("license: cc0-1.0", "cc0-1.0", "permissive"),
    ("license: cc-by-4.0", "cc-by-4.0", "permissive"),
    ("license: pddl", "pddl", "permissive"),
    ("license: cc-by-sa-3.0", "cc-by-sa-3.0", "share-alike"),
    ("license: odbl", "odbl", "share-alike"),
    ("license: gfdl", "gfdl", "share-alike"),
    ("license: lgpl-3.0", "lgpl-3.0", "weak-copyleft"),
    ("license: mpl-2.0", "mpl-2.0", "weak-copyleft"),
    ("license: gpl-3.0", "gpl-3.0", "copyleft"),
    ("license: agpl-3.0", "agpl-3.0", "copyleft"),
    ("license: eupl-1.2", "eupl-1.2", "copyleft"),
    ("license: cc-by-nc-4.0", "cc-by-nc-4.0", "non-commercial"),
    ("license: cc-by-nc-sa-2.0", "cc-by-nc-sa-2.0", "non-commercial"),
    ("license: fair-noncommercial-research-license", "fair-noncommercial-research-license", "non-commercial"),
    ("license: openrail", "openrail", "use-restricted"),
    ("license: creativeml-openrail-m", "creativeml-openrail-m", "use-restricted"),
    ("license: bigscience-bloom-rail-1.0", "bigscience-bloom-rail-1.0", "use-restricted"),
    ("license: llama3.1", "llama3.1", "use-restricted"),
    ("license: gemma", "gemma", "use-restricted"),
    ("license: cc-by-nd-4.0", "cc-by-nd-4.0", "use-restricted"),
    # SPDX's identifiers and expressions
    ("license: Apache-2.0", "Apache-2.0", "permissive"),
    ("license: MIT-0", "MIT-0", "permissive"),
    ("license: 0BSD", "0BSD", "permissive"),
    ("license: GPL-3.0-or-later", "GPL-3.0-or-later", "copyleft"),
    ("license: LGPL-2.1-only", "LGPL-2.1-only", "weak-copyleft"),
    ("license: CC-BY-NC-SA-2.5", "CC-BY-NC-SA-2.5", "non-commercial"),
    ("license: cc-by-nc-sa-2.5", "cc-by-nc-sa-2.5", "non-commercial"),
    ("license: CC-BY-3.0-IGO", "CC-BY-3.0-IGO", "permissive"),
    ("license: MIT OR GPL-2.0-only", "MIT OR GPL-2.0-only", "permissive"),
    ("license: MIT AND GPL-2.0-only", "MIT AND GPL-2.0-only", "copyleft"),
    ("license: Apache-2.0 WITH LLVM-exception", "Apache-2.0 WITH LLVM-exception", "permissive"),
    ("license: BUSL-1.1", "BUSL-1.1", "use-restricted"),
    # As people write them
    ("license: CC BY-SA 4.0", "CC BY-SA 4.0", "share-alike"),
    ("license: MIT License", "MIT License", "permissive"),
    ("license: The MIT License (MIT)", "The MIT License (MIT)", "permissive"),
    ('license: "Apache License, Version 2.0"', "Apache License, Version 2.0", "permissive"),
    ("license: apache2", "apache2", "permissive"),
    ("license: GPLv3", "GPLv3", "copyleft"),
    ("license: GNU Lesser General Public License v3", "GNU Lesser General Public License v3", "weak-copyleft"),
    ("license: 3-Clause BSD License", "3-Clause BSD License", "permissive"),
    ("license: Open Database License (ODbL)", "Open Database License (ODbL)", "share-alike"),
    (
        "license: Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International",
        "Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International",
        "non-commercial",
    ),
    ("license: for non-commercial use", "for non-commercial use", "non-commercial"),
    ("license: research only", "research only", "non-commercial"),
    ("license: public domain", "public domain", "permissive"),
    ("license: CC BY 2.0 FR", "CC BY 2.0 FR", "permissive"),
    ("license: CC-BY-SA-2.0-UK", "CC-BY-SA-2.0-UK", "share-alike"),
    ("license: CC BY 4.0 NC", "CC BY 4.0 NC", "non-commercial"),
    ("license: CC BY 4.0 ND", "CC BY 4.0 ND", "unknown"),
    ("license: https://creativecommons.org/licenses/by/4.0/", "https://creativecommons.org/licenses/by/4.0/",
     "permissive"),
    ("license: https://opensource.org/licenses/MIT", "https://opensource.org/licenses/MIT", "permissive"),
    # Several, others and none
    ("license: [mit, gpl-3.0]", "mit, gpl-3.0", "copyleft"),
    ("license:\n- apache-2.0\n- cc-by-sa-4.0", "apache-2.0, cc-by-sa-4.0", "share-alike"),
    ("license: other\nlicense_name: llama-3.1-community", "other", "use-restricted"),
    ("license: other\nlicense_link: https://www.apache.org/licenses/LICENSE-2.0", "other", "permissive"),
    ("license: other\nlicense_name: acme-model-licence\nlicense_link: LICENSE", "other", "unknown"),
    ("license_name: qwen-research\nlicense_link: LICENSE", "qwen-research", "non-commercial"),
    ("license: other", "other", "unknown"),
    ("license: unknown", "unknown", "unknown"),
    ("license: cc", "cc", "unknown"),
    ("license: my own terms", "my own terms", "unknown"),
    ("language: zh", None, "unknown"),
)  # fmt: skip


@pytest.mark.parametrize(("front", "licence", "kind"), CARDS)
def test_a_front_matter_is_judged(tmp_path: Path, front: str, licence: str | None, kind: str) -> None:
    (tmp_path / "README.md").write_text(f"---\n{front}\ntags: [x]\n---\n# A model\n", encoding="utf-8")
    found = read_card(tmp_path)
    assert (found.licence, found.kind) == (licence, kind)
    assert (found.notice is None) == (kind in ("permissive", "share-alike"))


def test_the_table_holds_at_least_sixty_front_matters() -> None:
    assert len(CARDS) == len({front for front, _, _ in CARDS}) >= 60


@pytest.mark.parametrize("name", [*LICENCES, *FAMILIES])
def test_a_name_of_the_tables_has_its_own_kind_however_it_is_written(name: str) -> None:
    kind = LICENCES.get(name) or FAMILIES[name]
    assert {kind_of(name), kind_of(name.upper()), kind_of(f" {name} ")} == {kind}


@pytest.mark.parametrize(
    ("said", "identifier"),
    [
        ("GPL-2.0+", "gpl-2.0"),
        ("GFDL 1.3", "gfdl"),
        ("ODbL 1.0", "odbl"),
        ("CC BY-SA", None),
        ("cc-by-nc-sa-2.5", None),
    ],
)
def test_the_hubs_identifier_is_found(said: str, identifier: str | None) -> None:
    assert identifier_of(said) == identifier


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Apache License\n   Version 2.0, January 2004", "apache-2.0"),
        ("MIT\nPermission is hereby granted, free of charge, to deal in the Software\nwithout restriction", "mit"),
        ("GNU GENERAL PUBLIC LICENSE\n  Version 3, 29 June 2007", "gpl-3.0"),
        ("GNU AFFERO GENERAL PUBLIC LICENSE\nVersion 3 ... GNU General Public License", "agpl-3.0"),
        ("Attribution-NonCommercial 4.0 International\n====\nCreative Commons Corporation", "cc-by-nc-4.0"),
        ("Creative Commons Attribution-ShareAlike 4.0 International Public License", "cc-by-sa-4.0"),
        ("CC0 1.0 Universal", "cc0-1.0"),
        ("LLAMA 2 COMMUNITY LICENSE AGREEMENT", "llama2"),
        ("SPDX-License-Identifier: BSD-2-Clause", "bsd-2-clause"),
        ("All rights reserved.", None),
    ],
)  # fmt: skip
def test_a_licence_is_known_by_its_text(text: str, found: str | None) -> None:
    assert licence_of_text(text) == found


def _folder(folder: Path, front: str, text: str) -> Path:
    (folder / "README.md").write_text(f"---\n{front}\n---\n", encoding="utf-8")
    (folder / "LICENSE").write_text(text, encoding="utf-8")
    return folder


def test_a_licence_file_that_contradicts_the_card_is_said_and_the_stricter_one_counts(tmp_path: Path) -> None:
    found = read_card(_folder(tmp_path, "license: mit", "Attribution-NonCommercial 4.0 International"))
    assert found.kind == "non-commercial"
    assert "the card says mit, but the text of LICENSE is cc-by-nc-4.0" in (found.notice or "")


def test_a_licence_file_that_agrees_is_not_mentioned(tmp_path: Path) -> None:
    assert read_card(_folder(tmp_path, "license: Apache 2.0", "Apache License\nVersion 2.0")).notice is None


@pytest.mark.parametrize("front", ["language: zh", "license: other\nlicense_name: acme\nlicense_link: LICENSE"])
def test_a_licence_file_speaks_where_the_card_does_not(tmp_path: Path, front: str) -> None:
    assert read_card(_folder(tmp_path, front, "Apache License\nVersion 2.0")).kind == "permissive"


def test_a_base_model_that_asks_more_is_named(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    found = read_card(tmp_path, base={"id": "owner/base", "licence": "cc-by-nc-4.0"})
    assert "made from owner/base, whose licence is cc-by-nc-4.0 (not for commercial use)" in (found.notice or "")
    assert read_card(tmp_path, base={"id": "owner/base", "licence": "apache-2.0"}).notice is None


def test_a_licence_is_one_short_line_whatever_the_card_holds(tmp_path: Path) -> None:
    names = "".join(f"- {'x ' * 200}{i}\n" for i in range(40))
    (tmp_path / "README.md").write_text(f"---\nlicense:\n{names}license_name: |\n  y\n  z\n---\n", encoding="utf-8")
    found = read_card(tmp_path)
    assert len(found.notice or "") <= 500
    assert "\n" not in (found.notice or "")


def test_the_author_of_a_model_is_told_how_to_state_its_licence_and_what_it_was_made_from() -> None:
    base = {"id": "zh", "licence": "cc-by-sa-4.0"}
    assert judge({}, base=base, own="my model").notice == (
        "licence not stated: if the model is yours, add one: lexel card 'my model' --licence NAME; "
        "made from zh (cc-by-sa-4.0, share-alike)"
    )
    assert judge({}, base={"id": "a/b", "licence": "mit"}, own="m").notice == (
        "licence not stated: if the model is yours, add one: lexel card m --licence NAME"
    )
    assert "made from" not in (judge({"license": "cc-by-sa-4.0"}, base=base, own="m").notice or "")
