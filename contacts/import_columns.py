"""What each column of an uploaded file is used as: guesses, what people choose, and a line read by it. No database."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from contacts.channels import Channel
from contacts.denials import channels_named
from contacts.headers import ATTRIBUTE, COLUMNS, WHOM, Column, Use, columns_of, plain_title
from contacts.sheet_lines import Refusal
from contacts.sheets import SheetRow, row_of

LEAVE_OUT = ""
FIELD = "field"  # a merge field, named by the title
OPT_OUT = "opt_out"  # any mark is an opt-out
SAYS_NO = "says_no"  # only what plainly says no, such as “do not call” among notes
AGREED = "agreed"  # agreed:sms+mms
AGREEMENTS = {
    "agreed:sms": "Agreed to SMS",
    "agreed:sms+mms": "Agreed to SMS and MMS",
    "agreed:email": "Agreed to email",
    "agreed:voice": "Agreed to calls",
    "agreed:rvm": "Agreed to ringless voicemail",
    "agreed:voice+rvm": "Agreed to calls and ringless voicemail",
    "agreed:sms+mms+voice+rvm": "Agreed to everything by phone",
    "agreed:sms+mms+voice+rvm+email": "Agreed to every channel",
}
WHAT_IS_WRONG = "What is wrong"  # the column with the reasons, in the file of refused lines
CONSENT = ("consent", *AGREEMENTS)  # uses that record consent, which nobody has by a guess
# Titles of other systems, beside those that the import has always known.
_GUESSES = {
    "phone": "cell cell_phone cellphone mobile_phone mobile_number mobile_no cell_number telephone telephone_number "
    "tel phone_no phone_1 phone1 primary_phone contact_number handy handynummer telefon telefonnummer movil telefono "
    "celular portable numero_de_telephone msisdn sms_number",
    "email": "mail e_mail_address email_1 primary_email email_id correo correo_electronico courriel",
    "external_id": "customer_id customer_number customer_no contact_id member_id person_id record_id client_id id "
    "crm_id subscriber_id kundennummer",
    "first_name": "firstname given_name forename first vorname prenom nombre",
    "last_name": "lastname surname family_name last nachname nom apellido apellidos",
    "name": "fullname contact_name customer_name contact client_name display_name",
    "time_zone": "tz zone",
    "locale": "language lang preferred_language sprache langue idioma",
    "stage": "lifecycle_stage lifecycle customer_stage",
    "consent_at": "opt_in_date optin_date opt_in_at consent_date date_of_consent subscribed_at opt_in_time optin_time "
    "subscription_date",
    "consent_how": "opt_in_source optin_source consent_source opt_in_method consent_method",
}
GUESSES = {title: name for name, titles in _GUESSES.items() for title in titles.split()}
YES = re.compile(
    r"yes|y|true|t|1|on|x|ok(ay)?|opt(ed)?[ _-]?in|subscribed|agree[sd]?|accept(s|ed)?|allow(s|ed)?|confirmed|granted|"
    r"consent(ed)?|active|ja|j|si|sí|oui|sim|s|tak|да|✓|✔|☑",
    re.IGNORECASE,
)
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ,].*)?")


class ColumnMapping(NamedTuple):
    """The columns of a file as they are read. `agreed`: by the column's number the channels that a yes there means.

    `opt_outs` are the numbers of the columns whose marks are recorded as opt-outs.
    """

    columns: list[Column]
    agreed: Mapping[int, tuple[str, ...]]
    opt_outs: frozenset[int]


def guessed_uses(titles: Sequence[str]) -> list[str]:
    """What each column is probably to be used as. Consent is never guessed: whoever uploads has to say so."""
    uses: list[str] = []
    for column in columns_of(titles):
        name = column.name if column.name in COLUMNS else GUESSES.get(plain_title(column.title), "")
        if column.use is Use.OPT_OUT:
            uses.append(OPT_OUT)
        elif name in COLUMNS and name != "consent" and name not in uses:
            uses.append(name)
        elif column.use is Use.READ and field_name(column.title) and column.title != WHAT_IS_WRONG:
            uses.append(FIELD)
        else:
            uses.append(LEAVE_OUT)
    return uses


def looks_like_consent(title: str) -> str:
    """The use to offer for a column that looks like consent; '' for any other."""
    column = columns_of([title])[0]
    if column.name == "consent":
        return "consent"
    if column.use not in (Use.OPT_IN, Use.STATUS):
        return ""
    named = "+".join(channels_named(plain_title(title)))
    return next((use for use in AGREEMENTS if use == f"agreed:{named}"), "agreed:sms+mms+voice+rvm+email")


def choices(title: str) -> list[tuple[str, str]]:
    """What a column may be used as, each with its words."""
    known = [(name, f"{name.replace('_', ' ').capitalize()}: {what}") for name, what in COLUMNS.items()]
    field = field_name(title)
    return [
        (LEAVE_OUT, "Leave out"),
        *(each for each in known if each[0] not in CONSENT),
        *([(FIELD, f"Merge field “{field}”")] if field else []),
        (OPT_OUT, "Opt-outs: block whoever is marked"),
        (SAYS_NO, "Opt-outs: block where it plainly says no"),
        ("consent", "Consent: names of channels"),
        *((use, f"{words}, where it says yes") for use, words in AGREEMENTS.items()),
    ]


def field_name(title: str) -> str:
    """The merge field that a column can become; '' where its title makes no name."""
    plain = plain_title(title)
    return plain if ATTRIBUTE.fullmatch(plain) and plain not in COLUMNS else ""


def faults_in(titles: Sequence[str], uses: Sequence[str]) -> list[str]:
    """What is wrong with a choice, a sentence each."""
    faults = []
    named = Counter(use for use in uses if use in COLUMNS)
    for use, count in named.items():
        if count > 1:
            both = " and ".join(f"“{title}”" for title, each in zip(titles, uses, strict=True) if each == use)
            faults.append(f"Only one column can be the {use.replace('_', ' ')}, not {both}.")
    if not set(WHOM) & set(uses):
        faults.append("Say which column is the phone, the email or the external id: one of them is needed.")
    fields = Counter(field_name(title) for title, use in zip(titles, uses, strict=True) if use == FIELD)
    faults += [f"Two columns would become the merge field “{name}”." for name, n in fields.items() if n > 1]
    if "consent" in uses and any(use in AGREEMENTS for use in uses):
        faults.append("Either one column names the channels, or columns say yes to some: not both.")
    return faults


def mapping_of(titles: Sequence[str], uses: Sequence[str]) -> ColumnMapping:
    """How a line of the file is read. A column that looks like a no is heeded as one whatever it is used as."""
    columns: list[Column] = []
    agreed: dict[int, tuple[str, ...]] = {}
    for column, use in zip(columns_of(titles), uses, strict=True):
        bare = column._replace(name="", use=Use.LEFT_OUT if column.use is Use.READ else column.use)
        if use in COLUMNS:
            columns.append(column._replace(name=use, use=Use.READ))
            columns += [] if column.use in (Use.READ, Use.LEFT_OUT) else [bare]
        elif use == FIELD:
            columns.append(bare._replace(name=field_name(column.title)))
        elif use == OPT_OUT:
            columns.append(bare._replace(use=Use.OPT_OUT))
        elif use in AGREEMENTS:
            agreed[column.number] = tuple(use.partition(":")[2].split("+"))
            columns.append(bare if column.use in (Use.OPT_IN, Use.STATUS) else bare._replace(use=Use.STATUS))
        else:
            columns.append(bare)
    opt_outs = frozenset(number for number, use in enumerate(uses, start=1) if use in (OPT_OUT, SAYS_NO))
    return ColumnMapping(columns, agreed, opt_outs)


class ReadLine(NamedTuple):
    """A line by its mapping: its cells, the channels it says yes to, the day given with a yes, and what is unclear."""

    row: SheetRow
    agreed: tuple[str, ...]
    agreed_on: str
    unclear: list[Refusal]
    opted_out: tuple[str, ...]  # channels
    says_no: str  # what plainly says no in a column that is not used for opt-outs


def read_line(mapping: ColumnMapping, line: int, cells: Sequence[str]) -> ReadLine:
    row = row_of(line, mapping.columns, cells)
    agreed: dict[str, None] = {}
    unclear = []
    agreed_on = ""
    for number, channels in mapping.agreed.items():
        cell = cells[number - 1].strip() if number <= len(cells) else ""
        if YES.fullmatch(cell) or _DATE.fullmatch(cell):
            agreed |= dict.fromkeys(channels)
            agreed_on = cell if _DATE.fullmatch(cell) else agreed_on
        elif cell and not any(denial.column == number for denial in row.denials):
            title = next(each.title for each in mapping.columns if each.number == number)
            why = f"“{title}” says “{cell[:60]}”, which is no plain yes"
            unclear.append(Refusal(line, "consent", "", why, "The line was imported without this consent."))
    opted_out = dict.fromkeys(
        channel for denial in row.denials if denial.column in mapping.opt_outs for channel in denial.channels
    )
    others = (each for each in row.denials if each.column not in mapping.opt_outs and each.outweighs_consent)
    says_no = next((f"“{each.title}” says “{each.cell[:60]}”" for each in others if each.cell), "")
    return ReadLine(row, tuple(agreed), agreed_on, unclear, tuple(opted_out), says_no)


def channels_named_in(uses: Sequence[str]) -> list[str]:
    """The channels that these uses may record consent for, by name."""
    found = {channel for use in uses if use in AGREEMENTS for channel in use.partition(":")[2].split("+")}
    return [channel.label for channel in Channel if channel in found]
