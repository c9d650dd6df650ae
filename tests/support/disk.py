"""A disk that keeps no more than it must: what may be left of a run when the power fails in the middle of it.

Built from the system calls of a real run (`system_calls`). Every change of a name is an operation of its own, atomic,
as every file system with a journal has it: a rename is one, also between folders, and so is an exchange. After a power
cut these must be there, by POSIX's letter and no more:

* the contents of a file as they were at its last fsync;
* the operations on a folder that an fsync of that folder came after, and what they build upon: earlier operations on
  the same names. The fsync of a file forces no name, that of a folder none outside it.

Everything else may be there or not, each operation for itself, in any order; of contents that were not synced any
part, or zeros in their place. ext4, XFS and btrfs promise more: whatever of all operations so far is there after a cut
is the beginning of their sequence. `Cut` gives both: `any_order` and `in_order`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tests.support.system_calls import Call


@dataclass(eq=False)
class Node:
    """A file or folder, whatever its names. `lengths` and `syncs`: (time, bytes written) and times of fsync."""

    is_folder: bool
    source: Path | None = None  # a file that was there before, and durable
    contents: bytearray = field(default_factory=bytearray)
    lengths: list[tuple[int, int]] = field(default_factory=list)
    syncs: list[int] = field(default_factory=list)
    inode: int = 0  # in the real run

    def length_at(self, time: int) -> int:
        """Bytes written by then."""
        return max((length for at, length in self.lengths if at <= time), default=0)

    def synced_at(self, time: int) -> int:
        """Bytes that must be there after a cut."""
        return self.length_at(max((at for at in self.syncs if at <= time), default=-1))


Names = dict[tuple[Node, str], Node]


@dataclass(eq=False)
class Operation:
    """Names that change together: what each of them stands for afterwards, None for nothing."""

    time: int
    changes: list[tuple[Node, str, Node | None]]


@dataclass
class _Open:
    node: Node | None  # None: not on our disk
    position: int = 0


class Disk:
    """`folder` as it was before a run, and the operations of the run. Nothing but files that only grow is expected."""

    def __init__(self, folder: Path, pristine: Path) -> None:
        """`pristine` is a copy of what was in `folder`; the initial files are taken from there."""
        self.folder = folder
        self.root = Node(is_folder=True)
        self.initial: Names = {}
        self.operations: list[Operation] = []
        self.time = 0
        self.sync_times: list[int] = []
        self._now: Names = {}
        self._open: dict[int, _Open] = {}
        seen: dict[tuple[int, int], Node] = {}
        self._scan(self.root, pristine, seen)
        self._now = dict(self.initial)

    def _scan(self, node: Node, folder: Path, seen: dict[tuple[int, int], Node]) -> None:
        for path in sorted(folder.iterdir()):
            found = path.lstat()
            if path.is_dir() and not path.is_symlink():
                child = Node(is_folder=True)
                self._scan(child, path, seen)
            else:
                child = seen.setdefault((found.st_dev, found.st_ino), Node(is_folder=False, source=path))
            self.initial[node, path.name] = child

    # -- replaying the calls

    def replay(self, calls: Sequence[Call]) -> None:
        """Follow the run of one process to its end."""
        self._open = {}
        for call in calls:
            self.time += 1
            if handler := getattr(self, f"_do_{call.name}", None):
                handler(call)

    def _place(self, directory: int, path: str) -> tuple[Node, str] | None:
        """The folder and name that a path means, None when it is not on our disk."""
        node: Node | None
        if path.startswith("/"):
            if not path.startswith(f"{self.folder}/"):
                return (self.root, "") if path == str(self.folder) else None
            node, parts = self.root, path.removeprefix(f"{self.folder}/").split("/")
        else:
            opened = self._open.get(directory)
            node, parts = opened.node if opened else None, path.split("/")
        for part in parts[:-1]:
            node = None if node is None else self._now[node, part]
        return None if node is None else (node, parts[-1])

    def _look_up(self, place: tuple[Node, str]) -> Node | None:
        return self.root if place[1] == "" else self._now.get(place)

    def _change(self, *changes: tuple[Node, str, Node | None]) -> None:
        self.operations.append(Operation(self.time, list(changes)))
        for folder, name, node in changes:
            if node is None:
                del self._now[folder, name]
            else:
                self._now[folder, name] = node

    def _do_openat(self, call: Call) -> None:
        place = self._place(call.number(0), call.path(1))
        node = None if place is None else self._look_up(place)
        if place is not None and node is None:
            assert "O_CREAT" in str(call.arguments[2]), call
            node = Node(is_folder=False)
            self._change((*place, node))
        assert node is None or "O_TRUNC" not in str(call.arguments[2]), "a file that does not only grow"
        self._open[call.result] = _Open(node)

    def _do_close(self, call: Call) -> None:
        self._open.pop(call.number(0), None)

    def _do_fcntl(self, call: Call) -> None:
        if str(call.arguments[1]).startswith("F_DUPFD"):
            self._open[call.result] = self._open.get(call.number(0), _Open(None))

    def _opened(self, call: Call, index: int) -> _Open:
        return self._open.get(call.number(index), _Open(None))

    def _append(self, node: Node, at: int, data: bytes) -> None:
        assert at == len(node.contents), "a file that does not only grow"
        assert node.source is None, "a file from before is written to"
        node.contents += data
        node.lengths.append((self.time, len(node.contents)))

    def _do_write(self, call: Call) -> None:
        opened, data = self._opened(call, 0), call.arguments[1]
        if opened.node is not None:
            assert isinstance(data, bytes)
            self._append(opened.node, opened.position, data[: call.result])
            opened.position += call.result

    def _do_pwrite64(self, call: Call) -> None:
        opened, data = self._opened(call, 0), call.arguments[1]
        if opened.node is not None:
            assert isinstance(data, bytes)
            self._append(opened.node, call.number(3), data[: call.result])

    def _do_copy_file_range(self, call: Call) -> None:
        source, target = self._opened(call, 0).node, self._opened(call, 2).node
        assert source is not None
        assert target is not None
        at = call.number(1)
        self._append(target, call.number(3), self._whole(source)[at : at + call.result])

    def _do_ioctl(self, call: Call) -> None:
        source = self._open.get(int(str(call.arguments[2]), 0)) if "CLONE" in str(call.arguments[1]) else None
        if source is not None:
            target = self._opened(call, 0).node
            assert source.node is not None
            assert target is not None
            self._append(target, 0, self._whole(source.node))

    @staticmethod
    def _whole(node: Node) -> bytes:
        return node.source.read_bytes() if node.source else bytes(node.contents)

    def _do_mkdir(self, call: Call) -> None:
        if place := self._place(-100, call.path(0)):
            self._change((*place, Node(is_folder=True)))

    def _do_mkdirat(self, call: Call) -> None:
        if place := self._place(call.number(0), call.path(1)):
            self._change((*place, Node(is_folder=True)))

    def _do_rmdir(self, call: Call) -> None:
        self._remove(self._place(-100, call.path(0)))

    _do_unlink = _do_rmdir

    def _do_unlinkat(self, call: Call) -> None:
        self._remove(self._place(call.number(0), call.path(1)))

    def _remove(self, place: tuple[Node, str] | None) -> None:
        if place is not None:
            self._change((*place, None))

    def _do_linkat(self, call: Call) -> None:
        source, target = self._place(call.number(0), call.path(1)), self._place(call.number(2), call.path(3))
        assert source is not None
        assert target is not None
        self._change((*target, self._look_up(source)))

    def _do_link(self, call: Call) -> None:
        source, target = self._place(-100, call.path(0)), self._place(-100, call.path(1))
        assert source is not None
        assert target is not None
        self._change((*target, self._look_up(source)))

    def _do_rename(self, call: Call) -> None:
        self._rename(self._place(-100, call.path(0)), self._place(-100, call.path(1)), "")

    def _do_renameat(self, call: Call) -> None:
        self._rename(self._place(call.number(0), call.path(1)), self._place(call.number(2), call.path(3)), "")

    def _do_renameat2(self, call: Call) -> None:
        places = self._place(call.number(0), call.path(1)), self._place(call.number(2), call.path(3))
        self._rename(*places, str(call.arguments[4]))

    def _rename(self, source: tuple[Node, str] | None, target: tuple[Node, str] | None, flags: str) -> None:
        assert source is not None
        assert target is not None
        node = self._look_up(source)
        self._change((*source, self._look_up(target) if "EXCHANGE" in flags else None), (*target, node))

    def _do_fsync(self, call: Call) -> None:
        if (node := self._opened(call, 0).node) is not None:
            node.syncs.append(self.time)
            self.sync_times.append(self.time)

    _do_fdatasync = _do_fsync

    # -- what may be left

    def forced(self, time: int, *, newest: bool = False) -> list[Operation]:
        """The operations that a cut at `time` cannot take away; with `newest`, the last of all is one of them."""
        begun = [operation for operation in self.operations if operation.time <= time]
        forced: list[Operation] = []
        needed: set[tuple[Node, str]] = set()
        for operation in reversed(begun):
            keys = {(folder, name) for folder, name, _ in operation.changes}
            synced = any(operation.time < at <= time for folder, _ in keys for at in folder.syncs)
            if synced or keys & needed or (newest and operation is begun[-1]):
                needed |= keys
                forced.append(operation)
        return forced[::-1]

    def any_order(self, time: int, randomness: random.Random | None, *, newest: bool = False) -> Names:
        """The names after a cut: what is forced, and of the rest none, the newest alone, or what chance says."""
        kept = set(self.forced(time, newest=newest))
        broken: set[tuple[Node, str]] = set()  # names of operations that were lost: what builds upon them is, too
        for operation in self.operations:
            if operation.time > time or operation in kept:
                continue
            keys = {(folder, name) for folder, name, _ in operation.changes}
            if randomness is None or keys & broken or randomness.random() < 0.5:
                broken |= keys
            else:
                kept.add(operation)
        return self._after(kept)

    def in_order(self, time: int, randomness: random.Random | None) -> Names:
        """As journals have it: a beginning of the sequence, at least up to the last fsync of anything."""
        least = max((at for at in self.sync_times if at <= time), default=0)
        end = least if randomness is None else randomness.randint(least, time)
        return self._after({operation for operation in self.operations if operation.time <= end})

    def _after(self, kept: Iterable[Operation]) -> Names:
        names = dict(self.initial)
        chosen = set(kept)
        for operation in self.operations:
            if operation in chosen:
                for folder, name, node in operation.changes:
                    if node is None:
                        names.pop((folder, name), None)
                    else:
                        names[folder, name] = node
        return names

    def everything(self) -> Names:
        """The names at the end of the run, nothing lost."""
        return self._after(self.operations)

    def learn_inodes(self, folder: Path) -> None:
        """Note the inode numbers of the real run's folders, `folder` being where they are now."""
        names = self.everything()
        for (parent, name), node in names.items():
            if node.is_folder and (path := self._path_of(parent, names, folder)) is not None:
                node.inode = (path / name).stat().st_ino

    def _path_of(self, node: Node, names: Names, folder: Path) -> Path | None:
        if node is self.root:
            return folder
        for (parent, name), child in names.items():
            if child is node:
                above = self._path_of(parent, names, folder)
                return None if above is None else above / name
        return None


class Image:
    """Makes folders of what is left on a disk, at the place where the run was: the journal of a restore names paths."""

    def __init__(
        self, disk: Disk, names: Names, time: int, randomness: random.Random | None, *, lossless: bool = False
    ) -> None:
        self._disk = disk
        self._lossless = lossless
        self._children: dict[Node, list[tuple[str, Node]]] = {}
        for (folder, name), node in names.items():
            self._children.setdefault(folder, []).append((name, node))
        self._time = time
        self._randomness = randomness
        self._made: dict[Node, Path] = {}
        self._inodes: dict[bytes, bytes] = {}

    def make(self) -> None:
        """Write it to the disk's folder, which must not be there."""
        self._make_folders(self._disk.root, self._disk.folder)
        self._make_files(self._disk.root, self._disk.folder)

    def _make_folders(self, node: Node, path: Path) -> None:
        path.mkdir()
        self._inodes[str(node.inode).encode()] = str(path.stat().st_ino).encode()
        for name, child in self._children.get(node, []):
            if child.is_folder:
                self._make_folders(child, path / name)

    def _make_files(self, node: Node, path: Path) -> None:
        for name, child in self._children.get(node, []):
            if child.is_folder:
                self._make_files(child, path / name)
            elif known := self._made.get(child) or child.source:
                os.link(known, path / name, follow_symlinks=False)
            else:
                (path / name).write_bytes(self._contents(child))
                self._made[child] = path / name

    def _contents(self, node: Node) -> bytes:
        least, most = node.synced_at(self._time), node.length_at(self._time)
        written = bytes(node.contents[:most])
        if least < most and not self._lossless:
            written = self._torn(written, least)
        # A disk would keep inode numbers, a folder cannot: the journal of an exchange gets the new ones.
        return re.sub(rb'(?<="inode": )\d+', lambda found: self._inodes.get(found[0], found[0]), written)

    def _torn(self, written: bytes, least: int) -> bytes:
        if self._randomness is None:
            return written[:least]
        cut = self._randomness.randint(least, len(written))
        return self._randomness.choice([written[:least], written[:cut], written[:cut].ljust(len(written), b"\0")])
