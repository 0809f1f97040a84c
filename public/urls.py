"""The pages that need no log-in. `config/urls.py` says where they stand."""

from django.urls import path

from public import unsubscribing

pages = [path("<str:token>", unsubscribing.page, name="unsubscribe")]
