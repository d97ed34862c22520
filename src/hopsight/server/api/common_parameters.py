"""Parameters that operations of every dialect take, for the API's description."""

from typing import Final

from hopsight.server.api.cursors import PARAMETER
from hopsight.server.api.description import Parameter
from hopsight.server.api.record_pages import MAX_PAGE

_DATE: Final = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}[T +]\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z?$"}

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
TIMES: Final = (
    Parameter(
        name="window",
        meaning="the last so many seconds, minutes, hours, days or weeks; default: the last round",
        schema={"type": "string", "pattern": "^[0-9]*[1-9][0-9]*[smhdw]?$"},
        example="12h",
    ),
    Parameter(name="from", meaning="first moment, UTC, inclusive; not with `window`", schema=_DATE),
    Parameter(name="to", meaning="last moment, UTC, inclusive; only with `from`; default now", schema=_DATE),
)
