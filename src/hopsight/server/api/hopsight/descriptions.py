"""What the operations of our own API have in common, for the API's description."""

from typing import Any, Final

from hopsight.server.api.common_parameters import ACCOUNT_GROUP, PAGE, PLACE, TIMES
from hopsight.server.api.description import Operation
from hopsight.server.api.documents import ErrorDocument

ROOT: Final = "/hopsight/v1"
TAG: Final = "Hopsight"
COMMON: Final = (ACCOUNT_GROUP,)
RECORD_PARAMETERS: Final = (*COMMON, *TIMES, PAGE, PLACE)
BODY_STATUSES: Final = (408, 413, 415)


def operation(summary: str, *statuses: int, **more: Any) -> Operation:
    """An operation that needs credentials, with the statuses that all of them have."""
    return Operation(
        summary=summary,
        tag=TAG,
        answer_types=("application/json",),
        statuses=tuple(sorted({400, 401, 429, 500, 503, *statuses})),
        error=ErrorDocument,
        security=("token", "emailAndToken"),
        **more,
    )
