"""Real-user tests: what version 6 calls user sessions, their networks and their pages."""

from typing import Any, Final

import msgspec
from litestar import get, post
from litestar.connection import Request
from msgspec import Raw, Struct, field

from hopsight.errors import InvalidValueError
from hopsight.model.dimensions import NETWORK_SESSIONS, USER_SESSIONS, WEB_SESSIONS
from hopsight.model.ids import parse_session_id
from hopsight.model.query import Cursor
from hopsight.model.web_sessions import is_page_id, web_record_id
from hopsight.server.api.answers import Answer
from hopsight.server.api.common_parameters import ACCOUNT_GROUP
from hopsight.server.api.description import described
from hopsight.server.api.stored import read_stored
from hopsight.server.api.v7.asking import answer, ask, self_links
from hopsight.server.api.v7.descriptions import BODY_STATUSES, RECORD_PARAMETERS, operation, path_parameter
from hopsight.server.api.v7.documents import Links
from hopsight.server.api.v7.filters import SEARCHES
from hopsight.server.api.v7.real_user_test_documents import (
    RealUserTest,
    RealUserTestDetailResults,
    RealUserTestNetwork,
    RealUserTestPageResult,
    page_result,
    real_user_test,
    real_user_test_detail,
    real_user_test_network,
)
from hopsight.server.api.v7.records import filter_records, results_answer

PATH: Final = "/v7/endpoint/test-results/real-user-tests"

_TAG: Final = "Real-user tests"
_ID: Final = path_parameter("id", "ID of the test; its `:` bare or percent-encoded")


class PageDetail(Struct, frozen=True, kw_only=True):
    """The HTTP Archive of one page."""

    har: Raw
    links: Links = field(name="_links")


class PageDetailAnswer(Struct, frozen=True, kw_only=True):
    """The HTTP Archive 1.2 of one page, with ``_systemMetrics`` in its log."""

    har: dict[str, Any]
    links: Links = field(name="_links")


class _Archive(Struct):
    har: Raw


_archive: Final = msgspec.json.Decoder(_Archive).decode


def _search(kind: str, summary: str, answered: type[Struct]) -> Any:
    return operation(
        summary, _TAG, *BODY_STATUSES, parameters=RECORD_PARAMETERS, body=SEARCHES[kind], answer=answered
    )


_NETWORKS: Final = _search(
    NETWORK_SESSIONS,
    "Networks of real-user tests of a time range, or of the last round",
    results_answer(RealUserTestNetwork, "RealUserTestNetworkResults"),
)
_TESTS: Final = _search(
    USER_SESSIONS,
    "Real-user tests of a time range, or of the last round",
    results_answer(RealUserTest, "RealUserTestResults"),
)
_PAGES: Final = _search(
    WEB_SESSIONS,
    "Pages of real-user tests of a time range, or of the last round; the filters are the whole body",
    results_answer(RealUserTestPageResult, "RealUserTestPageResults"),
)
_READ: Final = operation(
    "One real-user test: network and pages",
    _TAG,
    404,
    parameters=(_ID, ACCOUNT_GROUP),
    answer=RealUserTestDetailResults,
)
_READ_PAGE: Final = operation(
    "One page as an HTTP Archive 1.2",
    _TAG,
    404,
    parameters=(_ID, path_parameter("pageId", "ID of the page in its test"), ACCOUNT_GROUP),
    answer=PageDetailAnswer,
)


@post(f"{PATH}/networks/filter", status_code=200, opt=described(_NETWORKS))
async def filter_real_user_test_networks(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page."""
    return await filter_records(request, NETWORK_SESSIONS, real_user_test_network)


@post(f"{PATH}/filter", status_code=200, opt=described(_TESTS))
async def filter_real_user_tests(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page."""
    return await filter_records(request, USER_SESSIONS, real_user_test)


@post(f"{PATH}/pages/filter", status_code=200, opt=described(_PAGES))
async def filter_real_user_test_pages(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page of the list of pages."""
    return await filter_records(request, WEB_SESSIONS, page_result)


@get(f"{PATH}/{{id:str}}", opt=described(_READ))
async def read_real_user_test(request: Request[Any, Any, Any]) -> Answer:
    """Answer with one, whole."""
    asked = await ask(request)
    text = request.path_params["id"]
    record = await read_stored(asked, USER_SESSIONS, Cursor(parse_session_id(text, "id").round_id, text))
    detail = real_user_test_detail(record.body, record.detail)
    links = self_links(asked, f"{PATH}/{text}")
    return answer(asked, RealUserTestDetailResults(results=[detail], links=links))


@get(f"{PATH}/{{id:str}}/pages/{{pageId:str}}", opt=described(_READ_PAGE))
async def read_real_user_test_page(request: Request[Any, Any, Any]) -> Answer:
    """Answer with one page's archive."""
    asked = await ask(request)
    test_id, page_id = request.path_params["id"], request.path_params["pageId"]
    round_id = parse_session_id(test_id, "id").round_id
    if not is_page_id(page_id):
        raise InvalidValueError("pageId", page_id, "up to 32 letters, digits, _ and -")
    record = await read_stored(asked, WEB_SESSIONS, Cursor(round_id, web_record_id(test_id, page_id)))
    har = _archive(record.detail or b'{"har":{}}').har
    return answer(asked, PageDetail(har=har, links=self_links(asked, f"{PATH}/{test_id}/pages/{page_id}")))


HANDLERS: Final = (
    filter_real_user_test_networks,
    filter_real_user_tests,
    filter_real_user_test_pages,
    read_real_user_test,
    read_real_user_test_page,
)
