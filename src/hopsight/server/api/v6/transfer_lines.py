"""Lines of a transfer, ``machine_id,from_aid,to_aid``: each that cannot be done is named by its number."""

import csv
import re
from typing import Final

from hopsight.accounts.agent_changes import Transfer
from hopsight.errors import InvalidValueError, PermissionDeniedError
from hopsight.model.accounts import Principal
from hopsight.model.ids import UUID_PATTERN
from hopsight.server.api.acting import WRITERS
from hopsight.server.auth import choose_account_group

MAX_TRANSFERS: Final = 10_000

_HEADING: Final = ["machine_id", "from_aid", "to_aid"]
_ACCEPTED: Final = "machine_id (the agent's ID, a UUID),from_aid,to_aid"
_MACHINE_ID: Final = re.compile(UUID_PATTERN)


def read_transfers(text: str, principal: Principal) -> list[Transfer]:
    """What a body asks for; empty lines and a heading are skipped.

    Raises:
        InvalidValueError: a line is wrong (its number is told), or there are none, or too many.
        PermissionDeniedError: a line names an account group in which the asker only reads.
    """
    moves: dict[str, Transfer] = {}
    first_line: dict[str, int] = {}
    for number, cells in _lines(text):
        move = _move(number, cells, principal)
        earlier = first_line.setdefault(move.agent_id, number)
        if earlier != number:
            given = f"{move.agent_id} as in line {earlier}"
            raise InvalidValueError(f"line {number}", given, "each machine_id once")
        moves[move.agent_id] = move
    if not 0 < len(moves) <= MAX_TRANSFERS:
        raise InvalidValueError("number of lines", len(moves), f"1 to {MAX_TRANSFERS} of {_ACCEPTED}")
    return list(moves.values())


def _lines(text: str) -> list[tuple[int, list[str]]]:
    # Spreadsheets begin a file with a byte order mark.
    reader = csv.reader(text.removeprefix("\ufeff").splitlines(), strict=True)
    try:
        lines = [([cell.strip() for cell in line], reader.line_num) for line in reader]
    except csv.Error as error:
        raise InvalidValueError(f"body, line {reader.line_num}", str(error), _ACCEPTED) from None
    return [
        (number, cells)
        for cells, number in lines
        if any(cells) and not (number == 1 and [cell.lower() for cell in cells] == _HEADING)
    ]


def _move(number: int, cells: list[str], principal: Principal) -> Transfer:
    if len(cells) != len(_HEADING) or not all(cells) or not _MACHINE_ID.match(cells[0].lower()):
        raise InvalidValueError(f"line {number}", ",".join(cells), _ACCEPTED)
    agent_id, from_aid, to_aid = cells
    return Transfer(
        agent_id.lower(),
        _account_group(f"line {number}, from_aid", from_aid, principal),
        _account_group(f"line {number}, to_aid", to_aid, principal),
    )


def _account_group(name: str, given: str, principal: Principal) -> int:
    try:
        aid = choose_account_group(principal, given)
    except InvalidValueError as error:
        raise InvalidValueError(name, given, error.accepted) from None
    if principal.roles[aid] not in WRITERS:
        raise PermissionDeniedError(
            f"{name} {aid}: your role there only reads; accepted: account groups in which you are an "
            "account admin or organization admin"
        )
    return aid
