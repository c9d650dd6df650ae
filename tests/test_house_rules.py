"""The house rules that no linter knows. There is no list of exceptions."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from walrus_fast.version import VERSION

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
NATIVE = sorted((ROOT / "native").glob("*.[ch]"))
LONGEST_FILE, LONGEST_FUNCTION = 400, 60
FORBIDDEN_NAMES = re.compile(r"util|helper|common|manager|misc")


@pytest.mark.parametrize("path", SOURCES + NATIVE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_too_long_or_badly_named(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_FILE
    assert not FORBIDDEN_NAMES.search(path.stem)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_function_is_too_long_and_public_ones_have_docstrings(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        # An operator's options are one function's parameters: the declaration of a command does not count.
        length -= node.body[0].lineno - node.lineno
        assert length <= LONGEST_FUNCTION, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_names_have_docstrings_and_none_imports_our_own_modules_inside(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "a module says what it is for"
    for top in tree.body:
        if isinstance(top, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not top.name.startswith("_"):
            assert ast.get_docstring(top), f"{top.name} has no docstring"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for inner in ast.walk(node):
                if isinstance(inner, ast.ImportFrom) and (inner.module or "").startswith("walrus_fast"):
                    pytest.fail(f"{node.name} imports {inner.module} inside: a cycle in hiding")


def test_no_test_replaces_our_own_code() -> None:
    mocks = re.compile(r"\b(monkeypatch\.setattr|mock\.patch|from unittest|import mock)\b")
    own = Path(__file__).resolve()
    found = [path for path in (ROOT / "tests").rglob("*.py") if path != own and mocks.search(path.read_text())]
    assert found == []


def test_the_version_is_in_the_changelog() -> None:
    assert VERSION in (ROOT / "CHANGELOG.md").read_text()
    assert "version" in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dynamic"]


def test_no_secret_of_a_machine_is_committed() -> None:
    """Paths of somebody's machine do not belong into the project."""
    listed = subprocess.run(
        ["git", "grep", "-lE", r"/home/[a-z]+/|/Users/"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert [name for name in listed.stdout.split() if name != "tests/test_house_rules.py"] == []
