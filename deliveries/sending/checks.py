"""What is looked at before a launch, in one table: a draft's page shows all, a launch refuses what stands in its way.

Each check is a function of a loaded draft and gives what it found: how grave it is, a sentence, and the way out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

from django.conf import settings
from django.urls import reverse

from campaigns.models import Campaign, Goal, OnMachine
from contacts.channels import Channel
from contacts.gate import REASONS, Reason
from contacts.jurisdictions import Purpose
from contacts.models import ContactImport
from deliveries.models import Account
from deliveries.providers import PROVIDERS
from deliveries.sending.checks_of_content import is_local, remarks_of
from deliveries.sending.checks_of_recency import TWICE_A_DAY, recency_words
from deliveries.sending.checks_of_senders import UsedSender, receiving_remarks, sender_remarks
from deliveries.sending.draft import Draft as Draft  # what a check is asked about, and how it is loaded
from deliveries.sending.draft import load as load
from deliveries.sending.findings import CheckFinding, FixLink, Severity
from deliveries.sending.meant import first_contacts
from deliveries.wording import listed, zoned

NEW_SENDER_MOST = 5_000  # people whom a new sender writes to without an administrator having agreed
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
NEW = timedelta(days=7)  # a sender younger than that is one whose reputation nobody knows yet


def check(draft: Draft) -> list[CheckFinding]:
    """Everything that was found, what stands in the way first."""
    found = [finding for each in CHECKS for finding in each(draft)]
    return sorted(found, key=lambda one: not one.blocks)


# ---- The checks ------------------------------------------------------------------------------------------------


def _blocks(says: str, way_out: str, way: FixLink | None = None) -> CheckFinding:
    return CheckFinding(Severity.BLOCKS, says, way_out, way)


def _warns(says: str, way_out: str, way: FixLink | None = None) -> CheckFinding:
    return CheckFinding(Severity.WARNS, says, way_out, way)


def _label(channel: str) -> str:
    return str(Channel(channel).label)


def is_a_draft(draft: Draft) -> Iterator[CheckFinding]:
    if draft.campaign.state != Campaign.State.DRAFT:
        state = draft.campaign.get_state_display().lower()
        yield _blocks("The campaign is not a draft:", f"it is {state}.")


def has_an_audience(draft: Draft) -> Iterator[CheckFinding]:
    if not draft.names_people:
        yield _blocks("The campaign has no list.", "Choose at least one.", draft.edit)
    elif draft.first.who.follow:
        return  # whoever is to come, comes later
    elif draft.campaign.meant.everybody and not draft.campaign.meant.narrowed:
        yield _blocks("It means all contacts there are.", "Choose lists, or add a condition.", draft.edit)
    elif draft.audience or draft.is_sampled:
        return
    elif draft.campaign.meant.narrowed:
        yield _blocks("Nobody meets its conditions.", "Change one, or take one out.", draft.edit)
    elif coming := _being_imported(draft):
        yield _blocks(
            f"Nobody is on its lists yet: {coming.file_name} is being imported.",
            "Its people come onto the list all at once, when all lines are done.",
            FixLink(
                "See how far it is", reverse("contacts:import", args=[coming.pk]), "contacts.import_contacts"
            ),
        )
    else:
        yield _blocks("Nobody is on its lists.", "Import contacts to them, or choose another.", draft.edit)


def _being_imported(draft: Draft) -> ContactImport | None:
    running = ContactImport.objects.filter(
        state=ContactImport.State.RUNNING, contact_list__in=draft.first.who.lists
    )
    return running.order_by("-pk").first()


def first_channel_can_leave(draft: Draft) -> Iterator[CheckFinding]:
    label = _label(draft.campaign.channel)
    if draft.campaign.channel not in draft.contents:
        yield _blocks(f"There is no {label} content.", "Add it to the campaign.", draft.edit_at("what"))
    elif draft.unreadable:
        yield _blocks(draft.unreadable, "Ask an administrator.")
    elif draft.campaign.channel not in draft.routes:
        yield _blocks(f"No active account sends {label}.", "Ask an administrator to add one.")


def content_is_written(draft: Draft) -> Iterator[CheckFinding]:
    """Of what is left empty nothing could be sent. A call or a picture needs no text where there is a file."""
    for channel, content in draft.contents.items():
        label, way = _label(channel), draft.edit_at("what")
        if channel == Channel.EMAIL and not content.subject.strip():
            yield _blocks(f"The {label} has no subject.", "Write one.", way)
        if not content.body.strip() and not (content.media_url and channel != Channel.SMS):
            way_out = (
                "Write it." if channel == draft.campaign.channel else "Write it, or take the channel out."
            )
            yield _blocks(f"The {label} says nothing yet.", way_out, way)


def sender_may_send(draft: Draft) -> Iterator[CheckFinding]:
    for channel, content in draft.contents.items():
        first, sender = channel == draft.campaign.channel, content.sender
        if not (first or channel in draft.follow_ups):
            continue
        way = _of_sender(reverse("senders:sender", args=[sender.pk]))
        if not sender.may_send:
            says = f"The sender {sender.value} is not approved to send yet."
            way_out = (
                f"It is {sender.get_state_display().lower()}: choose another, or launch once it is approved."
            )
            yield _blocks(says, way_out, way) if first else _warns(says, way_out, way)
        elif first and sender.created_at > draft.now - NEW:
            many = draft.reckoned > NEW_SENDER_MOST
            way_out = "Carriers and mailboxes do not know it yet: begin with a small list."
            yield CheckFinding(
                Severity.WARNS, f"The sender {sender.value} is new.", way_out, way, needs_override=many
            )


def _of_sender(url: str, words: str = "Open the sender") -> FixLink:
    return FixLink(words, url, "campaigns.view_sender", "campaigns.change_sender")


def senders_are_in_order(draft: Draft) -> Iterator[CheckFinding]:
    used = []
    for channel in dict.fromkeys([*draft.senders, *draft.later]):
        option = draft.routes[channel].first("") if channel in draft.routes else None
        if channel in draft.contents:
            sender = option.sender if option else draft.contents[channel].sender
            used.append(UsedSender(sender, channel == draft.campaign.channel))
    for remark in sender_remarks(used, draft.countries, draft.reckoned, draft.now):
        way = _of_sender(remark.url)
        yield (_blocks if remark.blocks else _warns)(remark.says, remark.way_out, way)


def receiving_is_proven(draft: Draft) -> Iterator[CheckFinding]:
    options = [draft.routes[channel].first("") for channel in draft.senders if channel in draft.routes]
    accounts = {option.account.pk: option.account for option in options if option}
    for remark in receiving_remarks(list(accounts.values()), draft.now):
        yield _warns(remark.says, remark.way_out, FixLink("Receiving", remark.url, "campaigns.view_sender"))


def sender_is_fast_enough(draft: Draft) -> Iterator[CheckFinding]:
    """Whether all of it leaves within the hour, by what the sender of its first messages keeps to."""
    option = draft.first_option
    if option is None or not draft.takes_long or draft.own_hours > 1:
        return  # whoever asked for it to take long knows
    yield _warns(
        draft.takes_long,
        "Launch early enough, take a faster sender, or correct its limits.",
        _of_sender(reverse("senders:sender", args=[option.sender.pk])),
    )


def merge_fields_are_filled(draft: Draft) -> Iterator[CheckFinding]:
    for gap in draft.gaps:
        field = f"{{{gap.field}}}"
        if gap.whole:
            says = f"Nobody on its lists has the merge field {field}."
            yield _blocks(says, "Correct the content, or import the field.", draft.edit_at("what"))
        else:
            asked = f"the first {gap.asked:,}" if gap.partly else f"{gap.asked:,}"
            says = f"{gap.lacking:,} of {asked} contacts lack {field}."
            yield _warns(says, "They read nothing in its place.", draft.edit_at("what"))


def is_still_relevant(draft: Draft) -> Iterator[CheckFinding]:
    campaign, now = draft.campaign, draft.now
    until, starts = campaign.relevant_until, campaign.starts_at
    if until and until <= max(now, starts or now):
        when = "before it starts" if until > now else "already"
        yield _blocks(
            f"It is relevant until {zoned(until)}, which ends {when}." if until > now
            else f"It was relevant until {zoned(until)}.",
            "Nothing would leave: change that time.",
            draft.edit_at("when"),
        )  # fmt: skip
    if starts and starts <= now and not campaign.local_start:
        yield _warns(
            f"Its start, {zoned(starts)}, has passed.",
            "Launched now, it starts at once: change the start if it is meant for later.",
            draft.edit_at("when"),
        )


def leaves_in_time(draft: Draft) -> Iterator[CheckFinding]:
    """Whether all of it leaves before the end that it names."""
    until = draft.campaign.relevant_until
    if (
        until is None
        or until <= max(draft.now, draft.campaign.starts_at or draft.now)
        or draft.planned is None
    ):
        return
    last = draft.planned.last
    if last is None or last >= until:
        when = f"at about {zoned(last)}" if last else "in more than two months"
        yield _warns(
            f"The last of its first messages would leave {when}, and it is relevant until {zoned(until)}.",
            "Whoever has not got it by then gets none: start earlier, send faster, or change that time.",
            draft.edit_at("when"),
        )


def people_can_be_written_to(draft: Draft) -> Iterator[CheckFinding]:
    label, people = _label(draft.campaign.channel), draft.people
    if draft.audience and not people[""] and not draft.is_sampled:
        reason = max(people, key=lambda one: people[one])
        most = " (most of them)" if people[reason] < draft.audience else ""
        says = f"Nobody on its lists can be written to by {label}: {REASONS[Reason(reason)].sentence}{most}."
        yield _blocks(says, "Import what is missing, or choose another list or channel.", draft.edit)
    elif people[Reason.NO_CONSENT]:
        of = f"the first {draft.audience:,}" if draft.is_sampled else f"{draft.audience:,}"
        says = f"{people[Reason.NO_CONSENT]:,} of {of} people have not agreed to {label}."
        yield _warns(says, "They are skipped: import their consent if they gave it.")


def nobody_is_left_out_needlessly(draft: Draft) -> Iterator[CheckFinding]:
    """Whom the first channel does not reach, another could that there is content for."""
    if draft.gain_by_chance <= 0:
        return
    n, by = draft.gain_by_chance, listed([Channel(one).in_sentence for one in draft.other_channels], "or")
    of = f" of the first {draft.audience:,}" if draft.is_sampled else ""
    yield _warns(
        f"{n:,} {'person' if n == 1 else 'people'}{of} who would be skipped could be written to by {by}.",
        "Choose the best chance for each person.",
        draft.edit_at("when"),
    )


def people_were_left_in_peace(draft: Draft) -> Iterator[CheckFinding]:
    if draft.first.who.follow:
        return  # a follow-up is meant for those whom its campaign wrote to
    people = first_contacts(draft.campaign, draft.now, draft.first)
    of = f"of the first {draft.audience:,} people" if draft.is_sampled else "of them"
    if says := recency_words(draft.campaign, people, of, draft.now):
        yield _warns(says, TWICE_A_DAY, draft.edit_at("when"))


def content_has_a_path(draft: Draft) -> Iterator[CheckFinding]:
    """What is written is used: by the first channel, or by one that the playbook moves to."""
    first = _label(draft.campaign.channel)
    for channel in draft.contents:
        if channel != draft.campaign.channel and channel not in draft.follow_ups:
            yield _warns(
                f"The {_label(channel)} content is never used: it begins by {first}, and the playbook "
                f"{draft.campaign.playbook} does not move to {_label(channel)}.",
                "Take the content out, or add the channel to the playbook.",
                draft.edit_playbook,
            )


def follow_ups_can_leave(draft: Draft) -> Iterator[CheckFinding]:
    """What the playbook moves to can be sent."""
    for channel in draft.follow_ups:
        label = _label(channel)
        if channel not in draft.contents:
            yield _warns(
                f"The playbook {draft.campaign.playbook} moves to {label}, and there is no {label} content.",
                f"Whoever is not reached by {_label(draft.campaign.channel)} is not tried by {label}: add the content.",
                draft.edit_at("what"),
            )
        elif not draft.unreadable and channel not in draft.routes:
            yield _warns(
                f"No active account sends {label}, which the playbook moves to.",
                "Ask an administrator to add one.",
            )


def content_is_sound(draft: Draft) -> Iterator[CheckFinding]:
    several = len(draft.contents) > 1
    accounts = {channel: route.first("") for channel, route in draft.routes.items()}
    real = {
        channel for channel, option in accounts.items() if option and option.account.provider != "sandbox"
    }
    for channel, remark in remarks_of(draft.campaign, draft.contents, list(draft.countries), real):
        says = f"{_label(channel)}: {remark.says}" if several else remark.says
        yield CheckFinding(Severity(remark.severity), says, remark.way_out, draft.edit_at("what"))


def calls_do_what_they_say(draft: Draft) -> Iterator[CheckFinding]:
    """Of calls: what a machine hears, by what the account that makes them can do; and whether the keys are named."""
    content, option = draft.contents.get(Channel.VOICE), None
    if content is None or Channel.VOICE not in {draft.campaign.channel, *draft.senders, *draft.later}:
        return
    if Channel.VOICE in draft.routes:
        option = draft.routes[Channel.VOICE].first("")
    way = draft.edit_at("what")
    if content.on_machine == OnMachine.HANG_UP and draft.campaign.goal == Goal.EXPOSURE:
        yield _blocks(
            "A machine that answers counts as reached, and the call would hang up on it.",
            "Leave the message, or choose under What it is that a person has to answer.", way,
        )  # fmt: skip
    elif content.on_machine == OnMachine.HANG_UP and option and not _hangs_up(option.account):
        yield _warns(
            f"{option.account} cannot hang up when a machine answers: the machine hears what it says.",
            "Leave the message, or have calls made by an account that can.", way,
        )  # fmt: skip
    keys = {content.key_stop: "ends such calls", content.key_more: "asks for more"}
    missing = [f"{key} {does}" for key, does in keys.items() if key and not _names_key(content.body, key)]
    if content.body.strip() and missing and draft.campaign.purpose == Purpose.MARKETING:
        yield _warns(
            f"The text of the call does not say that {listed(missing, 'and')}.",
            "Say which key to press: prerecorded marketing calls in the USA must (47 CFR 64.1200(b)(3)).", way,
        )  # fmt: skip


def _hangs_up(account: Account) -> bool:
    adapter = PROVIDERS.get(account.provider)
    return adapter is not None and adapter.hangs_up_on_machines


def _names_key(body: str, key: str) -> bool:
    return re.search(rf"\b(?:{key}|{DIGITS[int(key)]})\b", body, re.IGNORECASE) is not None


def links_can_be_opened(draft: Draft) -> Iterator[CheckFinding]:
    """Short links lead to our own address: what nobody outside can open would lead nowhere."""
    if not draft.campaign.track_links or not any(one.tracked_addresses for one in draft.contents.values()):
        return
    if is_local(settings.LINK_URL):
        options = [route.first("") for route in draft.routes.values()]
        real = any(one and one.account.provider != "sandbox" for one in options)
        says = f"Its links leave as {settings.LINK_URL}, which nobody outside can open."
        way_out = "Do not count clicks, or ask an administrator to set LINK_URL."
        yield (_blocks if real else _warns)(says, way_out, draft.edit_at("what"))


CHECKS: tuple[Callable[[Draft], Iterator[CheckFinding]], ...] = (
    is_a_draft,
    has_an_audience,
    first_channel_can_leave,
    content_is_written,
    sender_may_send,
    senders_are_in_order,
    receiving_is_proven,
    sender_is_fast_enough,
    merge_fields_are_filled,
    is_still_relevant,
    leaves_in_time,
    people_can_be_written_to,
    nobody_is_left_out_needlessly,
    people_were_left_in_peace,
    content_has_a_path,
    follow_ups_can_leave,
    content_is_sound,
    links_can_be_opened,
    calls_do_what_they_say,
)
