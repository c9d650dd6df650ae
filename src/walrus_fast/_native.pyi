"""RocksDB's files, read and moved in C (native/). The contract in full is native/walrus_native.h.

Everything that touches files releases the interpreter lock, for a batch once for the whole batch. Names are
as for `os`: str or bytes or path objects, relative to the directory descriptor (`-100` is the working
directory), absolute ones ignore it. Nothing follows a symbolic link in a name's last component. Functions
over many files do not raise for a single file: they return an errno (0 = done) for each, in order.
"""

from collections.abc import Sequence
from os import PathLike
from typing import TypeAlias, final

_Name: TypeAlias = str | bytes | PathLike[str] | PathLike[bytes]

CLEAN: int
"""The log ends where the last record ends."""
TORN: int
"""Behind the last complete record lies something that is not one, and nothing that proves damage."""
CORRUPT: int
"""A record is wrong although other data lies behind it, or its contents are."""

@final
class ManifestReplay:
    """Incremental replay of one MANIFEST file.

    The attributes are those after the last `feed` and may be read while another thread feeds; calling a
    method meanwhile raises RuntimeError. A MANIFEST is 1 MiB at a time in memory, a record or atomic group
    of up to 1 GiB whole (longer ones are CORRUPT).
    """

    def __init__(self) -> None: ...
    def feed(self, fd: int, limit: int = -1, /) -> int:
        """Applies the complete edits that lie between `offset` and the end of the file (as it is when the
        call begins), or `limit`.

        Atomic groups are applied whole or not at all. May be called again after any `state`: it starts at
        `offset`.

        Returns: the number of edits that were applied now.
        Raises: OSError for read errors (EINVAL: not a regular file), MemoryError, ValueError if `limit`
        lies before `offset`; never for what the file contains. After an OSError or MemoryError, what was
        applied before stays valid.
        """
    @property
    def offset(self) -> int:
        """End of the longest prefix that ends after a complete edit or a whole atomic group."""
    @property
    def state(self) -> int:
        """CLEAN: `offset` is the end. TORN: an unfinished record or group, zeros, or a wrong checksum in
        the last record follow. CORRUPT: a bad record with other data behind it, an undecodable edit, or one
        that contradicts the edits before it."""
    @property
    def reason(self) -> str:
        """For TORN and CORRUPT: what is wrong and where; otherwise empty."""
    @property
    def edits(self) -> int:
        """Edits applied by all calls of `feed`."""
    @property
    def db_id(self) -> str | None: ...
    @property
    def last_sequence(self) -> int: ...
    @property
    def next_file_number(self) -> int: ...
    @property
    def prev_log_number(self) -> int: ...
    @property
    def min_log_number_to_keep(self) -> int: ...
    def families(self) -> list[tuple[int, str, int, str]]:
        """(id, name, log number, comparator) by id. Family 0 exists from the start; dropped ones are not
        listed."""
    def tables(self) -> list[tuple[int, int, int, int, int]]:
        """(number, size, path id, level, family) of the live table files, by number."""
    def blobs(self) -> list[tuple[int, int, int, bool]]:
        """(number, total blob bytes, family, live) of the blob files, by number. One that is not live may
        be gone from the disk."""
    def wals(self) -> list[tuple[int, int]]:
        """(number, synced size or -1) of the WALs that the MANIFEST tracks
        (`track_and_verify_wals_in_manifest`), by number."""

def scan_wal(fd: int, log_number: int, limit: int = -1, /) -> tuple[int, int, int, int, int]:
    """How far a WAL is complete: (complete, batches, last sequence, state, flags).

    complete: end of the last whole record (metadata records count). batches: write batches in there. last
    sequence: of the last batch's last entry, -1 if there is no batch or batches are compressed. state:
    CLEAN also before zeros to the end and before whole records of the recycled file's former life; in a
    recyclable WAL nothing is called CORRUPT, because behind the last record lie arbitrary old bytes. flags:
    1 = compressed, 2 = recyclable.

    Raises: OSError (EINVAL: not a regular file), MemoryError, OverflowError for a negative `log_number`.
    """

def table_identities(dirfd: int, names: Sequence[_Name], /) -> list[tuple[int, str, str, int]]:
    """(status, session id, db id, original file number) from the properties of table files.

    status: 0 = fine (the ids may be empty in old files), > 0 = errno, -1 = not a readable table file.
    Checksums are not verified; a session id with other characters than letters, digits and '-' gives -1, so
    that it can be used in a file name. Legacy, plain and cuckoo tables are read too. Names below /proc are
    followed: there a descriptor of a file (/proc/<pid>/fd/<n>) is a link.
    """

def stat_files(dirfd: int, names: Sequence[_Name], /) -> list[tuple[int, int, int, int, int, int]]:
    """(errno, device, inode, size, mtime in ns, links); the numbers are 0 after an error. Anything but a
    regular file gives EINVAL."""

def link_files(src_dirfd: int, src_names: Sequence[_Name], dst_dirfd: int, dst_names: Sequence[_Name], /) -> list[int]:
    """Hard links. This and the other pair functions raise ValueError if there are not as many destinations
    as sources."""

def clone_files(src_dirfd: int, src_names: Sequence[_Name], dst_dirfd: int, dst_names: Sequence[_Name], /) -> list[int]:
    """New files (mode 0640 less umask, the source's mtime, not synced) that share the source's blocks;
    EOPNOTSUPP or EXDEV where that cannot be. A destination that exists is left alone (EEXIST); one that
    could not be completed is removed."""

def rename_files(
    src_dirfd: int, src_names: Sequence[_Name], dst_dirfd: int, dst_names: Sequence[_Name], /
) -> list[int]:
    """Renames without replacing (EEXIST) where the file system can promise that, otherwise as rename(2)."""

def unlink_files(dirfd: int, names: Sequence[_Name], /) -> list[int]: ...
def sync_files(dirfd: int, names: Sequence[_Name], /) -> list[int]:
    """fsync of files or directories."""

def exchange(src_dirfd: int, src: _Name, dst_dirfd: int, dst: _Name, /) -> None:
    """Swaps two names atomically. Raises: OSError (EINVAL: the file system cannot)."""

def lower_priority(nice: int, io_class: int, io_level: int, /) -> None:
    """Sets the calling thread's nice value and I/O priority (ioprio_set(2)); threads and processes that it
    starts inherit them. Raises: OSError."""

def resident_pages(fd: int, offset: int, length: int, /) -> bytes:
    """A byte a page of the range: 1 where the page cache holds it (cachestat(2), mincore(2)), 0 where not.

    All 1 for a process that may neither write the file nor owns it: the kernel does not tell.
    Raises: OSError (EINVAL: `offset` is no multiple of the page size, or nothing is asked for; ENODEV: the file system
    maps no files), MemoryError.
    """

def _crc32c(data: bytes, kernel: int = -1, /) -> int:
    """For the tests: 0 = portable, 1 = SSE4.2, 2 = ARM, -1 = the one in use. Raises: ValueError if the
    machine has no such kernel."""
