"""The machine as an agent introduces it (API.md 3.7)."""

import platform
import re
from pathlib import Path
from typing import Final

from hopsight import __version__
from hopsight.model.agents import AgentInfo, Location

_DMI: Final = Path("/sys/class/dmi/id")
_MAX_TEXT: Final = 255
_MAX_USERS: Final = 32
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_PLATFORMS: Final = {"Darwin": "Mac"}


def platform_name() -> str:
    """``Linux``, ``Mac`` or ``Windows``, as the API's filter has it."""
    return _PLATFORMS.get(platform.system(), platform.system())


def read_agent_info(
    *, agent_name: str | None = None, location: str | None = None, dmi: Path = _DMI
) -> AgentInfo:
    """Read what the system says of itself; what it does not tell is absent."""
    import psutil  # noqa: PLC0415 - as in ``system``

    return AgentInfo(
        computer_name=_clean(platform.node()) or "unknown",
        platform=platform_name(),
        os_version=_clean(_os_version()),
        kernel_version=_clean(platform.release()),
        version=__version__,
        agent_name=agent_name,
        manufacturer=_dmi(dmi / "sys_vendor"),
        model=_dmi(dmi / "product_name"),
        total_memory_bytes=psutil.virtual_memory().total,
        user_names=_user_names(),
        location=Location(location_name=location) if location else None,
    )


def _os_version() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.version()}"


def _user_names() -> tuple[str, ...]:
    import psutil  # noqa: PLC0415 - as in ``system``

    try:
        names = {_clean(user.name) for user in psutil.users()}
    except (OSError, psutil.Error):
        return ()
    return tuple(sorted(names - {""}))[:_MAX_USERS]


def _dmi(path: Path) -> str | None:
    try:
        return _clean(path.read_text("utf-8", "replace")) or None
    except OSError:
        return None


def _clean(text: str) -> str:
    return _UNPRINTABLE.sub("", text.strip())[:_MAX_TEXT]
