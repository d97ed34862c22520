"""``hopsight admin target``."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hopsight.cli.admin_options import (
    AccountsOption,
    GroupOption,
    JsonOption,
    OptionalGroupOption,
    group,
    open_accounts,
)
from hopsight.cli.data_directory import DataOption
from hopsight.cli.output import print_listing, print_result

if TYPE_CHECKING:
    from hopsight.accounts.listings import ListedTarget

targets = group("What the agents of an account group measure, how often, and which of them.")

_EVERY: Final = "1m"
_MIN_S, _MAX_S = 60, 86_400


class Protocol(StrEnum):
    """What to measure by."""

    AUTO = "auto"
    ICMP = "icmp"
    TCP = "tcp"


IdArgument = Annotated[int, typer.Argument(metavar="TARGETID")]


@targets.command("create")
def create_target(
    target: Annotated[str, typer.Argument(metavar="HOST[:PORT]")],
    account_group: GroupOption,
    protocol: Annotated[
        Protocol, typer.Option(help="auto: ICMP, and TCP where ICMP stays silent.")
    ] = Protocol.AUTO,
    interval: Annotated[
        str, typer.Option(metavar="DURATION", help="How often: whole minutes up to a day, as 5m or 1h.")
    ] = _EVERY,
    agent: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AGENTID", help="Only this agent; repeatable. Default: all of them.", show_default=False
        ),
    ] = None,
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Have the agents of an account group measure a target; they know of it within seconds."""
    from msgspec import structs

    from hopsight.agent.targets import parse_target

    parsed = structs.replace(parse_target(target, protocol.value), interval_s=_interval_s(interval))
    with open_accounts(data, accounts_url) as accounts:
        target_id = accounts.add_target(account_group, parsed, agent or ())
    print_result({"targetId": target_id}, f"Target {target_id} is there.", as_json=json)


@targets.command("update")
def update_target(
    target_id: IdArgument,
    interval: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="How often: whole minutes up to a day.", show_default=False),
    ] = None,
    agent: Annotated[
        list[str] | None,
        typer.Option(metavar="AGENTID", help="Only this agent from now on; repeatable.", show_default=False),
    ] = None,
    all_agents: Annotated[bool, typer.Option("--all-agents", help="All agents from now on.")] = False,
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Change how often a target is measured, or by which agents."""
    from hopsight.errors import InvalidValueError

    if all_agents and agent:
        raise InvalidValueError("--all-agents", "with --agent", "one of the two")
    if not (all_agents or agent or interval):
        raise InvalidValueError("options", "none", "--interval, --agent or --all-agents")
    chosen = [] if all_agents else agent or None
    interval_s = None if interval is None else _interval_s(interval)
    with open_accounts(data, accounts_url) as accounts:
        accounts.change_target(target_id, interval_s=interval_s, agent_ids=chosen)
    print_result({"targetId": target_id}, f"Target {target_id} is changed.", as_json=json)


@targets.command("list")
def list_targets(
    account_group: OptionalGroupOption = None,
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Show targets."""
    with open_accounts(data, accounts_url) as accounts:
        rows = [_row(item, as_json=json) for item in accounts.listed_targets(account_group)]
    print_listing("targets", rows, as_json=json)


@targets.command("delete")
def delete_target(
    target_id: IdArgument,
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Delete a target."""
    with open_accounts(data, accounts_url) as accounts:
        accounts.delete_target(target_id)
    print_result({"targetId": target_id}, f"Target {target_id} is gone.", as_json=json)


def _row(item: "ListedTarget", *, as_json: bool) -> dict[str, object]:
    return {
        "targetId": item.target_id,
        "aid": item.aid,
        "host": item.target.host,
        "port": item.target.port,
        "protocol": item.target.protocol,
        "intervalS": item.target.interval_s,
        "agentIds": list(item.agent_ids) if as_json else ", ".join(item.agent_ids) or "all",
    }


def _interval_s(text: str) -> int:
    from hopsight.cli.serving import parse_duration
    from hopsight.errors import InvalidValueError

    interval_s = parse_duration(text, "--interval")
    if not _MIN_S <= interval_s <= _MAX_S:
        raise InvalidValueError("--interval", text, "whole minutes from 1m to 1d, as 5m, 90m or 6h")
    return interval_s
