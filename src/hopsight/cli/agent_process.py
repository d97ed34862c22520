"""The process in which the agent lives: without the command line library, which is large.

``hopsight agent`` reads flags, variables and settings file, and then becomes this program (the same process):
the command line library and what it brings along cost 20 MB of memory, all day long, for a second's work.
"""

import os
import sys
import tempfile
from types import ModuleType
from typing import TYPE_CHECKING, Final, NoReturn, cast

import msgspec
from msgspec import Struct

from hopsight.cli.ending import end_with
from hopsight.config import AgentConfig
from hopsight.errors import HopsightError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from hopsight.agent.main import Agent

_INTERRUPTED: Final = 130
_STDIN: Final = 0


class AgentRun(Struct, frozen=True, kw_only=True):
    """What the command line asked for."""

    config: AgentConfig
    once: bool
    stop_with_stdin: bool


def run_in_small(wanted: AgentRun) -> NoReturn:
    """Become a process that is nothing but the agent; where that cannot be, run it in this one."""
    if sys.platform == "win32" or not sys.executable:
        # There a new program is a new process, and whoever waits for this one would not wait for that.
        sys.exit(run(wanted))
    # By a file that has no name, and not as arguments: everybody may read those, and it holds a secret.
    handed_over = tempfile.TemporaryFile()  # noqa: SIM115 - open until the other program has read it
    handed_over.write(msgspec.json.encode(wanted, enc_hook=str))
    handed_over.flush()
    handed_over.seek(0)
    os.set_inheritable(handed_over.fileno(), True)
    words = [sys.executable, "-m", "hopsight.cli.agent_process", str(handed_over.fileno())]
    os.execv(sys.executable, words)  # noqa: S606 - ourselves


def main() -> NoReturn:
    """Run what was handed over, and exit."""
    with os.fdopen(int(sys.argv[1]), "rb") as file:
        wanted = msgspec.json.decode(file.read(), type=AgentRun, dec_hook=lambda kind, text: kind(text))
    sys.exit(run(wanted))


def run(wanted: AgentRun) -> int:
    """Run an agent to its end.

    Returns:
        Exit status.
    """
    # ``structlog`` loads ``rich`` (5 MB) for pretty tracebacks that we do not print. To the import system it
    # now is a module which is not installed, and ``structlog`` does without.
    sys.modules.setdefault("rich", cast(ModuleType, None))
    import asyncio

    from hopsight.logs import write_logs

    write_logs()
    try:
        return asyncio.run(_run(wanted))
    except HopsightError as error:
        end_with(error)
    except KeyboardInterrupt:
        return _INTERRUPTED


async def _run(wanted: AgentRun) -> int:
    """Run until done or told to stop.

    Returns:
        Exit status.
    """
    import asyncio
    import random

    from hopsight.agent.main import create_agent
    from hopsight.agent.system_network import SystemNetwork
    from hopsight.clock import SystemClock

    clock = SystemClock()
    # The system's generator: two agents cloned from one disk image must not draw the same IDs.
    running = create_agent(wanted.config, SystemNetwork(clock), clock, random.SystemRandom())
    interrupted = _stop_on_signals(asyncio.get_running_loop(), running)
    if wanted.stop_with_stdin:
        _stop_with_stdin(asyncio.get_running_loop(), running.stop)
    delivered = True
    if wanted.once:
        delivered = await running.run_once()
    else:
        await running.run()
    if interrupted:
        return _INTERRUPTED
    return 0 if delivered else 1


def _stop_on_signals(loop: "asyncio.AbstractEventLoop", running: "Agent") -> list[bool]:
    """Stop on Ctrl-C and SIGTERM; the list is not empty after the former."""
    import signal
    import sys

    interrupted: list[bool] = []

    def interrupt() -> None:
        interrupted.append(True)
        running.stop()

    if sys.platform != "win32":
        loop.add_signal_handler(signal.SIGTERM, running.stop)
        loop.add_signal_handler(signal.SIGINT, interrupt)
    return interrupted


def _stop_with_stdin(loop: "asyncio.AbstractEventLoop", stop: "Callable[[], None]") -> None:
    """Stop when whoever started us is gone, and with it the other end of our standard input."""
    import os
    import threading

    def wait() -> None:
        while os.read(_STDIN, 4_096):
            pass
        loop.call_soon_threadsafe(stop)

    threading.Thread(target=wait, daemon=True, name="stdin").start()


if __name__ == "__main__":
    main()
