"""Connections that hold the server up are closed: uvicorn itself would wait for ever.

What is bounded here: a request's head, in seconds and bytes; the rest of a body that nobody reads any more;
a client that does not take its answer; connections at the same time. Bodies that are read are bounded where
that happens (``bodies.py``).

When there are as many connections as may be, the one that has asked for nothing for longest makes room: to
keep others out, somebody would have to open all of them anew in the moment between a connection and its head.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_TIMEOUT_S: Final = 10.0
LAST_HEAD_S: Final = 0.5
"""What a request that may be on its way gets to arrive when the server stops."""
STALL_TIMEOUT_S: Final = 30.0
MAX_HEAD_BYTES: Final = 64 << 10


class _Timer:
    """One call, later, unless it is stopped before."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None

    @property
    def running(self) -> bool:
        """Whether the call is still to come."""
        return self._handle is not None

    def start(self, delay_s: float, call: Callable[[], None]) -> None:
        """Have ``call`` called in ``delay_s`` seconds, and nothing that was to be called before."""
        self.stop()
        self._handle = self._loop.call_later(delay_s, self._fire, call)

    def stop(self) -> None:
        """Do not call any more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self, call: Callable[[], None]) -> None:
        self._handle = None
        call()


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol with an end to its patience."""

    head_timeout_s = HEAD_TIMEOUT_S
    stall_timeout_s = STALL_TIMEOUT_S

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        # Ours alone: uvicorn would answer everybody with 503 as soon as so many are merely connected.
        self._max_connections, self.limit_concurrency = self.limit_concurrency, None
        self._waiting_since_s = 0.0
        self._head = _Timer(self.loop)
        self._head_bytes = 0
        self._heads = 0
        self._rest = _Timer(self.loop)
        self._rest_expected = False
        self._stall = _Timer(self.loop)
        self._is_last = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first head is awaited from now on; if this is one connection too many, one has to go."""
        super().connection_made(transport)
        self._waiting_since_s = self.loop.time()
        self._await_head()
        if self._max_connections is not None and len(self.connections) > self._max_connections:
            _make_room(self.connections, self, self._max_connections)

    def data_received(self, data: bytes) -> None:
        """Count what arrived, if the head that was awaited is still not complete."""
        heads = self._heads
        super().data_received(data)
        # After parsing: the read that completes a head may bring much of its body along.
        if self._head.running and self._heads == heads:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._give_up()
        elif self._is_idle():
            # Empty lines between requests begin none, but have stopped the timer of the idle connection.
            self._await_head()
        self._watch_closing()

    def on_message_begin(self) -> None:
        """A further request on a kept connection is awaited from its first byte."""
        super().on_message_begin()
        self._rest_expected = True
        if not self._head.running:
            self._await_head()

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._head.stop()
        self._heads += 1
        super().on_headers_complete()
        if self._is_last and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """The body is there."""
        self._rest_expected = False
        self._rest.stop()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Answered; what is still on its way of the body goes unread, and must end soon."""
        is_last = not self.pipeline
        super().on_response_complete()
        self._waiting_since_s = self.loop.time()
        if is_last and self._rest_expected and not self.transport.is_closing():
            self._rest.start(self.head_timeout_s, self._give_up)
        self._watch_closing()

    def pause_writing(self) -> None:
        """The client takes its answer more slowly than it is written: watch that it does."""
        super().pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        """The client has taken most of it."""
        self._stall.stop()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, also one whose last answer was never taken."""
        super().timeout_keep_alive_handler()
        self._watch_closing()

    def shutdown(self) -> None:
        """Take nothing more, except the request whose head is awaited: it may be on its way already."""
        if not self._head.running or self.transport.is_closing():
            super().shutdown()
        else:
            self._is_last = True
            self._head.start(LAST_HEAD_S, self._give_up)

    def patience_left(self) -> tuple[bool, float] | None:
        """What this connection is worth when one has to go, least first; None: a request is under way.

        Who has not taken all of an answer goes after those who have; then, who has asked nothing for longest.
        """
        if self.cycle is not None and not self.cycle.response_complete:
            return None
        return bool(self.transport.get_write_buffer_size()), self._waiting_since_s

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more to wait for."""
        self._head.stop()
        self._rest.stop()
        super().connection_lost(exc)
        self._stall.stop()

    def _is_idle(self) -> bool:
        return (
            not self._head.running
            and not self._rest_expected
            and self.timeout_keep_alive_task is None
            and not self.transport.is_closing()
            and (self.cycle is None or self.cycle.response_complete)
        )

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._head.start(self.head_timeout_s, self._give_up)

    def _give_up(self) -> None:
        self.transport.close()
        self._watch_closing()

    def _watch_closing(self) -> None:
        # `close` waits until everything is taken: without end, if nobody looks.
        closing = self.transport.is_closing()
        if closing and not self._stall.running and self.transport.get_write_buffer_size():
            self._watch_writing()

    def _watch_writing(self) -> None:
        left_bytes = self.transport.get_write_buffer_size()
        self._stall.start(self.stall_timeout_s, lambda: self._check_writing(left_bytes))

    def _check_writing(self, left_before: int) -> None:
        # Slow is fine, standing still is not. `abort`, as `close` would wait for what never goes out.
        if self.transport.get_write_buffer_size() >= left_before:
            self.transport.abort()
        else:
            self._watch_writing()


def _make_room(connections: Iterable[Any], newest: PatientProtocol, limit: int) -> None:
    alive = [one for one in connections if not one.transport.is_closing()]
    if len(alive) <= limit:
        return
    worth = {one: one.patience_left() for one in alive if one is not newest}
    waiting = [one for one, left in worth.items() if left is not None]
    goes = min(waiting, key=lambda one: worth[one], default=newest)
    goes.transport.abort()
