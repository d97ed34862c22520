"""A report as tests sign it: every field has something in it."""

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hopsight.server.reports.document import (
    Figures,
    GivenFilter,
    Hops,
    Named,
    Outage,
    Outages,
    Report,
    ReportHop,
    Stretch,
)

KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"a key for tests").digest())
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"another key").digest())
FIGURES = Figures(
    sessions=120,
    agents=3,
    latency_p50_ms=20.5,
    latency_p95_ms=80.0,
    jitter_p50_ms=None,
    loss_percent=1 / 3,
    sessions_with_loss=4,
    sessions_with_latency=118,
)


def sample_report() -> Report:
    """One hour of one site."""
    return Report(
        software="Hopsight 0.0.0",
        simulated=False,
        organization="Beispiel AG",
        account_group="Zweigstelle Süd",
        created="2026-11-23T13:00:00Z",
        start="2026-11-23T12:00:00Z",
        end="2026-11-23T12:59:59Z",
        filters=(
            GivenFilter(key="visitedSite", values=("app.example.com",), count=1),
            GivenFilter(key="ssid", values=None, count=2),
        ),
        names_shown=False,
        left_out=("Names are left out.",),
        whole=FIGURES,
        bucket_s=60,
        over_time=(Stretch(start="2026-11-23T12:00:00Z", figures=FIGURES),),
        worst_hours=(Stretch(start="2026-11-23T12:00:00Z", figures=FIGURES),),
        sites_total=1,
        sites=(Named(name="app.example.com", figures=FIGURES),),
        agents_total=3,
        agents=(Named(name="agent 1", figures=FIGURES),),
        verdicts={"provider": 4, "healthy": 116},
        outages=Outages(
            limit_percent=50.0,
            bucket_s=60,
            min_agents=2,
            sites_per_stretch=100,
            stretch_s=86_400,
            not_examined=0,
            periods=(
                Outage(
                    site="app.example.com",
                    start="2026-11-23T12:10:00Z",
                    end="2026-11-23T12:12:00Z",
                    length_s=120,
                    mean_loss_percent=75.0,
                    all_lost=False,
                    sessions=4,
                    agents=3,
                    agents_affected=2,
                    affected=("agent 1",),
                ),
            ),
        ),
        hops=Hops(
            sessions_looked_at=120,
            newest=300,
            outages=1,
            of_an_outage=40,
            traces=100,
            left_out=0,
            routers=(
                ReportHop(
                    hop=2,
                    address="203.0.113.1",
                    name="edge.example.net",
                    provider="AS64500 Example",
                    sessions=100,
                    agents=3,
                    loss_percent=0.5,
                    other_loss_percent=None,
                    rtt_p50_ms=5.25,
                    added_p50_ms=4.0,
                    last_of_lossy=1,
                ),
            ),
        ),
        method=("Measured.",),
    )
