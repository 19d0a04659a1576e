"""Asks a server with the hub client of the environment that runs this, and prints what it gave as JSON.

python hub_client.py URL
"""

from __future__ import annotations

import json
import sys
from typing import Any

import huggingface_hub
from huggingface_hub import InferenceClient

TEXT = "臺北市長蔣萬安昨天會見東京來的訪問團。"


def main() -> None:
    """Ask for every task."""
    url = sys.argv[1]

    def client(path: str = "") -> InferenceClient:
        return InferenceClient(base_url=url + path)

    def pipeline(model: str, task: str) -> InferenceClient:
        return client(f"/models/{model}/pipeline/{task}")

    vectors = pipeline("zh", "feature-extraction").feature_extraction(TEXT)
    found: dict[str, Any] = {
        "version": huggingface_hub.__version__,
        "tokens": [vars(one) for one in client().token_classification(TEXT)],
        "classes": [vars(one) for one in pipeline("joint", "text-classification").text_classification("天下的人")],
        "zero_shot": [
            vars(one) for one in client("/models/nli").zero_shot_classification("天下的人", ["new york", "live"])
        ],
        "masks": [vars(one) for one in pipeline("joint", "fill-mask").fill_mask("天下的[MASK]", top_k=4)],
        "answer": vars(client("/models/joint").question_answering(question="in", context="new york live")),
        "similarity": pipeline("zh", "sentence-similarity").sentence_similarity(TEXT, other_sentences=[TEXT, "天氣"]),
        "vectors": list(vectors.shape),
    }
    print(json.dumps(found, default=str))


if __name__ == "__main__":
    main()
