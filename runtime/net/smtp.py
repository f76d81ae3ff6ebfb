"""Mail over SMTP: one message, one connection, in a thread. smtplib is plain but complete; STARTTLS and certificates are checked."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Literal

SECONDS = 20.0
Security = Literal["starttls", "tls", "none"]


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed in. The administrator chose it, so it may be inside the house."""

    host: str
    port: int
    security: Security
    username: str | None
    password: str | None


class MailRefused(Exception):
    """The server refused; ``code`` is its reply code, ``final`` whether trying again makes no sense (5xx)."""

    def __init__(self, code: int | None, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.final = code is not None and 500 <= code < 600


def send_mail(server: MailServer, message: EmailMessage, recipient: str, sender: str) -> None:
    """Hand one message in. Blocks; run it in a thread.

    Raises:
        MailRefused.
    """
    try:
        with _connect(server) as session:
            if server.security == "starttls":
                session.starttls(context=ssl.create_default_context())
            if server.username is not None:
                session.login(server.username, server.password or "")
            session.send_message(message, from_addr=sender, to_addrs=[recipient])
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        raise MailRefused(code, _words(text)) from None
    except smtplib.SMTPResponseException as error:
        raise MailRefused(error.smtp_code, _words(error.smtp_error)) from None
    except (smtplib.SMTPException, OSError) as error:
        raise MailRefused(None, str(error) or type(error).__name__) from None


def _connect(server: MailServer) -> smtplib.SMTP:
    if server.security == "tls":
        return smtplib.SMTP_SSL(server.host, server.port, timeout=SECONDS, context=ssl.create_default_context())
    return smtplib.SMTP(server.host, server.port, timeout=SECONDS)


def _words(text: bytes | str) -> str:
    return text.decode(errors="replace") if isinstance(text, bytes) else text
