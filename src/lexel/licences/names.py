"""Licences by name: Hugging Face's identifiers, SPDX's, links, and usual spellings.

A name is normalised (``CC BY-SA 4.0 International`` and the deed's address become ``cc-by-sa-4.0``) and then looked
up. A family without a version (``CC BY-SA``) has a kind, but no identifier. SPDX expressions are supported: with
``MIT OR GPL-2.0-only``, the user may choose the milder one; with ``MIT AND GPL-2.0-only``, both apply.

Identifiers: https://huggingface.co/docs/hub/repositories-licenses and https://spdx.org/licenses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal, get_args

Kind = Literal["permissive", "weak-copyleft", "share-alike", "copyleft", "use-restricted", "non-commercial", "unknown"]
"""The kinds of licences by their conditions for users, the mildest first.

``weak-copyleft``: changed files stay under it (LGPL, MPL). ``share-alike``: derived works stay under it, and authors
are named (CC BY-SA, ODbL). ``copyleft``: so do programs that contain it (GPL). ``use-restricted``: some uses, users or
changes are forbidden (RAIL, Llama, CC BY-ND). ``non-commercial``: no commercial use. ``unknown``: terms that are in no
table.
"""
_FROM_MILD: tuple[Kind, ...] = get_args(Kind)

_HUB: Mapping[Kind, str] = {
    "permissive": """
        apache-2.0 mit bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear isc zlib unlicense wtfpl cc0-1.0 pddl cc-by-2.0
        cc-by-2.5 cc-by-3.0 cc-by-4.0 odc-by cdla-permissive-1.0 cdla-permissive-2.0 afl-3.0 artistic-2.0 bsl-1.0
        ecl-2.0 etalab-2.0 ms-pl ncsa open-mdw postgresql lppl-1.3c""",
    "weak-copyleft": "lgpl lgpl-2.1 lgpl-3.0 lgpl-lr mpl-2.0 epl-1.0 epl-2.0",
    "share-alike": "cc-by-sa-3.0 cc-by-sa-4.0 odbl cdla-sharing-1.0 ofl-1.1 gfdl",
    "copyleft": "gpl gpl-2.0 gpl-3.0 agpl-3.0 eupl-1.1 eupl-1.2 osl-3.0",
    "use-restricted": """
        openrail openrail++ bigscience-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m creativeml-openrail-m
        cc-by-nd-4.0 c-uda gemma llama2 llama3 llama3.1 llama3.2 llama3.3 llama4""",
    "non-commercial": """
        cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0
        cc-by-nc-sa-4.0 fair-noncommercial-research-license intel-research apple-amlr h-research
        deepfloyd-if-license""",
}
LICENCES: Mapping[str, Kind] = {name: kind for kind, names in _HUB.items() for name in names.split()}
"""The hub's identifiers by kind, except ``other``, ``unknown``, ``cc`` and ``apple-ascl``."""

_FAMILIES: Mapping[Kind, str] = {
    "permissive": """
        cc-by cc0 cc-pdm public-domain pddl odc-by cdla-permissive apache mit mit-0 mit-cmu bsd bsd-2-clause
        bsd-3-clause bsd-4-clause 0bsd isc python psf x11 upl blueoak hpnd boost bsl afl artistic postgresql ncsa ecl
        zlib unlicense etalab ogl-uk kogl-type-1 mulanpsl""",
    "weak-copyleft": "lgpl mpl epl cddl cpl ms-rl",
    "share-alike": "cc-by-sa cc-sa gfdl odbl odc-odbl ofl cdla-sharing fal",
    "copyleft": "gpl agpl eupl osl sspl cecill",
    "use-restricted": """
        cc-by-nd cc-nd rail openrail openrail++ openrail-m rail-m llama gemma busl qwen tongyi-qianwen falcon-llm jamba
        nvidia-open-model""",
    "non-commercial": """
        cc-nc cc-by-nc cc-by-nc-sa cc-by-nc-nd cc-by-nd-nc mrl mnpl mistral-ai-research mistral-ai-non-production
        cohere-nc qwen-research stability-ai-nc research-only academic-only""",
}
FAMILIES: Mapping[str, Kind] = {name: kind for kind, names in _FAMILIES.items() for name in names.split()}
"""Names without a version that have the same kind in every version."""

_LINKS: tuple[tuple[str, str], ...] = (
    (r"creativecommons\.org/licenses/([a-z-]+)/(\d\.\d)", r"cc-\1-\2"),
    (r"creativecommons\.org/publicdomain/zero", "cc0-1.0"),
    (r"creativecommons\.org/publicdomain/mark", "public-domain"),
    (r"apache\.org/licenses/license-2\.0", "apache-2.0"),
    (r"gnu\.org/licenses/(?:old-licenses/)?([al]?gpl)-(\d\.\d)", r"\1-\2"),
    (r"mozilla\.org/.*mpl/2\.0", "mpl-2.0"),
    (r"opendatacommons\.org/licenses/([a-z]+)", r"\1"),
    (r"unlicense\.org", "unlicense"),
    (r"opensource\.org/licen[sc]es?/([a-z0-9.+-]+)", r"\1"),
    (r"choosealicense\.com/licenses/([a-z0-9.+-]+)", r"\1"),
    (r"spdx\.org/licenses/([a-z0-9.+-]+?)(?:\.html)?/?$", r"\1"),
)
"""Addresses of well-known licences, with their names."""

_PHRASES: tuple[tuple[str, str], ...] = (
    ("creative-commons", "cc"), ("cc-zero", "cc0"), ("cczero", "cc0"), ("attribution", "by"), ("sharealike", "sa"),
    ("share-alike", "sa"), ("noncommercial", "nc"), ("non-commercial", "nc"), ("no-derivatives", "nd"),
    ("noderivatives", "nd"), ("noderivs", "nd"), ("no-derivs", "nd"), ("ccby", "cc-by"),
    ("lesser-general-public", "lgpl"), ("library-general-public", "lgpl"), ("affero-general-public", "agpl"),
    ("general-public", "gpl"), ("free-documentation", "gfdl"), ("mozilla-public", "mpl"), ("eclipse-public", "epl"),
    ("european-union-public", "eupl"), ("open-data-commons-open-database", "odbl"), ("open-database", "odbl"),
    ("open-data-commons-by", "odc-by"), ("sil-open-font", "ofl"), ("boost-software", "bsl"),
    ("apache-software", "apache"), ("new-bsd", "bsd-3-clause"), ("modified-bsd", "bsd-3-clause"),
    ("3-clause-bsd", "bsd-3-clause"), ("simplified-bsd", "bsd-2-clause"), ("2-clause-bsd", "bsd-2-clause"),
    ("meta-llama", "llama"), ("or-later", ""), ("research-purposes-only", "research-only"),
    ("for-research-use-only", "research-only"), ("research-use-only", "research-only"),
)  # fmt: skip
"""Long forms, and their spelling in the tables; applied in this order."""
_SAYING_NOTHING = """
    a the license licence licensed agreement version v under terms deed international intl unported generic igo
    universal dedication gnu expat community"""
_SMALL_WORDS = frozenset(_SAYING_NOTHING.split())
_GLUED = re.compile(r"(apache|gpl|lgpl|agpl|mpl|epl|eupl|gfdl|odbl|osl|afl|bsd|cc-by(?:-[a-z]{2})*)v?(\d.*)")
_COUNTRIES = """
    am ar at au az be bg br ca ch cl cn co cr cz de dk ec ee eg es fi fr ge gr gt hk hr hu ie igo il in it jp kr lu mk
    mt mx my ng nl no nz pe ph pl pr pt ro rs scotland se sg si th tw ug uk us ve vn za"""
_PORT = re.compile(rf"(cc-by(?:-[a-z]{{2}})*-\d\.\d)-(?:{'|'.join(_COUNTRIES.split())})")
"""A Creative Commons licence for one country, with the same conditions as its international version.

Other endings, such as that of ``cc-by-4.0-nc``, may be conditions.
"""

_VERSION = re.compile(r"-\d+(\.\d+)*[a-z]?$")
_ALIASES = {
    "pddl-1.0": "pddl",
    "odbl-1.0": "odbl",
    "odc-odbl-1.0": "odbl",
    "odc-by-1.0": "odc-by",
    "gfdl-1.3": "gfdl",
    "bsd-3": "bsd-3-clause",
    "bsd-2": "bsd-2-clause",
    "openrail-m": "openrail",
    **{f"llama-{version}": f"llama{version}" for version in ("2", "3", "3.1", "3.2", "3.3", "4")},
}
"""Other names of licences that the hub lists."""


def identifier_of(licence: str) -> str | None:
    """The hub's identifier of a licence in any spelling (``CC BY-SA 4.0``, a link); ``None`` if it has none."""
    said = licence.strip().lower()
    if said in LICENCES:
        return said
    name = spelling_of(licence)
    tries = (name, f"{name}.0", f"{name}-1.0", _ALIASES.get(name, ""))
    return next((each for each in tries if each in LICENCES), None)


def kind_of(licence: str) -> Kind:
    """The kind of a licence: for several the strictest, for a choice (``OR``) the mildest."""
    if identifier_of(licence):  # names that contain a comma
        return _kind_of_one(licence)
    listed = [part for part in re.split(r"\s*[,;|]\s*|\s+(?:and|AND|&)\s+", licence.strip("() ")) if part]
    kinds = [_mildest(map(_kind_of_one, re.split(r"\s+(?:or|OR)\s+(?!later)", part.strip("() ")))) for part in listed]
    return strictest(kinds)


def strictest(kinds: Iterable[Kind]) -> Kind:
    """The strictest kind; ``unknown`` if there is none."""
    return max(kinds, key=_FROM_MILD.index, default="unknown")


def _mildest(kinds: Iterable[Kind]) -> Kind:
    return min(kinds, key=_FROM_MILD.index, default="unknown")


def _kind_of_one(licence: str) -> Kind:
    identifier = identifier_of(re.split(r"\s+(?:with|WITH)\s+", licence)[0])
    if identifier is not None:
        return LICENCES[identifier]
    name = spelling_of(licence)
    if port := _PORT.fullmatch(name):
        return _kind_of_one(port[1])
    while name:
        if name in FAMILIES:
            return FAMILIES[name]
        shorter = _VERSION.sub("", name)
        if shorter == name:
            break
        name = shorter
    return _by_words(name)


def _by_words(name: str) -> Kind:
    """For unlisted names: decides by unambiguous words."""
    words = set(name.split("-"))
    if words & {"nc", "noncommercial"} or "research-only" in name:
        return "non-commercial"
    if words & {"openrail", "rail", "openrail++"} or re.match(r"(llama|gemma|qwen|falcon)[\d.-]", name):
        return "use-restricted"
    return "unknown"


def spelling_of(licence: str) -> str:
    """A licence's name in the spelling of the tables, with the version last."""
    said = licence.strip().lower()
    for pattern, name in _LINKS:
        if found := re.search(pattern, said):
            said = found.expand(name)
            break
    said = re.sub(r"[^a-z0-9.+]+", "-", re.sub(r"\([^)]*\)", " ", said)).strip("-.")
    for phrase, short in _PHRASES:
        said = said.replace(phrase, short)
    words = [re.sub(r"^v(?=\d)", "", word) for word in said.split("-")]
    said = "-".join(word for word in words if word and word not in _SMALL_WORDS)
    said = re.sub(r"(?<=[a-z])-public$|(?<=\d)(\+|-only)$", "", said)
    glued = _GLUED.fullmatch(said)
    return f"{glued[1]}-{glued[2].lstrip('-')}" if glued else said
