"""Make the first bundled Chinese model, from open corpora to a finished folder, on a CPU.

    python recipes/zh_first/make_model.py --corpora DIR --out DIR [--work DIR] [--minutes 45]

Stages, each of which is skipped when its result lies in ``--work`` (so a killed run goes on where it was):

1. ``prepare``: raw text in both scripts, silver words and dictionary tags by jieba, the character vocabulary;
2. ``pretrain``: masked characters + silver boundaries + silver tags, from random weights, packed rows;
3. ``finetune``: words, universal tags and entities on gold data, chosen on the development sets;
4. ``export``: the Lexel folder in float16, with its card; the test sets are looked at here, once.

Needs torch, numpy, safetensors, jieba and opencc. Everything random is seeded; how many steps the time allows depends
on the machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import lzma
import math
import multiprocessing
import multiprocessing.synchronize
import os
import platform
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional

# The C library gives large blocks back to the system after every operation, and each step then pays for fresh pages:
# a fifth of the time. It reads these settings when a process starts, so the script starts itself once more.
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": "8589934592",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "268435456",
    "THP_MEM_ALLOC_ENABLE": "1",
}
log = logging.getLogger("zh_first")

SEED = 20261120
PAD, UNK, CLS, SEP, MASK = range(5)
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCAB_SIZE = 7168
HIDDEN, LAYERS, HEADS, INNER, POSITIONS, EPS = 256, 4, 4, 1024, 256, 1e-12
MAX_CHARS = POSITIONS - 2
NONE = 255  # no label at this character
IGNORE = -100

# How often each raw file is read in one round. The text the model is for is encyclopaedia, news and talk; official
# documents are plentiful and monotonous, so a part of them is enough.
RAW_WEIGHTS = {
    "wikipedia_shards": 5.0,
    "drcd": 5.0,
    "cmrc2018": 5.0,
    "commonvoice_zh_cn": 5.0,
    "xquad_zh": 5.0,
    "ntrex128": 5.0,
    "wikipedia_itn": 5.0,
    "tico19_zh": 2.0,
    "tatoeba": 2.0,
    "crosswoz": 1.0,
    "kdconv": 2.0,
    "readr_election_talks": 2.0,
    "commonvoice_zh_tw": 2.0,
    "commonvoice_zh_hk": 1.0,
    "cc0_sentences_zh_tw": 2.0,
    "opensource_guide_zh": 2.0,
    "d2l_zh": 1.0,
    "oi_wiki": 1.0,
    "vue_react_docs": 1.0,
    "classic_novels": 0.7,
    "poetry": 0.3,
    "ly_gazette_trad": 0.5,
    "ly_gazette_simp": 0.5,
    "prc_laws": 0.35,
    "tw_laws": 0.5,
    "gold": 5.0,
}
EMOJI = (
    "😀😃😄😁😆😅😂🤣😊😇🙂🙃😉😌😍🥰😘😗😙😚😋😛😝😜🤪🤨🧐🤓😎🤩🥳😏😒😞😔😟😕🙁😣😖😫😩🥺😢😭😤😠😡🤬🤯😳🥵🥶😱😨😰😥😓"
    "🤗🤔🤭🤫🤥😶😐😑😬🙄😯😦😧😮😲🥱😴🤤😪😵🤐🥴🤢🤮🤧😷🤒🤕🤑👍👎👌✌🤞🙏💪👏🙌👋🤝❤🧡💛💚💙💜🖤💔💕💖✨⭐🌟🔥💯"
    "🎉🎊🎁🎂☀🌙⚡❄🌈🌸🌹🍀☕🍺🍜🍎🐶🐱🐼🚗✈🚀📱💻📷📚📈📉💰⚠✅❌❓❗➡⬅⬆⬇♥♦♣♠♪♫☎☑✔✘"
)
ENTITY_TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]


# ---------------------------------------------------------------------------------------------------- prepare


def read_lines(path: Path) -> list[str]:
    """Return the paragraphs of a raw file, which may be compressed."""
    with lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open(encoding="utf-8") as lines:
        return [line.strip() for line in lines if len(line.strip()) >= 4]


def read_labelled(corpora: Path, name: str, split: str) -> list[dict]:
    """Return the sentences of a labelled set, with the universal tags folded as UD 2.12 had them."""
    path = corpora / "labelled" / name / f"{split}.jsonl"
    sentences = [json.loads(line) for line in path.open(encoding="utf-8")]
    for sentence in sentences:
        if sentence.get("xpos"):
            sentence["upos"] = [fold(u, x) for u, x in zip(sentence["upos"], sentence["xpos"], strict=True)]
    return sentences


def fold(upos: str, xpos: str) -> str:
    """Undo the SCONJ of UD Chinese GSD since 2.13, which no other Chinese treebank has."""
    return {"RB": "ADV", "DEC": "PART", "DEV": "PART"}.get(xpos, upos) if upos == "SCONJ" else upos


SENTENCE = re.compile(r"[^。！？!?；;…]*[。！？!?；;…]+[”」』’\"）)]*|.+")


def cut_sentences(text: str) -> list[int]:
    """Return the ends of the sentences of a paragraph; none is longer than the encoder takes."""
    ends = []
    for match in SENTENCE.finditer(text):
        start, end = match.span()
        while end - start > MAX_CHARS:
            comma = max(text.rfind(c, start + 60, start + MAX_CHARS) for c in "，、,：: ")
            start = comma + 1 if comma > 0 else start + MAX_CHARS
            ends.append(start)
        ends.append(end)
    return ends


class Silver:
    """jieba's words and its dictionary's tags, and both scripts of a text. One per process."""

    def __init__(self) -> None:
        import jieba
        import opencc

        jieba.setLogLevel(logging.ERROR)
        jieba.initialize()
        self.cut = jieba.cut
        self.simplify, self.traditionalise = opencc.OpenCC("t2s").convert, opencc.OpenCC("s2t").convert
        with jieba.get_dict_file() as lines:
            entries = [line.decode("utf-8").split() for line in lines]
        counts = Counter(tag for _, _, tag in entries)
        self.tags = sorted(tag for tag, count in counts.items() if count >= 40)
        ids = {tag: i for i, tag in enumerate(self.tags)}
        self.tag_of = {word: ids[tag] for word, _, tag in entries if tag in ids}

    def label(self, text: str) -> tuple[str, str, bytes, bytes]:
        """Return the simplified and traditional form, and for each character: word start (2: blank) and tag."""
        simplified = self.simplify(text)
        if len(simplified) != len(text):
            simplified = text
        traditional = text if simplified != text else self.traditionalise(text)
        if len(traditional) != len(text):
            traditional = text
        starts, tags = bytearray(), bytearray()
        for word in self.cut(simplified):
            if word.isspace():
                starts += b"\x02" * len(word)
                tags += bytes([NONE]) * len(word)
            else:
                starts += b"\x01" + b"\x00" * (len(word) - 1)
                tags += bytes([self.tag_of.get(word, NONE)]) * len(word)
        return simplified, traditional, bytes(starts), bytes(tags)


silver: Silver | None = None


def start_worker() -> None:
    """Load jieba and opencc once in each process."""
    global silver
    silver = Silver()


def label_paragraphs(paragraphs: list[str]) -> dict[str, np.ndarray]:
    """Label some paragraphs; the result is flat arrays with the ends of sentences and paragraphs."""
    simplified, traditional, starts, tags, sentence_ends, paragraph_ends = [], [], [], [], [], []
    n = 0
    for text in paragraphs:
        parts = silver.label(text)
        for column, part in zip((simplified, traditional, starts, tags), parts, strict=True):
            column.append(part)
        sentence_ends += [n + end for end in cut_sentences(text)]
        n += len(text)
        paragraph_ends.append(len(sentence_ends))
    return {
        "simplified": code_points("".join(simplified)),
        "traditional": code_points("".join(traditional)),
        "starts": np.frombuffer(b"".join(starts), np.uint8),
        "tags": np.frombuffer(b"".join(tags), np.uint8),
        "sentence_ends": np.array(sentence_ends, np.int64),
        "paragraph_ends": np.array(paragraph_ends, np.int64),
    }


def code_points(text: str) -> np.ndarray:
    """Return a text as an array of its code points."""
    return np.frombuffer(text.encode("utf-32-le", "replace"), "<u4")


def join_parts(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Join labelled chunks into one; the ends are counted on."""
    joined = {key: np.concatenate([p[key] for p in parts]) for key in ("simplified", "traditional", "starts", "tags")}
    for key, over in (("sentence_ends", "starts"), ("paragraph_ends", "sentence_ends")):
        before = np.cumsum([0] + [len(p[over]) for p in parts[:-1]])
        joined[key] = np.concatenate([p[key] + b for p, b in zip(parts, before, strict=True)])
    return joined


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays aside and rename them into place."""
    aside = path.with_suffix(".tmp.npz")
    np.savez(aside, **arrays)
    aside.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a text aside and rename it into place."""
    aside = path.with_name(path.name + ".tmp")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def gold_texts(corpora: Path) -> list[str]:
    """Return the texts of the training splits, which are read as raw text too."""
    sets = ("zh_gsd", "zh_gsdsimp", "zh_aishell_ner")
    return [s["text"] for name in sets for s in read_labelled(corpora, name, "train")]


def prepare(corpora: Path, work: Path, processes: int) -> None:
    """Label every raw file and count the characters for the vocabulary."""
    if (work / "vocab.txt").exists():
        log.info("prepare: already done")
        return
    counts: Counter[int] = Counter()
    with multiprocessing.get_context("spawn").Pool(processes, start_worker) as pool:
        for name in RAW_WEIGHTS:
            path = work / "text" / f"{name}.npz"
            if not path.exists():
                began = time.time()
                paths = [p for p in (corpora / "raw" / f"{name}.txt", corpora / "raw" / f"{name}.txt.xz") if p.exists()]
                lines = gold_texts(corpora) if name == "gold" else read_lines(paths[0])
                chunks = [lines[i : i + 500] for i in range(0, len(lines), 500)]
                write_npz(path, join_parts(pool.map(label_paragraphs, chunks, chunksize=1)))
                log.info("prepare: %s, %d paragraphs in %.0f s", name, len(lines), time.time() - began)
            with np.load(path) as arrays:
                for script in ("simplified", "traditional"):
                    values, found = np.unique(arrays[script], return_counts=True)
                    weight = 100 if name == "gold" else 1  # a character of the training sentences is always wanted
                    counts.update(dict(zip(values.tolist(), (found * weight).tolist(), strict=True)))
    write_text(work / "vocab.txt", "\n".join(make_vocabulary(counts)) + "\n")


def make_vocabulary(counts: Counter[int]) -> list[str]:
    """Return the special pieces, printable ASCII, full-width forms, emoji, then characters by their counts."""
    pieces = dict.fromkeys(SPECIAL)
    pieces.update(dict.fromkeys(map(chr, [*range(0x21, 0x7F), *range(0xFF01, 0xFF5F)])))
    pieces.update(dict.fromkeys(EMOJI))
    for code, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        char = chr(code)
        if len(pieces) == VOCAB_SIZE:
            break
        if not char.isspace() and char.isprintable():
            pieces[char] = None
    return list(pieces)


def read_vocabulary(work: Path) -> dict[str, int]:
    """Return the pieces of ``vocab.txt`` with their ids."""
    return {piece: i for i, piece in enumerate((work / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1])}


def lookup_table(vocabulary: dict[str, int]) -> np.ndarray:
    """Return the id of every code point; what is unknown or blank gives [UNK]."""
    table = np.full(0x110000, UNK, np.int16)
    for piece, i in vocabulary.items():
        if len(piece) == 1:
            table[ord(piece)] = i
    return table


# ---------------------------------------------------------------------------------------------------- rows


@dataclass
class Sequence:
    """One sequence for the encoder: ids with [CLS] and [SEP], and its labels by name."""

    ids: np.ndarray
    labels: dict[str, np.ndarray]


@dataclass
class Row:
    """A row that is being filled with sequences."""

    length: int
    used: int = 0
    sequences: list[Sequence] = field(default_factory=list)


class Packer:
    """Fills rows of 128 or 256 pieces by first fit, and gives them out in batches of one length."""

    def __init__(self, batch_pieces: int, names: list[str], n_open: int = 24) -> None:
        self.batch_pieces, self.names, self.n_open = batch_pieces, names, n_open
        self.open: dict[int, list[Row]] = {128: [], 256: []}
        self.full: dict[int, list[Row]] = {128: [], 256: []}

    def add(self, sequence: Sequence) -> dict[str, np.ndarray] | None:
        """Take one sequence; give a batch when one is full."""
        n = len(sequence.ids)
        for length in (256, 128):
            if n > 128 and length == 128:
                continue
            for row in self.open[length]:
                if row.used + n <= length:
                    return self.put(row, sequence)
        row = Row(256 if n > 128 else 128)
        self.open[row.length].append(row)
        batch = self.close(row.length) if len(self.open[row.length]) > self.n_open else None
        self.put(row, sequence)
        return batch

    def put(self, row: Row, sequence: Sequence) -> None:
        """Put a sequence into a row that has room for it."""
        row.sequences.append(sequence)
        row.used += len(sequence.ids)

    def close(self, length: int) -> dict[str, np.ndarray] | None:
        """Close the fullest open row; give a batch when there are enough."""
        rows = self.open[length]
        rows.sort(key=lambda row: row.used)
        self.full[length].append(rows.pop())
        if len(self.full[length]) * length < self.batch_pieces:
            return None
        batch, self.full[length] = self.full[length], []
        return self.arrays(batch, length)

    def flush(self) -> Iterator[dict[str, np.ndarray]]:
        """Give out what is left."""
        for length in self.open:
            rows = self.full[length] + self.open[length]
            self.open[length], self.full[length] = [], []
            if rows:
                yield self.arrays(rows, length)

    def arrays(self, rows: list[Row], length: int) -> dict[str, np.ndarray]:
        """Return [rows, length] arrays of a batch."""
        shape = (len(rows), length)
        batch = {"ids": np.zeros(shape, np.int64), "positions": np.zeros(shape, np.int64)}
        batch["sequences"] = np.zeros(shape, np.int64)
        batch |= {name: np.full(shape, IGNORE, np.int64) for name in self.names}
        for r, row in enumerate(rows):
            at = 0
            for k, sequence in enumerate(row.sequences):
                span = slice(at, at + len(sequence.ids))
                batch["ids"][r, span] = sequence.ids
                batch["positions"][r, span] = np.arange(len(sequence.ids))
                batch["sequences"][r, span] = k + 1
                for name in self.names:
                    batch[name][r, span][1:-1] = sequence.labels[name]
                at = span.stop
        return batch


def wrap(ids: np.ndarray) -> np.ndarray:
    """Put [CLS] and [SEP] around the ids of a text."""
    return np.concatenate([[CLS], ids, [SEP]])


class RawText:
    """The prepared raw text, dealt out as sequences for ever, a weighted round after another."""

    def __init__(self, work: Path, vocabulary: dict[str, int], only: list[str] | None = None) -> None:
        table = lookup_table(vocabulary)
        self.emoji = [vocabulary[c] for c in dict.fromkeys(EMOJI)]
        self.files, self.chars = {}, 0.0
        for name, weight in RAW_WEIGHTS.items():
            if only is None or name in only:
                with np.load(work / "text" / f"{name}.npz") as arrays:
                    part = {key: arrays[key] for key in arrays.files}
                part |= {script: table[part[script]] for script in ("simplified", "traditional")}
                self.files[name] = part
                self.chars += weight * len(part["starts"])

    def deal(self, seed: int) -> Iterator[Sequence]:
        """Yield sequences; each round has its own order, scripts and lengths."""
        generator = random.Random(seed)
        round_number = 0
        while True:
            deck = []
            for name, part in self.files.items():
                weight = RAW_WEIGHTS[name]
                for p in range(len(part["paragraph_ends"])):
                    times = int(weight) + (generator.random() < weight % 1)
                    deck += [(name, p)] * times
            generator.shuffle(deck)
            log.info("raw text: round %d, %d paragraphs, %.1f M chars", round_number, len(deck), self.chars / 1e6)
            for name, p in deck:
                yield from self.cut(self.files[name], p, generator)
            round_number += 1

    def cut(self, part: dict[str, np.ndarray], p: int, generator: random.Random) -> Iterator[Sequence]:
        """Cut one paragraph into sequences: single sentences half of the time, else runs of a random length."""
        ids = part["simplified" if generator.random() < 0.5 else "traditional"]
        ends, last = part["sentence_ends"], int(part["paragraph_ends"][p])
        first = int(part["paragraph_ends"][p - 1]) if p else 0
        cap = 0 if generator.random() < 0.5 else generator.randint(40, MAX_CHARS)
        start = int(ends[first - 1]) if first else 0
        for k in range(first, last):
            end = int(ends[k])
            if k + 1 < last and int(ends[k + 1]) - start <= cap:
                continue
            if end - start >= 4 or generator.random() < 0.2:
                text, starts, tags = ids[start:end], part["starts"][start:end], part["tags"][start:end]
                if generator.random() < 0.01 and end - start < MAX_CHARS:
                    text = np.append(text, generator.choice(self.emoji))
                    starts, tags = np.append(starts, 1), np.append(tags, NONE)
                words = np.array([1, 0, IGNORE])[starts]  # labels B, I
                yield Sequence(
                    wrap(text), {"words": words, "tags": np.where(tags == NONE, IGNORE, tags.astype(np.int64))}
                )
            start = end


# ---------------------------------------------------------------------------------------------------- encoder


@dataclass(frozen=True)
class Team:
    """Processes that train together, one thread each, and the memory they share.

    Threads inside an operation wait for each other hundreds of times a step, which on a busy machine costs most of the
    time; processes meet twice a step.
    """

    rank: int
    size: int
    barrier: multiprocessing.synchronize.Barrier
    master: torch.Tensor  # float32 weights
    momentum: torch.Tensor
    grads: torch.Tensor  # bf16, [size, weights]
    signal: torch.Tensor  # what the first process tells the others

    def meet(self) -> None:
        """Wait for the others."""
        if self.size > 1:
            self.barrier.wait()


def run_team(size: int, outputs: dict[str, int], vocab_size: int, work: Callable, *arguments: object) -> None:
    """Run ``work(team, weights, *arguments)`` in several processes that share freshly drawn weights."""
    torch.manual_seed(SEED)
    weights = FlatWeights(outputs, vocab_size)
    n, grads = len(weights.master), torch.zeros(size, len(weights.master), dtype=torch.bfloat16)
    shared = [weights.master, torch.zeros(n), grads, torch.zeros(2)]
    for tensor in shared:
        tensor.share_memory_()
    barrier = torch.multiprocessing.get_context("spawn").Barrier(size)
    everything = (size, barrier, shared, outputs, vocab_size, work, arguments)
    torch.multiprocessing.spawn(run_member, everything, nprocs=size)


def run_member(
    rank: int,
    size: int,
    barrier: object,
    shared: list,
    outputs: dict,
    vocab_size: int,
    work: Callable,
    arguments: tuple,
) -> None:
    """Run one process of a team."""
    start_logging()
    torch.set_num_threads(1)
    weights = FlatWeights(outputs, vocab_size, master=shared[0])
    work(Team(rank, size, barrier, *shared), weights, *arguments)


class FlatWeights:
    """All weights in three flat buffers: float32 masters, and bf16 copies and gradients that the model works with.

    The hidden matrices come first, in an order that makes matrices of one shape one stack: Muon wants stacks.
    """

    def __init__(self, outputs: dict[str, int], vocab_size: int, master: torch.Tensor | None = None) -> None:
        shapes = {f"layers.{i}.{n}": s for n, s in (("qkvo", (4, HIDDEN, HIDDEN)),) for i in range(LAYERS)}
        shapes |= {f"layers.{i}.inner": (INNER, HIDDEN) for i in range(LAYERS)}
        shapes |= {f"layers.{i}.outer": (HIDDEN, INNER) for i in range(LAYERS)}
        self.n_matrices = sum(math.prod(s) for s in shapes.values())
        shapes |= {"chars": (vocab_size, HIDDEN), "positions": (POSITIONS, HIDDEN)}
        shapes |= {f"head.{name}": (n, HIDDEN) for name, n in outputs.items()} | {"guess": (HIDDEN, HIDDEN)}
        self.n_decayed = sum(math.prod(s) for s in shapes.values())
        for i in range(LAYERS):
            shapes |= {f"layers.{i}.qkv_bias": (3 * HIDDEN,), f"layers.{i}.o_bias": (HIDDEN,)}
            shapes |= {f"layers.{i}.inner_bias": (INNER,), f"layers.{i}.outer_bias": (HIDDEN,)}
        shapes |= {f"head.{name}.bias": (n,) for name, n in outputs.items()}
        shapes |= {"guess_bias": (HIDDEN,), "chars_bias": (vocab_size,)}
        norms = ["embeddings", "guess", *(f"layers.{i}.{n}" for i in range(LAYERS) for n in ("attention", "output"))]
        shapes |= {f"{n}.norm_{part}": (HIDDEN,) for n in norms for part in ("weight", "bias")}
        self.shapes, self.at, n = shapes, {}, 0
        for name, shape in shapes.items():
            self.at[name] = slice(n, n + math.prod(shape))
            n += math.prod(shape)
        self.master = torch.empty(n) if master is None else master
        if master is None:
            self.draw()
        self.work = torch.empty(n, dtype=torch.bfloat16)
        self.grad = torch.zeros(n, dtype=torch.bfloat16)
        self.views = {}
        for name, shape in shapes.items():
            view = self.work[self.at[name]].view(shape).requires_grad_()
            view.grad = self.grad[self.at[name]].view(shape)
            self.views[name] = view
        self.refresh()

    def draw(self) -> None:
        """Fill the masters as BERT does."""
        for name, view in self.named().items():
            if view.dim() > 1:
                view.normal_(0, 0.02)
            else:
                view.fill_(1.0 if name.endswith("norm_weight") else 0.0)

    def refresh(self) -> None:
        """Copy the masters to the bf16 weights."""
        with torch.no_grad():
            self.work.copy_(self.master)

    def named(self, flat: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        """Return the master weights (or others of the same order) by name, as views."""
        flat = self.master if flat is None else flat
        return {name: flat[self.at[name]].view(shape) for name, shape in self.shapes.items()}

    def load(self, weights: dict[str, torch.Tensor]) -> None:
        """Take over the weights that this model has too."""
        for name, view in self.named().items():
            if name in weights:
                view.copy_(weights[name])
        self.refresh()


def encode(w: dict, batch: dict, dropout: float = 0.0) -> torch.Tensor:
    """Run the encoder: BERT as published (post-norm, exact gelu). Returns [rows * length, hidden]."""
    rows, length = batch["ids"].shape
    dtype = w["chars"].dtype

    def drop(x: torch.Tensor) -> torch.Tensor:
        if not dropout:
            return x
        keep = torch.empty(x.shape, dtype=torch.uint8).random_(0, 256) >= round(dropout * 256)
        return x * keep.to(dtype).mul_(1 / (1 - dropout))

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.layer_norm(x, (HIDDEN,), w[f"{name}.norm_weight"], w[f"{name}.norm_bias"], EPS)

    apart = batch["sequences"][:, None, :, None] != batch["sequences"][:, None, None, :]
    mask = torch.zeros(apart.shape, dtype=dtype).masked_fill_(apart, -1e4)
    x = functional.embedding(batch["ids"], w["chars"]) + functional.embedding(batch["positions"], w["positions"])
    x = drop(norm(x, "embeddings").view(rows * length, HIDDEN))
    for i in range(LAYERS):
        n = f"layers.{i}"
        qkv = functional.linear(x, w[f"{n}.qkvo"][:3].reshape(3 * HIDDEN, HIDDEN), w[f"{n}.qkv_bias"])
        q, k, v = qkv.view(rows, length, 3, HEADS, HIDDEN // HEADS).permute(2, 0, 3, 1, 4)
        probs = torch.softmax((q * (HIDDEN // HEADS) ** -0.5) @ k.transpose(-1, -2) + mask, -1)
        y = (drop(probs) if dropout else probs) @ v
        y = y.transpose(1, 2).reshape(rows * length, HIDDEN)
        x = norm(x + drop(functional.linear(y, w[f"{n}.qkvo"][3], w[f"{n}.o_bias"])), f"{n}.attention")
        y = functional.gelu(functional.linear(x, w[f"{n}.inner"], w[f"{n}.inner_bias"]))
        x = norm(x + drop(functional.linear(y, w[f"{n}.outer"], w[f"{n}.outer_bias"])), f"{n}.output")
    return x


class CrossEntropy(torch.autograd.Function):
    """Mean cross-entropy that stays in bf16 with one large buffer: a third of the time of the plain one."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Keep the probabilities for the way back."""
        probs = torch.softmax(scores, -1)
        ctx.save_for_backward(probs, labels)
        return -probs.gather(1, labels[:, None]).float().clamp_min(1e-9).log().mean()

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        """The gradient is probabilities minus one-hot labels, written over the probabilities."""
        probs, labels = ctx.saved_tensors
        probs[torch.arange(len(labels)), labels] -= 1
        return probs.mul_(grad / len(labels)), None


cross_entropy = CrossEntropy.apply


class Optimizer:
    """AdamW, and Muon (https://kellerjordan.github.io/posts/muon/) for the hidden matrices, shared out to a team."""

    def __init__(self, weights: FlatWeights, team: Team, *, muon: bool, decay: float) -> None:
        self.weights, self.team, self.decay = weights, team, decay
        self.split = weights.n_matrices if muon else 0
        parts = [weights.master[self.split : weights.n_decayed], weights.master[weights.n_decayed :]]
        for part in parts:
            part.grad = torch.zeros_like(part)
        self.parts = parts
        groups = [{"params": parts[:1], "weight_decay": decay}, {"params": parts[1:], "weight_decay": 0.0}]
        self.adamw = torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)
        one = LAYERS * HIDDEN * HIDDEN
        stacks = [
            (slice(4 * one, 8 * one), (LAYERS, INNER, HIDDEN)),
            (slice(0, 4 * one), (4 * LAYERS, HIDDEN, HIDDEN)),
            (slice(8 * one, 12 * one), (LAYERS, HIDDEN, INNER)),
        ]
        self.stacks = [stack for k, stack in enumerate(stacks) if muon and (k + 1) % team.size == team.rank]

    def step(self, rate: float) -> None:
        """Take one step with the mean of the team's gradients, and clear them."""
        team, weights = self.team, self.weights
        team.grads[team.rank].copy_(weights.grad)
        weights.grad.zero_()
        team.meet()
        grad = team.grads.sum(0, dtype=torch.float32)
        grad.mul_(1 / max(grad.norm().item(), team.size))  # the mean, its norm clipped to 1
        if team.rank == 0:
            for group in self.adamw.param_groups:
                group["lr"] = rate
            self.parts[0].grad.copy_(grad[self.split : weights.n_decayed])
            self.parts[1].grad.copy_(grad[weights.n_decayed :])
            self.adamw.step()
        for place, shape in self.stacks:
            momentum = team.momentum[place].lerp_(grad[place], 0.05)
            step = orthogonalise(torch.lerp(grad[place], momentum, 0.95).view(shape))
            matrices = weights.master[place].view(shape)
            matrices.mul_(1 - rate * self.decay).sub_(step, alpha=rate * 0.2 * math.sqrt(max(shape[1:])))
        team.meet()
        weights.refresh()


def orthogonalise(matrices: torch.Tensor) -> torch.Tensor:
    """Replace the singular values of a stack of matrices by about 1, with five Newton-Schulz steps in bf16."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrices.to(torch.bfloat16)
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.transpose(1, 2)
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(5):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.transpose(1, 2) if tall else x).float()


def to_torch(batch: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Return a batch as tensors."""
    return {name: torch.from_numpy(array) for name, array in batch.items()}


# ---------------------------------------------------------------------------------------------------- pretrain


def mask_batch(batch: dict[str, torch.Tensor], vocab_size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the ids with a part hidden, and where. Half of the rows hide whole silver words, half single characters.

    A few more characters become [UNK], so that its vector means something.
    """
    ids = batch["ids"]
    whole = torch.rand(len(ids), 1) < 0.5
    word = torch.where(whole, (batch["words"] != 1).cumsum(1) - 1, torch.arange(ids.shape[1]))
    chosen = (torch.rand(ids.shape).gather(1, word) < 0.16) & (ids > MASK)
    fate = torch.rand(ids.shape)
    hidden = torch.where(chosen & (fate < 0.8), MASK, ids)
    hidden = torch.where(chosen & (fate > 0.9), torch.randint(MASK + 1, vocab_size, ids.shape), hidden)
    return torch.where(~chosen & (ids > MASK) & (fate < 0.002), UNK, hidden), chosen.view(-1)


def pretrain(work: Path, minutes: float, processes: int, *, rate: float = 1.5e-3, batch_pieces: int = 3072) -> None:
    """Train the encoder on the raw text for some minutes; a checkpoint is written every two."""
    if (work / "encoder.pt").exists():
        log.info("pretrain: already done")
        return
    outputs = {"silver_words": 2, "silver_tags": len(Silver().tags)}
    run_team(processes, outputs, len(read_vocabulary(work)), pretrain_member, work, minutes, rate, batch_pieces)


def pretrain_member(
    team: Team, weights: FlatWeights, work: Path, minutes: float, rate: float, batch_pieces: int
) -> None:
    """Be one process of the pre-training."""
    vocabulary, checkpoint = read_vocabulary(work), work / "pretrain.pt"
    optimizer = Optimizer(weights, team, muon=True, decay=0.05)
    step, pieces, spent = 0, 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint)
        weights.load(state["weights"])
        team.momentum.copy_(state["momentum"])
        optimizer.adamw.load_state_dict(state["adamw"])
        step, pieces, spent = state["step"], state["pieces"], state["spent"]
    seed = SEED + step * team.size + team.rank  # a resumed run deals the text anew
    torch.manual_seed(seed)
    raw = RawText(work, vocabulary)
    log.info("pretrain: process %d from step %d, %.1f M characters a round", team.rank, step, raw.chars / 1e6)
    packer = Packer(batch_pieces // team.size, ["words", "tags"])
    sums, n_summed, began = np.zeros(3), 0, time.time()
    last = saved = began
    for sequence in raw.deal(seed):
        arrays = packer.add(sequence)
        if arrays is None:
            continue
        batch = to_torch(arrays)
        losses = pretraining_losses(weights.views, batch, len(vocabulary))
        (losses[0] + losses[1] + 0.5 * losses[2]).backward()
        done = (spent + time.time() - began) / 60 / minutes
        if team.rank == 0:
            team.signal[0] = done
            team.signal[1] = min(1.0, (step + 1) / 200) * max(0.01, min(1.0, (1 - done) / 0.8))
        team.meet()
        if team.signal[0] >= 1:
            break
        optimizer.step(rate * team.signal[1].item())
        step += 1
        pieces += team.size * int((batch["sequences"] > 0).sum())
        sums += [loss.item() for loss in losses]
        n_summed += 1
        if team.rank == 0 and step % 100 == 0:
            now = time.time()
            log.info(
                "pretrain: step %d, %.0f%%, %.1f M pieces, %.0f pieces/s, chars %.3f words %.4f tags %.4f",
                *(step, 100 * done, pieces / 1e6, n_summed * batch_pieces / (now - last), *(sums / n_summed)),
            )
            sums[:], n_summed, last = 0, 0, now
        if team.rank == 0 and time.time() - saved > 120:
            spent, began, saved = spent + time.time() - began, time.time(), time.time()
            state = {"weights": weights.named(), "momentum": team.momentum, "adamw": optimizer.adamw.state_dict()}
            save(checkpoint, state | {"step": step, "pieces": pieces, "spent": spent})
    if team.rank == 0:
        seconds = spent + time.time() - began
        log.info("pretrain: %d steps, %.1f M pieces in %.1f minutes", step, pieces / 1e6, seconds / 60)
        save(work / "encoder.pt", {"weights": weights.named(), "step": step, "pieces": pieces, "seconds": seconds})


def pretraining_losses(w: dict, batch: dict[str, torch.Tensor], vocab_size: int) -> list[torch.Tensor]:
    """Return the losses of the hidden characters, the silver boundaries and the silver tags."""
    hidden, chosen = mask_batch(batch, vocab_size)
    x = encode(w, batch | {"ids": hidden})
    guess = functional.gelu(functional.linear(x[chosen], w["guess"], w["guess_bias"]))
    guess = functional.layer_norm(guess, (HIDDEN,), w["guess.norm_weight"], w["guess.norm_bias"], EPS)
    losses = [cross_entropy(functional.linear(guess, w["chars"], w["chars_bias"]), batch["ids"].view(-1)[chosen])]
    for name in ("words", "tags"):
        scores = functional.linear(x, w[f"head.silver_{name}"], w[f"head.silver_{name}.bias"]).float()
        losses.append(functional.cross_entropy(scores, batch[name].view(-1), ignore_index=IGNORE))
    return losses


def save(path: Path, state: dict) -> None:
    """Write a torch file aside and rename it into place."""
    aside = path.with_name(path.name + ".tmp")
    torch.save(state, aside)
    aside.replace(path)


# ---------------------------------------------------------------------------------------------------- finetune


def gold_sequence(sentence: dict, ids: np.ndarray, labels: list[str]) -> list[Sequence]:
    """Return a labelled sentence as sequences; a layer that is null is not trained on."""
    text = sentence["text"]
    columns = {name: np.full(len(text), IGNORE, np.int64) for name in ("words", "pos", "entities")}
    if sentence["words"] is not None:
        for k, (start, end) in enumerate(sentence["words"]):
            columns["words"][start:end] = 1
            columns["words"][start] = 0
            if sentence["upos"] is not None:
                columns["pos"][start:end] = labels.index(sentence["upos"][k])
    if sentence["entities"] is not None:
        columns["entities"][:] = 0
        for start, end, label in sentence["entities"]:
            columns["entities"][start:end] = ENTITY_TAGS.index(f"I-{label}")
            columns["entities"][start] = ENTITY_TAGS.index(f"B-{label}")
    spans = join_sentences(text)
    return [Sequence(wrap(ids[a:b]), {name: c[a:b] for name, c in columns.items()}) for a, b in spans]


def join_sentences(text: str) -> list[tuple[int, int]]:
    """Return the fewest runs of whole sentences that the encoder takes."""
    spans, start, ends = [], 0, cut_sentences(text)
    for k, end in enumerate(ends):
        if k + 1 == len(ends) or ends[k + 1] - start > MAX_CHARS:
            spans.append((start, end))
            start = end
    return spans


WIDE, NARROW = "，。！？：；（）", ",.!?:;()"
ADDRESS = "https://{0}.com/{1}", "www.{0}.org", "http://{0}.cn/{1}?id=1", "{1}@{0}.com", "{0}.{1}"


class Variations:
    """Sentences as they might have been: what the treebank is too clean for."""

    def __init__(self, vocabulary: dict[str, int], pos_labels: list[str], generator: random.Random) -> None:
        self.vocabulary, self.generator = vocabulary, generator
        self.emoji = [vocabulary[c] for c in dict.fromkeys(EMOJI)]
        self.narrow = np.arange(len(vocabulary))
        for wide, narrow in zip(WIDE, NARROW, strict=True):
            self.narrow[vocabulary[wide]] = vocabulary[narrow]
        self.pos = {label: pos_labels.index(label) for label in ("PUNCT", "SYM", "X")}

    def vary(self, sequence: Sequence) -> Sequence:
        """Hide a few characters; now and then drop the full stop, narrow the punctuation, add emoji or an address."""
        ids, labels = sequence.ids.copy(), sequence.labels
        for k in range(1, len(ids) - 1):
            if self.generator.random() < 0.004:
                ids[k] = UNK
        if labels["words"][-1] == IGNORE:
            return Sequence(ids, labels)
        chance = self.generator.random()
        if chance < 0.04 and len(ids) > 8 and labels["pos"][-1] == self.pos["PUNCT"]:
            return Sequence(np.append(ids[:-2], SEP), {name: column[:-1] for name, column in labels.items()})
        if chance < 0.08:
            return Sequence(self.narrow[ids], labels)
        if chance < 0.10:
            added = self.generator.choices(self.emoji, k=self.generator.randint(1, 3))
            return self.append(ids, labels, added, [0] * len(added), "SYM")
        if chance < 0.12:
            letters = "abcdefghijklmnopqrstuvwxyz0123456789-_"
            names = ["".join(self.generator.choices(letters, k=self.generator.randint(3, 9))) for _ in range(2)]
            added = [self.vocabulary[c] for c in self.generator.choice(ADDRESS).format(*names)]
            return self.append(ids, labels, added, [0] + [1] * (len(added) - 1), "X")
        return Sequence(ids, labels)

    def append(self, ids: np.ndarray, labels: dict, added: list[int], words: list[int], pos: str) -> Sequence:
        """Return the sequence with pieces added at its end, when there is room."""
        if len(ids) + len(added) > POSITIONS:
            return Sequence(ids, labels)
        more = {"words": words, "pos": [self.pos[pos]] * len(added), "entities": [0] * len(added)}
        labels = {name: np.append(column, more[name]) for name, column in labels.items()}
        return Sequence(np.concatenate([ids[:-1], added, [SEP]]), labels)


@dataclass(frozen=True)
class Scores:
    """Exact-span F1 in per cent; None where the set has no such layer."""

    words: float
    words_pos: float
    entities: float | None


def score_heads(w: dict, texts: list[str], table: np.ndarray) -> list[dict[str, np.ndarray]]:
    """Return log probabilities [chars, labels] of each head for each text."""
    results = [
        {name: np.zeros((len(text), len(w[f"head.{name}"])), np.float32) for name in ("words", "pos", "entities")}
        for text in texts
    ]
    pieces = [(t, a, b) for t, text in enumerate(texts) for a, b in join_sentences(text)]
    pieces.sort(key=lambda piece: piece[2] - piece[1])
    with torch.inference_mode():
        for at in range(0, len(pieces), 64):
            some = pieces[at : at + 64]
            length = max(b - a for _, a, b in some) + 2
            ids = np.zeros((len(some), length), np.int64)
            for r, (t, a, b) in enumerate(some):
                ids[r, : b - a + 2] = wrap(table[code_points(texts[t][a:b])])
            batch = {"ids": torch.from_numpy(ids), "sequences": torch.from_numpy((ids > 0).astype(np.int64))}
            batch["positions"] = torch.arange(length).expand(len(some), length)
            x = encode(w, batch)
            for name in ("words", "pos", "entities"):
                scores = functional.linear(x, w[f"head.{name}"], w[f"head.{name}.bias"])
                probs = functional.log_softmax(scores.float(), -1).view(len(some), length, -1).numpy()
                for r, (t, a, b) in enumerate(some):
                    results[t][name][a:b] = probs[r, 1 : b - a + 1]
    return results


def decode_words(text: str, words: np.ndarray, pos: np.ndarray) -> dict[tuple[int, int], int]:
    """Return the words with their tag: a blank ends a word, the tag is read at the first character."""
    found, start = {}, None
    for k in range(len(text) + 1):
        blank = k < len(text) and text[k].isspace()
        begins = k < len(text) and not blank and (start is None or words[k, 0] > words[k, 1])
        if start is not None and (k == len(text) or blank or begins):
            found[start, k] = int(pos[start].argmax())
            start = None
        if begins:
            start = k
    return found


def decode_entities(scores: np.ndarray) -> set[tuple[int, int, str]]:
    """Return the spans of the best valid BIO path (Viterbi)."""
    if not len(scores):
        return set()
    n = len(ENTITY_TAGS)
    allowed = np.array([[t[0] != "I" or p[1:] == t[1:] for t in ENTITY_TAGS] for p in ENTITY_TAGS])
    cost = np.where(allowed, 0.0, -np.inf)
    best, back = scores[0] + np.where([t[0] == "I" for t in ENTITY_TAGS], -np.inf, 0.0), []
    for row in scores[1:]:
        paths = best[:, None] + cost
        back.append(paths.argmax(0))
        best = paths[back[-1], np.arange(n)] + row
    path = [int(best.argmax())]
    for pointers in reversed(back):
        path.append(int(pointers[path[-1]]))
    spans, start = set(), None
    for k, t in enumerate([*reversed(path), 0]):
        tag = ENTITY_TAGS[t]
        if start is not None and tag[0] != "I":
            spans.add((start[0], k, start[1]))
            start = None
        if tag[0] == "B":
            start = (k, tag[2:])
    return spans


def evaluate(w: dict, sentences: list[dict], table: np.ndarray, pos_labels: list[str]) -> Scores:
    """Score raw text against gold."""
    hits = Counter()
    for sentence, heads in zip(sentences, score_heads(w, [s["text"] for s in sentences], table), strict=True):
        if sentence["words"] is not None:
            found = decode_words(sentence["text"], heads["words"], heads["pos"])
            gold = dict(zip(map(tuple, sentence["words"]), sentence["upos"], strict=True))
            both = found.keys() & gold.keys()
            hits["words"] += len(both)
            hits["words_pos"] += sum(pos_labels[found[span]] == gold[span] for span in both)
            hits["all_words"] += len(found) + len(gold)
        if sentence["entities"] is not None:
            spans, wanted = decode_entities(heads["entities"]), {tuple(e) for e in sentence["entities"]}
            hits["entities"] += len(spans & wanted)
            hits["all_entities"] += len(spans) + len(wanted)

    def f1(name: str, total: str) -> float | None:
        return round(200 * hits[name] / hits[total], 2) if hits[total] else None

    return Scores(f1("words", "all_words"), f1("words_pos", "all_words"), f1("entities", "all_entities"))


@dataclass(frozen=True)
class Tuning:
    """What the fine-tuning may vary; the values here are the best on the development sets."""

    epochs: int = 10
    rate: float = 6e-4
    muon: bool = True
    dropout: float = 0.15
    batch_pieces: int = 3072
    averaging: float = 0.997
    transcripts: float = 0.3  # share of AISHELL-NER read in each epoch


def finetune(corpora: Path, work: Path, processes: int, tuning: Tuning, *, name: str = "tuned") -> None:
    """Train the three heads and the encoder on gold data; keep the averaged weights."""
    if (work / f"{name}.pt").exists():
        log.info("finetune: already done")
        return
    pos_labels = sorted({upos for s in gold_sentences(corpora) for upos in s["upos"]})
    outputs = {"words": 2, "pos": len(pos_labels), "entities": len(ENTITY_TAGS)}
    arguments = (corpora, work, tuning, name, pos_labels)
    run_team(processes, outputs, len(read_vocabulary(work)), finetune_member, *arguments)


def gold_sentences(corpora: Path) -> list[dict]:
    """Return the sentences with words, tags and entities, in both scripts."""
    return [s for name in ("zh_gsd", "zh_gsdsimp") for s in read_labelled(corpora, name, "train")]


def transcript_sequences(corpora: Path, table: np.ndarray, pos_labels: list[str]) -> list[list[Sequence]]:
    """Return AISHELL-NER's sentences, each in both scripts."""
    convert, sequences = Silver().traditionalise, []
    for s in read_labelled(corpora, "zh_aishell_ner", "train"):
        forms = [form for form in (s["text"], convert(s["text"])) if len(form) == len(s["text"])]
        sequences.append([gold_sequence(s, table[code_points(form)], pos_labels)[0] for form in forms])
    return sequences


def finetune_member(
    team: Team, weights: FlatWeights, corpora: Path, work: Path, tuning: Tuning, name: str, pos_labels: list[str]
) -> None:
    """Be one process of the fine-tuning. All read the same sentences; each trains on its share of the batches."""
    torch.manual_seed(SEED + team.rank)
    generator, began = random.Random(SEED), time.time()
    vocabulary = read_vocabulary(work)
    table, variations = lookup_table(vocabulary), Variations(vocabulary, pos_labels, generator)
    dev = {n: read_labelled(corpora, n, "dev") for n in ("zh_gsdsimp", "zh_gsd")}
    gold = [q for s in gold_sentences(corpora) for q in gold_sequence(s, table[code_points(s["text"])], pos_labels)]
    transcripts = transcript_sequences(corpora, table, pos_labels)
    team.meet()
    encoder = torch.load(work / "encoder.pt")["weights"]
    for part in ("", ".bias"):  # the silver boundaries are a good start for the gold ones
        encoder[f"head.words{part}"] = encoder[f"head.silver_words{part}"]
    weights.load(encoder)
    optimizer, average, step = Optimizer(weights, team, muon=tuning.muon, decay=0.05), weights.master.clone(), 0
    n_transcripts = int(tuning.transcripts * len(transcripts))
    for epoch in range(tuning.epochs):
        deck = gold + [generator.choice(forms) for forms in generator.sample(transcripts, n_transcripts)]
        generator.shuffle(deck)
        packer = Packer(tuning.batch_pieces // team.size, ["words", "pos", "entities"])
        dealt = list(batches(packer, map(variations.vary, deck)))
        generator.shuffle(dealt)
        n_steps, sums = len(dealt) // team.size, np.zeros(3)
        for k in range(n_steps):
            losses = tuning_losses(weights.views, to_torch(dealt[k * team.size + team.rank]), tuning.dropout)
            sum(losses).backward()
            done = (epoch + k / n_steps) / tuning.epochs
            optimizer.step(tuning.rate * min(1.0, (step + 1) / 100) * max(0.02, 1 - done))
            step += 1
            if team.rank == 0:
                average.lerp_(weights.master, 1 - min(tuning.averaging, (step + 1) / (step + 10)))
                sums += [loss.item() for loss in losses]
        if team.rank == 0:
            message = (name, epoch, time.time() - began, *(sums / n_steps))
            log.info("finetune %s: epoch %d, %.0f s, words %.4f pos %.4f entities %.4f", *message)
            if epoch + 1 == tuning.epochs or epoch % 3 == 2:
                for set_name, sentences in dev.items():
                    scores = evaluate(weights.named(average), sentences, table, pos_labels)
                    log.info("finetune %s: %s dev %s", name, set_name, scores)
    if team.rank == 0:
        kept = {n: view.clone() for n, view in weights.named(average).items()}
        forget_unseen(kept["chars"], work, table, variations.emoji)
        save(
            work / f"{name}.pt",
            {"weights": kept, "pos_labels": pos_labels, "tuning": vars(tuning), "seconds": time.time() - began},
        )


def tuning_losses(w: dict, batch: dict[str, torch.Tensor], dropout: float) -> list[torch.Tensor]:
    """Return the mean loss of each head over the characters that have its label."""
    x, losses = encode(w, batch, dropout), []
    for head in ("words", "pos", "entities"):
        scores = functional.linear(x, w[f"head.{head}"], w[f"head.{head}.bias"]).float()
        labels = batch[head].view(-1)
        loss = functional.cross_entropy(scores, labels, ignore_index=IGNORE, reduction="sum")
        losses.append(loss / max(1, int((labels != IGNORE).sum())))
    return losses


def forget_unseen(chars: torch.Tensor, work: Path, table: np.ndarray, emoji: list[int]) -> None:
    """Give the pieces that no text has the vector of [UNK]."""
    seen = np.unique(np.concatenate([pieces_of_file(work, name, table) for name in RAW_WEIGHTS]))
    unseen = torch.ones(len(chars), dtype=torch.bool)
    unseen[torch.from_numpy(seen.astype(np.int64))] = False
    unseen[: MASK + 1] = False
    unseen[torch.tensor(emoji)] = False
    chars[unseen] = chars[UNK].clone()
    log.info("finetune: %d pieces that no text has take the vector of [UNK]", int(unseen.sum()))


def batches(packer: Packer, sequences: Iterator[Sequence]) -> Iterator[dict[str, np.ndarray]]:
    """Pack sequences and yield every batch, the last ones included."""
    for sequence in sequences:
        batch = packer.add(sequence)
        if batch is not None:
            yield batch
    yield from packer.flush()


def pieces_of_file(work: Path, name: str, table: np.ndarray) -> np.ndarray:
    """Return the ids that occur in one prepared file."""
    with np.load(work / "text" / f"{name}.npz") as arrays:
        return np.unique(np.concatenate([table[arrays[script]] for script in ("simplified", "traditional")]))


# ---------------------------------------------------------------------------------------------------- export

# file or set: (licence, where it is from)
SOURCES = {
    "zh_gsd": ("CC BY-SA 4.0", "UD_Chinese-GSD (Google; Shen et al.) and UNER_Chinese-GSD (Universal NER)"),
    "zh_gsdsimp": ("CC BY-SA 4.0", "UD_Chinese-GSDSimp (Qi, Yasuoka) and UNER_Chinese-GSDSIMP (Universal NER)"),
    "zh_aishell_ner": ("Apache-2.0", "AISHELL-NER, Alibaba-NLP"),
    "wikipedia_shards": ("CC BY-SA", "Chinese Wikipedia and its authors"),
    "drcd": ("CC BY-SA 3.0", "DRCD, DRCKnowledgeTeam; Chinese Wikipedia and its authors"),
    "cmrc2018": ("CC BY-SA 4.0", "CMRC 2018, Cui et al.; Chinese Wikipedia and its authors"),
    "xquad_zh": ("CC BY-SA 4.0", "XQuAD, google-deepmind"),
    "wikipedia_itn": ("CC BY-SA 3.0", "ITN-corpus, shizhao; Chinese Wikipedia and its authors"),
    "commonvoice_zh_cn": ("CC0 1.0", "Common Voice, Mozilla"),
    "commonvoice_zh_tw": ("CC0 1.0", "Common Voice, Mozilla"),
    "commonvoice_zh_hk": ("CC0 1.0", "Common Voice, Mozilla"),
    "cc0_sentences_zh_tw": ("CC0 1.0", "cc0-sentences, moztw and irvin"),
    "ntrex128": ("CC BY-SA 4.0", "NTREX-128, MicrosoftTranslator"),
    "tico19_zh": ("CC0 1.0", "TICO-19, tico-19.github.io"),
    "tatoeba": ("CC BY 2.0 FR", "Tatoeba (tatoeba.org) and its contributors"),
    "crosswoz": ("Apache-2.0", "CrossWOZ, thu-coai"),
    "kdconv": ("Apache-2.0", "KdConv, thu-coai (the utterances)"),
    "readr_election_talks": ("CC0 1.0", "2024_election_talks, READr"),
    "opensource_guide_zh": ("CC BY 4.0", "opensource.guide, GitHub and its translators"),
    "d2l_zh": ("Apache-2.0", "Dive into Deep Learning (Chinese), d2l-ai"),
    "oi_wiki": ("CC BY-SA 4.0", "OI Wiki and its authors"),
    "vue_react_docs": (
        "CC BY 4.0",
        "Vue documentation (vuejs-translations) and React documentation (reactjs), translations",
    ),
    "classic_novels": ("public domain", "Ming and Qing novels"),
    "poetry": ("MIT", "chinese-poetry"),
    "ly_gazette_trad": ("official documents (ROC Copyright Act, Art. 9)", "gazette of the Legislative Yuan, by g0v"),
    "ly_gazette_simp": ("official documents (ROC Copyright Act, Art. 9)", "gazette of the Legislative Yuan, by g0v"),
    "prc_laws": ("official documents (PRC Copyright Law, Art. 5)", "statutes of the PRC, by LawRefBook"),
    "tw_laws": ("official documents (ROC Copyright Act, Art. 9)", "statutes of the ROC, by kong0107/mojLawSplitJSON"),
}
TEST_SETS = {
    "zh_gsdsimp": ("UD Chinese GSDSimp + UNER", ("dev", "test")),
    "zh_gsd": ("UD Chinese GSD + UNER", ("dev", "test")),
    "zh_hk": ("UD Chinese HK", ("test",)),
    "zh_cfl": ("UD Chinese CFL", ("test",)),
}


def checkpoint_tensors(weights: dict, dtype: torch.dtype) -> dict:
    """Return the weights under the names that Hugging Face's BertModel has, and the heads beside them."""
    tensors = {
        "bert.embeddings.word_embeddings.weight": weights["chars"],
        "bert.embeddings.position_embeddings.weight": weights["positions"],
        "bert.embeddings.token_type_embeddings.weight": torch.zeros(2, HIDDEN),
        "bert.embeddings.LayerNorm.weight": weights["embeddings.norm_weight"],
        "bert.embeddings.LayerNorm.bias": weights["embeddings.norm_bias"],
    }
    for i in range(LAYERS):
        ours, theirs = f"layers.{i}", f"bert.encoder.layer.{i}"
        for k, part in enumerate(("query", "key", "value")):
            tensors[f"{theirs}.attention.self.{part}.weight"] = weights[f"{ours}.qkvo"][k]
            tensors[f"{theirs}.attention.self.{part}.bias"] = weights[f"{ours}.qkv_bias"].view(3, HIDDEN)[k]
        tensors[f"{theirs}.attention.output.dense.weight"] = weights[f"{ours}.qkvo"][3]
        tensors[f"{theirs}.attention.output.dense.bias"] = weights[f"{ours}.o_bias"]
        for part, name in (("intermediate.dense", "inner"), ("output.dense", "outer")):
            tensors[f"{theirs}.{part}.weight"] = weights[f"{ours}.{name}"]
            tensors[f"{theirs}.{part}.bias"] = weights[f"{ours}.{name}_bias"]
        for part in ("attention", "output"):
            place = f"{theirs}.{'attention.output' if part == 'attention' else 'output'}.LayerNorm"
            tensors[f"{place}.weight"] = weights[f"{ours}.{part}.norm_weight"]
            tensors[f"{place}.bias"] = weights[f"{ours}.{part}.norm_bias"]
    for name in ("words", "pos", "entities"):
        tensors[f"heads.{name}.weight"] = weights[f"head.{name}"]
        tensors[f"heads.{name}.bias"] = weights[f"head.{name}.bias"]
    return {name: tensor.to(dtype).contiguous().clone() for name, tensor in tensors.items()}


def sha256(path: Path) -> str:
    """Return the checksum of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def made_record(corpora: Path, work: Path, tuned: dict) -> dict:
    """Return what made the model: recipe, versions, seed, times, checksums of the data."""
    encoder = torch.load(work / "encoder.pt")
    files = [p for name in RAW_WEIGHTS for p in (corpora / "raw").glob(f"{name}.txt*")]
    files += [p for name in SOURCES for p in (corpora / "labelled" / name).glob("*.jsonl")]
    return {
        "recipe": "recipes/zh_first/make_model.py",
        "recipe_sha256": sha256(Path(__file__)),
        "seed": SEED,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "pretraining": {k: encoder[k] for k in ("step", "pieces", "seconds")},
        "finetuning": tuned["tuning"] | {"seconds": round(tuned["seconds"])},
        "data": {str(p.relative_to(corpora)): sha256(p) for p in sorted(files)},
    }


def export(corpora: Path, work: Path, out: Path, *, name: str = "tuned") -> None:
    """Write the folder, read it back, score it on the development and test sets, and write its card."""
    from safetensors.torch import load_file, save_file

    tuned = torch.load(work / f"{name}.pt")
    out.mkdir(parents=True, exist_ok=True)
    save_file(checkpoint_tensors(tuned["weights"], torch.float16), out / "model.safetensors.tmp", {"format": "pt"})
    (out / "model.safetensors.tmp").chmod(0o644)
    (out / "model.safetensors.tmp").replace(out / "model.safetensors")
    write_text(out / "vocab.txt", (work / "vocab.txt").read_text(encoding="utf-8"))
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": len(read_vocabulary(work)),
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": INNER,
        "hidden_act": "gelu",
        "max_position_embeddings": POSITIONS,
        "type_vocab_size": 2,
        "layer_norm_eps": EPS,
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02,
        "pad_token_id": PAD,
        "torch_dtype": "float16",
    }
    tokenizer = {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "model_max_length": POSITIONS}
    tokenizer |= {f"{n}_token": f"[{n.upper()}]" for n in ("pad", "unk", "cls", "sep", "mask")}
    heads = {
        "words": {"labels": ["B", "I"], "scheme": "BI", "word_label": None},
        "pos": {"labels": tuned["pos_labels"], "scheme": None, "word_label": "first"},
        "entities": {"labels": ENTITY_TAGS, "scheme": "BIO", "word_label": None},
    }
    lexel = {
        "format": 1,
        "pieces": "chars",
        "heads": {n: {"task": n, "prefix": f"heads.{n}"} | head for n, head in heads.items()},
        "base": None,
        "made": made_record(corpora, work, tuned),
    }
    for file, content in (("config.json", config), ("tokenizer_config.json", tokenizer), ("lexel.json", lexel)):
        write_text(out / file, json.dumps(content, ensure_ascii=False, indent=2) + "\n")
    tensors = load_file(out / "model.safetensors")
    rounded = {n: t.half().float() for n, t in tuned["weights"].items()}  # the weights as shipped
    if not all(torch.equal(t, tensors[n]) for n, t in checkpoint_tensors(rounded, torch.float16).items()):
        raise SystemExit(f"{out / 'model.safetensors'}: what was read back is not what was written")
    table = lookup_table(read_vocabulary(work))
    results = {}
    for set_name, (_, splits) in TEST_SETS.items():
        for split in splits:
            scores = evaluate(rounded, read_labelled(corpora, set_name, split), table, tuned["pos_labels"])
            results[set_name, split] = scores
            log.info("export: %s %s %s", set_name, split, scores)
    write_text(out / "README.md", make_card(results, lexel["made"]))
    size = sum(p.stat().st_size for p in out.iterdir())
    log.info("export: %s, %.1f MB", out, size / 1e6)


def results_table(results: dict[tuple[str, str], Scores]) -> str:
    """Return the scores as a table."""
    lines = ["| set | split | words | words with UPOS | entities |", "|---|---|---|---|---|"]
    for (name, split), s in results.items():
        entities = "not annotated" if s.entities is None else f"{s.entities:.2f}"
        lines.append(f"| {TEST_SETS[name][0]} ({name}) | {split} | {s.words:.2f} | {s.words_pos:.2f} | {entities} |")
    return "\n".join(lines)


def make_front(results: dict[tuple[str, str], Scores]) -> str:
    """Return the card's YAML, with the test scores as a model index."""
    lines = ["license: cc-by-sa-4.0", "language:", "- zh", "library_name: lexel", "pipeline_tag: token-classification"]
    lines += ["tags:", "- lexel", "- chinese-word-segmentation", "- part-of-speech", "- named-entity-recognition"]
    lines += ["datasets:", "- universal_dependencies", "- universalner/universal_ner", "- AISHELL-NER"]
    lines += ["metrics:", "- f1", "model-index:", "- name: lexel-zh", "  results:"]
    for (name, split), s in results.items():
        if split == "test":
            lines += ["  - task:", "      type: token-classification", "    dataset:"]
            lines += [
                f"      name: {TEST_SETS[name][0]}",
                f"      type: {name}",
                f"      split: {split}",
                "    metrics:",
            ]
            for key, label in (("words", "word F1"), ("words_pos", "words with UPOS, F1"), ("entities", "entity F1")):
                if getattr(s, key) is not None:
                    lines += ["    - type: f1", f"      name: {label}", f"      value: {getattr(s, key)}"]
    return "\n".join(["---", *lines, "---"])


CARD = """
# lexel-zh: words, universal tags and entities of Chinese

A small BERT encoder over single characters ({layers} layers of {hidden}, {heads} attention heads, {vocab_size:,}
pieces) with three heads, trained from random weights on open text only. It is what `lexel.load()` gives when no model
is named.

- **Input**: Chinese text, simplified or traditional. Every code point is looked up as it stands.
- **Output**: word boundaries (`B`, `I`), a universal part-of-speech tag for each word (read at its first character),
  and entities PER, LOC, ORG (`BIO`).
- **Licence of the weights**: CC BY-SA 4.0, because the treebanks and most of the encyclopaedia text are share-alike.

## How good

Exact-span F1 in per cent, raw text in, nothing given. No choice was made by a test set.

{table}

The tags are scored after folding, in gold as in training: UD Chinese GSD since 2.13 calls 也, 都, 并 and the relative
的, 地 SCONJ; here SCONJ with XPOS RB is ADV, and SCONJ with XPOS DEC or DEV is PART, as in UD 2.12 and in the other
Chinese treebanks. HK (subtitles and council minutes) and CFL (essays of learners) cut and tag some words by other
rules, so their figures are lower for that reason too. The entities of the two GSD development sets were annotated
apart from each other and agree at F1 81 only.

## What it is for, and what not

For cutting and tagging everyday, encyclopaedic, news and official text quickly on a CPU, for indexing, counting and
first looks. Not for decisions about people. Limits that we know:

- It has read little text by today's measure. Entities are its weakest point: rare names and foreign names in
  characters are missed, or found with a wrong border or type.
- It takes at most {max_chars} characters at a time; Lexel reads longer text in overlapping windows.
- Words are cut as in UD GSD (a suffix such as 者, 性, 市 is a word of its own), which differs from jieba, CKIP and PKU.
- What it knows of people and places is that of the encyclopaedia, of parliament and of statutes, with the bias of
  those texts.
- Classical Chinese, Cantonese, dialect, code and other languages are cut and tagged less well; entities in Latin
  letters are often missed.

## How it was made

`python recipes/zh_first/make_model.py --corpora DIR --out DIR`, one self-contained script on a CPU. The corpora are
named below; their checksums are in `lexel.json`.

1. *Silver labels.* jieba 0.42.1 cut the simplified form of every sentence, and its dictionary gave known words a
   coarse tag; opencc gave both scripts, character for character.
2. *Pre-training* from random weights: {step:,} steps, {millions:.1f} million pieces in {pretrain_minutes:.0f} minutes.
   Masked characters (16 %; in half of the rows whole words) + silver boundaries + silver tags, both scripts alike,
   rows of 128 and 256 packed with whole sequences.
3. *Fine-tuning*: {epochs} epochs in {tune_minutes:.0f} minutes on the training splits of UD Chinese GSD and GSDSimp
   (words, UPOS), of their Universal NER layers and of AISHELL-NER (entities), the latter in both scripts. A head is
   not trained on a sentence that lacks its layer. Dropout {dropout:g}, averaged weights. Choices were made on the
   development splits (entities: GSDSimp's).

Seed {seed}; torch {torch}, Python {python}.

## Data, licences, attribution

Gold:

| set | source | licence |
|---|---|---|
{gold}

For evaluation only: UD_Chinese-HK and UD_Chinese-CFL (Universal Dependencies, CC BY-SA 4.0). The tags of the GSD
training splits were converted from the first release of the treebank; Google permitted dropping its NC restriction.

Raw text, and how often a round of the pre-training reads each file (the texts of the gold training splits are read
{gold_weight:g} times, without their labels):

| file | times | source | licence |
|---|---|---|---|
{raw}

Paragraphs that share a sentence or a run of 20 letters with an evaluation set were removed from the raw text. The text
was cut, converted between scripts and labelled by program. Encyclopaedia text is by the authors of Chinese Wikipedia
(zh.wikipedia.org), Tatoeba sentences by the contributors of tatoeba.org; titles, addresses and names lie beside the
corpora. Labels: jieba (Sun Junyi, MIT). Conversion: OpenCC (BYVoid and contributors, Apache-2.0).

## Contact

The issues of the Lexel repository. To cite the model, cite the repository and the treebanks above.
"""


def make_card(results: dict[tuple[str, str], Scores], made: dict) -> str:
    """Return the model card."""
    sets = ("zh_gsd", "zh_gsdsimp", "zh_aishell_ner")
    pre, tune = made["pretraining"], made["finetuning"]
    body = CARD.format(
        layers=LAYERS,
        hidden=HIDDEN,
        heads=HEADS,
        vocab_size=VOCAB_SIZE,
        max_chars=MAX_CHARS,
        table=results_table(results),
        step=pre["step"],
        millions=pre["pieces"] / 1e6,
        pretrain_minutes=pre["seconds"] / 60,
        epochs=tune["epochs"],
        tune_minutes=tune["seconds"] / 60,
        dropout=tune["dropout"],
        gold_weight=RAW_WEIGHTS["gold"],
        gold="\n".join(f"| {n} | {SOURCES[n][1]} | {SOURCES[n][0]} |" for n in sets),
        raw="\n".join(
            f"| {n} | {weight:g} | {SOURCES[n][1]} | {SOURCES[n][0]} |"
            for n, weight in RAW_WEIGHTS.items()
            if n != "gold"
        ),
        **{key: made[key] for key in ("seed", "torch", "python")},
    )
    return make_front(results) + "\n" + body


# ---------------------------------------------------------------------------------------------------- main


def start_logging() -> None:
    """Log to standard error, with the time."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True, help="folder with raw/ and labelled/")
    parser.add_argument("--out", type=Path, required=True, help="the finished folder")
    parser.add_argument("--work", type=Path, default=Path("build/zh_first"), help="intermediate results")
    parser.add_argument("--minutes", type=float, default=45.0, help="length of the pre-training")
    parser.add_argument("--epochs", type=int, default=Tuning.epochs, help="epochs of the fine-tuning")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="of jieba, and of the training")
    return parser.parse_args()


def main() -> None:
    """Run the stages."""
    options = parse_arguments()
    if any(os.environ.get(name) != value for name, value in ALLOCATOR.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | ALLOCATOR)
    start_logging()
    (options.work / "text").mkdir(parents=True, exist_ok=True)
    prepare(options.corpora, options.work, options.processes)
    pretrain(options.work, options.minutes, options.processes)
    finetune(options.corpora, options.work, options.processes, Tuning(epochs=options.epochs))
    export(options.corpora, options.work, options.out)


if __name__ == "__main__":
    main()
