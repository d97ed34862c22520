"""Network topology (API.md section 3.5): probes of gateways, proxies and VPN endpoints."""

from typing import Any, Final

from litestar import get, post
from litestar.connection import Request

from hopsight.errors import InvalidValueError
from hopsight.model.dimensions import NETWORK_PROBES
from hopsight.model.query import Cursor
from hopsight.model.topology import is_network_probe_id
from hopsight.server.api.answers import Answer
from hopsight.server.api.description import Parameter, described
from hopsight.server.api.documents import merged
from hopsight.server.api.filters import SearchBody
from hopsight.server.api.stored import read_stored
from hopsight.server.api.v6.asking import ask
from hopsight.server.api.v6.descriptions import BODY_STATUSES, COMMON, RECORD_PARAMETERS, operation
from hopsight.server.api.v6.documents import RECORDS
from hopsight.server.api.v6.records import ListRules, list_records, search_records
from hopsight.server.api.v6.rendering import render_record

PATH: Final = "/v6/endpoint-data/network-topology"
TAG: Final = "Network topology"
MAX_RANGE_S: Final = 12 * 3600
"""Most that one request may ask for."""

_ACCEPTED: Final = "aid:networkId:roundId:first 8 of agentId, then -proxy or -vpn for those"
_RULES: Final = ListRules(most_s=MAX_RANGE_S)
_LISTED: Final = operation(
    "Network probes of a time range of at most 12 h, or of the last round of 300 s",
    TAG,
    parameters=RECORD_PARAMETERS,
    answer=RECORDS[NETWORK_PROBES],
)
_SEARCHED: Final = operation(
    "The same, narrowed by filters",
    TAG,
    *BODY_STATUSES,
    parameters=RECORD_PARAMETERS,
    body=SearchBody,
    answer=RECORDS[NETWORK_PROBES],
)
_READ: Final = operation(
    "One network probe, with the network profile",
    TAG,
    404,
    parameters=(
        Parameter(name="networkProbeId", meaning="ID of the probe", schema={"type": "string"}, where="path"),
        *COMMON,
    ),
    answer=RECORDS[NETWORK_PROBES],
)


@get(PATH, opt=described(_LISTED))
async def list_network_probes(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page."""
    return await list_records(request, NETWORK_PROBES, _RULES)


@post(PATH, opt=described(_SEARCHED))
async def search_network_probes(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page of those that the filters leave."""
    return await search_records(request, NETWORK_PROBES, _RULES)


@get(f"{PATH}/{{networkProbeId:str}}", opt=described(_READ))
async def read_network_probe(request: Request[Any, Any, Any]) -> Answer:
    """Answer with one, whole."""
    asked = await ask(request)
    text = request.path_params["networkProbeId"]
    if not is_network_probe_id(text):
        raise InvalidValueError("networkProbeId", text, _ACCEPTED)
    record = await read_stored(asked, NETWORK_PROBES, Cursor(int(text.split(":")[2]), text))
    return render_record(asked.scope, asked.format, NETWORK_PROBES, merged(record.body, record.detail))


HANDLERS: Final = (list_network_probes, search_network_probes, read_network_probe)
