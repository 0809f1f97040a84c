"""Email over plain SMTP, and the reports that mail servers send back by mail.

The protocol stands in RFC 5321, asking for reports in RFC 3461, the reports in RFC 3464.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from deliveries.providers.base import Provider
from deliveries.providers.facts import Call, Fact, OutboundMessage, SendResult, Unreadable
from deliveries.providers.kit.client import HttpClient
from deliveries.providers.kit.moment import its_moment
from deliveries.providers.mail.mail_facts import facts
from deliveries.providers.mail.mail_reading import read
from deliveries.providers.mail.smtp_sending import hand_over
from deliveries.providers.smtp_marks import ENVELOPE_TO, origin, proven


class Smtp(Provider):
    slug = "smtp"
    name = "Email by SMTP"
    channels = frozenset({"email"})
    credential_fields = {
        "host": "Mail server",
        "port": "Port",
        "bounce_address": "Address that bounces come back to",
        "secret": "Secret in bounce addresses",
    }
    optional_fields = {
        "username": "User name",
        "password": "Password",
        "tls": "TLS: starttls, ssl or none (by the port and the password when empty)",
        "imap_host": "Mail server to fetch bounces from",
        "imap_port": "Its port (993 when empty)",
        "imap_user": "Its user name",
        "imap_password": "Its password",
        "imap_folder": "Folder of the bounces (INBOX when empty)",
    }
    proof_field = "secret"
    signs_body = False
    # Connections: a part of the 50 that Postfix allows a client (smtpd_client_connection_count_limit).
    at_a_time = 10
    kinds = frozenset({"dsn"})
    headers_kept = Provider.headers_kept | {ENVELOPE_TO}

    def verify(self, call: Call, credentials: Mapping[str, str]) -> bool:
        """Whether the envelope recipient is a token that we made. Others may still be about mail of ours."""
        return proven(call.headers.get(ENVELOPE_TO, ""), str(credentials.get("secret") or ""))

    def parse(self, kind: str, call: Call) -> list[Fact]:
        if kind != "dsn":
            raise Unreadable(f"kind: {kind!r} is not dsn.")
        mail = read(call.body)
        return list(facts(mail, origin(call, mail)))

    async def send(
        self, message: OutboundMessage, credentials: Mapping[str, str], client: HttpClient
    ) -> SendResult:
        await its_moment()
        return await asyncio.to_thread(hand_over, message, credentials)
