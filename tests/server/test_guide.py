"""The guide's commands, as printed there with other paths, against a live writer."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from tests.server.node import PROJECT, running_node, wait_for
from workload.driver import running_writer
from workload.prefix import check_in_subprocess

# The guide's configuration, with its comments.
CONFIG = """
# /opt/walrus/node-config.yaml
admin_socket_path: /opt/walrus/admin.socket
storage_path: /opt/walrus/db

checkpoint_config:
  # Directory where backups will be stored
  db_checkpoint_dir: /opt/walrus/checkpoints

  # Number of backups to retain (oldest will be deleted)
  max_db_checkpoints: 2

  # Backup frequency (example: 4-hour interval)
  db_checkpoint_interval:
    secs: 14400  # 4 hours in seconds
    nanos: 0

  # Force filesystem synchronization after backup
  sync: true

  # Maximum concurrent backup operations
  max_background_operations: 1

  # Enable/disable automated backups
  periodic_db_checkpoints: true

walrus_fast:
  log_format: json
  schedule_jitter: 0
"""
CREATE = """walrus-node local-admin \\
  --socket-path /opt/walrus/admin.socket \\
  checkpoint create \\
  --path /opt/walrus/backups/manual-$(date +%Y%m%d-%H%M%S)"""
CREATE_SCHEDULED = "walrus-node local-admin --socket-path /opt/walrus/admin.socket checkpoint create"
LIST = """walrus-node local-admin \\
  --socket-path /opt/walrus/admin.socket \\
  checkpoint list \\
  --path /opt/walrus/checkpoints"""
SAFETY_COPY = "cp -r /opt/walrus/db /opt/walrus/db.backup.$(date +%Y%m%d-%H%M%S)"
RESTORE_2 = """walrus-node \\
  restore \\
  --db-checkpoint-path /opt/walrus/checkpoints \\
  --db-path /opt/walrus/db \\
  --checkpoint-id 2"""
RESTORE_LATEST = """walrus-node \\
  restore \\
  --db-checkpoint-path /opt/walrus/checkpoints \\
  --db-path /opt/walrus/db"""
LINE = r"Backup ID: {}, Size: \d+\.\d MB, Files: \d+, Created: \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def shell(command: str, home: Path) -> str:
    """A command of the guide, with /opt/walrus at `home`; its standard output."""
    done = subprocess.run(
        ["bash", "-euc", command.replace("/opt/walrus", shlex.quote(str(home)))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
        cwd=PROJECT,
    )
    assert done.returncode == 0, done
    return done.stdout


def test_the_commands_of_the_guide_do_what_it_says(tmp_path: Path) -> None:
    home = tmp_path
    config = home / "node-config.yaml"
    config.write_text(CONFIG.replace("/opt/walrus", str(home)))
    with running_writer(home / "db", seed=7) as writer, running_node(config) as node:
        assert re.match(r"srw------- ", shell("ls -la /opt/walrus/admin.socket", home))
        # The schedule makes the first backup: none is there.
        with node.client() as client:
            wait_for(client.status, "the scheduled backup")
            *_, scheduled = client.watch()
        assert (scheduled.origin, scheduled.state) == ("schedule", "succeeded")
        assert shell(CREATE, home).startswith("Checkpoint created successfully\n")
        (manual,) = (home / "backups").iterdir()
        assert re.fullmatch(r"manual-\d{8}-\d{6}", manual.name)
        lower = writer.acknowledged
        shell(CREATE_SCHEDULED, home)
        upper = writer.acknowledged + 1
        writer.advance(300)
        listed = shell(LIST, home)
        assert re.fullmatch(f"Backups:\n{LINE.format(1)}\n{LINE.format(2)}\n", listed), listed
        shell(CREATE_SCHEDULED, home)
        after_lower = writer.acknowledged
        listed = shell(LIST, home)
        assert re.fullmatch(f"Backups:\n{LINE.format(2)}\n{LINE.format(3)}\n", listed), listed
        assert node.stop() == 0
        writer.stop()
    shell(SAFETY_COPY, home)
    assert len(list(home.glob("db.backup.*"))) == 1
    assert "Restored from 2 successfully" in shell(RESTORE_2, home)
    shutil.copytree(home / "db", home / "look")
    assert check_in_subprocess(home / "look", 7, lower=lower, upper=upper).exact
    assert "Restored from latest (3) successfully" in shell(RESTORE_LATEST, home)
    shutil.copytree(home / "db", home / "look2")
    assert check_in_subprocess(home / "look2", 7, lower=upper, upper=after_lower).exact
    with running_writer(home / "db", seed=7, resume=True) as writer, running_node(config):
        writer.advance(200)
