"""``hopsight score``: work out experience scores again, from what a server has stored."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from hopsight.model.score import Score

MAX_INPUT_BYTES = 256 << 20


def score(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="JSON of user sessions with their details, as /hopsight/v1/user-sessions?expand=detail or"
            " /v6/endpoint-data/user-sessions/ID answer; - for standard input.",
        ),
    ] = "-",
    json: Annotated[bool, typer.Option("--json", help="One JSON object per session.")] = False,
) -> None:
    """Work out the experience score of user sessions, input by input, and compare it with the stored one."""
    differing = 0
    for session in _sessions(_read(file)):
        computed = _score(session)
        stored = session.get("experienceScore")
        differs = (computed.value if computed else None) != stored
        differing += differs
        if json:
            _print_json(session, computed, stored)
        else:
            _print_lines(session, computed, stored, differs=differs)
    if differing:
        typer.echo(f"hopsight: {differing} stored score(s) differ from the formula", err=True)
        raise typer.Exit(1)


def _read(file: str) -> bytes:
    import sys

    from hopsight.errors import ConfigError

    try:
        if file == "-":
            content = sys.stdin.buffer.read(MAX_INPUT_BYTES + 1)
        else:
            with Path(file).open("rb") as stream:
                content = stream.read(MAX_INPUT_BYTES + 1)
    except OSError as error:
        raise ConfigError("file", file, f"one that can be read ({error.strerror})") from None
    if len(content) > MAX_INPUT_BYTES:
        raise ConfigError("file", file, f"at most {MAX_INPUT_BYTES} bytes")
    return content


def _sessions(content: bytes) -> list[dict[str, Any]]:
    """The sessions of an answer, of one session, or of one a line."""
    import msgspec

    from hopsight.errors import InvalidValueError

    try:
        try:
            documents = [msgspec.json.decode(content)]
        except msgspec.DecodeError:
            documents = [msgspec.json.decode(line) for line in content.splitlines() if line.strip()]
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidValueError("file", str(error), "user sessions in JSON") from None
    sessions: list[dict[str, Any]] = []
    for document in documents:
        listed = document.get("userSessions", [document]) if isinstance(document, dict) else document
        sessions += listed if isinstance(listed, list) else [listed]
    for session in sessions:
        if not isinstance(session, dict) or "network" not in session:
            accepted = "user sessions with their details (a list has them with expand=detail)"
            raise InvalidValueError("session", str(session)[:80], accepted)
    return sessions


def _score(session: dict[str, Any]) -> "Score | None":
    import msgspec

    from hopsight.errors import InvalidValueError
    from hopsight.model.score import score_of
    from hopsight.model.user_sessions import SessionDetail

    try:
        return score_of(msgspec.convert(session, SessionDetail))
    except msgspec.ValidationError as error:
        name = str(session.get("userSessionId"))
        raise InvalidValueError("session", name, f"what the server answers ({error})") from None


def _print_json(session: dict[str, Any], computed: "Score | None", stored: object) -> None:
    from hopsight.cli.output import print_json

    parts = computed.parts if computed else ()
    document = {
        "userSessionId": session.get("userSessionId"),
        "experienceScore": computed.value if computed else None,
        "stored": stored,
        "inputs": {
            part.input.name: {"value": part.value, "unit": part.input.unit, "quality": part.quality}
            for part in parts
        },
    }
    print_json({key: value for key, value in document.items() if value is not None})


def _print_lines(session: dict[str, Any], computed: "Score | None", stored: object, *, differs: bool) -> None:
    from hopsight.cli.output import printable

    value = "no data" if computed is None else f"{computed.value:.4f}"
    was = f"  (stored: {printable(stored)})" if differs else ""
    typer.echo(f"{printable(session.get('userSessionId'))}  {value}{was}")
    for part in computed.parts if computed else ():
        each = part.input
        value = f"{part.value:10.3f} {each.unit:8}"
        typer.echo(f"  {each.name:8} {value} quality {part.quality:.4f}  weight {each.weight:g}")
