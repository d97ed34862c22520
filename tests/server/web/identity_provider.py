"""A small OpenID Connect provider on loopback: discovery, consent unasked, codes used once, PKCE, keys."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey

CLIENT_ID = "hopsight & co"
CLIENT_SECRET = "s+cret: 100%"


class Provider:
    """What it says can be made wrong: ``claims`` are added to those of its ID tokens, None takes one away."""

    def __init__(self, now_s: int) -> None:
        self.now_s = now_s
        self.issuer = ""
        self.claims: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.key = ECKey.generate_key("P-256", {"kid": "1"}, auto_kid=True)
        self.signing_key: Any = None
        self.header: dict[str, Any] = {"alg": "ES256"}
        self.refuses = False
        self.asked: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}

    async def _discover(self, _: web.Request) -> web.Response:
        self.asked.append("discovery")
        told = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }
        return web.json_response(told | self.metadata)

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert asked["scope"].split() == ["openid", "email"]
        assert asked["code_challenge_method"] == "S256"
        answer = {"state": asked["state"]}
        if self.refuses:
            answer["error"] = "access_denied"
        else:
            answer["code"] = f"code{len(self._codes)}"
            self._codes[answer["code"]] = asked
        raise web.HTTPFound(f"{asked['redirect_uri']}?{urlencode(answer)}")

    async def _token(self, request: web.Request) -> web.Response:
        form = dict(parse_qsl(await request.text()))
        if self.metadata.get("token_endpoint_auth_methods_supported") == ["client_secret_post"]:
            kind, client, secret = "Basic", quote(form["client_id"]), quote(form["client_secret"])
        else:
            kind, _, shown = request.headers.get("Authorization", "").partition(" ")
            client, _, secret = base64.b64decode(shown).decode().partition(":")
        asked = self._codes.pop(form["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest())
        if (
            asked is None
            or (kind, unquote(client), unquote(secret)) != ("Basic", CLIENT_ID, CLIENT_SECRET)
            or form["grant_type"] != "authorization_code"
            or form["redirect_uri"] != asked["redirect_uri"]
            or challenge.rstrip(b"=").decode() != asked["code_challenge"]
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        claims = {
            "iss": self.issuer,
            "sub": "u1",
            "aud": CLIENT_ID,
            "iat": self.now_s,
            "exp": self.now_s + 300,
            "nonce": asked["nonce"],
            "email": "User@example.com",
            "email_verified": True,
        } | self.claims
        told = {name: value for name, value in claims.items() if value is not None}
        header = {"kid": self.key.kid} | self.header
        if header["alg"] == "none":
            parts = (json.dumps(part).encode() for part in (header, told))
            token = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts).decode() + "."
        else:
            token = jwt.encode(header, told, self.signing_key or self.key, algorithms=["ES256", "HS256"])
        return web.json_response({"id_token": token, "access_token": "x", "token_type": "Bearer"})

    async def _keys(self, _: web.Request) -> web.Response:
        self.asked.append("keys")
        return web.json_response({"keys": [self.key.as_dict(private=False)]})

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Provider"]:
        """Serve on loopback."""
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._discover)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_post("/token", self._token)
        app.router.add_get("/keys", self._keys)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()
