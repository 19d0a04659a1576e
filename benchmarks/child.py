"""One fresh process: read one text, say so, read the others, and report seconds and memory as JSON.

Without ``--warm-up``, memory and the time to the first result are those of a process that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from benchmarks.readers import READERS
from benchmarks.texts import SENTENCES


def main() -> None:
    """Read as the arguments say."""
    options = _arguments().parse_args()
    if options.one_core:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    given = {name: getattr(options, name) for name in ("precision", "batch", "dtype")}
    extra = {name: value for name, value in given.items() if value is not None}
    sentences = SENTENCES[options.texts]
    read = READERS[options.reader](options.folder, threads=options.threads, **extra)
    read(sentences(1))
    print("read", flush=True)
    read(sentences(options.warm_up))
    n_chars = sum(map(len, sentences(options.sentences)))
    begin, cpu_begin = time.perf_counter(), time.process_time()
    n_words = read(sentences(options.sentences))
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu_begin
    report = {"chars": n_chars, "words": n_words, "seconds": seconds, "cpu_seconds": cpu_seconds}
    json.dump(report | {"peak_bytes": peak_bytes()}, sys.stdout)


def peak_bytes() -> int:
    """The most memory this process ever held.

    Linux's ``ru_maxrss`` is no help: it also counts what the process was before it became this program.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.child", description=__doc__)
    parser.add_argument("reader", choices=READERS)
    parser.add_argument("--folder", help="model folder; without it the bundled model")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--precision")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--dtype", help="precision of a peer on torch")
    parser.add_argument("--texts", choices=SENTENCES, default="chinese", help="which sentences (default: chinese)")
    parser.add_argument("--warm-up", type=int, default=0, help="sentences read before the clock starts")
    parser.add_argument("--sentences", type=int, default=0, help="sentences read while it runs")
    parser.add_argument("--one-core", action="store_true", help="stay on one core")
    return parser


if __name__ == "__main__":
    main()
