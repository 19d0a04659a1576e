"""The files of a model folder that Lexel reads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from lexel.checkpoint.exported import exported_files
from lexel.checkpoint.quantised import GRAPH, GRAPH_WEIGHTS
from lexel.checkpoint.weights import BIN, BIN_INDEX, SAFETENSORS, SAFETENSORS_INDEX, weight_files

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "*.model",
)
TRANSITION_BIASES = "viterbi_calibration.json"
DESCRIPTION_FILES = ("config.json", "lexel.json", TRANSITION_BIASES, "README.md", "LICENSE*", "NOTICE*")
SENTENCE_FILES = (
    "modules.json",
    "sentence_*_config.json",
    "config_sentence_transformers.json",
    "[0-9]_*/config.json",
    "[0-9]_*/model.safetensors",
    "[0-9]_*/pytorch_model.bin",
)
"""Further files of a sentence-transformers folder, see ``lexel.checkpoint.sentence_transformers``."""
SAFETENSORS_FILES = (SAFETENSORS, SAFETENSORS_INDEX, "model-*.safetensors")
BIN_FILES = (BIN, BIN_INDEX, "pytorch_model-*.bin")


_SMALL = (*DESCRIPTION_FILES, *TOKENIZER_FILES, *SENTENCE_FILES, GRAPH, GRAPH_WEIGHTS)


def is_read(name: str, patterns: Sequence[str] = _SMALL) -> bool:
    """Whether a file name matches one of the patterns; by default all patterns except those of weights."""
    return any(fnmatchcase(name, pattern) for pattern in patterns) and not (
        patterns is _SMALL and "/" in name and not re.match(r"[0-9]_[^/]*/[^/]*$", name)
    )


def description_files(folder: Path) -> list[str]:
    """The names of the files of a folder that describe the model, in order of name."""
    return sorted(path.name for path in folder.iterdir() if path.is_file() and is_read(path.name, DESCRIPTION_FILES))


def files_read(folder: Path) -> list[str]:
    """The names of the files that loading a folder reads, in order of name.

    If there are weights in both forms, only the safetensors count, as in loading.

    Raises:
        WeightError: If an index of shards cannot be read.
    """
    found = [path.relative_to(folder).as_posix() for path in (*folder.glob("*"), *folder.glob("[0-9]_*/*"))]
    named = {name for name in found if is_read(name)}
    twins = {name for name in named if name.endswith(f"/{BIN}") and name.replace(BIN, SAFETENSORS) in named}
    read = (named - twins) | set(weight_files(folder)) | set(exported_files(folder))
    return sorted(name for name in read if (folder / name).is_file())
