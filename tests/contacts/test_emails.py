"""Addresses of the usual form are read by a short way: it takes and refuses what the long one does."""

import pytest
from email_validator import EmailNotValidError, validate_email

from contacts.emails import NotAnEmail, parse_email

LOCAL = [
    "robin", "Robin.Lee", "r+news", "a_b-c", "7", "robin.", ".robin", "ro..bin", "a" * 31, "a" * 64, "a" * 65,
    "ro bin", "-robin", "o'brien", "zoë", '"robin lee"', "",
]  # fmt: skip
DOMAINS = [
    "example.com", "EXAMPLE.com", "mail.example.co.uk", "xn--bcher-kva.example.com", "bücher.example.com", "example",
    "example..com", ".example.com", "example.com.", "-a.example.com", "a_b.example.com", "localhost", "name.test",
    "1.2.3.4", "[1.2.3.4]", "exa mple.com", f"{'a' * 64}.com", f"{'a.' * 60}com", "x.invalid", "",
]  # fmt: skip


def read(text, how):
    """The address, or why it is none."""
    try:
        return how(text)
    except NotAnEmail as problem:
        return problem.why
    except EmailNotValidError as problem:
        return str(problem)


def the_long_way(text):
    return validate_email(text.strip(), check_deliverability=False, test_environment=True).normalized.lower()


@pytest.mark.parametrize("local", LOCAL)
def test_both_ways_agree(local):
    texts = [f" {local}@{domain}" for domain in DOMAINS]

    assert {text: read(text, parse_email) for text in texts} == {
        text: read(text, the_long_way) for text in texts
    }
