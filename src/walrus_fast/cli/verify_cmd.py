"""`checkpoint verify`: how much of a backup is proven, and what is wrong with it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from walrus_fast.cli.format import format_bytes, format_duration
from walrus_fast.cli.options import PATH, json_option, path_option, rate_option, wait_option, workers_option
from walrus_fast.cli.output import print_json
from walrus_fast.cli.pace import governor_for
from walrus_fast.cli.progress import shown_progress
from walrus_fast.errors import BackupDamaged
from walrus_fast.files import Files
from walrus_fast.operations.proof.verify import BackupVerdict, VerifyReport, verify_backups
from walrus_fast.tiers import Sample, Tier

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from walrus_fast.protocol.jobs import VerifyResult, VerifyVerdict
    from walrus_fast.rates import RateLimit

__all__ = [
    "print_left_out",
    "print_verified",
    "sample_option",
    "scratch_option",
    "stall_option",
    "tier_option",
    "verify",
]


class _Share(click.ParamType[Sample]):
    name = "share"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Sample:
        if isinstance(value, Sample):
            return value
        try:
            return Sample.parse(str(value))
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


scratch_option = click.option(
    "--scratch-dir",
    type=PATH,
    help="Where backups are opened, instead of in the repository: for a read-only one, or another disk.",
)
stall_option = click.option(
    "--stall-seconds",
    type=click.FloatRange(min=1),
    default=900.0,
    show_default=True,
    help="Give RocksDB up that has said nothing for so long.",
)


tier_option = click.option(
    "--tier",
    type=click.Choice([tier.value for tier in Tier]),
    default=Tier.CHECKSUMS.value,
    show_default=True,
    help="How much to prove; each includes the ones before. opened and rows ask RocksDB.",
)
sample_option = click.option(
    "--sample",
    type=_Share(),
    metavar="SHARE",
    help="Read only this share of the table and blob files, e.g. 10% or 1/7; the next run takes the next share.",
)


@click.command("verify")
@path_option
@click.option("--checkpoint-id", "ids", type=click.IntRange(1), multiple=True, help="Only this one; repeatable.")
@tier_option
@sample_option
@scratch_option
@stall_option
@workers_option
@rate_option
@wait_option
@json_option
def verify(
    repository: Path,
    ids: tuple[int, ...],
    tier: str,
    sample: Sample | None,
    scratch_dir: Path | None,
    stall_seconds: float,
    workers: int,
    max_bytes_per_second: RateLimit,
    wait_seconds: float,
    as_json: bool,
) -> None:
    """Compare the backups with what was stored, up to a tier. Nothing is deleted; the result is kept with them."""
    files = Files()
    governor = governor_for(files, max_bytes_per_second)
    with shown_progress(quiet=as_json) as observer:
        report = verify_backups(
            files,
            repository,
            ids=ids,
            tier=Tier(tier),
            sample=sample,
            scratch_dir=scratch_dir,
            workers=workers,
            observer=governor.watching(observer),
            rate=governor,
            wait_seconds=wait_seconds,
            stall_seconds=stall_seconds,
        )
    names = ", ".join(str(verdict.backup_id) for verdict in report.damaged)
    damaged = BackupDamaged(f"damaged in {repository}: backup {names}") if names else None
    if as_json:
        print_json(report, error=damaged)
        sys.exit(damaged.exit_status if damaged else 0)
    print_verified(report, repository)
    if damaged:
        raise damaged


def print_verified(report: VerifyReport | VerifyResult, repository: Path | str) -> None:
    """What a verification found, here or by a node."""
    if not report.backups:
        click.echo(f"No backups in {repository}")
        return
    for verdict in report.backups:
        _print_verdict(verdict, report)
    click.echo(
        f"{report.files_read} files, {format_bytes(report.bytes_read)} read and compared"
        f"{_share(report)}, in {format_duration(report.seconds)}."
    )
    for note in report.notes:
        click.echo(f"Note: {note}.")
    if report.not_recorded:
        click.echo(f"The result could not be kept with the backups: {report.not_recorded}.")


def _share(report: VerifyReport | VerifyResult) -> str:
    return f" (part {report.part + 1} of {report.parts})" if report.parts > 1 else ""


def _print_verdict(verdict: BackupVerdict | VerifyVerdict, report: VerifyReport | VerifyResult) -> None:
    if verdict.problems:
        state = "DAMAGED"
    elif verdict.tier is report.asked:
        state = "ok"
    else:
        state = f"ok as far as {verdict.tier}, the rest could not be proven here"
    click.echo(f"Backup ID: {verdict.backup_id}, Size: {format_bytes(verdict.bytes)}, Files: {verdict.files}: {state}")
    for problem in verdict.problems:
        click.echo(f"  {problem}")
    for note in verdict.notes:
        click.echo(f"  note: {note}")
    if verdict.families:
        rows = f", {verdict.rows} rows read" if report.asked is Tier.ROWS else ""
        click.echo(f"  opened by RocksDB: {len(verdict.families)} column families{rows}")
    print_left_out(verdict.families_left_out or {})


def print_left_out(left_out: Mapping[str, str]) -> None:
    """The families that prove nothing, and why."""
    for name, reason in left_out.items():
        click.echo(f"  not proven: column family {name}: {reason}")
