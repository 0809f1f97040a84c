"""Slugs: short names that stand in addresses of pages and in names of files."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils.text import slugify

LONGEST_STEM = 120  # characters, so that a number fits behind it into the 140 of a slug


def free_slug(name: str, taken: QuerySet, otherwise: str) -> str:
    """A slug made from `name` that no row of `taken` has; from `otherwise` where a name has no letter to make it of."""
    stem = slugify(name)[:LONGEST_STEM] or otherwise
    slug, number = stem, 1
    while taken.filter(slug=slug).exists():
        number += 1
        slug = f"{stem}-{number}"
    return slug
