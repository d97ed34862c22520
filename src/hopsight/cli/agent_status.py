"""``hopsight agent status``: what the agent on this machine is doing."""

from typing import TYPE_CHECKING, Annotated

import typer

from hopsight.cli.data_directory import DataOption

if TYPE_CHECKING:
    from pathlib import Path

    from hopsight.agent.status import AgentStatus, TargetStatus

SYSTEM_DATA = "/var/lib/hopsight"


def status(
    context: typer.Context,
    data: DataOption = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say what the agent of a data directory is doing; status 1 when it is not running.

    For the service: `sudo hopsight agent status --data /var/lib/hopsight`.
    """
    import msgspec

    from hopsight.agent.status import StatusFile, is_running
    from hopsight.cli.output import print_json
    from hopsight.clock import SystemClock

    directory = agent_directory(context, data)
    found = StatusFile(directory).read()
    running = found is not None and is_running(found)
    if json:
        known = {} if found is None else msgspec.to_builtins(found)
        print_json({"running": running} | known)
    elif found is None:
        typer.echo(
            f"No agent has run with {directory.parent}. The service's data are in {SYSTEM_DATA}.", err=True
        )
    else:
        for line in status_lines(found, SystemClock().now(), running=running):
            typer.echo(line)
    if not running:
        raise typer.Exit(1)


def agent_directory(context: typer.Context, data: "Path | None") -> "Path":
    """The agent's directory: as said here, or in front of the subcommand, or the user's own."""
    from hopsight.cli.data_directory import data_directory

    before = context.parent.params.get("data") if context.parent is not None else None
    return data_directory(data or before) / "agent"


def status_lines(status: "AgentStatus", now_s: float, *, running: bool) -> list[str]:
    """A status for a person."""
    from hopsight.cli.output import printable

    facts = {
        "agent": f"running, process {status.pid}"
        if running
        else f"not running (last sign {_ago(status.written_s, now_s)})",
        "id": f"{status.agent_id}, account group {status.aid}" if status.agent_id else "not enrolled yet",
        "server": status.server,
        "state": status.state or ("measuring" if status.enabled else "disabled by the server"),
        "last round": _ago(status.last_round_s, now_s),
        "last upload": _ago(status.last_upload_s, now_s)
        + (f"; failing: {status.last_upload_error}" if status.last_upload_error else ""),
        "records": f"{status.waiting} waiting, {status.dropped} dropped, {status.refused} refused",
        "ICMP": {"datagram": "unprivileged sockets", "raw": "raw sockets"}.get(
            status.icmp or "", "not to be had, or not used yet"
        ),
        "passive": "on" if status.passive else "off",
        "redacted": ", ".join(status.redactions) or "nothing",
    }
    if status.usage is not None:
        memory_mib, cpu_percent = status.usage.resident_bytes / (1 << 20), 100 * status.usage.cpu_fraction
        facts["costs"] = f"{memory_mib:.1f} MiB, {cpu_percent:.2f} % of one core"
    facts["version"] = status.version
    lines = [f"{name:<12}{printable(value)}" for name, value in facts.items()]
    lines += [f"{'missing':<12}{printable(missing)}" for missing in status.missing]
    return lines + [f"{'target':<12}{printable(_target(target))}" for target in status.targets]


def _target(target: "TargetStatus") -> str:
    if target.error is not None:
        return f"{target.target}: {target.error}"
    facts = []
    if target.loss_percent is not None:
        facts.append(f"loss {target.loss_percent:.0f} %")
    if target.avg_rtt_ms is not None:
        facts.append(f"{target.avg_rtt_ms:.1f} ms")
    if target.verdict is not None:
        facts.append(target.verdict)
    return f"{target.target}: {', '.join(facts) or 'not measured yet'}"


def _ago(time_s: float | None, now_s: float) -> str:
    if time_s is None:
        return "none yet"
    seconds = max(0, round(now_s - time_s))
    for unit, length_s in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds // length_s} {unit} ago"
    return f"{seconds} s ago"
