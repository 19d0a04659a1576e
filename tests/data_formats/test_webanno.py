"""WebAnno TSV of INCEpTION."""

from __future__ import annotations

import re

from lexel.document import Document, Spans, Words
from tests.data_formats.annotated import labelled, losses_in, losses_of, read, written

WEBANNO = r"""#FORMAT=WebAnno TSV 3.3
#T_SP=de.tudarmstadt.ukp.dkpro.core.api.lexmorph.type.pos.POS|PosValue|coarseValue
#T_SP=de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity|identifier|value
#T_SP=webanno.custom.Note|text


#Sentence.id=s1
#Text=🦟 Jane Roe-Doe \\ left
1-1	0-2	🦟	SYM	_	_	_	_
1-2	3-7	Jane	PROPN	PROPN	*[1]	PER[1]	_
1-3	8-15	Roe-Doe	PROPN	PROPN	_	_	_
1-3.1	8-11	Roe	_	_	*[1]	PER[1]	_
1-4	16-17	\	SYM	_	_	_	see\_a\|b
1-5	18-22	left	VERB	VERB	_	LOC\|\_x[2]|ORG[3]	_

#Text=New
2-1	23-26	New	PROPN	_	_	LOC[4]	_

#Text=York is
#Text=big
3-1	27-31	York	PROPN	_	_	LOC[4]	_
3-2	32-34	is	AUX	_	_	*	_
3-3	35-38	big	ADJ	_	_	X	_
"""
WEBANNO = re.sub(r"(\t.*)\n", "\\1\t\n", WEBANNO)  # rows end with a tab


def test_a_file_of_inception_is_read() -> None:
    first, second, third = read("webanno", WEBANNO)
    assert (first.id, first.text) == ("s1", "🦟 Jane Roe-Doe \\ left")
    assert first.words.texts == ["🦟", "Jane", "Roe-Doe", "\\", "left"]
    assert first.words.pos == ["SYM", "PROPN", "PROPN", "SYM", "VERB"]
    assert [(span.text, span.label) for span in first.entities] == [("Jane Roe", "PER"), ("left", "LOC|_x")]
    assert [span.label for span in first.nested] == ["PER", "LOC|_x", "ORG"]
    assert third.text == "York is\nbig"
    assert [(span.text, span.label) for span in third.entities] == [("big", "X")]
    assert not second.entities


def test_what_documents_do_not_hold_of_inceptions_annotation_is_counted() -> None:
    assert losses_in("webanno", WEBANNO) == [
        "cells of other features and layers: 4 not held by documents",
        "entities over a sentence's end: 1 not held by documents",
        "entities without a value: 1 not held by documents",
    ]


def test_the_first_custom_layer_holds_the_entities_where_there_is_no_other() -> None:
    header = "#FORMAT=WebAnno TSV 3.2\n#T_SP=webanno.custom.Letter|id|value\n#T_RL=webanno.custom.R|t|BT_x\n\n"
    (document,) = read("webanno", header + "\n#Text=ab cd\n1-1\t0-2\tab\t7\tPER\t_\t_\t\n1-2\t3-5\tcd\t_\t_\t_\t_\t\n")
    assert [(span.text, span.label) for span in document.entities] == [("ab", "PER")]


def test_the_name_of_a_layer_without_features_is_the_label() -> None:
    header = "#FORMAT=WebAnno TSV 3.3\n#T_SP=webanno.custom.Person|\n\n"
    (document,) = read("webanno", header + "\n#Text=ab cd\n1-1\t0-2\tab\t*\t\n1-2\t3-5\tcd\t_\t\n")
    assert labelled(document.entities) == [("ab", "Person")]


def test_annotations_of_inception_between_two_characters_are_counted() -> None:
    header = "#FORMAT=WebAnno TSV 3.3\n#T_SP=webanno.custom.X|value\n\n\n#Text=😀b\n"
    rows = "1-1\t0-3\t😀b\t_\t\n1-1.1\t0-0\t\tA\t\n1-1.2\t2-2\t\tB\t\n1-1.3\t2-3\tb\tC\t\n"
    (document,) = read("webanno", header + rows)
    assert labelled(document.entities) == [("b", "C")]
    assert losses_in("webanno", header + rows) == ["entities of no length: 2 not held by documents"]


def test_webanno_holds_entities_that_cut_words_and_lie_over_each_other() -> None:
    text = "😀Paris-based banks"
    words = Words.of(text, [(0, 12), (13, 18)])
    nested = Spans.of(text, [(0, 6, "A"), (1, 18, "a|b_c*[1];->d\\"), (1, 6, "LOC"), (13, 18, "X")])
    outer = Spans.of(text, [(0, 6, "A"), (13, 18, "X")])
    document = Document(text, words, outer, id="s\t1", nested=nested)
    assert read("webanno", written("webanno", document)) == [document]


def test_webanno_counts_entities_that_begin_outside_of_words() -> None:
    document = Document("a b", Words.of("a b", [(0, 1), (2, 3)]), Spans.of("a b", [(1, 3, "X")]))
    assert losses_of("webanno", document) == ["entities that begin or end outside of words: 1 not held by WebAnno TSV"]


def test_escapes_of_webanno_3_1_are_javas() -> None:
    data = "#FORMAT=WebAnno TSV 3.1\n\n#Text=\\u4f60\\t\\ud83d\\ude00\n1-1\t0-1\t你\t\n1-2\t2-4\t😀\t\n"
    assert [document.text for document in read("webanno", data)] == ["你\t😀"]
