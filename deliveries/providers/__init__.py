"""The providers we can hand messages to. A new one is a file here, a code table in `codes/` and a line below."""

from __future__ import annotations

from deliveries.providers.amazon_ses import AmazonSes
from deliveries.providers.bandwidth import Bandwidth
from deliveries.providers.base import Provider
from deliveries.providers.bird import Bird
from deliveries.providers.brevo import Brevo
from deliveries.providers.call_loop import CallLoop
from deliveries.providers.drop_cowboy import DropCowboy
from deliveries.providers.infobip import Infobip
from deliveries.providers.kannel import Kannel
from deliveries.providers.mailersend import MailerSend
from deliveries.providers.mailgun import Mailgun
from deliveries.providers.mailjet import Mailjet
from deliveries.providers.mailtrap import Mailtrap
from deliveries.providers.mandrill import Mandrill
from deliveries.providers.messagebird import MessageBird
from deliveries.providers.messente import Messente
from deliveries.providers.plivo import Plivo
from deliveries.providers.postal import Postal
from deliveries.providers.postmark import Postmark
from deliveries.providers.resend import Resend
from deliveries.providers.sandbox.adapter import Sandbox
from deliveries.providers.sendgrid import SendGrid
from deliveries.providers.sinch import Sinch
from deliveries.providers.slybroadcast import Slybroadcast
from deliveries.providers.smpp import Smpp
from deliveries.providers.smtp import Smtp
from deliveries.providers.sparkpost import SparkPost
from deliveries.providers.telnyx import Telnyx
from deliveries.providers.twilio import Twilio
from deliveries.providers.unisender_go import UnisenderGo
from deliveries.providers.vonage import Vonage

PROVIDERS: dict[str, Provider] = {
    provider.slug: provider
    for provider in (
        Sandbox(),
        AmazonSes(),
        Bandwidth(),
        Bird(),
        Brevo(),
        CallLoop(),
        DropCowboy(),
        Infobip(),
        Kannel(),
        MailerSend(),
        Mailgun(),
        Mailjet(),
        Mailtrap(),
        Mandrill(),
        MessageBird(),
        Messente(),
        Plivo(),
        Postal(),
        Postmark(),
        Resend(),
        SendGrid(),
        Sinch(),
        Slybroadcast(),
        Smpp(),
        Smtp(),
        SparkPost(),
        Telnyx(),
        Twilio(),
        UnisenderGo(),
        Vonage(),
    )
}


def choices() -> list[tuple[str, str]]:
    """Slug and name of every provider, for forms."""
    return [(provider.slug, provider.name) for provider in PROVIDERS.values()]
