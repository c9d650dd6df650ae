"""`local-admin`: orders to a running node over its admin socket."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec

import click

from walrus_fast.cli.drill_cmd import rows_option
from walrus_fast.cli.format import proof_line
from walrus_fast.cli.job_display import show_job, watch_to_the_end
from walrus_fast.cli.options import PATH, RATE, json_option, mode_option
from walrus_fast.cli.output import print_json
from walrus_fast.cli.verify_cmd import sample_option, tier_option
from walrus_fast.client.blocking import AdminClient
from walrus_fast.methods import TransferMode
from walrus_fast.rates import AUTO
from walrus_fast.tiers import Tier
from walrus_fast.wording import describe_backup, format_bytes, format_time

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from walrus_fast.protocol.jobs import Job
    from walrus_fast.rates import RateLimit
    from walrus_fast.tiers import Sample

__all__ = ["local_admin"]

_repository_option = click.option(
    "--path", "repository", type=PATH, help="The repository's folder. The node's db_checkpoint_dir unless given."
)
_wait_option = click.option("--no-wait", is_flag=True, help="Return as soon as the job is accepted.")
_id_option = click.option("--checkpoint-id", type=click.IntRange(1), required=True, help="The backup's id.")
_scratch_option = click.option(
    "--scratch-dir", type=PATH, help="Where, instead of in the node's drill_scratch_dir or the repository."
)
_job_option = click.option("--job-id", help="The job. The active one, or the last, unless given.")
_P = ParamSpec("_P")


def _pass_client(command: Callable[Concatenate[AdminClient, _P], None]) -> Callable[_P, None]:
    """Give a command its client. Only now must there be a socket: asking for a command's help needs none."""

    @wraps(command)
    def with_client(*args: _P.args, **kwargs: _P.kwargs) -> None:
        context = click.get_current_context()
        client = context.find_object(AdminClient)
        if client is None:
            raise click.UsageError("Missing option '--socket-path' of local-admin.", context)
        command(client, *args, **kwargs)

    return with_client


@click.group("local-admin")
@click.option("--socket-path", type=PATH, help="The node's admin_socket_path.  [required]")
@click.pass_context
def local_admin(ctx: click.Context, socket_path: Path | None) -> None:
    """Give orders to a running node over its admin socket."""
    if socket_path is not None:
        ctx.obj = ctx.with_resource(AdminClient(socket_path))


@local_admin.group("checkpoint")
def checkpoint() -> None:
    """Backups, made and kept by the node."""


def _absolute(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())


def _follow(client: AdminClient, job: Job, *, no_wait: bool, as_json: bool) -> None:
    if no_wait:
        if as_json:
            print_json(job)
        else:
            click.echo(f"Job {job.job_id} is {job.state}; `checkpoint watch --job-id {job.job_id}` shows it.")
        return
    watch_to_the_end(client, job.job_id, as_json=as_json)


@checkpoint.command("create")
@_repository_option
@click.option("--delay-secs", type=click.FloatRange(min=0), default=0.0, help="Begin so many seconds later.")
@_wait_option
@json_option
@_pass_client
def create(client: AdminClient, repository: Path | None, delay_secs: float, no_wait: bool, as_json: bool) -> None:
    """Back up the node's database. Ctrl-C leaves the job running."""
    job = client.create(_absolute(repository), delay_secs=delay_secs)
    _follow(client, job, no_wait=no_wait, as_json=as_json)


@checkpoint.command("list")
@_repository_option
@click.option("--long", "is_long", is_flag=True, help="Show what was proven of each, and when.")
@json_option
@_pass_client
def list_backups(client: AdminClient, repository: Path | None, is_long: bool, as_json: bool) -> None:
    """List the backups of a repository; damaged ones say so."""
    found = client.list(_absolute(repository))
    if as_json:
        print_json(found)
    elif not found.backups:
        click.echo(f"No backups in {found.repository}")
    else:
        click.echo("Backups:")
        for backup in found.backups:
            click.echo(
                describe_backup(backup.backup_id, backup.size, backup.files, backup.created, backup.problems)
                + (", pinned" if backup.pinned else "")
            )
            if is_long:
                click.echo(f"  {proof_line(backup.proof)}")


@checkpoint.command("status")
@_job_option
@json_option
@_pass_client
def status(client: AdminClient, job_id: str | None, as_json: bool) -> None:
    """Show the jobs of this run of the node, newest first."""
    jobs = client.status(job_id)
    if as_json:
        print_json({"jobs": jobs})
    elif not jobs:
        click.echo("No job yet in this run of the node.")
    for job in () if as_json else jobs:
        show_job(job)


@checkpoint.command("watch")
@_job_option
@json_option
@_pass_client
def watch(client: AdminClient, job_id: str | None, as_json: bool) -> None:
    """Show a job until it ends. Ctrl-C leaves it running."""
    watch_to_the_end(client, job_id, as_json=as_json)


@checkpoint.command("cancel")
@_job_option
@json_option
@_pass_client
def cancel(client: AdminClient, job_id: str | None, as_json: bool) -> None:
    """Stop a job; returns when nothing works on it any more."""
    job = client.cancel(job_id)
    if as_json:
        print_json({"job": job})
    elif job is None:
        click.echo("No backup was in progress")
    elif job.state == "cancelled":
        click.echo("Checkpoint creation cancelled" if job.kind == "create" else f"Job {job.job_id} cancelled")
    else:
        click.echo(f"Job {job.job_id} had ended before: {job.state}")


@checkpoint.command("verify")
@_repository_option
@click.option("--checkpoint-id", "ids", type=click.IntRange(1), multiple=True, help="Only this one; repeatable.")
@tier_option
@sample_option
@_scratch_option
@_wait_option
@json_option
@_pass_client
def verify(
    client: AdminClient,
    repository: Path | None,
    ids: tuple[int, ...],
    tier: str,
    sample: Sample | None,
    scratch_dir: Path | None,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Compare the backups with what was stored, up to a tier. Nothing is deleted; the result is kept with them."""
    share = None if sample is None else str(sample)
    scratch = _absolute(scratch_dir)
    job = client.verify(_absolute(repository), ids=ids, tier=Tier(tier), sample=share, scratch_dir=scratch)
    _follow(client, job, no_wait=no_wait, as_json=as_json)


@checkpoint.command("drill")
@_repository_option
@click.option("--checkpoint-id", type=click.IntRange(1), help="Which backup. The newest unless given.")
@rows_option
@_scratch_option
@mode_option
@_wait_option
@json_option
@_pass_client
def drill(
    client: AdminClient,
    repository: Path | None,
    checkpoint_id: int | None,
    rows: bool,
    scratch_dir: Path | None,
    mode: str,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Restore a backup into a scratch folder, open it with RocksDB, read it, and remove it again."""
    job = client.drill(
        _absolute(repository),
        backup_id=checkpoint_id,
        scratch_dir=_absolute(scratch_dir),
        rows=rows,
        mode=TransferMode(mode),
    )
    _follow(client, job, no_wait=no_wait, as_json=as_json)


@checkpoint.command("delete")
@_repository_option
@_id_option
@_wait_option
@json_option
@_pass_client
def delete(client: AdminClient, repository: Path | None, checkpoint_id: int, no_wait: bool, as_json: bool) -> None:
    """Delete one backup; files that other backups need stay."""
    _follow(client, client.delete(checkpoint_id, _absolute(repository)), no_wait=no_wait, as_json=as_json)


@checkpoint.command("prune")
@_repository_option
@click.option("--keep", type=click.IntRange(1), help="Keep so many. The node's max_db_checkpoints unless given.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@_wait_option
@json_option
@_pass_client
def prune(
    client: AdminClient, repository: Path | None, keep: int | None, dry_run: bool, no_wait: bool, as_json: bool
) -> None:
    """Remove all but the newest backups; pinned ones stay."""
    job = client.prune(_absolute(repository), keep=keep, dry_run=dry_run)
    _follow(client, job, no_wait=no_wait, as_json=as_json)


@checkpoint.command("pin")
@_repository_option
@_id_option
@json_option
@_pass_client
def pin(client: AdminClient, repository: Path | None, checkpoint_id: int, as_json: bool) -> None:
    """Keep a backup from being removed by anything."""
    _pin(client, repository, checkpoint_id, pinned=True, as_json=as_json)


@checkpoint.command("unpin")
@_repository_option
@_id_option
@json_option
@_pass_client
def unpin(client: AdminClient, repository: Path | None, checkpoint_id: int, as_json: bool) -> None:
    """Let go of a pinned backup."""
    _pin(client, repository, checkpoint_id, pinned=False, as_json=as_json)


def _pin(client: AdminClient, repository: Path | None, backup_id: int, *, pinned: bool, as_json: bool) -> None:
    client.pin(backup_id, _absolute(repository), pinned=pinned)
    if as_json:
        print_json({"backup_id": backup_id, "pinned": pinned})
    else:
        click.echo(f"Backup {backup_id} is {'pinned' if pinned else 'not pinned any more'}.")


@local_admin.command("log-level")
@click.option("--level", required=True, help="A level, or directives such as info,walrus_fast.server=debug.")
@json_option
@_pass_client
def log_level(client: AdminClient, level: str, as_json: bool) -> None:
    """Change what the node logs, at once."""
    given = client.set_log_level(level)
    if as_json:
        print_json({"level": given})
    else:
        click.echo(f"Log level updated successfully to: {given}")


@local_admin.group("limits")
def limits() -> None:
    """Limits that change while jobs run."""


@limits.command("set")
@click.option(
    "--max-bytes-per-second",
    type=RATE,
    required=True,
    help="Over all jobs, e.g. 100MB; 0 is no limit, auto gives way to the owner.",
)
@json_option
@_pass_client
def set_limits(client: AdminClient, max_bytes_per_second: RateLimit, as_json: bool) -> None:
    """Change limits until the node's next start or reload."""
    given = client.set_limits(max_bytes_per_second=max_bytes_per_second)
    if as_json:
        print_json(given)
        return
    rate = given.max_bytes_per_second
    if given.warning:
        click.echo(f"warning: {given.warning}", err=True)
    if rate == AUTO:
        click.echo("As fast as the I/O pressure allows from now on.")
    else:
        click.echo(f"At most {format_bytes(rate)}/s from now on." if rate else "No limit from now on.")


@local_admin.command("info")
@json_option
@_pass_client
def info(client: AdminClient, as_json: bool) -> None:
    """Show the node as it is now."""
    found = client.info()
    if as_json:
        print_json(found)
        return
    next_backup = "no schedule" if found.next_backup is None else format_time(found.next_backup)
    limit = found.max_bytes_per_second
    rate = AUTO if limit == AUTO else f"{format_bytes(limit)}/s" if limit else "none"
    click.echo(f"Version:       {found.version} (protocol {found.protocol}), process {found.pid}")
    click.echo(f"Started:       {format_time(found.started)}")
    click.echo(f"Database:      {found.database} ({found.mode})")
    click.echo(f"Checkpoints:   {found.checkpoint_dir or 'not set'}")
    click.echo(f"Next backup:   {next_backup}")
    for name, due in (("Next verify:", found.next_verification), ("Next drill:", found.next_drill)):
        click.echo(f"{name:<14} {'no schedule' if due is None else format_time(due)}")
    click.echo(f"Jobs:          {found.jobs_active} active, {found.workers_busy} of {found.workers} workers busy")
    click.echo(f"Limit:         {rate}")
    click.echo(f"Connections:   {found.connections}")
    click.echo(f"Log level:     {found.log_level}")
    click.echo(f"Memory:        {format_bytes(found.memory)} at most so far")
