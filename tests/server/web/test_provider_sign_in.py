"""Signing in with an identity provider: a real one, on loopback."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.jwk import ECKey, OctKey
from tests.server.web.identity_provider import CLIENT_ID, CLIENT_SECRET, Provider
from tests.server.web.signing_in import person, tree

from hopsight.config import OidcConfig
from hopsight.errors import ConfigError
from hopsight.testing import ROUND_ID

pytestmark = pytest.mark.anyio

PUBLIC_URL = "http://hopsight.test:8480"
EMAIL = "user@example.com"


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    """A provider that vouches for the user."""
    async with Provider(ROUND_ID).running() as running:
        yield running


@pytest.fixture
def known(provider: Provider, make_server: Callable[..., Any], tmp_path: Path) -> Any:
    """A server that knows it."""
    secret = tmp_path / "secret"
    secret.write_text(f"{CLIENT_SECRET}\n")
    oidc = OidcConfig(issuer=provider.issuer, client_id=CLIENT_ID, client_secret_file=secret)
    return make_server(public_url=PUBLIC_URL, oidc=oidc)


async def there(client: httpx.AsyncClient, next_: str = "/account") -> httpx.URL:
    """Go to the provider, be signed in there; where it leads back to."""
    begun = await client.get("/sign-in/provider", params={"next": next_})
    assert begun.status_code == 303, begun.text
    async with httpx.AsyncClient(trust_env=False) as browser:
        answer = await browser.get(begun.headers["Location"])
    assert answer.status_code == 302, answer.text
    return httpx.URL(answer.headers["Location"])


def told(answer: httpx.Response) -> str:
    """What the page says is wrong."""
    return str(tree(answer).xpath("string(//*[@role='alert'])"))


async def test_a_user_is_signed_in_by_the_provider(known: Any, provider: Provider) -> None:
    """There and back, to the page that was asked for; its documents are asked for once an hour."""
    for _ in range(2):
        async with person(known) as client:
            assert tree(await client.get("/sign-in?next=/account")).xpath(
                "//a[@href='/sign-in/provider?next=/account']"
            )
            answer = await client.get(await there(client))
            assert (answer.status_code, answer.headers["Location"]) == (303, "/account"), answer.text
            assert "hopsight_provider" not in client.cookies
            assert EMAIL in (await client.get("/account")).text
    assert provider.asked == ["discovery", "keys"]
    last = known.accounts.audit_events(None, first_s=0, last_s=1 << 40)[-1]
    assert (last.event, last.who) == ("User signed in", EMAIL)


async def test_providers_differ(known: Any, provider: Provider) -> None:
    """One takes the secret in the form, and issues for several clients."""
    provider.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    provider.claims = {"aud": ["another", CLIENT_ID], "azp": CLIENT_ID}
    async with person(known) as client:
        assert (await client.get(await there(client))).status_code == 303


async def test_what_is_sent_there_cannot_be_guessed(known: Any) -> None:
    """State, nonce and challenge are others each time; the cookie that they come from no script sees."""
    seen = []
    for _ in range(2):
        async with person(known) as client:
            begun = await client.get("/sign-in/provider")
            assert "; Path=/sign-in; HttpOnly; SameSite=Lax" in begun.headers["Set-Cookie"]
            asked = parse_qs(urlsplit(begun.headers["Location"]).query)
            seen += [asked[name][0] for name in ("state", "nonce", "code_challenge")]
            assert asked["redirect_uri"] == [f"{PUBLIC_URL}/sign-in/provider/callback"]
    assert len(set(seen)) == 6


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"email": "stranger@example.com"}, "no user with your address"),
        ({"email_verified": False}, "verified"),
        ({"email_verified": "true"}, "verified"),
        ({"email_verified": None}, "verified"),
        ({"email": None}, "verified"),
        ({"nonce": "another"}, "cannot be trusted"),
        ({"nonce": None}, "cannot be trusted"),
        ({"aud": "another"}, "cannot be trusted"),
        ({"aud": [CLIENT_ID, "another"], "azp": "another"}, "cannot be trusted"),
        ({"iss": "https://another.example"}, "cannot be trusted"),
        ({"exp": ROUND_ID - 120}, "cannot be trusted"),
        ({"exp": None}, "cannot be trusted"),
        ({"iat": ROUND_ID + 600}, "cannot be trusted"),
        ({"sub": None}, "cannot be trusted"),
    ],
)
async def test_what_cannot_be_trusted_opens_nothing(
    known: Any, provider: Provider, claims: dict[str, Any], words: str
) -> None:
    """An unknown or unverified address, and an ID token for another, of another, or of another time."""
    provider.claims = claims
    users = len(known.accounts.users())
    async with person(known) as client:
        answer = await client.get(await there(client))
        assert answer.status_code == 403
        assert words in told(answer)
        assert "hopsight_session" not in client.cookies
    assert len(known.accounts.users()) == users


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ({"alg": "none"}, None),
        ({"alg": "ES256"}, ECKey.generate_key("P-256")),
        ({"alg": "HS256"}, OctKey.import_key("a shared secret of thirty-two bytes.")),
    ],
)
async def test_another_signature_is_no_signature(
    known: Any, provider: Provider, header: dict[str, Any], key: Any
) -> None:
    """None, one of a key that the provider does not publish, and one of a shared secret."""
    provider.header, provider.signing_key = header, key
    async with person(known) as client:
        answer = await client.get(await there(client))
    assert answer.status_code == 403
    assert "cannot be trusted" in told(answer)


async def test_a_provider_may_change_its_keys(known: Any, provider: Provider) -> None:
    """A signature of a new key has the keys asked for again, before the hour is over."""
    for _ in range(2):
        async with person(known) as client:
            assert (await client.get(await there(client))).status_code == 303
        provider.key = ECKey.generate_key("P-256", {"kid": "2"})


async def test_the_answer_is_taken_from_the_browser_that_asked(known: Any) -> None:
    """Another browser has another secret, or none: nobody is signed in with what a stranger sends them."""
    async with person(known) as client:
        back = await there(client)
        async with person(known) as other:
            await there(other)
            for browser in (person(known), other):
                if browser is other:
                    answer = await other.get(back)
                else:
                    async with browser as stranger:
                        answer = await stranger.get(back)
                assert answer.status_code == 403
                assert "not begun in this browser" in told(answer)
        changed = back.copy_set_param("state", back.params["state"].split(".")[0] + ".L2V2aWw")
        assert (await client.get(changed)).status_code == 403


async def test_a_code_opens_once(known: Any) -> None:
    """Going back in the browser signs nobody in again."""
    async with person(known) as client:
        back = await there(client)
        secret = client.cookies["hopsight_provider"]
        assert (await client.get(back)).status_code == 303
        client.cookies.clear()
        again = await client.get(back, headers={"Cookie": f"hopsight_provider={secret}"})
        assert again.status_code == 403


async def test_who_is_refused_there_is_told(known: Any, provider: Provider) -> None:
    """The form comes back, and still leads to the page that was asked for."""
    provider.refuses = True
    async with person(known) as client:
        answer = await client.get(await there(client, "/?aid=7625"))
    assert answer.status_code == 403
    assert "did not sign you in" in told(answer)
    assert tree(answer).xpath("//input[@name='next']/@value")[0] == "/?aid=7625"


async def test_next_leads_nowhere_else_from_there(known: Any) -> None:
    """Only to a path of this server."""
    async with person(known) as client:
        answer = await client.get(await there(client, "//evil.example"))
    assert answer.headers["Location"] == "/"


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://another.example"},
        {"authorization_endpoint": None},
        {"token_endpoint": "http://198.51.100.1/token"},
        {"jwks_uri": "http://198.51.100.1/keys"},
    ],
)
async def test_a_provider_that_names_others_is_not_trusted(
    known: Any, provider: Provider, metadata: dict[str, Any]
) -> None:
    """Another issuer, no endpoint, endpoints in the clear: said in words, and nobody is signed in."""
    provider.metadata = metadata
    async with person(known) as client:
        answer = await client.get("/sign-in/provider")
        if answer.status_code == 303:
            answer = await client.get(await there(client))
    assert answer.status_code in {403, 503}
    assert "identity provider" in told(answer)


async def test_a_provider_that_is_gone_is_told(known: Any, provider: Provider) -> None:
    """The form comes back, with the other ways to sign in; refusals count against the address."""
    provider.metadata = {"token_endpoint": "http://127.0.0.1:1/token"}
    async with person(known) as client:
        answer = await client.get(await there(client))
        assert "cannot be reached" in told(answer)
        for _ in range(99):
            await known.app.services.limits.count_refusal("127.0.0.1")
        assert (await client.get("/sign-in/provider")).status_code == 429


async def test_without_a_provider_there_is_none(server: Any) -> None:
    """404, and no link to it."""
    async with person(server) as client:
        assert "provider" not in (await client.get("/sign-in")).text
        assert (await client.get("/sign-in/provider")).status_code == 404
        assert (await client.get("/sign-in/provider/callback")).status_code == 404


@pytest.mark.parametrize(
    ("issuer", "public_url", "content"),
    [
        ("http://idp.example", PUBLIC_URL, "x"),
        ("idp.example", PUBLIC_URL, "x"),
        ("https://idp.example", None, "x"),
        ("https://idp.example", PUBLIC_URL, " \n"),
        ("https://idp.example", PUBLIC_URL, None),
    ],
)
def test_wrong_settings_are_refused_at_start(
    make_server: Callable[..., Any], tmp_path: Path, issuer: str, public_url: str | None, content: str | None
) -> None:
    """No https, no way back, no secret: told before anything runs."""
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_text(content)
    oidc = OidcConfig(issuer=issuer, client_id=CLIENT_ID, client_secret_file=secret)
    with pytest.raises(ConfigError, match="--oidc"):
        make_server(public_url=public_url, oidc=oidc)
