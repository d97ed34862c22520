"""Reports of a period: a preview of the view, a form that signs it, and signed ones as page and as file.

Page and file of a signed report are both made from the bytes that were signed.
"""

import math
from typing import Any, Final

from litestar import get, post
from litestar.connection import Request
from msgspec import structs

from hopsight.accounts.audit import Resource
from hopsight.errors import InvalidValueError, PermissionDeniedError, StoreUnavailableError
from hopsight.model.dimensions import USER_SESSIONS
from hopsight.server.api.acting import WRITERS
from hopsight.server.api.answers import Answer
from hopsight.server.reports.document import Report, decode_report, encode_report
from hopsight.server.reports.shelf import KEEP_S, MAX_KEPT
from hopsight.server.reports.signing import digest_of, public_pem
from hopsight.server.services import Services
from hopsight.server.web.filter_bar import added_filter, read_filter_bar
from hopsight.server.web.forms import read_form, require_csrf, see_other
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.report_outages import Choices
from hopsight.server.web.report_page import minute_text, moment_text, shown_report
from hopsight.server.web.report_reading import MAX_DAYS, read_report
from hopsight.server.web.view import WINDOWS
from hopsight.server.web.visitor import Visitor, see

PATH: Final = "/report"
KEY_PATH: Final = "/report-key"
DEFAULT_LIMIT: Final = 50.0
_DSSE: Final = b"application/json;charset=UTF-8"
_PEM: Final = b"application/x-pem-file"
_DAY_S: Final = 86_400
_MAX_LIMIT_CHARS: Final = 16


@get(PATH)
async def read_preview(request: Request[Any, Any, Any]) -> Answer:
    """The report of the view, unsigned; a range that moves with the clock is led to where it stands still."""
    try:
        visitor = await see(request)
        choices = _choices(visitor)
        added = added_filter(visitor, USER_SESSIONS, PATH, _more(choices))
        if added is not None:
            return see_other(added)
        if visitor.parameters.one("from") is None or visitor.parameters.one("to") is None:
            return see_other(_pinned(visitor, choices))
        report = await _report(visitor, choices)
        return await _preview(visitor, choices, report)
    except REFUSALS as error:
        return refusal(request.scope, error)


@post(PATH, status_code=303)
async def sign_report(request: Request[Any, Any, Any]) -> Answer:
    """Sign the report of the view as it is now, keep it, and lead there."""
    try:
        visitor = await see(request)
        form = await read_form(request)
        require_csrf(request, visitor)
        _require_writer(visitor, "signing a report")
        choices = _choices(visitor)
        report = await _report(visitor, choices)
        if not report.whole.sessions:
            raise InvalidValueError("period", f"{report.start} to {report.end}", "one with any session")
        services, aid = visitor.services, visitor.group.aid
        digest = services.reports.sign(aid, report)
        resources = [
            Resource(type="report", name=digest),
            Resource(type="period", name=f"{report.start} to {report.end}"),
            Resource(type="names", name="shown" if choices.names else "left out"),
        ]
        try:
            services.accounts.note(aid, "Report signed", resources, visitor.actor)
        except StoreUnavailableError:
            # What is not in the log of changes was not signed.
            services.reports.remove(aid, digest)
            raise
        changed = form.one("seen") != content_digest(report)
        more = "&changed=yes" if changed else ""
        return see_other(f"{PATH}/{digest}?aid={aid}{more}")
    except REFUSALS as error:
        return refusal(request.scope, error)


@get(f"{PATH}/{{name:str}}")
async def read_signed(request: Request[Any, Any, Any]) -> Answer:
    """A signed report as a page; with ``.json`` behind its digest, as the file that was signed."""
    try:
        visitor = await see(request)
        name = str(request.path_params["name"])
        digest = name.removesuffix(".json")
        if name != digest:
            envelope = visitor.services.reports.envelope(visitor.group.aid, digest)
            attached = f'attachment; filename="hopsight-report-{digest[:12]}.json"'.encode()
            return Answer(envelope, _DSSE, headers=((b"content-disposition", attached),))
        return _signed(visitor, digest)
    except REFUSALS as error:
        return refusal(request.scope, error)


@post(f"{PATH}/{{name:str}}", status_code=303)
async def delete_signed(request: Request[Any, Any, Any]) -> Answer:
    """Delete a signed report; files that were handed out stay valid."""
    try:
        visitor = await see(request)
        form = await read_form(request)
        require_csrf(request, visitor)
        _require_writer(visitor, "deleting a report")
        if form.one("do") != "delete":
            raise InvalidValueError("do", form.one("do"), "delete")
        digest, aid = str(request.path_params["name"]), visitor.group.aid
        visitor.services.reports.remove(aid, digest)
        resources = [Resource(type="report", name=digest)]
        visitor.services.accounts.note(aid, "Report deleted", resources, visitor.actor)
        return see_other(f"{PATH}?aid={aid}")
    except REFUSALS as error:
        return refusal(request.scope, error)


@get(KEY_PATH)
async def read_key(request: Request[Any, Any, Any]) -> Answer:
    """The public key of signed reports, PEM, for everybody: who was handed a report has no account here."""
    services: Services = request.app.state.services
    try:
        return Answer(public_pem(services.reports.key.public_key()), _PEM)
    except REFUSALS as error:
        return refusal(request.scope, error)


def content_digest(report: Report) -> str:
    """SHA-256 of what a report says, whenever it was made."""
    return digest_of(encode_report(structs.replace(report, created="")))


async def _report(visitor: Visitor, choices: Choices) -> Report:
    """A report asks the store for much: few are made at once."""
    async with visitor.services.reports.slots:
        return await read_report(visitor, choices)


def _choices(visitor: Visitor) -> Choices:
    names = visitor.parameters.one("names") or "no"
    if names not in {"yes", "no"}:
        raise InvalidValueError("names", names, "yes or no")
    if names == "yes":
        _require_writer(visitor, "a report with names")
    return Choices(names=names == "yes", limit_percent=_limit(visitor.parameters.one("outageLoss")))


def _limit(text: str | None) -> float:
    if not text:
        return DEFAULT_LIMIT
    try:
        limit = float(text) if len(text) <= _MAX_LIMIT_CHARS else math.nan
    except ValueError:
        limit = math.nan
    if not 1 <= limit <= 100:  # noqa: PLR2004 - percent
        raise InvalidValueError("outageLoss", text, "percent from 1 to 100")
    return limit


def _require_writer(visitor: Visitor, what: str) -> None:
    if visitor.role not in WRITERS:
        raise PermissionDeniedError(
            f"Your role in this account group only reads; accepted for {what}: "
            "an account admin or organization admin"
        )


def _more(choices: Choices) -> dict[str, str]:
    """What the URLs of a report have beside the view, where it is not what goes without saying."""
    more = {"names": "yes"} if choices.names else {}
    if choices.limit_percent != DEFAULT_LIMIT:
        more["outageLoss"] = f"{choices.limit_percent:g}"
    return more


def _pinned(visitor: Visitor, choices: Choices) -> str:
    more = _more(choices)
    if key := visitor.parameters.one("filterKey"):
        more["filterKey"] = key
    return structs.replace(visitor.view, window=None).url(PATH, **more)


async def _preview(visitor: Visitor, choices: Choices, report: Report) -> Answer:
    more = _more(choices)
    pinned = structs.replace(visitor.view, window=None)
    return visitor.render(
        "report.html",
        path=PATH,
        shown=shown_report(decode_report(encode_report(report))),
        moment=moment_text,
        minute=minute_text,
        windows=WINDOWS,
        more=more,
        bar=await read_filter_bar(visitor, USER_SESSIONS, PATH, more),
        choices=choices,
        action=pinned.url(PATH, **more),
        seen=content_digest(report),
        is_writer=visitor.role in WRITERS,
        kept=visitor.services.reports.kept(visitor.group.aid),
        keep_days=KEEP_S // _DAY_S,
        max_kept=MAX_KEPT,
        max_days=MAX_DAYS,
    )


def _signed(visitor: Visitor, digest: str) -> Answer:
    checked, report = visitor.services.reports.read(visitor.group.aid, digest)
    return visitor.render(
        "report_signed.html",
        path=PATH,
        shown=shown_report(report),
        moment=moment_text,
        minute=minute_text,
        digest=digest,
        fingerprint=checked.fingerprint,
        is_writer=visitor.role in WRITERS,
        changed=visitor.parameters.one("changed") == "yes",
        file_name=f"hopsight-report-{digest[:12]}.json",
    )


HANDLERS: Final[list[Any]] = [read_preview, sign_report, read_signed, delete_signed, read_key]
