"""Shortens, normalises and compares vectors for the wires."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request

from lexel.errors import OptionError
from lexel.serving.models import ServedModel
from lexel.serving.service import Service

Floats = NDArray[np.float32]


def shaped(vector: Floats, *, dimensions: int | None = None, normalise: bool | None = None) -> Floats:
    """The first numbers of a vector, normalised to length 1 on request.

    Raises:
        OptionError: If the vector is shorter.
    """
    if dimensions is not None and dimensions > len(vector):
        raise OptionError(f"dimensions is {dimensions}; the model's vectors have {len(vector)}")
    cut = vector if dimensions is None else vector[:dimensions]
    length = float(np.linalg.norm(cut))
    return cut / np.float32(length) if normalise and length else cut


async def similarities(
    service: Service, model: ServedModel, text: str, others: Sequence[str], request: Request
) -> list[float]:
    """The cosine of a vector with each of the others."""
    lane = await service.lane(model, "embed")
    found = await service.read(lane, [text, *others], request=request)
    for result in found:
        if isinstance(result, Exception):
            raise result
    first, *rest = (shaped(result.vector, normalise=True) for result in found)
    return [float(first @ other) for other in rest]
