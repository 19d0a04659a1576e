"""A model in a process of its own: ``ChildModel`` asks, ``python -m lexel.evaluation.compare.child`` answers.

Requests and answers are pickles on the child's standard input and output; nobody else writes to these. The child ends
when its input does, so that it never outlives whoever asks.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, Any, cast

from lexel import errors
from lexel.document import Document
from lexel.errors import EngineError, LexelError
from lexel.evaluation.compare.models import LocalModel, ModelFacts, ModelOutput

_LAST_WORDS_BYTES = 2000


class ChildModel:
    """A model that a fresh process loads and reads with; use it in a ``with`` statement.

    Args:
        source: A model folder or a hub id. Default: the bundled model.
        name: What it is called in the comparison.
        options: Of ``Tagger.load``: engine, precision, threads, decode ...

    Attributes:
        facts: What it is.

    Raises:
        LexelError: Of the kind that loading raised, its message after the model's name.
    """

    def __init__(self, source: str | None, *, name: str, options: Mapping[str, Any]) -> None:
        self._name = name
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the child
        command = [sys.executable, "-m", "lexel.evaluation.compare.child"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, env=_environment()
        )
        try:
            self.facts = cast(ModelFacts, self._ask("load", source, name, dict(options)))
        except BaseException:
            self.close()
            raise

    def read(self, documents: Sequence[Document], *, given_words: bool) -> list[ModelOutput]:
        """See ``ComparedModel.read``."""
        return cast(list[ModelOutput], self._ask("read", list(documents), given_words))

    def seconds(self, documents: Sequence[Document], *, given_words: bool) -> float:
        """See ``ComparedModel.seconds``."""
        return cast(float, self._ask("seconds", list(documents), given_words))

    def peak_bytes(self) -> int | None:
        """See ``ComparedModel.peak_bytes``."""
        return cast("int | None", self._ask("peak_bytes"))

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what was not sent yet is of no use any more
                    continue
        self._process.kill()
        self._process.wait()
        self._errors.close()

    def __enter__(self) -> ChildModel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, *request: Any) -> Any:
        try:
            pickle.dump(request, cast(IO[bytes], self._process.stdin))
            cast(IO[bytes], self._process.stdin).flush()
            kind, answer = pickle.load(cast(IO[bytes], self._process.stdout))
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            raise EngineError(
                f"{self._name}: its process stopped ({self._last_words()}); expected an answer"
            ) from error
        if kind == "error":
            name, message = answer
            raise getattr(errors, name, EngineError)(f"{self._name}: {message}")
        return answer

    def _last_words(self) -> str:
        status = self._process.wait()
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - _LAST_WORDS_BYTES))
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"status {status}" + (f": {lines[-1].strip()}" if lines else "")


def _environment() -> dict[str, str]:
    """This process's variables; the child imports what this process does, wherever that was found."""
    path = os.pathsep.join(part or os.getcwd() for part in sys.path)
    return {**os.environ, "PYTHONPATH": path}


# The child -----------------------------------------------------------------------------------------------------------


def _serve() -> None:
    """Answer requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks is interrupted as well, and ends this process
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is not an answer
    model: LocalModel | None = None
    while True:
        try:
            name, *arguments = pickle.load(requests)
        except EOFError:
            return
        try:
            if name == "load":
                model = _load(*arguments)
                answer: Any = model.facts
            else:
                answer = _answer(cast(LocalModel, model), name, arguments)
            said = ("ok", answer)
        except LexelError as error:
            said = ("error", (type(error).__name__, str(error)))
        try:
            pickle.dump(said, answers)
            answers.flush()
        except BrokenPipeError:
            os._exit(0)  # nobody is left to be told


def _load(source: str | None, name: str, options: Mapping[str, Any]) -> LocalModel:
    from lexel.tasks.tag import Tagger

    return LocalModel(Tagger.load(source, **options), name=name)


def _answer(model: LocalModel, name: str, arguments: Sequence[Any]) -> Any:
    if name == "peak_bytes":
        return model.peak_bytes()
    documents, given_words = arguments
    method = model.read if name == "read" else model.seconds
    return method(documents, given_words=given_words)


if __name__ == "__main__":
    _serve()
