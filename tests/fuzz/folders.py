"""Broken model folders, read in a bounded process: each is read, or refused in one line; nothing else happens.

    python -m tests.fuzz.folders --cases 20000 --seed 7

Each case is a good tiny folder in which one to three files are broken, see ``breaking``. A child process reads many
of them, one after the other. It may take 2 GB of memory and, for a case, 20 s of a processor (five minutes of the
clock, since the machine may be busy); opening a file elsewhere to write, starting a program or running code that a
file holds is a fault. If a case ends the child, the next child goes on after it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import selectors
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).parents[2]
MEMORY_BYTES = 2 << 30
TIMEOUT_S = 20
STARVED_S = 300
TEXTS = ["天下大王 new york", "a", "", "living 2026!"]


@dataclass(frozen=True)
class Outcome:
    """How reading one broken folder ended.

    Attributes:
        number: The case.
        what: Which folder and files were broken.
        kind: ``read``, ``refused``, or a fault: ``raised``, ``ended``, ``hung``, ``large``, ``reached out``.
        said: The message.
        seconds: How long a processor worked on it.
    """

    number: int
    what: str
    kind: str
    said: str
    seconds: float


# The folders ---------------------------------------------------------------------------------------------------------

Folder = dict[str, bytes]


def good_folders() -> dict[str, Folder]:
    """A folder of each form, as bytes by name."""
    from safetensors.numpy import load

    from tests import builders
    from tests.fuzz.breaking import torch_archive

    heads = {"words": builders.WORDS, "pos": builders.POS, "entities": builders.ENTITIES}
    found: dict[str, Folder] = {}
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        builders.build_tagger(root / "tagger", heads={"entities": builders.ENTITIES})
        builders.build_tagger(root / "joint", heads=heads, pieces="chars")
        builders.build_sentence_model(root / "sentence")
        for name in ("byte-level", "unigram"):
            builders.build_tagger(root / name, heads={"entities": builders.ENTITIES}, config={"vocab_size": 300})
            (root / name / "vocab.txt").unlink()
        builders.write_byte_level_tokenizer(root / "byte-level")
        builders.write_unigram_tokenizer(root / "unigram")
        for name in ("tagger", "joint", "sentence", "byte-level", "unigram"):
            found[name] = _bytes_of(root / name)
    merged = json.loads(found["byte-level"]["tokenizer.json"])["model"]
    merges = "#version: 0.2\n" + "".join(f"{first} {second}\n" for first, second in merged["merges"])
    found["merges"] = {name: data for name, data in found["byte-level"].items() if name != "tokenizer.json"} | {
        "vocab.json": json.dumps(merged["vocab"]).encode(),
        "merges.txt": merges.encode(),
        "tokenizer_config.json": b'{"tokenizer_class": "RobertaTokenizer", "add_prefix_space": false}',
    }
    found["bin"] = {name: data for name, data in found["tagger"].items() if not name.endswith("safetensors")} | {
        "pytorch_model.bin": torch_archive(load(found["tagger"]["model.safetensors"]))
    }
    dense = b'{"in_features": 32, "out_features": 4, "bias": true}'
    found["sentence"]["modules.json"] = found["sentence"]["modules.json"][:-1] + (
        b', {"idx": 3, "name": "3", "path": "3_Dense", "type": "sentence_transformers.models.Dense"}]'
    )
    found["sentence"]["3_Dense/config.json"] = dense
    found["sentence"]["3_Dense/model.safetensors"] = _dense_weights()
    found["joint"]["README.md"] = b"---\nlicense: mit\ntags:\n- a\n---\n# A model\n"
    recipe = (ROOT / "recipes/cross_lingual/finetune.yaml").read_bytes()
    found["recipe"] = {
        "recipe.yaml": b"train: a.conllu\noutput_dir: out\ntokenizer: tokenizer\nvalidation: b.conllu\n" + recipe
    }
    return found


def _bytes_of(folder: Path) -> Folder:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def _dense_weights() -> bytes:
    import numpy as np
    from safetensors.numpy import save

    return save({"linear.weight": np.ones((4, 32), np.float32), "linear.bias": np.zeros(4, np.float32)})


def int8_folder() -> Folder:
    """The bundled model's files that tell what its int8 graph is; the others lie in the package."""
    from lexel.checkpoint.source import bundled_folder

    return {name: (bundled_folder() / name).read_bytes() for name in ("lexel.json", "openvino-int8.xml")}


def read_folder(name: str, folder: Path) -> None:
    """Read a folder to the end of what it is for."""
    if name == "recipe":
        from lexel.training.config.recipe import build_options, read_recipe

        build_options(read_recipe(folder / "recipe.yaml"))
        return
    if name == "sentence":
        from lexel.tasks.embed import Embedder

        list(Embedder.load(folder, engine="numpy").stream(TEXTS))
        return
    import lexel

    engine = {"engine": "openvino", "precision": "int8", "threads": 1} if name == "int8" else {"engine": "numpy"}
    reader = lexel.load(folder, **engine)
    list(reader.stream(TEXTS))
    assert reader.description


# One case ------------------------------------------------------------------------------------------------------------


def break_folder(random: Random, folders: Mapping[str, Folder]) -> tuple[str, Folder]:
    """One of the folders, and what was made of the files that were broken."""
    from tests.fuzz import breaking

    name = random.choices(list(folders), [1 if name == "int8" else 6 for name in folders])[0]
    files = dict(folders[name])
    changed: Folder = {}
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        file = random.choice(sorted(files))
        ways = (breaking.broken_tokenizer,) if file == "tokenizer.json" and random.random() < 0.5 else None
        way = random.choice(ways or breaking.BY_SUFFIX[Path(file).suffix])
        try:
            files[file] = changed[file] = way(random, files[file])
        except Exception:  # noqa: BLE001  # what is broken already may be no such file any more
            files[file] = changed[file] = breaking.broken_bytes(random, files[file])
    if name == "int8" and "openvino-int8.xml" in changed and random.random() < 0.8:
        files["lexel.json"] = changed["lexel.json"] = _bound(files)
    return name, changed


def _bound(files: Folder) -> bytes:
    """A lexel.json with the checksum of the broken graph, as somebody hostile would write it."""
    values = json.loads((int8_folder())["lexel.json"])
    values["quantised"]["xml_sha256"] = hashlib.sha256(files["openvino-int8.xml"]).hexdigest()
    return json.dumps(values).encode()


def write_case(name: str, changed: Folder, folders: Mapping[str, Folder], place: Path) -> Path:
    """The folder of a case on the disk."""
    folder = place / "model"
    if name == "int8":
        from lexel.checkpoint.source import bundled_folder

        folder.mkdir()
        for file in bundled_folder().iterdir():
            (folder / file.name).symlink_to(file)
    for file, data in (folders[name] | changed).items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).unlink(missing_ok=True)
        (folder / file).write_bytes(data)
    return folder


# The child -----------------------------------------------------------------------------------------------------------

_FORBIDDEN = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.forkpty",
    "pickle.find_class",
)
_CODE = ("exec", "compile", "ctypes.dlopen")
_LIBRARIES = (sys.base_prefix, sys.prefix, str(ROOT / "src"))
"""Where modules lie that may still be imported while a folder is read."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Guard:
    """Sees whatever the process does that reading a folder must not do; it cannot be taken off."""

    def __init__(self, place: Path) -> None:
        self.place = str(place)
        self.is_watching = False
        self.seen: list[str] = []
        sys.addaudithook(self._see)

    def _see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.is_watching:
            return
        file = str(getattr(arguments[0], "co_filename", "")) if event == "exec" else ""
        is_code = event in _CODE and not file.startswith(_LIBRARIES)
        if event in _FORBIDDEN or is_code or event.startswith("socket."):
            self.seen.append(f"{event} {str(arguments)[:200]}")
        if event == "open":
            path, _, flags = arguments
            inside = isinstance(path, int) or str(path).startswith((self.place, "/dev/null"))
            if isinstance(flags, int) and flags & _WRITING and not inside:
                self.seen.append(f"open to write {path!r}")
            if str(path).startswith(("/etc/passwd", "/etc/shadow")):
                self.seen.append(f"open {path!r}")


def run_child(seed: int, first: int, last: int) -> None:
    """Read the cases ``[first, last)``, telling of each on standard output before and after."""
    from lexel.errors import LexelError
    from tests.fuzz.breaking import CANARY

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    folders = good_folders() | {"int8": int8_folder()}
    place = Path(tempfile.mkdtemp(prefix="lexel-fuzz-"))
    os.chdir(place)
    for name in folders:  # everything is imported before the guard watches
        folder = place / name
        folder.mkdir()
        read_folder(name, write_case(name, {}, folders, folder))
    guard = Guard(place)
    limit = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + MEMORY_BYTES, limit))
    for number in range(first, last):
        name, changed = break_folder(Random(seed * 1_000_003 + number), folders)
        what = f"{name}: {', '.join(changed)}"
        print(json.dumps({"start": number, "what": what}), flush=True)
        case = place / f"case{number}"
        case.mkdir()
        folder = write_case(name, changed, folders, case)
        guard.is_watching, start = True, time.process_time()
        kind, said = _read(lambda name=name, folder=folder: read_folder(name, folder), LexelError)
        guard.is_watching = False
        if guard.seen or (place / CANARY).exists():
            kind, said = "reached out", "; ".join(guard.seen) or CANARY
            guard.seen.clear()
        seconds = time.process_time() - start
        print(json.dumps({"end": number, "kind": kind, "said": said, "seconds": seconds}), flush=True)
        _remove(case)
    os.chdir("/")
    _remove(place)


def _read(read: Callable[[], None], refused: type[Exception]) -> tuple[str, str]:
    try:
        read()
    except refused as error:
        said = str(error)
        kind = "refused" if said.isprintable() and 0 < len(said) <= 500 else "raised"
        return kind, said[:500]
    except BaseException as error:  # noqa: BLE001  # a library's panic is no Exception
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        at = "" if trace is None else f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        kind = "large" if isinstance(error, MemoryError) else "raised"
        return kind, f"{type(error).__name__}: {str(error)[:300]}{at}"
    return "read", ""


def _address_space() -> int:
    """Bytes of address space that this process has taken so far."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    return pages * resource.getpagesize()


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


# The parent ----------------------------------------------------------------------------------------------------------


def run_cases(*, seed: int, n_cases: int, first: int = 0) -> Iterator[Outcome]:
    """Read broken folders in children that are bounded; gives each outcome."""
    number = first
    while number < first + n_cases:
        for outcome in _watch(seed, number, first + n_cases):
            yield outcome
            number = outcome.number + 1


def _watch(seed: int, first: int, last: int) -> Iterator[Outcome]:
    """The outcomes of one child, until it ends or has to be ended."""
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.fuzz.folders", "--child", f"{seed},{first},{last}"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, cwd=ROOT, env=environment)
        assert child.stdout is not None
        started: dict[str, Any] | None = None
        try:
            for line in _lines(child.stdout.fileno(), timeout_s=STARVED_S):
                told = json.loads(line)
                if "start" in told:
                    started = told
                    continue
                assert started is not None
                kind = "hung" if told["seconds"] > TIMEOUT_S else told["kind"]
                yield Outcome(told["end"], started["what"], kind, told["said"], told["seconds"])
                started = {"start": told["end"] + 1, "what": "(being made)"} if told["end"] + 1 < last else None
                if started is None:
                    return
            ended = child.poll() is not None or child.stdout.closed
            child.kill()
            child.wait()
            errors.seek(0)
            said = errors.read().decode("utf-8", "replace")[-2000:]
            if started is None:
                raise RuntimeError(f"the child did not begin: {said}")
            yield Outcome(started["start"], started["what"], "ended" if ended else "hung", said, TIMEOUT_S)
        finally:
            child.kill()
            child.wait()
            child.stdout.close()


def _lines(descriptor: int, *, timeout_s: float) -> Iterator[bytes]:
    """Lines as they come; ends when the stream does, or when nothing comes for too long."""
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while selector.select(timeout_s):
            data = os.read(descriptor, 1 << 16)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            yield from lines


def main() -> int:
    """Read many cases, and say what they came to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        run_child(*map(int, asked.child.split(",")))
        return 0
    counts: Counter[str] = Counter()
    slowest = 0.0
    for outcome in run_cases(seed=asked.seed, n_cases=asked.cases, first=asked.first):
        counts[outcome.kind] += 1
        slowest = max(slowest, outcome.seconds)
        if outcome.kind not in ("read", "refused"):
            print(f"{outcome.number} {outcome.what}: {outcome.kind}: {outcome.said}", flush=True)
    print(", ".join(f"{kind} {count:,}" for kind, count in sorted(counts.items())), f"; slowest {slowest:.1f} s")
    return 0 if set(counts) <= {"read", "refused"} else 1


if __name__ == "__main__":
    sys.exit(main())
