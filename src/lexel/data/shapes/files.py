"""Files of shaped records: JSON lines, JSON arrays and Parquet, read and written as Documents."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from lexel.data.faults import Faults
from lexel.data.files import LineReader, Source, Target, TextOutput, ending_of, name_of, open_binary, open_output
from lexel.data.json_values import read_json_values
from lexel.data.omissions import NESTED, Loss, Losses, n_scores
from lexel.data.parquet import GROUP_ROWS, READ_ROWS, first_line, load_pyarrow, table_writer
from lexel.data.records.json import json_row
from lexel.data.shapes.shape import Context, Shape
from lexel.data.shapes.table import SHAPES
from lexel.document import Document
from lexel.errors import DataError

_LOOKED_AT = 20
"""The number of records examined to find a shape, since the first ones may have no entities."""
_METADATA = b"huggingface"


def read_shaped(
    source: Source,
    /,
    *,
    shape: Shape,
    encoding: str = "utf-8",
    losses: Losses | None = None,
    faults: Faults | None = None,
) -> Iterator[Document]:
    """Reads each record as a Document.

    Args:
        source: A path (also compressed), ``"-"`` or an open stream.
        shape: The shape of its records.
        encoding: The encoding of the input.
        losses: Counts what a Document cannot hold.
        faults: How to handle a record that cannot be read; an error by default.

    Raises:
        DataError: With ``path:place`` of a record with another shape.
    """
    faults, name = Faults() if faults is None else faults, name_of(source)
    context = Context(Losses() if losses is None else losses, _class_names(source))
    for place, values in _values(source, encoding, faults):
        try:
            if not isinstance(values, Mapping):
                raise ValueError(f"found a JSON {type(values).__name__}; expected an object")
            document = shape.read(values, context)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            said = str(error) if isinstance(error, ValueError) else f"is no record of {shape.tool} ({error!r})"
            faults.take(DataError(f"{name}:{place}: {said}").at(name, place, json_row({"record": values})[10:-2]))
            continue
        if document is not None:
            yield document


def write_shaped(
    documents: Iterable[Document], out: Target, /, *, shape: Shape, encoding: str = "utf-8"
) -> tuple[Loss, ...]:
    """Write each document as a record, as Parquet if the path ends so; returns what the shape could not hold.

    Raises:
        DataError: If a document cannot be a record, or the shape does not support tables.
    """
    losses = Losses()
    if ending_of(name_of(out)) == ".parquet":
        _write_parquet(documents, out, shape, losses)
        return losses.summary()
    with open_output(out, encoding=encoding) as output:
        before = "[\n" if shape.is_array else ""
        for document in documents:
            line = json_row(shape.write(document, output, losses))
            output.write(before + line.removesuffix("\n") if shape.is_array else line)
            before = ",\n"
            _count(document, shape, losses)
        if shape.is_array:
            output.write("[]\n" if before == "[\n" else "\n]\n")
    return losses.summary()


def _write_parquet(documents: Iterable[Document], out: Target, shape: Shape, losses: Losses) -> None:
    """Write records as rows; a column is null for documents that do not have it."""
    name = name_of(out)
    if not shape.columns:
        raise DataError(
            f"{name}: {shape.tool} reads no Parquet; expected a file of JSON, such as {Path(name).stem}.jsonl"
        )
    arrow, parquet = load_pyarrow()
    kinds = {column: getattr(arrow, kind)() for column, kind in shape.columns.items() if kind == "string"}
    kinds |= {column: arrow.list_(arrow.string()) for column, kind in shape.columns.items() if kind == "strings"}
    schema = arrow.schema(kinds)
    with open_binary(out) as stream, table_writer(arrow, parquet, stream, schema) as writer:
        place = TextOutput(stream, name=name, encoding="utf-8", binary=True)
        rows: list[dict[str, Any]] = []
        for place.line, document in enumerate(documents, 1):
            rows.append(shape.write(document, place, losses))
            _count(document, shape, losses)
            if len(rows) == GROUP_ROWS:
                writer.write_table(arrow.Table.from_pylist(rows, schema=schema))
                rows = []
        writer.write_table(arrow.Table.from_pylist(rows, schema=schema))


def _count(document: Document, shape: Shape, losses: Losses) -> None:
    words = document.words
    sizes = {
        "words": len(words),
        "pos": 0 if words.pos_ids is None else len(words),
        "nested": len(document.nested),
        "scores": n_scores(document),
    }
    for layer, size in sizes.items():
        if layer not in shape.layers:
            losses.add({"pos": "tags", "nested": NESTED}.get(layer, layer), size, format=shape.tool)


def shape_of_file(path: str | os.PathLike[str], *, encoding: str = "utf-8") -> Shape | None:
    """The common shape of the first records of a file, ignoring those without annotation."""
    found: set[str] = set()
    with suppress(DataError):  # the reader of the file reports what is wrong with it
        for _, values in islice(_values(path, encoding, Faults("skip")), _LOOKED_AT):
            if not isinstance(values, Mapping) or any(key in values for key in ("words", "offset_unit")):
                return None
            if name := next((name for name, shape in SHAPES.items() if shape.matches(values)), None):
                found.add(name)
    return SHAPES[found.pop()] if len(found) == 1 else None


def _values(source: Source, encoding: str, faults: Faults) -> Iterator[tuple[int, Any]]:
    if ending_of(name_of(source)) == ".parquet":
        yield from enumerate(_rows(source), 1)
    else:
        yield from read_json_values(LineReader(source, encoding=encoding), faults)


def _rows(source: Any) -> Iterator[Any]:
    arrow, parquet = load_pyarrow()
    try:
        with parquet.ParquetFile(source) as file:
            for batch in file.iter_batches(batch_size=READ_ROWS):
                yield from batch.to_pylist()
    except (arrow.ArrowException, OSError) as error:
        found = f"cannot be read as Parquet ({first_line(error)})"
        raise DataError(f"{name_of(source)}: {found}; expected a whole Parquet file") from error


def _class_names(source: Source) -> dict[str, Sequence[str]]:
    """The names of ClassLabels by column, from Parquet metadata or the ``dataset_info.json`` next to the file."""
    path = Path(name_of(source))
    features: Any = {}
    with suppress(OSError, ValueError, KeyError, DataError, AttributeError):
        if ending_of(path) == ".parquet":
            schema = load_pyarrow()[1].read_schema(path)
            features = json.loads((schema.metadata or {})[_METADATA])["info"]["features"] if schema.metadata else {}
        else:
            features = json.loads((path.parent / "dataset_info.json").read_text(encoding="utf-8")).get("features", {})
    found: dict[str, Sequence[str]] = {}
    for key, feature in features.items() if isinstance(features, dict) else ():
        inner = feature.get("feature", feature) if isinstance(feature, dict) else {}
        inner = inner[0] if isinstance(inner, list) and inner else inner
        names = inner.get("names") if isinstance(inner, dict) else None
        if isinstance(names, list):
            found[key] = [str(name) for name in names]
    return found
