"""Who we may reach: people, their addresses, where they came from, and what they allowed."""

from contacts.models.addresses import Address, AddressHealth
from contacts.models.answers import AnswerWording, AutomaticAnswer, OwnAddress
from contacts.models.changes import AddressChange
from contacts.models.consent import Consent
from contacts.models.imports import ContactImport, FileRow, ImportChunk, ImportedContact
from contacts.models.keywords import KeywordChange
from contacts.models.ledger import AppendOnly
from contacts.models.opt_ins import DoubleOptIn
from contacts.models.people import Contact, ContactList, ListCount, ListMembership, Note
from contacts.models.privacy import AccessRecord, FileErasure, PrivacyRecord
from contacts.models.replies import Reply
from contacts.models.suppressions import Suppression, SuppressionLapse, keep_blocks_of_addresses
from contacts.models.verifying import VerifyingSender

__all__ = [
    "AccessRecord",
    "Address",
    "AddressChange",
    "AddressHealth",
    "AnswerWording",
    "AppendOnly",
    "AutomaticAnswer",
    "Consent",
    "Contact",
    "ContactImport",
    "ContactList",
    "DoubleOptIn",
    "FileErasure",
    "FileRow",
    "ImportChunk",
    "ImportedContact",
    "KeywordChange",
    "ListCount",
    "ListMembership",
    "Note",
    "OwnAddress",
    "PrivacyRecord",
    "Reply",
    "Suppression",
    "SuppressionLapse",
    "VerifyingSender",
    "keep_blocks_of_addresses",
]
