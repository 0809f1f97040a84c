"""Many rows at once are the rows that `bulk_create` would have written."""

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction
from django.forms.models import model_to_dict

from contacts.models import Address, Contact, ImportedContact
from contacts.models.addresses import addresses_saved
from contacts.row_writing import Blank, insert, insert_values
from tests import factories

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)
ODD = 'Zoë "Tab"\t\\N, new\nline, ‘’ and \\.'


def people():
    fields = {"created_at": AT, "attributes": {"city": ODD, "n": 3}, "locale": "", "value_tier": 7}
    return [Contact(name=name, external_id="7", **fields) for name in (ODD, "", "Kim Day")]


def test_every_column_is_written_as_bulk_create_does():
    source = factories.contact_list()
    ours, theirs = people(), people()
    for one in (*ours, *theirs):
        one.source = source

    insert(Contact, ours)
    Contact.objects.bulk_create(theirs)

    ids = [one.pk for one in ours]
    assert len({*ids, *(one.pk for one in theirs)}) == 6
    stored = Contact.objects.in_bulk()
    names = [
        field.attname for field in Contact._meta.concrete_fields if field.name not in ("id", "updated_at")
    ]
    for mine, other in zip(ours, theirs, strict=True):
        assert [getattr(stored[mine.pk], name) for name in names] == [
            getattr(stored[other.pk], name) for name in names
        ]
        assert stored[mine.pk].updated_at > AT
        assert not mine._state.adding
    assert model_to_dict(stored[ids[0]])["name"] == ODD
    assert Contact.objects.filter(attributes__city=ODD).count() == 6


def test_ids_go_on_where_others_stopped_and_others_after_them():
    before = factories.contact()

    insert(Contact, people())
    after = factories.contact()

    ids = sorted(Contact.objects.values_list("pk", flat=True))
    assert ids[0] == before.pk
    assert ids[-1] == after.pk
    assert len(ids) == len(set(ids)) == 5


def test_the_keys_of_addresses_are_worked_out_and_their_signal_is_sent():
    heard = []
    one = factories.contact()
    made = [Address(contact=one, kind="email", value="Robin.Lee+x@gmail.com")]

    def receiver(addresses, **_):
        heard.extend(each.match_key for each in addresses)

    addresses_saved.connect(receiver)
    try:
        Address.objects.insert(made)
    finally:
        addresses_saved.disconnect(receiver)

    assert heard == ["robinlee@gmail.com"]
    assert Address.objects.get(match_key="robinlee@gmail.com").pk == made[0].pk


def test_rows_of_values_get_their_ids_from_the_database():
    from contacts.models import ContactImport

    one, person = ContactImport.objects.create(file_name="a.csv"), factories.contact()
    names = ("contact_import_id", "contact_id", "line", "added", "joins", "before", "at", "kept")

    insert_values(
        ImportedContact, names, [(one.pk, person.pk, 2, True, False, {"fields": {"name": ["", ODD]}}, AT, "")]
    )

    row = ImportedContact.objects.get()
    assert (row.contact, row.line, row.added, row.joins, row.at) == (person, 2, True, False, AT)
    assert row.before == {"fields": {"name": ["", ODD]}}


def test_a_row_that_may_not_be_keeps_all_of_them_out():
    one = factories.contact()
    twice = [Address(contact=one, kind="email", value="robin@example.com") for _ in range(2)]

    with pytest.raises(IntegrityError), transaction.atomic():
        Address.objects.insert(twice)

    assert not Address.objects.exists()


def test_nothing_is_nothing():
    insert(Contact, [])


def test_a_blank_is_what_the_model_makes_and_shares_nothing():
    blank = Blank(Contact)
    mine, plain = blank(name="Robin", created_at=AT), Contact(name="Robin", created_at=AT)

    names = [field.attname for field in Contact._meta.concrete_fields]
    assert [getattr(mine, name) for name in names] == [getattr(plain, name) for name in names]
    assert mine.attributes is not blank().attributes

    mine.source = source = factories.contact_list()
    mine.save()
    stored = Contact.objects.get()
    assert (stored.source, stored.name, blank().source_id) == (source, "Robin", None)
