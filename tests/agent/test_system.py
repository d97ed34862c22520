"""CPU and memory samples over windows."""

import pytest

from hopsight.agent.system import SystemReading, SystemSampler, read_system, system_metrics
from hopsight.testing import FakeClock

pytestmark = pytest.mark.anyio


def reading(busy_s: float, total_s: float, used_bytes: int = 10) -> SystemReading:
    return SystemReading(taken_s=0, busy_s=busy_s, total_s=total_s, used_bytes=used_bytes, memory_bytes=100)


@pytest.mark.parametrize(("window_s", "cpu", "memory"), [(10, 10, 11), (0.3, 1, 2), (2.6, 3, 4)])
async def test_a_window_has_one_more_reading_than_differences(window_s: float, cpu: int, memory: int) -> None:
    """Ten seconds are ten CPU samples and eleven memory samples; short windows have one and two."""
    clock = FakeClock()
    found = await SystemSampler(clock).sample(window_s)
    assert found.physical_memory_used_bytes is not None
    assert found.physical_memory_used_bytes.count == memory
    assert found.cpu_utilization is None or found.cpu_utilization.count <= cpu
    assert found.end_time_ms - found.start_time_ms == pytest.approx(window_s * 1000, abs=1)


def test_shares_are_clamped_and_standing_counters_left_out() -> None:
    """Counters that run back give no share below 0 or above 1; those that stand give none."""
    found = system_metrics(
        [reading(0, 0), reading(5, 10), reading(4, 20), reading(40, 30), reading(41, 30)], 0, 4
    )
    cpu = found.cpu_utilization
    assert cpu is not None
    assert (cpu.min, cpu.median, cpu.max, cpu.mean, cpu.count) == (0, 0.5, 1, 0.5, 3)


def test_this_machine_can_be_read() -> None:
    """The real counters are sane."""
    found = read_system(1.0)
    assert 0 <= found.busy_s <= found.total_s
    assert 0 < found.used_bytes <= found.memory_bytes
