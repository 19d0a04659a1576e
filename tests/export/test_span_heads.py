"""Heads that score spans: exported graphs refuse them by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from lexel.errors import LabelError
from lexel.export.folder import export_model
from tests.builders import build_span_model


@pytest.mark.parametrize("head", [None, "spans"])
def test_a_head_for_spans_is_refused_by_name(tmp_path: Path, head: str | None) -> None:
    with pytest.raises(LabelError, match="head spans scores spans, for which exported graphs have no output"):
        export_model(build_span_model(tmp_path / "model"), tmp_path / "out", head=head)
    assert not (tmp_path / "out").exists()
