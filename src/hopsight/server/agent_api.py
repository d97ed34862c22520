"""What agents call, below ``/agent/v1`` (contract: ``model/upload.py``)."""

from typing import Any, Final

HANDLERS: Final[list[Any]] = []
