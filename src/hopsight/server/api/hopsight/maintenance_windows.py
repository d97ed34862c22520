"""Maintenance windows: read by everybody in the account group, written by its administrators."""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import delete, get, post, put
from litestar.connection import Request
from msgspec import structs

from hopsight.model.alerts import MaintenanceWindow
from hopsight.model.times import format_utc
from hopsight.server.api.acting import require_writer
from hopsight.server.api.answers import Answer
from hopsight.server.api.asking import Asked, ask
from hopsight.server.api.body_readers import BodyReader
from hopsight.server.api.description import Parameter, described
from hopsight.server.api.hopsight.alert_documents import (
    MaintenanceWindowDetail,
    MaintenanceWindowsAnswer,
    SuppressedDocument,
    window_document,
)
from hopsight.server.api.hopsight.alert_rules import parse_number
from hopsight.server.api.hopsight.descriptions import BODY_STATUSES, COMMON, ROOT, operation
from hopsight.server.api.hopsight.records import answer_json

PATH: Final = f"{ROOT}/maintenance-windows"
_ONE: Final = f"{PATH}/{{windowId:str}}"
_ID: Final = Parameter(name="windowId", meaning="ID of the window", schema={"type": "string"}, where="path")

_LISTED: Final = operation("Maintenance windows", parameters=COMMON, answer=MaintenanceWindowsAnswer)
_READ: Final = operation(
    "One maintenance window, with what it suppressed",
    404,
    parameters=(_ID, *COMMON),
    answer=MaintenanceWindowDetail,
)
_CREATE: Final = operation(
    "Add a maintenance window", 403, 409, *BODY_STATUSES, success=201,
    parameters=COMMON, body=MaintenanceWindow, body_required=True, answer=MaintenanceWindowDetail,
)  # fmt: skip
_UPDATE: Final = operation(
    "Write a maintenance window anew", 403, 404, *BODY_STATUSES,
    parameters=(_ID, *COMMON), body=MaintenanceWindow, body_required=True, answer=MaintenanceWindowDetail,
)  # fmt: skip
_DELETE: Final = operation(
    "Delete a maintenance window, with the list of what it suppressed",
    403,
    404,
    parameters=(_ID, *COMMON),
    success=204,
)
_windows: Final = BodyReader(
    MaintenanceWindow, '{"name": "Patch night", "startS": 1490529600, "endS": 1490536800, "weekly": true}'
)


@get(PATH, opt=described(_LISTED))
async def list_maintenance_windows(request: Request[Any, Any, Any]) -> Answer:
    """Answer with all of them."""
    asked = await ask(request)
    listed = asked.services.accounts.alerts.rules.windows(asked.aid)
    answer = MaintenanceWindowsAnswer(maintenance_windows=[window_document(each) for each in listed])
    return answer_json(asked, msgspec.json.encode(answer))


@get(_ONE, opt=described(_READ))
async def read_maintenance_window(request: Request[Any, Any, Any]) -> Answer:
    """Answer with one."""
    return _answer(await ask(request), parse_number(request, "windowId"))


@post(PATH, status_code=201, opt=described(_CREATE))
async def create_maintenance_window(request: Request[Any, Any, Any]) -> Answer:
    """Add, and answer with it."""
    asked = await ask(request)
    by = require_writer(asked)
    window = await _windows.read(request)
    window_id = asked.services.accounts.alerts.rules.add_window(asked.aid, window, by)
    return _answer(asked, window_id, HTTPStatus.CREATED)


@put(_ONE, opt=described(_UPDATE))
async def update_maintenance_window(request: Request[Any, Any, Any]) -> Answer:
    """Write anew, and answer with it."""
    asked = await ask(request)
    by = require_writer(asked)
    window_id = parse_number(request, "windowId")
    window = await _windows.read(request)
    asked.services.accounts.alerts.rules.change_window(asked.aid, window_id, window, by)
    return _answer(asked, window_id)


@delete(_ONE, status_code=200, opt=described(_DELETE))
async def delete_maintenance_window(request: Request[Any, Any, Any]) -> Answer:
    """Delete, with 204."""
    asked = await ask(request)
    by = require_writer(asked)
    asked.services.accounts.alerts.rules.remove_window(asked.aid, parse_number(request, "windowId"), by)
    return Answer(b"", status=HTTPStatus.NO_CONTENT)


def _answer(asked: Asked, window_id: int, status: int = HTTPStatus.OK) -> Answer:
    rules = asked.services.accounts.alerts.rules
    document = window_document(rules.window(asked.aid, window_id))
    suppressed = [
        SuppressedDocument(
            rule_id=each.rule_id,
            rule_name=each.rule_name,
            agent_id=each.agent_id,
            first=format_utc(each.first_s),
            last=format_utc(each.last_s),
        )
        for each in rules.suppressed_by(window_id)
    ]
    detail = MaintenanceWindowDetail(**structs.asdict(document), suppressed=suppressed)
    answer = answer_json(asked, msgspec.json.encode(detail))
    answer.status = status
    return answer


HANDLERS: Final = (
    list_maintenance_windows,
    read_maintenance_window,
    create_maintenance_window,
    update_maintenance_window,
    delete_maintenance_window,
)
