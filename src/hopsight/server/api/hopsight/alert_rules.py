"""Alert rules: read by everybody in the account group, written by its administrators."""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import delete, get, post, put
from litestar.connection import Request

from hopsight.errors import InvalidValueError
from hopsight.model.alerts import AlertRule
from hopsight.server.alerts.trial import require_tellable, try_recipients
from hopsight.server.api.acting import WRITERS, require_writer
from hopsight.server.api.answers import Answer
from hopsight.server.api.asking import Asked, ask
from hopsight.server.api.body_readers import BodyReader
from hopsight.server.api.description import Parameter, described
from hopsight.server.api.hopsight.alert_documents import (
    AlertRuleDocument,
    AlertRulesAnswer,
    TrialAnswer,
    rule_document,
)
from hopsight.server.api.hopsight.descriptions import BODY_STATUSES, COMMON, ROOT, operation
from hopsight.server.api.hopsight.records import answer_json

PATH: Final = f"{ROOT}/alert-rules"
_ONE: Final = f"{PATH}/{{ruleId:str}}"
_ID: Final = Parameter(name="ruleId", meaning="ID of the rule", schema={"type": "string"}, where="path")
_MAX_DIGITS: Final = 15

_LISTED: Final = operation("Alert rules", parameters=COMMON, answer=AlertRulesAnswer)
_READ: Final = operation("One alert rule", 404, parameters=(_ID, *COMMON), answer=AlertRuleDocument)
_CREATE: Final = operation(
    "Add an alert rule", 403, 409, *BODY_STATUSES,
    parameters=COMMON, body=AlertRule, body_required=True, answer=AlertRuleDocument, success=201,
)  # fmt: skip
_UPDATE: Final = operation(
    "Write an alert rule anew; a webhook without its secret, a service without its URL, keeps it",
    403, 404, *BODY_STATUSES,
    parameters=(_ID, *COMMON), body=AlertRule, body_required=True, answer=AlertRuleDocument,
)  # fmt: skip
_DELETE: Final = operation(
    "Delete an alert rule; its incidents stay", 403, 404, parameters=(_ID, *COMMON), success=204
)
_TRY: Final = operation(
    "Tell everybody whom an alert rule tells a test message, once; at most 40 s for every 8 of them",
    403, 404, 409, parameters=(_ID, *COMMON), answer=TrialAnswer,
)  # fmt: skip
_rules: Final = BodyReader(AlertRule, '{"name": "Slow", "metric": "latency", "threshold": 150}')


@get(PATH, opt=described(_LISTED))
async def list_alert_rules(request: Request[Any, Any, Any]) -> Answer:
    """Answer with all of them."""
    asked = await ask(request)
    listed = asked.services.accounts.alerts.rules.listing(asked.aid)
    documents = [rule_document(each, is_writer=_is_writer(asked)) for each in listed]
    return answer_json(asked, msgspec.json.encode(AlertRulesAnswer(alert_rules=documents)))


@get(_ONE, opt=described(_READ))
async def read_alert_rule(request: Request[Any, Any, Any]) -> Answer:
    """Answer with one."""
    return _answer(await ask(request), parse_number(request, "ruleId"))


@post(PATH, status_code=201, opt=described(_CREATE))
async def create_alert_rule(request: Request[Any, Any, Any]) -> Answer:
    """Add, and answer with it."""
    asked = await ask(request)
    by = require_writer(asked)
    rule = await _rules.read(request)
    require_tellable(asked.services.config, rule)
    rule_id = asked.services.accounts.alerts.rules.add(asked.aid, rule, by)
    return _answer(asked, rule_id, HTTPStatus.CREATED)


@put(_ONE, opt=described(_UPDATE))
async def update_alert_rule(request: Request[Any, Any, Any]) -> Answer:
    """Write anew, and answer with it."""
    asked = await ask(request)
    by = require_writer(asked)
    rule_id = parse_number(request, "ruleId")
    rule = await _rules.read(request)
    require_tellable(asked.services.config, rule)
    asked.services.accounts.alerts.rules.change(asked.aid, rule_id, rule, by)
    return _answer(asked, rule_id)


@delete(_ONE, status_code=200, opt=described(_DELETE))
async def delete_alert_rule(request: Request[Any, Any, Any]) -> Answer:
    """Delete, with 204."""
    asked = await ask(request)
    by = require_writer(asked)
    asked.services.accounts.alerts.rules.remove(asked.aid, parse_number(request, "ruleId"), by)
    return Answer(b"", status=HTTPStatus.NO_CONTENT)


@post(f"{_ONE}/test", status_code=200, opt=described(_TRY))
async def try_alert_rule(request: Request[Any, Any, Any]) -> Answer:
    """Tell everybody whom it tells a test message, and answer with what became of it."""
    asked = await ask(request)
    by = require_writer(asked)
    outcomes = await try_recipients(asked.services, asked.aid, parse_number(request, "ruleId"), by)
    return answer_json(asked, msgspec.json.encode(TrialAnswer(outcomes=outcomes)))


def parse_number(request: Request[Any, Any, Any], name: str) -> int:
    """The ID in a path.

    Raises:
        InvalidValueError: it is no number.
    """
    text = request.path_params[name]
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise InvalidValueError(name, text, "a number")
    return int(text)


def _answer(asked: Asked, rule_id: int, status: int = HTTPStatus.OK) -> Answer:
    stored = asked.services.accounts.alerts.rules.get(asked.aid, rule_id)
    answer = answer_json(asked, msgspec.json.encode(rule_document(stored, is_writer=_is_writer(asked))))
    answer.status = status
    return answer


def _is_writer(asked: Asked) -> bool:
    return asked.principal.roles.get(asked.aid) in WRITERS


HANDLERS: Final = (
    list_alert_rules,
    read_alert_rule,
    create_alert_rule,
    update_alert_rule,
    delete_alert_rule,
    try_alert_rule,
)
