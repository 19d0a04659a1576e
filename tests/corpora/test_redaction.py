"""Redaction: what is found, what stands in its place, what is written down, and what a leak check sees."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from lexel.corpora import JobOptions, run_corpus
from lexel.corpora.leaks import find_leaks
from lexel.corpora.redaction.keys import Key
from lexel.corpora.redaction.patterns import Found, Patterns
from lexel.corpora.redaction.pseudonyms import replacement_of
from lexel.corpora.steps import Machine, Redact, Shard, Step
from lexel.data.records import Record
from lexel.document import Document, Spans
from lexel.errors import DataError, OptionError
from tests.corpora.conftest import lines_of, write_records

SECRET = b"0123456789abcdef0123456789abcdef"
REGIONS = ("TW", "CN", "HK")


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    path = tmp_path / "key.txt"
    path.write_bytes(SECRET + b"\n")
    return str(path)


FOUND = [
    ("寫信到 wang.xm+a@mail.example.com.tw。", "email", "wang.xm+a@mail.example.com.tw"),
    ("信箱ａ＠b.com", "email", None),
    ("請撥0912-345-678找我", "phone", "0912-345-678"),
    ("call +44 20 7946 0958 now", "phone", "+44 20 7946 0958"),
    ("卡號4111 1111 1111 1111到期", "card", "4111 1111 1111 1111"),
    ("卡號4111 1111 1111 1112到期", "card", None),
    ("單號 20240101123456789", "card", None),
    ("IBAN DE89 3704 0044 0532 0130 00.", "iban", "DE89 3704 0044 0532 0130 00"),
    ("IBAN DE88 3704 0044 0532 0130 00.", "iban", None),
    ("身份证11010519491231002X。", "cn_id", "11010519491231002X"),
    ("身份证110105194912310021。", "cn_id", None),
    ("身分證A123456789號", "tw_id", "A123456789"),
    ("身分證A123456788號", "tw_id", None),
    ("居留證A800000014。", "tw_id", "A800000014"),
    ("HKID A123456(3)", "hk_id", "A123456(3)"),
    ("HKID A123456(4)", "hk_id", None),
    ("from 203.0.113.7 to", "ip", "203.0.113.7"),
    ("version 1.2.3.400", "ip", None),
    ("see 2001:db8::1 there", "ip", "2001:db8::1"),
    ("at 10:30:45 today", "ip", None),
    ("他住在臺北市大安區和平東路二段106號11樓。", "address", "臺北市大安區和平東路二段106號11樓"),
    ("地址是北京市海淀区中关村大街27号，邮编", "address", "北京市海淀区中关村大街27号"),
    ("lives at 221B Baker Street, London", "address", "221B Baker Street"),
    ("我在路上走了27天", "address", None),
]


@pytest.mark.parametrize(("text", "kind", "expected"), FOUND)
def test_identifiers_are_found_by_form_and_check_digit(text: str, kind: str, expected: str | None) -> None:
    found = Patterns((kind,), regions=REGIONS).find(text)
    assert [text[one.start : one.end] for one in found] == ([] if expected is None else [expected])


def test_of_overlapping_identifiers_the_longest_is_found() -> None:
    text = "11010519491231002X"
    assert Patterns(regions=REGIONS).find(text) == [Found(0, 18, "cn_id")]


KEY = Key(SECRET)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("王小明", "PER"),
        ("John Smith", "PER"),
        ("臺北市", "LOC"),
        ("0912345678", "phone"),
        ("A123456789", "tw_id"),
        ("4111 1111 1111 1111", "card"),
        ("a@b.com", "email"),
        ("11010519491231002X", "cn_id"),
        ("Q", "MISC"),
    ],
)
def test_a_pseudonym_is_another_one_and_always_the_same(text: str, kind: str) -> None:
    new = replacement_of(text, kind, "pseudonym", KEY)
    assert new != text
    assert new == replacement_of(text, kind, "pseudonym", Key(SECRET))
    assert new != replacement_of(text, kind, "pseudonym", Key(SECRET[::-1])) or kind == "LOC"


def test_a_pseudonym_of_an_identifier_has_its_form_and_is_nobodys() -> None:
    for number in ("4111 1111 1111 1111", "5500 0000 0000 0004"):
        new = replacement_of(number, "card", "pseudonym", KEY)
        assert [sign.isdigit() for sign in new] == [sign.isdigit() for sign in number]
        assert Patterns(("card",)).find(new) == []


def test_spellings_in_another_width_are_the_same_person() -> None:
    assert replacement_of("Ａnn", "PER", "hash", KEY) == replacement_of("ann", "PER", "hash", KEY)


def redact(record: Record, **options: object) -> tuple[Record, Shard]:
    shard = Shard(0, Random(1))
    (found,) = Redact(**options).start(Machine())([record], shard)  # type: ignore[arg-type]
    return found, shard


def record_of(text: str, *entities: tuple[int, int, str], **fields: str) -> Record:
    return Record(text, "a", Document(text, None, Spans.of(text, entities)), fields, place=1)


def test_names_go_wherever_they_stand_in_the_record() -> None:
    record = record_of("王小明說，王小明很忙。", (0, 3, "PER"), title="王小明專訪 a@b.com", other="王小明")
    found, shard = redact(record, entities=("PER",), fields=("title",))
    assert found.text == "[PER]說，[PER]很忙。"
    assert found.fields["title"] == "[PER]專訪 [EMAIL]"
    assert found.fields["other"] == "王小明"
    assert shard.counts["redacted"] == {"PER": 3, "email": 1}
    assert found.document is not None
    assert [(one.start, one.end) for one in found.document.entities] == [(0, 5)]


def test_ways_by_kind(key_file: str) -> None:
    record = record_of("王小明 a@b.com", (0, 3, "PER"))
    found, _ = redact(record, entities=("PER",), how="mask", how_by_kind={"PER": "hash"}, key_file=key_file)
    assert found.text == f"[PER:{KEY.digest('PER', '王小明')[:8]}] ***"


def test_the_audit_names_places_and_no_originals(key_file: str) -> None:
    found, shard = redact(record_of("王小明在這", (0, 3, "PER")), entities=("PER",), key_file=key_file)
    (noted,) = shard.audit
    assert found.text[noted["start"] : noted["end"]] == noted["replacement"] == "[PER]"
    assert (noted["line"], noted["kind"], noted["mark"]) == (1, "PER", KEY.mark("王小明").hex())
    assert "王小明" not in json.dumps(shard.audit, ensure_ascii=False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"patterns": ("passport",)}, "no kind is called 'passport'"),
        ({"how": "hash"}, "hashes and pseudonyms need a key"),
        ({"how_by_kind": {"PER": "mask"}}, "'PER' is not redacted"),
        ({"how_by_kind": {"email": "burn"}}, "email is 'burn'; expected one of mask"),
    ],
)
def test_wrong_options(options: dict[str, object], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEXEL_REDACT_KEY", raising=False)
    with pytest.raises(OptionError, match=said):
        Redact(**options)  # type: ignore[arg-type]


def test_a_key_must_be_long() -> None:
    with pytest.raises(OptionError, match="the key has 3 bytes; expected 16 or more"):
        Key(b"abc")


def test_entities_without_tag_are_refused() -> None:
    with pytest.raises(OptionError, match="records have none; put tag before it"):
        redact(Record("王小明"), entities=("PER",))


def job(tmp_path: Path, rows: list[dict[str, object]], *steps: Step) -> str:
    path = str(write_records(tmp_path / "in.jsonl", rows))
    run_corpus([path], str(tmp_path / "out"), steps=steps, options=JobOptions(shard_records=2), workers=1)
    return str(tmp_path / "out")


def test_the_leak_check_finds_planted_leaks_and_shows_none(tmp_path: Path, key_file: str) -> None:
    rows: list[dict[str, object]] = [
        {"text": "王小明在這 a@b.com", "entities": [[0, 3, "PER"]]},
        {"text": "他是誰", "entities": []},
        {"text": "我認識王小明。", "entities": []},
        {"text": "x", "entities": [], "meta": {"mails": ["c@d.org"]}},
    ]
    out = job(tmp_path, rows, Redact(entities=("PER",), key_file=key_file))
    leaks = list(find_leaks(out))
    assert [(one.file, one.row, one.field, one.start, one.end, one.kind, one.by) for one in leaks] == [
        ("data/part-000001.jsonl", 1, "text", 3, 6, "PER", "name"),
        ("data/part-000001.jsonl", 2, "meta.mails", 0, 7, "email", "pattern"),
    ]
    assert not any(secret in str(one) for one in leaks for secret in ("王小明", "c@d.org"))


def test_what_was_put_in_place_is_no_leak(tmp_path: Path, key_file: str) -> None:
    rows: list[dict[str, object]] = [
        {"text": "王小明 a@b.com 0912-345-678 4111111111111111", "entities": [[0, 3, "PER"]]}
    ]
    out = job(tmp_path, rows, Redact(entities=("PER",), how="pseudonym", key_file=key_file))
    (line,) = lines_of(Path(out))
    assert "@example.com" in line["text"]
    assert "王小明" not in line["text"]
    assert list(find_leaks(out)) == []


def test_another_key_is_another_plan(tmp_path: Path, key_file: str) -> None:
    rows: list[dict[str, object]] = [{"text": "a@b.com"}]
    job(tmp_path, rows, Redact(how="hash", key_file=key_file))
    assert SECRET.decode() not in (tmp_path / "out" / "plan.json").read_text(encoding="utf-8")
    Path(key_file).write_bytes(SECRET[::-1])
    with pytest.raises(DataError, match=r"step 1 \(redact\): keys: fingerprint is"):
        run_corpus(
            [str(tmp_path / "in.jsonl")],
            str(tmp_path / "out"),
            steps=[Redact(how="hash", key_file=key_file)],
            options=JobOptions(shard_records=2),
        )


def test_a_job_that_redacts_nothing_has_no_leak_check(tmp_path: Path) -> None:
    from lexel.corpora.steps import Length

    with pytest.raises(DataError, match="no step redacts"):
        list(find_leaks(job(tmp_path, [{"text": "a"}], Length())))
