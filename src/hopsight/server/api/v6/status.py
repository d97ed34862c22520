"""``/v6/status`` and the XML schema: no credentials needed."""

from typing import Any, Final

from litestar import get
from litestar.connection import Request

from hopsight import __version__
from hopsight.server.api.answers import XML, Answer
from hopsight.server.api.common_parameters import ACCOUNT_GROUP
from hopsight.server.api.description import Operation, described
from hopsight.server.api.documents import ErrorDocument
from hopsight.server.api.parameters import Parameters
from hopsight.server.api.v6.asking import format_of
from hopsight.server.api.v6.descriptions import FORMAT
from hopsight.server.api.v6.documents import ANSWERS, StatusAnswer
from hopsight.server.api.v6.rendering import ROOT, render
from hopsight.server.api.xml_schema import write_schema

_STATUS: Final = Operation(
    summary="Whether we are here; needs no credentials",
    tag="Service",
    parameters=(ACCOUNT_GROUP, FORMAT),
    answer=StatusAnswer,
    statuses=(400, 406, 500),
    error=ErrorDocument,
)
_SCHEMA: Final = Operation(
    summary="The schema (XSD) that every XML answer validates against; needs no credentials",
    tag="Service",
    answer_types=("text/xml",),
    statuses=(500,),
)
_SCHEMA_BYTES: Final = write_schema(ROOT, ANSWERS)


@get("/v6/status", opt=described(_STATUS))
async def read_status(request: Request[Any, Any, Any]) -> Answer:
    """Answer with the time and our version."""
    format_ = format_of(request.scope, Parameters(request.scope["query_string"]))
    now_s = int(request.app.state.services.clock.now())
    return render(request.scope, format_, StatusAnswer(timestamp=now_s, version=__version__))


@get("/v6/docs/te-api-v6.xsd", opt=described(_SCHEMA))
async def read_schema() -> Answer:
    """Answer with the schema."""
    return Answer(_SCHEMA_BYTES, XML)


HANDLERS: Final = (read_status, read_schema)
