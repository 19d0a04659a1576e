"""From open corpora to what the training reads: silver words and tags over raw text, gold sentences, a vocabulary.

Every file is written aside and renamed, and skipped when it is there, so a stopped run goes on with the same command.
"""

from __future__ import annotations

import json
import logging
import lzma
import multiprocessing
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jieba
import opencc

from lexel.data.folding import FOLDS
from lexel.text.sentences import split_sentences

SEED = 20261120
SCRIPTS = ("simplified", "traditional")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
POSITIONS = 256
FOLD = "ud-zh-2.12"
"""The rule that undoes the SCONJ of UD Chinese GSD since 2.13, which no other Chinese treebank has."""

EMOJI = (
    "😀😃😄😁😆😅😂🤣😊😇🙂🙃😉😌😍🥰😘😗😙😚😋😛😝😜🤪🤨🧐🤓😎🤩🥳😏😒😞😔😟😕🙁😣😖😫😩🥺😢😭😤😠😡🤬🤯😳🥵🥶😱😨😰😥😓"
    "🤗🤔🤭🤫🤥😶😐😑😬🙄😯😦😧😮😲🥱😴🤤😪😵🤐🥴🤢🤮🤧😷🤒🤕🤑👍👎👌✌🤞🙏💪👏🙌👋🤝❤🧡💛💚💙💜🖤💔💕💖✨⭐🌟🔥💯"
    "🎉🎊🎁🎂☀🌙⚡❄🌈🌸🌹🍀☕🍺🍜🍎🐶🐱🐼🚗✈🚀📱💻📷📚📈📉💰⚠✅❌❓❗➡⬅⬆⬇♥♦♣♠♪♫☎☑✔✘"
)

log = logging.getLogger("recipe")

Record = dict[str, Any]
"""A sentence as JSON lines have it: ``text``, ``words``, ``pos``, ``entities``."""


# Silver labels -------------------------------------------------------------------------------------------------------


class Silver:
    """jieba's words with its dictionary's tags, and both scripts of a text. One a process."""

    def __init__(self) -> None:
        jieba.setLogLevel(logging.ERROR)
        jieba.initialize()
        self._convert = {"simplified": opencc.OpenCC("t2s").convert, "traditional": opencc.OpenCC("s2t").convert}
        with jieba.get_dict_file() as lines:
            entries = [line.decode("utf-8").split() for line in lines]
        counts = Counter(tag for _, _, tag in entries)
        self._tags = {word: tag for word, _, tag in entries if counts[tag] >= 40}

    def scripts(self, text: str) -> dict[str, str]:
        """The text in each script, character for character; unchanged where a conversion changes the length."""
        simplified = self._convert["simplified"](text)
        if len(simplified) != len(text):
            return dict.fromkeys(SCRIPTS, text)
        traditional = text if simplified != text else self._convert["traditional"](text)
        return {"simplified": simplified, "traditional": traditional if len(traditional) == len(text) else text}

    def words(self, simplified: str) -> tuple[list[tuple[int, int]], list[str]]:
        """Words and their tags."""
        spans, tags, start = [], [], 0
        for word in jieba.cut(simplified):
            end = start + len(word)
            if not word.isspace():
                spans.append((start, end))
                tags.append(self._tags.get(word) or _kind(word))
            start = end
        return spans, tags


def _kind(word: str) -> str:
    """The tag of a word that the dictionary does not have."""
    if not any(map(str.isalnum, word)):
        return "w"
    if word[0].isdigit():
        return "m"
    return "eng" if word.isascii() else "x"


_silver: Silver | None = None


def _start_worker() -> None:
    global _silver
    _silver = Silver()


def _label(job: tuple[int, Sequence[str]]) -> dict[str, str]:
    """By script, some paragraphs cut into documents, labelled, as JSON lines."""
    seed, paragraphs = job
    assert _silver is not None
    lines: dict[str, list[str]] = {script: [] for script in SCRIPTS}
    generator = random.Random(seed)
    for paragraph in paragraphs:
        texts = _silver.scripts(paragraph)
        words, tags = _silver.words(texts["simplified"])
        ends = [sentence.end for sentence in split_sentences(paragraph)]
        for script, text in texts.items():
            for start, end in _cut(ends, generator):
                record = _slice(text, words, tags, start=start, end=end)
                lines[script].append(json.dumps(_with_emoji(record, generator), ensure_ascii=False))
    return {script: "".join(f"{line}\n" for line in found) for script, found in lines.items()}


def _cut(ends: Sequence[int], generator: random.Random) -> Iterator[tuple[int, int]]:
    """Cut a paragraph into documents: single sentences half of the time, else runs of a random length."""
    longest = 0 if generator.random() < 0.5 else generator.randint(40, POSITIONS - 2)
    start = 0
    for k, end in enumerate(ends):
        if k + 1 < len(ends) and ends[k + 1] - start <= longest:
            continue
        if end - start >= 4 or generator.random() < 0.2:
            yield start, end
        start = end


def _slice(text: str, words: Sequence[tuple[int, int]], tags: Sequence[str], *, start: int, end: int) -> Record:
    inside = [k for k, (a, b) in enumerate(words) if start <= a and b <= end]
    begin = words[inside[0]][0] if inside else start
    end = words[inside[-1]][1] if inside else end
    return {
        "text": text[begin:end],
        "words": [[words[k][0] - begin, words[k][1] - begin] for k in inside],
        "pos": [tags[k] for k in inside],
    }


def _with_emoji(record: Record, generator: random.Random) -> Record:
    """Now and then an emoji behind the text, so that its piece means something."""
    if generator.random() < 0.01:
        n = len(record["text"])
        record["text"] += generator.choice(EMOJI)
        record["words"].append([n, n + 1])
        record["pos"].append("w")
    return record


def write_silver(corpora: Path, data: Path, names: Sequence[str], *, processes: int, limit: int | None) -> None:
    """Label raw files, and the texts of the gold training sentences as ``gold``, in both scripts.

    Args:
        corpora: Folder with ``raw`` and ``labelled``.
        data: Where ``<name>.<script>.jsonl`` goes.
        names: The raw files.
        processes: How many work.
        limit: Paragraphs taken of each file; ``None`` for all.
    """
    with multiprocessing.get_context("spawn").Pool(processes, _start_worker) as pool:
        for name in (*names, "gold"):
            targets = {script: data / f"{name}.{script}.jsonl" for script in SCRIPTS}
            if all(path.exists() for path in targets.values()):
                continue
            paragraphs = _gold_texts(corpora) if name == "gold" else read_paragraphs(corpora / "raw", name)
            paragraphs = paragraphs[:limit]
            jobs = [(SEED + at, paragraphs[at : at + 500]) for at in range(0, len(paragraphs), 500)]
            parts = pool.map(_label, jobs, chunksize=1)
            for script, path in targets.items():
                write_text(path, "".join(part[script] for part in parts))
            log.info("prepare: %s, %d paragraphs", name, len(paragraphs))


def read_paragraphs(folder: Path, name: str) -> list[str]:
    """The paragraphs of a raw file, a line each."""
    plain, packed = folder / f"{name}.txt", folder / f"{name}.txt.xz"
    with lzma.open(packed, "rt", encoding="utf-8") if packed.exists() else plain.open(encoding="utf-8") as lines:
        return [line.strip() for line in lines if len(line.strip()) >= 4]


def _gold_texts(corpora: Path) -> list[str]:
    sets = ("zh_gsdsimp", "zh_aishell_ner")
    return [record["text"] for name in sets for record in read_labelled(corpora, name, "train")]


# Vocabulary ----------------------------------------------------------------------------------------------------------


def write_tokenizer(data: Path, folder: Path, *, n_pieces: int) -> None:
    """Choose the characters that occur most, those of the gold sentences before all others.

    Args:
        data: Folder with the silver files.
        folder: Where ``vocab.txt`` and ``tokenizer_config.json`` go.
        n_pieces: Most pieces, the special ones included.
    """
    if (folder / "tokenizer_config.json").exists():
        return
    counts: Counter[str] = Counter(dict.fromkeys(EMOJI, 10**9))
    for path in sorted(data.glob("*.*.jsonl")):
        found = Counter("".join(json.loads(line)["text"] for line in path.open(encoding="utf-8")))
        often = 1000 if path.name.startswith("gold.") else 1
        counts.update({char: often * count for char, count in found.items()})
    chars = [char for char, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    pieces = [*SPECIAL, *(char for char in chars if char.isprintable() and not char.isspace())][:n_pieces]
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "vocab.txt", "".join(f"{piece}\n" for piece in pieces))
    config: dict[str, Any] = {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
    config |= {"model_max_length": POSITIONS, "fold_full_width": True}
    config |= {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    write_text(folder / "tokenizer_config.json", json.dumps(config, indent=2) + "\n")
    log.info("prepare: %d pieces", len(pieces))


# Gold ----------------------------------------------------------------------------------------------------------------


def write_gold(corpora: Path, data: Path) -> None:
    """Write what is made of the gold training sets: varied copies of the sentences, transcripts in both scripts."""
    for name in ("zh_gsd", "zh_gsdsimp"):
        variations = Variations(random.Random(SEED))
        sentences = map(_record, read_labelled(corpora, name, "train"))
        write_records(data / f"{name}.varied.jsonl", [variations.vary(s) for s in sentences for _ in range(4)])
    silver, transcripts = Silver(), [_record(s) for s in read_labelled(corpora, "zh_aishell_ner", "train")]
    for script in SCRIPTS:
        converted = [record | {"text": silver.scripts(record["text"])[script]} for record in transcripts]
        write_records(data / f"zh_aishell_ner.{script}.jsonl", converted)


def read_labelled(corpora: Path, name: str, split: str) -> list[Record]:
    """The sentences of a labelled set as they stand."""
    path = corpora / "labelled" / name / f"{split}.jsonl"
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _record(sentence: Record) -> Record:
    """A sentence with its universal tags folded."""
    pos = sentence["upos"]
    if pos is not None:
        pos = FOLDS[FOLD].apply(pos, sentence["xpos"])
    return {key: sentence[key] for key in ("id", "text", "words")} | {"pos": pos, "entities": sentence["entities"]}


NARROW = str.maketrans("，。！？：；（）", ",.!?:;()")
ADDRESSES = ("https://{0}.com/{1}", "www.{0}.org", "http://{0}.cn/{1}?id=1", "{1}@{0}.com", "{0}.{1}")
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-_"


@dataclass(frozen=True)
class Variations:
    """Sentences as they might have been: what a treebank is too clean for."""

    generator: random.Random

    def vary(self, record: Record) -> Record:
        """Drop the full stop, narrow the punctuation, or add emoji or an address."""
        chance = self.generator.random()
        if chance < 1 / 3 and record["pos"][-1] == "PUNCT" and len(record["text"]) > 6:
            return self._without_stop(record)
        if chance < 2 / 3:
            return record | {"text": record["text"].translate(NARROW)}
        if chance < 5 / 6:
            emoji = self.generator.choices(EMOJI, k=self.generator.randint(1, 3))
            return self._append(record, emoji, "SYM")
        names = ["".join(self.generator.choices(LETTERS, k=self.generator.randint(3, 9))) for _ in range(2)]
        return self._append(record, [self.generator.choice(ADDRESSES).format(*names)], "X")

    def _without_stop(self, record: Record) -> Record:
        start, end = record["words"][-1]
        kept = {"text": record["text"][:start], "words": record["words"][:-1], "pos": record["pos"][:-1]}
        entities = record["entities"] and [entity for entity in record["entities"] if entity[1] < end]
        return record | kept | {"entities": entities}

    def _append(self, record: Record, words: Sequence[str], pos: str) -> Record:
        text, spans = record["text"], list(record["words"])
        for word in words:
            spans.append([len(text), len(text) + len(word)])
            text += word
        return record | {"text": text, "words": spans, "pos": record["pos"] + [pos] * len(words)}


# Files ---------------------------------------------------------------------------------------------------------------


def write_records(path: Path, records: Sequence[Record]) -> None:
    """Write JSON lines, unless they are there."""
    if not path.exists():
        write_text(path, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))


def write_text(path: Path, text: str) -> None:
    """Write a text aside and rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)
