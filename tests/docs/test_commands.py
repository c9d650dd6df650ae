"""Every command that a document shows is typed here, in order, and shows what the document says it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs.blocks import COMMAND_LANGUAGES, OTHER_LANGUAGES, blocks_of, documents
from tests.docs.sandbox import Sandbox, unlike
from tests.verify.backups import back_up

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Documents that begin without a node's configuration; the others find one, and a node running.
FROM_NOTHING = ("docs/operator-guide.md",)
# Documents that find so many backups.
BACKUPS = {"docs/runbook.md": 2}
# The node's file, where the document does not write one of its own.
CONFIG = """
storage_path: /opt/walrus/db
admin_socket_path: /opt/walrus/admin.socket
checkpoint_config:
  db_checkpoint_dir: /opt/walrus/checkpoints
walrus_fast:
  verify_interval: 0
"""
# So many blocks say, where a reader sees it, that and why they are not run.
NOT_RUN = {"README.md": 1, "deploy/README.md": 1}
WITH_COMMANDS = [name for name in documents() if any(b.language in COMMAND_LANGUAGES for b in blocks_of(name))]


@pytest.mark.parametrize("document", WITH_COMMANDS)
def test_the_commands_of_a_document(document: str, copy_of: Callable[[str, Path], Path], tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    copy_of("killed", sandbox.home / "db")
    try:
        for _ in range(BACKUPS.get(document, 0)):
            back_up(sandbox.home / "db", sandbox.home / "checkpoints")
        if document not in FROM_NOTHING:
            (sandbox.home / "node-config.yaml").write_text(sandbox.ours(CONFIG))
        sandbox.systemctl("start")
        for block in blocks_of(document):
            if block.language == "yaml":
                sandbox.write(block)
            elif block.language in COMMAND_LANGUAGES and block.reason_not_to_run is None:
                sandbox.type(block)
    finally:
        sandbox.close()


def test_no_command_is_left_out() -> None:
    not_run: dict[str, int] = {}
    for document in documents():
        for block in blocks_of(document):
            where = f"{document}:{block.line}"
            assert block.language in COMMAND_LANGUAGES + OTHER_LANGUAGES, f"{where}: what is {block.language!r}?"
            assert not block.is_suspicious, f"{where}: something to type in a block of {block.language}"
            if block.language in COMMAND_LANGUAGES and block.reason_not_to_run is not None:
                not_run[document] = not_run.get(document, 0) + 1
    assert not_run == NOT_RUN


def test_the_comparison_sees_a_difference() -> None:
    shown = ["Backup 3 of 16.4 MB in 36 files is in /opt/walrus/checkpoints.", "done in 25.4 ms."]
    assert (
        unlike(("Backup 1 of 1.0 KB in 4 files is in /opt/walrus/checkpoints.", "done in 1 min 05 s."), shown) is None
    )
    assert unlike(("...", "done in 1.0 s."), shown) is None
    assert unlike(("Backup 1 of ...", "done in 1.0 s."), shown) is None
    for wrong in ((shown[0],), (shown[1],), (*shown, "more"), (shown[0].replace("files", "tables"), shown[1]), ()):
        assert unlike(tuple(wrong), shown) is not None
