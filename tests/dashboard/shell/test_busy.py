"""A page that meets a busy database says so, and asks to try again; nothing is half done."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager

import psycopg
import pytest
from django.db import InterfaceError, OperationalError, connection
from django.test import Client

from dashboard.shell.busy import BUSY, FULL, UNCHANGED, UNSURE, why_busy
from tests import factories
from tests.conftest import database_url

HTMX = {"HX-Request": "true"}


@contextmanager
def another_writer(table: str):
    """Somebody else holds the lock that writing to `table` needs, for longer than we wait."""
    if connection.vendor == "sqlite":
        other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        connection.ensure_connection()
        connection.connection.execute("PRAGMA busy_timeout = 50")
    else:
        other = psycopg.connect(database_url())
        other.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 50")
    try:
        yield
    finally:
        other.rollback()
        other.close()
        connection.close()


@pytest.fixture
def campaign(transactional_db):
    return factories.campaign(state="sending")


@pytest.fixture
def marketer(campaign) -> Client:
    client = Client()
    client.force_login(factories.user("marketer"))
    return client


def test_a_page_that_cannot_write_says_busy_and_changes_nothing(marketer, campaign):
    with another_writer("campaigns_campaign"):
        response = marketer.post(f"/campaigns/{campaign.slug}/pause/")

    page = " ".join(response.content.decode().split())
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert f"{BUSY} {UNCHANGED}" in page
    assert "<script" not in page
    campaign.refresh_from_db()
    assert campaign.state == "sending"


def test_htmx_gets_the_sentence_for_its_toast(marketer, campaign):
    with another_writer("campaigns_campaign"):
        response = marketer.post(f"/campaigns/{campaign.slug}/pause/", headers=HTMX)

    assert response.status_code == 503
    assert response["X-Reason"] == response.content.decode() == f"{BUSY} {UNCHANGED}"


def test_afterwards_it_works(marketer, campaign):
    with another_writer("campaigns_campaign"):
        marketer.post(f"/campaigns/{campaign.slug}/pause/")

    assert marketer.post(f"/campaigns/{campaign.slug}/pause/").status_code == 302


@pytest.mark.parametrize("method", ["get", "post"])
def test_logging_in_while_the_database_is_locked_is_no_error(transactional_db, method):
    factories.user("marketer", username="ada", is_staff=True)
    client = Client(raise_request_exception=False)

    with another_writer("django_session"):
        given = {"username": "ada", "password": factories.PASSWORD}
        response = getattr(client, method)("/admin/login/", given if method == "post" else None)

    assert response.status_code == (503 if method == "post" else 200)


def test_a_session_that_cannot_be_stored_is_no_error(marketer, monkeypatch):
    """It is stored outside of any view, after the view came to its end."""

    def save(*args, **kwargs):
        raise OperationalError("database is locked") from psycopg.errors.LockNotAvailable("x")

    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.save", save)
    monkeypatch.setattr("django.conf.settings.SESSION_SAVE_EVERY_REQUEST", True)
    marketer.raise_request_exception = False

    response = marketer.post("/batches/preview/", {"action": "retry"})

    assert response.status_code == 503
    assert UNSURE in response.content.decode()


def cause(sqlstate):
    problem = OperationalError("canceling statement")
    problem.__cause__ = (
        psycopg.errors.lookup(sqlstate)("x") if sqlstate else psycopg.OperationalError("refused")
    )
    return problem


@pytest.mark.parametrize(
    ("problem", "why"),
    [
        (OperationalError("database is locked"), BUSY),
        (OperationalError("database table is locked: deliveries_outbox"), BUSY),
        (OperationalError("database or disk is full"), FULL),
        (OperationalError("no such column: x"), ""),
        (OperationalError('near "FROM": syntax error'), ""),
        (InterfaceError("connection already closed"), BUSY),
        (ValueError("database is locked"), ""),
        (None, ""),
    ],
)
def test_what_counts_as_busy_on_sqlite(problem, why, monkeypatch):
    monkeypatch.setattr(connection, "vendor", "sqlite", raising=False)

    assert why_busy(problem) == why


@pytest.mark.parametrize(
    ("sqlstate", "why"),
    [
        ("55P03", BUSY), ("57014", BUSY), ("40001", BUSY), ("40P01", BUSY), ("53300", BUSY), ("57P03", BUSY),
        ("08006", BUSY), ("", BUSY), ("53100", FULL), ("42P01", ""), ("58030", ""),
    ],
)  # fmt: skip
def test_what_counts_as_busy_on_postgresql(sqlstate, why, monkeypatch):
    monkeypatch.setattr(connection, "vendor", "postgresql", raising=False)

    assert why_busy(cause(sqlstate)) == why


@pytest.mark.django_db
def test_a_request_that_wrote_before_does_not_promise_that_nothing_was_changed(
    marketer, campaign, monkeypatch
):
    def pause(campaign):
        type(campaign).objects.filter(pk=campaign.pk).update(name="Changed")
        raise OperationalError("database is locked") from psycopg.errors.LockNotAvailable("x")

    monkeypatch.setattr("deliveries.sending.launching.pause", pause)

    page = marketer.post(f"/campaigns/{campaign.slug}/pause/").content.decode()

    again = marketer.post(f"/campaigns/{campaign.slug}/pause/", headers=HTMX)
    assert UNSURE in page
    assert "lost" not in page
    assert UNCHANGED not in page
    assert "X-Reason" not in again  # nobody is offered to send it once more


@pytest.mark.django_db
def test_another_error_stays_an_error(marketer, campaign, monkeypatch):
    def pause(campaign):
        raise RuntimeError

    monkeypatch.setattr("deliveries.sending.launching.pause", pause)
    marketer.raise_request_exception = False

    response = marketer.post(f"/campaigns/{campaign.slug}/pause/")

    assert response.status_code == 500
    assert b"This page could not be shown" in response.content


def test_a_busy_page_can_be_tried_again_at_its_own_address(marketer, campaign, monkeypatch):
    def broken(*args, **kwargs):
        raise OperationalError("database is locked") from psycopg.errors.LockNotAvailable("x")

    monkeypatch.setattr("dashboard.campaigns.listing.lines", broken)

    page = marketer.get("/campaigns/?after=&x=<b>").content.decode()

    assert 'href="/campaigns/?after=&amp;x=%3Cb%3E"' in page
