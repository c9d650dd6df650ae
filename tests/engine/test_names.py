"""Every case of RocksDB's tests has its row in `docs/behaviours.md`, and every row a test that exists, or a reason."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
ROW = re.compile(r"\| (\w+) \| (?:`([^`]+)`|—) \| (.*) \|")


def rows() -> list[tuple[str, str, str, str]]:
    """(file, case, test of ours or "", remark)"""
    found, file = [], ""
    for line in (ROOT / "docs" / "behaviours.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            file = line.rpartition("/")[2]
        elif match := ROW.fullmatch(line):
            found.append((file, match[1], match[2] or "", match[3]))
    return found


def functions_in(path: Path) -> dict[str, str]:
    """The test functions of a file and their docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.name: ast.get_docstring(node) or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_every_case_has_a_row() -> None:
    names = (Path(__file__).with_name("names.txt")).read_text(encoding="utf-8").split("\n")
    wanted = [tuple(line.split(" ")) for line in names if line]
    assert len(wanted) > 100
    assert [(file, case) for file, case, _, _ in rows()] == wanted


def test_every_row_names_a_test_or_says_why_there_is_none() -> None:
    known: dict[str, dict[str, str]] = {}
    for _, case, test, remark in rows():
        if not test:
            assert remark.startswith("does not apply: "), case
            continue
        file, name = test.split("::")
        found = known.setdefault(file, functions_in(ROOT / file))
        assert name in found, (case, test)
        if file.startswith("tests/engine/test_backup_engine"):
            assert case in found[name] or remark, (
                case,
                "the docstring names its case, or the remark says what differs",
            )
