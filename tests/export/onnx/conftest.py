"""ONNX Runtime is imported by the tests themselves, as its users do, but without its telemetry."""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
