"""The sizes, pieces and heads of a student, derived from its teacher."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from transformers import AutoConfig, PretrainedConfig

from lexel.checkpoint import Checkpoint
from lexel.checkpoint.heads import Head
from lexel.checkpoint.sentence_transformers import SentenceModules, read_sentence_modules
from lexel.disk import sha256_of
from lexel.encoder.families import family_of
from lexel.engines.heads import read_dense
from lexel.errors import OptionError
from lexel.names import SPAN_TASKS
from lexel.text.tokenizer import Tokenizer
from lexel.text.tokenizer_files import read_vocabulary
from lexel.training.config.options import DataFile, HeadOptions, TrainingOptions
from lexel.training.data.features import read_documents
from lexel.training.data.heads import base_head
from lexel.training.data.text_examples import classified_of, questions_of
from lexel.training.data.vocabulary import check_texts, count_pieces, kept_pieces, write_vocabulary
from lexel.training.distributed import ProcessGroup

_SIZES = {"num_hidden_layers": "layers", "hidden_size": "hidden size", "intermediate_size": "inner size"}


def student_heads(options: TrainingOptions, teacher: Checkpoint) -> Mapping[str, HeadOptions]:
    """The requested heads; those that the teacher has get its labels, and for vectors its pooling and size."""
    starts = {name: base_head(name, asked, teacher.heads) for name, asked in options.heads.items()}
    return {
        name: asked if (start := starts[name]) is None else _as_taught(asked, start, teacher)
        for name, asked in options.heads.items()
    }


def _as_taught(asked: HeadOptions, head: Head, teacher: Checkpoint) -> HeadOptions:
    if head.task == "spans":
        raise OptionError(f"heads.{head.name}: scores spans, which a student cannot learn yet; expected another head")
    if head.task == "embed":
        return _vectors_as_taught(asked, head, teacher)
    has_scheme = head.task in SPAN_TASKS
    return replace(
        asked,
        labels=head.labels or None,
        scheme=head.scheme if has_scheme else None,
        word_label=head.word_label or asked.word_label,
        problem=head.problem,
    )


def _vectors_as_taught(asked: HeadOptions, head: Head, teacher: Checkpoint) -> HeadOptions:
    """The teacher's pooling, and a dense map to vectors of its size if it has one."""
    weights = teacher.open_weights()
    dense = read_dense(head, weights, hidden_size=teacher.config.hidden_size)
    if dense is None:
        return replace(asked, pooling="attention", dimensions=None)
    weighs = weights.has(f"{head.prefix}.attention.weight")
    return replace(asked, pooling="both" if weighs else "dense", dimensions=len(dense[0]))


def student_modules(options: TrainingOptions, teacher: Checkpoint, *, hidden_size: int) -> SentenceModules | None:
    """How a student of vectors pools if its teacher has no head for that: as the teacher's files say.

    Args:
        options: The options of the run.
        teacher: The teacher.
        hidden_size: The student's width.

    Raises:
        OptionError: If the teacher makes no vectors, or has maps that do not fit the student's width.
    """
    asked = [(name, head) for name, head in options.heads.items() if head.task == "embed"]
    if not asked or base_head(*asked[0], teacher.heads) is not None:
        return None
    name, folder, theirs = asked[0][0], teacher.source.folder, teacher.config.hidden_size
    modules = read_sentence_modules(folder, hidden_size=theirs)
    if modules is None:
        raise OptionError(
            f"heads.{name}: embed, which the teacher {folder.name} has no head for, nor modules.json; expected one "
            "that makes vectors. Take one of sentence-transformers, or train the head (lexel train --heads embed)"
        )
    if hidden_size != theirs and not all(isinstance(step, str) for step in modules.steps):
        raise OptionError(
            f"config: hidden size {hidden_size}; the maps behind the teacher's pooling (modules.json) take {theirs}. "
            "Keep that width, or take a teacher without maps"
        )
    return modules


def student_config(options: TrainingOptions, teacher: Checkpoint) -> PretrainedConfig:
    """The teacher's config with other sizes; by default, heads and inner size are in proportion to the hidden size.

    Raises:
        OptionError: If a size is larger than the teacher's.
    """
    theirs = AutoConfig.from_pretrained(teacher.source.folder)
    values = dict(options.config)
    hidden = int(values.get("hidden_size", theirs.hidden_size))
    if hidden != theirs.hidden_size:
        width = theirs.hidden_size // theirs.num_attention_heads
        values.setdefault("num_attention_heads", hidden // width if hidden % width == 0 else _divisor(hidden, width))
        values.setdefault("intermediate_size", max(1, _inner(theirs) * hidden // theirs.hidden_size))
    config = AutoConfig.from_pretrained(teacher.source.folder, **_own_names(theirs, values))
    config.dtype = "float32"
    check_size(config, teacher)
    return config


def _divisor(hidden: int, width: int) -> int:
    """The number of attention heads for which their width is close to the teacher's."""
    return min((n for n in range(1, hidden + 1) if hidden % n == 0), key=lambda n: abs(hidden // n - width))


def _inner(config: PretrainedConfig) -> int:
    return int(getattr(config, _inner_key(config)))


def _inner_key(config: PretrainedConfig) -> str:
    return family_of(config.model_type).required["intermediate_size"]


def _own_names(config: PretrainedConfig, values: Mapping[str, object]) -> dict[str, object]:
    """Values by the names of a family; DistilBERT calls the inner size hidden_dim, ModernBERT lists its layers."""
    inner = _inner_key(config)
    own = {inner if name == "intermediate_size" else name: value for name, value in values.items()}
    kinds, n = getattr(config, "layer_types", None), values.get("num_hidden_layers")
    if kinds is not None and isinstance(n, int):
        own.setdefault("layer_types", kinds[:n])
    return own


def check_size(config: PretrainedConfig, teacher: Checkpoint) -> None:
    """Refuse a student that is larger than its teacher.

    Raises:
        OptionError: With the sizes.
    """
    theirs = AutoConfig.from_pretrained(teacher.source.folder)
    sizes = {
        "num_hidden_layers": (config.num_hidden_layers, theirs.num_hidden_layers),
        "hidden_size": (config.hidden_size, theirs.hidden_size),
        "intermediate_size": (_inner(config), _inner(theirs)),
    }
    larger = [f"{_SIZES[name]} {own} beside {his}" for name, (own, his) in sizes.items() if own > his]
    if larger:
        raise OptionError(
            f"config: the student is larger than its teacher {teacher.source.folder.name}: {', '.join(larger)}; "
            "expected at most the teacher's sizes. Make it smaller, or train it with lexel train"
        )


# Text and pieces -----------------------------------------------------------------------------------------------------


def check_data(options: TrainingOptions, tokenizer: Tokenizer) -> None:
    """Refuse training files without text, or with text that the teacher does not read.

    Raises:
        DataError: If there is such a file.
    """
    for file in options.train:
        check_texts(texts_of(file, options), tokenizer, where=file.path)


def cut_vocabulary(
    options: TrainingOptions, folder: Path, tokenizer: Tokenizer, *, cache: Path, process_group: ProcessGroup
) -> Path:
    """A folder with the tokenizer's files for the most frequent pieces of the training files.

    Args:
        options: The options of the run: the number of pieces, and the files.
        folder: The teacher's folder.
        tokenizer: The teacher's tokenizer.
        cache: The parent of the folder, whose name is a checksum of everything that it depends on.
        process_group: The processes; the first one writes it.
    """
    size = options.distill.vocabulary
    assert size is not None
    vocab, name = read_vocabulary(folder)
    parts = [str(size), sha256_of(folder / name), *(sha256_of(file.path) for file in options.train)]
    cut = cache / f"vocabulary-{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:24]}"
    if process_group.is_main and not cut.exists():
        counts = count_pieces((text for file in options.train for text in texts_of(file, options)), tokenizer)
        kept = kept_pieces(counts, folder, tokenizer, size=min(size, len(vocab)))
        write_vocabulary(folder, cut, kept)
    process_group.barrier()
    return cut


def renew_config(config: PretrainedConfig, folder: Path, cut: Path) -> None:
    """Write the indexes of a cut vocabulary into a config."""
    before, _ = read_vocabulary(folder)
    after, _ = read_vocabulary(cut)
    spelled = {index: piece for piece, index in before.items()}
    config.vocab_size = max(after.values()) + 1
    for role in ("pad", "bos", "eos", "sep", "cls", "mask", "unk"):
        index = getattr(config, f"{role}_token_id", None)
        if isinstance(index, int) and spelled.get(index) in after:
            setattr(config, f"{role}_token_id", after[spelled[index]])


def texts_of(file: DataFile, options: TrainingOptions) -> Iterator[str]:
    """The texts of a file, read for the heads of a run."""
    tasks: Sequence[str] = [head.task for head in options.heads.values()]
    if "answer" in tasks:
        return (question.context for question in questions_of(file))
    if "classify" in tasks or "embed" in tasks:
        records = classified_of(file, labelled=False)
        return (record.text if record.pair is None else f"{record.text} {record.pair}" for record in records)
    return (document.text for document in read_documents(file))
