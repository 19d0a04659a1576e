"""The formats besides ONNX, with their libraries, writers and runners."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lexel.checkpoint import Checkpoint
from lexel.disk import sha256_of
from lexel.errors import CheckpointError, MissingExtra

if TYPE_CHECKING:
    from lexel.export.parity import Reference, Run
    from lexel.export.standard import Target


@dataclass(frozen=True, slots=True)
class Format:
    """One format.

    Attributes:
        module: The module of ``lexel.export`` with its writer and its runner.
        place: Its file or folder in an exported folder.
        needs: The libraries that it needs.
        install: The extra that installs them.
        is_states: Whether it gives only hidden states where other formats also give vectors of texts.
    """

    module: str
    place: str
    needs: tuple[str, ...]
    install: str
    is_states: bool = False

    def write(self, checkpoint: Checkpoint, folder: Path, target: Target, *, name: str) -> None:
        """Write a model in this format."""
        getattr(import_module(f"lexel.export.{self.module}"), f"write_{name}")(checkpoint, folder, target)

    def run(self, folder: Path, *, name: str) -> Run:
        """A runner for the exported model."""
        module = self.module if name != "litert" else "litert"
        run: Callable[[Path], Run] = getattr(import_module(f"lexel.export.{module}"), f"run_{name}")
        return run(folder)

    def files(self, folder: Path) -> list[Path]:
        """The files of this format."""
        place = folder / self.place
        return sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]


FORMATS: Mapping[str, Format] = {
    "torch": Format("torch", "model.safetensors", ("torch", "transformers"), "lexel[train]", is_states=True),
    "bin": Format("torch", "pytorch_model.bin", ("torch", "transformers"), "lexel[train]", is_states=True),
    "pt2": Format("torch_program", "model.pt2", ("torch",), "lexel[torch]"),
    "jax": Format("jax", "jax", ("jax",), "lexel[jax]"),
    "tensorflow": Format("tensorflow", "tensorflow", ("tensorflow",), "lexel[tensorflow]"),
    "litert": Format("tensorflow", "litert", ("tensorflow",), "lexel[tensorflow]"),
    "openvino": Format("openvino", "openvino", ("openvino",), "lexel"),
}


def check_libraries(names: set[str]) -> None:
    """Check that the libraries of formats are installed.

    Raises:
        MissingExtra: If one is not.
    """
    for name in sorted(names & FORMATS.keys()):
        if missing := [library for library in FORMATS[name].needs if find_spec(library) is None]:
            raise MissingExtra(f'{name} export needs {", ".join(missing)}: pip install "{FORMATS[name].install}"')


def write_format(name: str, checkpoint: Checkpoint, folder: Path, reference: Reference) -> dict[str, Any]:
    """Write a model in a format, compare it with the model, and return the difference.

    Raises:
        EngineError: If it differs too much.
    """
    chosen = FORMATS[name]
    chosen.write(checkpoint, folder, reference.target, name=name)
    parity = reference.compare(chosen.run(folder, name=name))
    parity.check(Path(name), is_exact=True, max_flips=0)
    files = chosen.files(folder)
    checksums = {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}
    return {"files": checksums, "bytes": sum(path.stat().st_size for path in files), **asdict(parity)}


def check_format(name: str, entry: Mapping[str, Any], folder: Path, reference: Reference) -> dict[str, Any]:
    """Compare an exported format with the model again.

    Raises:
        CheckpointError: If a file has changed.
        EngineError: If it differs too much.
    """
    for file, checksum in entry["files"].items():
        if not (folder / file).is_file() or sha256_of(folder / file) != checksum:
            raise CheckpointError(f"{folder / file}: not the file that was exported; export the model again")
    parity = reference.compare(FORMATS[name].run(folder, name=name))
    parity.check(Path(name), is_exact=True, max_flips=0)
    return {**entry, **asdict(parity)}
