from datetime import UTC, date, datetime

import pytest
from django.db.models import F
from django.utils import timezone

from campaigns.models import Campaign, Recipient
from dashboard.charts import finding, outcome_by_channel
from dashboard.templatetags.ui import share
from deliveries.models import CarrierTally, DayTally, QueueEntry, RecipientTally, SourceTally
from deliveries.outcomes.campaign_lines import lines
from deliveries.outcomes.day_figures import overview
from deliveries.outcomes.delivery_rate import Outcomes
from deliveries.outcomes.figures import CampaignFigures
from deliveries.outcomes.rounding import percent, percent_of
from deliveries.statuses import Disposition
from tests import factories, reporting_rows


def outcomes(**counts: int) -> Outcomes:
    return Outcomes(counts)


def test_the_rate_counts_what_was_sent_and_leaves_the_canceled_out():
    found = Outcomes({"DELIVERED": 90, "PENDING": 5, "BOUNCED_HARD": 5, "": 50})

    assert found.sent == 100
    assert found.rate == 0.9
    assert found.settled_rate == 90 / 95


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({}, "Nothing sent yet"),
        ({"DELIVERED": 89, "PENDING": 11}, "Too early to judge"),
        ({"DELIVERED": 0, "PENDING": 100}, "Too early to judge"),
        ({"DELIVERED": 90, "PENDING": 10}, "On target"),  # of what has settled, all arrived
        ({"DELIVERED": 40, "BOUNCED_HARD": 11, "PENDING": 49}, "Below 90% (poor)"),  # 89 of 100 at best
        ({"DELIVERED": 40, "BOUNCED_HARD": 10, "PENDING": 50}, "Below 95% (watch)"),  # 90 at best
        ({"DELIVERED": 40, "BOUNCED_HARD": 6, "PENDING": 54}, "Below 95% (watch)"),
        ({"DELIVERED": 40, "BOUNCED_HARD": 5, "PENDING": 55}, "Too early to judge"),  # 95 can still be met
        ({"DELIVERED": 86, "BOUNCED_HARD": 5, "PENDING": 9}, "Below 95% so far (watch)"),
        ({"DELIVERED": 870, "BOUNCED_HARD": 40, "PENDING": 90}, "On target"),
        ({"DELIVERED": 800, "BOUNCED_HARD": 101, "PENDING": 99}, "Below 90% (poor)"),
        ({"DELIVERED": 1, "BOUNCED_HARD": 0, "PENDING": 0, "": 99}, "On target"),
        ({"": 5}, "Nothing sent yet"),
        ({"DELIVERED": 899, "UNKNOWN": 101}, "Below 90% (poor)"),
        ({"DELIVERED": 900, "UNKNOWN": 100}, "Below 95% (watch)"),
        ({"DELIVERED": 949, "UNKNOWN": 51}, "Below 95% (watch)"),
        ({"DELIVERED": 950, "UNKNOWN": 50}, "On target"),
    ],
)
def test_the_verdict_is_in_words(counts, words):
    assert Outcomes(counts).verdict.words == words


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (None, "—"),
        (0, "0%"),
        (0.0004, "<0.1%"),
        (0.0005, "<0.1%"),
        (0.001, "0.1%"),
        (6 / 601, "1.0%"),
        (13_783 / 16_163, "85.3%"),
        (0.131, "13.1%"),
        (0.8996, "89.9%"),
        (0.9, "90.0%"),
        (0.9496, "94.9%"),
        (0.95, "95.0%"),
        (0.9506, "95.1%"),
        (0.9999, "99.9%"),
        (1, "100%"),
    ],
)
def test_a_rate_is_never_rounded_up_over_a_mark_and_a_little_is_never_none(share, words):
    assert percent(share) == words


@pytest.mark.parametrize("n", [0, 1, 46, 1_000, 8_996, 9_499, 9_999, 10_000])
def test_a_rate_a_share_and_the_end_of_a_bar_are_written_alike(n):
    arrived = {"sms": outcomes(DELIVERED=n, BOUNCED_HARD=10_000 - n)}
    figure = outcome_by_channel(arrived)

    assert percent(arrived["sms"].settled_rate) == share(n, 10_000) == percent_of(n, 10_000)
    assert figure["layout"]["annotations"][0]["text"] == share(10_000 - n, 10_000)
    for trace in figure["data"]:
        assert trace["text"] == [f"{10_000 - n:,} ({share(10_000 - n, 10_000)})"]


@pytest.mark.django_db
def test_numbers_that_add_up_say_so():
    campaign = reporting_rows.campaign([0, 1, 2, 3, 4, 5, 6])
    skipped = factories.recipient(campaign, state=Recipient.State.SKIPPED, skip_reason="no_consent")
    Campaign.objects.filter(pk=campaign.pk).update(expanded_count=F("expanded_count") + 1)
    reporting_rows.count()
    campaign.refresh_from_db()

    checks = CampaignFigures(campaign).checks()

    assert [check.adds_up for check in checks] == [True, True]
    assert ("skipped", 1) in checks[0].parts
    assert skipped.state == "skipped"


@pytest.mark.django_db
@pytest.mark.parametrize("tally", [CarrierTally, SourceTally, RecipientTally])
def test_numbers_that_do_not_add_up_are_shown_as_such(tally):
    campaign = reporting_rows.campaign([0, 1, 2])
    cell = tally.objects.filter(campaign_id=campaign.pk).first()
    cell.n += 5
    cell.save()

    assert not all(check.adds_up for check in CampaignFigures(campaign).checks())


@pytest.mark.django_db
def test_causes_are_what_was_not_delivered_most_frequent_first():
    campaign = reporting_rows.campaign([0, 0, 1, 1, 1, 2, 3, 6])

    causes = CampaignFigures(campaign).all_causes

    assert [(cause.code, cause.n) for cause in causes] == [("30003", 3), ("", 1), ("30005", 1)]


@pytest.mark.django_db
def test_the_line_of_a_bucket_names_its_worst_source():
    lists = [factories.contact_list(name="Partner list B"), factories.contact_list(name="Front desk")]
    campaign = reporting_rows.campaign([2, 0, 2, 2], lists=lists)

    kpis = CampaignFigures(campaign).kpis({one.pk: one.name for one in lists})

    permanent = next(kpi for kpi in kpis if kpi.bucket == "permanent")
    assert (permanent.n, permanent.line) == (3, "66.7% from Partner list B")


@pytest.mark.django_db
def test_a_list_of_campaigns_costs_the_same_however_many_there_are(django_assert_num_queries):
    campaigns = [reporting_rows.campaign([0, 1]) for _ in range(3)]

    with django_assert_num_queries(4):
        found = lines(campaigns, timezone.now())

    assert [line.outcomes.rate for line in found] == [0.5] * 3


@pytest.mark.django_db
def test_the_overview_counts_utc_days_and_the_days_before():
    for day, n in ((4, 10), (1, 20), (2, 30)):
        DayTally.objects.create(
            day=date(2026, 3, day),
            channel="sms",
            account_id=1,
            carrier="Carrier A",
            disposition="DELIVERED",
            n=n,
        )
    DayTally.objects.create(
        day=date(2026, 2, 25), channel="sms", account_id=1, carrier="Carrier A", disposition="UNKNOWN", n=7
    )

    found = overview(7, datetime(2026, 3, 4, tzinfo=UTC))

    assert found.outcomes.delivered == 60
    assert found.before.sent == 7
    assert len(found.carriers.spans) == 7
    assert [cell.outcomes.sent for cell in found.carriers.rows[0][2]] == [0, 0, 0, 20, 30, 0, 10]
    assert [cell.outcomes.sent for cell in found.carriers.filled.rows[0][2]] == [20, 30, 10]
    assert [first.day for first, _ in found.carriers.filled.spans] == [1, 2, 4]


@pytest.mark.django_db
@pytest.mark.parametrize("days", [7, 30, 90])
def test_every_day_of_a_period_stands_in_exactly_one_column(days):
    spans = overview(days, datetime(2026, 3, 4, 23, 59, tzinfo=UTC)).carriers.spans

    covered = sum((last - first).days + 1 for first, last in spans)
    assert covered == days
    assert spans[-1][1] == date(2026, 3, 4)


def test_a_chart_opens_on_what_was_not_delivered_and_names_no_colour():
    channels = {"sms": outcomes(DELIVERED=90, UNKNOWN=10), "email": outcomes(DELIVERED=99, PENDING=1)}

    figure = outcome_by_channel(channels)

    assert "success" not in [trace["meta"] for trace in figure["data"]]
    assert [note["text"] for note in figure["layout"]["annotations"]] == ["10.0%", "1.0%"]
    assert figure["layout"]["template"] == "none"
    assert "color" not in str(figure)


def test_a_chart_of_everything_fills_every_bar():
    figure = outcome_by_channel({"sms": outcomes(DELIVERED=90, UNKNOWN=10)}, everything=True)

    assert sum(trace["x"][0] for trace in figure["data"]) == 100
    assert next(trace["meta"] for trace in figure["data"]) == "success"


def test_a_chart_of_nothing_is_empty_and_says_so():
    assert outcome_by_channel({"sms": outcomes()})["data"] == []
    assert finding({}) == "Nothing has been sent yet."


def test_buckets_keep_one_order_in_every_stack():
    figure = outcome_by_channel({"sms": Outcomes(dict.fromkeys(Disposition, 1))}, everything=True)

    assert [trace["name"] for trace in figure["data"]] == [one.label for one in Disposition]


@pytest.mark.parametrize(
    ("counts", "band"),
    [
        ({}, ""),
        ({"DELIVERED": 90, "BOUNCED_HARD": 10}, ""),
        ({"DELIVERED": 90, "UNKNOWN": 5, "BOUNCED_HARD": 5}, "Between 90.0% and 95.0%: 5 have no receipt"),
        ({"DELIVERED": 950_500, "UNKNOWN": 1, "BOUNCED_HARD": 49_499}, ""),
    ],
)
def test_what_is_unknown_makes_the_rate_a_band(counts, band):
    assert Outcomes(counts).band == band


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("planned", "line"),
    [
        (0, "3 need attention"),
        (1, "2 need attention, 1 planned"),
        (2, "1 needs attention, 2 planned"),
        (3, "3 planned"),
    ],
)
def test_the_retryable_say_how_many_wait_for_somebody(planned, line):
    campaign = reporting_rows.campaign([1, 1, 1, 0])
    chosen = QueueEntry.objects.order_by("pk").values("pk")[:planned]
    QueueEntry.objects.filter(pk__in=list(chosen.values_list("pk", flat=True))).update(due_at=timezone.now())

    kpis = CampaignFigures(campaign).kpis({})

    retryable = next(kpi for kpi in kpis if kpi.bucket == "retryable")
    assert (retryable.n, retryable.line) == (3, line)


@pytest.mark.django_db
def test_a_retry_that_was_made_needs_nobody():
    campaign = reporting_rows.campaign([1, 1])
    QueueEntry.objects.earliest("pk").delete()

    [line] = [kpi.line for kpi in CampaignFigures(campaign).kpis({}) if kpi.bucket == "retryable"]

    assert line == "1 needs attention, 1 retried, moved or closed"
