"""Tokenizer folders made from nothing: small vocabularies trained on the sentences below, in the forms of ten years."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

SENTENCES = [
    "昨天下午三點，陳小姐在臺北車站買了兩張往高雄的車票。",
    "他说：“这本书我已经读过三遍了，你要不要也看看？”",
    "聯合國教科文組織總部設在巴黎，成立於1945年11月16日。",
    "李先生的新公司叫Nimbus科技，去年賺了3.5億元（約合1億美元）！",
    "我……我不知道該怎麼說，真的很對不起。",
    "深圳市今天最高气温34℃，湿度78%，请注意防暑。",
    "Dr. Helen O'Brien moved from São Paulo to Reykjavík in 2019, didn't she?",
    "The naïve café-owner's résumé wasn't read by anybody at all.",
    "Unbelievable: 3,141.59 people re-tweeted https://example.org/a_b?c=1&d=2!",
    "An unaffordable, interdisciplinary re-examination was postponed indefinitely.",
    "東京タワーは高さが333メートルで、ガラス張りの展望台がある。",
    "Der größte Fußgängerübergang heißt Überseering; Straßenbahnen fahren nicht.",
]

AWKWARD = [
    "",
    " ",
    "  two  spaces ",
    "tab\tand\nnewline\r\nhere",
    "\u3000全形 空白\u3000",
    "emoji 😀👍🏽👩\u200d👩\u200d👧 done",
    "é\U0001f642B 合e\u0301成",
    "a\u0301\u0323b\u0323\u0301 İstanbul ﬁne ½ Å ｶﾞ Ǆ",
    "zero\u200bwidth\ufeff\u00adsoft",
    "control\x00\x01\x1c\x1f\x7fchars\x85\u2028",
    "\ufffdreplaced\ufffd",
    "𠮷野家で𩸽を食べる",
    "สวัสดีครับ हिन्दी में שלום عَرَبِيّ",
    "한국어 문장입니다 한국",
    "[CLS] a [SEP]b [MASK]. [UNK] [PAD]",
    "<s>a</s> b <mask>. <unk>  <mask> <pad>",
    "[sep] [ SEP ] <S>",
    "_under_score ##ing ▁piece Ġpiece ĠĠ",
    "x" * 150,
    "don't  can't we'll I'M",
    "a\u00a0b\u2003c",
]

TEXTS = SENTENCES + AWKWARD

BERT_SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA_SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def write_json(path: Path, value: Any) -> None:
    """A JSON file."""
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


@pytest.fixture(scope="session")
def bert_vocab() -> list[str]:
    """A WordPiece vocabulary with cased and accented letters, so that every normaliser setting shows."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=1200, special_tokens=BERT_SPECIALS, show_progress=False)
    lower = [sentence.lower() for sentence in SENTENCES]
    tokenizer.train_from_iterator([*SENTENCES, *lower, "resume cafe naive grosste a b c"], trainer)
    vocab = tokenizer.get_vocab()
    return sorted(vocab, key=vocab.__getitem__)


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory: pytest.TempPathFactory, bert_vocab: list[str]) -> Callable[..., Path]:
    """Makes a BERT folder: vocab.txt, and whatever files are named by ``name=content`` (``json`` added)."""

    def make(*, vocab: list[str] | None = None, **files: Any) -> Path:
        folder = tmp_path_factory.mktemp("bert")
        (folder / "vocab.txt").write_text("\n".join(vocab or bert_vocab) + "\n", encoding="utf-8")
        write_json(folder / "config.json", {"model_type": "bert"})
        for name, content in files.items():
            write_json(folder / f"{name}.json", content)
        return folder

    return make


@pytest.fixture(scope="session")
def roberta_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a RoBERTa folder: vocab.json, merges.txt and tokenizer_config.json with the given settings."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        special_tokens=ROBERTA_SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)

    def make(**config: Any) -> Path:
        folder = tmp_path_factory.mktemp("roberta")
        tokenizer.model.save(str(folder))
        write_json(folder / "config.json", {"model_type": "roberta"})
        write_json(folder / "tokenizer_config.json", {"tokenizer_class": "RobertaTokenizer", **config})
        return folder

    return make


@pytest.fixture(scope="session")
def xlmr_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An XLM-R folder: a SentencePiece Unigram model in tokenizer.json."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.decoder = decoders.Metaspace()
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=500, special_tokens=specials, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.add_special_tokens(["<mask>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    folder = tmp_path_factory.mktemp("xlmr")
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "config.json", {"model_type": "xlm-roberta"})
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "XLMRobertaTokenizer", "model_max_length": 512})
    return folder


@pytest.fixture(scope="session")
def albert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ALBERT folder: Unigram with ALBERT's own normalisers, one Metaspace that always puts a space before."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Replace("``", '"'), normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    specials = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.UnigramTrainer(vocab_size=500, special_tokens=specials, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    folder = tmp_path_factory.mktemp("albert")
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "config.json", {"model_type": "albert"})
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>"})
    return folder
