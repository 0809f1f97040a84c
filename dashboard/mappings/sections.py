"""What the pages about code mappings share: who may open them, and the tabs over them."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Page, Paginator
from django.db import transaction
from django.http import HttpRequest

from dashboard.shell.pages import may_see
from deliveries.meaning import mappings
from deliveries.meaning.translation import Key
from deliveries.models import CodeMapping, MappingVersion
from deliveries.wake import wake

READ = "deliveries.view_codemapping"
EDIT = "deliveries.change_codemapping"
PUBLISH = "deliveries.change_mappingversion"


def sections(current: str, draft: MappingVersion | None) -> dict[str, Any]:
    """What the tabs over these pages need. One query when there is a draft."""
    return {"section": current, "draft": draft, "draft_size": draft.brought.count() if draft else 0}


def drafted_rows(draft: MappingVersion | None) -> dict[Key, CodeMapping]:
    return {mappings.key_of(row): row for row in draft.brought.all()} if draft else {}


def numbered(rows: Any, size: int, request: HttpRequest) -> Page:
    """By number: these lists are short, and nonsense means the first page."""
    return Paginator(rows, size).get_page(request.GET.get("page"))


def sees_addresses(request: HttpRequest) -> bool:
    return may_see(request)


def hurry(version: MappingVersion) -> None:
    """Wake the worker while somebody watches: the wake-up call of publishing came too early to begin
    (`replay.SETTLING`), and the next one by itself comes a minute later."""
    if version.replaying:
        transaction.on_commit(wake)
