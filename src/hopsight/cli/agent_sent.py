"""``hopsight agent sent``: what left this machine, word for word."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from hopsight.cli.agent_status import agent_directory
from hopsight.cli.data_directory import DataOption

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hopsight.agent.delivery.sent import SentUpload

UPLOADS: Final = 10


def sent(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="So many of the last uploads.")] = UPLOADS,
    json: Annotated[bool, typer.Option("--json", help="One upload a line, whole.")] = False,
    data: DataOption = None,
) -> None:
    """Show what the agent has sent, as it was sent: after redaction, the oldest first.

    Every document is on a line of its own, behind the name of its kind. What proves who the agent is goes in
    headers, and is not here.
    """
    import msgspec

    from hopsight.agent.delivery.sent import read_sent

    nothing = True
    for upload in read_sent(agent_directory(context, data), limit):
        nothing = False
        if json:
            typer.echo(msgspec.json.encode(upload))
        else:
            for line in _lines(upload):
                typer.echo(line)
    if nothing:
        typer.echo("nothing has been sent", err=True)


def _lines(upload: "SentUpload") -> "Iterator[str]":
    import msgspec

    yield (
        f"# {upload.date} UTC, {len(upload.batch)} bytes before compression: "
        f"{upload.stored} stored, {upload.duplicates} there before, {upload.refused} refused"
    )
    for name, value in msgspec.json.decode(upload.batch, type=dict[str, msgspec.Raw]).items():
        if bytes(value).startswith(b"["):
            for item in msgspec.json.decode(value, type=list[msgspec.Raw]):
                yield f"{name}\t{bytes(item).decode()}"
        else:
            yield f"{name}\t{bytes(value).decode()}"
