"""What the pages show runs: every Python block by itself, every session as printed, every command line in a shell."""

from __future__ import annotations

import doctest
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from lexel.checkpoint.source import bundled_folder, bundled_names
from lexel.data import read_jsonl, write_conllu
from tests.builders import ENTITIES, VOCAB, bert_config, bert_tensors, build_sentence_model, build_tagger, write_folder
from tests.checkpoint.hub_server import Hub, Repository, serve
from tests.docs.picture import TEXT, pictures

ROOT = Path(__file__).parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (*sorted(ROOT.glob("README*.md")), *sorted(ROOT.glob("docs/**/*.md")))
    if path.name != "tutorial.md"  # a tutorial runs as a whole, in test_tutorials.py
}
SHOWING = ("README.md", "README.zh.md")
"""Pages whose console blocks show what a command prints."""
NEWS = "北京大学在北京。\n\n傅達仁今將執行安樂死。\n"
LABELLED = (
    '{"text": "他在北京", "words": [[0, 1], [1, 2], [2, 4]], '
    '"pos": ["PRON", "ADP", "PROPN"], "entities": [[2, 4, "LOC"]]}\n'
)
QUESTIONS = '{"data": [{"paragraphs": [{"context": "他在北京", "qas": [{"id": "1", "question": "在哪"}]}]}]}'
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(language: str) -> list[tuple[str, str]]:
    """Every block of a language, with the page it stands on."""
    return [(name, found[2]) for name, page in PAGES.items() for found in _BLOCK.finditer(page) if found[1] == language]


PROGRAMS = [(name, block) for name, block in blocks("python") if not block.startswith(">>>")]
SESSIONS = sorted({name for name, block in blocks("python") if block.startswith(">>>")})
COMMANDS = [
    (name, line.removeprefix("$ "))
    for name, block in blocks("console")
    for line in block.splitlines()
    if line.startswith("$ ") and "lexel" in line and "pip install" not in line
]
PRINTED = [
    (name, command.removeprefix("$ "), printed)
    for name, block in blocks("console")
    for command, _, printed in [block.partition("\n")]
    if name in SHOWING and command.startswith("$ ") and printed and not printed.startswith("$ ")
]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the pages speak of, and the process in it."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "README.md", tmp_path)
    shutil.copytree(bundled_folder(), "my-model")
    shutil.copy(ROOT / "tests" / "data" / "zh_gsdsimp.jsonl", "sentences.jsonl")
    texts = {
        "news.txt": NEWS,
        "english.txt": "the new york\n",
        "train.jsonl": LABELLED.replace("他", "她"),
        "dev.jsonl": LABELLED,
        "life.txt": "他在北京。\n",
        "questions.json": QUESTIONS,
        "topics.tsv": "text\tlabel\n他在北京\tplace\n天气很好\tweather\n",
        "train.seg": "他 在 北京\n",
        "test.seg": "他 在 台北\n",
        "test.conll": "in\tO\nnew\tB-LOC\nyork\tI-LOC\n",
    }
    for name, text in texts.items():
        Path(name).write_text(text, encoding="utf-8")
    write_corpora()
    build_answering(tmp_path / "owner" / "qa-model")
    build_sentence_model(tmp_path / "owner" / "sentence-model")
    Path("news.txt.gz").write_bytes(gzip.compress(NEWS.encode()))
    write_conllu(read_jsonl("dev.jsonl"), "dev.conllu")
    return tmp_path


def write_corpora() -> None:
    """The corpora that their page speaks of, and its recipes as it shows them."""
    for name, recipe in re.findall(r"^    # (\w+\.yaml)\n((?:    .*\n)+)", PAGES["docs/corpora.md"], re.MULTILINE):
        Path(name).write_text(recipe, encoding="utf-8")
    dump = [{"id": "1", "text": "<p>北京大学在北京，我们都知道。</p>"}, {"id": "2", "text": "傅達仁今將執行安樂死。"}]
    Path("dump.jsonl.gz").write_bytes(gzip.compress("".join(json.dumps(one) + "\n" for one in dump).encode()))
    ticket = {"id": "t1", "subject": "王小明", "text": "我是王小明，信用卡4111 1111 1111 1111，寫信到 a@b.com。"}
    Path("tickets.jsonl").write_text(json.dumps(ticket) + "\n", encoding="utf-8")
    labelled = [{"text": "他在北京", "entities": [[2, 4, "LOC"]]}, {"text": "我去台北", "entities": [[2, 4, "LOC"]]}]
    Path("labelled.jsonl").write_text("".join(json.dumps(one) + "\n" for one in labelled), encoding="utf-8")
    Path("key.txt").write_text("0123456789abcdef0123456789abcdef", encoding="utf-8")


def build_answering(folder: Path) -> None:
    """A tiny random model that answers questions."""
    config = bert_config(vocab_size=len(VOCAB), architectures=["BertForQuestionAnswering"])
    write_folder(folder, config, bert_tensors(config, {"qa_outputs": 2}), VOCAB)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables of a shell that finds ``lexel``, and a hub with a tiny model under the name the pages use."""
    folder = build_tagger(tmp_path_factory.mktemp("models") / "ner", heads={"entities": ENTITIES})
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LEXEL_", "HF_"))}
    with serve(Hub({"dslim/bert-base-NER": Repository(files, {"main": "a" * 40, "COMMIT": "a" * 40})})) as hub:
        yield kept | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}",
            "HF_ENDPOINT": hub.endpoint,
            "LEXEL_CACHE": str(tmp_path_factory.mktemp("cache")),
            "PYTHONIOENCODING": "utf-8",
        }


def test_the_picture_of_the_readme_shows_what_the_model_reads() -> None:
    drawn = pictures()
    assert {path: path.read_text(encoding="utf-8") for path in drawn} == drawn


def test_the_readmes_show_the_sentence_of_the_picture() -> None:
    assert all(TEXT in PAGES[name] for name in ("README.md", "README.zh.md"))


def test_the_pages_have_something_to_run() -> None:
    assert min(len(PROGRAMS), len(SESSIONS), len(COMMANDS)) > 1


@pytest.mark.usefixtures("workplace")
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # an example may leave a file to the garbage collector
@pytest.mark.parametrize(("page", "program"), PROGRAMS)
def test_a_program_of_a_page_runs(page: str, program: str) -> None:
    if "from datatrove" in program and find_spec("datatrove") is None:
        pytest.skip("datatrove is not installed; make test-clients installs it")
    if "from ray " in program:
        if find_spec("ray") is None:
            pytest.skip("ray is not installed; make test-clients installs it")
        subprocess.run([sys.executable, "-c", program], check=True, timeout=300)  # Ray's processes end with this one
        return
    exec(compile(program, page, "exec"), {"__name__": "__main__"})


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("page", SESSIONS)
def test_a_session_of_a_page_says_what_is_printed(page: str) -> None:
    test = doctest.DocTestParser().get_doctest(PAGES[page].replace("```", ""), {}, page, page, 0)
    results = doctest.DocTestRunner().run(test)
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.skipif(sys.platform == "win32", reason="the pages show a POSIX shell")
@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_a_command_of_a_page_runs(page: str, command: str, workplace: Path, shell: dict[str, str]) -> None:
    result = run_in_shell(command, workplace, shell)
    assert result.returncode == 0, f"{page}: $ {command}\n{result.stderr}"


@pytest.mark.skipif(sys.platform == "win32", reason="the pages show a POSIX shell")
@pytest.mark.parametrize(("page", "command", "printed"), PRINTED)
def test_a_command_prints_what_the_page_shows(
    page: str, command: str, printed: str, workplace: Path, shell: dict[str, str]
) -> None:
    result = run_in_shell(command, workplace, shell)
    assert result.stdout.rstrip() == printed.rstrip(), page


@pytest.mark.skipif(sys.platform == "win32", reason="the pages show a POSIX shell")
def test_the_commands_that_the_readme_offers_to_paste_run_in_an_empty_folder(
    tmp_path: Path, shell: dict[str, str]
) -> None:
    result = run_in_shell("set -e\n" + pasted("README.md"), tmp_path, shell)
    assert result.returncode == 0, result.stderr


def test_both_readmes_offer_the_same_commands_to_paste() -> None:
    commands = [re.sub(r" +# .*", "", pasted(name)) for name in SHOWING]
    assert commands[0] == commands[1]


def pasted(page: str) -> str:
    """The first block of commands of a page, which needs no other file."""
    return next(block for name, block in blocks("sh") if name == page)


@pytest.mark.parametrize("model", bundled_names())
def test_the_readmes_have_the_size_of_a_bundled_model(model: str) -> None:
    size = sum(path.stat().st_size for path in bundled_folder(model).iterdir() if path.is_file()) / 1e6
    name = {"zh": r"The Chinese one |中文模型"}.get(model, rf'`lexel\.load\("{model}"\)` ?')
    for page in SHOWING:
        found = re.search(rf"(?:{name})[(（](\d+(?:\.\d)?) MB[)）]", PAGES[page])
        assert found is not None, page
        assert float(found[1]) == round(size, 1 if "." in found[1] else None), page


def test_the_readmes_show_what_a_command_prints() -> None:
    assert {name for name, _, _ in PRINTED} >= {"README.md", "README.zh.md"}


def run_in_shell(command: str, folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    line = ["bash", "-o", "pipefail", "-c", command]
    return subprocess.run(line, cwd=folder, env=variables, capture_output=True, text=True, timeout=300, check=False)
