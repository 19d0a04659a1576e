"""scikit-learn: vectors of texts as a transformer, and a tokenizer for ``CountVectorizer`` and ``TfidfVectorizer``.

    make_pipeline(LexelVectorizer("BAAI/bge-small-zh-v1.5"), LogisticRegression())
    TfidfVectorizer(tokenizer=WordTokenizer(), token_pattern=None)

Needs scikit-learn: ``pip install "lexel[sklearn]"``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from lexel.integrations.readers import bundled_tagger
from lexel.tasks.embed import Embedder
from lexel.tasks.loading import Source
from lexel.tasks.tag import Tagger


class LexelVectorizer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turns texts into vectors, ``[texts, dims]``; there is nothing to fit.

    Args:
        model: A model folder or a hub id. Default: the bundled Chinese model.
        pooling: See ``Embedder.load``.
        normalise: See there.
        dimensions: See there.
        prompt: See there.
        precision: See there.
    """

    def __init__(
        self,
        model: Source | None = None,
        *,
        pooling: str | None = None,
        normalise: bool | None = None,
        dimensions: int | None = None,
        prompt: str | None = None,
        precision: str | None = None,
    ) -> None:
        self.model = model
        self.pooling = pooling
        self.normalise = normalise
        self.dimensions = dimensions
        self.prompt = prompt
        self.precision = precision

    def fit(self, texts: Iterable[str], y: Any = None) -> LexelVectorizer:
        """Load the model."""
        given = {name: value for name, value in self.get_params().items() if name != "model" and value is not None}
        self.embedder_: Embedder = Embedder.load(self.model, **given)
        return self

    def transform(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """The vectors of texts."""
        if not hasattr(self, "embedder_"):
            self.fit(())
        return self.embedder_.encode(texts)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """A name for each dimension of a vector."""
        if not hasattr(self, "embedder_"):
            self.fit(())
        return np.array([f"lexel{i}" for i in range(self.embedder_.plan.size)], dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.requires_fit = False
        return tags


class WordTokenizer:
    """The words of a text, for the ``tokenizer`` of ``CountVectorizer`` and ``TfidfVectorizer``.

    Args:
        tagger: Finds the words. Default: the bundled model.
        pos: Keep only words with these tags, such as ``{"NOUN", "VERB"}``; by default, all except ``PUNCT``.
    """

    def __init__(self, tagger: Tagger | None = None, *, pos: Collection[str] | None = None) -> None:
        self.tagger = tagger
        self.pos = pos

    def __call__(self, text: str) -> list[str]:
        """The words of a text."""
        document = (bundled_tagger() if self.tagger is None else self.tagger)(text)
        kept = (word for word in document.words if not word.text.isspace())
        if self.pos is None:
            return [word.text for word in kept if word.pos != "PUNCT"]
        return [word.text for word in kept if word.pos in self.pos]
