"""OpenID Connect: an identity provider of the organization says who somebody is (authorization code, PKCE).

Nothing about a sign-in under way is kept here: a random secret in the browser's cookie makes ``state``,
``nonce`` and the code verifier, so that any process of this server can take the answer.
"""

import asyncio
import base64
import hashlib
import hmac
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from msgspec import Struct

from hopsight.clock import Clock
from hopsight.config import OidcConfig, ServerConfig
from hopsight.errors import AuthenticationError, ConfigError

CALLBACK: Final = "/sign-in/provider/callback"
_SCOPE: Final = "openid email"
# Signatures with keys that the provider publishes; never `none`, never one of a shared secret.
_ALGORITHMS: Final = ["RS256", "PS256", "ES256"]
_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)
_MAX_BYTES: Final = 1 << 20
_KEPT_S: Final = 3_600.0
_LEEWAY_S: Final = 60
_OK: Final = 200
_AT_ONCE: Final = 8
T = TypeVar("T")

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class ProviderError(AuthenticationError):
    """The provider cannot be reached, or what it says cannot be trusted; the text is for a person."""


class _Metadata(Struct, frozen=True):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class _TokenAnswer(Struct, frozen=True):
    id_token: str


class SingleSignOn:
    """One provider, as its discovery document describes it; that and its keys are kept for an hour."""

    def __init__(self, config: OidcConfig, client_secret: str, clock: Clock) -> None:
        self._config = config
        self._client_secret = client_secret
        self._clock = clock
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._metadata: tuple[float, _Metadata] | None = None
        self._keys: tuple[float, KeySet] | None = None

    @classmethod
    def open(cls, config: ServerConfig, clock: Clock) -> Self | None:
        """The provider that the settings name; None: none.

        Raises:
            ConfigError: a setting is wrong, or the file with the secret cannot be read.
        """
        oidc = config.oidc
        if oidc is None:
            return None
        if not is_safe_url(oidc.issuer):
            raise ConfigError("--oidc-issuer", oidc.issuer, "the https:// URL that the provider calls itself")
        if config.public_url is None:
            raise ConfigError("--oidc-issuer", "without --public-url", "both: the provider leads back there")
        try:
            secret = oidc.client_secret_file.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            accepted = f"a readable text file ({type(error).__name__})"
            raise ConfigError("--oidc-client-secret-file", oidc.client_secret_file, accepted) from None
        if not secret:
            raise ConfigError(
                "--oidc-client-secret-file", oidc.client_secret_file, "a file that is not empty"
            )
        return cls(oidc, secret, clock)

    async def begin(self, secret: str, wanted: str, base: str) -> str:
        """Where the browser goes to sign in.

        Args:
            secret: what the browser keeps meanwhile in a cookie.
            wanted: the page to come back to.
            base: how the browser calls this server.

        Raises:
            ProviderError: the provider does not answer.
        """
        async with self._slots:
            metadata = await self._discover()
        asked = {
            "response_type": "code",
            "client_id": self._config.client_id,
            "redirect_uri": base + CALLBACK,
            "scope": _SCOPE,
            "state": _state(secret, wanted),
            "nonce": _derived(secret, "nonce"),
            "code_challenge": _base64(hashlib.sha256(_derived(secret, "verifier").encode()).digest()),
            "code_challenge_method": "S256",
        }
        separator = "&" if "?" in metadata.authorization_endpoint else "?"
        return metadata.authorization_endpoint + separator + urlencode(asked)

    def wanted_of(self, secret: str, state: str) -> str:
        """The page that the sign-in was begun for.

        Raises:
            ProviderError: this browser did not begin it.
        """
        encoded = state.partition(".")[2]
        try:
            wanted = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
        except ValueError:
            wanted = ""
        if not secret or not hmac.compare_digest(_state(secret, wanted).encode(), state.encode()):
            raise ProviderError("This sign-in was not begun in this browser, or too long ago; begin again")
        return wanted

    async def email_of(self, secret: str, code: str, base: str) -> str:
        """The verified address of who signed in at the provider, lower case.

        Raises:
            ProviderError: the code is not good, or the provider does not vouch for an address.
        """
        async with self._slots:
            metadata = await self._discover()
            id_token = await self._redeem(metadata, secret, code, base)
            claims = await self._checked(id_token, metadata, secret)
        email = claims.get("email")
        if not isinstance(email, str) or claims.get("email_verified") is not True:
            raise ProviderError("The identity provider does not say that your e-mail address is verified")
        return email.strip().lower()

    async def _redeem(self, metadata: _Metadata, secret: str, code: str, base: str) -> str:
        config = self._config
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": base + CALLBACK,
            "code_verifier": _derived(secret, "verifier"),
        }
        headers = {"Accept": "application/json"}
        if "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
            # RFC 6749, 2.3.1: both are form-encoded first.
            shown = f"{quote(config.client_id, safe='')}:{quote(self._client_secret, safe='')}"
            headers["Authorization"] = "Basic " + base64.b64encode(shown.encode()).decode()
        else:
            form |= {"client_id": config.client_id, "client_secret": self._client_secret}
        raw = await _fetch("POST", metadata.token_endpoint, headers=headers, data=form)
        return _decoded(raw, _TokenAnswer).id_token

    async def _checked(self, id_token: str, metadata: _Metadata, secret: str) -> dict[str, Any]:
        try:
            token = jwt.decode(id_token, await self._key_set(metadata), algorithms=_ALGORITHMS)
        except (JoseError, ValueError):
            # The provider may have changed its keys since we asked.
            self._keys = None
            try:
                token = jwt.decode(id_token, await self._key_set(metadata), algorithms=_ALGORITHMS)
            except (JoseError, ValueError) as error:
                raise _untrusted(error) from None
        rules = jwt.JWTClaimsRegistry(
            now=int(self._clock.now()),
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": metadata.issuer},
            aud={"essential": True, "value": self._config.client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": _derived(secret, "nonce")},
        )
        claims: dict[str, Any] = token.claims
        try:
            rules.validate(claims)
        except (JoseError, ValueError) as error:
            raise _untrusted(error) from None
        if claims.get("azp", self._config.client_id) != self._config.client_id:
            raise _untrusted(ValueError("issued to another client"))
        return claims

    async def _discover(self) -> _Metadata:
        now_s = self._clock.monotonic()
        if self._metadata is not None and now_s < self._metadata[0] + _KEPT_S:
            return self._metadata[1]
        issuer = self._config.issuer
        raw = await _fetch("GET", issuer.rstrip("/") + "/.well-known/openid-configuration")
        metadata = _decoded(raw, _Metadata)
        if metadata.issuer != issuer:
            raise ProviderError("The identity provider calls itself otherwise than this server was told")
        self._metadata = (now_s, metadata)
        return metadata

    async def _key_set(self, metadata: _Metadata) -> KeySet:
        now_s = self._clock.monotonic()
        if self._keys is not None and now_s < self._keys[0] + _KEPT_S:
            return self._keys[1]
        raw = await _fetch("GET", metadata.jwks_uri)
        try:
            keys = KeySet.import_key_set(msgspec.json.decode(raw))
        except (JoseError, ValueError, KeyError, TypeError, msgspec.MsgspecError) as error:
            raise _untrusted(error) from None
        self._keys = (now_s, keys)
        return keys


def is_safe_url(url: str) -> bool:
    """Whether what is said over it stays between us and the provider: https, or this machine itself."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK))


async def _fetch(method: str, url: str, **options: Any) -> bytes:
    if not is_safe_url(url):
        raise ProviderError("The identity provider names an address without https")
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True) as session,
            session.request(method, url, allow_redirects=False, **options) as answer,
        ):
            body = bytearray()
            async for piece in answer.content.iter_chunked(1 << 16):
                body += piece
                if len(body) > _MAX_BYTES:
                    raise ProviderError("The identity provider answers with too much")
            if answer.status != _OK:
                raise ProviderError(f"The identity provider answers {answer.status}")
            return bytes(body)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise ProviderError(f"The identity provider cannot be reached ({type(error).__name__})") from None


def _decoded(raw: bytes, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=type_)
    except msgspec.MsgspecError as error:
        raise _untrusted(error) from None


def _untrusted(error: Exception) -> ProviderError:
    return ProviderError(f"What the identity provider says cannot be trusted ({error})")


def _derived(secret: str, purpose: str) -> str:
    return _base64(hmac.digest(secret.encode(), f"hopsight {purpose}".encode(), "sha256"))


def _state(secret: str, wanted: str) -> str:
    return f"{_derived(secret, f'state {wanted}')}.{_base64(wanted.encode())}"


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
