"""Measure as the agent does, on an event loop that is blocked for 20 ms in every 100.

``python -m tests.netlab.blocked_loop COUNT INTERVAL_S TARGET...`` prints lines as that command does in JSON.
"""

import asyncio
import random
import sys
import time

from hopsight.agent.measurement import Measurer
from hopsight.agent.results import ProbeOptions
from hopsight.agent.system_network import SystemNetwork
from hopsight.agent.targets import parse_target
from hopsight.cli.measure_output import json_line
from hopsight.clock import SystemClock


async def main() -> None:
    """Measure all targets once."""
    count, interval_s, *targets = sys.argv[1:]
    options = ProbeOptions(count=int(count), interval_s=float(interval_s), gateway=False)
    clock = SystemClock()
    measurer = Measurer(SystemNetwork(clock), clock, random.Random(1))
    blocking = asyncio.create_task(_block())
    found = await asyncio.gather(*(measurer.measure(parse_target(target), options) for target in targets))
    blocking.cancel()
    for target, measurements in zip(targets, found, strict=True):
        for measurement in measurements:
            print(json_line(target, measurement))  # noqa: T201
    await measurer.aclose()


async def _block() -> None:
    while True:
        await asyncio.sleep(0.08)
        time.sleep(0.02)  # noqa: ASYNC251 - this is what it is for


if __name__ == "__main__":
    asyncio.run(main())
