"""The network profile of macOS and Windows, for whoever reads the profile there. Not run on hardware."""

import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hopsight.agent.platforms import macos, windows
from hopsight.agent.platforms.reading import Run
from hopsight.agent.profile.profile import NetworkProfile

PATIENCE_S: Final = 5.0
"""A tool that takes longer than this says nothing."""

_NOTHING: Final[Mapping[str, Any]] = {}


def platform_profile(
    platform: str, run: Run | None = None, registry: Mapping[str, Any] = _NOTHING
) -> NetworkProfile | None:
    """Read the profile by the system's own tools. Blocks for as long as they take: not for the event loop.

    Args:
        platform: as ``machine.platform_name`` says it.
        run: runs a command; None: ``run_tool``.
        registry: Windows' proxy settings (``windows.read_facts``).

    Returns:
        None on a platform that is none of these.
    """
    if platform == "Mac":
        facts = macos.read_facts(run or run_tool)
    elif platform == "Windows":
        facts = windows.read_facts(run or run_tool, registry)
    else:
        return None
    connection = "Wireless" if facts.wireless is not None else "Other" if facts.interface else "Loopback"
    return NetworkProfile(
        connection=connection,
        interface=facts.interface,
        gateway=facts.gateway,
        dns_servers=facts.dns_servers,
        wireless=facts.wireless,
        proxies=facts.proxies,
    )


def run_tool(command: Sequence[str]) -> str:
    """What a tool prints; empty when it is not there, fails or takes too long."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""
