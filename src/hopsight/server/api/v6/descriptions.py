"""What the operations of version 6 have in common, for the API's description."""

from typing import Any, Final

from hopsight.server.api.cursors import PARAMETER
from hopsight.server.api.description import Operation, Parameter
from hopsight.server.api.record_pages import MAX_PAGE
from hopsight.server.api.v6.documents import ErrorDocument

_DATE: Final = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}[T +]\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z?$"}

FORMAT: Final = Parameter(
    name="format",
    meaning="`json` or `xml`; a suffix of the path, and then `Accept`, come first",
    schema={"type": "string", "enum": ["json", "xml"]},
)
ACCOUNT_GROUP: Final = Parameter(
    name="aid",
    meaning="account group; absent or empty: the user's login account group",
    schema={"type": "string", "pattern": "^[0-9]{0,15}$"},
)
PAGE: Final = Parameter(
    name="page",
    meaning="number of the page (deprecated: follow `pages.next`)",
    schema={"type": "integer", "minimum": 1, "maximum": MAX_PAGE},
)
PLACE: Final = Parameter(
    name=PARAMETER,
    meaning="where the page starts; comes in `pages.next`, opaque",
    schema={"type": "string"},
)
_TIMES: Final = (
    Parameter(
        name="window",
        meaning="the last so many seconds, minutes, hours, days or weeks; default: the last round",
        schema={"type": "string", "pattern": "^[0-9]*[1-9][0-9]*[smhdw]?$"},
        example="12h",
    ),
    Parameter(name="from", meaning="first moment, UTC, inclusive; not with `window`", schema=_DATE),
    Parameter(name="to", meaning="last moment, UTC, inclusive; only with `from`; default now", schema=_DATE),
)
COMMON: Final = (ACCOUNT_GROUP, FORMAT)
RECORD_PARAMETERS: Final = (*COMMON, *_TIMES, PAGE, PLACE)


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
