"""One run at a time in an output folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lexel.errors import OptionError


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Hold a lock file; the system releases it when the process ends, for whatever reason. Windows has no lock.

    Raises:
        OptionError: If another run holds it, or the file system has no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise OptionError(
                    f"{path.parent.parent}: another run is training into this folder; wait for it, or choose "
                    "another output folder (-o, output_dir)"
                ) from error
            except OSError as error:
                raise OptionError(
                    f"{path}: cannot be locked ({error.strerror}); expected a file system with locks. Choose another "
                    "output folder (-o, output_dir)"
                ) from error
        yield
