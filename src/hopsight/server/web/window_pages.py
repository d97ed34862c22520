"""Pages of one maintenance window: when it is, what it is about, and who would have failed but for it."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from litestar import get, post
from litestar.connection import Request
from msgspec import Struct

from hopsight.accounts.alert_listings import StoredWindow, Suppressed
from hopsight.errors import ConflictError, InvalidValueError
from hopsight.model.alerts import MaintenanceWindow
from hopsight.model.times import format_utc
from hopsight.server.api.acting import WRITERS
from hopsight.server.api.answers import Answer
from hopsight.server.web.admin.door import administer, posted, with_group
from hopsight.server.web.alert_texts import window_row
from hopsight.server.web.alerts import PATH as ALERTS_PATH
from hopsight.server.web.filter_rows import FILTER_KEYS, MAX_FILTERS
from hopsight.server.web.forms import Form, see_other
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.rule_fields import OVERALL, Errors
from hopsight.server.web.rule_pages import number_in_path
from hopsight.server.web.rule_sentences import sessions_sentence
from hopsight.server.web.visitor import Visitor, see
from hopsight.server.web.window_fields import (
    WindowFields,
    window_errors_of,
    window_fields_from,
    window_fields_of,
    window_of,
)

PATH: Final = f"{ALERTS_PATH}/maintenance"
SHOWN: Final = 1_000
"""Agents that a window suppressed, on its page; the API has all."""

_DONE: Final = {"added": "The maintenance is planned.", "saved": "The window is saved."}


class SuppressedRow(Struct, frozen=True, kw_only=True):
    """An agent that would have failed a rule; times in UTC."""

    agent: str
    rule: str
    first: str
    last: str


@get(f"{PATH}/new")
async def new_window(request: Request[Any, Any, Any]) -> Answer:
    """Show the form of a window that there is not yet."""
    try:
        return _form(await administer(request), WindowFields())
    except REFUSALS as error:
        return refusal(request.scope, error)


@post(f"{PATH}/new")
async def add_window(request: Request[Any, Any, Any]) -> Answer:
    """Plan maintenance, or say what is wrong with it."""
    try:
        visitor, form = await posted(request)
        rules, aid = visitor.services.accounts.alerts.rules, visitor.group.aid

        def add(window: MaintenanceWindow) -> str:
            window_id = rules.add_window(aid, window, visitor.actor)
            return with_group(visitor, f"{PATH}/{window_id}", done="added")

        return _take(visitor, form, None, add)
    except REFUSALS as error:
        return refusal(request.scope, error)


@get(f"{PATH}/{{windowId:str}}")
async def read_window(request: Request[Any, Any, Any]) -> Answer:
    """Show a window and what it suppressed: to those who may write it, as a form."""
    try:
        visitor = await see(request)
        stored = _find(visitor, request)
        done = _DONE.get(visitor.parameters.one("done") or "", "")
        return _form(visitor, window_fields_of(stored.window), stored=stored, done=done)
    except REFUSALS as error:
        return refusal(request.scope, error)


@post(f"{PATH}/{{windowId:str}}")
async def change_window(request: Request[Any, Any, Any]) -> Answer:
    """Write a window anew, or say what is wrong with it."""
    try:
        visitor, form = await posted(request)
        stored = _find(visitor, request)
        rules, aid = visitor.services.accounts.alerts.rules, visitor.group.aid

        def change(window: MaintenanceWindow) -> str:
            rules.change_window(aid, stored.window_id, window, visitor.actor)
            return with_group(visitor, f"{PATH}/{stored.window_id}", done="saved")

        return _take(visitor, form, stored, change)
    except REFUSALS as error:
        return refusal(request.scope, error)


@get(f"{PATH}/{{windowId:str}}/delete")
async def ask_to_delete_window(request: Request[Any, Any, Any]) -> Answer:
    """Say what would be, and ask."""
    try:
        visitor = await administer(request)
        stored = _find(visitor, request)
    except REFUSALS as error:
        return refusal(request.scope, error)
    return visitor.render(
        "alert_confirm.html",
        path=f"{PATH}/{stored.window_id}/delete",
        question=f"Delete the maintenance window {stored.window.name}?",
        text="Who still fails is an incident with the next round. The list of what it suppressed is deleted.",
        action=with_group(visitor, f"{PATH}/{stored.window_id}/delete"),
        button="Delete the window",
        back_url=with_group(visitor, f"{PATH}/{stored.window_id}"),
    )


@post(f"{PATH}/{{windowId:str}}/delete", status_code=303)
async def delete_window(request: Request[Any, Any, Any]) -> Answer:
    """Delete a window."""
    try:
        visitor, _ = await posted(request)
        stored = _find(visitor, request)
        visitor.services.accounts.alerts.rules.remove_window(
            visitor.group.aid, stored.window_id, visitor.actor
        )
    except REFUSALS as error:
        return refusal(request.scope, error)
    return see_other(f"{with_group(visitor, ALERTS_PATH)}#maintenance")


def _find(visitor: Visitor, request: Request[Any, Any, Any]) -> StoredWindow:
    window_id = number_in_path(request, "windowId")
    return visitor.services.accounts.alerts.rules.window(visitor.group.aid, window_id)


def _take(
    visitor: Visitor, form: Form, stored: StoredWindow | None, save: Callable[[MaintenanceWindow], str]
) -> Answer:
    """Do what the form that was sent asks for; ``save`` writes the window, and says where to go on."""
    fields = window_fields_from(form)
    if form.one("more"):
        return _form(visitor, fields, stored=stored, more=True)
    window, errors = window_of(fields)
    if window is None:
        return _form(visitor, fields, stored=stored, errors=errors)
    try:
        return see_other(save(window))
    except InvalidValueError as error:
        return _form(visitor, fields, stored=stored, errors=window_errors_of(error))
    except ConflictError as error:
        return _form(visitor, fields, stored=stored, errors={OVERALL: str(error)})


def _form(  # each a part of one page
    visitor: Visitor,
    fields: WindowFields,
    *,
    stored: StoredWindow | None = None,
    errors: Errors | None = None,
    more: bool = False,
    done: str = "",
) -> Answer:
    """The form; ``more``: another empty row of filters was asked for."""
    where = "new" if stored is None else str(stored.window_id)
    shown: dict[str, Any] = {"stored": stored, "row": None, "suppressed": [], "left_out": 0}
    if stored is not None:
        rules, now_s = visitor.services.accounts.alerts.rules, int(visitor.services.clock.now())
        found = rules.suppressed_by(stored.window_id)
        rows = _suppressed(visitor, found[-SHOWN:])
        shown |= {
            "row": window_row(stored, found, now_s),
            "sessions": sessions_sentence(stored.window.filters),
            "suppressed": rows,
            "left_out": len(found) - len(rows),
        }
    page = visitor.render(
        "maintenance_window.html",
        path=f"{PATH}/{where}",
        fields=fields,
        errors=errors or {},
        more="filters" if more else "",
        done=done,
        is_writer=visitor.role in WRITERS,
        action=with_group(visitor, f"{PATH}/{where}"),
        keys=FILTER_KEYS,
        most={"filters": MAX_FILTERS},
        **shown,
    )
    page.status = 400 if errors else 200
    return page


def _suppressed(visitor: Visitor, found: Sequence[Suppressed]) -> list[SuppressedRow]:
    """The last first."""
    ids = list(dict.fromkeys(each.agent_id for each in found))
    names = visitor.services.accounts.agent_names(visitor.group.aid, ids)
    return [
        SuppressedRow(
            agent=names.get(each.agent_id, each.agent_id),
            rule=each.rule_name,
            first=format_utc(each.first_s),
            last=format_utc(each.last_s),
        )
        for each in reversed(found)
    ]


HANDLERS: Final[list[Any]] = [
    new_window, add_window, read_window, change_window, ask_to_delete_window, delete_window,
]  # fmt: skip
