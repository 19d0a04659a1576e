"""Admits requests up to a number of pieces and bytes, and refuses others at once."""

from __future__ import annotations

from time import monotonic

from lexel.errors import Overloaded
from lexel.serving.failures import Draining
from lexel.serving.options import ServerOptions

BYTES_OF_CHAR = 6
"""Bytes of a character in JSON that is written in ASCII (``\\u597d``)."""

RATE_WINDOW_S = 10.0
"""Seconds over which the rate of answers is measured, for ``Retry-After``."""


class Admission:
    """Counts the work in progress. For use in the event loop's thread only.

    Args:
        options: The server's limits.

    Attributes:
        n_requests: Requests that were admitted and not yet answered.
        n_pieces: Their pieces.
        n_bytes: Their bytes.
        is_draining: Whether new requests are refused because the server is stopping.
    """

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self.n_requests: int = 0
        self.n_pieces: int = 0
        self.n_bytes: int = 0
        self.is_draining = False
        self._done_pieces = 0.0
        self._since = monotonic()

    def enter(self, *, n_pieces: int, n_bytes: int) -> None:
        """Admit a request, until it leaves.

        If there is no other request, it is always admitted, however large it is.

        Raises:
            Draining: If the server is stopping.
            Overloaded: If there is no room; the message says when to try again.
        """
        self._check(n_pieces=n_pieces, n_bytes=n_bytes)
        self.n_requests += 1
        self.n_pieces += n_pieces
        self.n_bytes += n_bytes

    def leave(self, *, n_pieces: int, n_bytes: int) -> None:
        """Stop counting an admitted request."""
        self.n_requests -= 1
        self.n_pieces -= n_pieces
        self.n_bytes -= n_bytes
        self._count(n_pieces)

    def check_body(self, n_bytes: int) -> None:
        """Refuse a request by the length of its body, before reading it, if there is probably no room.

        A character takes at most six bytes of JSON, except for the rare ones beyond ``U+FFFF``.

        Raises:
            Draining: See ``enter``.
            Overloaded: See ``enter``.
        """
        self._check(n_pieces=n_bytes // BYTES_OF_CHAR, n_bytes=n_bytes // BYTES_OF_CHAR)

    def _check(self, *, n_pieces: int, n_bytes: int) -> None:
        if self.is_draining:
            raise Draining("the server is stopping; try again on another one")
        for what, held, more, most in (
            ("pieces", self.n_pieces, n_pieces, self._options.max_queued_pieces),
            ("bytes", self.n_bytes, n_bytes, self._options.max_queued_bytes),
        ):
            if held and held + more > most:
                raise Overloaded(
                    f"{held:,} {what} are waiting, at most {most:,} may; try again in {self.retry_after_s} s"
                )

    @property
    def retry_after_s(self) -> int:
        """Seconds until about half of the waiting requests are answered, at the current rate; from 1 to 60."""
        elapsed = max(monotonic() - self._since, 0.1)
        rate = self._done_pieces / elapsed
        return 1 if rate <= 0 else min(60, max(1, round(self.n_pieces / 2 / rate)))

    def _count(self, n_pieces: int) -> None:
        now = monotonic()
        if now - self._since > RATE_WINDOW_S:  # forget half, so that the rate is that of the last seconds
            self._done_pieces /= 2
            self._since += (now - self._since) / 2
        self._done_pieces += n_pieces
