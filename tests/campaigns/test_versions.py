"""Wordings that messages left with are kept; how two of them differ."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps
from django.utils import timezone

from campaigns.models import ContentVersion
from campaigns.wording_changes import changes, share_changed
from tests import factories


@pytest.mark.django_db
def test_a_draft_is_rewritten_without_a_trace():
    content = factories.content(factories.campaign())

    content.body = "Something else."
    content.save()

    assert (content.version, content.versions.count()) == (1, 0)


@pytest.mark.django_db
@pytest.mark.parametrize("partly", [True, False])
def test_what_messages_left_with_is_kept_and_a_change_of_it_is_the_next_version(partly):
    content = factories.content(factories.campaign(state="sending"), body="First")

    for body in ("Second", "Second", "Third"):
        content.body = body
        content.save(**({"update_fields": ["body"]} if partly else {}))

    assert list(content.versions.values_list("number", "body")) == [(1, "First"), (2, "Second"), (3, "Third")]
    content.refresh_from_db()
    assert (content.version, content.body) == (3, "Third")


@pytest.mark.django_db
def test_a_kept_wording_of_a_draft_is_not_overwritten():
    content = factories.content(factories.campaign(), body="Tested")
    content.keep()

    content.body = "Changed after the test"
    content.save()

    assert content.version == 2
    assert content.versions.get().body == "Tested"


@pytest.mark.django_db
def test_what_was_launched_before_wordings_were_kept_has_the_one_of_today():
    launched, _draft = (
        factories.content(factories.campaign(state=state, launched_at=timezone.now()))
        for state in ("completed", "draft")
    )
    ContentVersion.objects.all().delete()

    import_module("campaigns.migrations.0026_keep_what_was_said").keep_what_is_said(apps, None)

    kept = ContentVersion.objects.get()
    assert (kept.content, kept.body, kept.made_at) == (launched, launched.body, launched.campaign.launched_at)


@pytest.mark.once
@pytest.mark.parametrize(
    ("old", "new", "out", "added"),
    [
        ("Come on Monday.", "Come on Friday.", ["Monday"], ["Friday"]),
        ("Hello {first_name}", "Hello {first_name}", [], []),
        ("See bit.ly/x now", "See example.com/x now", ["bit", "ly"], ["example", "com"]),
        ("", "New", [], ["New"]),
        ("Old", "", ["Old"], []),
        ("a  b", "a b", ["  "], [" "]),
    ],
)
def test_changed_words_are_marked(old, new, out, added):
    pieces = changes(old, new)

    assert [one.text for one in pieces if one.kind == "out"] == out
    assert [one.text for one in pieces if one.kind == "in"] == added
    assert "".join(one.text for one in pieces if one.kind != "in") == old
    assert "".join(one.text for one in pieces if one.kind != "out") == new


@pytest.mark.once
def test_long_texts_are_compared_by_lines():
    lines = [f"line {n}\n" for n in range(4_000)]

    pieces = changes("".join(lines), "".join(["new\n", *lines[1:]]))

    assert [one.text for one in pieces[:2]] == ["line 0\n", "new\n"]
    assert 0 < share_changed(pieces) < 0.01
