"""Replies from before there were kinds get theirs once, where they still wait."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.utils import timezone

from contacts.models import Reply

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
MIGRATION = "contacts.migrations.0051_say_what_earlier_replies_ask_for"


def reply(text, *, ago=DAY, **more):
    at = timezone.now() - ago
    return Reply.objects.create(
        value="+12125550142", channel="sms", text=text, fact=f"{text} {ago}", at=at, **more
    )


def fill():
    migration = import_module(MIGRATION)
    migration.fill(apps, SimpleNamespace(connection=SimpleNamespace(alias="default")))


def test_each_that_waits_gets_its_kind_and_what_is_past_or_read_stays_as_it_is(monkeypatch):
    migration = import_module(MIGRATION)
    monkeypatch.setattr(migration, "AT_A_TIME", 2)
    read_at = timezone.now()
    new = reply("Please call me back")
    old = reply("Who is this?", ago=40 * DAY)
    read = reply("Call me tomorrow", doubtful=True, read_at=read_at)
    wrong = reply("wrong number", reading="stop", acted=True)
    left = reply("Stop, call me", reading="stop", acted=True)
    plain = reply("Thanks, see you then")

    fill()

    kinds = {one.pk: one.asks for one in Reply.objects.all()}
    assert kinds == {
        new.pk: "call", old.pk: "", read.pk: "", wrong.pk: "wrong", left.pk: "", plain.pk: "",
    }  # fmt: skip
    assert set(Reply.objects.to_do()) == {new, wrong}
    assert not Reply.objects.exclude(done_at=None).exists()


def test_no_row_stays_locked_while_others_are_read():
    assert not import_module(MIGRATION).Migration.atomic


def test_a_second_time_changes_nothing():
    reply("Please call me back")
    fill()
    Reply.objects.update(done_at=timezone.now())

    fill()

    assert not Reply.objects.to_do().exists()
