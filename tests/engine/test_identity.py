"""Which file is which: the same name with other contents, by any route, must not be taken for the file that is there.

What is promised of a file that was changed in place behind everybody's back: a change that shows in its size, time or
inode is seen by the next backup. One that does not show there (somebody put the time back) is not looked for, and the
backup has the bytes that were first stored; a hard link has the changed ones, and `verify` finds them.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.engine.rows import expected, fill, rows
from tests.engine.steps import FILES, back_up, bring_back, listed, problems, shared, stored_as
from tests.support.untouched import is_clean
from walrus_fast.checksum import checksums_of
from walrus_fast.errors import DatabaseDamaged
from walrus_fast.methods import TransferMode
from walrus_fast.operations.keeping.delete import delete_backup
from walrus_fast.operations.keeping.prune import prune_backups
from walrus_fast.tiers import Tier

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from tests.file_systems import MountedFolders

MODES = [TransferMode.COPY, TransferMode.AUTO]


def blob_of(database: Path) -> Path:
    """The newest blob file."""
    return max(database.glob("*.blob"))


def table_of(database: Path) -> Path:
    """The newest table file."""
    return max(database.glob("*.sst"))


def change_in_place(path: Path, offset: int = 2000) -> None:
    """Other bytes, same size, inode, and time."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 255]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_ino, path.stat().st_size) == (before.st_ino, before.st_size)


@pytest.mark.parametrize("mode", MODES)
def test_two_histories_of_one_backup(database: Path, repository: Path, tmp_path: Path, mode: TransferMode) -> None:
    """Numbers and sizes agree, bytes do not; deleting the backups of either history leaves the other whole."""
    fill(database, 0, 200, "root")
    back_up(database, repository, mode)
    wanted = {1: expected((0, 200, "root"))}
    for history, number in (("left!", 2), ("right", 3), ("third", 4)):
        bring_back(repository, database, 1)
        fill(database, 200, 400, history)
        assert back_up(database, repository, mode).backup_id == number
        wanted[number] = wanted[1] | expected((200, 400, history))
    third = blob_of(database)
    assert len({path.stat().st_size for path in stored_as(repository, third.name)}) == 1, "sizes must agree"
    assert len(stored_as(repository, third.name)) == 3
    assert problems(repository) == {}
    for number in (2, 1, 4, 3):
        for left, there in wanted.items():
            bring_back(repository, tmp_path / "out", left)
            assert rows(tmp_path / "out") == there
            shutil.rmtree(tmp_path / "out")
        delete_backup(FILES, repository, number)
        del wanted[number]
        assert problems(repository) == {}
        is_clean(repository, database)
    assert shared(repository) == set()


def test_random_histories_with_retention(
    database: Path, repository: Path, tmp_path: Path, randomness: random.Random
) -> None:
    """Write, back up, go back to any backup, prune: every backup that is kept gives back its own rows."""
    fill(database, 0, 100, "0")
    state = expected((0, 100, "0"))
    wanted: dict[int, dict[int, bytes]] = {}
    for step in range(1, 13):
        if wanted and randomness.random() < 0.4:
            back = randomness.choice(sorted(wanted))
            bring_back(repository, database, back)
            state = wanted[back]
        first = randomness.randrange(0, 300, 50)
        fill(database, first, first + 100, f"{step % 10}")
        state = state | expected((first, first + 100, f"{step % 10}"))
        wanted[back_up(database, repository, randomness.choice(MODES)).backup_id] = state
        if randomness.random() < 0.3:
            for removed in prune_backups(FILES, repository, keep=3).removed:
                del wanted[removed]
    assert set(listed(repository)) == set(wanted)
    assert problems(repository) == {}
    for number, there in wanted.items():
        bring_back(repository, tmp_path / "out", number)
        assert rows(tmp_path / "out") == there
        shutil.rmtree(tmp_path / "out")


@pytest.mark.parametrize("mode", MODES)
def test_another_database_in_the_same_repository(
    database: Path, repository: Path, tmp_path: Path, mode: TransferMode
) -> None:
    """Same numbers, same sizes, another database: nothing of it is taken for the first one's."""
    for path, tag in ((database, "one"), (tmp_path / "other", "two")):
        fill(path, 0, 200, tag)
        fill(path, 200, 300, tag)
        back_up(path, repository, mode)
    assert len(stored_as(repository, blob_of(database).name)) == 2
    assert problems(repository) == {}
    for number, tag in ((1, "one"), (2, "two")):
        bring_back(repository, tmp_path / "out", number)
        assert rows(tmp_path / "out") == expected((0, 300, tag))


def test_a_change_in_place_that_no_stat_shows_is_not_looked_for(
    database: Path, repository: Path, tmp_path: Path
) -> None:
    """Size, inode and time are what they were: the backup has the bytes that were stored when they were read."""
    fill(database, 0, 200)
    back_up(database, repository)
    blob, table = blob_of(database), table_of(database)
    change_in_place(blob)
    change_in_place(table, 1000)
    report = back_up(database, repository)
    assert report.files_new == 0
    assert problems(repository) == {}
    bring_back(repository, tmp_path / "out", 2)
    assert rows(tmp_path / "out") == expected((0, 200, "a"))


def test_a_change_in_place_of_a_hard_link_is_found_by_verify(database: Path, repository: Path) -> None:
    fill(database, 0, 200)
    back_up(database, repository, TransferMode.HARDLINK)
    back_up(database, repository, TransferMode.HARDLINK)
    blob = blob_of(database)
    change_in_place(blob)
    found = problems(repository, Tier.CHECKSUMS)
    assert set(found) == {1, 2}
    assert stored_as(repository, blob.name)[0].name in found[1][0]


@pytest.mark.parametrize("shows", ["time", "inode"])
def test_a_change_of_a_blob_file_that_a_stat_shows_is_stored_as_another_file(
    database: Path, repository: Path, shows: str
) -> None:
    fill(database, 0, 200)
    back_up(database, repository)
    blob = blob_of(database)
    before = blob.stat()
    change_in_place(blob)
    if shows == "time":
        os.utime(blob, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    else:
        changed = blob.with_suffix(".new")
        shutil.copyfile(blob, changed)
        changed.rename(blob)
        os.utime(blob, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert back_up(database, repository).files_new == 1
    assert len(stored_as(repository, blob.name)) == 2
    assert problems(repository) == {}


@pytest.mark.parametrize(("age", "read_again"), [(0, True), (1, True), (2, False)])
def test_a_clock_of_whole_seconds(database: Path, repository: Path, age: int, read_again: bool) -> None:
    """Where times are whole seconds, a file younger than two at the backup may be replaced within the same second."""
    fill(database, 0, 200)
    blob = blob_of(database)
    second = int(blob.stat().st_mtime) // 2 * 2
    for path in (*database.glob("*.blob"), *database.glob("*.sst")):
        os.utime(path, (second, second))
    back_up(database, repository, now=lambda: second + age)
    change_in_place(blob)
    assert back_up(database, repository, now=lambda: second + 60).files_new == int(read_again)
    assert len(stored_as(repository, blob.name)) == (2 if read_again else 1)
    assert problems(repository) == {}
    # Once it is old enough it is known by its stat alone.
    assert back_up(database, repository, now=lambda: second + 61).bytes_read < blob.stat().st_size


def test_an_inode_that_another_file_has_now(database: Path, repository: Path) -> None:
    """A name, its size and its inode come back with other contents; the time is what tells."""
    fill(database, 0, 200)
    back_up(database, repository)
    blob = blob_of(database)
    before, contents = blob.stat(), bytearray(blob.read_bytes())
    contents[2000] ^= 255
    blob.unlink()
    blob.write_bytes(contents)  # most file systems give the inode that has just become free
    print("inode came back:", blob.stat().st_ino == before.st_ino)
    assert back_up(database, repository).files_new == 1
    assert len(stored_as(repository, blob.name)) == 2
    assert problems(repository) == {}


def test_a_file_system_with_coarse_times(
    database: Path, repository: Path, tmp_path: Path, mounted: MountedFolders
) -> None:
    """No hard links, two seconds a tick, inodes that last as long as the mount: two histories in one second."""
    folder = mounted("no-links")
    database, repository = folder / "db", folder / "repo"
    fill(database, 0, 100, "root")
    back_up(database, repository, TransferMode.AUTO)
    for history in ("left!", "right"):
        shutil.rmtree(database)
        bring_back(repository, database, 1)
        fill(database, 100, 200, history)
        back_up(database, repository, TransferMode.AUTO)
    assert len(stored_as(repository, blob_of(database).name)) == 2
    assert problems(repository) == {}
    for number, history in ((2, "left!"), (3, "right")):
        bring_back(repository, tmp_path / "out", number)
        assert rows(tmp_path / "out") == expected((0, 100, "root"), (100, 200, history))


def forged(contents: bytes, place: int) -> bytes:
    """Other contents with the same length and crc32c: a changed byte at `place`, made up for in the four at the end.

    A crc is linear, so each of those 32 bits turns known bits of the result over: Gaussian elimination.
    """

    def crc(data: bytes) -> int:
        return checksums_of(data)[0]

    start = bytearray(contents)
    start[place] ^= 255
    wanted, base = crc(contents), crc(bytes(start))
    pivots: dict[int, tuple[int, int]] = {}
    for bit in range(32):
        turned = bytearray(start)
        turned[-4 + bit // 8] ^= 1 << bit % 8
        effect, choice = crc(bytes(turned)) ^ base, 1 << bit
        for top, (known, made_of) in pivots.items():
            if effect >> top & 1:
                effect, choice = effect ^ known, choice ^ made_of
        pivots[effect.bit_length() - 1] = (effect, choice)
    rest, choice = wanted ^ base, 0
    for top in sorted(pivots, reverse=True):
        if rest >> top & 1:
            rest, choice = rest ^ pivots[top][0], choice ^ pivots[top][1]
    tail = int.from_bytes(start[-4:], "little") ^ choice
    start[-4:] = tail.to_bytes(4, "little")
    assert crc(bytes(start)) == wanted
    assert bytes(start) != contents
    return bytes(start)


@pytest.mark.parametrize("mode", MODES)
def test_two_blob_files_of_one_number_size_and_crc32c(
    database: Path, repository: Path, tmp_path: Path, mode: TransferMode
) -> None:
    """RocksDB's name is the same for both; xxh3 tells them apart, and the second stays the backup's own."""
    fill(database, 0, 200)
    back_up(database, repository, mode)
    blob = blob_of(database)
    original = blob.read_bytes()
    replacement = forged(original, 2000)
    blob.unlink()
    blob.write_bytes(replacement)
    for number in (2, 3):
        back_up(database, repository, mode)
        assert (repository / "private" / str(number) / blob.name).read_bytes() == replacement
    assert [path.read_bytes() for path in stored_as(repository, blob.name)] == [original]
    assert problems(repository) == {}
    is_clean(repository, database)
    for number, contents in ((1, original), (2, replacement), (3, replacement)):
        bring_back(repository, tmp_path / "out", number)
        assert (tmp_path / "out" / blob.name).read_bytes() == contents


def test_a_table_whose_properties_are_damaged_stops_the_backup(database: Path, repository: Path) -> None:
    """It cannot be named, and RocksDB's engine refuses it as well."""
    fill(database, 0, 200)
    back_up(database, repository)
    table = table_of(database)
    with table.open("r+b") as file:
        file.seek(-53, os.SEEK_END)
        file.write(bytes(45))
    with pytest.raises(DatabaseDamaged, match=table.name):
        back_up(database, repository)
    assert problems(repository) == {}
    is_clean(repository, database)


def test_a_stored_file_of_the_wrong_size_is_replaced(database: Path, repository: Path) -> None:
    fill(database, 0, 200)
    back_up(database, repository)
    (table,) = stored_as(repository, table_of(database).name)
    table.write_bytes(b"asdf")
    assert listed(repository) == {1: False}
    assert back_up(database, repository).files_new == 1
    assert problems(repository) == {}, "the first backup names the same file"


def test_a_moved_database_is_known_by_its_session_ids(database: Path, repository: Path, tmp_path: Path) -> None:
    """Other inodes and times, the same tables: their names say so, and nobody reads them; blob files are read."""
    fill(database, 0, 200)
    first = back_up(database, repository)
    moved = tmp_path / "moved"
    shutil.copytree(database, moved, copy_function=shutil.copyfile)
    report = back_up(moved, repository)
    assert report.files_new == 0
    blobs = sum(path.stat().st_size for path in moved.glob("*.blob"))
    assert blobs <= report.bytes_read < first.bytes_read
    assert back_up(moved, repository).bytes_read < blobs, "and from then on not even those"
