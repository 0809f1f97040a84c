"""The keyed hash by which the block of an erased address is known again, when the address comes back.

The address itself cannot be read out of it without the key, which is that of the credentials: whoever changes that one
names the old one in FORMER_CREDENTIALS_KEYS, and blocks kept under it still hold.
"""

from __future__ import annotations

import hmac
from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db.models import Q

from contacts.channels import Kind
from contacts.models import Address
from contacts.phones import ERASED

# Suppressions that are kept so. As a range, which the index on keys serves; the condition behind it is exact.
BETWEEN = Q(match_key__gte=ERASED, match_key__lt=f"{ERASED}z", match_key__startswith=ERASED)


@lru_cache(maxsize=8)
def secret_key(secret: str) -> bytes:
    """What hashes are keyed with."""
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"waybill erased addresses")
    return derived.derive(secret.encode())


def erased_key(key: str, secret: str = "") -> str:
    """What stands in the place of an address with this key. Of an email it looks like one: channels are told by it."""
    secret = secret or settings.CREDENTIALS_KEY
    digest = hmac.digest(secret_key(secret), key.encode(), "sha256").hex()
    return f"{ERASED}{digest}@erased" if "@" in key else f"{ERASED}{digest}"


def erased_keys(keys: Iterable[str]) -> dict[str, str]:
    """Every erased key of these addresses' keys, by all secrets there were: erased key -> key."""
    secrets = [settings.CREDENTIALS_KEY, *settings.FORMER_CREDENTIALS_KEYS]
    return {erased_key(key, secret): key for key in keys if key for secret in secrets}


def named_by(values: Collection[str]) -> dict[str, list[str]]:
    """What else goes by these values of erased addresses: their key, where it is another one, and an address in each
    spelling that somebody has now. By value.

    Nothing leads back from a hash, so that every address of the kind is looked at: some five seconds for a million,
    and nobody says no often who was erased.
    """
    keys = dict(Address.objects.filter(value__in=values).values_list("value", "match_key"))
    keys |= {value: value for value in values if value not in keys}
    wanted = set(keys.values())
    secrets = [settings.CREDENTIALS_KEY, *settings.FORMER_CREDENTIALS_KEYS]
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for kind in {Kind.EMAIL if "@" in key else Kind.PHONE for key in wanted}:
        in_use = Address.objects.filter(kind=kind).exclude(value="").exclude(match_key__startswith=ERASED)
        for key, value in in_use.order_by().values_list("match_key", "value").iterator(chunk_size=10_000):
            for hashed in wanted.intersection(erased_key(key, secret) for secret in secrets):
                found[hashed][key] = value
    return {value: [*({key} - {value}), *found[key].values()] for value, key in keys.items()}
