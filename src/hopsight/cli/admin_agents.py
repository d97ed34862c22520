"""``hopsight admin connection-string|agent``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hopsight.cli.admin_options import (
    AccountsOption,
    GroupOption,
    JsonOption,
    OptionalGroupOption,
    group,
    open_accounts,
)
from hopsight.cli.data_directory import DataOption, data_directory
from hopsight.cli.output import print_listing, print_result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hopsight.accounts.accounts import Accounts
    from hopsight.model.agents import Agent
    from hopsight.model.connection import ConnectionString

connection_strings = group("Connection strings: what lets agents enrol.")
agents = group("Agents that have enrolled.")

AgentArgument = Annotated[str, typer.Argument(metavar="AGENTID", help="UUID of the agent.")]


@connection_strings.command("create")
def create_connection_string(
    account_group: GroupOption,
    url: Annotated[str, typer.Option(envvar="HOPSIGHT_PUBLIC_URL", help="Where agents reach the server.")],
    fingerprint: Annotated[
        str | None,
        typer.Option(
            metavar="HEX",
            help="SHA-256 of the server's certificate. Default: of tls-cert.pem in --data, for https.",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Make a connection string and print it: it cannot be shown again."""
    from hopsight.model.connection import format_connection_string

    pinned = _fingerprint(url, fingerprint, data)
    with open_accounts(data, accounts_url) as accounts:
        # Checked before a key is made: a wrong URL must not leave one behind.
        _connection(url, "0" * 43, pinned)
        key = accounts.create_group_key(account_group)
    text = format_connection_string(_connection(url, key, pinned))
    print_result({"connectionString": text}, text, as_json=json)


def _fingerprint(url: str, given: str | None, data: Path | None) -> str | None:
    if given is not None:
        return given.replace(":", "").lower()
    from hopsight.pinning import own_fingerprint

    return own_fingerprint(data_directory(data)) if url.startswith("https://") else None


def _connection(url: str, key: str, fingerprint: str | None) -> "ConnectionString":
    import msgspec

    from hopsight.errors import InvalidValueError
    from hopsight.model.connection import ConnectionString

    fields = {"url": url, "key": key} | ({"fingerprint": fingerprint} if fingerprint is not None else {})
    try:
        return msgspec.convert(fields, ConnectionString)
    except msgspec.ValidationError as error:
        accepted = f"https://HOST[:PORT], and 64 hexadecimal digits as fingerprint ({error})"
        raise InvalidValueError("connection", url, accepted) from None


@connection_strings.command("list")
def list_connection_strings(
    account_group: OptionalGroupOption = None,
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Show which connection strings there are; their keys are not kept."""
    from hopsight.model.times import format_utc

    with open_accounts(data, accounts_url) as accounts:
        rows = [
            {"keyId": key.key_id, "aid": key.aid, "created": format_utc(key.created_s)}
            for key in accounts.group_keys(account_group)
        ]
    print_listing("connectionStrings", rows, as_json=json)


@connection_strings.command("delete")
def delete_connection_string(
    key_id: Annotated[int, typer.Argument(metavar="KEYID")],
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Delete a connection string: nobody enrols with it any more; agents that have, stay."""
    with open_accounts(data, accounts_url) as accounts:
        accounts.delete_group_key(key_id)
    print_result({"keyId": key_id}, f"Connection string {key_id} is gone.", as_json=json)


@agents.command("list")
def list_agents(
    account_group: OptionalGroupOption = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Those that were deleted.")] = False,
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Show agents."""
    with open_accounts(data, accounts_url) as accounts:
        aids = [item.aid for item in accounts.account_groups()] if account_group is None else [account_group]
        rows = [
            _agent_row(agent, labels.get(agent.agent_id, []), as_json=json)
            for aid in aids
            for labels in (accounts.labels.by_agent(aid),)
            for agent in _all_agents(accounts, aid, deleted=deleted)
        ]
    print_listing("agents", rows, as_json=json)


def _all_agents(accounts: "Accounts", aid: int, *, deleted: bool) -> "Iterator[Agent]":
    after = None
    while page := accounts.agents(aid, deleted=deleted, after=after):
        yield from page
        after = page[-1].agent_id


def _agent_row(agent: "Agent", labels: list[str], *, as_json: bool) -> dict[str, object]:
    from hopsight.model.times import format_utc

    return {
        "agentId": agent.agent_id,
        "aid": agent.aid,
        "agentName": agent.agent_name,
        "computerName": agent.info.computer_name,
        "status": "enabled" if agent.enabled else "disabled",
        "lastSeen": format_utc(agent.last_seen_s),
        "publicIp": agent.public_ip,
        "labels": labels if as_json else ", ".join(labels) or None,
    }


@agents.command("enable")
def enable_agent(
    agent_id: AgentArgument,
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Let an agent measure again."""
    with open_accounts(data, accounts_url) as accounts:
        accounts.set_agent_enabled(_aid_of(accounts, agent_id), agent_id, enabled=True)
    print_result({"agentId": agent_id, "status": "enabled"}, f"Agent {agent_id} is enabled.", as_json=json)


@agents.command("disable")
def disable_agent(
    agent_id: AgentArgument,
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Have an agent stop measuring."""
    with open_accounts(data, accounts_url) as accounts:
        accounts.set_agent_enabled(_aid_of(accounts, agent_id), agent_id, enabled=False)
    print_result({"agentId": agent_id, "status": "disabled"}, f"Agent {agent_id} is disabled.", as_json=json)


@agents.command("delete")
def delete_agent(
    agent_id: AgentArgument,
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Shut an agent out; what it has measured stays, and for seven days it can be restored."""
    with open_accounts(data, accounts_url) as accounts:
        accounts.delete_agent(_aid_of(accounts, agent_id), agent_id)
    print_result({"agentId": agent_id}, f"Agent {agent_id} is gone.", as_json=json)


@agents.command("rename")
def rename_agent(
    agent_id: AgentArgument,
    name: Annotated[str, typer.Argument(help="What it is to be called from now on.")],
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Name an agent; what it calls itself no longer counts."""
    with open_accounts(data, accounts_url) as accounts:
        accounts.rename_agent(_aid_of(accounts, agent_id), agent_id, name)
    print_result(
        {"agentId": agent_id, "agentName": name}, f"Agent {agent_id} is called {name}.", as_json=json
    )


@agents.command("restore")
def restore_agent(
    agent_id: AgentArgument,
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Have a deleted agent back, within seven days."""
    with open_accounts(data, accounts_url) as accounts:
        accounts.restore_agent(_aid_of(accounts, agent_id), agent_id)
    print_result({"agentId": agent_id}, f"Agent {agent_id} is back.", as_json=json)


@agents.command("transfer")
def transfer_agent(
    agent_id: AgentArgument,
    to: Annotated[int, typer.Option("--to", metavar="AID", help="Account group that it goes to.")],
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Move an agent to another account group; what it has measured stays where it is."""
    from hopsight.accounts.agent_changes import Transfer

    with open_accounts(data, accounts_url) as accounts:
        accounts.transfer_agents([Transfer(agent_id, _aid_of(accounts, agent_id), to)])
    print_result(
        {"agentId": agent_id, "aid": to}, f"Agent {agent_id} is in account group {to}.", as_json=json
    )


def _aid_of(accounts: "Accounts", agent_id: str) -> int:
    from hopsight.errors import NotFoundError

    for item in accounts.account_groups():
        if accounts.agent(item.aid, agent_id) is not None:
            return item.aid
    raise NotFoundError(f"There is no agent {agent_id}")
