"""What the documents promise: blocks that can be pasted, links that lead somewhere, all found from the README."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from deliveries.providers import PROVIDERS

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(ROOT.glob("docs/*.md"))
DOCUMENTS = [ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md", *PAGES]
FENCED = re.compile(r"^( *)```[a-z]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
ASSIGNED = re.compile(r"[A-Z][A-Z0-9_]*=")
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


def environments():
    """The blocks that are environment files: nothing but assignments and comments."""
    found = []
    for path in DOCUMENTS:
        for indent, block in FENCED.findall(path.read_text(encoding="utf-8")):
            lines = [line.removeprefix(indent) for line in block.splitlines()]
            said = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
            if said and all(ASSIGNED.match(line) for line in said):
                found.append(pytest.param("\n".join(lines) + "\n", id=f"{path.name}-{said[0]}"))
    return found


def as_systemd(text):
    """An EnvironmentFile by systemd.exec(5): comments on lines of their own, quotes, backslashes, lines that go on."""
    values = {}
    for line in re.sub(r"\\\n", "", text).splitlines():
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        name, _, value = line.partition("=")
        values[name.strip()] = _unquoted(value.strip())
    return values


def _unquoted(value):
    found, quote, at = [], "", 0
    while at < len(value):
        mark = value[at]
        if mark == "\\" and quote != "'" and at + 1 < len(value):
            following = value[at + 1]
            # Between double quotes a backslash counts before a few marks only.
            found.append(following if not quote or following in '"\\`$' else mark + following)
            at += 1
        elif mark == quote:
            quote = ""
        elif not quote and mark in "'\"":
            quote = mark
        else:
            found.append(mark)
        at += 1
    return "".join(found)


def as_a_shell(text, tmp_path):
    file = tmp_path / "waybill.env"
    file.write_text(text, encoding="utf-8")
    script = 'set -a; . "$1"; exec env -0'
    output = subprocess.run(
        ["/bin/sh", "-c", script, "sh", file], capture_output=True, check=True, env={}
    ).stdout
    values = dict(each.split("=", 1) for each in output.decode().split("\0") if each)
    return {
        name: value for name, value in values.items() if name not in ("PWD", "OLDPWD", "SHLVL", "_", "PATH")
    }


@pytest.mark.parametrize("block", environments())
def test_an_environment_block_means_the_same_to_systemd_and_to_a_shell(block, tmp_path):
    values = as_systemd(block)

    assert values == as_a_shell(block, tmp_path)
    assert not any("#" in value for value in values.values())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=b\n", "b"),
        ("A=b   \n", "b"),
        ("A='b c'\n", "b c"),
        ('A="b c"\n', "b c"),
        ('A="b\\"c"\n', 'b"c'),
        ("A=b\\ c\n", "b c"),
        ("A=b\\\nc\n", "bc"),
        ("# A=c\nA=b\n", "b"),
        ("A=\n", ""),
    ],
)
def test_both_readers_agree_on_what_may_stand_in_such_a_block(text, value, tmp_path):
    assert as_systemd(text) == as_a_shell(text, tmp_path) == {"A": value}


def test_a_comment_behind_a_value_would_be_noticed(tmp_path):
    text = "SECRET_KEY=abc          # made by secrets\n"

    assert as_systemd(text) == {"SECRET_KEY": "abc          # made by secrets"}
    assert as_a_shell(text, tmp_path) == {"SECRET_KEY": "abc"}


def test_the_environment_of_production_is_among_the_blocks():
    assert any("WAYBILL_ENV=production" in each.values[0] for each in environments())


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file(path):
    missing = [
        link for link in LINK.findall(path.read_text(encoding="utf-8")) if not (path.parent / link).exists()
    ]

    assert missing == []


def test_the_readme_leads_to_every_page_and_names_every_provider():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert [page.name for page in PAGES if f"(docs/{page.name})" not in readme] == []
    assert [name for name in ("LICENSE", "SECURITY.md", "CHANGELOG.md") if f"({name})" not in readme] == []
    assert [one.name for one in PROVIDERS.values() if one.name not in readme] == []


def test_the_package_says_what_it_is_and_under_which_licence():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project["license"] == "BSD-3-Clause"
    assert (ROOT / project["readme"]).exists()
    assert [name for name in project["license-files"] if not (ROOT / name).exists()] == []
    assert not any(each.startswith("License ::") for each in project["classifiers"])  # PEP 639: said above
    assert "Waybill contributors" in (ROOT / "LICENSE").read_text(encoding="utf-8")
