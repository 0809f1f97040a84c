"""Which playbook a campaign follows: a shared one, or, once a number is another, one of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from campaigns.models import Campaign, Playbook
from campaigns.models.playbooks import RULES


def began_from(campaign: Campaign) -> Playbook:
    """The shared playbook that the campaign follows, or that its own began from; its own where that is gone."""
    playbook = campaign.playbook
    return (playbook.own_of_id and playbook.began_from) or playbook


@transaction.atomic
def follow(campaign: Campaign, shared: Playbook, changed: Mapping[str, Any] | None = None) -> Playbook:
    """Have the campaign follow `shared`, with these numbers of `RULES` changed for it alone; gives what it follows.

    Numbers of its own that are those of `shared` are none: it follows that one, and whatever is changed there later.
    What is not in `changed` is as `shared` has it. The caller saves nothing else of the campaign meanwhile.
    """
    wanted = shared.rules | {name: value for name, value in (changed or {}).items() if name in RULES}
    before = Playbook.objects.filter(own_of=campaign).first()
    if wanted == shared.rules:
        _point_to(campaign, shared)
        if before:
            before.delete()
        return shared
    own = before or shared.copy_for(campaign)
    if before and (before.rules != wanted or before.began_from_id != shared.pk):
        own.version += 1
    own.name, own.began_from = shared.name, shared if shared.own_of_id is None else shared.began_from
    for name, value in wanted.items():
        setattr(own, name, value)
    own.save()
    _point_to(campaign, own)
    return own


def copied(source: Campaign, to: Campaign) -> Playbook:
    """What a copy of the campaign `source` follows: the same shared one, or a copy of its own, saved."""
    if source.playbook.own_of_id is None:
        return source.playbook
    own = source.playbook.copy_for(to)
    own.save()
    return own


def _point_to(campaign: Campaign, playbook: Playbook) -> None:
    if campaign.playbook_id != playbook.pk:
        campaign.playbook = playbook
        campaign.save(update_fields=["playbook"])
