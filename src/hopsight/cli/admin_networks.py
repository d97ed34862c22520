"""``hopsight admin network``."""

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
from hopsight.cli.data_directory import DataOption
from hopsight.cli.output import print_listing, print_result

if TYPE_CHECKING:
    from hopsight.accounts.listings import NetworkName

networks = group("Where networks are that agents were on: for their records, and the filter `location`.")

IdArgument = Annotated[str, typer.Argument(metavar="NETWORKID", help="As /v6/endpoint-data/networks has it.")]


@networks.command("name")
def name_network(
    network_id: IdArgument,
    account_group: GroupOption,
    location: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="What the place is called.", show_default=False),
    ] = None,
    latitude: Annotated[
        float | None, typer.Option(metavar="DEGREES", help="With --longitude.", show_default=False)
    ] = None,
    longitude: Annotated[
        float | None, typer.Option(metavar="DEGREES", help="With --latitude.", show_default=False)
    ] = None,
    org_name: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Organization that the network belongs to.", show_default=False),
    ] = None,
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Say where a network is, for records from now on; what is not given stays as it was."""
    with open_accounts(data, accounts_url) as accounts:
        # Late, for an installation without the server: it is told so first.
        from hopsight.accounts.listings import NetworkName

        accounts.networks.set(
            NetworkName(
                aid=account_group,
                network_id=network_id,
                location=location,
                latitude=latitude,
                longitude=longitude,
                org_name=org_name,
            )
        )
    document = {"aid": account_group, "networkId": network_id.lower()}
    print_result(document, f"Network {network_id.lower()} is named.", as_json=json)


@networks.command("list")
def list_networks(
    account_group: OptionalGroupOption = None,
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Show named networks."""
    with open_accounts(data, accounts_url) as accounts:
        rows = [_row(item) for item in accounts.networks.listing(account_group)]
    print_listing("networks", rows, as_json=json)


@networks.command("unname")
def unname_network(
    network_id: IdArgument,
    account_group: GroupOption,
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Say nothing of a network any more; records keep what was said when they came."""
    with open_accounts(data, accounts_url) as accounts:
        accounts.networks.remove(account_group, network_id)
    document = {"aid": account_group, "networkId": network_id.lower()}
    print_result(document, f"Network {network_id.lower()} is unnamed.", as_json=json)


def _row(item: "NetworkName") -> dict[str, object]:
    return {
        "aid": item.aid,
        "networkId": item.network_id,
        "location": item.location,
        "latitude": item.latitude,
        "longitude": item.longitude,
        "orgName": item.org_name,
    }
