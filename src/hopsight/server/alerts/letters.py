"""A message about an incident as an e-mail: plain text, and the same as HTML."""

import re
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from jinja2 import Environment

from hopsight.server.alerts.messages import IncidentMessage, lines_of, title_of

MAX_SUBJECT_CHARS: Final = 150

_HTML: Final = Environment(autoescape=True).from_string(
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title></head>
<body><h1>{{ title }}</h1>
{% for line in lines %}<p>{{ line }}</p>
{% endfor %}<p><a href="{{ link }}">{{ link }}</a></p>
</body></html>
"""
)


def letter(
    message: IncidentMessage, *, sender: str, address: str, delivery_id: str, now_s: float
) -> EmailMessage:
    """An e-mail to one address.

    Args:
        message: what it says.
        sender: the address that it comes from.
        address: who gets it.
        delivery_id: the same for every try: so is the ID of the e-mail.
        now_s: epoch seconds.
    """
    title, lines = title_of(message), lines_of(message)
    state = {"opened": "opened", "resolved": "resolved", "test": "test"}[message.event]
    made = EmailMessage(policy=SMTP)
    made["Subject"] = _subject(f"{title} ({state})")
    made["From"] = sender
    made["To"] = address
    made["Date"] = format_datetime(datetime.fromtimestamp(now_s, UTC))
    made["Message-ID"] = f"<{delivery_id}@{sender.rpartition('@')[2]}>"
    # So that no out-of-office answer comes back.
    made["Auto-Submitted"] = "auto-generated"
    made["X-Hopsight-Delivery"] = delivery_id
    made.set_content("\n".join([title, "", *lines, ""]), cte="quoted-printable")
    html = _HTML.render(title=title, lines=lines[:-1], link=message.link)
    made.add_alternative(html, subtype="html", cte="quoted-printable")
    return made


def _subject(text: str) -> str:
    """One line: a header ends where a line does."""
    return re.sub(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+", " ", text)[:MAX_SUBJECT_CHARS]
