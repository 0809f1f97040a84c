"""What administrators say that words mean, beside the table that is built in."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from contacts.models.ledger import AppendOnly

LONGEST_WORD = 60


class KeywordChange(AppendOnly):
    """One change of what a word or phrase of a reply means; the last one of a word counts.

    `contacts.keyword_changes` says which changes can be made, and what the table is with them.
    """

    class Meaning(models.TextChoices):
        STOP = "stop", "Opt-out"
        UNSURE = "unsure", "Unsure: a person reads it"
        START = "start", "Opt-in"
        HELP = "help", "Asks for help"
        BUILT_IN = "built_in", "As built in"

    language = models.CharField(max_length=8)
    text = models.CharField("word or phrase", max_length=LONGEST_WORD)
    key = models.CharField(max_length=LONGEST_WORD * 4, help_text="What all spellings of it have in common.")
    meaning = models.CharField(max_length=8, choices=Meaning)
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        verbose_name = "change of a keyword"
        verbose_name_plural = "changes of keywords"
        indexes = [models.Index(fields=["key", "-id"], name="keyword_change_last")]

    def __str__(self) -> str:
        return f"{self.text}: {self.get_meaning_display()}"
