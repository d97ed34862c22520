"""What operators' tools call: ``/metrics`` for Prometheus, ``/healthz`` for whoever watches."""

from typing import Any, Final

HANDLERS: Final[list[Any]] = []
