"""Everyone who is measured, each as a function from texts to the number of words read.

A reader looks at the text and the tag of every word, as its user would. Whatever it takes to get there from plain
strings is its own affair. Libraries are imported when a reader is made, so that a fresh process loads no other's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from lexel.document import Document

Reader = Callable[[Iterable[str]], int]


def lexel_reader(folder: str | None, *, threads: int, **options: Any) -> Reader:
    """Lexel, as ``lexel.load`` gives it with these options."""
    import lexel

    tagger = lexel.load(folder, threads=threads, **options)
    return lambda texts: _look_at(tagger.stream(texts))


def lexel_words_reader(folder: str | None, *, threads: int) -> Reader:
    """Lexel's words alone: the text of each."""
    import lexel

    tagger = lexel.load(folder, threads=threads)
    return lambda texts: sum(1 for document in tagger.stream(texts) for word in document.words.texts if word)


def lexel_without_encoder(folder: str | None, *, threads: int, unread: bool = False) -> Reader:
    """Lexel with all the folder's heads, but scores that come from a table instead of an encoder.

    With ``unread`` nobody looks into the Documents, and they are what is counted.
    """
    import numpy as np

    from lexel.checkpoint import open_checkpoint
    from lexel.engines.fake import FakeEngine
    from lexel.labels import detect
    from lexel.tasks.base import Flow
    from lexel.tasks.layers import LayerHead, TagOptions
    from lexel.tasks.tag import Tagger

    checkpoint = open_checkpoint(folder)
    random = np.random.default_rng(0)

    def table(labels: tuple[str, ...]) -> Callable[[Any], Any]:
        scores = random.normal(size=(checkpoint.config.vocab_size, len(labels))).astype(np.float32)
        if "O" in labels:  # an entity or two in a sentence, and in one of six a tag where it may not stand
            scores[:, labels.index("O")] += 3
            scores[:, [label.startswith("I-") for label in labels]] -= 2
        return lambda ids: scores[ids]

    heads = checkpoint.heads
    engine = FakeEngine({name: table(head.labels) for name, head in heads.items()})
    flow = Flow("fake", checkpoint, engine, outputs=tuple(heads))
    layers: Any = {
        name: LayerHead("fake", head, detect(head.labels, scheme=head.scheme)) for name, head in heads.items()
    }
    tagger = Tagger([flow], layers, TagOptions())
    look = _count if unread else _look_at
    return lambda texts: look(tagger.stream(texts))


def lexel_pieces_reader(folder: str | None, *, threads: int) -> Reader:
    """Lexel's pieces with their offsets, a block of texts at a time as everything takes them; counts pieces."""
    from lexel.checkpoint import open_checkpoint
    from lexel.tasks.base import gather_blocks
    from lexel.text.tokenizer import load_tokenizer

    checkpoint = open_checkpoint(folder)
    tokenizer = load_tokenizer(
        checkpoint.source.folder, pieces=checkpoint.pieces, model_type=checkpoint.config.model_type
    )
    return lambda texts: sum(len(tokenizer.encode(block.texts)) for block in gather_blocks(texts))


def library_pieces_reader(folder: str, *, threads: int) -> Reader:
    """The tokenizers library's pieces with their offsets, of the same blocks; counts pieces."""
    from tokenizers import BertWordPieceTokenizer

    from lexel.tasks.base import gather_blocks

    tokenizer = BertWordPieceTokenizer(f"{folder}/vocab.txt")

    def read(texts: Iterable[str]) -> int:
        blocks = (tokenizer.encode_batch(list(block.texts), add_special_tokens=False) for block in gather_blocks(texts))
        return sum(len(list(zip(found.ids, found.offsets, strict=True))) for block in blocks for found in block)

    return read


def transformers_reader(
    folder: str, *, threads: int, batch: int = 1, device: str = "cpu", dtype: str = "float32"
) -> Reader:
    """transformers' pipeline for token classification."""
    import torch
    from transformers import pipeline

    torch.set_num_threads(threads)
    pipe = pipeline("token-classification", model=folder, device=device, dtype=dtype, ignore_labels=[])

    def read(texts: Iterable[str]) -> int:
        texts = list(texts)
        n = 0
        for text, pieces in zip(texts, pipe(texts, batch_size=batch) if texts else (), strict=True):
            spans = [(piece["start"], piece["end"]) for piece in pieces]
            n += sum(1 for _ in join_pieces(text, spans, [piece["entity"] for piece in pieces]))
        return n

    return read


def transformers_long_reader(folder: str, *, threads: int, batch: int = 1, dtype: str = "float32") -> Reader:
    """The pipeline on texts longer than the model takes: it has windows only where it puts pieces together."""
    import torch
    from transformers import pipeline

    torch.set_num_threads(threads)
    pipe = pipeline(
        "token-classification",
        model=folder,
        device="cpu",
        dtype=dtype,
        ignore_labels=[],
        aggregation_strategy="simple",
        stride=128,
    )

    def read(texts: Iterable[str]) -> int:
        found = pipe(list(texts), batch_size=batch)
        return len([(unit["word"], unit["entity_group"]) for units in found for unit in units])

    return read


def ckip_reader(folder: str, *, threads: int, batch: int = 256) -> Reader:
    """ckip-transformers' driver for words, which gives no tags."""
    import torch
    from ckip_transformers.nlp import CkipWordSegmenter

    torch.set_num_threads(threads)
    driver = CkipWordSegmenter(model_name=folder, device=-1)

    def read(texts: Iterable[str]) -> int:
        texts = list(texts)
        return sum(map(len, driver(texts, batch_size=batch, show_progress=False))) if texts else 0

    return read


def exported_reader(
    folder: str, *, threads: int, precision: str = "float32", batch: int = 16, streams: int = 1
) -> Reader:
    """OpenVINO on the graph that ``models.export`` wrote: sentences sorted by length, batches padded to the longest."""
    import openvino as ov
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    types = {"float32": ov.Type.f32, "bf16": ov.Type.bf16}
    options = {"INFERENCE_PRECISION_HINT": types[precision], "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": streams}
    compiled = ov.Core().compile_model(f"{folder}/exported.xml", "CPU", options)
    names = [port.get_any_name() for port in compiled.inputs]
    requests = [compiled.create_infer_request() for _ in range(2 * streams)]  # one waits while one is computed

    def read(texts: Iterable[str]) -> int:
        texts = list(texts)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        offsets: dict[int, Any] = {}
        tags: dict[int, Any] = {}
        running: deque[tuple[Any, list[int]]] = deque()

        def receive() -> None:
            request, members = running.popleft()
            request.wait()
            tags.update(zip(members, request.get_output_tensor(0).data.argmax(-1), strict=True))

        for number, first in enumerate(range(0, len(order), batch)):
            members = order[first : first + batch]
            encoded = tokenizer(
                [texts[i] for i in members], padding=True, return_tensors="np", return_offsets_mapping=True
            )
            offsets.update(zip(members, encoded["offset_mapping"].tolist(), strict=True))
            if len(running) == len(requests):
                receive()
            request = requests[number % len(requests)]
            request.start_async({name: encoded[name] for name in names})
            running.append((request, members))
        while running:
            receive()
        return sum(
            1
            for i, text in enumerate(texts)
            for _ in join_pieces(text, offsets[i], ["BI"[tag] for tag in tags[i].tolist()])
        )

    return read


def jieba_reader(folder: None = None, *, threads: int = 1) -> Reader:
    """jieba's words with tags (``jieba.posseg``); it uses one core, whatever ``threads`` says."""
    import jieba
    import jieba.posseg

    jieba.setLogLevel("ERROR")
    return lambda texts: sum(1 for text in texts for word in jieba.posseg.cut(text) if (word.word, word.flag))


def jieba_words_reader(folder: None = None, *, threads: int = 1) -> Reader:
    """jieba's words alone; one core as well."""
    import jieba

    jieba.setLogLevel("ERROR")
    return lambda texts: sum(1 for text in texts for word in jieba.cut(text) if word)


def lexel_embedding_reader(folder: str, *, threads: int, precision: str = "auto") -> Reader:
    """Lexel's vectors, pooled as the folder says."""
    import lexel

    embedder = lexel.Embedder.load(folder, threads=threads, precision=precision)
    return lambda texts: len(embedder.encode(texts))


def feature_reader(folder: str, *, threads: int, batch: int = 1, dtype: str = "float32") -> Reader:
    """transformers' pipeline for hidden states, and their mean over each text's pieces."""
    import torch
    from transformers import pipeline

    torch.set_num_threads(threads)
    pipe = pipeline("feature-extraction", model=folder, device="cpu", dtype=dtype)

    def read(texts: Iterable[str]) -> int:
        states = pipe(list(texts), batch_size=batch, return_tensors=True)
        return len([state[0].float().mean(dim=0).numpy() for state in states])

    return read


def lexel_classifier_reader(folder: str, *, threads: int, precision: str = "auto") -> Reader:
    """Lexel's classes of texts."""
    import lexel

    classifier = lexel.Classifier.load(folder, threads=threads, precision=precision)
    return lambda texts: sum(1 for found in classifier.stream(texts) if found.labels)


def text_classification_reader(folder: str, *, threads: int, batch: int = 1, dtype: str = "float32") -> Reader:
    """transformers' pipeline for classes of texts."""
    import torch
    from transformers import pipeline

    torch.set_num_threads(threads)
    pipe = pipeline("text-classification", model=folder, device="cpu", dtype=dtype)
    return lambda texts: sum(1 for found in pipe(list(texts), batch_size=batch) if found["label"])


def sentence_transformers_reader(folder: str, *, threads: int, batch: int = 32, dtype: str = "float32") -> Reader:
    """sentence-transformers on torch, which sorts texts by length itself."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    model = SentenceTransformer(folder, device="cpu", model_kwargs={"dtype": getattr(torch, dtype)})
    return lambda texts: len(model.encode(list(texts), batch_size=batch, show_progress_bar=False))


READERS: Mapping[str, Callable[..., Reader]] = {
    "lexel": lexel_reader,
    "lexel-words": lexel_words_reader,
    "lexel-without-encoder": lexel_without_encoder,
    "lexel-unread": partial(lexel_without_encoder, unread=True),
    "lexel-pieces": lexel_pieces_reader,
    "library-pieces": library_pieces_reader,
    "transformers": transformers_reader,
    "transformers-long": transformers_long_reader,
    "ckip": ckip_reader,
    "exported": exported_reader,
    "lexel-embedding": lexel_embedding_reader,
    "feature-extraction": feature_reader,
    "sentence-transformers": sentence_transformers_reader,
    "jieba": jieba_reader,
    "jieba-words": jieba_words_reader,
}


def _count(documents: Iterable[Document]) -> int:
    return sum(1 for _ in documents)


def _look_at(documents: Iterable[Document]) -> int:
    return sum(1 for document in documents for word in document.words if (word.text, word.pos))


def join_pieces(text: str, spans: Iterable[Sequence[int]], tags: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Words from pieces tagged B or I, with the tag of their first piece; empty spans are special pieces.

    >>> list(join_pieces("今天去", [(0, 0), (0, 1), (1, 2), (2, 3), (0, 0)], "BBIBB"))
    [('今天', 'B'), ('去', 'B')]
    """
    start = end = 0
    first_tag = ""
    for (piece_start, piece_end), tag in zip(spans, tags, strict=False):  # padding has tags too
        if piece_start == piece_end:
            continue
        if tag == "B" and end:
            yield text[start:end], first_tag
        if tag == "B" or not end:
            start, first_tag = piece_start, tag
        end = piece_end
    if end:
        yield text[start:end], first_tag
