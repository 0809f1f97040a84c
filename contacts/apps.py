from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ContactsConfig(AppConfig):
    name = "contacts"
    verbose_name = "Contacts"

    def ready(self) -> None:
        from contacts import erasing, search_index, suppressing
        from contacts.models.addresses import addresses_going, addresses_saved

        addresses_saved.connect(erasing.block_again)
        addresses_going.connect(suppressing.carry_to_others)
        post_migrate.connect(search_index.make, sender=self)
