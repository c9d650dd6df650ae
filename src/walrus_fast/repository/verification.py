"""`.walrus-fast/verified/<id>`: what was proven of a backup, and when.

Same format as our manifests: magic, a msgpack map, xxh3-128. Written by readers, who hold the repository's lock
shared: each publishes through a temporary name of its own, and the last one wins. A record is worth nothing when
the backup is another one by now (RocksDB gives ids again), so it carries the digest of `meta/<id>`.
`.walrus-fast/runs/<kind>`: when the last run of a kind ended, in seconds since 1970, as text.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Annotated, TypeAlias

import msgspec

from walrus_fast.checksum import digest
from walrus_fast.durable import publish
from walrus_fast.errors import FileExists, FileMissing, NotPermitted, StorageError
from walrus_fast.repository.catalog import backup_ids
from walrus_fast.repository.meta import MAX_META_BYTES
from walrus_fast.tiers import Tier
from walrus_fast.undecodable import UNDECODABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from walrus_fast.files import Files
    from walrus_fast.repository.layout import Layout

__all__ = [
    "DRILL",
    "PROVEN_RESTORABLE",
    "Drill",
    "Proof",
    "Tier",
    "VerificationRecord",
    "last_drilled",
    "last_proven_restorable",
    "last_verified",
    "load_record",
    "load_records",
    "meta_digest",
    "next_run",
    "save_record",
    "save_run",
    "save_run_date",
    "verification_run",
]

MAGIC = b"WFVERIF1"
_DIGEST_BYTES = 16
_MAX_BYTES = 16 << 20
_RUN_COUNTER = "runs"
DRILL = "drill"
_LAST_DATE = 253402300799.0  # the end of the year 9999
# A record may come from an attacker: what is infinite or no number would stop whoever calculates with it.
Date: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=_LAST_DATE)]
PROVEN_RESTORABLE = "drill-succeeded"


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """One verification of one backup. `date` in seconds since 1970, when it ended.

    `tier` is the highest one that it passed, None when not even the first. `part` of `parts` is the sample of the
    shared files that was read, 0 of 1 is all of them. `families_left_out` says why, by name.
    """

    date: Date
    tier: Tier | None
    asked: Tier
    part: int = 0
    parts: int = 1
    files_read: int = 0
    bytes_read: int = 0
    families: tuple[str, ...] = ()
    families_left_out: dict[str, str] = {}
    rows: int = 0
    problems: tuple[str, ...] = ()

    def refutes(self, damage: Proof) -> bool:
        """Whether this one passed what `damage` failed, and read the same files or all."""
        if self.problems or self.tier is None:
            return False
        failed = 0 if damage.tier is None else damage.tier.rank + 1
        saw_as_much = self.parts == 1 or (self.part, self.parts) == (damage.part, damage.parts)
        return self.tier.rank >= failed and (saw_as_much or failed < Tier.CHECKSUMS.rank)


class Drill(msgspec.Struct, frozen=True, kw_only=True):
    """One restore drill; no problems is a success. `seconds` is what a restore by the same means would take."""

    date: Date
    seconds: Date
    problems: tuple[str, ...] = ()


class VerificationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a backup. `reached` is the date of the newest full proof of each tier that still stands:
    damage that is found later takes away what it contradicts. A sample counts for none of them; `samples` has the
    date of each part by "<part>/<parts>". `damage` is the newest proof that found problems, until one that looks at
    the same finds none: the next part of a sample, which is sound, says nothing about the one before."""

    backup_id: int
    meta_digest: bytes
    last: Proof | None = None
    reached: dict[str, Date] = {}
    samples: dict[str, Date] = {}
    damage: Proof | None = None
    last_drill: Drill | None = None
    last_proven_restorable: Date | None = None

    @property
    def tier(self) -> Tier | None:
        """The highest tier that stands."""
        return max((Tier(name) for name in self.reached if name in set(Tier)), key=lambda t: t.rank, default=None)

    def with_proof(self, proof: Proof) -> VerificationRecord:
        """The record after another verification."""
        reached, samples = dict(self.reached), dict(self.samples)
        passed = -1 if proof.tier is None else proof.tier.rank
        for tier in Tier:
            if tier.rank <= passed and (proof.parts == 1 or tier.rank < Tier.CHECKSUMS.rank):
                reached[tier.value] = proof.date
            elif tier.rank > passed and proof.problems:
                reached.pop(tier.value, None)
        if proof.problems:
            samples = {}
        elif proof.parts > 1:
            samples = {key: date for key, date in samples.items() if key.endswith(f"/{proof.parts}")}
            samples[f"{proof.part}/{proof.parts}"] = proof.date
        restorable = None if proof.problems else self.last_proven_restorable
        damage = proof if proof.problems else self.damage
        return msgspec.structs.replace(
            self,
            last=proof,
            reached=reached,
            samples=samples,
            damage=None if damage is not None and proof.refutes(damage) else damage,
            last_proven_restorable=restorable,
        )

    def with_drill(self, drill: Drill) -> VerificationRecord:
        """The record after a drill."""
        restorable = None if drill.problems else drill.date
        return msgspec.structs.replace(self, last_drill=drill, last_proven_restorable=restorable)


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(VerificationRecord)


def verified_folder(layout: Layout) -> Path:
    """One file a backup, named by its id."""
    return layout.ours / "verified"


def _runs_folder(layout: Layout) -> Path:
    """One file a kind of run: its newest date."""
    return layout.ours / "runs"


def meta_digest(files: Files, layout: Layout, backup_id: int) -> bytes:
    """What identifies a backup beyond its id; b"" when its meta cannot be read."""
    try:
        return digest(files.read_bytes(layout.meta_of(backup_id), limit=MAX_META_BYTES))
    except StorageError:
        return b""  # its damage is told by the catalog


def load_record(files: Files, layout: Layout, backup_id: int) -> VerificationRecord:
    """What is known of a backup; an empty record when there is none, or it is damaged or of another backup."""
    now = meta_digest(files, layout, backup_id)
    fresh = VerificationRecord(backup_id=backup_id, meta_digest=now)
    try:
        data = files.read_bytes(verified_folder(layout) / str(backup_id), limit=_MAX_BYTES)
    except StorageError:
        return fresh  # nobody has verified it, or nothing can be said about that: both mean "not proven"
    body = data[:-_DIGEST_BYTES]
    if not body.startswith(MAGIC) or digest(body) != data[-_DIGEST_BYTES:]:
        return fresh
    try:
        record = _DECODER.decode(memoryview(body)[len(MAGIC) :])
    except UNDECODABLE:
        return fresh
    return record if (record.backup_id, record.meta_digest) == (backup_id, now) else fresh


def load_records(files: Files, layout: Layout) -> dict[int, VerificationRecord]:
    """The records of all backups that are there."""
    return {backup_id: load_record(files, layout, backup_id) for backup_id in backup_ids(files, layout)}


def save_record(files: Files, layout: Layout, record: VerificationRecord) -> None:
    """Publish a record, durably. The caller holds the repository's lock, shared or not.

    Never makes our folder in a repository that has none: RocksDB made that, and only `adopt` makes it ours.
    Raises: NotPermitted (read-only, another user's, not ours), StorageError.
    """
    body = MAGIC + _ENCODER.encode(record)
    _publish(files, layout, verified_folder(layout) / str(record.backup_id), body + digest(body))
    known = {str(backup_id) for backup_id in backup_ids(files, layout)} | {_RUN_COUNTER}
    for name, _ in files.list_directory(verified_folder(layout)):
        # Of deleted backups. No writer is at work while we hold the lock; temporary names have a dot.
        if name not in known and "." not in name:
            files.unlink(verified_folder(layout) / name, missing_ok=True)


def _publish(files: Files, layout: Layout, path: Path, data: bytes) -> None:
    try:
        files.list_directory(layout.ours)
    except FileMissing as exc:
        raise NotPermitted(
            f"{layout.root} was made by RocksDB and holds no records of ours",
            hint="`checkpoint adopt` makes it ours.",
        ) from exc
    try:
        files.make_directory(path.parent)
    except FileExists:
        pass  # from the first verification on
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        publish(files, path, data, temporary=temporary, sync=True)
    except StorageError:
        files.unlink(temporary, missing_ok=True)
        raise


def next_run(files: Files, layout: Layout, *, fallback: int) -> int:
    """The number of this sampled run: one above the last one's. `fallback` where none can be kept (read-only)."""
    try:
        number = int(files.read_bytes(verified_folder(layout) / _RUN_COUNTER, limit=64)) + 1
    except (StorageError, ValueError):
        number = fallback
    return number


def save_run(files: Files, layout: Layout, number: int) -> None:
    """Remember that this run is done, so that the next one covers what comes after. Raises as `save_record`."""
    _publish(files, layout, verified_folder(layout) / _RUN_COUNTER, str(number).encode())


def save_run_date(files: Files, layout: Layout, name: str, date: float) -> None:
    """Remember when a run ended: DRILL or `verification_run`, whatever it found; PROVEN_RESTORABLE. Raises as
    `save_record`.

    Beside the records, not in them: those go with their backups, and a schedule must not forget its last run.
    """
    _publish(files, layout, _runs_folder(layout) / name, repr(date).encode())


def verification_run(tier: Tier, parts: int) -> str:
    """The name of a verification of every backup that read one of so many parts."""
    return f"{tier}-{parts}"


def last_drilled(files: Files, layout: Layout) -> float | None:
    """When the newest drill ended, seconds since 1970; None when none is known."""
    return _newest_run(files, layout, lambda name: name == DRILL)


def last_proven_restorable(files: Files, layout: Layout) -> float | None:
    """When the newest drill ended that succeeded; its backup may have been deleted since. None when none is known."""
    return _newest_run(files, layout, lambda name: name == PROVEN_RESTORABLE)


def last_verified(files: Files, layout: Layout, tier: Tier, parts: int) -> float | None:
    """When the newest verification of every backup ended that proved as much: that tier, and one of so many parts."""

    def proved_as_much(name: str) -> bool:
        reached, _, read = name.partition("-")
        return reached in set(Tier) and read.isdecimal() and Tier(reached).reaches(tier) and int(read) <= parts

    return _newest_run(files, layout, proved_as_much)


def _newest_run(files: Files, layout: Layout, wanted: Callable[[str], bool]) -> float | None:
    try:
        names = [name for name, _ in files.list_directory(_runs_folder(layout)) if wanted(name)]
        dates = [float(files.read_bytes(_runs_folder(layout) / name, limit=64)) for name in names]
        if not all(0 <= date <= _LAST_DATE for date in dates):
            raise ValueError("a date that is none")
        return max(dates, default=None)
    except (StorageError, ValueError):
        return None  # none yet, or none that can be read: then a run is due, which mends it
