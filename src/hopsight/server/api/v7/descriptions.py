"""What the operations of version 7 have in common, for the API's description."""

from typing import Any, Final

from hopsight.server.api.common_parameters import ACCOUNT_GROUP
from hopsight.server.api.description import Operation, Parameter
from hopsight.server.api.v7.asking import MEDIA_TYPES
from hopsight.server.api.v7.documents import Problem, Unauthorized

BODY_STATUSES: Final = (408, 413, 415)
"""What may be wrong with a body, besides 400."""
CURSOR: Final = Parameter(
    name="cursor",
    meaning="where the page starts; comes in `_links.next`, opaque",
    schema={"type": "string"},
)
_INSTANT: Final = {"type": "string", "format": "date-time"}
RECORD_PARAMETERS: Final = (
    ACCOUNT_GROUP,
    Parameter(
        name="window",
        meaning="the last so many seconds, minutes, hours, days or weeks; default: the last round",
        schema={"type": "string", "pattern": "^[0-9]*[1-9][0-9]*[smhdw]?$"},
        example="12h",
    ),
    Parameter(name="startDate", meaning="first moment, inclusive; not with `window`", schema=_INSTANT),
    Parameter(
        name="endDate",
        meaning="last moment, inclusive; only with `startDate`; default now",
        schema=_INSTANT,
    ),
    CURSOR,
)


def path_parameter(name: str, meaning: str) -> Parameter:
    """A part of the path."""
    return Parameter(name=name, meaning=meaning, schema={"type": "string"}, where="path")


def operation(summary: str, tag: str, *statuses: int, **more: Any) -> Operation:
    """An operation of version 7, with the statuses that all of them have."""
    return Operation(
        summary=summary,
        tag=f"{tag} (v7)",
        statuses=tuple(sorted({400, 401, 406, 429, 500, 503, *statuses})),
        error=Problem,
        error_types=("application/problem+json",),
        unauthorized=Unauthorized,
        answer_types=MEDIA_TYPES,
        security=("token",),
        **more,
    )
