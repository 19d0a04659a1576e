"""Builders of model folders from nothing, and the guard that keeps these tests off the network."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from lexel.errors import WeightError

BERT = {
    "model_type": "bert",
    "architectures": ["BertForTokenClassification"],
    "vocab_size": 11,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 32,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
    "id2label": {"0": "B", "1": "I"},
}

FolderBuilder = Callable[..., Path]


def outcome_of(read: Callable[[Path], Any], path: Path) -> Any:
    """What reading a file gives, or the message with which it is refused."""
    try:
        return read(path)
    except WeightError as error:
        return str(error)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tests connect to this machine only."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else address
        assert host in ("127.0.0.1", "::1", "localhost"), f"a test tried to reach {host}"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def build_folder(tmp_path: Path) -> FolderBuilder:
    """Make a model folder: a config (``None`` leaves a key out), tensors, and other files."""

    def build(
        config: Mapping[str, Any] | None = None,
        *,
        tensors: Mapping[str, np.ndarray] | None = None,
        files: Mapping[str, str] | None = None,
        name: str = "model",
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        values = {key: value for key, value in {**BERT, **(config or {})}.items() if value is not None}
        (folder / "config.json").write_text(json.dumps(values))
        if tensors is not None:
            save_file(dict(tensors), folder / "model.safetensors", {"format": "pt"})
        for file, text in (files or {}).items():
            (folder / file).write_text(text, encoding="utf-8")
        return folder

    return build
