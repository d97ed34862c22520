"""The way to the server, and how both ends know each other: proxy, authorities, certificates."""

import ipaddress
import ssl
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import SplitResult, unquote, urlsplit

import structlog
from msgspec import Struct

from hopsight.config import AgentConfig
from hopsight.errors import ConfigError
from hopsight.trust import trusting

PROXY_FORM: Final = "http://[USER:PASSWORD@]HOST[:PORT]"
_PROXY_PORT: Final = 3_128

_log = structlog.get_logger()


class ServerRoute(Struct, frozen=True):
    """What a connection to the server is made with.

    Args:
        proxy: ``http://HOST:PORT``; None: straight.
        proxy_authorization: the value of that header for the proxy; kept out of URLs, which errors print.
        tls: trust and own certificate; None: what the system trusts.
    """

    proxy: str | None = None
    proxy_authorization: str | None = None
    tls: ssl.SSLContext | None = None


def route_to(
    url: str,
    config: AgentConfig,
    fingerprint: str | None = None,
    from_environment: Callable[[str], str | None] | None = None,
) -> ServerRoute:
    """The way to a server.

    Args:
        url: the server's.
        config: proxy, authorities and certificate.
        fingerprint: the server's certificate is known by it; authorities then say nothing.
        from_environment: the proxy that the system has for a URL, when none is configured.

    Raises:
        ConfigError: a proxy is none, or a file is not what it should be.
    """
    proxy, authorization = None, None
    if config.proxy is not None:
        proxy, authorization = _parsed_proxy(config.proxy)
    else:
        found = (from_environment or environment_proxy)(url)
        if found is not None:
            proxy, authorization = _environment_proxy(found)
    tls = tls_context(config, fingerprint)
    if tls is not None and not url.startswith("https:"):
        _log.warning(
            "the server's URL is not https: authorities and certificates protect nothing", server=url
        )
    return ServerRoute(proxy, authorization, tls)


def tls_context(config: AgentConfig, fingerprint: str | None = None) -> ssl.SSLContext | None:
    """Trust and own certificate as configured; None: nothing is.

    Raises:
        ConfigError: a file is not what it should be.
    """
    if config.client_key is not None and config.client_certificate is None:
        raise ConfigError("client key", config.client_key, "only with a client certificate")
    if config.ca_file is None and config.client_certificate is None:
        return None
    context = trusting(config.ca_file, "CA file")
    if fingerprint is not None:
        # The connection is checked by fingerprint once it is made: whoever signed the certificate.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if config.client_certificate is not None:
        _present(context, config.client_certificate, config.client_key)
    return context


def environment_proxy(url: str) -> str | None:
    """What ``https_proxy``, ``http_proxy`` and ``no_proxy`` say of a URL.

    On macOS and Windows the system is asked, too. A loopback address is never reached through a proxy.
    """
    # aiohttp has it loaded already.
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - whoever names a proxy does without

    parts = urlsplit(url)
    if (
        parts.hostname is None
        or _is_loopback(parts.hostname)
        or proxy_bypass(parts.netloc.rpartition("@")[2])
    ):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _parsed_proxy(text: str) -> tuple[str, str | None]:
    try:
        parts = urlsplit(text)
        port = parts.port or _PROXY_PORT
    except ValueError:
        _no_proxy(text)
    if parts.scheme != "http" or not parts.hostname or parts.path not in {"", "/"} or parts.query:
        _no_proxy(text)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"http://{host}:{port}", _authorization(parts)


def _no_proxy(text: str) -> NoReturn:
    # Without what stands before the @: it may be a password.
    raise ConfigError("proxy", text.rpartition("@")[2], PROXY_FORM) from None


def _environment_proxy(text: str) -> tuple[str | None, str | None]:
    try:
        return _parsed_proxy(text if "://" in text else f"http://{text}")
    except ConfigError as error:
        _log.warning("the proxy of the environment cannot be used; going without", reason=str(error))
        return None, None


def _authorization(parts: SplitResult) -> str | None:
    if parts.username is None:
        return None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + b64encode(pair.encode()).decode()


def _present(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    _check_readable("client certificate", certificate)
    if key is not None:
        _check_readable("client key", key)

    def refuse() -> str:
        # Without this OpenSSL would ask on the terminal, and wait.
        accepted = "a key without a password (`openssl pkey -in KEY -out PLAIN`), readable by the agent alone"
        raise ConfigError("client key", key or certificate, accepted)

    try:
        context.load_cert_chain(certificate, key, password=refuse)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            accepted = f"the key of the certificate {certificate}"
            raise ConfigError("client key", key or certificate, accepted) from None
        files = certificate if key is None else f"{certificate}, {key}"
        accepted = "a PEM certificate, and a PEM private key (in the same file, or as the client key)"
        raise ConfigError("client certificate", files, accepted) from None


def _check_readable(name: str, path: Path) -> None:
    try:
        with path.open("rb"):
            return
    except OSError as error:
        raise ConfigError(name, path, f"a readable file ({error.strerror})") from None
