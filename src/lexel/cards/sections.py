"""The sections of a card, each a function from facts to Markdown; a section without facts is empty and left out."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lexel.cards import markdown, reliability, results
from lexel.cards.derived import distilled, eight_bits, steps
from lexel.cards.facts import EVALUATION, PLOT, TRAINING, DataSet, Facts
from lexel.cards.languages import language_names, script_name
from lexel.checkpoint.heads import Head
from lexel.licences import demand_of

_READS = {
    "words": "words (segmentation)",
    "pos": "a part-of-speech tag for each word",
    "words+pos": "words with their part-of-speech tags",
    "entities": "named entities",
    "labels": "a label for each word",
    "spans": "named entities, including nested ones",
    "fill": "tokens for masks",
    "classify": "classes of texts",
    "answer": "answers to questions, as spans of a text",
    "embed": "embeddings of texts",
}
_OWN_COMMANDS = {"fill": "fill", "classify": "classify", "answer": "answer", "embed": "embed"}
_LOADERS = {"fill": "Filler", "classify": "Classifier", "answer": "Answerer", "embed": "Embedder"}
_MANY_LABELS = 12
_SENTENCES = {"zh": "他在北京工作。", "en": "She lives in New York."}


def summary(facts: Facts) -> str:
    """Describes the model in one paragraph."""
    config, parameters = facts.config, facts.n_parameters
    sizes = [f"{config.n_layers} layers of {config.hidden_size:,}", f"{config.vocab_size:,} pieces"]
    sizes += [f"{parameters / 1e6:,.1f} million parameters"] if parameters else []
    gives = [_READS[task] for task in facts.tasks] or ["nothing yet: it is a bare encoder"]
    languages = language_names(facts.languages)
    texts = f"{_listed(languages)} text" if languages else "text"
    takes = "single characters" if facts.heads.pieces == "chars" else "its tokenizer's pieces"
    whence = ""
    if facts.base:
        whence = f" Based on {_base_link(facts.base)}."
    elif facts.is_from_scratch:
        whence = " Trained from random weights."
    return (
        f"{config.family.model_types[config.model_type].name} ({', '.join(sizes)}) for {texts}. "
        f"It reads {takes} and returns {_listed(gives)}.{whence}"
    )


def use(facts: Facts) -> str:
    """Commands and a program that run as they are."""
    place, example = facts.place, _example(facts)
    heads = list(facts.heads.heads.values())
    name, text = (json.dumps(value, ensure_ascii=False) for value in (place, example))  # Python with double quotes
    parts = []
    if facts.tagging_heads:
        parts.append(markdown.console(f"echo {shlex.quote(example)} | lexel tag -m {shlex.quote(place)}"))
        program = ["import lexel", "", f"nlp = lexel.load({name})", f"doc = nlp({text})", *_prints(facts)]
        parts.append("```python\n" + "\n".join(program) + "\n```")
    for task, command in _OWN_COMMANDS.items():
        if task in facts.tasks:
            parts.append(f"`lexel {command} -m {shlex.quote(place)}`, or `lexel.{_LOADERS[task]}.load({name})`.")
    if _is_plain(facts) and heads:
        parts.append("transformers' own classes load the folder, too.")
    return markdown.paragraphs(*parts)


def _prints(facts: Facts) -> Iterator[str]:
    tasks = {head.task for head in facts.tagging_heads}
    if tasks - {"entities"}:
        yield "print([(word.text, word.pos) for word in doc.words])"
    if "entities" in tasks:
        yield "print([(span.text, span.label, span.start, span.end) for span in doc.entities])"


def _is_plain(facts: Facts) -> bool:
    """Whether transformers reads the folder in the same way as Lexel."""
    prefixes = [head.prefix for head in facts.heads.heads.values()]
    return facts.heads.pieces == "tokenizer" and not any(prefix.startswith("heads.") for prefix in prefixes)


def _example(facts: Facts) -> str:
    known = [row for head in _label_rows(facts).values() for row in head if row.get("example")]
    most = max(known, key=lambda row: len(str(row["example"])), default={"example": "London"})
    sentence = next((_SENTENCES[code] for code in facts.languages if code in _SENTENCES), str(most["example"]))
    return facts.answer("example") or sentence


def labels(facts: Facts) -> str:
    """The label set of each head, with counts and examples if they are known."""
    known = _label_rows(facts)
    return markdown.paragraphs(*(_head_labels(head, known.get(head.name) or []) for head in facts.heads.heads.values()))


def _label_rows(facts: Facts) -> dict[str, list[Mapping[str, Any]]]:
    return {name: list(head.get("labels") or ()) for name, head in (facts.training.get("labels") or {}).items()}


def _head_labels(head: Head, rows: list[Mapping[str, Any]]) -> str:
    names = rows or [{"label": label} for label in head.labels]
    if not names:
        return ""
    scheme = f", scheme {head.scheme}" if head.scheme and head.scheme != "bare" else ""
    title = f"**{markdown.text(head.name)}**: {_READS[head.task]}; {len(names)} labels{scheme}."
    if not any(row.get("count") or row.get("example") for row in rows):
        return f"{title} {', '.join(markdown.code(row['label']) for row in names)}"
    cells = [
        (
            markdown.cell_code(row["label"]),
            f"{row['count']:,}" if isinstance(row.get("count"), int) else "",
            markdown.text(row.get("example") or ""),
        )
        for row in rows
    ]
    made = markdown.table(("label", "in the training data", "example"), cells, numbers=("in the training data",))
    shown = made if len(rows) <= _MANY_LABELS else markdown.folded(f"{len(rows)} labels", made)
    return markdown.paragraphs(title, shown)


def intended_use(facts: Facts) -> str:
    """Its intended use, as far as the facts state it."""
    gives = [_READS[task] for task in facts.tasks]
    languages, genres = language_names(facts.languages), facts.answer("genres")
    if not gives or not (languages or genres):
        return facts.answer("intended_use") or ""
    texts = f"{_listed(languages)} text" if languages else "text"
    kinds = f" of the kinds that it was trained on ({genres})" if genres else ""
    return markdown.paragraphs(f"To find {_listed(gives)} in {texts}{kinds}.", facts.answer("intended_use"))


def limits(facts: Facts) -> str:
    """Its limits, as far as the facts state them."""
    return markdown.paragraphs(markdown.bullets(_limits(facts)), facts.answer("limits"))


def _limits(facts: Facts) -> Iterator[str]:
    if (scripts := facts.scripts) and (total := sum(scripts.values())):
        shares = [
            f"{script_name(script)} {100 * n / total:.1f} %" for script, n in scripts.items() if n / total > 0.0005
        ]
        yield f"Letters of the training data: {', '.join(shares)}. It has seen hardly any other script."
    longest = max((row.count("longest_chars") or 0 for row in facts.data if row.role == "train"), default=0)
    if longest:
        yield f"The longest training text has {longest:,} characters."
    window = facts.config.max_positions
    yield f"It reads {window:,} pieces at a time. Lexel reads longer texts in overlapping windows, to the end."
    for head in facts.tagging_heads:
        if head.task in ("entities", "spans"):
            types = sorted(head.labels) if head.task == "spans" else _types_of(head.labels)
            yield f"Its entity labels are {_listed(list(map(markdown.code, types)))}."
    yield from _weak_labels(facts)
    for role, count in (facts.training.get("overlap") or {}).items():
        if count:
            yield f"{count:,} texts of the {role} data are also in the training data, so its figures are too high."


def _types_of(tags: Sequence[str]) -> list[str]:
    return sorted({tag.partition("-")[2] for tag in tags if "-" in tag})


def _weak_labels(facts: Facts) -> Iterator[str]:
    """The type with the lowest score in each report."""
    for report in facts.reports:
        scores = ((report.get("results") or {}).get("entities") or {}).get("lenient", {}).get("by_label", {})
        there = {label: score for label, score in scores.items() if score["n_gold"]}
        if len(there) > 1:
            label = min(there, key=lambda name: float(there[name]["f1"]["value"]))
            f1, n_gold = results.percent(there[label]["f1"]["value"]), there[label]["n_gold"]
            name = facts.report_title(report)
            yield f"Hardest on {markdown.text(name)}: {markdown.code(label)}, F1 {f1} ({n_gold:,} in gold)."


def licence(facts: Facts) -> str:
    """The licence of the weights and of their sources; restrictive ones are highlighted."""
    own = facts.licence
    lines = [f"**The weights: {markdown.text(own or 'licence not stated')}**{_in_brackets(own)}."]
    if facts.base:
        base = facts.base
        stated = f"licence {markdown.text(base['licence'])}" if base.get("licence") else "licence not stated"
        lines.append(f"Based on {_base_link(base)}: {stated}" + _in_brackets(base.get("licence")) + ".")
    asking = _asking(facts)
    data = ""
    if asking:
        said = [
            f"**{markdown.text(names)}**: {markdown.text(found or 'not stated')}; {demand_of(found)}"
            for found, names in asking
        ]
        data = markdown.paragraphs(
            "Data with licence terms to follow, or with an unknown licence:", markdown.bullets(said)
        )
    elif facts.data:
        data = "The licences of all data are permissive; the tables below name them."
    return markdown.paragraphs(" ".join(lines), data)


def _in_brackets(found: str | None) -> str:
    said = demand_of(found)
    return f" ({said})" if said else ""


def _asking(facts: Facts) -> list[tuple[str | None, str]]:
    """Licences with conditions for users, with the names of the data under each."""
    by_licence: dict[str | None, list[str]] = {}
    for row in facts.data:
        if demand_of(row.licence) and row.set_name not in by_licence.setdefault(row.licence, []):
            by_licence[row.licence].append(row.set_name)
    return [(found, ", ".join(names)) for found, names in by_licence.items() if names]


def data(facts: Facts) -> str:
    """The data files: splits, sizes, licences and checksums."""
    if not facts.data:
        return facts.answer("training_data") or ""
    languages = {tuple(row.values.get("languages") or ()) for row in facts.data}
    columns = {
        "part": [row.role for row in facts.data],
        "data": [markdown.text(row.name) for row in facts.data],
        "by": [markdown.text(row.values.get("source") or "") for row in facts.data],
        "times read": _times_read(facts.data),
        **{title: [_count(row, key) for row in facts.data] for key, title in _COUNTS.items()},
        "languages": [", ".join(row.values.get("languages") or ()) if len(languages) > 1 else "" for row in facts.data],
        "licence": [markdown.text(row.licence) if row.licence else "**not stated**" for row in facts.data],
    }
    rows = list(zip(*columns.values(), strict=True))
    table = markdown.table(list(columns), rows, numbers=("times read", *_COUNTS.values()))
    files = markdown.table(("data", "file", "SHA-256"), [_file_row(row) for row in facts.data])
    said = facts.answer("training_data")
    return markdown.paragraphs(
        said, table, markdown.long_table(f"Files and checksums of {len(facts.data)} files", files)
    )


_COUNTS = {
    "documents": "documents",
    "chars": "characters",
    "words": "words",
    "entities": "entities",
    "examples": "examples",
}


def _count(row: DataSet, key: str) -> str:
    count = row.count(key)
    is_said = key == "examples" and row.count("documents") == count
    return "" if count is None or is_said else f"{count:,}"


def _times_read(rows: list[DataSet]) -> list[str]:
    """How often an epoch reads each training file; empty if it reads each once."""
    weights = [row.values.get("weight") if row.role == "train" else None for row in rows]
    if all(weight in (None, 1) for weight in weights):
        return [""] * len(rows)
    return [f"{weight:g}" if isinstance(weight, int | float) else "" for weight in weights]


def _file_row(row: DataSet) -> tuple[str, ...]:
    path, checksum = row.values.get("path"), row.values.get("sha256")
    return (
        f"{markdown.text(row.name)}, {row.role}",
        markdown.cell_code(path) if path else "",
        f"`{checksum}`" if checksum else "",
    )


def training(facts: Facts) -> str:
    """How it was trained: the command, all options, the table of steps, the plot."""
    made = facts.training
    if not made:
        return ""
    options = {key: value for key, value in (made.get("options") or {}).items() if key != "card"}
    rows = [(markdown.cell_code(key), markdown.cell_code(_value(value))) for key, value in options.items()]
    return markdown.paragraphs(
        _course(made),
        markdown.bullets(map(markdown.text, made.get("warnings") or ())),
        markdown.console(_command(str(made["command"]))) if made.get("command") else None,
        markdown.folded(f"All {len(rows)} options", markdown.table(("option", "value"), rows)) if rows else None,
        _table_over_steps(made.get("table") or []),
        _best(made.get("best") or {}),
        f"![Loss and scores over the steps]({PLOT})" if (facts.folder / PLOT).is_file() else None,
    )


def _course(made: Mapping[str, Any]) -> str:
    said = []
    if made.get("steps"):
        epochs = f", {made['epochs']:g} epoch{'s' if made['epochs'] != 1 else ''}" if made.get("epochs") else ""
        time = f" in {_duration(made['seconds'])}" if made.get("seconds") else ""
        said.append(f"{made['steps']:,} steps{epochs}{time}")
    if made.get("examples_per_second"):
        said.append(f"{made['examples_per_second']:,.1f} examples per second")
    if made.get("examples"):
        said.append(f"{made['examples']:,} examples read")
    if made.get("windows"):
        said.append(f"{made['windows']:,} windows, {made.get('dropped', 0)} dropped")
    model = made.get("model") or {}
    if model.get("trainable_parameters") and model.get("parameters"):
        said.append(f"{model['trainable_parameters']:,} of {model['parameters']:,} parameters trained")
    if made.get("seed") is not None:
        said.append(f"seed {made['seed']}")
    return "; ".join(said) + "." if said else ""


def _table_over_steps(rows: list[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[_cell(row.get(key)) for key in columns] for row in rows]
    heads = [markdown.text(key.replace("_", " ")) for key in columns]
    return markdown.long_table(f"{len(rows)} measurements", markdown.table(heads, cells, numbers=heads)) if rows else ""


def _best(best: Mapping[str, Any]) -> str:
    if best.get("step") is None:
        return ""
    value = f" ({_cell(best['value'])})" if best.get("value") is not None else ""
    return f"The weights are those of step {best['step']:,}, the best by {markdown.code(best.get('metric'))}{value}."


def figures(facts: Facts) -> str:
    """Its scores, with intervals and both rules for entities."""
    if not facts.reports:
        claimed = results.claim_table(facts)
        said = "These figures are from the earlier card and were not measured again."
        return markdown.paragraphs(said, claimed) if claimed else ""
    rules = "Entities: the *strict* rule counts entities from well-formed tags only; the *lenient* rule is conlleval's."
    has_entities = any((report.get("results") or {}).get("entities") for report in facts.reports)
    notes = ["In per cent. The interval covers the score in 95 of 100 bootstrap samples of documents."]
    notes += [rules] if has_entities else []
    notes += [
        f"Gold tags are folded by the rule {name}."
        for name in dict.fromkeys(map(results.fold_name, facts.reports))
        if name
    ]
    return markdown.paragraphs(
        results.result_table(facts),
        " ".join(notes),
        _folded("Each type of entity", results.type_table(facts)),
        _folded("Each type of nested entity", results.nested_table(facts)),
        _folded("F1 of words with each tag", results.tag_table(facts)),
        markdown.bullets(_notes(facts)),
        f"All figures, and how they were measured, are in [{EVALUATION}]({EVALUATION}).",
    )


def _folded(title: str, table: str) -> str:
    return markdown.folded(title, table) if table else ""


def _notes(facts: Facts) -> Iterator[str]:
    for report in facts.reports:
        name = facts.report_title(report)
        for note in (report.get("results") or {}).get("notes") or ():
            yield f"{markdown.text(name)}: {markdown.text(note)}"


def speed(facts: Facts) -> str:
    """Its speed and memory use on one machine."""
    if (found := facts.speed) is None:
        return ""
    memory = "" if found.peak_bytes is None else f"{found.peak_bytes / 1e6:,.0f} MB"
    row = (
        f"{found.chars_per_second:,.0f}",
        f"{found.texts_per_second:,.1f}",
        memory,
        f"{found.load_seconds:.1f} s",
        markdown.text(found.engine),
    )
    head = ("characters per second", "texts per second", "peak memory", "load time", "engine")
    said = f"Measured on {found.texts}, {found.mean_chars:,.0f} characters long on average, all layers together."
    return markdown.paragraphs(markdown.table(head, [row]), f"{said} Memory is that of the whole process.")


def environment(facts: Facts) -> str:
    """The software that made it."""
    found = dict(facts.training.get("environment") or {})
    versions = found.pop("versions", None)
    if isinstance(versions, Mapping):
        found |= versions
    rows = [
        (markdown.text(key), markdown.text(_value(value))) for key, value in found.items() if value not in (None, "")
    ]
    return markdown.table(("", "made with"), rows) if rows else ""


def verifying(facts: Facts) -> str:
    """How to verify the figures."""
    commands = results.verify_commands(facts)
    if not commands:
        return ""
    said = "Measures the figures of this card's metadata again. Exit status 1: one differs by more than a point:"
    return markdown.paragraphs(said, markdown.console(*commands))


def provenance(facts: Facts) -> str:
    """The files that hold the facts."""
    files = [name for name in (TRAINING, EVALUATION) if (facts.folder / name).is_file()]
    return f"The data of this card is in {_listed([f'[{name}]({name})' for name in files])}." if files else ""


def attribution(facts: Facts) -> str:
    """The authors of works that it contains."""
    return facts.answer("attribution") or ""


def notes(facts: Facts) -> str:
    """Other notes by the author."""
    return facts.answer("notes") or ""


def citation(facts: Facts) -> str:
    """How to cite it."""
    said = facts.answer("citation") or ""
    return f"```bibtex\n{said.strip()}\n```" if said.lstrip().startswith("@") else said


def author(facts: Facts) -> str:
    """Authors and contact."""
    names, contact = facts.answer("author"), facts.answer("contact")
    return markdown.paragraphs(names, f"Questions: {contact}" if contact else None)


SECTIONS: tuple[tuple[str, Callable[[Facts], str]], ...] = (
    ("How to use it", use),
    ("Labels", labels),
    ("Intended use", intended_use),
    ("Limits", limits),
    ("Licence and origin", licence),
    ("Results", figures),
    ("Scores", reliability.scores),
    ("How to verify", verifying),
    ("Compared with its teacher", distilled),
    ("Quantised to int8", eight_bits),
    ("Speed and memory", speed),
    ("Data", data),
    ("Training", training),
    ("Steps", steps),
    ("Environment", environment),
    ("Attribution", attribution),
    ("Notes", notes),
    ("Citation", citation),
    ("Authors", author),
)
"""Titles and their sections, in order."""


# Words ---------------------------------------------------------------------------------------------------------------


def _base_link(base: Mapping[str, Any]) -> str:
    id, revision = str(base["id"]), base.get("commit") or base.get("revision")
    is_hub = id.count("/") == 1 and not id.startswith((".", "/"))
    link = f"[{markdown.text(id)}](https://huggingface.co/{id})" if is_hub else markdown.code(id)
    return f"{link} at {markdown.code(revision)}" if revision else link


def _listed(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def _value(value: Any) -> str:
    """A setting in its written form, without the trainer's folders."""
    public = _public(value)
    return public if isinstance(public, str) else json.dumps(public, ensure_ascii=False)


def _public(value: Any) -> Any:
    """The same with file names instead of absolute paths, and records without empty values."""
    if isinstance(value, str):
        return Path(value).name if Path(value).is_absolute() else value
    if isinstance(value, Mapping):
        return {key: _public(each) for key, each in value.items() if each is not None}
    return [_public(each) for each in value] if isinstance(value, list) else value


def _command(said: str) -> str:
    try:
        return shlex.join(map(_public, shlex.split(said)))
    except ValueError:  # unbalanced quotes
        return said


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3g}" if 0 < abs(value) < 0.001 else f"{value:,.4f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) else markdown.text(value)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
