"""The providers we can hand messages to. A new one is a file here, a code table in `codes/` and a line below."""

from __future__ import annotations

from deliveries.providers.bandwidth import Bandwidth
from deliveries.providers.base import Provider
from deliveries.providers.call_loop import CallLoop
from deliveries.providers.drop_cowboy import DropCowboy
from deliveries.providers.infobip import Infobip
from deliveries.providers.kannel import Kannel
from deliveries.providers.messente import Messente
from deliveries.providers.plivo import Plivo
from deliveries.providers.sandbox import Sandbox
from deliveries.providers.sinch import Sinch
from deliveries.providers.slybroadcast import Slybroadcast
from deliveries.providers.smpp import Smpp
from deliveries.providers.smtp import Smtp
from deliveries.providers.telnyx import Telnyx
from deliveries.providers.twilio import Twilio
from deliveries.providers.vonage import Vonage

PROVIDERS: dict[str, Provider] = {
    provider.slug: provider
    for provider in (
        Sandbox(),
        Bandwidth(),
        CallLoop(),
        DropCowboy(),
        Infobip(),
        Kannel(),
        Messente(),
        Plivo(),
        Sinch(),
        Slybroadcast(),
        Smpp(),
        Smtp(),
        Telnyx(),
        Twilio(),
        Vonage(),
    )
}


def choices() -> list[tuple[str, str]]:
    """Slug and name of every provider, for forms."""
    return [(provider.slug, provider.name) for provider in PROVIDERS.values()]
