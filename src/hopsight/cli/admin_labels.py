"""``hopsight admin label``."""

from typing import Annotated

import typer

from hopsight.cli.admin_options import AccountsOption, JsonOption, OptionalGroupOption, group, open_accounts
from hopsight.cli.data_directory import DataOption
from hopsight.cli.output import print_listing, print_result

labels = group("Labels on agents, to tell them apart by.")

AgentArgument = Annotated[str, typer.Argument(metavar="AGENTID", help="UUID of the agent.")]
LabelArgument = Annotated[str, typer.Argument(metavar="LABEL", help="Any printable text.")]


@labels.command("add")
def add_label(
    agent_id: AgentArgument,
    label: LabelArgument,
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Put a label on an agent."""
    with open_accounts(data, accounts_url) as accounts:
        accounts.labels.add(agent_id.lower(), label)
    print_result({"agentId": agent_id, "label": label}, f"Agent {agent_id} has the label.", as_json=json)


@labels.command("remove")
def remove_label(
    agent_id: AgentArgument,
    label: LabelArgument,
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Take a label off an agent."""
    with open_accounts(data, accounts_url) as accounts:
        accounts.labels.remove(agent_id.lower(), label)
    print_result({"agentId": agent_id, "label": label}, f"Agent {agent_id} lost the label.", as_json=json)


@labels.command("list")
def list_labels(
    account_group: OptionalGroupOption = None,
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Show labels, one line for each that an agent has."""
    with open_accounts(data, accounts_url) as accounts:
        aids = [item.aid for item in accounts.account_groups()] if account_group is None else [account_group]
        rows = [
            {"aid": aid, "agentId": agent_id, "label": label}
            for aid in aids
            for agent_id, found in accounts.labels.by_agent(aid).items()
            for label in found
        ]
    print_listing("labels", rows, as_json=json)
