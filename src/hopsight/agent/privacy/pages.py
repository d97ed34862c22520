"""What a page says of its own URL outside of URLs: its title, its query's parts, headers with places."""

from collections.abc import Collection
from typing import Final, TypeVar

from msgspec import Struct, structs

from hopsight.model.har import REMOVED, HarEntry, HarPage, NameValue
from hopsight.model.upload import UserSessionRecord, WebSessionRecord

_URL_REDACTIONS: Final = {"url-path", "url-query"}
_PLACES: Final = {"location", "content-location", "link", "refresh", "referer", "sourcemap", "alt-svc"}

StructT = TypeVar("StructT", bound=Struct)


def without_page_parts(record: StructT, names: Collection[str]) -> StructT:
    """A copy of a record without them, where path or query of URLs are not to be told."""
    if _URL_REDACTIONS.isdisjoint(names):
        return record
    if isinstance(record, UserSessionRecord) and record.detail.pages:
        pages = tuple(map(_untitled, record.detail.pages))
        return structs.replace(record, detail=structs.replace(record.detail, pages=pages))
    if isinstance(record, WebSessionRecord):
        log = record.detail.har.log
        log = structs.replace(
            log, pages=tuple(map(_untitled, log.pages)), entries=tuple(map(_without_places, log.entries))
        )
        detail = structs.replace(record.detail, har=structs.replace(record.detail.har, log=log))
        return structs.replace(
            record, document=structs.replace(record.document, page_title=None), detail=detail
        )
    return record


def _untitled(page: HarPage) -> HarPage:
    return structs.replace(page, title="")


def _without_places(entry: HarEntry) -> HarEntry:
    request = structs.replace(entry.request, headers=_placeless(entry.request.headers), query_string=())
    response = structs.replace(entry.response, headers=_placeless(entry.response.headers), redirect_url="")
    return structs.replace(entry, request=request, response=response)


def _placeless(headers: tuple[NameValue, ...]) -> tuple[NameValue, ...]:
    return tuple(
        structs.replace(each, value=REMOVED) if each.name.lower() in _PLACES else each for each in headers
    )
