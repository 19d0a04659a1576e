"""Asks a server with tritonclient as its examples do, and prints what it gave as JSON.

python triton_client.py URL
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from typing import Any

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException


def is_ready(client: Any, model: str) -> bool:
    """Whether a model takes requests; one that is not there does not."""
    try:
        return bool(client.is_model_ready(model))
    except InferenceServerException:
        return False


def main() -> None:
    """Ask about health and metadata, then send two texts, which the client packs as binary tensors by default."""
    client = triton.InferenceServerClient(sys.argv[1].removeprefix("http://"))
    text = triton.InferInput("text", [2], "BYTES")
    text.set_data_from_numpy(np.array(["他在北京。", "ok"], dtype=np.object_))
    found = {
        "version": version("tritonclient"),
        "health": [client.is_server_live(), client.is_server_ready(), is_ready(client, "zh"), is_ready(client, "none")],
        "inputs": client.get_model_metadata("zh")["inputs"],
        "records": [json.loads(one) for one in client.infer("zh", [text]).as_numpy("output")],
        "asynchronous": [json.loads(one) for one in client.async_infer("zh", [text]).get_result().as_numpy("output")],
    }
    client.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
