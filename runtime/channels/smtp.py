"""E-mail: plain text in UTF-8, one mail a recipient, with a Message-ID that is the same at every try."""

from __future__ import annotations

import asyncio
import hashlib
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from builder.kernel.text import Text, say
from runtime.channels.base import ChannelOptions, Delivered, Outcome, Rate, Refused, Roads, Sending, only_letters
from runtime.net.smtp import MailRefused, MailServer

_BUSY_SECONDS = 60.0


class Smtp:
    """A mail server."""

    kind: ClassVar[str] = "smtp"
    title: ClassVar[Text] = say("邮件(SMTP)", "E-mail (SMTP)")
    secret_names: ClassVar[tuple[str, ...]] = ("password",)
    needed: ClassVar[int] = 0
    rate: ClassVar[Rate | None] = None
    merges: ClassVar[bool] = False
    carries: ClassVar[Literal["letters", "calls", "both"]] = "letters"
    to_each: ClassVar[Literal["email", "phone", "none"]] = "email"

    class Options(ChannelOptions):
        """The server and who the mails come from."""

        host: str = Field(min_length=1, max_length=253, description="Name or address of the server.")
        port: int = Field(587, ge=1, le=65535)
        security: Literal["starttls", "tls", "none"] = Field("starttls", description="How the way there is protected.")
        username: str | None = Field(None, max_length=200)
        sender: str = Field(
            pattern=r"^[^@\s<>]+@[^@\s<>]+$", max_length=254, description="Address the mails come from."
        )
        sender_name: str = Field("", max_length=100)

        @field_validator("sender_name", "host")
        @classmethod
        def _one_line(cls, text: str) -> str:
            if not text.isprintable():
                raise ValueError("write it on one line")
            return text

    async def deliver(self, sending: Sending, roads: Roads) -> Outcome:
        """Hand one mail in."""
        options: Smtp.Options = sending.options
        letter = only_letters(sending)[0]
        if letter.recipient is None or not letter.recipient.email:
            return Refused(say("收件人没有邮箱", "The recipient has no e-mail address"), final=True)
        message = EmailMessage()
        message["Subject"] = " ".join(letter.subject.pick(letter.language).split())[:200]
        message["From"] = Address(options.sender_name, addr_spec=options.sender)
        message["To"] = Address(letter.recipient.name, addr_spec=letter.recipient.email)
        message["Date"] = format_datetime(sending.now)
        digest = hashlib.sha256(f"{sending.key} {letter.recipient.email}".encode()).hexdigest()[:32]
        message["Message-ID"] = f"<{digest}@{options.sender.partition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        link = f"\n\n{letter.link}" if letter.link else ""
        message.set_content(letter.text.pick(letter.language) + link + "\n", cte="base64")
        password = sending.secrets.get("password")
        server = MailServer(options.host, options.port, options.security, options.username, password)
        try:
            await asyncio.to_thread(roads.mail, server, message, letter.recipient.email, options.sender)
        except MailRefused as refused:
            reason = say(
                f"邮件服务器回答 {refused.code}:{refused}", f"The mail server answered {refused.code}: {refused}"
            )
            return Refused(reason, refused.final, None if refused.final else _BUSY_SECONDS)
        return Delivered()
