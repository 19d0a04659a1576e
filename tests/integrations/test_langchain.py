"""LangChain's stores and splitters, and the plan that splitters share."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore

from lexel import Embedder
from lexel.document import Words
from lexel.integrations.langchain import LexelEmbeddings, LexelTextSplitter
from lexel.text.chunks import plan_chunks

TEXT = "馬英九在台北。天氣很好。今天我們去台北車站見面。"


def test_documents_and_queries_get_the_vectors_of_an_embedder(sentence_model: Path, embedder: Embedder) -> None:
    embeddings = LexelEmbeddings(sentence_model)
    np.testing.assert_array_equal(
        embeddings.embed_documents(["the new york", "天下"]), embedder.encode(["the new york", "天下"])
    )
    np.testing.assert_array_equal(embeddings.embed_query("天下"), embedder("天下", prompt="query").vector)


def test_a_store_finds_a_document_by_itself(embedder: Embedder) -> None:
    store = InMemoryVectorStore(LexelEmbeddings(embedder.with_options(prompt="")))
    store.add_documents([Document(page_content=text) for text in ("天下的我", "the new york")])
    assert store.similarity_search("the new york", k=1)[0].page_content == "the new york"
    assert asyncio.run(store.asimilarity_search("天下的我", k=1))[0].page_content == "天下的我"


def test_chunks_are_whole_sentences() -> None:
    assert LexelTextSplitter(chunk_size=14).split_text(TEXT) == ["馬英九在台北。天氣很好。", "今天我們去台北車站見面。"]


def test_a_sentence_that_is_too_long_is_cut_between_words() -> None:
    assert LexelTextSplitter(chunk_size=6).split_text("今天我們去台北車站見面。") == [
        "今天我們去",
        "台北車站見面",
        "。",
    ]


def test_a_chunk_says_where_it_stands_also_where_the_text_repeats_itself() -> None:
    text = "天氣很好。" * 4
    chunks = LexelTextSplitter(chunk_size=10, add_start_index=True).create_documents([text], [{"source": "a"}])
    assert [chunk.metadata for chunk in chunks] == [{"source": "a", "start_index": at} for at in (0, 10)]


def chars(text: str) -> Words:
    return Words.of(text, [(i, i + 1) for i, char in enumerate(text) if not char.isspace()])


@given(st.text(alphabet="天氣。! \n", max_size=60), st.integers(1, 12), st.data())
@settings(max_examples=150)
def test_chunks_fit_come_in_order_and_leave_nothing_out(text: str, size: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, size - 1))
    chunks = plan_chunks(text, size=size, overlap=overlap, words_of=chars)
    assert all(0 < end - start <= size for start, end in chunks)
    assert all(a[0] < b[0] and a[1] < b[1] and a[1] - b[0] <= overlap for a, b in pairwise(chunks))
    left = [char for i, char in enumerate(text) if not any(start <= i < end for start, end in chunks)]
    assert not "".join(left).strip()


def test_a_chunk_repeats_the_end_of_the_one_before_it() -> None:
    chunks = plan_chunks("一。二。三。四。", size=4, overlap=2, words_of=chars)
    assert chunks == [(0, 4), (2, 6), (4, 8)]


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (5, 5), (5, -1)])
def test_an_overlap_must_be_less_than_the_size(size: int, overlap: int) -> None:
    with pytest.raises(ValueError, match=r"(size|overlap) is"):
        plan_chunks("天氣。", size=size, overlap=overlap, words_of=chars)
