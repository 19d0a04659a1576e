"""The tests of daily work: two minutes, without the libraries that Lexel is compared with.

python -m tests.fast [options of pytest]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

FOLDERS = ("data_formats", "decoding", "flow", "labels", "licences", "metrics", "script", "text")
"""Folders of ``tests`` whose files are run; with them, the files beside these folders."""

_LEFT_OUT = ("test_privacy.py", "test_long_text.py")
"""Files that start other libraries in processes, or by an engine's name."""

_PEERS = """accelerate ckip_transformers datasets fastapi jieba lancedb nncf onnx onnxruntime openai pandas peft
    playwright polars presidio_analyzer sentence_transformers sentencepiece seqeval sklearn spacy torch transformers
    tritonclient"""
_PEER = rf"(?:from|import) (?:{'|'.join(_PEERS.split())})\b"
_ANYWHERE, _AT_ITS_HEAD = re.compile(rf"^\s*{_PEER}", re.MULTILINE), re.compile(f"^{_PEER}", re.MULTILINE)
_OURS = re.compile(r"^from (tests(?:\.\w+)+) import", re.MULTILINE)


def fast_files(root: Path) -> list[Path]:
    """The test files of these folders that need none of the other libraries."""
    files = [*root.glob("test_*.py"), *(path for name in FOLDERS for path in root.glob(f"{name}/test_*.py"))]
    return sorted(path for path in files if path.name not in _LEFT_OUT and not _needs_peer(path))


def _needs_peer(path: Path) -> bool:
    """Whether a test file imports another library, or a module of ours that cannot be imported without one."""
    waiting, seen = [path], {path}
    while waiting:
        module = waiting.pop()
        text = module.read_text("utf-8")
        if (_ANYWHERE if module is path else _AT_ITS_HEAD).search(text):
            return True
        for name in _OURS.findall(text):
            imported = Path(__file__).parents[1].joinpath(*name.split(".")).with_suffix(".py")
            if imported.exists() and imported not in seen:
                seen.add(imported)
                waiting.append(imported)
    return False


if __name__ == "__main__":
    files = map(str, fast_files(Path(__file__).parent))
    sys.exit(pytest.main([*files, "-n", "2", "--dist", "loadfile", *sys.argv[1:]]))
