"""Email addresses: from what people type to the one form that is stored and compared."""

from __future__ import annotations

from email_validator import EmailNotValidError, validate_email


class NotAnEmail(ValueError):
    """`text` is no email address; `why` is a sentence."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(f"“{text}” is not an email address: {why}")
        self.text = text
        self.why = why


def parse_email(text: str) -> str:
    """The address in lower case, its domain in Unicode. Raises NotAnEmail.

    The local part is lowered too: servers that tell Robin@ from robin@ are practically extinct, while an opt-out
    must hold however the address is typed the next time. Nothing is looked up in the network.
    """
    try:
        # The test environment is what lets names under .test pass.
        found = validate_email(text.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError as problem:
        raise NotAnEmail(text, str(problem)) from None
    return found.normalized.lower()
