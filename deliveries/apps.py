from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_delete, post_migrate, post_save


class DeliveriesConfig(AppConfig):
    name = "deliveries"
    verbose_name = "Deliveries"

    def ready(self) -> None:
        from contacts.models.consent import Consent, consents_written
        from contacts.suppressing import blocks_changed, suppressions_lifted, suppressions_made
        from deliveries.deciding.stopping import follow_blocks
        from deliveries.models import WebhookEndpoint
        from deliveries.outgoing import events, subscriptions

        post_migrate.connect(load_code_tables, sender=self)
        blocks_changed.connect(follow_blocks)
        suppressions_made.connect(events.note_suppressions)
        suppressions_lifted.connect(events.note_releases)
        consents_written.connect(events.note_opt_outs)
        post_save.connect(events.note_saved_consent, sender=Consent)
        post_save.connect(subscriptions.forget, sender=WebhookEndpoint)
        post_delete.connect(subscriptions.forget, sender=WebhookEndpoint)


def load_code_tables(using: str = "default", **_: Any) -> None:
    """After each migration: the code tables of this release, if its tables exist."""
    from django.db import connections

    from deliveries.meaning.mappings import seed

    if using == "default" and "deliveries_codemapping" in connections[using].introspection.table_names():
        seed()
