"""Unknown codes, alarms and mail that was never sent."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from deliveries.models import Backscatter, CodeAlarm
from tests.dashboard.mappings.steps import alarm, save, seen, text

pytestmark = pytest.mark.django_db


def test_with_nothing_to_do_the_overview_says_so(admin):
    page = text(admin.get("/mappings/"))

    assert "Every code is known" in page
    assert "No alarms." in page
    assert "Version 1 Came with the product" in page


def test_unknown_codes_stand_in_order_of_their_number_each_with_a_form(admin, account):
    seen(account, native_code="31998", n=2)
    often = seen(account, native_code="31999", n=9, receipt_id=5)
    seen(account, native_code="30005", known=True, n=99)

    page = admin.get("/mappings/").content.decode()

    rows = re.findall(r'<th scope="row" class="t-code">.*?<code class="what">(\w+)', page)
    assert rows == ["31999", "31998"]
    assert f"code=31999&amp;seen={often.pk}" in page
    assert 'href="/mappings/try/?receipt=5#result"' in page


def test_a_code_that_is_in_the_draft_says_so_in_the_queue(admin, account):
    seen(account)
    save(admin, code="31999")

    page = text(admin.get("/mappings/"))

    assert "In the draft" in page
    assert "A draft with 1 change is waiting." in page


def test_an_alarm_about_an_unknown_code_leads_to_its_form_and_others_to_the_rows(admin, account):
    one = seen(account)
    alarm(account)
    alarm(account, kind="share", code="30005", sentence="More of 30005.")

    page = html.unescape(admin.get("/mappings/").content.decode())

    assert re.search(rf'code=31999&seen={one.pk}" data-open>What is 31999\?', page)
    assert '"/mappings/codes/?s=30005" data-open>More of 30005.' in page


def test_an_alarm_is_closed_by_somebody_and_kept(admin, account):
    first, second = alarm(account), alarm(account, code="31998", sentence="What is 31998?")

    admin.post("/mappings/alarms/close/", {"alarm": first.pk})
    first.refresh_from_db()

    assert (first.closed_by, first.closed_at is not None) == (admin.user, True)
    page = text(admin.get("/mappings/"))
    assert second.sentence in page
    assert first.sentence not in page


def test_closing_all_spares_alarms_that_nobody_has_seen(admin, account):
    for code in "abc":
        alarm(account, code=code)
    last_seen = CodeAlarm.objects.get(code="b").pk

    answer = admin.post("/mappings/alarms/close/", {"upto": last_seen}, follow=True)

    assert "2 alarms closed." in text(answer)
    assert CodeAlarm.objects.get(closed_at=None).code == "c"


def test_closing_all_asks_first_and_names_how_many(admin, account):
    for n in range(8):
        alarm(account, code=f"c{n}")

    page = admin.get("/mappings/").content.decode()

    before, dialog = page.split('<dialog popover class="dialog" id="close-alarms"')
    assert 'name="upto"' not in before
    assert "8 alarms are closed, also those that are not listed here." in re.sub(r"\s+", " ", dialog)
    assert "Close 8 alarms</button>" in dialog


@pytest.mark.parametrize("given", [{}, {"alarm": "x"}, {"alarm": "9" * 30}, {"upto": "-1"}, {"alarm": "77"}])
def test_closing_nothing_is_answered_in_words(admin, account, given):
    alarm(account)

    answer = admin.post("/mappings/alarms/close/", given, follow=True)

    assert "Nothing was closed" in text(answer)
    assert CodeAlarm.objects.filter(closed_at=None).exists()


def test_mail_that_was_never_sent_is_noticed_with_what_to_check(admin, account):
    now = timezone.now()
    Backscatter.objects.create(
        account_id=account.pk, address="someone@example.net", text="Spam from you", at=now
    )
    Backscatter.objects.create(
        account_id=account.pk, address="old@example.net", text="Old", at=now - timedelta(days=9)
    )

    assert "Somebody may be using your address. 1 report in the last 7 days is about" in text(
        admin.get("/mappings/")
    )
    page = text(admin.get("/mappings/backscatter/"))
    assert all(word in page for word in ("someone@example.net", "Spam from you", "Old", "Password", "DMARC"))


def test_addresses_of_backscatter_are_masked_without_the_permission_to_see_them(
    login, make_user, tables, account
):
    reader = make_user("")
    names = ["view_codemapping", "view_backscatter"]
    reader.user_permissions.set(Permission.objects.filter(codename__in=names))
    Backscatter.objects.create(
        account_id=account.pk, address="someone@example.net", text="Spam", at=timezone.now()
    )

    assert "someone@example.net" not in text(login(user=reader).get("/mappings/backscatter/"))


def test_the_overview_costs_the_same_with_much_to_tell(
    admin, account, django_assert_num_queries, django_assert_max_num_queries
):
    save(admin)
    seen(account, native_code="x1"), alarm(account)
    with django_assert_max_num_queries(27) as few:
        admin.get("/mappings/")
    first = len(few.captured_queries)
    for n in range(20):
        seen(account, native_code=f"y{n}"), alarm(account, code=f"y{n}")
        Backscatter.objects.create(
            account_id=account.pk, address=f"{n}@example.net", text="x", at=timezone.now()
        )
        save(admin, code=f"y{n}")
    with django_assert_num_queries(first + 1):  # the time of the newest backscatter report
        admin.get("/mappings/")
