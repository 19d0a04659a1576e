"""Reads and writes labelled data of corpora (CoNLL-2012, GermEval, OntoNotes, UNER) and tools (brat, spaCy, WebAnno).

Each format has a file. ``word_rows`` is shared by formats with one row per word; ``detect`` tells formats apart.
"""

from lexel.data.annotated.brat import is_brat_folder, read_brat, write_brat
from lexel.data.annotated.conll2012 import read_conll2012, write_conll2012
from lexel.data.annotated.detect import format_by_content
from lexel.data.annotated.docbin import read_docbin, write_docbin
from lexel.data.annotated.germeval import read_germeval, write_germeval
from lexel.data.annotated.ontonotes import read_ontonotes, write_ontonotes
from lexel.data.annotated.uner import read_uner, write_uner
from lexel.data.annotated.webanno import read_webanno, write_webanno

__all__ = [
    "format_by_content",
    "is_brat_folder",
    "read_brat",
    "read_conll2012",
    "read_docbin",
    "read_germeval",
    "read_ontonotes",
    "read_uner",
    "read_webanno",
    "write_brat",
    "write_conll2012",
    "write_docbin",
    "write_germeval",
    "write_ontonotes",
    "write_uner",
    "write_webanno",
]
