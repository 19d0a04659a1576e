"""Messages on standard error: loaded models, notes, and one line for an error."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, cast

import typer

from lexel.cli.options.groups import MessageOptions
from lexel.cli.terminal.statuses import FAILED, HUNG_UP, INTERRUPTED, PIPE_BROKEN, TERMINATED
from lexel.disk import reason, refused
from lexel.errors import DataError, LexelError
from lexel.visible import for_terminal, one_line

if TYPE_CHECKING:
    from lexel.data import Faults, Loss

MISUSE = cast(type[Exception], typer.BadParameter.__mro__[1])
"""The parser's error for wrong arguments; typer exports only this subclass of it."""

LONGEST_MESSAGE = 500
"""Maximum length of a message; of a longer one, the beginning and the end are shown."""

_ERROR = "lexel: error:"
_logger = logging.getLogger("lexel")


def say_error(message: str) -> None:
    """Print an error in exactly one line."""
    line = one_line(message, limit=LONGEST_MESSAGE - len(_ERROR) - 1)
    _say(f"{_styled(_ERROR, '1;31')} {line}")


def _say(line: str) -> None:
    """Print a line to stderr, with escapes for characters that its encoding does not have."""
    if sys.stderr is None:
        return
    encoding = sys.stderr.encoding or "utf-8"
    with suppress(OSError, ValueError):  # stderr is closed
        print(line.encode(encoding, "backslashreplace").decode(encoding), file=sys.stderr, flush=True)


@contextmanager
def reported(options: MessageOptions) -> Iterator[None]:
    """Run a command: its notes go to stderr, and an error ends it with one line and the right status.

    Raises:
        typer.Exit: With the status, if it failed.
    """
    _listen(options)
    try:
        yield
        flush_output()
    except (typer.Exit, MISUSE):
        raise
    except BrokenPipeError:
        raise typer.Exit(PIPE_BROKEN) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:  # noqa: BLE001  # every error is reported in one line
        if options.debug:
            for line in traceback.format_exc().splitlines():
                _say(for_terminal(line))
        say_error(_told(error))
        raise typer.Exit(FAILED) from None


@contextmanager
def output_reported() -> Iterator[None]:
    """Report errors of standard output outside of `reported`, where help and version are printed.

    Raises:
        typer.Exit: With the status, if it failed.
    """
    try:
        yield
    except BrokenPipeError:
        raise typer.Exit(PIPE_BROKEN) from None
    except SystemExit as ending:  # rich ends the program when nobody reads its help
        if isinstance(ending.__context__, BrokenPipeError):
            raise typer.Exit(PIPE_BROKEN) from None
        raise
    except (OSError, LexelError) as error:
        say_error(_told(refusal_of_output(error)))
        raise typer.Exit(FAILED) from None


def refusal_of_output(error: Exception) -> Exception:
    """The error as an error of standard output, if the system raised it."""
    if not isinstance(error, OSError):
        return error
    return DataError(f"<stdout>: cannot be written ({error.strerror}); expected free space")


def flush_output() -> None:
    """Flush standard output.

    Raises:
        DataError: If there is no room.
    """
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise refusal_of_output(error) from error


def _told(error: Exception) -> str:
    if isinstance(error, LexelError):
        return str(error)
    if isinstance(error, MemoryError):
        return "out of memory: memory grows with the longest record; refuse long ones with --max-chars"
    if isinstance(error, OSError):
        if error.filename is None:
            return reason(error)
        advice = "; check its permissions" if isinstance(error, PermissionError) else ""
        return f"{error.filename}: {refused(error, doing='used')}{advice}"
    return f"a bug in Lexel: {type(error).__name__}: {error}; please report it with the output of --debug"


def end_on_signals() -> None:
    """Let SIGTERM and SIGHUP end the command as Ctrl-C does: it cleans up and leaves no half-written file."""
    for name, status in (("SIGTERM", TERMINATED), ("SIGHUP", HUNG_UP)):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores it: keep that
            signal.signal(number, _ending_with(status))


def _ending_with(status: int) -> Any:
    def end(*_: Any) -> None:
        raise SystemExit(status)

    return end


def have_output_buffered() -> None:
    """Buffer standard output even with ``PYTHONUNBUFFERED``, which many containers set.

    Without a buffer, every record is a system call, and a partial write goes unnoticed.
    """
    if sys.stdout is not None and isinstance(getattr(sys.stdout, "buffer", None), io.RawIOBase):
        encoding, errors = sys.stdout.encoding, sys.stdout.errors
        sys.stdout = open(sys.stdout.fileno(), "w", encoding=encoding, errors=errors, closefd=False)  # noqa: SIM115


def let_go_of_output() -> None:
    """Discard the rest of standard output's buffer, so that Python prints no error about it at exit."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether a stream is a terminal; a closed one is ``None``."""
    return stream is not None and stream.isatty()


def note(message: str) -> None:
    """Print a note; ``--quiet`` silences it."""
    _logger.info("note: %s", message)


def say_losses(losses: Iterable[Loss], faults: Faults | None = None) -> None:
    """Print once what formats could not hold, and which records were skipped or repaired."""
    by_format: dict[str, list[str]] = {}
    for loss in losses:
        by_format.setdefault(loss.format, []).append(f"{loss.what} ({loss.count:,})")
    for format, kinds in by_format.items():
        note(f"not held by {format}: {', '.join(kinds)}")
    for line in () if faults is None else faults.lines():
        _logger.warning("%s", line)


def _listen(options: MessageOptions) -> None:
    """Send the logger ``lexel`` to stderr."""
    _logger.handlers = [_Teller()]
    _logger.propagate = False
    _logger.setLevel(logging.ERROR if options.quiet else logging.DEBUG if options.debug else logging.INFO)


class _Teller(logging.Handler):
    """Prints to the current ``sys.stderr``: above a progress bar, if there is one.

    On a terminal, loaded models are dim and warnings are yellow.
    """

    def emit(self, record: logging.LogRecord) -> None:
        style = "33" if record.levelno >= logging.WARNING else "2"
        _say(_styled(one_line(record.getMessage(), limit=LONGEST_MESSAGE), style))


def _styled(text: str, style: str) -> str:
    """Text in colour, on a terminal and without ``NO_COLOR`` (https://no-color.org)."""
    plain = not is_terminal(sys.stderr) or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return text if plain else f"\x1b[{style}m{text}\x1b[0m"
