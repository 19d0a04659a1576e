"""What a policy says, and what it refuses at every door."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

import lexel
from lexel.cli.app import app
from lexel.errors import CheckpointError, PolicyError
from lexel.licences import Verdict
from lexel.trust.candidate import Candidate
from lexel.trust.judge import judge_model
from lexel.trust.lock import lock_path
from lexel.trust.policy import Policy, current_policy, read_policy
from tests.checkpoint.hub_server import Hub, Repository

from .conftest import NAME, NEW, files_of

WritePolicy = Callable[[str], Path]
UNTIL = date(2030, 1, 31)
EXCEPTION = '[[policy.exceptions]]\nmodel = "owner/*"\nwho = "Ada Lin"\nwhy = "a trial"\nuntil = 2030-01-31\n'


def rules(candidate: Candidate, policy: Policy, *, today: date | None = None) -> list[str]:
    return [finding.rule for finding in judge_model(candidate, policy, today=today) if finding.refuses]


def weight_requests(hub: Hub) -> list[str]:
    return [request for request in hub.requests if "safetensors" in request or "pytorch_model" in request]


# The file ------------------------------------------------------------------------------------------------------------


def test_without_a_file_everything_is_allowed(project: Path) -> None:
    assert current_policy() == Policy("no policy")


def test_the_nearest_file_above_counts(project: Path, monkeypatch: pytest.MonkeyPatch, write_policy) -> None:
    write_policy("pinned = true")
    (project / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(project / "deep" / "er")
    assert current_policy().pinned


def test_a_working_directory_that_was_removed_holds_no_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert current_policy() == Policy("no policy")
    assert lock_path() == Path("lexel.lock")
    monkeypatch.undo()


def test_a_pyproject_may_hold_the_policy(project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.lexel.policy]\nowners = ["owner"]\n')
    assert current_policy().owners == ("owner",)


def test_a_pyproject_without_it_is_passed_by(project: Path, monkeypatch: pytest.MonkeyPatch, write_policy) -> None:
    write_policy("pinned = true")
    (project / "inner").mkdir()
    (project / "inner" / "pyproject.toml").write_text('[project]\nname = "x"\n')
    monkeypatch.chdir(project / "inner")
    assert current_policy().pinned


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("licence = []", "'licence' is not a setting, did you mean 'licences'?"),
        ('licences = ["permisive-ish terms"]', "is not a licence that Lexel knows"),
        ('unknown = "maybe"', "unknown is 'maybe'; expected one of refuse, warn, allow"),
        ('largest = "huge"', "largest is 'huge'; expected a size such as 500 MB"),
        ("pinned = 1", "pinned is 1; expected true or false"),
        ('owners = "me"', "owners is 'me'; expected a list of names"),
        ("pinned = ", "not TOML"),
        ('[[policy.exceptions]]\nmodel = "x"', "exception 1: who is None"),
        (EXCEPTION.replace("2030-01-31", '"soon"'), "until is 'soon'; expected the last day"),
        (EXCEPTION + 'rules = ["licenses"]', "no rule 'licenses'"),
        (EXCEPTION + 'rules = ["lock"]', "no rule 'lock'"),
    ],
)
def test_what_is_no_policy_is_said_and_nothing_is_loaded(write_policy: WritePolicy, text: str, said: str) -> None:
    path = write_policy(text)
    with pytest.raises(PolicyError) as error:
        lexel.open_checkpoint()
    assert said in str(error.value)
    assert str(error.value).startswith(str(path))


def test_a_policy_that_is_named_and_missing_is_no_policy(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEXEL_POLICY", "nowhere.toml")
    with pytest.raises(PolicyError, match=r"nowhere\.toml: no such file"):
        lexel.open_checkpoint()


# What it judges ------------------------------------------------------------------------------------------------------

MIT = Verdict("mit", "permissive", None, ("mit",))
NC = Verdict("cc-by-nc-4.0", "non-commercial", "", ("cc-by-nc-4.0",))
TWO = Verdict("mit, gpl-3.0", "copyleft", "", ("mit", "gpl-3.0"))
OWN = Verdict("my terms", "unknown", "", ("my terms",))
NONE = Verdict(None, "unknown", "", ())
CONTRADICTED = Verdict(
    "mit", "permissive", "", ("mit", "apache-2.0"), "the card says mit, but the text of LICENSE is x"
)
FROM_NC = Verdict("mit", "permissive", "", ("mit",), base_licence="cc-by-nc-4.0")


@pytest.mark.parametrize(
    ("licence", "policy", "refused"),
    [
        (MIT, {"licences": ("permissive",)}, []),
        (MIT, {"licences": ("mit",)}, []),
        (MIT, {"licences": ("apache-2.0",)}, ["licence"]),
        (NC, {"licences": ("permissive", "copyleft")}, ["licence"]),
        (NC, {}, []),
        (TWO, {"licences": ("permissive",)}, ["licence"]),
        (TWO, {"licences": ("permissive", "gpl-3.0")}, []),
        (OWN, {"licences": ("permissive",), "unknown": "refuse"}, ["unknown-licence"]),
        (OWN, {"licences": ("permissive",), "unknown": "warn"}, []),
        (OWN, {"licences": ("permissive",), "unknown": "allow"}, []),
        (NONE, {"unknown": "refuse"}, ["unknown-licence"]),
        (CONTRADICTED, {"licences": ("permissive",)}, ["licence-contradiction"]),
        (FROM_NC, {"licences": ("permissive",)}, ["base-licence"]),
    ],
)
def test_licences_are_judged(licence: Verdict, policy: dict[str, object], refused: list[str]) -> None:
    assert rules(Candidate("x", licence=licence), Policy("p", **policy)) == refused  # type: ignore[arg-type]


@pytest.mark.parametrize(("revision", "refused"), [(None, ["pinned"]), ("v1", ["pinned"]), (NEW, [])])
def test_a_branch_or_tag_is_not_pinned(revision: str | None, refused: list[str]) -> None:
    assert rules(Candidate("x", NAME, revision), Policy("p", pinned=True)) == refused


def test_a_folder_needs_no_pin() -> None:
    assert rules(Candidate("/some/folder"), Policy("p", pinned=True, owners=())) == []


def test_owners_weights_and_sizes_are_judged() -> None:
    policy = Policy("p", owners=("other",), safetensors=True, largest=10)
    found = rules(Candidate("x", NAME, files={"pytorch_model.bin": 11}), policy)
    assert found == ["owner", "safetensors", "size"]


def test_an_exception_holds_until_its_day_and_not_longer(write_policy: WritePolicy) -> None:
    policy = read_policy(write_policy(f"pinned = true\n{EXCEPTION}"))
    candidate = Candidate(f"{NAME}@main", NAME, "main")
    assert rules(candidate, policy, today=UNTIL) == []
    (after,) = judge_model(candidate, policy, today=date(2030, 2, 1))
    assert after.refuses
    assert "the exception of Ada Lin ended on 2030-01-31" in after.message


def test_an_exception_is_about_its_rules_alone(write_policy: WritePolicy) -> None:
    policy = read_policy(write_policy(f'pinned = true\nowners = []\n{EXCEPTION}rules = ["owner"]'))
    assert rules(Candidate(NAME, NAME), policy, today=UNTIL) == ["pinned"]


# The doors -----------------------------------------------------------------------------------------------------------


def run(*arguments: str) -> tuple[int, str]:
    """``lexel`` as a process: its status, and what it said."""
    code = "import sys; from lexel.cli.main import run; sys.exit(run())"
    ran = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, input="x\n")
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["tag", "-m", "MODEL"],
        ["segment", "-m", "MODEL"],
        ["embed", "-m", "MODEL"],
        ["serve", "-m", "MODEL", "--port", "0"],
        ["serve", "-m", "MODEL", "--port", "0", "--workers", "2"],
        ["compare", "MODEL", "zh", "--data", "x.jsonl"],
        ["corpus", "run", "x.jsonl", "--out", "job", "--steps", "steps.yaml"],
        ["quantize", "MODEL", "out"],
        ["convert", "MODEL", "out"],
    ],
    ids=" ".join,
)
def test_every_command_is_refused_with_one_line(model, write_policy, arguments) -> None:
    write_policy('licences = ["apache-2.0"]')
    Path("steps.yaml").write_text(f"- tag: {{model: {model}}}\n")
    Path("x.jsonl").write_text('{"text": "x", "words": [[0, 1]]}\n')
    status, said = run(*(str(model) if part == "MODEL" else part for part in arguments))
    assert status == 1, said
    assert said.count("\n") == 1
    assert "its licence is mit: permissive" in said
    assert "allows apache-2.0" in said


@pytest.mark.parametrize("load", [lexel.load, lexel.Embedder.load, lexel.Filler.load, lexel.Classifier.load])
def test_every_task_is_refused(model: Path, write_policy: WritePolicy, load: Callable[[Path], object]) -> None:
    write_policy('licences = ["apache-2.0"]')
    with pytest.raises(PolicyError):
        load(model)


def test_a_pipeline_is_refused(model: Path, write_policy: WritePolicy) -> None:
    write_policy('licences = ["apache-2.0"]')
    with pytest.raises(PolicyError):
        lexel.pipeline("token-classification", model=str(model))


def test_an_allowed_model_loads(model: Path, write_policy: WritePolicy) -> None:
    write_policy('licences = ["permissive"]\nlargest = "1 MB"\nsafetensors = true\npinned = true')
    assert lexel.load(model, engine="numpy")("x").text == "x"


@pytest.mark.parametrize("text", ["pinned = true", 'owners = ["other"]'])
def test_a_name_that_is_refused_causes_no_request(hub: Hub, write_policy: WritePolicy, text: str) -> None:
    write_policy(text)
    with pytest.raises(PolicyError):
        lexel.open_checkpoint(NAME)
    assert hub.requests == []


CARDS = {
    "two licences": (b"---\nlicense: [mit, gpl-3.0]\n---\n", b"", "its licence is gpl-3.0: copyleft"),
    "a contradicting LICENSE": (
        b"---\nlicense: mit\n---\n",
        b"Apache License\nVersion 2.0",
        "the card says mit, but the text of LICENSE is apache-2.0",
    ),
    "no licence": (b"# A model\n", b"", "states no licence"),
}


@pytest.mark.parametrize("case", CARDS)
def test_a_card_that_is_refused_is_refused_before_the_weights(hub: Hub, write_policy: WritePolicy, case: str) -> None:
    readme, licence, said = CARDS[case]
    hub.repositories[NAME].files |= {"README.md": readme, "LICENSE": licence}
    write_policy('licences = ["permissive"]')
    with pytest.raises(PolicyError) as error:
        lexel.open_checkpoint(NAME)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert weight_requests(hub) == []


def test_only_safetensors_are_loaded_if_the_policy_says_so(hub: Hub, write_policy: WritePolicy) -> None:
    files = hub.repositories[NAME].files
    files["pytorch_model.bin"] = files.pop("model.safetensors")
    write_policy("safetensors = true")
    with pytest.raises(PolicyError, match="its weights are pytorch_model"):
        lexel.open_checkpoint(NAME)


# The hub misbehaves --------------------------------------------------------------------------------------------------


def test_a_hub_that_answers_late_is_left_alone_after_a_while(hub: Hub, project, monkeypatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 0.2)
    hub.repositories[NAME].late_s = 1.0
    with pytest.raises(CheckpointError, match=r"the hub cannot be reached \(.*timed out"):
        lexel.open_checkpoint(NAME)


@pytest.mark.parametrize("garbage", [b"<html>maintenance</html>", b"[]", b'{"siblings": 3}', b"\xff\xfe"])
def test_a_hub_that_answers_something_else_is_said_in_one_line(hub: Hub, project: Path, garbage: bytes) -> None:
    hub.repositories[NAME].garbage = garbage
    with pytest.raises(CheckpointError) as error:
        lexel.open_checkpoint(NAME)
    assert str(error.value).startswith(f"{NAME}: the hub sent an unexpected answer")


def test_a_file_that_breaks_off_is_said_in_one_line(hub: Hub, project: Path, monkeypatch, capfd) -> None:
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    hub.repositories[NAME].cut_off = True
    with pytest.raises(CheckpointError, match="download failed"):
        lexel.open_checkpoint(NAME)
    assert capfd.readouterr().err == ""


# The command ---------------------------------------------------------------------------------------------------------


def check(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["check", "-q", *arguments])
    return result.exit_code, result.stdout


def test_check_fetches_the_card_and_no_weights(hub: Hub, write_policy: WritePolicy) -> None:
    write_policy('licences = ["permissive"]\npinned = true')
    status, said = check(NAME)
    assert status == 1
    assert "the revision 'main' may move" in said.replace("\n", " ")
    assert f"{NAME}@{NEW}" in said
    assert weight_requests(hub) == []
    assert check(f"{NAME}@{NEW}")[0] == 0


def test_check_knows_size_and_form_of_weights_without_them(hub: Hub, write_policy: WritePolicy) -> None:
    files = hub.repositories[NAME].files
    files["pytorch_model.bin"] = files.pop("model.safetensors") * 40
    write_policy('safetensors = true\nlargest = "1 MB"')
    status, said = check(NAME, "--to", "json")
    assert status == 1
    assert [finding["rule"] for finding in json.loads(said)["findings"]] == ["safetensors", "size"]
    assert weight_requests(hub) == []


def test_check_says_what_cannot_be_looked_at(hub: Hub, project: Path) -> None:
    status, said = check("owner/nothing", "--to", "json")
    assert status == 1
    assert json.loads(said)["findings"][0]["rule"] == "unreachable"


def test_check_writes_sarif_with_exceptions_as_suppressions(hub: Hub, write_policy: WritePolicy, project) -> None:
    hub.repositories["other/model"] = Repository(hub.repositories[NAME].files, {"main": NEW})
    write_policy(f"pinned = true\n{EXCEPTION.replace('2030', '9999')}")
    status, _ = check(NAME, "other/model", "--to", "sarif", "--out", "out.sarif")
    assert status == 1
    log = json.loads((project / "out.sarif").read_text())
    jsonschema.validate(log, SARIF)
    mine, others = log["runs"][0]["results"]
    assert mine["suppressions"] == [{"kind": "external", "justification": "Ada Lin, until 9999-01-31: a trial"}]
    assert "suppressions" not in others
    assert {mine["ruleId"], others["ruleId"]} == {"pinned"}


SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "items": {
                "required": ["tool", "results"],
                "properties": {
                    "tool": {"properties": {"driver": {"required": ["name", "rules"]}}},
                    "results": {
                        "items": {
                            "required": ["message", "ruleId", "level"],
                            "properties": {
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": {"required": ["text"]},
                            },
                        }
                    },
                },
            }
        },
    },
}
"""What code hosts need of the schema of SARIF 2.1.0."""


def test_check_follows_the_models_that_a_card_was_made_from(hub: Hub, write_policy: WritePolicy) -> None:
    files = hub.repositories[NAME].files

    def say(name: str, front: str) -> None:
        hub.repositories[name] = Repository({**files, "README.md": f"---\n{front}\n---\n".encode()}, {"main": NEW})

    say(NAME, "license: mit\nbase_model: some/middle")
    say("some/middle", "license: apache-2.0\nbase_model:\n- some/first\n- some/gone")
    say("some/first", "license: cc-by-nc-4.0\nbase_model: owner/model")
    write_policy('licences = ["permissive"]')
    status, said = check(NAME, "--to", "json")
    assert status == 1
    (finding,) = json.loads(said)["findings"]
    assert finding["rule"] == "base-licence"
    assert "cc-by-nc-4.0" in finding["found"]


def test_check_does_not_pass_a_model_whose_base_cannot_be_looked_at(hub: Hub, write_policy: WritePolicy) -> None:
    files = hub.repositories[NAME].files
    card = b"---\nlicense: mit\nbase_model: some/base\n---\n"
    hub.repositories[NAME] = Repository({**files, "README.md": card}, {"main": NEW})
    hub.repositories["some/base"] = Repository(files, {"main": NEW}, status=500)
    write_policy('licences = ["permissive"]')
    status, said = check(NAME, "--to", "json")
    assert status == 1
    (finding,) = json.loads(said)["findings"]
    assert finding["rule"] == "unreachable"
    assert "some/base" in finding["found"]


def test_check_without_a_model_is_misuse(project: Path) -> None:
    assert CliRunner().invoke(app, ["check"]).exit_code == 2


def test_a_whole_folder_of_files_is_named_as_loading_reads_them(hub: Hub, project: Path, model: Path) -> None:
    from lexel.checkpoint.check import examine
    from lexel.checkpoint.files import files_read

    hub.repositories[NAME].files |= {"tf_model.h5": b"x", "onnx/model.onnx": b"x", "pytorch_model.bin": b"x"}
    assert sorted(examine(NAME).files or ()) == files_read(model) == sorted(files_of(model))
