"""A chain of network namespaces: every one a real router, the last one the destination."""

import json
import subprocess
import sys
from typing import Any

UNPRIVILEGED = (
    *("setpriv", "--reuid", "65534", "--clear-groups"),
    *("--bounding-set", "-all", "--inh-caps", "-all"),
)
PROGRAM = """
import asyncio, json, random, sys
import msgspec
from hopsight.agent.network import Address
from hopsight.agent.probes.path import PathTracer
from hopsight.agent.system_network import SystemNetwork
from hopsight.clock import SystemClock

async def main():
    clock = SystemClock()
    tracer = PathTracer(SystemNetwork(clock), clock, random.Random(int(sys.argv[2])))
    for options in json.loads(sys.argv[1]):
        host = Address(options.pop("host"))
        times = options.pop("times", 1)
        paths = await asyncio.gather(*(tracer.trace(host, **options) for _ in range(times)))
        print(msgspec.json.encode(paths).decode())
    tracer.close()

asyncio.run(main())
"""


def ip(*arguments: str) -> None:
    """Run the program that sets up links, addresses and routes."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def batch(namespace: str, *lines: str) -> None:
    """Run many of its commands in one process."""
    command = ["ip", "-n", namespace, "-batch", "-"]
    done = subprocess.run(command, input="\n".join(lines), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def sysctl(namespace: str, *settings: str) -> None:
    """Set what a namespace does."""
    ip("netns", "exec", namespace, "sysctl", "-q", "-w", *settings)


class Chain:
    """Nodes 0..``hops``: 0 is where traces start, ``hops`` is the destination.

    Link ``i`` joins nodes ``i`` and ``i + 1``: 10.77.i.1 and .2, fd77:i::1 and ::2.
    """

    def __init__(self, prefix: str, hops: int) -> None:
        self.hops = hops
        self._prefix = prefix

    def node(self, number: int) -> str:
        """Name of a namespace."""
        return f"{self._prefix}n{number}"

    def hop_addresses(self, family: int = 4) -> list[str]:
        """Addresses in the order in which a trace sees them."""
        return [f"10.77.{at}.2" if family == 4 else f"fd77:{at:x}::2" for at in range(self.hops)]

    def build(self) -> None:
        """Make them."""
        for number in range(self.hops + 1):
            ip("netns", "add", self.node(number))
            # Routers ration their errors: one a second after the first six.
            limits = ("net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
            forward = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
            sysctl(self.node(number), *limits, *(forward if 0 < number < self.hops else ()))
            batch(self.node(number), "link set lo up")
        for number in range(self.hops):
            self._join(number)
        for number in range(self.hops + 1):
            self._route(number)

    def destroy(self) -> None:
        """Delete them."""
        for number in range(self.hops + 1):
            subprocess.run(["ip", "netns", "delete", self.node(number)], check=False, capture_output=True)

    def trace(self, *options: dict[str, Any], prefix: tuple[str, ...] = (), seed: int = 1) -> list[Any]:
        """Trace from node 0: for each of the options a list of paths."""
        command = ["ip", "netns", "exec", self.node(0), *prefix, sys.executable, "-c", PROGRAM]
        done = subprocess.run(
            [*command, json.dumps(options), str(seed)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def _join(self, left: int) -> None:
        near, far = self.node(left), self.node(left + 1)
        ip("link", "add", "right", "netns", near, "type", "veth", "peer", "name", "left", "netns", far)
        for name, link, last in ((near, "right", 1), (far, "left", 2)):
            batch(
                name,
                f"address add 10.77.{left}.{last}/24 dev {link}",
                f"address add fd77:{left:x}::{last}/64 dev {link} nodad",
                f"link set {link} up",
            )

    def _route(self, number: int) -> None:
        lines: list[str] = []
        if number < self.hops:
            lines += [f"route add default via 10.77.{number}.2", f"route add default via fd77:{number:x}::2"]
        if number > 1:
            back = number - 1
            lines += [
                f"route add 10.77.0.0/24 via 10.77.{back}.1",
                f"route add fd77:0::/64 via fd77:{back:x}::1",
            ]
        batch(self.node(number), *lines)
