"""The batch functions against their twins, with errors in the middle of a batch."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.oracle import transfer as twin
from walrus_fast import _native

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Names = list[str]
MTIME = 1_234_567_890_123_456_789
SOURCES = ["a", "empty", "missing", "dir", "symlink", "fifo", "b", "ümläut", "blocked", "no/such", "a"]


class Tree:
    """Two directories; `out/blocked` exists already."""

    def __init__(self, root: Path) -> None:
        self.src, self.dst = root / "in", root / "out"
        for path in (self.src, self.dst, self.src / "dir"):
            path.mkdir(parents=True)
        for name, content in (("a", b"a" * 200_000), ("empty", b""), ("b", b"bb"), ("ümläut", b"u"), ("blocked", b"x")):
            (self.src / name).write_bytes(content)
            os.utime(self.src / name, ns=(7, MTIME))
        (self.src / "symlink").symlink_to("a")
        os.mkfifo(self.src / "fifo")
        (self.dst / "blocked").write_bytes(b"was here")
        self.src_fd, self.dst_fd = os.open(self.src, os.O_RDONLY), os.open(self.dst, os.O_RDONLY)

    def close(self) -> None:
        os.close(self.src_fd)
        os.close(self.dst_fd)

    def contents(self) -> dict[str, tuple[object, ...]]:
        found: dict[str, tuple[object, ...]] = {}
        for path in sorted((*self.src.iterdir(), *self.dst.iterdir())):
            state = path.lstat()
            data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            name = str(path.relative_to(self.src.parent))
            found[name] = (state.st_mode, state.st_nlink, data, 0 if path.is_symlink() else state.st_mtime_ns)
        return found


@pytest.fixture
def trees(tmp_path: Path) -> Iterator[tuple[Tree, Tree]]:
    pair = Tree(tmp_path / "native"), Tree(tmp_path / "twin")
    yield pair
    for tree in pair:
        tree.close()


def targets() -> Names:
    return [name if name == "blocked" else f"new{n}" for n, name in enumerate(SOURCES)]


def known_times(contents: dict[str, tuple[object, ...]]) -> dict[str, tuple[object, ...]]:
    """Without the times of what Tree does not set, which differ between the two trees."""
    return {name: value if value[3] == MTIME else value[:3] for name, value in contents.items()}


@pytest.mark.parametrize(
    ("native", "oracle"),
    [
        (_native.link_files, twin.link),
        (_native.clone_files, twin.clone),
        (_native.rename_files, twin.rename),
    ],
)
def test_pairs(trees: tuple[Tree, Tree], native: Callable[..., list[int]], oracle: twin.Pair) -> None:
    ours, theirs = trees
    found = native(ours.src_fd, SOURCES, ours.dst_fd, targets())
    assert found == twin.pairs(oracle, theirs.src_fd, SOURCES, theirs.dst_fd, targets())
    assert known_times(ours.contents()) == known_times(theirs.contents())
    assert found[2] == errno.ENOENT
    assert found[SOURCES.index("blocked")] == errno.EEXIST
    assert (ours.dst / "blocked").read_bytes() == b"was here"


@pytest.mark.parametrize(("native", "oracle"), [(_native.unlink_files, twin.unlink), (_native.sync_files, twin.sync)])
def test_singles(trees: tuple[Tree, Tree], native: Callable[..., list[int]], oracle: twin.Single) -> None:
    ours, theirs = trees
    assert native(ours.src_fd, SOURCES) == twin.singles(oracle, theirs.src_fd, SOURCES)
    assert ours.contents().keys() == theirs.contents().keys()


def test_stat(trees: tuple[Tree, Tree]) -> None:
    tree = trees[0]
    os.link(tree.src / "a", tree.src / "second")
    names = [*SOURCES, "second"]
    found = _native.stat_files(tree.src_fd, names)
    assert found == [twin.stat_file(tree.src_fd, name) for name in names]
    assert found[0][3:] == (200_000, MTIME, 2)
    assert found[3] == (errno.EINVAL, 0, 0, 0, 0, 0)


def test_kinds_of_names(trees: tuple[Tree, Tree]) -> None:
    tree = trees[0]
    names: list[str | bytes | Path] = ["a", b"a", Path("a"), tree.src / "a", os.fsencode(tree.src / "ümläut")]
    for sequence in (names, tuple(names)):
        assert [entry[0] for entry in _native.stat_files(tree.src_fd, sequence)] == [0] * 5
    assert _native.stat_files(-100, [tree.src / "a"])[0][0] == 0
    odd = b"\xff\xfe"
    (tree.src / os.fsdecode(odd)).touch()
    assert [entry[0] for entry in _native.stat_files(tree.src_fd, [os.fsdecode(odd), odd])] == [0, 0]


@pytest.mark.parametrize("wrong", ["a", b"a", None, 5, {"a"}, ["a", 5], ["a", None], iter(["a"])])
def test_names_of_the_wrong_type(wrong: object) -> None:
    for function in (_native.stat_files, _native.table_identities, _native.unlink_files, _native.sync_files):
        with pytest.raises(TypeError):
            function(-100, wrong)  # type: ignore[arg-type]
    for pair in (_native.link_files, _native.rename_files, _native.clone_files):
        with pytest.raises(TypeError):
            pair(-100, [], -100, wrong)  # type: ignore[arg-type]


def test_embedded_zero_and_unpaired_names(trees: tuple[Tree, Tree]) -> None:
    with pytest.raises(ValueError, match="null"):
        _native.unlink_files(trees[0].src_fd, ["a", "b\0c"])
    assert (trees[0].src / "a").exists()
    with pytest.raises(ValueError, match="as many"):
        _native.link_files(-100, ["a"], -100, [])


def test_bad_directory() -> None:
    assert _native.unlink_files(9999, ["x", "y"]) == [errno.EBADF] * 2
    assert _native.link_files(9999, ["x"], -100, ["y"]) == [errno.EBADF]
    assert _native.stat_files(9999, ["x"]) == [(errno.EBADF, 0, 0, 0, 0, 0)]


def test_sync_of_a_directory(tmp_path: Path) -> None:
    assert _native.sync_files(-100, [tmp_path]) == [0]


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="needs a second file system")
def test_between_file_systems(tmp_path: Path) -> None:
    source, target = tmp_path / "x", Path(f"/dev/shm/walrus-test-{os.getpid()}")
    source.write_bytes(b"content")
    if source.stat().st_dev == Path("/dev/shm").stat().st_dev:
        pytest.skip("one file system")
    try:
        assert _native.link_files(-100, [source], -100, [target]) == [errno.EXDEV]
        assert _native.clone_files(-100, [source], -100, [target])[0] in (errno.EXDEV, errno.EOPNOTSUPP, errno.ENOTTY)
        assert not target.exists()
    finally:
        target.unlink(missing_ok=True)


def test_exchange(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("1")
    (tmp_path / "y").write_text("2")
    _native.exchange(-100, tmp_path / "x", -100, tmp_path / "y")
    assert ((tmp_path / "x").read_text(), (tmp_path / "y").read_text()) == ("2", "1")
    with pytest.raises(FileNotFoundError):
        _native.exchange(-100, tmp_path / "x", -100, tmp_path / "z")


def test_lower_priority() -> None:
    """In a process of its own, because it cannot be taken back."""
    script = (
        "import os\n"
        "from walrus_fast import _native\n"
        "_native.lower_priority(7, 3, 0)\n"
        "assert os.getpriority(os.PRIO_PROCESS, 0) == 7\n"
        "try:\n"
        "    _native.lower_priority(7, 9, 9)\n"
        "except OSError as exc:\n"
        "    print(exc.errno)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(errno.EINVAL)
