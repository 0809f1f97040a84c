"""Provider credentials, encrypted at rest. Decrypted only where a request is signed or checked."""

from __future__ import annotations

import base64
import json
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models


class CredentialsUnreadable(Exception):
    """Stored credentials do not open with the CREDENTIALS_KEY (or SECRET_KEY) in force."""


@lru_cache(maxsize=4)
def _cipher(secret: str) -> Fernet:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"waybill provider credentials").derive(
        secret.encode()
    )
    return Fernet(base64.urlsafe_b64encode(key))


class EncryptedJSONField(models.TextField):
    """A dict of names and secrets. Reads as the dict, stands in the database as one opaque text."""

    def from_db_value(self, value: str | None, expression: object, connection: object) -> Any:
        if not value:
            return {}
        try:
            return json.loads(_cipher(settings.CREDENTIALS_KEY).decrypt(value.encode()))
        except InvalidToken as problem:
            raise CredentialsUnreadable(
                "The stored provider credentials were encrypted with another CREDENTIALS_KEY. "
                "Set that key again, or enter the credentials anew."
            ) from problem

    def get_prep_value(self, value: Any) -> str:
        if isinstance(value, str):
            return value
        return _cipher(settings.CREDENTIALS_KEY).encrypt(json.dumps(value or {}).encode()).decode()
