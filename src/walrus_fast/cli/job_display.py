"""A node's job as the commands show it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from walrus_fast.cli.drill_cmd import print_drilled
from walrus_fast.cli.output import print_json
from walrus_fast.cli.progress import shown_progress
from walrus_fast.cli.verify_cmd import print_verified
from walrus_fast.errors import Cancelled
from walrus_fast.operations.progress import JobProgress, Phase
from walrus_fast.protocol.jobs import (
    CreateResult,
    DeleteResult,
    DrillResult,
    JobState,
    PruneResult,
    VerifyResult,
    received_error,
)
from walrus_fast.wording import format_bytes, format_duration, format_time

if TYPE_CHECKING:
    from walrus_fast.client.blocking import AdminClient
    from walrus_fast.protocol.jobs import Job

__all__ = ["print_pruned", "show_job", "watch_to_the_end"]

_PHASES = {phase.value: phase for phase in Phase}


def watch_to_the_end(client: AdminClient, job_id: str | None, *, as_json: bool) -> None:
    """Follow a job with a progress bar; print its result. Raises: the job's error; Cancelled on Ctrl-C, which leaves
    the job alone."""
    last: Job | None = None
    with shown_progress(quiet=as_json) as observer:
        try:
            for job in client.watch(job_id):
                last = job
                if (phase := _PHASES.get(job.phase)) is not None and not job.state.is_final:
                    observer(JobProgress(phase, job.bytes_done, job.bytes_total, job.files_done, job.files_total))
        except KeyboardInterrupt as exc:
            name = last.job_id if last is not None else job_id
            raise Cancelled(
                f"not watched any more; job {name} goes on",
                hint=f"`checkpoint watch --job-id {name}` shows it again, `checkpoint cancel` stops it.",
            ) from exc
    assert last is not None, "a watch ends with the final state"
    error = received_error(last.error) if last.error is not None else None
    if as_json:
        print_json(last, error=error)
        sys.exit(error.exit_status if error else 0)
    _print_result(last)
    if error is not None:
        raise error


def _print_result(job: Job) -> None:
    result = job.result
    if isinstance(result, CreateResult):
        click.echo("Checkpoint created successfully")
        click.echo(
            f"Backup {result.backup_id} of {format_bytes(result.bytes_total)} in {result.files} files is in "
            f"{job.repository}, done in {format_duration(result.seconds)}."
        )
        if result.pruned:
            click.echo(f"Removed by retention: {_ids(result.pruned)}.")
        if result.warning:
            click.echo(f"warning: {result.warning}", err=True)
    elif isinstance(result, VerifyResult):
        print_verified(result, job.repository)
    elif isinstance(result, DrillResult):
        print_drilled(result)
    elif isinstance(result, DeleteResult):
        click.echo(f"Backup {result.backup_id} was deleted from {job.repository}.")
    elif isinstance(result, PruneResult):
        print_pruned(result.removed, result.kept, result.pinned, dry_run=result.dry_run)


def print_pruned(removed: tuple[int, ...], kept: tuple[int, ...], pinned: tuple[int, ...], *, dry_run: bool) -> None:
    """What a prune did, or would do."""
    click.echo(f"{'Would be removed' if dry_run else 'Removed'}: {_ids(removed)}. Kept: {_ids(kept)}.")
    if pinned:
        click.echo(f"Kept only because they are pinned: {_ids(pinned)}.")


def _ids(ids: tuple[int, ...]) -> str:
    return ", ".join(map(str, ids)) or "none"


def show_job(job: Job) -> None:
    """One line, and one more for an error."""
    line = f"Job {job.job_id}: {job.kind} of {job.repository} ({job.origin}), {job.state}"
    if job.state in (JobState.RUNNING, JobState.STOPPING) and job.phase:
        line += f", {job.phase}"
    if job.state is JobState.SCHEDULED:
        line += f" for {format_time(job.due)}"
    elif not job.state.is_final and job.bytes_total:
        line += f" {format_bytes(job.bytes_done)} of {format_bytes(job.bytes_total)}"
    if job.finished is not None:
        line += f" at {format_time(job.finished)}"
    click.echo(line)
    if job.error is not None:
        click.echo(f"  {job.error.code}: {job.error.message}")
