"""The pages that need no log-in. `config/urls.py` says where they stand."""

from django.urls import path

from public import media, unsubscribing

pages = [path("<str:token>", unsubscribing.page, name="unsubscribe")]

media_files = [path("<str:name>", media.media, name="media")]
