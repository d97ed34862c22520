"""Web pages as they are uploaded: the list item, and apart from it the HTTP Archive.

What must not leave the endpoint is taken out here once more: an agent is not trusted to have done it.
"""

import re
from typing import Final

from msgspec import structs

from hopsight.errors import InvalidValueError
from hopsight.model.dimensions import WEB_SESSIONS
from hopsight.model.har import REMOVED, Har, HarEntry, NameValue
from hopsight.model.query import Record
from hopsight.model.upload import WebSessionRecord
from hopsight.model.web_sessions import WebPageDetail, is_page_id, web_record_id
from hopsight.server.addresses import canonical_address, with_canonical_addresses
from hopsight.server.checks import Sender, fault_of
from hopsight.server.kinds.contract import BatchDimensions, KindCheck, encode

_SECRET_HEADERS: Final = frozenset(
    {"cookie", "set-cookie", "authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate"}
)
_WEB_URL: Final = re.compile(r"https?://[^\x00-\x20\x7f]+", re.IGNORECASE)
_CREDENTIALS: Final = re.compile(r"^(https?://)[^/?#@]*@", re.IGNORECASE)


def check_web_session(given: WebSessionRecord, sender: Sender, dimensions: BatchDimensions) -> Record | str:
    """What is stored of one; a text: why it cannot be."""
    page = given.document
    fault = fault_of("userSessionId", page.user_session_id, page, sender) or _fault_of_page(given)
    if fault is not None:
        return fault
    address = None if given.destination_ip is None else canonical_address(given.destination_ip)
    if address is None and given.destination_ip is not None:
        return "destinationIp: not an IP address"
    known = dimensions[given.context, given.visited_site, address, given.trigger, None]
    if isinstance(known, str):
        return known
    try:
        har = with_canonical_addresses(_without_secrets(given.detail.har))
    except InvalidValueError as error:
        return f"detail.har.{error.name}: not an IP address"
    return Record(
        aid=sender.aid,
        round_id=page.round_id,
        record_id=web_record_id(page.user_session_id, page.page_id),
        dimensions=known,
        loss_percent=None,
        latency_ms=page.response_time,
        jitter_ms=None,
        body=encode(structs.replace(page, page_url=_without_credentials(page.page_url))),
        detail=encode(WebPageDetail(har=har)),
    )


def _fault_of_page(given: WebSessionRecord) -> str | None:
    page, log = given.document, given.detail.har.log
    if not is_page_id(page.page_id):
        return "pageId: not up to 32 letters, digits, _ and -"
    if not _WEB_URL.fullmatch(page.page_url):
        return "pageUrl: not an http or https URL"
    if [each.id for each in log.pages] != [page.page_id]:
        return "detail.har.log.pages: not exactly the page with this pageId"
    if any(entry.pageref not in {None, page.page_id} for entry in log.entries):
        return "detail.har.log.entries: pageref of another page"
    return None


def _without_secrets(har: Har) -> Har:
    entries = tuple(map(_clean_entry, har.log.entries))
    return structs.replace(har, log=structs.replace(har.log, entries=entries))


def _clean_entry(entry: HarEntry) -> HarEntry:
    request = structs.replace(
        entry.request, headers=_clean(entry.request.headers), url=_without_credentials(entry.request.url)
    )
    response = structs.replace(
        entry.response,
        headers=_clean(entry.response.headers),
        redirect_url=_without_credentials(entry.response.redirect_url),
    )
    return structs.replace(entry, request=request, response=response)


def _clean(headers: tuple[NameValue, ...]) -> tuple[NameValue, ...]:
    return tuple(
        structs.replace(each, value=REMOVED) if each.name.strip().lower() in _SECRET_HEADERS else each
        for each in headers
    )


def _without_credentials(url: str) -> str:
    return _CREDENTIALS.sub(r"\1", url)


CHECK: Final = KindCheck(
    kind=WEB_SESSIONS, list_name="web_sessions", record=WebSessionRecord, check=check_web_session
)
