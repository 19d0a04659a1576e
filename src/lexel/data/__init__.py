"""Reads and writes documents: plain text, segmented text, CoNLL, CoNLL-U, JSON lines, Parquet, HTML, terminal.

The formats of other tools and corpora are in ``annotated`` and ``shapes``.

``read_x(source)`` yields Documents one at a time in constant memory. ``write_x(documents, out)`` writes them and
returns what the format could not hold; a file gets its final name only when it is complete. ``FORMATS`` lists the
formats.
"""

from lexel.data.conll import read_conll, write_conll
from lexel.data.conllu import read_conllu, write_conllu
from lexel.data.faults import Faults
from lexel.data.folding import FOLDS, Fold, fold_of
from lexel.data.formats import FORMATS, Format, by_ending, format_named, format_of_file, reader_of
from lexel.data.html_page import write_html
from lexel.data.jsonl import read_jsonl, write_jsonl
from lexel.data.lines import read_lines, write_lines
from lexel.data.omissions import Loss, Losses
from lexel.data.parquet import read_parquet, write_parquet
from lexel.data.render import write_terminal
from lexel.data.segmented import read_segmented, write_segmented

__all__ = [
    "FOLDS",
    "FORMATS",
    "Faults",
    "Fold",
    "Format",
    "Loss",
    "Losses",
    "by_ending",
    "fold_of",
    "format_named",
    "format_of_file",
    "read_conll",
    "read_conllu",
    "read_jsonl",
    "read_lines",
    "read_parquet",
    "read_segmented",
    "reader_of",
    "write_conll",
    "write_conllu",
    "write_html",
    "write_jsonl",
    "write_lines",
    "write_parquet",
    "write_segmented",
    "write_terminal",
]
