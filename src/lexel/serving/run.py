"""Runs the server: uvicorn with a graceful stop, keys that can be reloaded, and one process or several."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import Any

import uvicorn

from lexel.checkpoint import open_checkpoint
from lexel.disk import open_regular, refused
from lexel.engines.choose import EngineOptions
from lexel.errors import OptionError
from lexel.serving.access import ApiKeys
from lexel.serving.app import build_app
from lexel.serving.options import ModelSpec, ServerOptions

_M_ARENA_MAX = -8
"""glibc's number of the option; see mallopt(3)."""

_logger = logging.getLogger("lexel.serving")


@dataclass(frozen=True, slots=True)
class Listening:
    """Address and processes of a server.

    Attributes:
        host: The address; by default only this machine.
        port: The port; 0 is any free one.
        workers: Number of processes; each has the models and its share of the cores.
        tls_certificate: A certificate file, for HTTPS.
        tls_key: Its key file.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    tls_certificate: str | None = None
    tls_key: str | None = None


def serve(
    specs: Sequence[ModelSpec],
    *,
    listening: Listening,
    options: ServerOptions,
    engine: EngineOptions,
    prepare: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT; then refuse new requests, answer the accepted ones, and return.

    Args:
        specs: The models.
        listening: Address and processes.
        options: The server's options.
        engine: The engines' options.
        prepare: Called first in each process, for example to set up its log; it is pickled for workers.

    Raises:
        OptionError: If the server cannot listen at the address, or cannot use its certificate or its file of keys.
        CheckpointError: If a model cannot be used.
    """
    _check_certificate(listening)
    if options.api_key_file is not None:
        ApiKeys(options.api_key_file)
    with _bind(listening) as bound:
        prepare()
        if listening.workers == 1:
            _serve(bound, specs, listening, options, engine)
        else:
            for spec in specs:  # a model that cannot be loaded is reported once, before any worker starts
                open_checkpoint(spec.source, expects=spec.expects)
            serve_here = partial(_serve, bound, specs, listening, options, engine)
            Workers(listening.workers, partial(_work, prepare, serve_here)).run()


class Workers:
    """Processes that answer in parallel; one that dies is started again.

    Args:
        number: Number of processes.
        work: The function of each process; it is pickled.
    """

    def __init__(self, number: int, work: Callable[[], None]) -> None:
        self._context = get_context("spawn")
        self._number = number
        self._work = work
        self._running: list[Any] = []
        self._is_stopping = False

    def run(self) -> None:
        """Run until told to stop, then until all have ended."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._pass_on)
        while self._running or not self._is_stopping:
            while len(self._running) < self._number and not self._is_stopping:
                process = self._context.Process(target=self._work)
                process.start()
                self._running.append(process)
            wait([process.sentinel for process in self._running], timeout=1)
            for process in [one for one in self._running if one.exitcode is not None]:
                self._running.remove(process)
                if not self._is_stopping:
                    _logger.error("worker %d ended with status %s; another is started", process.pid, process.exitcode)

    def _pass_on(self, number: int, frame: Any) -> None:
        self._is_stopping = self._is_stopping or number != signal.SIGHUP
        for process in self._running:
            if process.pid is not None and process.exitcode is None:
                os.kill(process.pid, number)


def _work(prepare: Callable[[], None], serve_here: Callable[[], None]) -> None:
    """The function of a worker process; it stops when its parent has ended, for whatever reason."""
    prepare()
    threading.Thread(target=_stop_with_parent, name="lexel-parent", daemon=True).start()
    serve_here()


def _stop_with_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        signal.raise_signal(signal.SIGTERM)


def _bind(listening: Listening) -> socket.socket:
    family = socket.AF_INET6 if ":" in listening.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((listening.host, listening.port))
    except OSError as error:
        bound.close()
        at = f"{listening.host}:{listening.port}"
        raise OptionError(f"cannot listen on {at}: {error.strerror}; choose another --port or --host") from error
    bound.listen(2048)
    return bound


def _serve(
    bound: socket.socket,
    specs: Sequence[ModelSpec],
    listening: Listening,
    options: ServerOptions,
    engine: EngineOptions,
) -> None:
    _share_arenas()
    app = build_app(specs, options=options, engine=engine)
    address = "http{}://{}:{}/".format("s" if listening.tls_certificate else "", *bound.getsockname()[:2])
    _logger.info("listening on %s", address)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here needs a client's address
        timeout_graceful_shutdown=round(options.drain_s),
        ssl_certfile=listening.tls_certificate,
        ssl_keyfile=listening.tls_key,
        h11_max_incomplete_event_size=64 * 1024,
    )
    Server(config, app).run(sockets=[bound])


def _check_certificate(listening: Listening) -> None:
    """Refuse a certificate that cannot be used, before any model is loaded.

    Raises:
        OptionError: If a file cannot be read, or the key is not the certificate's.
    """
    certificate, key = listening.tls_certificate, listening.tls_key
    if certificate is None:
        return
    for path in (certificate,) if key is None else (certificate, key):
        try:
            open_regular(path).close()
        except OSError as error:
            raise OptionError(f"{path}: {refused(error, doing='read')}; expected a file in PEM form") from error
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key, password=_ask_later)
    except _EncryptedKeyError:
        return
    except ssl.SSLError as error:
        files = certificate if key is None else f"{certificate}, {key}"
        found = f"no certificate with its key ({error.reason or error})"
        raise OptionError(f"{files}: {found}; expected a certificate and its key in PEM form") from error


class _EncryptedKeyError(Exception):
    """The key has a password, which the server asks for when it starts."""


def _ask_later() -> str:
    raise _EncryptedKeyError


def _share_arenas() -> None:
    """Make all threads share two of glibc's arenas: with one arena per thread, each would keep freed memory."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform.startswith("linux") else None
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 2)


class Server(uvicorn.Server):
    """A server that refuses new work as soon as it is asked to stop, and reads its keys again on SIGHUP."""

    def __init__(self, config: uvicorn.Config, app: Any) -> None:
        super().__init__(config)
        self._service = app.state.service
        self._keys = app.state.keys

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals in the event loop, so that a requested stop ends with status 0."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        yield

    def _stop(self, number: int) -> None:
        if self._service.admission.is_draining and number == signal.SIGINT:
            self.force_exit = True
        _logger.info("stopping; %d requests are still to be answered", self._service.admission.n_requests)
        self._service.admission.is_draining = True
        self.should_exit = True

    def _reload(self) -> None:
        try:
            if self._keys is not None:
                self._keys.reload()
                _logger.info("API keys read again")
        except OptionError as error:
            _logger.error("%s; the keys stay as they were", error)
