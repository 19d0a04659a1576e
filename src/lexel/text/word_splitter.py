"""Splits Chinese text into words before it is split into pieces, like RoFormer's tokenizer.

Its vocabulary contains words. jieba splits the normalised text, without its hidden Markov model. Words of the
vocabulary are kept, and other words are split into characters. Lexel has its own instance of jieba: it does not use a
cache file in the temporary folder, and words that a program adds to jieba have no effect here.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import tokenizers
from tokenizers import normalizers, pre_tokenizers

from lexel.errors import MissingExtra
from lexel.text.backend import set_all, steps_of

_IDEOGRAPH = (
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002b81f\U0002b920-\U0002ceaf"
    "\U0002f800-\U0002fa1f"
)
"""The characters that BERT separates."""

_APART = re.compile(rf"[{_IDEOGRAPH}]|[^{_IDEOGRAPH}\s]+")
_WORD = re.compile(rf"[{_IDEOGRAPH}]{{2,}}")
_OUTSIDE = r"[^\x{4E00}-\x{9FD5}a-zA-Z0-9+#&\._%\-]"
"""Characters that jieba never joins with their neighbours."""


def has_words(vocab: Mapping[str, int]) -> bool:
    """Whether a vocabulary contains Chinese words; if not, splitting text into words has no effect."""
    return any(map(_WORD.fullmatch, vocab))


def split_words_first(backend: tokenizers.Tokenizer, vocab: Mapping[str, int]) -> None:
    """Make a WordPiece tokenizer split Chinese text into words first.

    Raises:
        MissingExtra: If jieba is not installed.
    """
    splitter = WordSplitter(vocab)
    set_all(steps_of(backend.normalizer), normalizers.BertNormalizer, handle_chinese_chars=False)
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Split(tokenizers.Regex(_OUTSIDE), "isolated"),
            pre_tokenizers.PreTokenizer.custom(splitter),
        ]
    )


class WordSplitter:
    """A step of the tokenizers library.

    Args:
        vocab: The vocabulary.
    """

    def __init__(self, vocab: Mapping[str, int]) -> None:
        self._vocab = vocab
        self._jieba = _load_jieba()

    def pre_tokenize(self, text: Any) -> None:
        """Split the parts left by earlier steps."""
        text.split(self._split)

    def _split(self, _: int, stretch: Any) -> list[Any]:
        text = str(stretch)
        if len(text) == 1:
            return [stretch]
        return [stretch[start:end] for start, end in self.words(text)]

    def words(self, text: str) -> Iterator[tuple[int, int]]:
        """The offsets of the words and single characters of a part."""
        for word, start, end in self._jieba.tokenize(text, HMM=False):
            if word in self._vocab:
                yield start, end
            else:
                yield from ((start + found.start(), start + found.end()) for found in _APART.finditer(word))


@cache
def _load_jieba() -> Any:
    """A ready instance with jieba's dictionary."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from jieba's own code
        try:
            import jieba
        except ImportError as error:
            raise MissingExtra(
                'RoFormer\'s tokenizer splits Chinese text into words with jieba: pip install "lexel[roformer]"'
            ) from error
        own = jieba.Tokenizer()
        own.FREQ, own.total = own.gen_pfdict(own.get_dict_file())
    own.initialized = True  # otherwise it would look for a cache in the temporary folder
    return own
