"""Work that fails: it holds up nothing else, is tried ever later, and is set aside in the end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DataError, OperationalError, transaction

from campaigns.models import Campaign, Recipient
from contacts.models import Suppression
from deliveries.bulk import actions, previewing
from deliveries.bulk.selections import Selection
from deliveries.deciding import followup
from deliveries.deciding.followup import follow_due, follow_failed, follow_status_changes, settle
from deliveries.ledger import quarantine
from deliveries.ledger.quarantine import PAUSES, Kind, isolated, run
from deliveries.models import Batch, BatchItem, CampaignStop, Outbox, Quarantined, StatusChange
from deliveries.outcomes.narrowing import OutcomeView
from deliveries.running import again, drain
from deliveries.sending import expansion, launching
from deliveries.sending.dispatch import dispatch
from deliveries.statuses import FailureClass, Fault, Meaning, Status
from tests import factories
from tests.engine import ABSENT, DELIVERED, Fake, agree, person, report, sending, waiting, work

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
COMPLAINT = Meaning(Status.COMPLAINED, FailureClass.OPT_OUT, Fault.RECIPIENT)


@pytest.fixture
def account():
    return factories.account()


@pytest.fixture
def campaign(account):
    made = sending("sms")
    made.playbook.switch_to = []
    made.playbook.save()
    return made


def refuse(*ids):
    """An act that cannot stand these ids."""

    def act(part):
        if set(ids) & set(part):
            raise ValueError("I cannot stand it.")

    return act


def break_deciding(monkeypatch, *recipients, problem=None):
    """From now on, deciding about these raises."""
    honest, problem = followup.arguments, problem or RuntimeError("no such zone")

    def arguments(view, known):
        if view.recipient.pk in recipients:
            raise problem
        return honest(view, known)

    monkeypatch.setattr(followup, "arguments", arguments)


# ---- The tools -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [[], [1], [7], [3, 4], [1, 8], list(range(1, 9))])
def test_only_what_is_at_fault_is_left_out(wrong):
    done, at_fault = [], []

    def act(part):
        refuse(*wrong)(part)
        done.extend(part)

    isolated(range(1, 9), act, lambda pk, problem: at_fault.append(pk))

    assert sorted(at_fault) == wrong
    assert sorted(done) == [pk for pk in range(1, 9) if pk not in wrong]


def test_what_failed_leaves_no_trace_of_its_half():
    def act(part):
        for pk in part:
            StatusChange.objects.create(message_id=pk)
        refuse(2)(part)

    isolated([1, 2, 3, 4], act, lambda pk, problem: None)

    assert sorted(StatusChange.objects.values_list("message_id", flat=True)) == [1, 3, 4]


@pytest.mark.parametrize("problem", [OperationalError("database is locked"), OperationalError("deadlock")])
def test_a_busy_database_is_nobodys_fault(problem, now):
    def act(part):
        raise problem

    with pytest.raises(OperationalError):
        isolated([1, 2], act, pytest.fail)
    with pytest.raises(OperationalError):
        run(Kind.PREPARE, 1, lambda: act([1]), now)

    assert not Quarantined.objects.filter(attempts__gt=0).exists()


def test_an_attempt_is_counted_before_it_is_made(now):
    seen = []

    run(Kind.PREPARE, 7, lambda: seen.append(Quarantined.objects.get().attempts) or 1, now)

    assert seen == [1]
    assert not Quarantined.objects.exists()


def test_what_ends_its_process_each_time_is_set_aside_with_that_as_its_reason(now):
    def die():
        raise KeyboardInterrupt

    for _ in range(len(PAUSES) + 1):
        with pytest.raises(KeyboardInterrupt):
            run(Kind.PREPARE, 7, die, now)
        now += PAUSES[-1]

    assert run(Kind.PREPARE, 7, die, now + 9 * HOUR) == 0
    assert quarantine.reasons(Kind.PREPARE, [7]) == {7: quarantine.NO_END}


def test_what_fails_is_tried_ever_later_and_in_the_end_not_at_all(now):
    tried = []

    def fail():
        tried.append(1)
        raise ValueError

    def tries(at):
        before = len(tried)
        run(Kind.PREPARE, 7, fail, at)
        return len(tried) > before

    for pause in PAUSES:
        assert tries(now)
        assert not tries(now + pause - timedelta(milliseconds=1))
        now += pause
    assert tries(now)
    assert not tries(now + 99 * HOUR)


def test_rows_of_work_that_ended_otherwise_are_forgotten(now):
    quarantine.failed(Kind.PREPARE, 1, ValueError("x"), now)
    quarantine.set_aside(Kind.BATCH, 2, "x", now)

    quarantine.forget_stale(now + 2 * quarantine.STALE)

    assert list(Quarantined.objects.values_list("kind", flat=True)) == [Kind.BATCH]


def test_a_reason_that_the_database_cannot_hold_is_made_one_it_can(now):
    quarantine.failed(Kind.PREPARE, 1, ValueError("\x00\ud800" + "x" * 400), now)

    assert 250 < len(Quarantined.objects.get().reason) <= quarantine.LONGEST_REASON


# ---- Deciding ------------------------------------------------------------------------------------------------


@pytest.fixture
def failed(campaign, account, now):
    """Five texts that failed for a while, and whose failure nobody has decided about yet."""
    messages = [waiting(campaign, account, now) for _ in range(5)]
    dispatch(now, Fake())
    for message in messages:
        report(message, ABSENT, now, "30003")
    return messages


def planned(messages):
    pks = [message.recipient_id for message in messages]
    return set(Recipient.objects.filter(pk__in=pks, next_step="retry").values_list("pk", flat=True))


@pytest.mark.parametrize("problem", [RuntimeError("no such zone"), DataError("too long"), KeyError("x")])
def test_a_recipient_that_raises_stops_deciding_for_nobody_else(failed, monkeypatch, now, problem):
    bad, *others = failed
    break_deciding(monkeypatch, bad.recipient_id, problem=problem)

    follow_status_changes(now)

    assert planned(failed) == {message.recipient_id for message in others}
    assert not StatusChange.objects.exists()
    row = Quarantined.objects.get()
    assert (row.kind, row.object_id, row.attempts) == (Kind.DECIDE, bad.recipient_id, 1)
    assert type(problem).__name__ in row.reason
    assert agree()


def test_a_recipient_that_raises_leaves_the_line_of_what_is_due(failed, monkeypatch, now):
    follow_status_changes(now)
    break_deciding(monkeypatch, failed[0].recipient_id)

    assert follow_due(now + 5 * HOUR) == 5
    assert follow_due(now + 5 * HOUR) == 0
    assert Outbox.objects.count() == 4


def test_settling_by_any_other_way_isolates_as_well(failed, monkeypatch, now):
    break_deciding(monkeypatch, failed[2].recipient_id)

    with transaction.atomic():
        settle([message.recipient_id for message in failed], now)

    assert len(planned(failed)) == 4


def test_what_cannot_be_noted_stops_nobody_else(failed, monkeypatch, now):
    monkeypatch.setattr("deliveries.ledger.failure_index.note", refuse(failed[1].pk))

    follow_status_changes(now)

    assert len(planned(failed)) == 4
    assert Quarantined.objects.get().object_id == failed[1].recipient_id


def test_what_was_isolated_is_tried_again_alone_and_goes_with_success(failed, monkeypatch, now):
    with monkeypatch.context() as broken:
        break_deciding(broken, failed[0].recipient_id)
        follow_status_changes(now)
        follow_failed(now + PAUSES[0])
    attempts = Quarantined.objects.get().attempts

    later = follow_failed(now + PAUSES[0] + PAUSES[1])

    assert (attempts, later) == (2, 1)
    assert not Quarantined.objects.exists()
    assert len(planned(failed)) == 5


def test_what_goes_on_failing_is_set_aside_and_not_tried_for_ever(failed, monkeypatch, now):
    break_deciding(monkeypatch, failed[0].recipient_id)
    follow_status_changes(now)

    for _ in range(10):
        now += PAUSES[-1]
        follow_failed(now)

    row = Quarantined.objects.get()
    assert (row.attempts, row.not_before) == (len(PAUSES) + 1, None)
    assert "no such zone" in row.reason


def test_a_new_report_has_a_recipient_that_failed_tried_at_once(failed, monkeypatch, now):
    with monkeypatch.context() as broken:
        break_deciding(broken, failed[0].recipient_id)
        follow_status_changes(now)
    report(failed[0], DELIVERED, now)

    follow_status_changes(now)

    assert Recipient.objects.get(pk=failed[0].recipient_id).state == Recipient.State.REACHED
    assert agree()


def test_an_opt_out_holds_though_nothing_can_be_decided(failed, monkeypatch, now):
    report(failed[0], COMPLAINT, now)
    break_deciding(monkeypatch, failed[0].recipient_id)

    follow_status_changes(now)

    assert Suppression.objects.filter(value=failed[0].address.value, released_at=None).exists()


# ---- Bulk actions ----------------------------------------------------------------------------------------------


def test_a_row_of_a_bulk_action_that_raises_has_that_as_its_result(failed, monkeypatch, now, make_user):
    work(now)
    honest = previewing.has_opted_out

    def has_opted_out(view, context):
        refuse(failed[3].pk)([view.head.pk])
        return honest(view, context)

    monkeypatch.setattr(previewing, "has_opted_out", has_opted_out)
    chosen = Selection(OutcomeView(None), tuple(message.pk for message in failed), now)

    batch = actions.start(Batch.Action.RETRY, chosen, {}, make_user("marketer"), now)

    assert (batch.state, batch.acted, batch.skipped) == (Batch.State.DONE, 4, 1)
    assert batch.items.get(outcome=BatchItem.Outcome.SKIPPED).reason == "failed"


def test_a_bulk_action_that_fails_as_a_whole_holds_up_no_other(failed, monkeypatch, now, make_user):
    work(now)
    monkeypatch.setattr(actions, "SLICE", 1)
    marketer = make_user("marketer")
    first, second = (
        actions.start(
            Batch.Action.RETRY,
            Selection(OutcomeView(None), tuple(m.pk for m in those), now),
            {},
            marketer,
            now,
        )
        for those in (failed[:2], failed[2:])
    )
    honest = actions.selection_of

    def selection_of(batch):
        if batch.pk == first.pk:
            raise RuntimeError("a filter of another time")
        return honest(batch)

    monkeypatch.setattr(actions, "selection_of", selection_of)
    for _ in range(20):
        now += HOUR
        actions.run(now)

    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == (Batch.State.RUNNING, Batch.State.DONE)
    assert "a filter of another time" in quarantine.reasons(Kind.BATCH, [first.pk])[first.pk]


# ---- Campaigns -------------------------------------------------------------------------------------------------


@pytest.fixture
def launching_campaigns(account, now):
    """Three that are being launched, of one person each."""
    made = []
    for _ in range(3):
        lists = [factories.contact_list()]
        person("sms", at=now, lists=lists)
        campaign = sending("sms", state=Campaign.State.DRAFT, lists=lists)
        launching.launch(campaign, None, now)
        made.append(campaign)
    return made


def states(campaigns):
    return [Campaign.objects.get(pk=campaign.pk).state for campaign in campaigns]


def break_expanding(monkeypatch, *campaigns, problem):
    """From now on, counting the recipients of these raises, the last that is done for a chunk of them."""
    honest, wrong = expansion.bump, {campaign.pk for campaign in campaigns}

    def bump(tally, counts):
        if wrong & {campaign for campaign, *_ in counts}:
            raise problem
        honest(tally, counts)

    monkeypatch.setattr(expansion, "bump", bump)


@pytest.mark.parametrize("problem", [RuntimeError("broken"), DataError("too long"), KeyError("channel")])
def test_a_campaign_that_cannot_be_prepared_holds_up_no_other(launching_campaigns, monkeypatch, now, problem):
    break_expanding(monkeypatch, launching_campaigns[0], problem=problem)

    drain.expand(now)
    drain.expand(now)

    assert states(launching_campaigns) == ["launching", "sending", "sending"]


def test_a_campaign_that_goes_on_failing_is_paused_and_says_why(launching_campaigns, monkeypatch, now):
    first = launching_campaigns[0]
    with monkeypatch.context() as broken:
        break_expanding(broken, first, problem=RuntimeError("broken audience"))
        for _ in range(len(PAUSES) + 1):
            drain.expand(now)
            now += PAUSES[-1]
    paused, reason = states([first]), quarantine.reasons(Kind.PREPARE, [first.pk])[first.pk]

    launching.resume(first)
    drain.expand(now)
    drain.expand(now)

    assert paused == ["paused"]
    assert "broken audience" in reason
    assert states([first]) == ["sending"]
    assert not Quarantined.objects.exists()


def test_a_campaign_without_an_account_says_so_at_once(launching_campaigns, account, now):
    account.active = False
    account.save()

    drain.expand(now)

    assert states(launching_campaigns) == ["paused"] * 3
    reasons = quarantine.reasons(Kind.PREPARE, [campaign.pk for campaign in launching_campaigns])
    assert all("no active account" in reason for reason in reasons.values())


def test_a_canceled_campaign_that_cannot_be_withdrawn_holds_up_no_other(account, monkeypatch, now):
    monkeypatch.setattr(launching, "WITHDRAWN_AT_ONCE", 1)
    campaigns = [sending("sms") for _ in range(3)]
    for campaign in campaigns:
        for _ in range(3):
            waiting(campaign, account, now)
        launching.cancel(campaign, now)
    honest = launching.withdraw
    refused = set(campaigns[0].messages.values_list("pk", flat=True))

    def withdraw(messages, reason, now):
        refuse(*refused)(messages)
        return honest(messages, reason, now)

    monkeypatch.setattr(launching, "withdraw", withdraw)
    for _ in range(4):
        launching.withdraw_canceled(now)

    ended = [Campaign.objects.get(pk=campaign.pk).completed_at is not None for campaign in campaigns]
    assert ended == [False, True, True]


# ---- Who sees it -----------------------------------------------------------------------------------------------


def test_administrators_see_what_was_set_aside_and_have_it_tried_again(login, now):
    quarantine.set_aside(Kind.DECIDE, 5, "An error of ours (KeyError: 'x').", now)
    admin = login(user=factories.user("admin", is_staff=True))

    overview = admin.get("/").content.decode()
    listed = admin.get("/admin/deliveries/quarantined/").content.decode()
    row = Quarantined.objects.get()
    admin.post(
        "/admin/deliveries/quarantined/", {"action": "try_again", "_selected_action": [row.pk]}, follow=True
    )

    assert "1 task set aside after failing" in overview
    assert "KeyError" in listed
    row.refresh_from_db()
    assert (row.attempts, row.not_before is not None) == (0, True)


def test_a_marketer_sees_that_but_cannot_open_it(login, now):
    quarantine.set_aside(Kind.DECIDE, 5, "x", now)
    marketer = login("marketer")

    overview = marketer.get("/").content.decode()

    assert "1 task set aside after failing" in overview
    assert "/admin/deliveries/quarantined/" not in overview
    assert marketer.get("/admin/deliveries/quarantined/").status_code in (302, 403)


def test_a_campaign_that_was_paused_for_its_audience_says_why(login, launching_campaigns, account, now):
    account.active = False
    account.save()
    drain.expand(now)
    first = launching_campaigns[0]

    page = login("marketer").get(first.get_absolute_url()).content.decode()

    assert "no active account" in " ".join(page.split())


def test_trying_a_campaign_again_leaves_it_paused_where_it_stopped_by_itself(
    launching_campaigns, account, now
):
    account.active = False
    account.save()
    drain.expand(now)
    campaign = launching_campaigns[0]
    stop = CampaignStop.objects.create(
        campaign=campaign, at=now, kind="any", sent=100, failed=50, usual=0.01, tolerated=0.1, waiting=5
    )

    again.try_again(list(Quarantined.objects.all()), now)

    stop.refresh_from_db()
    assert (stop.resumed_at, stop.before) == (None, {})
    assert states(launching_campaigns) == ["paused", "launching", "launching"]


def test_trying_a_campaign_again_resumes_it(launching_campaigns, account, now):
    account.active = False
    account.save()
    drain.expand(now)
    account.active = True
    account.save()

    again.try_again(list(Quarantined.objects.all()), now)
    drain.expand(now)
    drain.expand(now)

    assert states(launching_campaigns) == ["sending"] * 3
