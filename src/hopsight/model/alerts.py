"""What operators are told of: rules, what explains what they find, and times when nobody wants to know."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from hopsight.model.agents import Text
from hopsight.model.network_documents import VerdictResult

RULE_ROUND_S: Final = 60
"""Rules are about rounds of user sessions."""
MAX_OF_ROUNDS: Final = 30
DAY_S: Final = 86_400
WEEK_S: Final = 7 * DAY_S

Metric = Literal["latency", "loss", "jitter", "verdict", "no-data"]
CauseName = Literal["bssid", "gateway", "networkId", "vpnTarget", "provider", "visitedSite", "domain"]
"""Keys of ``FILTERS``, so that a cause can be looked at with the same words; the provider is none."""

CAUSE_COLUMNS: Final[dict[CauseName, str | None]] = {
    "bssid": "bssid",
    "gateway": "gateway",
    "networkId": "network_id",
    "vpnTarget": "vpn_target",
    "provider": None,
    "visitedSite": "visited_site",
    "domain": "domain",
}
"""What agents may share, from the device outwards, and the field of ``Dimensions`` that it is; None: it is of
agents, not of sessions."""


class AlertFilter(Struct, frozen=True, forbid_unknown_fields=True):
    """A session's ``key`` (of ``FILTERS``) is one of ``values``."""

    key: Annotated[str, Meta(max_length=64)]
    values: Annotated[
        tuple[Annotated[str, Meta(max_length=1_024)], ...], Meta(min_length=1, max_length=1_000)
    ]


Filters = Annotated[tuple[AlertFilter, ...], Meta(max_length=50)]


class Webhook(Struct, rename="camel", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a message about an incident is posted.

    Args:
        url: http or https.
        secret: signs what is posted; never shown again. Left out for a URL that has one: it stays.
    """

    url: Annotated[str, Meta(min_length=8, max_length=2_048)]
    secret: Annotated[str, Meta(min_length=8, max_length=255)] | None = None


class ChatService(Struct, rename="camel", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A chat or push service that is told of incidents.

    Args:
        label: what people call it; unique in its rule.
        kind: the URL's schema, such as ``slack``; set from the URL, whatever is given.
        url: as the apprise library spells it; it holds tokens, so it is never shown again. Left out for a
            label that has one: it stays.
    """

    label: Annotated[str, Meta(min_length=1, max_length=64)]
    kind: Annotated[str, Meta(max_length=32)] | None = None
    url: Annotated[str, Meta(min_length=8, max_length=2_048)] | None = None


class AlertRule(Struct, rename="camel", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When something is wrong: what an administrator writes.

    An agent's sessions with one site fail in a round when their number is over the threshold. They fail when
    that is so in ``rounds`` of the last ``of_rounds`` rounds.

    Args:
        name: what it is called.
        metric: ``latency`` (95th percentile, ms), ``loss`` (mean, percent), ``jitter`` (95th percentile, ms),
            ``verdict`` (percent of the sessions that have ``verdict``) or ``no-data`` (none; ``threshold`` is
            not looked at).
        threshold: in the unit of the metric; a number above it fails.
        verdict: for ``verdict`` alone.
        rounds: N of "N of M", rounds of 60 s.
        of_rounds: M of it.
        clear_rounds: an incident is over after so many rounds in which too few agents failed.
        min_agents: fewer failing agents are no incident.
        filters: the sessions that it is about; all of them must hold.
        webhooks: who is told of its incidents.
        emails: addresses that are told of them, too.
        services: chat and push services that are.
        enabled: whether it is looked at.
    """

    name: Text
    metric: Metric
    threshold: Annotated[float, Meta(ge=0, le=1e9)] = 0.0
    verdict: VerdictResult | None = None
    rounds: Annotated[int, Meta(ge=1, le=MAX_OF_ROUNDS)] = 3
    of_rounds: Annotated[int, Meta(ge=1, le=MAX_OF_ROUNDS)] = 5
    clear_rounds: Annotated[int, Meta(ge=1, le=1_440)] = 5
    min_agents: Annotated[int, Meta(ge=1, le=100_000)] = 3
    filters: Filters = ()
    webhooks: Annotated[tuple[Webhook, ...], Meta(max_length=10)] = ()
    emails: Annotated[tuple[Annotated[str, Meta(max_length=254)], ...], Meta(max_length=20)] = ()
    services: Annotated[tuple[ChatService, ...], Meta(max_length=10)] = ()
    enabled: bool = True


class Cause(Struct, frozen=True, kw_only=True):
    """What failing agents share, and those that do not fail do not.

    Args:
        dimension: a key of ``FILTERS``; None: they share nothing that explains it.
        value: of that dimension.
        failing: how many agents with this value fail.
        others: how many agents with this value do not.
    """

    dimension: CauseName | None = None
    value: str | None = None
    failing: int = 0
    others: int = 0


class MaintenanceWindow(Struct, rename="camel", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A time in which sessions that the filters admit are in no incident.

    Args:
        name: why.
        start_s: epoch seconds, inclusive.
        end_s: epoch seconds, exclusive.
        weekly: the same every week from then on, UTC.
        filters: the sessions that it is about; all of them must hold.
    """

    name: Text
    start_s: Annotated[int, Meta(ge=0, le=253_402_300_799)]
    end_s: Annotated[int, Meta(ge=0, le=253_402_300_799)]
    weekly: bool = False
    filters: Filters = ()

    def covers(self, time_s: int) -> bool:
        """Whether it is maintenance at a time, epoch seconds."""
        since_s = time_s - self.start_s
        if self.weekly and since_s >= 0:
            since_s %= WEEK_S
        return 0 <= since_s < self.end_s - self.start_s
