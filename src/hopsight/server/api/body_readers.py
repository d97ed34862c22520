"""Bodies that change something: JSON of one struct, or a 400 that says what is accepted."""

from typing import Any, Generic, TypeVar

import msgspec
from litestar.connection import Request

from hopsight.errors import InvalidValueError
from hopsight.server.api.bodies import read_json_body

_Body = TypeVar("_Body")


class BodyReader(Generic[_Body]):
    """Reads bodies of one type.

    Args:
        kind: the struct that a body is.
        accepted: an example of one, for errors.
    """

    def __init__(self, kind: type[_Body], accepted: str) -> None:
        self._decode = msgspec.json.Decoder(kind).decode
        self._accepted = accepted

    async def read(self, request: Request[Any, Any, Any], *, empty: bytes = b"") -> _Body:
        """The body of a request; ``empty`` stands for one of no bytes.

        Raises:
            InvalidValueError: it is not such a body.
        """
        body = await read_json_body(request.scope, request.receive)
        try:
            return self._decode(body or empty)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidValueError("body", str(error) or "nested too deeply", self._accepted) from None
