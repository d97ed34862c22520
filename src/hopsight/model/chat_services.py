"""Chat and push services that may be told of incidents: their names in URLs, and who names the host.

The URLs are those of the apprise library, which has many more. These are the ones that talk to a host of
their own and nobody else, or to the one that the URL names: no files, no commands, no documents posted to
whatever address, no mail (that has settings of its own).
"""

from typing import Final

HOSTED: Final = frozenset(
    {
        "discord", "flock", "gchat", "opsgenie", "pagerduty", "pagertree", "pbul", "pover", "signl4", "slack",
        "splunk", "squadcast", "tgram", "victorops", "webex", "wxteams", "zulip",
    }
)  # fmt: skip
"""Talk to hosts of the service alone."""

SELF_HOSTED: Final = frozenset(
    {
        "gotify", "gotifys", "mmost", "mmosts", "ntfy", "ntfys", "rocket", "rockets", "workflow", "workflows",
    }
)  # fmt: skip
"""Talk to the host that the URL names: the same rule holds for it as for webhooks."""

KINDS: Final = tuple(sorted(HOSTED | SELF_HOSTED))

QUERY_KEYS: Final = frozenset({"channel", "priority", "region", "thread", "topic"})
"""What may follow a ``?``: others name files and addresses, or switch off checks of certificates."""
