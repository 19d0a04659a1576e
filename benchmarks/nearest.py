"""One fresh process on one core: how long an exact search takes, as JSON."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time

import numpy as np

from lexel.tasks.pooling import normalise
from lexel.tasks.search import find_nearest

TOP_K = 10
QUERIES = 20


def main() -> None:
    """Search among random vectors of length 1, one query after the other."""
    options = _arguments().parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    random = np.random.default_rng(0)
    vectors = normalise(random.standard_normal((options.rows, options.dims), np.float32))
    queries = random.standard_normal((QUERIES + 1, 1, options.dims), np.float32)
    seconds = []
    for query in queries:
        begin = time.perf_counter()
        find_nearest(vectors, query, top_k=TOP_K, is_normalised=True)
        seconds.append(time.perf_counter() - begin)
    json.dump({"query_ms": 1000 * statistics.median(seconds[1:])}, sys.stdout)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.nearest", description=__doc__)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--dims", type=int, required=True)
    return parser


if __name__ == "__main__":
    main()
