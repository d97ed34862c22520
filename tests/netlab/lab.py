"""A laboratory for tests: namespaces, the emulated link between them, and the truth about what it did.

::

    world = World(seed=1, sites={"10.1.0.1": Site(delay_ms=20, loss=Loss(exactly=(3,)))})
    with Lab(world) as lab:
        done = lab.run("python", "-m", "hopsight", "measure", "10.1.0.1", "--json")
    truth = lab.truth("10.1.0.1")

The machine that measures is in ``lab.near``, with the addresses ``HOST`` and ``HOST6``, and sends everything
to the link, by way of ``GATEWAY`` and ``GATEWAY6`` (which are sites of the world if they are to answer). The
addresses of ``World.links`` belong to ``lab.peer``, where real servers may run. Needs root; see
``docs/laboratory.md``.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
from tests.netlab.emulator import NEAR_DEVICE, PEER_DEVICE
from tests.netlab.truth import Truth, truth_of
from tests.netlab.world import Event, World

ROOT: Final = Path(__file__).parents[2]
HOST, HOST6 = "10.0.0.2", "fd00::2"
GATEWAY, GATEWAY6 = "10.0.0.1", "fd00::1"
_STOP_S: Final = 30
_numbers = count(1)


def possible() -> bool:
    """Whether this machine can have a laboratory."""
    return os.geteuid() == 0 and shutil.which("ip") is not None and Path("/dev/net/tun").exists()


class Lab:
    """One world, from its making to its end; the log is there after that.

    Args:
        world: what is emulated.
        name_server: written to the near namespace's ``resolv.conf``.
    """

    def __init__(self, world: World, *, name_server: str = GATEWAY) -> None:
        self.world = world
        self.near = f"lab{os.getpid()}n{next(_numbers)}"
        self.peer = f"{self.near}p"
        self._name_server = name_server
        self._folder = Path(tempfile.mkdtemp(prefix="netlab"))
        self._emulator: subprocess.Popen[str] | None = None
        self._events: list[Event] | None = None

    def __enter__(self) -> Self:
        try:
            self._make()
        except BaseException:
            self._clear()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            self._clear()

    def command(self, *words: str, peer: bool = False) -> list[str]:
        """What runs ``words`` on the machine that measures, or on the real machine behind the links."""
        return ["ip", "netns", "exec", self.peer if peer else self.near, *words]

    def run(
        self, *words: str, timeout_s: float = 120, environment: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command there to its end; ``python`` is this interpreter."""
        given = [sys.executable if word == "python" else word for word in words]
        return subprocess.run(
            self.command(*given),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
        )

    def stop(self) -> None:
        """End the link and read its log; more than once is fine."""
        process, self._emulator = self._emulator, None
        if process is None:
            return
        with process:
            assert process.stdin is not None
            process.stdin.close()
            status = process.wait(timeout=_STOP_S)
        assert process.stdout is not None
        process.stdout.close()
        assert status == 0, f"the emulator ended with {status}"
        self._events = msgspec.json.decode((self._folder / "log.json").read_bytes(), type=list[Event])

    def events(self) -> list[Event]:
        """Everything that happened on the link; ends it."""
        self.stop()
        assert self._events is not None
        return self._events

    def truth(self, address: str, timeout_s: float = 1.0) -> Truth:
        """What really became of the pings and SYNs to an address; ends the link."""
        return truth_of(self.events(), address, timeout_s)

    def _make(self) -> None:
        for namespace in (self.near, self.peer):
            _ip("netns", "add", namespace)
            _ip("-n", namespace, "link", "set", "lo", "up")
        self._sysctl(self.near, "net.ipv4.ping_group_range=0 2147483647")
        self._start()
        self._connect_near()
        self._connect_peer()
        folder = Path("/etc/netns") / self.near
        folder.mkdir(parents=True)
        (folder / "resolv.conf").write_text(f"nameserver {self._name_server}\n", encoding="utf-8")

    def _start(self) -> None:
        world = self._folder / "world.json"
        world.write_bytes(msgspec.json.encode(self.world))
        words = [sys.executable, "-m", "tests.netlab.emulator", str(world), str(self._folder / "log.json")]
        self._emulator = subprocess.Popen(
            self.command(*words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self._emulator.stdout is not None
        assert self._emulator.stdout.readline() == "ready\n", "the emulator did not start"

    def _connect_near(self) -> None:
        near = ("-n", self.near)
        _ip(*near, "link", "set", PEER_DEVICE, "netns", self.peer)
        _ip(*near, "address", "add", f"{HOST}/24", "dev", NEAR_DEVICE)
        _ip(*near, "address", "add", f"{HOST6}/64", "dev", NEAR_DEVICE, "nodad")
        _ip(*near, "link", "set", NEAR_DEVICE, "txqueuelen", "10000", "up")
        _ip(*near, "route", "add", "default", "via", GATEWAY, "dev", NEAR_DEVICE)
        _ip(*near, "-6", "route", "add", "default", "via", GATEWAY6, "dev", NEAR_DEVICE)

    def _connect_peer(self) -> None:
        peer = ("-n", self.peer)
        _ip(*peer, "link", "set", PEER_DEVICE, "txqueuelen", "10000", "up")
        for address in self.world.links:
            extra = ("nodad",) if ":" in address else ()
            _ip(*peer, "address", "add", address, "dev", "lo", *extra)
        _ip(*peer, "route", "add", "default", "dev", PEER_DEVICE)
        _ip(*peer, "-6", "route", "add", "default", "dev", PEER_DEVICE)

    def _sysctl(self, namespace: str, setting: str) -> None:
        _ip("netns", "exec", namespace, "sysctl", "-q", "-w", setting)

    def _clear(self) -> None:
        if self._emulator is not None:
            with self._emulator as process:
                process.kill()
            self._emulator = None
        for namespace in (self.near, self.peer):
            subprocess.run(["ip", "netns", "delete", namespace], check=False, capture_output=True)
        shutil.rmtree(Path("/etc/netns") / self.near, ignore_errors=True)
        shutil.rmtree(self._folder, ignore_errors=True)


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
