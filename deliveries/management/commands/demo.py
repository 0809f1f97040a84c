"""Fill an empty database with ninety days of campaigns, and launch one that runs now."""

from __future__ import annotations

import gc
from argparse import ArgumentParser
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from campaigns.models import Campaign
from deliveries.demo import making
from deliveries.providers.sandbox.network import Network
from deliveries.providers.sandbox.server import Store

END_OF_TIME = datetime.max.replace(tzinfo=UTC)


def refuse_in_production() -> None:
    """The demo's people have passwords that everybody can read. Raises CommandError."""
    if settings.PRODUCTION:
        raise CommandError(
            "The demo makes people whose passwords are published, so it is refused when WAYBILL_ENV=production. "
            "Run `manage.py migrate` and `manage.py createsuperuser`, then `manage.py web` and `manage.py worker`."
        )


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--seed", type=int, default=7, help="the same seed makes the same people and outcomes"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_in_production()
        if Campaign.objects.exists():
            raise CommandError("There are campaigns already. The demo only fills an empty database.")

        def progress(items: Iterable, name: str) -> Iterable:
            return tqdm(items, desc=name, ascii=True, leave=True)

        gc.disable()  # next to nothing of what is made refers to itself, and looking for that takes a tenth of the time
        try:
            network = making.make(options["seed"], timezone.now(), progress=progress, say=self.stdout.write)
        finally:
            gc.enable()
        self.hand_on(network)
        self.stdout.write(
            "Log in as " + ", ".join(f"{name} / {password}" for name, password in making.LOGINS) + "."
        )

    def hand_on(self, network: Network) -> None:
        """What the simulated network has still to say is said by the carriers' process, in its time."""
        store = Store(settings.VAR_DIR / "carriers.sqlite3")
        store.adopt(network.due(END_OF_TIME))
        store.close()
