"""E-mail by the mail server that the operator has set: encrypted unless they say otherwise, one at a time."""

import ssl
from typing import Final

import aiosmtplib

from hopsight.clock import Clock
from hopsight.config import SmtpConfig
from hopsight.server.alerts.letters import letter
from hopsight.server.alerts.messages import IncidentMessage, NotTakenError

TIMEOUT_S: Final = 15.0
_PERMANENT: Final = 500


class MailClient:
    """Sends e-mails; of what a server answers only its number is told: the text may be about people.

    Args:
        config: the mail server.
        clock: the time, for dates.
    """

    def __init__(self, config: SmtpConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock

    async def send(self, address: str, message: IncidentMessage, delivery_id: str) -> None:
        """Send one e-mail to one address.

        Raises:
            NotTakenError: it was not taken.
        """
        config = self._config
        made = letter(
            message,
            sender=config.mail_from,
            address=address,
            delivery_id=delivery_id,
            now_s=self._clock.now(),
        )
        try:
            client = self._client()
            async with client:
                if config.user is not None:
                    await client.login(config.user, self._password())
                await client.send_message(made, sender=config.mail_from, recipients=[address])
        except aiosmtplib.SMTPAuthenticationError as error:
            # Not for good: somebody will mend the password.
            raise NotTakenError(f"the mail server does not let us in ({error.code})") from None
        except aiosmtplib.SMTPRecipientsRefused as error:
            code = error.recipients[0].code
            raise _refused(code, f"the mail server refuses the address ({code})") from None
        except aiosmtplib.SMTPResponseException as error:
            raise _refused(error.code, f"the mail server answered {error.code}") from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
            raise NotTakenError(f"the mail server cannot be used ({type(error).__name__})") from None

    def _client(self) -> aiosmtplib.SMTP:
        config = self._config
        context = None
        if config.security != "none":
            context = ssl.create_default_context(
                cafile=None if config.ca_file is None else str(config.ca_file)
            )
        return aiosmtplib.SMTP(
            hostname=config.host,
            port=config.port,
            timeout=TIMEOUT_S,
            use_tls=config.security == "tls",
            start_tls=config.security == "starttls",
            tls_context=context,
        )

    def _password(self) -> str:
        file = self._config.password_file
        return "" if file is None else file.read_text(encoding="utf-8").strip()


def _refused(code: int, reason: str) -> NotTakenError:
    return NotTakenError(reason, permanent=code >= _PERMANENT)
