"""What agents call, for the API's description (contract: ``model/upload.py``)."""

from typing import Final

from hopsight.model.upload import AgentConfiguration, Enrolment, EnrolmentAnswer, UploadAnswer, UploadBatch
from hopsight.server.api.description import Operation, Parameter
from hopsight.server.api.documents import ErrorDocument

_TAG: Final = "Agents"
_JSON: Final = ("application/json",)
_ENCODING: Final = Parameter(
    name="Content-Encoding",
    meaning="how the body is compressed",
    schema={"enum": ["zstd", "gzip"]},
    where="header",
)

AGENT_OPERATIONS: Final = {
    ("POST", "/agent/v1/enrol"): Operation(
        summary="An agent asks to be known; asking again gives the same answer",
        tag=_TAG,
        parameters=(_ENCODING,),
        body=Enrolment,
        body_required=True,
        answer=EnrolmentAnswer,
        answer_types=_JSON,
        statuses=(400, 401, 408, 409, 413, 415, 429, 500, 503),
        error=ErrorDocument,
        security=("accountGroupKey",),
    ),
    ("GET", "/agent/v1/configuration"): Operation(
        summary="What the server wants of an agent",
        tag=_TAG,
        parameters=(
            Parameter(
                name="If-None-Match",
                meaning="`ETag` of the configuration that the agent has",
                schema={"type": "string"},
                where="header",
            ),
        ),
        answer=AgentConfiguration,
        answer_types=_JSON,
        statuses=(304, 401, 429, 500, 503),
        error=ErrorDocument,
        security=("agentSecret",),
    ),
    ("POST", "/agent/v1/upload"): Operation(
        summary="A batch of records; what is acknowledged is on disk, and sending it again changes nothing",
        tag=_TAG,
        parameters=(_ENCODING,),
        body=UploadBatch,
        body_required=True,
        answer=UploadAnswer,
        answer_types=_JSON,
        statuses=(400, 401, 403, 408, 413, 415, 429, 500, 503),
        error=ErrorDocument,
        security=("agentSecret",),
    ),
}
"""By method and path."""
