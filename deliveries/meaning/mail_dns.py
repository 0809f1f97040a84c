"""Whether mail of a domain is authenticated: what its DNS says of SPF, DKIM, DMARC and MX, and what to add there.

Pure but for the resolver that it is given. What mailbox providers ask for: Gmail and Yahoo since February 2024 and
Outlook.com since 5 May 2025, SPF and DKIM for bulk senders, DMARC with at least p=none, the From domain aligned with
one of them; Gmail one of SPF and DKIM of everybody.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from deliveries import providers

OK, WEAK, MISSING, WRONG, UNKNOWN = "ok", "weak", "missing", "wrong", "unknown"
IN_ORDER = frozenset({OK, WEAK})
FAILING = frozenset({MISSING, WRONG})


class NoAnswer(Exception):
    """The DNS did not answer in time, or in error; the message is a sentence."""


class Resolver(Protocol):
    def txt(self, name: str) -> list[str]:
        """The TXT records of a name, each in one piece; none where it has none. Raises NoAnswer."""

    def mx(self, name: str) -> list[str]:
        """The mail servers of a name. Raises NoAnswer."""


@dataclass(frozen=True)
class DnsFinding:
    """`what` is spf, dkim, dmarc or mx. `name` and `record` are what to enter in the DNS, '' where nothing is."""

    what: str
    state: str
    says: str
    way_out: str = ""
    name: str = ""
    record: str = ""
    current: str = ""  # what stands there now

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class MailDns(NamedTuple):
    """What a provider wants to see in the DNS of its customers. `spf` is '' where its own bounce address carries it."""

    spf: str = ""
    selectors: tuple[str, ...] = ()


@cache
def by_provider() -> dict[str, MailDns]:
    path = Path(providers.__file__).with_name("mail_dns.csv")
    with path.open(encoding="utf-8", newline="") as file:
        return {
            line["provider"]: MailDns(line["spf"], tuple(line["selectors"].split()))
            for line in csv.DictReader(file)
        }


def examine(
    domain: str, slugs: Iterable[str], selectors: Sequence[str], resolver: Resolver
) -> list[DnsFinding]:
    """`slugs`: the providers that its mail leaves by; `selectors`: those that somebody entered, else the providers'."""
    slugs = sorted(set(slugs))
    known = [by_provider()[slug] for slug in slugs if slug in by_provider()]
    carried = bool(known) and len(known) == len(slugs) and not any(each.spf for each in known)
    names = selectors or [one for each in known for one in each.selectors]
    return [
        _asked(
            "spf",
            "SPF",
            lambda: _spf(domain, [one.spf for one in known if one.spf], resolver, carried=carried),
        ),
        _asked("dkim", "DKIM", lambda: _dkim(domain, list(dict.fromkeys(names)), resolver)),
        _asked("dmarc", "DMARC", lambda: _dmarc(domain, resolver)),
        _asked("mx", "mail servers", lambda: _mx(domain, resolver)),
    ]


def _asked(what: str, label: str, look: Any) -> DnsFinding:
    try:
        return look()
    except NoAnswer as problem:
        return DnsFinding(
            what, UNKNOWN, f"The DNS did not say whether there is {label}: {problem}", "Check again."
        )


def _spf(domain: str, wanted: list[str], resolver: Resolver, *, carried: bool) -> DnsFinding:
    """`carried`: whether all its mail leaves with a bounce address of its provider, which is what SPF is asked of."""
    found = [one for one in resolver.txt(domain) if one.lower().split(" ")[0] == "v=spf1"]
    if not found and carried:
        return DnsFinding("spf", OK, "The bounce address of the provider carries SPF: none is needed here.")
    if not found:
        record = " ".join(["v=spf1", *dict.fromkeys(wanted), "~all"]) if wanted else ""
        return DnsFinding(
            "spf", MISSING, f"{domain} has no SPF record, so no server may vouch for its mail.",
            "Add this record." if record else "Add the record that your mail provider shows.", domain, record,
        )  # fmt: skip
    if len(found) > 1:
        parts = [part for one in found for part in one.split()[1:] if not part.lower().endswith("all")]
        merged = " ".join(["v=spf1", *dict.fromkeys([*parts, *wanted]), "~all"])
        return DnsFinding(
            "spf", WRONG, f"{domain} has {len(found)} SPF records; mailboxes then take none of them.",
            "Replace them by this one.", domain, merged, "\n".join(found),
        )  # fmt: skip
    (record,) = found
    parts = record.split()
    if any(part.lower() in ("+all", "all") for part in parts):
        better = " ".join(part if part.lower() not in ("+all", "all") else "~all" for part in parts)
        return DnsFinding(
            "spf", WRONG, "The SPF record lets everybody send mail of this domain.", "Replace it by this one.", domain,
            better, record,
        )  # fmt: skip
    lacking = [one for one in wanted if one.lower() not in record.lower()]
    if lacking:
        return DnsFinding(
            "spf", WEAK, f"There is an SPF record, and it does not name the servers of the provider ({lacking[0]}).",
            "Replace it by this one, unless the provider uses a bounce domain of its own.", domain,
            _with(parts, lacking), record,
        )  # fmt: skip
    return DnsFinding("spf", OK, "An SPF record says which servers may send its mail.", current=record)


def _with(parts: list[str], more: list[str]) -> str:
    last = [part for part in parts if part.lower().lstrip("+-~?") == "all"]
    return " ".join([*(part for part in parts if part not in last), *more, *(last or ["~all"])])


def _dkim(domain: str, selectors: list[str], resolver: Resolver) -> DnsFinding:
    if not selectors:
        return DnsFinding(
            "dkim", UNKNOWN, "Under which name the key stands is not known.",
            "Enter the DKIM selector that your mail provider shows.",
        )  # fmt: skip
    revoked = ""
    for selector in selectors:
        for record in resolver.txt(f"{selector}._domainkey.{domain}"):
            key = _tags(record).get("p")
            if key:
                says = f"A key stands under {selector}, of the From domain itself, so signed mail is aligned with it."
                return DnsFinding("dkim", OK, says, current=record)
            if key == "":
                revoked = selector
    if revoked:
        return DnsFinding(
            "dkim", WRONG, f"The key under {revoked} is withdrawn: mail signed with it fails.",
            "Enter the key that your mail provider shows.", f"{revoked}._domainkey.{domain}",
        )  # fmt: skip
    return DnsFinding(
        "dkim", MISSING, f"No key stands under {' or '.join(selectors)}: mail of {domain} is not signed as its own.",
        "Add the record that your mail provider shows for this name, or correct the selector.",
        f"{selectors[0]}._domainkey.{domain}",
    )  # fmt: skip


def _dmarc(domain: str, resolver: Resolver) -> DnsFinding:
    for name in _upward(domain):
        found = [
            one
            for one in resolver.txt(f"_dmarc.{name}")
            if one.lower().replace(" ", "").startswith("v=dmarc1")
        ]
        if len(found) == 1:
            return _policy(name, found[0])
        if found:
            return DnsFinding(
                "dmarc", WRONG, f"{name} has {len(found)} DMARC records; mailboxes then take none of them.",
                "Leave one of them.", current="\n".join(found),
            )  # fmt: skip
    return DnsFinding(
        "dmarc", MISSING, f"{domain} has no DMARC record.", "Add this record: it changes nothing but asks for reports.",
        f"_dmarc.{domain}", f"v=DMARC1; p=none; rua=mailto:dmarc@{domain}",
    )  # fmt: skip


POLICIES = {
    "none": "mail that fails is delivered all the same, and reported",
    "quarantine": "mail that fails goes to spam",
    "reject": "mail that fails is refused",
}


def _policy(name: str, record: str) -> DnsFinding:
    tags = _tags(record)
    policy = tags.get("p", "").lower()
    if policy not in POLICIES:
        return DnsFinding(
            "dmarc", WRONG, "The DMARC record has no policy that mailboxes know.", "Replace it by this one.",
            f"_dmarc.{name}", f"v=DMARC1; p=none; rua=mailto:dmarc@{name}", record,
        )  # fmt: skip
    strict = " It asks for exactly the From domain." if "s" in (tags.get("adkim"), tags.get("aspf")) else ""
    return DnsFinding("dmarc", OK, f"The policy is {policy}: {POLICIES[policy]}.{strict}", current=record)


def _mx(domain: str, resolver: Resolver) -> DnsFinding:
    servers = [one for one in resolver.mx(domain) if one not in ("", ".")]
    if servers:
        return DnsFinding("mx", OK, f"Replies arrive at {servers[0]}.", current="\n".join(servers))
    return DnsFinding(
        "mx", WEAK, f"{domain} takes no mail: replies to it, a STOP among them, are lost.",
        "Add a mail server, or let replies go to an address that is read.",
    )  # fmt: skip


def _upward(domain: str) -> list[str]:
    """The domain and those above it that can have a policy for it, never a top-level domain alone."""
    parts = domain.split(".")
    return [".".join(parts[n:]) for n in range(max(len(parts) - 1, 1))]


def _tags(record: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in record.split(";"))
    return {name.strip().lower(): "".join(value.split()) for name, _, value in pairs if name.strip()}
