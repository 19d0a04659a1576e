"""A model in a separate process: ``ChildModel`` sends requests to ``python -m lexel.evaluation.compare.child``.

Requests and answers are pickles on the child's standard input and output, which nothing else uses. The child ends when
its input is closed, so it never outlives its parent.
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
    """A model that is loaded and run in a new process; use it in a ``with`` statement.

    Args:
        source: A model folder or a hub id. Default: the bundled model.
        name: Its name in the comparison.
        options: Options of ``Tagger.load``: engine, precision, threads, decode ...

    Attributes:
        facts: Facts about the model.

    Raises:
        LexelError: The error that loading raised, with the model's name before its message.
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
                except OSError:  # unsent data is no longer needed
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
    """This process's environment; the child imports modules from the same places."""
    path = os.pathsep.join(part or os.getcwd() for part in sys.path)
    return {**os.environ, "PYTHONPATH": path}


# The child -----------------------------------------------------------------------------------------------------------


def _serve() -> None:
    """Answer requests until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted as well, and ends this process
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output of libraries is not an answer
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
            os._exit(0)  # the parent has gone


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
