"""What every test runs under: no network, reproducible examples, two threads at most in other libraries."""

from __future__ import annotations

import os

from hypothesis import settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

settings.register_profile("lexel", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("lexel")
