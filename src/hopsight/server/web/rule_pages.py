"""Pages of one alert rule: read by everybody, written by administrators; deleted after a question."""

from collections.abc import Callable
from typing import Any, Final

from litestar import get, post
from litestar.connection import Request
from msgspec import Struct, structs

from hopsight.accounts.alert_listings import StoredRule
from hopsight.accounts.alert_recipients import recipient_names
from hopsight.errors import ConflictError, InvalidValueError
from hopsight.model.alerts import AlertRule
from hopsight.server.alerts.trial import TrialOutcome, require_tellable, try_recipients
from hopsight.server.api.acting import WRITERS
from hopsight.server.api.answers import Answer
from hopsight.server.web.admin.door import administer, posted, with_group
from hopsight.server.web.alert_texts import UNITS
from hopsight.server.web.alerts import PATH as ALERTS_PATH
from hopsight.server.web.filter_rows import FILTER_KEYS, MAX_FILTERS
from hopsight.server.web.forms import Form, see_other
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.rule_fields import (
    MAX_SERVICES,
    MAX_WEBHOOKS,
    METRIC_NAMES,
    METRICS,
    OVERALL,
    VERDICTS,
    Errors,
    RuleFields,
    errors_of,
    rule_fields_from,
    rule_fields_of,
    rule_of,
)
from hopsight.server.web.rule_preview import preview_rule
from hopsight.server.web.rule_sentences import rule_sentences, sessions_sentence
from hopsight.server.web.visitor import Visitor, see

PATH: Final = f"{ALERTS_PATH}/rules"

_DONE: Final = {"added": "The rule is added.", "saved": "The rule is saved."}
_MAX_DIGITS: Final = 15


class Said(Struct, frozen=True, kw_only=True):
    """What the page of a rule says beside the form.

    Args:
        errors: what is wrong, by field.
        more: which rows another empty one was asked for.
        done: what was done just now.
        outcomes: of a test message; None: none was sent.
        preview: what the rule would find now.
    """

    errors: Errors = {}
    more: str = ""
    done: str = ""
    outcomes: list[TrialOutcome] | None = None
    preview: list[str] = []


@get(f"{PATH}/new")
async def new_rule(request: Request[Any, Any, Any]) -> Answer:
    """Show the form of a rule that there is not yet."""
    try:
        return _form(await administer(request), RuleFields(), None, Said())
    except REFUSALS as error:
        return refusal(request.scope, error)


@post(f"{PATH}/new")
async def add_rule(request: Request[Any, Any, Any]) -> Answer:
    """Add a rule, or say what is wrong with it."""
    try:
        visitor, form = await posted(request)
        rules, aid = visitor.services.accounts.alerts.rules, visitor.group.aid

        def add(rule: AlertRule) -> str:
            rule_id = rules.add(aid, rule, visitor.actor)
            return with_group(visitor, f"{PATH}/{rule_id}", done="added")

        return await _take(visitor, form, None, add)
    except REFUSALS as error:
        return refusal(request.scope, error)


@get(f"{PATH}/{{ruleId:str}}")
async def read_rule(request: Request[Any, Any, Any]) -> Answer:
    """Show a rule: to those who may write it, as a form."""
    try:
        visitor = await see(request)
        stored = _find(visitor, request)
        if visitor.role not in WRITERS:
            return _read_only(visitor, stored)
        done = _DONE.get(visitor.parameters.one("done") or "", "")
        return _form(visitor, rule_fields_of(stored.rule), stored, Said(done=done))
    except REFUSALS as error:
        return refusal(request.scope, error)


@post(f"{PATH}/{{ruleId:str}}")
async def change_rule(request: Request[Any, Any, Any]) -> Answer:
    """Write a rule anew, or say what is wrong with it."""
    try:
        visitor, form = await posted(request)
        stored = _find(visitor, request)
        rules, aid = visitor.services.accounts.alerts.rules, visitor.group.aid

        def change(rule: AlertRule) -> str:
            rules.change(aid, stored.rule_id, rule, visitor.actor)
            return with_group(visitor, f"{PATH}/{stored.rule_id}", done="saved")

        return await _take(visitor, form, stored, change)
    except REFUSALS as error:
        return refusal(request.scope, error)


@post(f"{PATH}/{{ruleId:str}}/switch", status_code=303)
async def switch_rule(request: Request[Any, Any, Any]) -> Answer:
    """Switch a rule on or off."""
    try:
        visitor, form = await posted(request)
        stored, what = _find(visitor, request), form.one("do")
        if what not in {"on", "off"}:
            raise InvalidValueError("do", what, "on or off")
        rule = structs.replace(stored.rule, enabled=what == "on")
        visitor.services.accounts.alerts.rules.change(visitor.group.aid, stored.rule_id, rule, visitor.actor)
    except REFUSALS as error:
        return refusal(request.scope, error)
    return _to_list(visitor)


@get(f"{PATH}/{{ruleId:str}}/delete")
async def ask_to_delete_rule(request: Request[Any, Any, Any]) -> Answer:
    """Say what would be, and ask."""
    try:
        visitor = await administer(request)
        stored = _find(visitor, request)
    except REFUSALS as error:
        return refusal(request.scope, error)
    return visitor.render(
        "alert_confirm.html",
        path=f"{PATH}/{stored.rule_id}/delete",
        question=f"Delete the rule {stored.rule.name}?",
        text="Nothing is looked at for it any more. Incidents that it opened stay; those that go on are "
        "resolved with the next round.",
        action=with_group(visitor, f"{PATH}/{stored.rule_id}/delete"),
        button="Delete the rule",
        back_url=with_group(visitor, f"{PATH}/{stored.rule_id}"),
    )


@post(f"{PATH}/{{ruleId:str}}/delete", status_code=303)
async def delete_rule(request: Request[Any, Any, Any]) -> Answer:
    """Delete a rule."""
    try:
        visitor, _ = await posted(request)
        stored = _find(visitor, request)
        visitor.services.accounts.alerts.rules.remove(visitor.group.aid, stored.rule_id, visitor.actor)
    except REFUSALS as error:
        return refusal(request.scope, error)
    return _to_list(visitor)


@post(f"{PATH}/{{ruleId:str}}/test", status_code=200)
async def try_rule(request: Request[Any, Any, Any]) -> Answer:
    """Tell everybody of a rule a test message, and say what became of it."""
    try:
        visitor, _ = await posted(request)
        stored = _find(visitor, request)
        outcomes = await try_recipients(visitor.services, visitor.group.aid, stored.rule_id, visitor.actor)
        return _form(visitor, rule_fields_of(stored.rule), stored, Said(outcomes=outcomes))
    except REFUSALS as error:
        return refusal(request.scope, error)


def number_in_path(request: Request[Any, Any, Any], name: str) -> int:
    """The ID in a path.

    Raises:
        InvalidValueError: it is no number.
    """
    text = request.path_params[name]
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise InvalidValueError(name, text, "a number")
    return int(text)


def _find(visitor: Visitor, request: Request[Any, Any, Any]) -> StoredRule:
    rule_id = number_in_path(request, "ruleId")
    return visitor.services.accounts.alerts.rules.get(visitor.group.aid, rule_id)


async def _take(
    visitor: Visitor, form: Form, stored: StoredRule | None, save: Callable[[AlertRule], str]
) -> Answer:
    """Do what the form that was sent asks for; ``save`` writes the rule, and says where to go on."""
    fields = rule_fields_from(form, stored.rule if stored else None)
    if form.one("more"):
        return _form(visitor, fields, stored, Said(more=form.one("more")))
    rule, errors = rule_of(fields)
    if rule is None:
        return _form(visitor, fields, stored, Said(errors=errors))
    try:
        if form.one("do") == "preview":
            found = await preview_rule(visitor.services, visitor.group.aid, rule)
            return _form(visitor, fields, stored, Said(preview=found))
        require_tellable(visitor.services.config, rule)
        return see_other(save(rule))
    except InvalidValueError as error:
        return _form(visitor, fields, stored, Said(errors=errors_of(error)))
    except ConflictError as error:
        return _form(visitor, fields, stored, Said(errors={OVERALL: str(error)}))


def _form(visitor: Visitor, fields: RuleFields, stored: StoredRule | None, said: Said) -> Answer:
    """The form, as it was typed or is stored; without ``stored`` of a new rule."""
    where = "new" if stored is None else str(stored.rule_id)
    page = visitor.render(
        "alert_rule.html",
        path=f"{PATH}/{where}",
        stored=stored,
        fields=fields,
        **structs.asdict(said),
        told=recipient_names(stored.rule) if stored else [],
        sentences=rule_sentences(stored.rule) if stored else [],
        action=with_group(visitor, f"{PATH}/{where}"),
        metrics=METRICS,
        has_mail=visitor.services.config.smtp is not None,
        names=METRIC_NAMES,
        verdicts=VERDICTS,
        keys=FILTER_KEYS,
        most={"filters": MAX_FILTERS, "webhooks": MAX_WEBHOOKS, "services": MAX_SERVICES},
    )
    page.status = 400 if said.errors else 200
    return page


def _read_only(visitor: Visitor, stored: StoredRule) -> Answer:
    rule: AlertRule = stored.rule
    return visitor.render(
        "alert_rule_read.html",
        path=f"{PATH}/{stored.rule_id}",
        rule=rule,
        unit=UNITS[rule.metric],
        sentences=rule_sentences(rule),
        sessions=sessions_sentence(rule.filters),
        told=recipient_names(rule),
    )


def _to_list(visitor: Visitor) -> Answer:
    return see_other(f"{with_group(visitor, ALERTS_PATH)}#rules")


HANDLERS: Final[list[Any]] = [
    new_rule, add_rule, read_rule, change_rule, switch_rule, ask_to_delete_rule, delete_rule,
    try_rule,
]  # fmt: skip
