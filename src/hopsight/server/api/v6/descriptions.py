"""What the operations of version 6 have in common, for the API's description."""

from typing import Any, Final

from hopsight.server.api.common_parameters import ACCOUNT_GROUP, PAGE, PLACE, TIMES
from hopsight.server.api.description import Operation, Parameter
from hopsight.server.api.documents import ErrorDocument

FORMAT: Final = Parameter(
    name="format",
    meaning="`json` or `xml`; a suffix of the path, and then `Accept`, come first",
    schema={"type": "string", "enum": ["json", "xml"]},
)
BODY_STATUSES: Final = (408, 413, 415)
"""What may be wrong with a body, besides 400."""
COMMON: Final = (ACCOUNT_GROUP, FORMAT)
RECORD_PARAMETERS: Final = (*COMMON, *TIMES, PAGE, PLACE)


def operation(summary: str, tag: str, *statuses: int, **more: Any) -> Operation:
    """An operation of version 6 that needs credentials, with the statuses that all of them have."""
    return Operation(
        summary=summary,
        tag=tag,
        statuses=tuple(sorted({400, 401, 406, 429, 500, 503, *statuses})),
        error=ErrorDocument,
        security=("token", "emailAndToken"),
        **more,
    )
