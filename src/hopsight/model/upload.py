"""What agent and server say to each other: the only contract between the two programs.

All of it is JSON over HTTP, below ``/agent/v1``:

=======  ==========================  ==============================  =====================
method   path                        body                            answer
=======  ==========================  ==============================  =====================
POST     ``/agent/v1/enrol``         ``Enrolment``                   ``EnrolmentAnswer``
GET      ``/agent/v1/configuration``                                 ``AgentConfiguration``
POST     ``/agent/v1/upload``        ``UploadBatch``                 ``UploadAnswer``
=======  ==========================  ==============================  =====================

Enrolment is authenticated by ``Authorization: Bearer <account group key>``; the other two by HTTP Basic,
agent ID and agent secret. Bodies may be compressed (``Content-Encoding: zstd`` or ``gzip``). An error is
``{"errorMessage": "..."}``; 429 and 503 carry ``Retry-After`` in seconds. A configuration carries an
``ETag``, and is answered 304 to ``If-None-Match``.

Evolution: a new field has a default, a type never changes, unknown fields are skipped.
"""

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from hopsight.model.agents import PRINTABLE, AgentInfo, Target, Text
from hopsight.model.ids import UUID_PATTERN
from hopsight.model.sessions import AgentId, IpAddress, IpAddressText, ProbedNetworkSession
from hopsight.model.states import AgentState
from hopsight.model.topology import NetworkProbe, NetworkProbeDetail
from hopsight.model.user_sessions import SessionDetail, UserSession
from hopsight.model.web_sessions import WebPageDetail, WebSession

SCHEMA_VERSION: Final = 1
MAX_BATCH_RECORDS: Final = 5_000
MAX_BATCH_CONTEXTS: Final = 1_000
BATCH_RECORDS: Final = 500
"""Records that our agents put into one batch."""
MAX_BODY_BYTES: Final = 4 << 20
"""A request body as it arrives, compressed or not."""
MAX_DECODED_BYTES: Final = 32 << 20
"""The same, after decompression."""

Secret = Annotated[str, Meta(min_length=32, max_length=128, pattern=r"^[0-9A-Za-z_-]+$(?!\n)")]


# Not run here, like the patterns of the document's texts: the server looks at each distinct site once.
VisitedSite = Annotated[str, Meta(min_length=1, max_length=253, extra_json_schema={"pattern": PRINTABLE})]


class Enrolment(Struct, rename="camel", frozen=True, kw_only=True):
    """An agent asks to be known.

    The agent makes the secret and writes both down before it asks, so that an answer lost on the way
    is made good by asking again: the same enrolment ID with the same secret is the same agent.
    """

    enrolment_id: Annotated[str, Meta(pattern=UUID_PATTERN)]
    secret: Secret
    agent: AgentInfo


class EnrolmentAnswer(Struct, rename="camel", frozen=True, kw_only=True):
    """The agent's ID, and the account group that its records belong to."""

    agent_id: AgentId
    aid: int


class MeasurementContext(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What several records of a batch have in common: machine and network at the time of measuring."""

    platform: Text | None = None
    connection: Text | None = None
    location: Text | None = None
    gateway: IpAddress | None = None
    proxy_target: IpAddress | None = None
    vpn_target: IpAddress | None = None
    network_id: Text | None = None
    ssid: Text | None = None
    bssid: Text | None = None


class NetworkSessionRecord(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One network session on its way to the server.

    Args:
        document: what the API will serve.
        context: index into the batch's ``contexts``.
        visited_site: host name (or address) that was measured.
        trigger: ``auto`` or ``user``.
    """

    document: ProbedNetworkSession
    context: Annotated[int, Meta(ge=0, lt=MAX_BATCH_CONTEXTS)]
    visited_site: VisitedSite | None = None
    trigger: Literal["auto", "user"] = "auto"


class UserSessionRecord(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One user session on its way to the server; that of a probed site has its network session's ID.

    Args:
        document: the list item.
        detail: what else is kept.
        context: index into the batch's ``contexts``.
        destination_ip: address of the visited site; None: its name did not resolve.
        trigger: ``auto`` or ``user``.
    """

    document: UserSession
    detail: SessionDetail
    context: Annotated[int, Meta(ge=0, lt=MAX_BATCH_CONTEXTS)]
    destination_ip: IpAddressText | None = None
    trigger: Literal["auto", "user"] = "auto"


class WebSessionRecord(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One page on its way to the server; its user session travels apart, and may come later."""

    document: WebSession
    detail: WebPageDetail
    context: Annotated[int, Meta(ge=0, lt=MAX_BATCH_CONTEXTS)]
    visited_site: VisitedSite | None = None
    destination_ip: IpAddressText | None = None
    trigger: Literal["auto", "user"] = "auto"


class NetworkProbeRecord(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One probe of the local infrastructure on its way to the server."""

    document: NetworkProbe
    detail: NetworkProbeDetail
    context: Annotated[int, Meta(ge=0, lt=MAX_BATCH_CONTEXTS)]


class AgentStateRecord(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One state on its way to the server."""

    document: AgentState
    context: Annotated[int, Meta(ge=0, lt=MAX_BATCH_CONTEXTS)]


class AgentUsage(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """What the agent itself costs the machine: for the server's ``/metrics``.

    Args:
        resident_bytes: memory, now.
        cpu_fraction: of one core, since the last upload.
        waiting: records in the spool.
        dropped: records that the spool had to let go, ever.
    """

    resident_bytes: Annotated[int, Meta(ge=0, le=2**50)]
    cpu_fraction: Annotated[float, Meta(ge=0, le=1_024)]
    waiting: Annotated[int, Meta(ge=0, le=2**50)] = 0
    dropped: Annotated[int, Meta(ge=0, le=2**50)] = 0


class UploadBatch(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """Records of one agent: one list for each kind; at most ``MAX_BATCH_RECORDS`` in all of them."""

    upload_id: Annotated[str, Meta(pattern=UUID_PATTERN)]
    schema_version: Annotated[int, Meta(ge=1)] = 1
    agent: AgentInfo | None = None
    contexts: Annotated[list[MeasurementContext], Meta(max_length=MAX_BATCH_CONTEXTS)] = []
    network_sessions: Annotated[list[NetworkSessionRecord], Meta(max_length=MAX_BATCH_RECORDS)] = []
    user_sessions: Annotated[list[UserSessionRecord], Meta(max_length=MAX_BATCH_RECORDS)] = []
    web_sessions: Annotated[list[WebSessionRecord], Meta(max_length=MAX_BATCH_RECORDS)] = []
    network_probes: Annotated[list[NetworkProbeRecord], Meta(max_length=MAX_BATCH_RECORDS)] = []
    agent_states: Annotated[list[AgentStateRecord], Meta(max_length=MAX_BATCH_RECORDS)] = []
    usage: AgentUsage | None = None


class RawUploadBatch(Struct, rename="camel", frozen=True, kw_only=True):
    """The same with its records left undecoded: for finding the bad ones, one by one."""

    upload_id: Annotated[str, Meta(pattern=UUID_PATTERN)]
    schema_version: Annotated[int, Meta(ge=1)] = 1
    agent: Raw | UnsetType = UNSET
    contexts: Annotated[list[Raw], Meta(max_length=MAX_BATCH_CONTEXTS)] = []
    network_sessions: Annotated[list[Raw], Meta(max_length=MAX_BATCH_RECORDS)] = []
    user_sessions: Annotated[list[Raw], Meta(max_length=MAX_BATCH_RECORDS)] = []
    web_sessions: Annotated[list[Raw], Meta(max_length=MAX_BATCH_RECORDS)] = []
    network_probes: Annotated[list[Raw], Meta(max_length=MAX_BATCH_RECORDS)] = []
    agent_states: Annotated[list[Raw], Meta(max_length=MAX_BATCH_RECORDS)] = []
    usage: Raw | UnsetType = UNSET


class Refusal(Struct, rename="camel", frozen=True, kw_only=True):
    """A record that the server will never take: its place in its list, and why."""

    kind: str
    index: int
    reason: str


class UploadAnswer(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """Every record of the batch is on disk, was there before, or is in ``refused``."""

    stored: int
    duplicates: int
    refused: list[Refusal]
    public_address: IpAddressText | None = None
    """Where the upload came from, as the server saw it."""
    public_ip_range: Text | None = None
    """Of that address, first-last; None: the server knows no ranges."""


class AgentConfiguration(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """What the server wants of an agent.

    Args:
        enabled: False: measure nothing, send nothing, keep asking.
        targets: what to measure.
        poll_s: ask again after so many seconds (a conditional request).
        public_address: where the question came from, as the server saw it.
        public_ip_range: of that address, first-last; None: the server knows no ranges.
        aid: the account group that the agent is in now: it may have been moved to another.
    """

    enabled: bool = True
    targets: Annotated[tuple[Target, ...], Meta(max_length=1_000)] = ()
    poll_s: Annotated[float, Meta(ge=1, le=3_600)] = 10.0
    public_address: IpAddressText | None = None
    public_ip_range: Text | None = None
    aid: int | None = None
