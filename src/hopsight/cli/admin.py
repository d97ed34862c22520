"""``hopsight admin``: who may see what, which agents there are, and what they measure."""

from hopsight.cli import (
    admin_accounts,
    admin_agents,
    admin_alerts,
    admin_audit,
    admin_labels,
    admin_networks,
    admin_passwords,
    admin_people,
    admin_privacy,
    admin_store,
    admin_store_copy,
    admin_targets,
)
from hopsight.cli.admin_options import group

app = group("Manage accounts and agents: on the server's own data, whether it runs or not.")

app.add_typer(admin_people.organizations, name="org")
app.add_typer(admin_people.account_groups, name="account-group")
admin_people.users.command("password")(admin_passwords.set_password)
app.add_typer(admin_people.users, name="user")
app.add_typer(admin_people.tokens, name="token")
app.add_typer(admin_agents.connection_strings, name="connection-string")
app.add_typer(admin_agents.agents, name="agent")
app.add_typer(admin_labels.labels, name="label")
app.add_typer(admin_targets.targets, name="target")
app.add_typer(admin_networks.networks, name="network")
app.add_typer(admin_alerts.alert_rules, name="alert-rule")
app.add_typer(admin_alerts.incidents, name="incident")
app.add_typer(admin_alerts.maintenance, name="maintenance")
app.add_typer(admin_audit.audit, name="audit")
admin_store.store.command("copy")(admin_store_copy.copy_records)
app.add_typer(admin_store.store, name="store")
app.add_typer(admin_accounts.accounts, name="accounts")
app.command("export")(admin_privacy.export_person)
app.command("erase")(admin_privacy.erase_person)
