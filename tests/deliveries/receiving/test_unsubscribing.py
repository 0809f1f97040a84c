"""The link under a mail, quoted back to us."""

from datetime import timedelta

import pytest

from contacts.keywords import keywords
from deliveries import links
from deliveries.providers.facts import Inbound
from deliveries.receiving.replies import understood
from deliveries.receiving.writers import writer_of
from deliveries.sending.dispatch import dispatch
from tests import factories
from tests.engine import Fake, person, sending, waiting

pytestmark = pytest.mark.django_db


def answered(now, text):
    """What an answer to a mail of ours is taken for; `{mail}` in it stands for all that the mail said."""
    account, carriers = factories.account(), Fake()
    message = waiting(sending("email"), account, now, person("email", at=now))
    dispatch(now, carriers)
    mail = carriers.left[0].body
    assert links.page(str(message.uuid)) in mail
    written = text.replace("{mail}", mail).replace("{words}", " ".join(mail.split()))
    text = Inbound(
        message.address.value, message.sender.value, "email", written, occurred_at=now + timedelta(hours=1)
    )
    return understood(text, writer_of(text, account.pk), keywords())


@pytest.mark.parametrize(
    "text",
    [
        "See you then!\n\n{mail}",
        "{mail}\nSee you then!",
        "See you then! {words}",
        "Can I come later?\n{words}",
    ],
)
def test_whoever_quotes_the_whole_mail_does_not_ask_to_stop(now, text):
    found = answered(now, text)

    assert (found.kind, found.review) == ("reply", False)


@pytest.mark.parametrize("text", ["unsubscribe\n\n{mail}", "Please stop emailing me.\n\n{words}"])
def test_whoever_asks_to_stop_above_it_does(now, text):
    assert answered(now, text).kind == "stop"
