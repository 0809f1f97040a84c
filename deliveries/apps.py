from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class DeliveriesConfig(AppConfig):
    name = "deliveries"
    verbose_name = "Deliveries"

    def ready(self) -> None:
        from contacts.suppressing import blocks_changed
        from deliveries.deciding.stopping import follow_blocks

        post_migrate.connect(load_code_tables, sender=self)
        blocks_changed.connect(follow_blocks)


def load_code_tables(using: str = "default", **_: Any) -> None:
    """After each migration: the code tables of this release, if its tables exist."""
    from django.db import connections

    from deliveries.meaning.mappings import seed

    if using == "default" and "deliveries_codemapping" in connections[using].introspection.table_names():
        seed()
