"""Web pages (API.md section 3.4): the list item is the stored document, its HTTP Archive the detail."""

import re
from typing import Annotated, Final

from msgspec import Meta, Struct

from hopsight.model.har import Har, LongText, PageTimings, PhaseMilliseconds
from hopsight.model.sessions import AgentIdText, DateTimeText, RoundId, SessionIdText
from hopsight.model.system import SystemMetrics

PAGE_ID_PATTERN: Final = r"^[0-9A-Za-z_-]{1,32}$(?!\n)"
_PAGE_ID: Final = re.compile(PAGE_ID_PATTERN, re.ASCII)

PageIdText = Annotated[str, Meta(max_length=32, extra_json_schema={"pattern": PAGE_ID_PATTERN})]


class WebSession(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One item of ``webSessions[]``.

    Args:
        page_id: unique within its session.
        response_time: milliseconds from the request to the first byte of its answer.
    """

    user_session_id: SessionIdText
    page_id: PageIdText
    agent_id: AgentIdText
    round_id: RoundId
    date: DateTimeText
    page_url: LongText
    page_title: LongText | None = None
    response_code: Annotated[int, Meta(ge=0, le=999)] | None = None
    response_time: PhaseMilliseconds | None = None
    page_timings: PageTimings | None = None
    system_metrics: SystemMetrics | None = None


class WebPageDetail(Struct, frozen=True, kw_only=True, gc=False):
    """What is kept of a page besides."""

    har: Har


def is_page_id(text: str) -> bool:
    """Whether a text may name a page of a session."""
    return _PAGE_ID.fullmatch(text) is not None


def web_record_id(user_session_id: str, page_id: str) -> str:
    """A page's ID among all records of its kind: in order of sessions, then of pages."""
    return f"{user_session_id}:{page_id}"
