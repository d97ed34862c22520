"""What ``up`` and ``server`` have in common: options, and what is read out of them."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hopsight.cli.data_directory import data_directory
from hopsight.config import DAY_S, ServerConfig
from hopsight.errors import ConfigError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from hopsight.server.run import Running

LISTEN: Final = "127.0.0.1:8480"
KEEP: Final = "90d"
SIMULATED_MARK: Final = "SIMULATED"
"""A file in the data directory: nothing in it was measured, and nothing measured goes into it."""
MAX_PORT: Final = 65535
_UNIT_S: Final = {"m": 60, "h": 3600, "d": DAY_S, "w": 7 * DAY_S}

ListenOption = Annotated[
    str,
    typer.Option(
        envvar="HOPSIGHT_LISTEN", metavar="HOST:PORT", help="Address to serve on; port 0: a free one."
    ),
]
PublicUrlOption = Annotated[
    str | None,
    typer.Option(
        envvar="HOPSIGHT_PUBLIC_URL",
        metavar="URL",
        help="What clients call this server, for links in answers. Default: what each request says.",
        show_default=False,
    ),
]
KeepOption = Annotated[
    str,
    typer.Option(
        envvar="HOPSIGHT_KEEP",
        metavar="DURATION",
        help="How long records are kept: a number and m, h, d or w.",
    ),
]
SelfSignedOption = Annotated[
    bool,
    typer.Option(
        "--tls-self-signed",
        envvar="HOPSIGHT_TLS_SELF_SIGNED",
        help="Encrypt with a certificate of our own, kept in the data directory.",
    ),
]
AsnDbOption = Annotated[
    Path | None,
    typer.Option(
        envvar="HOPSIGHT_ASN_DB",
        metavar="FILE",
        help="MaxMind-format file with AS numbers: who has which public address.",
        show_default=False,
    ),
]
CityDbOption = Annotated[
    Path | None,
    typer.Option(
        envvar="HOPSIGHT_CITY_DB",
        metavar="FILE",
        help="MaxMind-format file with cities or countries: where a public address is.",
        show_default=False,
    ),
]
ReportKeyOption = Annotated[
    Path | None,
    typer.Option(
        envvar="HOPSIGHT_REPORT_KEY",
        metavar="FILE",
        help="Ed25519 private key, PEM, that reports are signed with. Default: one of our own in --data.",
        show_default=False,
    ),
]


def server_config(
    data: Path | None, listen: str, public_url: str | None, keep: str, **settings: Any
) -> ServerConfig:
    """The server's settings out of the options' texts.

    Raises:
        ConfigError: an option is wrong.
    """
    host, port = parse_listen(listen)
    if public_url is not None and not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", public_url):
        raise ConfigError("--public-url", public_url, "http:// or https://, host, and port if need be")
    directory = data_directory(data)
    return ServerConfig(
        data=directory,
        # Whichever command serves it: who looks at it must know.
        simulated=(directory / SIMULATED_MARK).exists(),
        host=host,
        port=port,
        public_url=public_url.rstrip("/") if public_url else None,
        keep_s=parse_duration(keep),
        **settings,
    )


def refuse_simulated(config: ServerConfig) -> None:
    """See that measurements may be kept there.

    Raises:
        ConfigError: what is there was made up.
    """
    if config.simulated:
        raise ConfigError("--data", config.data, "a directory that is not of `hopsight demo`")


def parse_listen(text: str) -> tuple[str, int]:
    """Read ``HOST:PORT`` or ``[IPV6]:PORT``.

    Raises:
        ConfigError: it is neither.
    """
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]]+)):([0-9]{1,5})", text, re.ASCII)
    if match is None or int(match[3]) > MAX_PORT:
        raise ConfigError("--listen", text, f"HOST:PORT or [IPV6]:PORT, port 0 to {MAX_PORT}")
    return match[1] or match[2], int(match[3])


def parse_duration(text: str, option: str = "--keep") -> int:
    """Read a number and ``m``, ``h``, ``d`` or ``w`` as seconds.

    Raises:
        ConfigError: it is something else, or nothing, or centuries.
    """
    match = re.fullmatch(r"([1-9][0-9]{0,4})([mhdw])", text, re.ASCII)
    if match is None:
        raise ConfigError(option, text, "a number from 1 to 99999 and m, h, d or w, like 90d")
    return int(match[1]) * _UNIT_S[match[2]]


def run_as_server(main: "Coroutine[Any, Any, None]") -> None:
    """Prepare this process as a server, and run ``main`` on a loop fit for one."""
    import asyncio

    from hopsight.logs import write_logs
    from hopsight.server.allocator import keep_heap
    from hopsight.server.descriptors import allow_descriptors

    write_logs()
    keep_heap()
    allow_descriptors()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(main)


def _loop_factory() -> "Callable[[], asyncio.AbstractEventLoop]":
    import asyncio

    try:
        from uvloop import new_event_loop
    except ImportError:
        return asyncio.new_event_loop
    return new_event_loop


def require_server() -> None:
    """Say what to install when the server's libraries are not there.

    Raises:
        ConfigError: they are not.
    """
    from importlib.util import find_spec

    if any(find_spec(name) is None for name in ("litestar", "uvicorn", "sqlalchemy")):
        raise ConfigError(
            "installation", "hopsight", "the server's libraries too: pip install 'hopsight[server]'"
        )


def describe(running: "Running") -> str:
    """One line for people: where the server is."""
    pinned = f" (certificate SHA-256 {running.fingerprint})" if running.fingerprint else ""
    return f"Serving {running.url}{pinned}"
