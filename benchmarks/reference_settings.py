"""The project's settings with nothing around a view: the references' best case."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.references"
MIDDLEWARE: list[str] = []
ALLOWED_HOSTS = ["*"]
