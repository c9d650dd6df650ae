"""The configuration file: what is read, what is refused, and in which words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.server.node import running_node, wait_for, write_config
from tests.support.command import refuse, run, succeed
from walrus_fast.config.load import load_config
from walrus_fast.config.values import ByteRate, Duration
from walrus_fast.errors import ConfigInvalid

if TYPE_CHECKING:
    from pathlib import Path

# What a real node's file holds besides ours, as in the original's tests; a tag that only the node understands too.
NODE = """
name: node-1
protocol_key_pair: BBlm7tRefoPuaKoVoxVtnUBBDCfy+BGPREM8B6oSkOEj
db_config:
    metadata:
        target_file_size_base: 4194304
voting_params: &voting
    storage_price: 5
next: *voting
strange: !Secret {a: 1}
storage_path: /opt/walrus/db
"""


def loaded(tmp_path: Path, text: str) -> Path:
    """The file with that text."""
    path = tmp_path / "node-config.yaml"
    path.write_text(text)
    return path


def test_a_real_nodes_file_is_read_and_its_other_keys_left_alone(tmp_path: Path) -> None:
    config = load_config(loaded(tmp_path, NODE))
    assert str(config.values.storage_path) == "/opt/walrus/db"
    assert config.values.checkpoint_config.max_db_checkpoints == 3
    assert float(config.values.checkpoint_config.db_checkpoint_interval) == 86400
    assert config.warnings == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("walrus_fast:\n  job_timout: 4h\n", "line 13: walrus_fast has no key job_timout; is job_timeout meant?"),
        ("walrus_fast:\n  job_timeout: soon\n", "line 13: walrus_fast.job_timeout: 'soon' is not a duration"),
        ("walrus_fast:\n  job_timeout: 0s\n", "job_timeout is 0s; it may be from 1s to 30d"),
        ("walrus_fast:\n  verify_intervall: 1d\n", "has no key verify_intervall; is verify_interval meant?"),
        (
            "walrus_fast:\n  verify_interval: 500ms\n",
            "is 0.5s; it may be from 1s to 3660d, or 0 for never",
        ),
        ("walrus_fast:\n  verify_tier: all\n", "line 13: walrus_fast.verify_tier: invalid enum value 'all'"),
        ("walrus_fast:\n  verify_sample: half\n", "line 13: walrus_fast.verify_sample: 'half' is not a share"),
        ("walrus_fast:\n  drill_interval: 9999d\n", "drill_interval is 9999d; it may be from 1s to 3660d"),
        ("walrus_fast:\n  drill_scratch_dir: 7\n", "line 13: walrus_fast.drill_scratch_dir: 7 is not a path"),
        ("walrus_fast:\n  mode: steal\n", "line 13: walrus_fast.mode: invalid enum value 'steal'"),
        ("walrus_fast:\n  max_connections: 0\n", "line 13: walrus_fast.max_connections: expected `int` >= 1"),
        ("walrus_fast:\n  max_bytes_per_second: fast\n", "'fast' is not a number of bytes like 50MB"),
        ("walrus_fast:\n  max_bytes_per_second: -1\n", "-1 is not a number of bytes"),
        ("checkpoint_config:\n  sync: maybe\n", "line 13: checkpoint_config.sync: expected `bool`, got `str`"),
        ("checkpoint_config:\n  max_background_operations: 0\n", "expected `int` >= 1"),
        ("checkpoint_config:\n  max_background_operations: 1000\n", "expected `int` <= 256"),
        ("checkpoint_config:\n  periodic_db_checkpoints: true\n", "periodic_db_checkpoints needs db_checkpoint_dir"),
        ("checkpoint_config:\n  db_checkpoint_interval: {secs: -1, nanos: 0}\n", "is not a duration"),
        ("checkpoint_config: 5\n", "line 12: checkpoint_config: expected `object`, got `int`"),
        ("admin_socket_path: 7\n", "line 12: admin_socket_path: 7 is not a path"),
        ("storage_path: /other\n", "line 12: storage_path stands there twice"),
        ("walrus_fast: !Mine {a: 1}\n", "line 12: "),
        ("a: [\n", "is not YAML"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    path = loaded(tmp_path, NODE + text)
    with pytest.raises(ConfigInvalid) as refused:
        load_config(path)
    assert words in refused.value.message
    assert str(path) in refused.value.message


@pytest.mark.parametrize("text", ["", "- a\n", "5", "name: x\n", "\0"])
def test_what_is_no_configuration_at_all(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigInvalid):
        load_config(loaded(tmp_path, text))


def test_show_says_where_each_value_comes_from(tmp_path: Path) -> None:
    path = loaded(tmp_path, NODE + "checkpoint_config:\n  db_checkpoint_interval:\n    secs: 14400\n    nanos: 0\n")
    lines = {
        line.split()[0]: line.split()[1:] for line in run("config", "show", "--config-path", path).stdout.splitlines()
    }
    assert lines["storage_path"] == ["/opt/walrus/db", "line", "11"]
    assert lines["checkpoint_config.db_checkpoint_interval"] == ["4h", "line", "13"]
    assert lines["checkpoint_config.sync"] == ["true", "default"]
    assert lines["walrus_fast.mode"] == ["attach", "default"]
    assert lines["walrus_fast.verify_interval"] == ["1d", "default"]
    assert lines["walrus_fast.verify_tier"] == ["checksums", "default"]
    assert lines["walrus_fast.verify_sample"] == ["1/7", "default"]
    assert lines["walrus_fast.drill_interval"] == ["0s", "default"]
    document = succeed("config", "show", "--config-path", path)
    assert {"name": "walrus_fast.mode", "value": "attach", "source": "default"} in document["settings"]


def test_check_says_yes_or_no_and_warns_of_likely_slips(tmp_path: Path) -> None:
    path = loaded(tmp_path, NODE + "admin_socket_pth: /x\ncheckpoint_config:\n  max_db_checkpoint: 2\n")
    outcome = run("config", "check", "--config-path", path)
    assert outcome.status == 0
    assert "admin_socket_pth has no effect here; is admin_socket_path meant?" in outcome.stderr
    assert "checkpoint_config.max_db_checkpoint is not known" in outcome.stderr
    path.write_text("storage_path: []\n")
    assert "is not a path" in refuse(15, "config-invalid", "config", "check", "--config-path", path)
    refuse(30, "file-missing", "config", "check", "--config-path", tmp_path / "none")


def test_a_database_below_storage_path_is_found(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    path.write_text(f"storage_path: {tmp_path}\n")
    assert load_config(path).database == tmp_path
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "CURRENT").write_text("MANIFEST-1\n")
    assert load_config(path).database == tmp_path / "db"
    (tmp_path / "CURRENT").write_text("MANIFEST-1\n")
    assert load_config(path).database == tmp_path


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("4h", 14400), ("1h 30m", 5400), ("250ms", 0.25), ("2d", 172800), (7, 7), ({"secs": 1, "nanos": 5 * 10**8}, 1.5)],
)
def test_durations(written: object, seconds: float) -> None:
    assert Duration.parse(written) == seconds


@pytest.mark.parametrize("written", ["", "h", "4 hours later", True, [], {"secs": "1"}, {}, -1, {"minutes": 4}])
def test_what_is_no_duration(written: object) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        Duration.parse(written)


@pytest.mark.parametrize(("written", "rate"), [("50MB", 50_000_000), ("64MiB/s", 64 << 20), (7, 7), ("1.5K", 1500)])
def test_byte_rates(written: object, rate: int) -> None:
    assert ByteRate.parse(written).limit == rate


def test_a_node_with_nothing_to_do_does_not_start(tmp_path: Path) -> None:
    outcome = run("run", "--config-path", loaded(tmp_path, NODE))
    assert outcome.status == 15
    assert "neither admin_socket_path nor a schedule" in outcome.stderr


def test_sighup_puts_changes_in_force_and_an_invalid_file_changes_nothing(database: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with running_node(config) as node, node.client() as client:
        write_config(tmp_path, checkpoint={"max_background_operations": 3}, max_bytes_per_second="7MB")
        node.process.send_signal(1)
        wait_for(lambda: client.info().workers == 3, "the new number of workers")
        assert client.info().max_bytes_per_second == 7_000_000
        assert "checkpoint_config.max_background_operations is 3, was 1" in node.log
        config.write_text("storage_path: [\n")
        node.process.send_signal(1)
        wait_for(lambda: "the configuration stays as it was" in node.log, "the refusal")
        assert client.info().workers == 3
