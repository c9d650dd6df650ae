"""Every operation, killed or failing at every single call of the seam.

After each: all listed backups verify, none is gone that was not to be deleted, success was not claimed without the
effect, the database is the old one or the new one; the same operation then succeeds, so does the next backup, and
nothing is left behind.
"""

from __future__ import annotations

import errno
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.faults.works import SLOW, WORKS, Work, check_and_go_on
from tests.support.sweep import Counting, Dying, Failing, Short, Torn, dies
from walrus_fast.errors import StorageError, TooManyOpenFiles, WalrusFastError, storage_error
from walrus_fast.files import Files
from walrus_fast.operations.restore.drill import DrillRequest, drill_backup

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from tests.faults.stage import Stage
    from tests.file_systems import MountedFolders

ERRORS = (errno.EIO, errno.ENOSPC, errno.EMFILE, errno.EACCES, errno.EROFS)
# What the operator may be told; each error has its own status (`walrus_fast.errors`). 21: a repository cannot be made
# or looked at. 25: a file of a backup cannot be read. 10: a database cannot be.
STATUSES = {
    errno.EIO: {30, 21, 25},
    errno.ENOSPC: {31, 21, 25},
    errno.EMFILE: {33, 21, 25},
    errno.EACCES: {32, 21, 25},
    errno.EROFS: {32, 21, 25},
}


@dataclass(frozen=True)
class Fault:
    """`number` 0 is SIGKILL. `broken`: all calls after the first fail too. `torn`: a write stops half-way."""

    number: int
    broken: bool = False
    torn: bool = False

    def __str__(self) -> str:
        name = errno.errorcode[self.number] if self.number else "SIGKILL"
        return name + " in a write" * self.torn + ", and cleaning up fails too" * self.broken

    def files(self, at: int) -> Files:
        """A seam that has it at the `at`-th call."""
        if self.torn:
            return Torn(at, self.number)
        return Failing(at, self.number, broken=self.broken) if self.number else Dying(at)


KILL = Fault(0)
FAULTS = [
    KILL,
    *(Fault(number, broken) for number in ERRORS for broken in (False, True)),
    *(Fault(number, torn=True) for number in (0, errno.ENOSPC, errno.EIO)),
]


@dataclass
class Target:
    """A work on a stage that is ready for it; how many calls and writes it has; where copies go."""

    work: Work
    stage: Stage
    place: Path
    calls: int
    writes: int

    def positions(self, fault: Fault) -> range:
        """The calls at which the fault can strike."""
        return range(1, (self.writes if fault.torn else self.calls) + 1)


@pytest.fixture(params=WORKS, ids=lambda work: work.name)
def target(request: pytest.FixtureRequest, original: Stage, tmp_path: Path, mounted: MountedFolders) -> Target:
    work: Work = request.param
    folder = tmp_path if work.on == "plain" else mounted(work.on)
    stage = original.copy_to(folder / "ready")
    work.prepare(stage)
    counting = Torn(0)
    undisturbed = stage.copy_to(folder / "stage")
    before = work.effect(undisturbed)
    assert work.run(undisturbed, counting)
    work.states[:] = [before, work.effect(undisturbed)]
    return Target(work, stage, folder / "stage", counting.calls, counting.writes)


def strike(target: Target, fault: Fault, at: int) -> str:
    """One run with one fault, all checks after it; what became of the run, in a word."""
    work, stage = target.work, target.stage.copy_to(target.place)
    ids = set(stage.ids)
    if fault.number == 0:
        outcome = "killed" if dies(partial(work.run, stage, fault.files(at))) else "not reached"
    else:
        outcome = fail(work, stage, fault, at)
    first, last = work.states
    effect = work.effect(stage)
    if work.name.startswith(("restore", "undo")):
        assert effect in (first, last), "neither the old nor the new database"
    if outcome == "succeeded":
        assert effect == last, "success without the effect"
    assert ids - work.deletes <= set(stage.ids), "a backup that nobody deleted is gone"
    check_and_go_on(work, stage)
    return outcome if outcome != "killed" else f"killed, {'new' if effect == last else 'old'}"


def fail(work: Work, stage: Stage, fault: Fault, at: int) -> str:
    files = fault.files(at)
    before = work.effect(stage)
    try:
        sound = work.run(stage, files)
    except WalrusFastError as exc:
        error = exc
    else:
        assert sound or fault.number != errno.EMFILE, "the lack of a descriptor is no damage"
        return "succeeded" if sound else "called damaged"
    assert error.exit_status in STATUSES[fault.number], (error.code, error.message)
    assert not isinstance(error, StorageError) or error.number in (fault.number, 0), error.message
    if work.name.startswith("create") and work.effect(stage) != before:
        # The sync behind the rename of meta/<id> failed: the backup is there, its durability alone is not known.
        assert isinstance(files, Failing)
        assert files.failed in ("sync_directory", "open_directory", "sync")
        return "failed, and there"
    return "failed"


def sweep(target: Target, strikes: list[tuple[Fault, int]]) -> None:
    seen: Counter[str] = Counter()
    for fault, at in strikes:
        try:
            seen[strike(target, fault, at)] += 1
        except BaseException as exc:
            exc.add_note(f"{target.work.name}: {fault} at {at} of {target.calls} calls, {target.writes} writes")
            raise
    faults = sorted({str(fault) for fault, _ in strikes}) if len({fault for fault, _ in strikes}) < 3 else "all faults"
    print(f"{target.work.name}: {len(strikes)} strikes of {faults} in {target.calls} calls: {dict(seen)}")


@pytest.mark.usefixtures("closes_descriptors")
def test_sampled(target: Target, randomness: random.Random) -> None:
    every = [(fault, at) for fault in FAULTS for at in target.positions(fault)]
    kills = [(KILL, at) for at in target.positions(KILL)]
    count = 3 if target.work.name in SLOW else 9
    sweep(target, randomness.sample(kills, min(count, len(kills))) + randomness.sample(every, 2 * count))


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.usefixtures("closes_descriptors")
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_at_every_call(target: Target, fault: Fault) -> None:
    sweep(target, [(fault, at) for at in target.positions(fault)])


def test_short_reads_and_writes_change_nothing(target: Target) -> None:
    work, stage = target.work, target.stage.copy_to(target.place)
    assert work.run(stage, Short())
    assert work.effect(stage) == work.states[-1]
    stage.assert_every_listed_backup_is_whole()


def test_every_call_is_counted(target: Target) -> None:
    files = Counting()
    target.work.run(target.stage.copy_to(target.place), files)
    assert files.calls == target.calls > 20


class Opening(Failing):
    """There is no descriptor left for the n-th call that needs one."""

    def __init__(self, at: int) -> None:
        super().__init__(at, errno.EMFILE)

    def _before(self, name: str) -> None:
        if name.startswith(("open_", "lock", "create", "read_bytes")):
            super()._before(name)


@pytest.mark.usefixtures("closes_descriptors")
@pytest.mark.parametrize("target", [work for work in WORKS if work.name in ("create-copy", "verify")], indirect=True)
def test_no_descriptor_is_lost_when_there_are_too_few(target: Target) -> None:
    work, at = target.work, 0
    while True:
        at += 1
        files = Opening(at)
        with suppress(TooManyOpenFiles):
            assert work.run(target.stage.copy_to(target.place), files), "the lack of a descriptor is no damage"
        if files.calls < at:
            break
    assert at > 20


class KeepsItsScratch(Files):
    """A disk that goes bad while a drill works in its scratch."""

    def remove_tree(self, path: Path) -> None:
        if "scratch" in path.parts:
            raise storage_error(errno.EIO, "remove", path)
        super().remove_tree(path)


@pytest.mark.usefixtures("closes_descriptors")
def test_a_scratch_that_cannot_be_removed_is_swept_by_the_next_reader(original: Stage, tmp_path: Path) -> None:
    stage = original.copy_to(tmp_path / "stage")
    scratch = stage.repository / ".walrus-fast" / "scratch"
    assert drill_backup(KeepsItsScratch(), DrillRequest(stage.repository)).succeeded
    assert list(scratch.iterdir())
    assert drill_backup(Files(), DrillRequest(stage.repository)).succeeded
    assert not scratch.exists()
