"""Who we write as: the name that people know, and the domains that are its own."""

from __future__ import annotations

from typing import Self

from django.core.exceptions import ValidationError
from django.db import models, transaction

from contacts.emails import NotAnEmail, parse_domain

NAME = "Our brand"  # of the one that a migration made, until somebody names it


def domains_only(value: object) -> None:
    """Raises ValidationError for anything that is not a list of domains in the form that they are kept in."""
    if not isinstance(value, list) or any(not isinstance(one, str) for one in value):
        raise ValidationError('Not a list of domains, such as ["example.com"].')
    for one in value:
        try:
            kept = parse_domain(one)
        except NotAnEmail as problem:
            raise ValidationError(f"“{one}” is no domain: {problem.why}") from None
        if kept != one:
            raise ValidationError(f"“{one}” is kept as “{kept}”: write it so.")


class BrandQuerySet(models.QuerySet["Brand"]):
    def default(self) -> Brand:
        """The brand of senders that name none. Made where there is none."""
        return self.filter(is_default=True).first() or self._made()

    def _made(self) -> Brand:
        with transaction.atomic():
            brand, _ = self.get_or_create(name=NAME)
            brand.make_default()
        return brand

    def in_order(self) -> Self:
        return self.order_by("-is_default", "name")


class Brand(models.Model):
    """A name under which messages leave. Every sender belongs to one; one is the default.

    An opt-out holds for all brands alike, whatever brand it answered.
    """

    name = models.CharField(
        max_length=80,
        unique=True,
        help_text="As people know you: messages should name it.",
        error_messages={"unique": "Name: there is a brand of this name already; change that one instead."},
    )
    domains = models.JSONField(
        default=list,
        blank=True,
        validators=[domains_only],
        help_text='Web and mail domains of your own, such as ["example.com"]; names below them count as well.',
    )
    is_default = models.BooleanField(
        "default",
        default=False,
        editable=False,
        help_text="New senders belong to it unless they say otherwise.",
    )

    objects = BrandQuerySet.as_manager()

    class Meta:
        app_label = "campaigns"
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"],
                condition=models.Q(is_default=True),
                name="one_default_brand",
                violation_error_message="Default: another brand is the default; make this one the default instead.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def owns(self, host: str) -> bool:
        """Whether `host`, in any spelling, is one of its domains or a name below one."""
        try:
            host = parse_domain(host)
        except NotAnEmail:
            return False
        return any(host == domain or host.endswith(f".{domain}") for domain in self.domains)

    def make_default(self) -> None:
        """The only one; saved."""
        with transaction.atomic():
            Brand.objects.filter(is_default=True).exclude(pk=self.pk).update(is_default=False)
            self.is_default = True
            self.save(update_fields=["is_default"])
