"""Which model a request is for."""

from __future__ import annotations

import pytest

from lexel.serving.asked import asked_model


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/v1/tag", b'{"text": "a", "model": "zh"}', "zh"),
        ("/v1/tag", b'{"text": "a"}', None),
        ("/v1/tag", b"not JSON", None),
        ("/v1/tag", b"[1]", None),
        ("/v1/tag", b'{"model": 5}', None),
        ("/ready", b"", None),
        ("/models/zh", b"{}", "zh"),
        ("/models/owner/name", b"{}", "owner/name"),
        ("/models/owner/name/pipeline/fill-mask", b"{}", "owner/name"),
        ("/pipeline/fill-mask/owner/name", b"{}", "owner/name"),
        ("/v2/models/zh/infer", b"\x00binary", "zh"),
        ("/v2/models/zh", b"", "zh"),
        ("/v2/health/ready", b"", None),
    ],
)
def test_a_request_names_its_model_by_path_or_body(path: str, body: bytes, name: str | None) -> None:
    assert asked_model(path, body) == name
