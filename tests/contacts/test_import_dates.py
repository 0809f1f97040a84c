"""The order in which the dates of a file are written: guessed from its first lines, told by all of them."""

import io

import pytest
from django.utils import timezone

from contacts import import_dates, import_files, import_runs
from contacts.headers import UnreadableFile
from contacts.import_options import ImportOptions
from contacts.models import Consent, Contact, ContactImport, ImportChunk

pytestmark = pytest.mark.django_db

USES = ["phone", "consent_at", "agreed:sms"]


@pytest.fixture
def in_parts(monkeypatch):
    """Parts of two lines, of which the first two are guessed from."""
    monkeypatch.setattr(import_files, "AT_ONCE", 2)
    monkeypatch.setattr(import_dates, "GUESSED_FROM", 2)


def upload(*dates, order=""):
    lines = [f"512555{100 + n:04d},{date},yes" for n, date in enumerate(dates)]
    text = "\n".join(["phone,opt in date,sms consent", *lines])
    draft = import_files.store_upload(
        io.BytesIO(text.encode()), name="people.csv", by=None, now=timezone.now()
    )
    options = ImportOptions(
        uses=USES, region="US", list_name="Fair", how="Web form", wording="Text me.", dates=order
    )
    return draft, options


def imported(draft, options):
    guessed = import_dates.guess(draft, options)
    draft.options = options.as_json() | {"day_first": guessed}
    draft.save()
    assert import_runs.start(draft, timezone.now())
    while draft.is_under_way:
        import_runs.run(timezone.now())
        draft.refresh_from_db()
    return draft


@pytest.mark.parametrize("order", ["", "day-first"])
def test_the_guess_looks_at_a_few_parts_however_long_the_file_is(
    in_parts, monkeypatch, django_assert_max_num_queries, order
):
    draft, options = upload("25/03/2026", *["03/04/2026"] * 40, order=order)
    looked_at = []
    rows = ImportChunk.rows
    monkeypatch.setattr(ImportChunk, "rows", lambda chunk: looked_at.append(chunk.number) or rows(chunk))

    with django_assert_max_num_queries(1):
        assert import_dates.guess(draft, options)

    assert looked_at == ([] if order else [0, 1])


def test_what_the_first_lines_leave_open_is_asked_for(in_parts):
    draft, options = upload("03/04/2026", "", "03/05/2026", "", "25/03/2026")

    with pytest.raises(UnreadableFile, match="Choose below how they are meant"):
        import_dates.guess(draft, options)


@pytest.mark.parametrize(
    ("dates", "month"),
    [
        (["", "", "", "", "25/03/2026", "03/04/2026"], 4),  # the first lines have no date at all
        (["", "", "", "", "03/25/2026", "03/04/2026"], 3),
        (["25/03/2026", "", "", "", "", "03/04/2026"], 4),
        (["03/25/2026", "", "", "", "", "03/04/2026"], 3),
    ],
)
def test_all_lines_tell_before_the_first_is_imported(in_parts, dates, month):
    one = imported(*upload(*dates))

    assert one.state == ContactImport.State.DONE
    last = Contact.objects.get(addresses__value="+15125550105")
    at = timezone.localtime(Consent.objects.get(contact=last, channel="sms").at)
    assert (at.month, at.day) == (month, 7 - month)


@pytest.mark.parametrize(
    ("dates", "why"),
    [
        (["25/03/2026", "", "", "", "", "03/25/2026"], "the day on line 2 (“25/03/2026”) and with the month on line 7"),
        (["", "", "", "", "", "03/04/2026"], "can be read in two ways, such as “03/04/2026” on line 7"),
    ],
)  # fmt: skip
def test_dates_that_leave_it_open_or_contradict_each_other_import_nothing(in_parts, login, dates, why):
    one = imported(*upload(*dates))

    assert one.state == ContactImport.State.FAILED
    assert why in one.failure
    assert not Contact.objects.exists()
    page = " ".join(login("admin").get(f"/contacts/import/{one.pk}/").content.decode().split())
    assert "Choose how they are meant. Nothing was imported: upload the file again." in page


def test_a_choice_needs_no_look(in_parts):
    one = imported(*upload("03/25/2026", "", "", "", "", "25/03/2026", "03/04/2026", order="day-first"))

    assert one.dates_seen == {}
    assert (one.state, one.added, one.refused) == ("done", 6, 1)  # there is no 25th month
