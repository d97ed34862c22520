"""The forms of the page of alerts: rules and maintenance windows, written by administrators."""

from typing import Any, Final

import msgspec
from litestar import post
from litestar.connection import Request
from msgspec import structs

from hopsight.errors import InvalidValueError, PermissionDeniedError
from hopsight.model.alerts import AlertRule, MaintenanceWindow
from hopsight.model.times import parse_utc
from hopsight.server.api.acting import WRITERS
from hopsight.server.api.answers import Answer
from hopsight.server.web.alerts import PATH
from hopsight.server.web.forms import Form, read_form, require_csrf, see_other
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.visitor import Visitor, see

_NUMBERS: Final = ("threshold", "rounds", "ofRounds", "clearRounds", "minAgents")
_MAX_DIGITS: Final = 15


@post(f"{PATH}/rules", status_code=303)
async def add_rule(request: Request[Any, Any, Any]) -> Answer:
    """Add a rule."""
    try:
        visitor, form = await _writer(request)
        visitor.services.accounts.alerts.rules.add(visitor.group.aid, parse_rule(form), visitor.actor)
    except REFUSALS as error:
        return refusal(request.scope, error)
    return _back(visitor, "rules")


@post(f"{PATH}/rules/change", status_code=303)
async def change_rule(request: Request[Any, Any, Any]) -> Answer:
    """Switch a rule on or off, or delete it."""
    try:
        visitor, form = await _writer(request)
        rules, aid = visitor.services.accounts.alerts.rules, visitor.group.aid
        rule_id, what = _number(form, "rule"), form.one("do")
        if what == "delete":
            rules.remove(aid, rule_id, visitor.actor)
        elif what in {"on", "off"}:
            rule = structs.replace(rules.get(aid, rule_id).rule, enabled=what == "on")
            rules.change(aid, rule_id, rule, visitor.actor)
        else:
            raise InvalidValueError("do", what, "on, off or delete")
    except REFUSALS as error:
        return refusal(request.scope, error)
    return _back(visitor, "rules")


@post(f"{PATH}/windows", status_code=303)
async def add_window(request: Request[Any, Any, Any]) -> Answer:
    """Plan maintenance."""
    try:
        visitor, form = await _writer(request)
        visitor.services.accounts.alerts.rules.add_window(
            visitor.group.aid, parse_window(form), visitor.actor
        )
    except REFUSALS as error:
        return refusal(request.scope, error)
    return _back(visitor, "maintenance")


@post(f"{PATH}/windows/change", status_code=303)
async def delete_window(request: Request[Any, Any, Any]) -> Answer:
    """Delete a maintenance window."""
    try:
        visitor, form = await _writer(request)
        rules = visitor.services.accounts.alerts.rules
        rules.remove_window(visitor.group.aid, _number(form, "window"), visitor.actor)
    except REFUSALS as error:
        return refusal(request.scope, error)
    return _back(visitor, "maintenance")


def parse_rule(form: Form) -> AlertRule:
    """The rule that a form describes.

    Raises:
        InvalidValueError: a field is wrong.
    """
    given: dict[str, Any] = {
        "name": form.one("name"),
        "metric": form.one("metric"),
        "filters": _filters(form),
    }
    given |= {name: form.one(name) for name in _NUMBERS if form.one(name)}
    if form.one("verdict"):
        given["verdict"] = form.one("verdict")
    if form.one("webhook"):
        webhook = {"url": form.one("webhook").strip(), "secret": form.one("secret") or None}
        given["webhooks"] = [webhook]
    try:
        return msgspec.convert(given, AlertRule, strict=False)
    except msgspec.ValidationError as error:
        # Not repeated: one of the fields is a secret.
        raise InvalidValueError("rule", "(as filled in)", str(error)) from None


def parse_window(form: Form) -> MaintenanceWindow:
    """The maintenance window that a form describes.

    Raises:
        InvalidValueError: a field is wrong.
    """
    times = {}
    for field in ("start", "end"):
        moment_s = parse_utc(form.one(field).strip())
        if moment_s is None:
            raise InvalidValueError(field, form.one(field), "YYYY-mm-dd HH:MM:SS, UTC")
        times[f"{field}S"] = moment_s
    given = {
        "name": form.one("name"),
        "weekly": form.one("weekly") == "yes",
        "filters": _filters(form),
        **times,
    }
    try:
        return msgspec.convert(given, MaintenanceWindow)
    except msgspec.ValidationError as error:
        raise InvalidValueError("maintenance window", "(as filled in)", str(error)) from None


async def _writer(request: Request[Any, Any, Any]) -> tuple[Visitor, Form]:
    visitor = see(request)
    form = await read_form(request)
    require_csrf(request, visitor)
    if visitor.role not in WRITERS:
        raise PermissionDeniedError(
            "Your role in this account group only reads; accepted: an account admin or organization admin"
        )
    return visitor, form


def _filters(form: Form) -> list[dict[str, Any]]:
    key, value = form.one("filterKey"), form.one("filterValue").strip()
    if not key and not value:
        return []
    if not key or not value:
        raise InvalidValueError("filter", key or value, "a key with a value, or neither")
    return [{"key": key, "values": [value]}]


def _number(form: Form, name: str) -> int:
    text = form.one(name)
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise InvalidValueError(name, text, "a number")
    return int(text)


def _back(visitor: Visitor, section: str) -> Answer:
    return see_other(f"{PATH}?aid={visitor.group.aid}#{section}")


HANDLERS: Final[list[Any]] = [add_rule, change_rule, add_window, delete_window]
