"""How the writer's database is set up: the command line, and the RocksDB options that follow from it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from rocksdict import BlockBasedOptions, DBCompressionType, DBPath, Options

from workload.states import Plan

KIB = 1 << 10

DataFolders = tuple[tuple[Path, int], ...]
"""Folders of `db_paths` with their target sizes in bytes."""


@dataclass(frozen=True)
class Settings:
    """Everything the writer was told."""

    db: Path
    plan: Plan
    progress: Path | None = None
    steps: int | None = None
    seconds: float | None = None
    rate: float | None = None
    resume: bool = False
    die_with_parent: bool = False
    recycle_logs: int = 0
    max_manifest_size: int | None = None
    wal_dir: Path | None = None
    wal_ttl: int = 0
    db_paths: DataFolders = ()
    format_version: int | None = None
    memtable_size: int = 512 * KIB
    manual_flush_every: int = 0
    atomic_flush: bool = False
    sync_wal: bool = False


def parse_arguments(arguments: list[str] | None = None) -> Settings:
    """The command line of `python -m workload.writer`."""
    parser = argparse.ArgumentParser(prog="workload.writer", description="Write steps until SIGTERM.")
    add = parser.add_argument
    add("--db", type=Path, required=True)
    add("--seed", type=int, required=True)
    add("--value-scale", type=float, default=1.0, help="multiplies the size of the larger values")
    add("--families-churn", type=int, default=0, metavar="N", help="a family is born every N steps")
    add("--progress", type=Path, help="8-byte counter file: the last acknowledged step")
    add("--steps", type=int, help="stop after this step")
    add("--seconds", type=float, help="stop after this time")
    add("--rate", type=float, help="at most so many steps a second")
    add("--resume", action="store_true", help="go on after the last step of an existing database")
    add("--die-with-parent", action="store_true", help="stop cleanly once the parent process is gone")
    add("--recycle-logs", type=int, default=0, metavar="N", help="recycle_log_file_num")
    add("--max-manifest-size", type=int, metavar="BYTES", help="max_manifest_file_size")
    add("--wal-dir", type=Path)
    add("--wal-ttl", type=int, default=0, metavar="SECONDS", help="keep dead logs in archive/ so long")
    add("--db-paths", type=parse_db_paths, default=(), metavar="DIR:SIZE,DIR:SIZE")
    add("--format-version", type=int, help="of the tables; 5 is what RocksDB 7.8 can read")
    add("--memtable-size", type=int, default=512 * KIB, metavar="BYTES")
    add("--manual-flush-every", type=int, default=0, metavar="N", help="flush every family each N steps")
    add("--atomic-flush", action="store_true", help="all families are flushed together")
    add("--sync-wal", action="store_true", help="fsync the log at each step")
    given = vars(parser.parse_args(arguments))
    plan = Plan(given.pop("seed"), given.pop("value_scale"), given.pop("families_churn"))
    return Settings(plan=plan, **given)


def parse_db_paths(text: str) -> DataFolders:
    """`DIR:SIZE,DIR:SIZE` as pairs; a colon may be part of DIR, a comma may not."""
    pairs = [part.rpartition(":") for part in text.split(",")]
    return tuple((Path(path), int(size)) for path, _, size in pairs)


def format_db_paths(paths: DataFolders) -> str:
    """The opposite of parsing `--db-paths`."""
    return ",".join(f"{path}:{size}" for path, size in paths)


def database_options(wal_dir: Path | None = None, db_paths: DataFolders = (), *, create: bool = False) -> Options:
    """Options to open any database of the workload with; raw bytes as keys and values.

    Never `Options.load_latest`: the OPTIONS file of a restored database names the log folder and the data
    folders of the database that it was taken from.
    """
    options = Options(raw_mode=True)
    options.create_if_missing(create)
    options.create_missing_column_families(create)
    if wal_dir is not None:
        options.set_wal_dir(str(wal_dir))
    if db_paths:
        options.set_db_paths([DBPath(str(path), size) for path, size in db_paths])
    return options


def family_options(settings: Settings, family: str) -> Options:
    """Small memtables and low triggers, so that files come and go all the time."""
    options = database_options(settings.wal_dir, settings.db_paths, create=True)
    options.set_recycle_log_file_num(settings.recycle_logs)
    if settings.max_manifest_size is not None:
        options.set_max_manifest_file_size(settings.max_manifest_size)
    options.set_wal_ttl_seconds(settings.wal_ttl)
    options.set_atomic_flush(settings.atomic_flush)
    options.set_max_background_jobs(2)
    options.set_max_open_files(-1)
    # `small` and the churn families hardly fill a memtable: this limit is what flushes them in the end.
    options.set_max_total_wal_size(16 * settings.memtable_size)
    # Obsolete files go as soon as they are obsolete, not with the next full scan six hours later.
    options.set_delete_obsolete_files_period_micros(1_000_000)
    options.set_write_buffer_size(settings.memtable_size)
    options.set_max_write_buffer_number(4)
    options.set_level_zero_file_num_compaction_trigger(2)
    options.set_level_compaction_dynamic_level_bytes(False)
    options.set_max_bytes_for_level_base(4 * settings.memtable_size)
    options.set_target_file_size_base(settings.memtable_size)
    options.set_compression_type(DBCompressionType.none())
    if settings.format_version is not None:
        table = BlockBasedOptions()
        table.set_format_version(settings.format_version)
        options.set_block_based_table_factory(table)
    if family == "blobs":
        options.set_enable_blob_files(True)
        options.set_min_blob_size(max(64, int(KIB * settings.plan.value_scale)))
        options.set_blob_file_size(512 * KIB)
        options.set_enable_blob_gc(True)
        options.set_blob_gc_age_cutoff(0.5)
        options.set_blob_gc_force_threshold(0.5)
    return options
