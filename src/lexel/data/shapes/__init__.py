"""Reads and writes labelled records of other tools: Hugging Face datasets, doccano, Label Studio, Prodigy and CLUENER.

Each shape is a row of ``SHAPES``: how its records are recognised, read as Documents and written.
"""

from lexel.data.shapes.files import read_shaped, shape_of_file, write_shaped
from lexel.data.shapes.table import SHAPES

__all__ = ["SHAPES", "read_shaped", "shape_of_file", "write_shaped"]
