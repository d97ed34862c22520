"""The ordinary server: FastAPI, pydantic models and the SQLAlchemy ORM on SQLite, as the tutorials teach it.

Competently written, not tuned: typed columns, an index for the order of pages and one for each filter that
narrows much, WAL with full durability, keyset paging, a token dependency, a response model, batched inserts.
``python -m benchmarks.peers.ordinary PATH PORT TOKEN`` runs it.
"""

import hashlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Query, Request, status
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from sqlalchemy import Engine, ForeignKey, Index, create_engine, event, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

PAGE_ITEMS = 1000
INDEXED_FILTERS = ("agent_id", "visited_site", "domain", "target", "ssid", "bssid", "gateway")
AID = 1


class Base(DeclarativeBase):
    """Tables."""


class AccountGroupRow(Base):
    """An account group."""

    __tablename__ = "account_group"
    aid: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class TokenRow(Base):
    """A user's token, as its SHA-256."""

    __tablename__ = "token"
    digest: Mapped[str] = mapped_column(primary_key=True)
    aid: Mapped[int] = mapped_column(ForeignKey("account_group.aid"))


class SessionRow(Base):
    """A network session."""

    __tablename__ = "network_session"
    # It is to answer the same questions as ours: so it keeps what filters ask for, and indexes what is
    # selective (agent, site, domain, address, Wi-Fi, gateway), not what halves the table at best.
    __table_args__ = (
        Index("ix_page", "aid", "round_id", "user_session_id"),
        *(Index(f"ix_{name}", "aid", name, "round_id") for name in INDEXED_FILTERS),
    )

    user_session_id: Mapped[str] = mapped_column(primary_key=True)
    aid: Mapped[int] = mapped_column(ForeignKey("account_group.aid"))
    agent_id: Mapped[str]
    round_id: Mapped[int]
    date: Mapped[str]
    target: Mapped[str]
    loss: Mapped[float | None]
    latency: Mapped[int | None]
    jitter: Mapped[int | None]
    avg_rtt: Mapped[float | None]
    max_rtt: Mapped[float | None]
    mean_dev_rtt: Mapped[float | None]
    start_time_ms: Mapped[int]
    end_time_ms: Mapped[int]
    cpu_min: Mapped[float]
    cpu_max: Mapped[float]
    cpu_mean: Mapped[float]
    cpu_median: Mapped[float]
    cpu_std_dev: Mapped[float]
    cpu_count: Mapped[int]
    memory_min: Mapped[float]
    memory_max: Mapped[float]
    memory_mean: Mapped[float]
    memory_median: Mapped[float]
    memory_std_dev: Mapped[float]
    memory_count: Mapped[int]
    memory_total: Mapped[int]
    visited_site: Mapped[str | None]
    domain: Mapped[str | None]
    trigger: Mapped[str]
    platform: Mapped[str | None]
    connection: Mapped[str | None]
    location: Mapped[str | None]
    gateway: Mapped[str | None]
    proxy_target: Mapped[str | None]
    vpn_target: Mapped[str | None]
    network_id: Mapped[str | None]
    ssid: Mapped[str | None]
    bssid: Mapped[str | None]


class Document(BaseModel):
    """Names in camel case outside, in snake case inside."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Destination(Document):
    """What the probes found."""

    target: str = Field(pattern="^[0-9A-Fa-f:.]{2,45}$")
    loss: float | None = Field(default=None, ge=0, le=100)
    latency: int | None = Field(default=None, ge=0)
    jitter: int | None = Field(default=None, ge=0)
    avg_rtt: float | None = Field(default=None, ge=0)
    max_rtt: float | None = Field(default=None, ge=0)
    mean_dev_rtt: float | None = Field(default=None, ge=0)


class Summary(Document):
    """Six numbers over samples."""

    min: float = Field(ge=0)
    max: float = Field(ge=0)
    mean: float = Field(ge=0)
    median: float = Field(ge=0)
    std_dev: float = Field(ge=0)
    count: int = Field(ge=0)


class SystemMetrics(Document):
    """The machine."""

    start_time_ms: int = Field(ge=0)
    end_time_ms: int = Field(ge=0)
    cpu_utilization: Summary
    physical_memory_used_bytes: Summary
    physical_memory_total_bytes: int = Field(ge=0)


class NetworkSession(Document):
    """One item."""

    user_session_id: str = Field(pattern="^[0-9]{5,18}:[0-9]{1,11}:[0-9A-Za-z]{8}$")
    agent_id: str = Field(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
    round_id: int = Field(ge=0, multiple_of=60)
    date: str = Field(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$")
    destination: Destination
    system_metrics: SystemMetrics


class Pages(Document):
    """Where the next page is."""

    current: int
    next: str | None = None


class NetworkSessionsPage(Document):
    """A page."""

    network_sessions: list[NetworkSession]
    pages: Pages


class Context(Document):
    """What several records of a batch have in common."""

    platform: str | None = None
    connection: str | None = None
    location: str | None = None
    gateway: str | None = None
    proxy_target: str | None = None
    vpn_target: str | None = None
    network_id: str | None = None
    ssid: str | None = None
    bssid: str | None = None


class UploadedSession(Document):
    """A session on its way in."""

    document: NetworkSession
    context: int = Field(ge=0)
    visited_site: str | None = Field(default=None, max_length=253)
    trigger: str = Field(default="auto", pattern="^(auto|user)$")


class Upload(Document):
    """A batch: the same JSON that ours takes."""

    contexts: list[Context] = Field(max_length=1000)
    network_sessions: list[UploadedSession] = Field(max_length=5000)


class Stored(Document):
    """The answer to a batch."""

    stored: int


def to_document(row: SessionRow) -> NetworkSession:
    """From a row to what the API shows."""
    return NetworkSession(
        user_session_id=row.user_session_id,
        agent_id=row.agent_id,
        round_id=row.round_id,
        date=row.date,
        destination=Destination(
            target=row.target,
            loss=row.loss,
            latency=row.latency,
            jitter=row.jitter,
            avg_rtt=row.avg_rtt,
            max_rtt=row.max_rtt,
            mean_dev_rtt=row.mean_dev_rtt,
        ),
        system_metrics=SystemMetrics(
            start_time_ms=row.start_time_ms,
            end_time_ms=row.end_time_ms,
            cpu_utilization=Summary(
                min=row.cpu_min,
                max=row.cpu_max,
                mean=row.cpu_mean,
                median=row.cpu_median,
                std_dev=row.cpu_std_dev,
                count=row.cpu_count,
            ),
            physical_memory_used_bytes=Summary(
                min=row.memory_min,
                max=row.memory_max,
                mean=row.memory_mean,
                median=row.memory_median,
                std_dev=row.memory_std_dev,
                count=row.memory_count,
            ),
            physical_memory_total_bytes=row.memory_total,
        ),
    )


def to_columns(aid: int, uploaded: UploadedSession, contexts: list[Context]) -> dict[str, Any]:
    """From what was uploaded to the columns of a row."""
    document = uploaded.document
    metrics = document.system_metrics
    site = uploaded.visited_site
    return {
        **document.model_dump(include={"user_session_id", "agent_id", "round_id", "date"}),
        **document.destination.model_dump(),
        "aid": aid,
        "start_time_ms": metrics.start_time_ms,
        "end_time_ms": metrics.end_time_ms,
        **{f"cpu_{name}": value for name, value in metrics.cpu_utilization},
        **{f"memory_{name}": value for name, value in metrics.physical_memory_used_bytes},
        "memory_total": metrics.physical_memory_total_bytes,
        **contexts[uploaded.context].model_dump(),
        "visited_site": site,
        # Good enough for a peer: ours looks the registrable domain up.
        "domain": ".".join(site.split(".")[-2:]) if site else None,
        "trigger": uploaded.trigger,
    }


def open_engine(path: str) -> Engine:
    """SQLite as durable as ours: WAL, and every commit synced."""
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 60})

    @event.listens_for(engine, "connect")
    def _set_pragmas(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    Base.metadata.create_all(engine)
    return engine


def get_session(request: Request) -> Iterator[Session]:
    """A database session for one request."""
    with Session(request.app.state.engine) as session:
        yield session


DatabaseSession = Annotated[Session, Depends(get_session)]


def get_aid(
    credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())], session: DatabaseSession
) -> int:
    """The account group of whoever shows a token."""
    digest = hashlib.sha256(credentials.credentials.encode()).hexdigest()
    token = session.get(TokenRow, digest)
    if token is None:
        raise HTTPException(status.HTTP_401_UNAUTHORIZED, "unknown token")
    return token.aid


Aid = Annotated[int, Depends(get_aid)]


def read_time(text: str) -> int:
    """``YYYY-mm-ddTHH:MM:SS`` as epoch seconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def network_sessions(
    request: Request,
    session: DatabaseSession,
    aid: Aid,
    start: Annotated[str, Query(alias="from")],
    to: str,
    after: str = "",
) -> NetworkSessionsPage:
    """A page of 1,000, in order of round, then ID."""
    wanted = select(SessionRow).where(
        SessionRow.aid == aid, SessionRow.round_id >= read_time(start), SessionRow.round_id <= read_time(to)
    )
    if after:
        wanted = wanted.where(SessionRow.user_session_id > after)
    wanted = wanted.order_by(SessionRow.round_id, SessionRow.user_session_id).limit(PAGE_ITEMS + 1)
    rows = session.scalars(wanted).all()
    following = None
    if len(rows) > PAGE_ITEMS:
        following = str(request.url.include_query_params(after=rows[PAGE_ITEMS - 1].user_session_id))
    return NetworkSessionsPage(
        network_sessions=[to_document(row) for row in rows[:PAGE_ITEMS]],
        pages=Pages(current=1, next=following),
    )


def upload(session: DatabaseSession, aid: Aid, batch: Upload) -> Stored:
    """Keep a batch through the ORM's unit of work; what is there already stays as it is."""
    columns = [to_columns(aid, uploaded, batch.contexts) for uploaded in batch.network_sessions]
    ids = [row["user_session_id"] for row in columns]
    known = set(
        session.scalars(select(SessionRow.user_session_id).where(SessionRow.user_session_id.in_(ids)))
    )
    session.add_all(SessionRow(**row) for row in columns if row["user_session_id"] not in known)
    session.commit()
    return Stored(stored=len(columns) - len(known))


def upload_in_bulk(session: DatabaseSession, aid: Aid, batch: Upload) -> Stored:
    """The same for who has read on: one statement past the unit of work, no object for a row."""
    columns = [to_columns(aid, uploaded, batch.contexts) for uploaded in batch.network_sessions]
    session.execute(insert(SessionRow).on_conflict_do_nothing(), columns)
    session.commit()
    return Stored(stored=len(columns))


def create_app(path: str, token: str) -> FastAPI:
    """The application, with one user."""
    engine = open_engine(path)
    with Session(engine) as session:
        session.merge(AccountGroupRow(aid=AID, name="bench"))
        session.merge(TokenRow(digest=hashlib.sha256(token.encode()).hexdigest(), aid=AID))
        session.commit()
    app = FastAPI()
    app.state.engine = engine
    app.get(
        "/network-sessions",
        response_model=NetworkSessionsPage,
        response_model_exclude_none=True,
        response_model_by_alias=True,
    )(network_sessions)
    app.post("/network-sessions", response_model=Stored)(upload)
    app.post("/network-sessions/bulk", response_model=Stored)(upload_in_bulk)
    return app


if __name__ == "__main__":
    uvicorn.run(
        create_app(sys.argv[1], sys.argv[3]),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        log_level="warning",
        access_log=False,
    )
