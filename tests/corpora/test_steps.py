"""Each step on a few records, and that it gives the same for the same shard."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from lexel.corpora import JobOptions, run_corpus
from lexel.corpora.preview import preview_steps
from lexel.corpora.recipe import read_steps
from lexel.corpora.steps import STEPS, CorpusStep, Machine, Shard
from lexel.corpora.steps.dedup import signature_of
from lexel.corpora.store import FolderStore
from lexel.data.records import Record
from lexel.document import Document, Spans, Words
from lexel.errors import DataError, OptionError
from tests.builders import VOCAB, bert_config, bert_tensors, write_folder
from tests.corpora.conftest import lines_of, write_records

NUMPY = Machine(engine="numpy")


def shard(number: int = 0) -> Shard:
    return Shard(number, Random(f"42 {number}"))


def apply(name: str, *texts: str | Record, **options: Any) -> list[Record]:
    """What a step makes of texts."""
    records = [one if isinstance(one, Record) else Record(one, place=n) for n, one in enumerate(texts, 1)]
    (step,) = read_steps([{name: options}], where="test")
    if isinstance(step, CorpusStep):
        collected = step.start_collecting(NUMPY)(records, shard())
        return step.start_settled(NUMPY)(records, shard(), step.settle([lambda: collected])[0])
    return step.start(NUMPY)(records, shard())


def texts(name: str, *given: str | Record, **options: Any) -> list[str]:
    return [record.text for record in apply(name, *given, **options)]


@pytest.fixture(scope="module")
def filler(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A random masked-language model."""
    folder = tmp_path_factory.mktemp("models") / "filler"
    config = bert_config(vocab_size=len(VOCAB), architectures=["BertForMaskedLM"])
    tensors = bert_tensors(config, {})
    hidden = config["hidden_size"]
    random = np.random.default_rng(3)
    tensors |= {
        "cls.predictions.transform.dense.weight": random.normal(size=(hidden, hidden)).astype(np.float32),
        "cls.predictions.transform.dense.bias": np.zeros(hidden, np.float32),
        "cls.predictions.transform.LayerNorm.weight": np.ones(hidden, np.float32),
        "cls.predictions.transform.LayerNorm.bias": np.zeros(hidden, np.float32),
        "cls.predictions.bias": np.zeros(len(VOCAB), np.float32),
    }
    folder.mkdir()
    write_folder(folder, config, tensors, VOCAB)
    return str(folder)


def test_every_step_has_a_row_in_the_table_and_a_line_on_the_page() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "corpora.md").read_text(encoding="utf-8")
    assert [name for name in STEPS if f"| `{name}` |" not in page] == []


def test_length() -> None:
    assert texts("length", "a", "abc", "abcdef", least=2, most=5) == ["abc"]


def test_length_in_words_needs_words() -> None:
    with pytest.raises(OptionError, match="put tag or segment before it"):
        apply("length", "a", unit="words")


def test_normalise() -> None:
    assert texts("normalise", "ＡＢ１　\u200bｘ\x07  y\n\n", halfwidth=True) == ["AB1 x y"]
    assert texts("normalise", "ﬁ①，", form="NFKC") == ["fi1,"]
    assert texts("normalise", "中，文", halfwidth=False) == ["中，文"]


def test_chinese() -> None:
    assert texts("chinese", "臺灣的語言 abc", to="simplified") == ["台湾的语言 abc"]


def test_script() -> None:
    assert texts("script", "中文和 ab", "only latin 中", "123", keep=["Hani"]) == ["中文和 ab"]


def test_language() -> None:
    german = "Das ist ein ganz gewöhnlicher Satz auf Deutsch."
    found = apply("language", german, "今天天气很好，我们去公园。", keep=["zh"], among=["de", "en", "zh"])
    assert [(one.text, dict(one.fields)) for one in found] == [("今天天气很好，我们去公园。", {"language": "zh"})]


def test_html_keeps_the_article_and_drops_the_menu() -> None:
    body = "".join(f"<p>Absatz {n}: Dies ist ein langer Satz des Artikels, der etwas sagt.</p>" for n in range(5))
    menu = "<nav><a href='/'>Home</a> <a href='/login'>Login</a></nav>"
    page = f"<html><body>{menu}<article><h1>Titel</h1>{body}</article><footer>Impressum</footer></body></html>"
    (found,) = texts("html", page)
    assert "Absatz 4" in found
    assert "Login" not in found
    assert texts("html", "no markup: 1 < 2") == ["no markup: 1 < 2"]


def test_repeated_lines() -> None:
    assert texts("repeated_lines", "a\nb\nc\nd\na", "x\nx\nx") == ["a\nb\nc\nd"]


def test_exact_duplicates_keep_the_first() -> None:
    found = apply("dedup", "Ａ b", "a  B", "c", "a b")
    assert [one.place for one in found] == [1, 3]


LONG = "今天天气很好，我们一起去公园散步，看见了很多人在放风筝，孩子们在草地上跑来跑去，大家都很开心。"


def test_near_duplicates_keep_the_first() -> None:
    other = "完全不同的一段文字，讲的是股票市场昨天的行情和今天开盘之前的各种消息，与公园没有任何关系。"
    assert texts("dedup", LONG, other, LONG + "真的。", how="near") == [LONG, other]


def test_signatures_estimate_the_overlap() -> None:
    random = Random(1)
    letters = "".join(chr(0x4E00 + random.randrange(3000)) for _ in range(3000))
    a, b = letters[:2000], letters[1000:]
    sets = [{text[at : at + 5] for at in range(len(text) - 4)} for text in (a, b)]
    jaccard = len(sets[0] & sets[1]) / len(sets[0] | sets[1])
    assert abs(float((signature_of(a) == signature_of(b)).mean()) - jaccard) < 0.15
    assert (signature_of(a) == signature_of(a)).all()
    assert float((signature_of(a) == signature_of(letters[2000:] + "完")).mean()) < 0.05


def test_duplicates_are_found_across_shards_and_files(tmp_path: Path) -> None:
    files = [
        str(write_records(tmp_path / f"{name}.jsonl", ({"text": f"t{n % 7}", "n": n, "f": name} for n in range(10))))
        for name in "ab"
    ]
    options = JobOptions(shard_records=3)
    run_corpus(files, str(tmp_path / "out"), steps=read_steps(["dedup"], where=""), options=options, workers=2)
    assert [(one["f"], one["n"]) for one in lines_of(tmp_path / "out")] == [("a", n) for n in range(7)]
    assert list((tmp_path / "out" / "passes" / "0").glob("*.collected")) == []


def test_collected_data_that_is_gone_is_named_by_its_file(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = FolderStore.read

    def gone(store: FolderStore, name: str) -> bytes:
        return read(store, "gone.collected" if name.endswith(".collected") else name)

    monkeypatch.setattr(FolderStore, "read", gone)
    with pytest.raises(DataError, match=rf"^{tmp_path}/out/gone.collected: is missing; .* Run the same command again"):
        run_corpus([str(corpus)], str(tmp_path / "out"), steps=read_steps(["dedup"], where=""), workers=1)


def test_a_step_of_the_whole_corpus_behind_a_model_is_refused(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"'dedup' stands after 'tag'.* Put 'dedup' before 'tag'"):
        run_corpus([str(corpus)], str(tmp_path / "out"), steps=read_steps(["tag", "dedup"], where=""))


def shout(records: list[Record], shard: Shard, *, end: str = "") -> list[Record]:
    return [record.with_text(record.text.upper() + end) for record in records]


def test_a_function_of_your_own() -> None:
    assert texts("function", "a", call="tests.corpora.test_steps:shout", options={"end": "!"}) == ["A!"]
    with pytest.raises(OptionError, match=r"'tests\.none:x' .*expected package\.module:function"):
        apply("function", "a", call="tests.none:x")


def labelled() -> Record:
    text = "我王小明在北京"
    words = Words.of(text, [(0, 1), (1, 4), (4, 5), (5, 7)])
    document = Document(text, words, Spans.of(text, [(1, 4, "PER"), (5, 7, "LOC")]))
    return Record(text, "a", document)


def test_substituted_words_leave_entities_and_keep_labels_aligned(filler: str) -> None:
    first, *copies = apply("substitute", labelled(), model=filler, copies=3, share=1.0, top_k=30)
    assert first.id == "a"
    assert copies
    for copy in copies:
        assert copy.document is not None
        assert copy.text != first.text
        assert [(one.text, one.label) for one in copy.document.entities] == [("王小明", "PER"), ("北京", "LOC")]
        assert copy.document.text == copy.text
        assert len(copy.document.words) == 4
    again = apply("substitute", labelled(), model=filler, copies=3, share=1.0, top_k=30)
    assert [one.text for one in again] == [first.text, *(one.text for one in copies)]


def test_swapped_entities_are_of_the_same_label(tmp_path: Path) -> None:
    names = tmp_path / "names.tsv"
    names.write_text("PER\t李四\nLOC\t台北市\n", encoding="utf-8")
    _, copy = apply("swap", labelled(), names=str(names))
    assert copy.text == "我李四在台北市"
    assert copy.id == "a-1"
    assert copy.document is not None
    assert [(one.text, one.label) for one in copy.document.entities] == [("李四", "PER"), ("台北市", "LOC")]
    assert copy.document.words.texts == ["我", "李四", "在", "台北市"]


def test_rewriting_by_a_command(tmp_path: Path) -> None:
    command = f"{sys.executable} -c 'import sys; [print(line.strip()[::-1]) for line in sys.stdin]'"
    assert texts("rewrite", "abc", "", command=command) == ["abc", "cba", ""]
    with pytest.raises(DataError, match="exit status 0, 0 lines for 1 texts; expected a line for each"):
        apply("rewrite", "abc", command="true")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("no-such-command -x", "no-such-command -x: no such command; expected a command that reads and writes lines"),
        ("/", r"/: cannot be run \(Permission denied\)"),
        ("sleep 9", r"sleep 9: took longer than 0\.2 s; .* Set timeout_s"),
        (r"printf 'a\n\377\n'", "line 2 of its output has byte 0xff; expected UTF-8"),
    ],
)
def test_a_command_that_does_not_rewrite_is_said(command: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        apply("rewrite", "abc", "def", command=command, timeout_s=0.2)


@pytest.mark.parametrize(("command", "said"), [("say 'it", "No closing quotation"), (" ", "it is empty")])
def test_a_command_that_has_no_words_is_refused_at_the_start(command: str, said: str) -> None:
    with pytest.raises(OptionError, match=rf"step 1 \(rewrite\): command: .*{said}"):
        read_steps([{"rewrite": {"command": command}}], where="test")


def test_a_text_with_a_lone_surrogate_is_not_rewritten() -> None:
    assert texts("rewrite", "\ud800", "b", command="tr b c") == ["\ud800", "b", "c"]


def test_names_in_another_encoding_are_said(tmp_path: Path) -> None:
    names = tmp_path / "names.tsv"
    names.write_bytes("PER\t李四\n".encode("gb18030"))
    with pytest.raises(DataError, match=r"names.tsv: byte 4 is not UTF-8"):
        apply("swap", labelled(), names=str(names))


@pytest.mark.parametrize("fault", [TypeError("ours"), ValueError("ours")])
def test_a_fault_of_a_step_is_not_taken_for_a_bad_record(fault: Exception) -> None:
    with pytest.raises(type(fault), match="ours"):
        shard().sound([Record("a")], [fault])


def test_perplexity_is_the_fillers(filler: str) -> None:
    from lexel.tasks.fill import Filler

    (found,) = apply("perplexity", "我在中国", model=filler)
    expected = Filler.load(filler, engine="numpy").perplexity("我在中国").value
    assert found.fields["perplexity"] == round(expected, 3)
    assert apply("perplexity", "我在中国", model=filler, most=1.0) == []


def test_embed_is_the_embedders(model: Path) -> None:
    from lexel.tasks.embed import Embedder

    (found,) = apply("embed", "我在中国", model=str(model), pooling="mean")
    expected = Embedder.load(str(model), engine="numpy", pooling="mean")("我在中国").vector
    assert np.allclose(found.fields["embedding"], expected, atol=1e-6)


def test_segment_finds_words_alone(model: Path) -> None:
    (found,) = apply("segment", "我在中国", model=str(model))
    assert found.document is not None
    assert found.document.layers >= {"words"}
    assert "entities" not in found.document.layers


def test_a_dry_run_shows_before_and_after_and_what_drops(corpus: Path) -> None:
    steps = read_steps([{"length": {"least": 6}}, {"function": {"call": "tests.corpora.test_steps:shout"}}], where="")
    found = preview_steps([str(corpus)], steps, options=JobOptions(shard_records=4), records=12)
    assert [one.before.fields["n"] for one in found] == list(range(12))
    assert [one.dropped_by for one in found] == ["length"] * 10 + [None] * 2
    assert [one.text for one in found[11].after] == ["我在中国11"]


def test_a_shard_gives_the_same_bytes_wherever_it_is_made(tmp_path: Path, filler: str) -> None:
    rows = ({"text": labelled().text, "words": [[0, 1], [1, 4]], "entities": [[1, 4, "PER"]]} for _ in range(9))
    path = str(write_records(tmp_path / "in.jsonl", rows))
    steps = read_steps([{"substitute": {"model": filler, "top_k": 40}}], where="")
    outputs = []
    for workers in (1, 2):
        out = tmp_path / str(workers)
        run_corpus([path], str(out), steps=steps, options=JobOptions(shard_records=2, engine="numpy"), workers=workers)
        outputs.append([part.read_bytes() for part in sorted((out / "data").iterdir())])
    assert outputs[0] == outputs[1]
    assert len(set(outputs[0])) > 1  # shards draw differently
