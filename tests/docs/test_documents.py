"""What follows from the program is up to date, and links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from docgen.errors import errors_document
from tests.docs.blocks import ROOT, documents
from walrus_fast import errors
from walrus_fast.config.model import CheckpointConfig, OwnConfig

_LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)")
_IMAGE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)")
_NAMED_FILE = re.compile(r"`((?:docs|deploy|bench|tests|src|native)/[\w./-]+\.\w+)`")


def test_the_list_of_errors_is_that_of_the_program() -> None:
    assert (ROOT / "docs" / "errors.md").read_text() == errors_document(), "`make docs` writes it anew"


def test_the_drawing_of_the_tree_has_every_error_with_its_status() -> None:
    drawn = dict(re.findall(r"[├└]── (\w+)(?:\s+(\d+))?", errors.__doc__ or ""))
    kinds: list[type[errors.WalrusFastError]] = [errors.WalrusFastError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    known = {kind.__name__: kind for kind in kinds[1:] if kind.__module__.startswith("walrus_fast.")}
    assert drawn.keys() == known.keys()
    assert {name for name, status in drawn.items() if status and int(status) != known[name].exit_status} == set()


def test_every_key_of_the_configuration_is_in_its_document() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    for section in (CheckpointConfig, OwnConfig):
        missing = [name for name in section.__struct_fields__ if f"{name}`" not in text]
        assert missing == []


def anchors(document: Path) -> set[str]:
    """What a link may name behind `#`: headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    found = set()
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(plain.strip().replace(" ", "-"))
    return found


@pytest.mark.parametrize("name", documents())
def test_links_lead_somewhere(name: str) -> None:
    document = ROOT / name
    text = document.read_text()
    for target in _LINK.findall(text) + _IMAGE.findall(text):
        path, _, anchor = unquote(target).partition("#")
        if re.match(r"[a-z]+:", path):
            continue  # elsewhere: nobody promises that the network is there when tests run
        there = (document.parent / path).resolve() if path else document
        assert there.exists(), f"{name}: {target}"
        assert there.is_relative_to(ROOT), f"{name}: {target}"
        assert not anchor or anchor in anchors(there), f"{name}: {target}"
    for path in _NAMED_FILE.findall(text):
        if path.startswith("src/") and not (ROOT / "src").exists():
            continue  # this is the suite of an sdist without its sources, beside an installed wheel
        assert (ROOT / path).exists(), f"{name} names {path}"


def test_every_document_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    names = [Path(name).name for name in documents("docs")]
    assert [name for name in names if name != "README.md" and f"]({name})" not in index] == []
