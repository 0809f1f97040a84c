"""What a check before a launch found: how grave it is, a sentence, and the way out."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import TextChoices


class Severity(TextChoices):
    BLOCKS = "blocks", "Stands in the way of a launch"
    WARNS = "warns", "Worth a look before the launch"


@dataclass(frozen=True)
class FixLink:
    """Where something can be changed: the words of a link, its address, and the permission to open it.

    `changes`: the permission to change it there, where those who may only look can open it as well.
    """

    words: str
    url: str
    needs: str
    changes: str = ""


@dataclass(frozen=True)
class CheckFinding:
    severity: Severity
    says: str
    way_out: str
    way: FixLink | None = None
    needs_override: bool = (
        False  # a warning that holds a launch until an administrator accepts it, with a reason
    )

    @property
    def sentence(self) -> str:
        return f"{self.says} {self.way_out}"

    @property
    def blocks(self) -> bool:
        return self.severity == Severity.BLOCKS
