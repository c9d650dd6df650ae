"""What is deployed beside a node: alerts and dashboard name metrics that there are; a real Prometheus takes both."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.monitoring.scenes import past, shown_node
from tests.monitoring.test_metrics import families
from tests.server.node import final, wait_for
from tests.server.test_proofs import flip
from tests.verify.backups import file_of_kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.monitoring.scenes import Shown

DEPLOY = Path(__file__).resolve().parent.parent.parent / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARD = DEPLOY / "grafana" / "walrus-fast.json"
NAME = re.compile(r"\b(?:walrus_fast|process)_[a-z_]+")


def tool(name: str) -> str:
    """A program of the package prometheus."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (tests/packages.sh names its package)")
    return found


def test_prometheus_checks_the_files() -> None:
    promtool = tool("promtool")
    for arguments in (
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
    ):
        done = subprocess.run(
            [promtool, *arguments], cwd=ALERTS.parent, capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_to_fire() -> None:
    rules = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
    tests = yaml.safe_load((ALERTS.parent / "alerts_test.yml").read_text())["tests"]
    fired = {one["alertname"] for test in tests for one in test["alert_rule_test"] if one.get("exp_alerts")}
    assert {rule["alert"] for rule in rules} == fired


def expressions() -> dict[str, str]:
    """By where they stand."""
    rules = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
    found = {f"alert {rule['alert']}": rule["expr"] for rule in rules}
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel["targets"]:
            found[f"panel {panel['title']} {target['refId']}"] = target["expr"]
    return found


def test_alerts_and_dashboard_name_only_metrics_and_labels_that_a_node_has(database: Path, tmp_path: Path) -> None:
    past(database, tmp_path / "checkpoints", [100.0])
    with shown_node(tmp_path) as shown:
        with shown.node.client() as client:
            for job in (client.create(), client.verify(), client.drill()):
                assert final(client, job).state == "succeeded"
        samples = {sample.name for family in families(shown) for sample in family.samples}
    for where, expression in expressions().items():
        for name in NAME.findall(re.sub(r'"[^"]*"', "", expression)):
            assert name in samples, f"{where} names {name}"


def test_the_dashboards_panels_do_not_overlap_and_have_ids_of_their_own() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set[tuple[int, int]]()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


@contextmanager
def prometheus(shown: Shown, folder: Path) -> Iterator[str]:
    """A real one that scrapes the node each second and evaluates our alerts; the address of its API."""
    program = tool("prometheus")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    document = yaml.safe_load((ALERTS.parent / "prometheus.yml").read_text())
    document["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    document["rule_files"] = [str(ALERTS)]
    document["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{shown.port}"]
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(document))
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://127.0.0.1:{port}/api/v1/"
    finally:
        process.terminate()
        process.wait(30)


def asked(api: str, path: str, **parameters: str) -> Any:
    """The data of an answer; None while nobody answers."""
    query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
    try:
        with urllib.request.urlopen(f"{api}{path}{query}", timeout=20) as answer:
            return json.load(answer)["data"]
    except OSError:
        return None  # it is still starting


def test_a_real_prometheus_scrapes_a_real_node_and_its_alerts_fire(database: Path, tmp_path: Path) -> None:
    repository = tmp_path / "checkpoints"
    past(database, repository, [100.0])
    flip(repository / file_of_kind(repository, 1, "manifest"))
    with shown_node(tmp_path) as shown, shown.node.client() as client, prometheus(shown, tmp_path) as api:
        assert final(client, client.create()).state == "succeeded"
        assert final(client, client.verify()).state == "failed"

        def value(query: str) -> float | None:
            found = asked(api, "query", query=query)
            return float(found["result"][0]["value"][1]) if found and found["result"] else None

        def log() -> str:
            return (tmp_path / "prometheus.log").read_text()[-2000:]

        wait_for(lambda: value('up{job="walrus-fast"}') == 1, "the first scrape", log)
        wait_for(lambda: value('walrus_fast_jobs_total{kind="create",result="succeeded"}') == 1, "the counter", log)
        wait_for(
            lambda: value('ALERTS{alertname="WalrusFastBackupDamaged",alertstate="firing"}') == 1, "the alert", log
        )
        rules = asked(api, "rules")["groups"][0]["rules"]
        assert {rule["health"] for rule in rules} == {"ok"}
        assert [rule["name"] for rule in rules if rule["state"] == "firing"] == ["WalrusFastBackupDamaged"]
        (target,) = asked(api, "targets")["activeTargets"]
        assert (target["health"], target["lastError"]) == ("up", "")
        for where, expression in expressions().items():
            filled = expression.replace('job="$job", instance="$instance"', "").replace("{, ", "{")
            filled = filled.replace("$__rate_interval", "1m")
            answer = asked(api, "query", query=filled)
            assert answer is not None, f"{where}: {filled} is not understood"
