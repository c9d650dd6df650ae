"""What a fault can strike: every operation, what it leaves when nothing goes wrong, and how it is done once more."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.exchange.scene import state_of
from walrus_fast.errors import BackupNotFound, RestoreRefused
from walrus_fast.files import Files
from walrus_fast.methods import TransferMode
from walrus_fast.operations.backup.adopt import adopt_repository
from walrus_fast.operations.keeping.delete import delete_backup
from walrus_fast.operations.keeping.prune import prune_backups
from walrus_fast.operations.proof.verify import verify_backups
from walrus_fast.operations.restore.drill import DrillRequest, drill_backup
from walrus_fast.operations.restore.restore import RestoreRequest, restore_backup
from walrus_fast.operations.restore.undo import undo_restore
from walrus_fast.repository.verification import Tier

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.stage import Stage


def _nothing(stage: Stage) -> None:
    pass


@dataclass(frozen=True)
class Work:
    """`run` raises, or gives whether it says that all is well. `effect` is what there is to see of it afterwards;
    `deletes` are the backups that it may delete. `on` is the kind of file system that it needs."""

    name: str
    run: Callable[[Stage, Files], bool]
    effect: Callable[[Stage], object]
    prepare: Callable[[Stage], object] = _nothing
    deletes: frozenset[int] = frozenset()
    may_repeat: bool = True
    on: str = "plain"
    states: list[object] = field(default_factory=list)

    def again(self, stage: Stage) -> None:
        """Do it once more after a fault: nothing may stand in its way."""
        try:
            assert self.run(stage, Files())
        except (BackupNotFound, RestoreRefused):
            assert not self.may_repeat, "there is something left to do"
            assert self.effect(stage) == self.states[-1], "there is something left to do"


def _ids(stage: Stage) -> object:
    return tuple(stage.ids)


def _database(stage: Stage) -> object:
    return tuple(sorted(state_of(stage.database).items()))


def _manifests(stage: Stage) -> object:
    folder = stage.repository / ".walrus-fast" / "manifests"
    return tuple(sorted(path.name for path in folder.glob("*") if path.name.isdigit()))


def _create(mode: TransferMode, on: str = "plain") -> Work:
    return Work(f"create-{mode}", lambda stage, files: bool(stage.create(files, mode)), _ids, on=on)


def _restore(mode: TransferMode, on: str = "plain") -> Work:
    def run(stage: Stage, files: Files) -> bool:
        restore_backup(files, RestoreRequest(stage.repository, stage.database, mode=mode, open_first=False))
        return True

    return Work(f"restore-{mode}", run, _database, on=on)


def _delete(stage: Stage, files: Files) -> bool:
    delete_backup(files, stage.repository, 1)
    return True


def _prune(stage: Stage, files: Files) -> bool:
    # A backup that cannot be looked at is not taken for a good one: then more are kept.
    return prune_backups(files, stage.repository, keep=1).kept == (3,)


def _verify(stage: Stage, files: Files) -> bool:
    return not verify_backups(files, stage.repository, tier=Tier.CLOSURE).damaged


def _open(stage: Stage, files: Files) -> bool:
    return not verify_backups(files, stage.repository, tier=Tier.OPENED).damaged


def _drill(stage: Stage, files: Files) -> bool:
    return drill_backup(files, DrillRequest(stage.repository)).succeeded


def _adopt(stage: Stage, files: Files) -> bool:
    return not adopt_repository(files, stage.repository).damaged


def _undo(stage: Stage, files: Files) -> bool:
    undo_restore(files, stage.database)
    return True


def _back_up_once_more(stage: Stage) -> object:
    return stage.create(Files(), TransferMode.COPY)


def _make_rocksdbs(stage: Stage) -> None:
    shutil.rmtree(stage.repository / ".walrus-fast")


def _restore_first(stage: Stage) -> object:
    return _restore(TransferMode.AUTO).run(stage, Files())


WORKS = [
    _create(TransferMode.HARDLINK),
    _create(TransferMode.REFLINK, on="xfs"),
    _create(TransferMode.COPY),
    Work("delete", _delete, _ids, deletes=frozenset({1}), may_repeat=False),
    Work("prune", _prune, _ids, prepare=_back_up_once_more, deletes=frozenset({1, 2})),
    Work("verify", _verify, _ids),
    Work("verify-opened", _open, _ids),
    Work("drill", _drill, _ids),
    Work("adopt", _adopt, _manifests, prepare=_make_rocksdbs),
    _restore(TransferMode.HARDLINK),
    _restore(TransferMode.REFLINK, on="xfs"),
    _restore(TransferMode.COPY),
    Work("undo", _undo, _database, prepare=_restore_first, may_repeat=False),
]
SLOW = ("verify-opened", "drill")  # RocksDB opens a database in a process of its own: half a second each


def check_and_go_on(work: Work, stage: Stage) -> None:
    """What must hold after a fault, and that the next runs succeed and leave nothing behind."""
    if work.name != "adopt":
        stage.assert_every_listed_backup_is_whole()
    count = len(stage.ids)
    work.again(stage)
    if work.name.startswith("create"):
        assert len(stage.ids) == count + 1
    else:
        assert work.effect(stage) == work.states[-1], "the next run did not do it"
    stage.create(Files(), TransferMode.AUTO)
    stage.assert_every_listed_backup_is_whole()
    stage.assert_nothing_is_left_over(kept=("db.before-restore-", "db.undone-"))
