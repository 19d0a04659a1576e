"""The shapes, in the order in which they are tried."""

from __future__ import annotations

from lexel.data.shapes.cluener import CLUENER
from lexel.data.shapes.doccano import DOCCANO
from lexel.data.shapes.hugging_face import HUGGING_FACE
from lexel.data.shapes.label_studio import LABEL_STUDIO
from lexel.data.shapes.prodigy import PRODIGY
from lexel.data.shapes.shape import Shape

SHAPES: dict[str, Shape] = {shape.name: shape for shape in (HUGGING_FACE, LABEL_STUDIO, DOCCANO, PRODIGY, CLUENER)}
