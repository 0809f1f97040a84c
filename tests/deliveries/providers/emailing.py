"""A mail, and how tests hand it to an email service."""

import asyncio

from deliveries.providers import PROVIDERS
from deliveries.providers.facts import OutboundMessage

REF = "6f1c2b9e-3f0a-4c55-9d1e-0a1b2c3d4e5f"
MESSAGE = OutboundMessage(
    ref=REF,
    channel="email",
    to="robin@example.com",
    sender="Example <news@example.org>",
    subject="Your appointment\r\nat ten",
    body="See you at ten.",
    callback=f"https://waybill.example.com/hooks/token/status?m={REF}&c=email",
)


def send(slug, credentials, message=MESSAGE):
    return asyncio.run(PROVIDERS[slug].send(message, credentials, None))


PAGE = "https://waybill.example.com/u/bG9uZyBlbm91Z2ggdG8gYmUgYSBsaW5rIG9mIG91cnMsIGFuZA"
ONE_CLICK = {"List-Unsubscribe": f"<{PAGE}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


# ---- Amazon SES ------------------------------------------------------------------------------------------

AWS = {
    "access_key_id": "AKIAEXAMPLE",
    "secret_access_key": "not-a-real-key",
    "region": "eu-west-1",
    "configuration_set": "waybill",
}
