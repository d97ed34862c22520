"""HTTP Archive 1.2 as the API serves it (API.md section 3.4): no bodies, no credentials.

Times are milliseconds; -1 in ``timings`` says that a phase did not happen or was not measured, as HAR has it.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct, field

from hopsight.model.agents import Text
from hopsight.model.sessions import IpAddressText
from hopsight.model.system import SystemMetrics

MAX_ENTRIES: Final = 2_000
MAX_HEADERS: Final = 200
REMOVED: Final = "(removed)"
"""What stands for the value of a header that never leaves the endpoint."""

LongText = Annotated[str, Meta(max_length=8_192)]
Size = Annotated[int, Meta(ge=-1, le=2**53)]
PhaseMilliseconds = Annotated[float, Meta(ge=-1, le=1e9)]


class NameValue(Struct, frozen=True, kw_only=True, gc=False):
    """A header, or a part of a query."""

    name: LongText
    value: LongText


class Browser(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Name and version of a program."""

    name: Text
    version: Text | None = None


class PageTimings(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Milliseconds from the start of a page to its two events."""

    on_content_load: PhaseMilliseconds | None = None
    on_load: PhaseMilliseconds | None = None


class HarPage(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One page."""

    id: Text
    title: LongText
    started_date_time: Text
    response_code: Annotated[int, Meta(ge=0, le=999)] | None = None
    page_timings: PageTimings


class HarRequest(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What was asked."""

    method: Text
    url: LongText
    http_version: Text | None = None
    headers: Annotated[tuple[NameValue, ...], Meta(max_length=MAX_HEADERS)]
    query_string: Annotated[tuple[NameValue, ...], Meta(max_length=MAX_HEADERS)]
    headers_size: Size | None = None
    body_size: Size | None = None


class HarContent(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What came, in numbers: bodies are not captured."""

    size: Size
    mime_type: LongText


class HarResponse(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What came back."""

    status: Annotated[int, Meta(ge=0, le=999)]
    status_text: LongText
    http_version: Text | None = None
    headers: Annotated[tuple[NameValue, ...], Meta(max_length=MAX_HEADERS)]
    content: HarContent
    redirect_url: LongText = field(name="redirectURL")
    headers_size: Size | None = None
    body_size: Size | None = None


class HarTimings(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Milliseconds of each phase; ``ssl`` is part of ``connect``, too."""

    blocked: PhaseMilliseconds | None = None
    dns: PhaseMilliseconds | None = None
    connect: PhaseMilliseconds | None = None
    ssl: PhaseMilliseconds | None = None
    send: PhaseMilliseconds
    wait: PhaseMilliseconds
    receive: PhaseMilliseconds


class HarEntry(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One exchange."""

    pageref: Text | None = None
    started_date_time: Text
    time: PhaseMilliseconds
    request: HarRequest
    response: HarResponse
    timings: HarTimings
    server_ip_address: IpAddressText | None = field(default=None, name="serverIPAddress")


class HarLog(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The archive; ``version`` is that of the format, 1.2."""

    version: Text
    creator: Browser
    browser: Browser | None = None
    pages: Annotated[tuple[HarPage, ...], Meta(max_length=100)]
    entries: Annotated[tuple[HarEntry, ...], Meta(max_length=MAX_ENTRIES)]
    system_metrics: SystemMetrics | None = field(default=None, name="_systemMetrics")


class Har(Struct, frozen=True, kw_only=True, gc=False):
    """``har``."""

    log: HarLog
