"""A campaign with messages to act on, and a marketer."""

import pytest

from contacts.models import Consent
from deliveries.models import Message
from tests import factories, reporting_rows


@pytest.fixture
def campaign():
    made = reporting_rows.campaign([1, 1, 1, 0])
    factories.content(made)
    made.contents.get().sender.accounts.set([Message.objects.first().account])
    for contact in {message.contact for message in made.messages.all()}:
        Consent.objects.create(contact=contact, channel="sms", opted_in=True, how="Web form")
    return made


@pytest.fixture
def marketer(login):
    return login("marketer")
