"""Network sessions as version 6 knows them: without what version 7 tells besides."""

import random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from hopsight.model.sessions import Destination, NetworkSession, ProbedNetworkSession
from hopsight.model.system import SystemMetrics
from hopsight.server.api.v6.network_sessions import plain
from hopsight.testing import sample_session

_NEAREST = Destination(target="::")
_FULL = Destination(target="192.0.2.1", loss_percent=0.0, latency_ms=1, jitter_ms=0, avg_rtt_ms=1.5)
_WAYS = st.sampled_from([None, _NEAREST, _FULL])
_METRICS = st.one_of(
    st.none(),
    st.builds(
        SystemMetrics,
        start_time_ms=st.just(0),
        end_time_ms=st.just(1),
        physical_memory_total_bytes=st.one_of(st.none(), st.integers(0, 9), st.integers(0, 2**62)),
    ),
)


@given(_METRICS, _WAYS, _WAYS)
def test_vpn_and_proxy_are_always_left_out(
    metrics: SystemMetrics | None, vpn: Destination | None, proxy: Destination | None
) -> None:
    """However short what is around them, they are gone, and all else is as it was stored."""
    sample = sample_session(random.Random(1))
    own = {name: getattr(sample, name) for name in sample.__struct_fields__ if hasattr(NetworkSession, name)}
    own["system_metrics"] = metrics
    stored = msgspec.json.encode(ProbedNetworkSession(**own | {"vpn": vpn, "proxy": proxy}))
    assert plain(stored) == msgspec.json.encode(NetworkSession(**own))
