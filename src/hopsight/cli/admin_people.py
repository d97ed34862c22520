"""``hopsight admin org|account-group|user|token``."""

from enum import StrEnum
from typing import Annotated

import typer

from hopsight.cli.admin_options import AccountsOption, JsonOption, group, open_accounts
from hopsight.cli.data_directory import DataOption, data_directory
from hopsight.cli.output import print_listing, print_result

organizations = group("Organizations: each has its own rate limit.")
account_groups = group("Account groups: what users see, and agents report to.")
users = group("Users and their roles.")
tokens = group("Tokens that let users in.")


class RoleName(StrEnum):
    """What a user may do."""

    ORG_ADMIN = "org-admin"
    ACCOUNT_ADMIN = "account-admin"
    USER = "user"


@organizations.command("create")
def create_organization(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Add an organization."""
    with open_accounts(data, accounts_url) as accounts:
        org_id = accounts.create_organization(name)
    print_result({"orgId": org_id}, f"Organization {org_id} is there.", as_json=json)


@organizations.command("list")
def list_organizations(
    json: JsonOption = False, data: DataOption = None, accounts_url: AccountsOption = None
) -> None:
    """Show all organizations."""
    with open_accounts(data, accounts_url) as accounts:
        rows = [{"orgId": item.org_id, "name": item.name} for item in accounts.organizations()]
    print_listing("organizations", rows, as_json=json)


@organizations.command("delete")
def delete_organization(
    org_id: Annotated[int, typer.Argument(metavar="ORGID")],
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Delete an organization that has no account groups."""
    with open_accounts(data, accounts_url) as accounts:
        accounts.delete_organization(org_id)
    print_result({"orgId": org_id}, f"Organization {org_id} is gone.", as_json=json)


@account_groups.command("create")
def create_account_group(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    org: Annotated[
        int | None,
        typer.Option(metavar="ORGID", help="Organization. Default: the only one.", show_default=False),
    ] = None,
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Add an account group to an organization."""
    with open_accounts(data, accounts_url) as accounts:
        aid = accounts.create_account_group(name, org)
    print_result({"aid": aid}, f"Account group {aid} is there.", as_json=json)


@account_groups.command("list")
def list_account_groups(
    json: JsonOption = False, data: DataOption = None, accounts_url: AccountsOption = None
) -> None:
    """Show all account groups."""
    with open_accounts(data, accounts_url) as accounts:
        rows = [
            {"aid": item.aid, "name": item.name, "orgId": item.org_id, "orgName": item.org_name}
            for item in accounts.account_groups()
        ]
    print_listing("accountGroups", rows, as_json=json)


@account_groups.command("delete")
def delete_account_group(
    aid: Annotated[int, typer.Argument(metavar="AID")],
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Delete an account group without users, connection strings and agents."""
    with open_accounts(data, accounts_url) as accounts:
        accounts.delete_account_group(aid)
    print_result({"aid": aid}, f"Account group {aid} is gone.", as_json=json)


@users.command("create")
def create_user(
    email: Annotated[str, typer.Argument(help="E-mail address: the user's name in HTTP Basic.")],
    role: Annotated[RoleName, typer.Option(help="What the user may do there.")],
    account_group: Annotated[
        list[int],
        typer.Option(metavar="AID", help="Account group to see; repeatable, the first is for login."),
    ],
    name: Annotated[str | None, typer.Option(help="Name. Default: the address.", show_default=False)] = None,
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Add a user, who sees exactly the account groups given."""
    from hopsight.model.accounts import Role

    with open_accounts(data, accounts_url) as accounts:
        uid = accounts.create_user(email, Role(role.value), account_group, name)
    shown = {"uid": uid, "email": email.strip().lower()}
    print_result(shown, f"User {shown['email']} is there.", as_json=json)


@users.command("list")
def list_users(
    json: JsonOption = False, data: DataOption = None, accounts_url: AccountsOption = None
) -> None:
    """Show all users, one line for each account group."""
    with open_accounts(data, accounts_url) as accounts:
        rows = [
            {
                "uid": user.uid,
                "email": user.email,
                "name": user.name,
                "aid": aid,
                "role": role.value,
                "login": aid == user.login_aid,
            }
            for user in accounts.users()
            for aid, role in user.roles.items()
        ]
    print_listing("users", rows, as_json=json)


@users.command("delete")
def delete_user(
    email: Annotated[str, typer.Argument()],
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Delete a user, with all tokens."""
    with open_accounts(data, accounts_url) as accounts:
        accounts.delete_user(email)
    print_result({"email": email}, f"User {email} is gone.", as_json=json)


@tokens.command("create")
def create_token(
    email: Annotated[str, typer.Argument(help="The user whom it lets in.")],
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Make a token and print it: it cannot be shown again."""
    with open_accounts(data, accounts_url) as accounts:
        token = accounts.create_token(email)
    print_result({"token": token}, token, as_json=json)


@tokens.command("list")
def list_tokens(
    json: JsonOption = False, data: DataOption = None, accounts_url: AccountsOption = None
) -> None:
    """Show which tokens there are; the tokens themselves are not kept."""
    from hopsight.model.times import format_utc

    with open_accounts(data, accounts_url) as accounts:
        rows = [
            {"tokenId": item.token_id, "email": item.email, "created": format_utc(item.created_s)}
            for item in accounts.tokens()
        ]
    print_listing("tokens", rows, as_json=json)


@tokens.command("delete")
def delete_token(
    token_id: Annotated[int, typer.Argument(metavar="TOKENID")],
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Delete a token: it is refused from now on."""
    with open_accounts(data, accounts_url) as accounts:
        accounts.delete_token(token_id)
    print_result({"tokenId": token_id}, f"Token {token_id} is gone.", as_json=json)


@tokens.command("show-bootstrap")
def show_bootstrap(json: JsonOption = False, data: DataOption = None) -> None:
    """Show the address and token that the server made at its first start."""
    from hopsight.accounts.bootstrap_file import read_bootstrap
    from hopsight.errors import NotFoundError

    directory = data_directory(data)
    known = read_bootstrap(directory)
    if known is None:
        raise NotFoundError(
            f"There is no first account in {directory}: no server has been started on it yet, or users had "
            "been made before"
        )
    if known.token is None:
        raise NotFoundError("The first token was deleted; make one: hopsight admin token create EMAIL")
    shown = {"email": known.email, "token": known.token, "aid": known.aid, "url": known.url}
    print_result(shown, f"{known.email}  {known.token}", as_json=json)
