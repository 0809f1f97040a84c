"""`make lint`: everything that can be checked without running a test. Each check is run, then the sum is said."""

from __future__ import annotations

import ast
import os
import re
import secrets
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

PRODUCTION = {
    "WAYBILL_ENV": "production",
    "SECRET_KEY": secrets.token_urlsafe(48),
    "ALLOWED_HOSTS": "waybill.example.com",
    "PUBLIC_URL": "https://waybill.example.com",
}
TEMPLATE_LINE = 140  # characters
DJANGO_NAMES = {"migrations", "commands"}  # folders
# What must stand in no file: where packages come from, and where somebody's checkout happens to lie.
FORBIDDEN = {
    "the address of a package index": re.compile(
        r"py(?:pi|thonhosted)\.(?:org|io)|--(?:extra-)?index-url[ =]|--find-links[ =]"
    ),
    "a path of one machine": re.compile(r"(?<![\w.~$}])/(?:root|home|work|Users)/\w"),
}


def tool(*words: str, env: dict[str, str] | None = None) -> bool:
    """Run a command of the virtual environment; its output goes to the screen."""
    command = [str(BIN / words[0]), *words[1:]]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **(env or {})}, check=False).returncode == 0


def templates() -> bool:
    """Compile every template, so that a missing tag or an unclosed block shows here and not on the page.

    And keep its lines short enough to be read: no formatter does it for templates.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django
    from django.template import TemplateSyntaxError, engines

    django.setup()
    engine = engines["django"]
    good = True
    for path in sorted((ROOT / "templates").rglob("*")):
        if not path.is_file():
            continue
        text, name = path.read_text(), path.relative_to(ROOT)
        try:
            engine.from_string(text)
        except TemplateSyntaxError as problem:
            good = False
            print(f"{name}: {problem}")
        for number, line in enumerate(text.splitlines(), start=1):
            if len(line) > TEMPLATE_LINE:
                good = False
                print(f"{name}:{number}: longer than {TEMPLATE_LINE} characters")
    return good


def words() -> bool:
    found = [f"{place}: {what}" for place, what in forbidden(tracked())]
    print(*found, sep="\n", end="\n" if found else "")
    return not found


def class_names() -> bool:
    """Whether each class of the product has a name of its own, so that whoever searches for it finds one place.

    Left out: tests, benchmarks, and what Django gives one name in every module (Migration, Command).
    """
    modules = defaultdict(list)
    for path in tracked():
        name = path.relative_to(ROOT)
        if name.suffix != ".py" or name.parts[0] in ("tests", "benchmarks") or DJANGO_NAMES & set(name.parts):
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                modules[node.name].append(str(name))
    twice = {name: places for name, places in modules.items() if len(places) > 1}
    for name, places in twice.items():
        print(f"class {name} stands in {', '.join(places)}: give each a name that says which")
    return not twice


def tracked() -> Iterator[Path]:
    """The files under version control."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]  # a clone may belong to somebody else
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    return (ROOT / os.fsdecode(name) for name in listing.split(b"\0") if name)


def forbidden(files: Iterator[Path]) -> Iterator[tuple[str, str]]:
    """(file:line, what) for each line of a text file that holds what no file may hold."""
    for path in files:
        try:
            text = path.read_text()
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            for what, pattern in FORBIDDEN.items():
                if pattern.search(line):
                    yield f"{path.relative_to(ROOT)}:{number}", what


CHECKS: dict[str, Callable[[], bool]] = {
    "ruff check": lambda: tool("ruff", "check", "--quiet", "."),
    "ruff format": lambda: tool("ruff", "format", "--check", "--quiet", "."),
    "mypy": lambda: tool("mypy", "--no-error-summary", "."),
    "imports": lambda: tool("lint-imports", "--no-logo"),
    "templates": templates,
    "migrations": lambda: tool("python", "manage.py", "makemigrations", "--check", "--dry-run"),
    "production settings": lambda: tool(
        "python", "manage.py", "check", "--deploy", "--fail-level", "WARNING", env=PRODUCTION
    ),
    "words no file may hold": words,
    "class names": class_names,
}


def main() -> int:
    failed = []
    for name, check in CHECKS.items():
        good = check()
        print(f"{'ok    ' if good else 'FAILED'}  {name}", flush=True)
        if not good:
            failed.append(name)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
