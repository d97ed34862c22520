"""Pages for people, over the whole application: who sees what, and that it is whole."""

import random
import re
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from lxml import html

from hopsight.model.accounts import Role
from hopsight.model.agents import AgentInfo
from hopsight.model.dimensions import FILTERS, USER_SESSIONS, Dimensions
from hopsight.model.query import Record
from hopsight.model.sessions import Destination, NetworkSession
from hopsight.model.upload import Enrolment
from hopsight.server.web.pages import STATIC
from hopsight.testing import AGENT_ID, ROUND_ID, sample_record, sample_session

pytestmark = pytest.mark.anyio

ALL_PAGES = ("/", "/?aid=", "/last-round", "/sign-in", "/docs")


def tree(answer: Any) -> html.HtmlElement:
    """The page of an answer; it must be one."""
    assert answer.headers["Content-Type"] == "text/html;charset=UTF-8"
    return html.document_fromstring(answer.content.decode())


def rows(page: html.HtmlElement) -> list[list[str]]:
    """Texts of the cells of the table of sessions."""
    return [
        [" ".join(cell.text_content().split()) for cell in row]
        for row in page.xpath("//table[@class='sessions']/tbody/tr")
    ]


def enrol(server: Any, name: str) -> str:
    """Let an agent of this name into the server's account group; its ID."""
    info = AgentInfo(
        computer_name="pc",
        platform="Linux",
        os_version="12",
        kernel_version="6.1",
        version="1",
        agent_name=name,
    )
    number = len(server.accounts.agents(server.aid))
    enrolment = Enrolment(enrolment_id=f"00000000-0000-0000-0000-{number:012d}", secret="s" * 32, agent=info)
    answer = server.accounts.enrol(server.accounts.create_group_key(server.aid), enrolment, "127.0.0.1")
    return str(answer.agent_id)


def record(session: NetworkSession, aid: int = 7625) -> Record:
    """A session as a store keeps it."""
    return Record(
        aid=aid,
        round_id=session.round_id,
        record_id=session.user_session_id,
        dimensions=Dimensions(agent_id=session.agent_id),
        loss_percent=session.destination.loss_percent,
        latency_ms=session.destination.avg_rtt_ms,
        jitter_ms=session.destination.mean_dev_rtt_ms,
        body=msgspec.json.encode(session),
    )


def with_loss(seed: int, loss_percent: float | None, agent_id: str) -> NetworkSession:
    """A session with this loss."""
    session = sample_session(random.Random(seed), agent_id=agent_id)
    found = msgspec.structs.replace(session.destination, loss_percent=loss_percent)
    return msgspec.structs.replace(session, destination=found)


async def test_strangers_learn_what_this_is_and_nothing_else(server: Any) -> None:
    """Without credentials there is a way to sign in, and no name, number or address of a session."""
    agent_id = enrol(server, "secret-laptop")
    session = sample_session(random.Random(1), agent_id=agent_id)
    await server.add(record(session))
    async with server.client(token="") as client:
        answer = await client.get("/")
    page = tree(answer)
    assert answer.status_code == 200
    assert "Hopsight" in page.text_content()
    assert "not affiliated" in page.text_content()
    assert page.xpath("//a[@href='/sign-in']")
    for secret in ("secret-laptop", session.destination.target, agent_id, "Sandbox"):
        assert secret not in answer.text


@pytest.mark.parametrize("path", ["/", "/?aid=7625", "/sign-in"])
async def test_wrong_credentials_are_answered_for_people(server: Any, path: str) -> None:
    """401 as a page, with the challenge that makes a browser ask again."""
    await server.add(sample_record(random.Random(1)))
    async with server.client(token="wrong") as client:
        answer = await client.get(path)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    page = tree(answer)
    assert "Not signed in" in page.text_content()
    assert not rows(page)


async def test_whoever_wants_in_is_asked_who_it_is(server: Any) -> None:
    """Asking for an account group leads whoever shows nothing to the form, and from there back."""
    async with server.client(token="") as client:
        answer = await client.get("/?aid=7625")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/sign-in?next=/%3Faid%3D7625"


async def test_signing_in_leads_to_the_start(server: Any) -> None:
    """E-mail and token over HTTP Basic lead to the overview, and open the last round."""
    await server.add(sample_record(random.Random(1)))
    auth = httpx.BasicAuth("user@example.com", server.token)
    async with server.client(token="") as client:
        first = await client.get("/sign-in", auth=auth)
        assert first.status_code == 303
        assert httpx.URL(first.headers["Location"]).path == "/"
        start = tree(await client.get(first.headers["Location"], auth=auth))
        page = tree(await client.get("/last-round", auth=auth))
    assert start.xpath("string(//h1)") == "Overview"
    assert len(rows(page)) == 1
    assert "user@example.com" in page.text_content()


async def test_wrong_credentials_count_against_the_address(server: Any) -> None:
    """A hundred wrong ones in a minute, and the address is not listened to any more."""
    async with server.client(token="wrong") as client:
        for _ in range(100):
            assert (await client.get("/sign-in")).status_code == 401
        locked = await client.get("/")
    assert locked.status_code == 429
    assert "Retry-After" in locked.headers


async def test_pages_count_against_the_rate_limit(limited: Any) -> None:
    """A page is a request like any other."""
    async with limited.client() as client:
        answers = [await client.get("/last-round") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[0].headers["X-Organization-Rate-Limit-Remaining"] == "4"


async def test_every_number_is_in_its_column(server: Any, client: Any) -> None:
    """One session of the last round, cell by cell; an older round is not shown."""
    agent_id = enrol(server, "laptop")
    session = with_loss(1, 10.0, agent_id)
    await server.add(record(session), sample_record(random.Random(2), round_id=ROUND_ID - 60))
    page = tree(await client.get("/last-round"))
    found, system = session.destination, session.system_metrics
    assert system is not None
    assert system.cpu_utilization is not None
    assert system.physical_memory_used_bytes is not None
    used = system.physical_memory_used_bytes.mean / (1 << 30)
    assert rows(page) == [
        [
            "laptop",
            found.target,
            session.date,
            "loss 10",
            f"{found.latency_ms}",
            f"{found.jitter_ms}",
            f"{found.avg_rtt_ms:.2f}",
            f"{found.max_rtt_ms:.2f}",
            f"{100 * system.cpu_utilization.mean:.0f}",
            f"{100 * used / 16:.0f}",
            f"{used:.1f} / 16.0",
        ]
    ]
    text = " ".join(page.text_content().split())
    assert "Sunday 26 March 2017, 11:58 UTC" in text
    assert "Account group Sandbox" in text
    facts = {" ".join(" ".join(fact.itertext()).split()) for fact in page.xpath("//dl/div")}
    assert {"Sessions 1", "Agents 1", "Sessions with loss 1"} <= facts
    links = set(page.xpath("//a/@href"))
    network = "/v6/endpoint-data/user-sessions/network"
    assert {f"{network}.json?aid=7625", f"{network}.xml?aid=7625", "/docs"} <= links
    assert page.xpath("//main/p/@data-live") == ["/live?aid=7625"]
    for link in links - {"#main"}:
        assert (await client.get(link, follow_redirects=True)).status_code == 200, link


async def test_what_was_not_measured_is_a_dash_that_says_so(server: Any, client: Any) -> None:
    """An absent field is never a zero."""
    session = msgspec.structs.replace(
        sample_session(random.Random(1)), destination=Destination(target="2001:db8::1"), system_metrics=None
    )
    await server.add(record(session))
    page = tree(await client.get("/last-round"))
    assert rows(page)[0][3:] == ["-"] * 8
    assert len(page.xpath("//tbody//abbr[@title='not measured']")) == 8


async def test_loss_is_told_in_words_and_comes_first(server: Any, client: Any) -> None:
    """Rows with loss stand above the others and carry a word; none is rounded away."""
    agent_id = enrol(server, "laptop")
    losses = [0.0, 0.01, 100.0, 99.99, 100 / 3, None]
    await server.add(*[record(with_loss(seed, loss, agent_id)) for seed, loss in enumerate(losses)])
    shown = [row[3] for row in rows(tree(await client.get("/last-round")))]
    assert shown[:4] == ["all lost 100", "loss 99.9", "loss 33.3", "loss < 0.1"]
    assert sorted(shown[4:]) == ["-", "0"]


async def test_names_of_agents_cannot_become_markup(server: Any, client: Any) -> None:
    """Whatever an agent calls itself, it is text: in cells, in attributes, in the title."""
    hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }}"
    await server.add(record(sample_session(random.Random(1), agent_id=enrol(server, hostile))))
    answer = await client.get("/last-round")
    page = tree(answer)
    assert rows(page)[0][0] == hostile
    assert not page.xpath("//script[not(starts-with(@src, '/static/'))] | //*[@onerror]")
    assert "<script>" not in answer.text


async def test_a_hostile_host_does_not_reach_the_page(server: Any) -> None:
    """The commands name the host of the request only when it is one."""
    async with server.client() as client:
        for path in ("/", "/last-round", "/docs"):
            answer = await client.get(path, headers={"Host": '"><script>alert(1)</script>'})
            assert "<script>" not in answer.text


async def test_names_of_deleted_agents_stay_and_unknown_ones_are_ids(server: Any, client: Any) -> None:
    """What a deleted agent has measured keeps its name."""
    agent_id = enrol(server, "retired")
    server.accounts.delete_agent(server.aid, agent_id)
    known = sample_session(random.Random(1), agent_id=agent_id)
    unknown = sample_session(random.Random(2))
    await server.add(record(known), record(unknown))
    assert {row[0] for row in rows(tree(await client.get("/last-round")))} == {"retired", unknown.agent_id}


async def test_the_first_round_is_waited_for(server: Any, client: Any) -> None:
    """With nothing stored the page says what will happen, and waits for it."""
    page = tree(await client.get("/last-round"))
    assert page.xpath("//main/p/@data-live") == ["/live?aid=7625"]
    assert "No agent is enrolled yet" in page.text_content()
    assert not page.xpath("//table")
    enrol(server, "laptop")
    text = " ".join(tree(await client.get("/last-round")).text_content().split())
    assert "An agent is enrolled" in text
    assert "within 20 s" in text
    assert "hopsight admin connection-string create --account-group 7625" in text


async def test_more_sessions_than_a_page_are_cut_and_that_is_said(server: Any, client: Any) -> None:
    """1,000 rows are whole; of 1,001, 1,000 are shown. It costs two questions to the store."""
    sessions = [sample_record(random.Random(seed)) for seed in range(1_001)]
    await server.add(*sessions[:1_000])
    page = tree(await client.get("/last-round"))
    assert len(rows(page)) == 1_000
    assert "more sessions than" not in page.text_content()
    await server.add(sessions[1_000])
    server.store.calls.clear()
    page = tree(await client.get("/last-round"))
    assert server.store.calls == ["last_round", "page"]
    assert len(rows(page)) == 1_000
    text = " ".join(" ".join(page.itertext()).split())
    assert "more sessions than a page shows" in text
    assert "Sessions more than 1,000" in text


async def test_a_silent_fleet_is_noticed(server: Any, client: Any) -> None:
    """A last round of long ago says that newer ones are missing."""
    await server.add(sample_record(random.Random(1)))
    assert "No newer round" not in (await client.get("/last-round")).text
    server.clock.advance(7_300)
    text = " ".join(tree(await client.get("/last-round")).text_content().split())
    assert "2 hours ago" in text
    assert "No newer round has arrived" in text


async def test_account_groups_of_others_stay_closed(server: Any) -> None:
    """Only groups of the user's own can be chosen, and their sessions alone are shown."""
    other = server.accounts.create_account_group("Elsewhere")
    server.accounts.create_user("both@example.com", Role.USER, [server.aid, other])
    both = server.accounts.create_token("both@example.com")
    await server.add(sample_record(random.Random(1)))
    hidden = sample_session(random.Random(2), aid=other, target="198.51.100.77")
    await server.add(record(hidden, aid=other))
    async with server.client() as client:
        own = await client.get("/last-round")
        assert "198.51.100.77" not in own.text
        assert "Elsewhere" not in own.text
        refused = await client.get(f"/last-round?aid={other}")
        assert refused.status_code == 400
        assert "198.51.100.77" not in refused.text
        assert not tree(own).xpath("//select")
    async with server.client(token=both) as client:
        page = tree(await client.get(f"/last-round?aid={other}"))
    assert [row[1] for row in rows(page)] == ["198.51.100.77"]
    assert page.xpath("//select[@name='aid']/option/@value") == [str(server.aid), str(other)]
    assert page.xpath("//option[@selected]/@value") == [str(other)]


async def test_the_verdicts_of_the_round_are_counted(server: Any) -> None:
    """Those of its user sessions, in words; nothing where none has any; other rounds do not count."""
    await server.add(record(with_loss(1, 0.0, AGENT_ID)))
    async with server.client() as client:
        before = tree(await client.get("/last-round"))
    assert not before.xpath("//dt[text()='Verdicts']")
    given = [("healthy", 0), ("no-verdict", 0), ("lan", 0), ("lan", 0), (None, 0), ("device", 60)]
    rng = random.Random(2)
    made = [
        sample_record(
            rng, round_id=ROUND_ID - ago_s, dimensions=Dimensions(agent_id=AGENT_ID, verdict=verdict)
        )
        for verdict, ago_s in given
    ]
    await server.store.add(USER_SESSIONS, made)
    async with server.client() as client:
        after = tree(await client.get("/last-round"))
    (shown,) = after.xpath("//div[dt='Verdicts']/dd")
    assert shown.text_content() == "1 healthy, 2 lan, 1 no verdict"


async def test_docs_show_every_operation_and_document(server: Any) -> None:
    """What the description has, the page has: paths, parameters, statuses, fields; no credentials needed."""
    async with server.client(token="") as client:
        document = (await client.get("/openapi.json")).json()
        page = tree(await client.get("/docs"))
    for path, item in document["paths"].items():
        for method, operation in item.items():
            (section,) = page.xpath(f"//section[@id='operation-{operation['operationId']}']")
            heading = " ".join(section.xpath("string(h3)").split())
            assert heading == f"{method.upper()} {path}"
            shown = {" ".join(cell.text_content().split()) for cell in section.xpath(".//tbody/tr/th")}
            names = {cell.removesuffix(" required") for cell in shown}
            assert {parameter["name"] for parameter in operation["parameters"]} <= names
            assert set(operation["responses"]) <= names
            assert section.xpath("string(pre)").startswith("curl ")
            assert path in section.xpath("string(pre)")
    for name, schema in document["components"]["schemas"].items():
        fields = page.xpath(f"//section[@id='document-{name}']//tbody/tr/th")
        assert [field.text_content() for field in fields] == list(schema.get("properties", {}))
    filters = page.xpath("//table[contains(@class, 'filters')]/tbody/tr/th")
    assert [key.text_content() for key in filters] == list(FILTERS)
    units = page.xpath("string(//section[@id='document-Destination']//tbody/tr[th='loss'])")
    assert "percent" in units


async def test_anchors_lead_somewhere(client: Any) -> None:
    """Every link within the documentation has its target, once."""
    page = tree(await client.get("/docs"))
    ids = page.xpath("//@id")
    assert len(ids) == len(set(ids))
    links = {link for link in page.xpath("//a/@href") if link.startswith("#")}
    assert len(links) > 30
    assert {link[1:] for link in links} <= set(ids)


@pytest.mark.parametrize("path", ALL_PAGES)
@pytest.mark.parametrize("known", [True, False])
async def test_pages_need_nothing_from_elsewhere(server: Any, path: str, known: bool) -> None:
    """No script, no inline style, no address of another origin; the policy says so too."""
    await server.add(sample_record(random.Random(1)))
    async with server.client(None if known else "") as client:
        answer = await client.get(path)
        if answer.is_redirect:
            answer = await client.get(answer.headers["Location"])
        page = tree(answer)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe-inline" not in policy
        assert not page.xpath(
            "//script[not(starts-with(@src, '/static/'))] | //style | //@style"
            " | //@onclick | //iframe | //base"
        )
        references = page.xpath("//@src | //@href | //@action | //@srcset")
        assert references
        assert all(re.match(r"(/[^/]|/$|#)", reference) for reference in references), references
        for file in page.xpath("//link/@href | //img/@src"):
            assert (await client.get(file)).status_code == 200


async def test_files_are_those_of_the_table(server: Any) -> None:
    """Each with its type, needing no credentials; nothing else, however it is asked for."""
    async with server.client(token="") as client:
        for name, content_type in STATIC.items():
            answer = await client.get(f"/static/{name}")
            assert answer.status_code == 200
            assert answer.headers["Content-Type"] == content_type.decode()
        css = (await client.get("/static/style.css")).text
        for path in ("/static/", "/static/pages.py", "/static/..%2fpages.py", "/static/%2e%2e/pages.py"):
            assert (await client.get(path)).status_code == 404, path
    assert not re.search(r"https?:|url\(|@import", css)


def test_every_file_of_the_folder_is_served() -> None:
    """The table has what the folder has."""
    folder = Path(__file__).parents[3] / "src" / "hopsight" / "server" / "web" / "static"
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    # What libraries are there is told to whoever reads the folder, not to browsers.
    assert files - {"vendor/README.md"} == set(STATIC)


async def test_tables_are_built_for_those_who_listen(server: Any, client: Any) -> None:
    """A caption, scopes on every heading, and a region that the keyboard can scroll."""
    await server.add(sample_record(random.Random(1)))
    for path in ("/", "/last-round", "/docs"):
        page = tree(await client.get(path))
        assert page.get("lang") == "en"
        for table in page.xpath("//table"):
            assert table.xpath("caption")
            assert not table.xpath(".//th[not(@scope)]")
            region = table.getparent()
            assert region is not None
            assert region.get("role") == "region"
            assert region.get("tabindex") == "0"


def _luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = [
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels
    ]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


async def test_colours_have_contrast(client: Any) -> None:
    """Each text colour on each ground that it is used on reaches 4.5:1, light and dark."""
    css = (await client.get("/static/style.css")).text
    schemes = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", part)) for part in css.split(":root {")[1:3]]
    for scheme in schemes:
        assert len(scheme) == 10
        pairs = [
            *[(text, ground) for text in ("text", "muted", "link") for ground in ("ground", "raised")],
            *[(text, "loss-ground") for text in ("text", "muted", "loss", "link")],
            ("on-accent", "accent"),
        ]
        for text, ground in pairs:
            low, high = sorted((_luminance(scheme[text]), _luminance(scheme[ground])))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground)
