"""The form of a maintenance window: what was typed, and the window it describes or what is wrong. Pure."""

from typing import Any, Final

from msgspec import Struct

from hopsight.errors import InvalidValueError
from hopsight.model.alerts import MaintenanceWindow
from hopsight.model.times import format_utc, parse_utc
from hopsight.server.web.filter_rows import FilterRow, filter_rows_from, filter_rows_of, filters_of
from hopsight.server.web.forms import Form
from hopsight.server.web.rule_fields import OVERALL, Errors, refused

_WRITTEN: Final = len("YYYY-mm-dd HH:MM")
_FIELD_OF: Final = {"name": "name", "startS": "start", "endS": "end", "filter key": "filters"}


class WindowFields(Struct, frozen=True, kw_only=True):
    """The form as it was typed; times in UTC."""

    name: str = ""
    start: str = ""
    end: str = ""
    weekly: bool = False
    filters: tuple[FilterRow, ...] = ()


def window_fields_of(window: MaintenanceWindow) -> WindowFields:
    """The form of a window that is stored."""
    return WindowFields(
        name=window.name,
        start=format_utc(window.start_s),
        end=format_utc(window.end_s),
        weekly=window.weekly,
        filters=filter_rows_of(window.filters),
    )


def window_fields_from(form: Form) -> WindowFields:
    """The form that was sent."""
    return WindowFields(
        name=form.one("name"),
        start=form.one("start").strip(),
        end=form.one("end").strip(),
        weekly=form.one("weekly") == "yes",
        filters=filter_rows_from(form),
    )


def window_of(fields: WindowFields) -> tuple[MaintenanceWindow | None, Errors]:
    """The window that a form describes, or what is wrong, by field; the accounts layer looks at the rest."""
    errors: Errors = {}
    given: dict[str, Any] = {"name": fields.name.strip(), "weekly": fields.weekly}
    for field, text in (("start", fields.start), ("end", fields.end)):
        # Seconds may be left out: nobody plans by them.
        moment_s = parse_utc(f"{text}:00" if len(text) == _WRITTEN else text)
        if moment_s is None or moment_s < 0:
            errors[field] = refused(text, "YYYY-mm-dd HH:MM, UTC")
        else:
            given[f"{field}_s"] = moment_s
    try:
        given["filters"] = filters_of(fields.filters)
    except ValueError as error:
        errors["filters"] = str(error)
    if not given["name"]:
        errors["name"] = "It is empty; accepted: 1 to 255 characters"
    if not errors and given["end_s"] <= given["start_s"]:
        errors["end"] = refused(fields.end, f"a time after {fields.start}")
    return (None if errors else MaintenanceWindow(**given)), errors


def window_errors_of(error: InvalidValueError) -> Errors:
    """Where the accounts layer's refusal belongs."""
    field = _FIELD_OF.get(error.name, OVERALL)
    if field == "end":
        return {field: "It lasts too long; accepted: a week at most, when it is weekly"}
    return {field: str(error)}
