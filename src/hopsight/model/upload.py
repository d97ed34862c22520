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
from hopsight.model.sessions import AgentId, IpAddress, NetworkSession

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

    document: NetworkSession
    context: Annotated[int, Meta(ge=0, lt=MAX_BATCH_CONTEXTS)]
    visited_site: VisitedSite | None = None
    trigger: Literal["auto", "user"] = "auto"


class UploadBatch(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """Records of one agent. User sessions, web sessions and network probes each become one more list."""

    upload_id: Annotated[str, Meta(pattern=UUID_PATTERN)]
    schema_version: Annotated[int, Meta(ge=1)] = 1
    agent: AgentInfo | None = None
    contexts: Annotated[list[MeasurementContext], Meta(max_length=MAX_BATCH_CONTEXTS)] = []
    network_sessions: Annotated[list[NetworkSessionRecord], Meta(max_length=MAX_BATCH_RECORDS)] = []


class RawUploadBatch(Struct, rename="camel", frozen=True, kw_only=True):
    """The same with its records left undecoded: for finding the bad ones, one by one."""

    upload_id: Annotated[str, Meta(pattern=UUID_PATTERN)]
    schema_version: Annotated[int, Meta(ge=1)] = 1
    agent: Raw | UnsetType = UNSET
    contexts: Annotated[list[Raw], Meta(max_length=MAX_BATCH_CONTEXTS)] = []
    network_sessions: Annotated[list[Raw], Meta(max_length=MAX_BATCH_RECORDS)] = []


class Refusal(Struct, rename="camel", frozen=True, kw_only=True):
    """A record that the server will never take: its place in its list, and why."""

    kind: str
    index: int
    reason: str


class UploadAnswer(Struct, rename="camel", frozen=True, kw_only=True):
    """Every record of the batch is on disk, was there before, or is in ``refused``."""

    stored: int
    duplicates: int
    refused: list[Refusal]


class AgentConfiguration(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """What the server wants of an agent."""

    enabled: bool = True
    targets: Annotated[tuple[Target, ...], Meta(max_length=1_000)] = ()
