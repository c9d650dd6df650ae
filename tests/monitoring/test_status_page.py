"""The status page of real nodes: what it says, that it escapes all it shows, and how it looks in a real browser."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import threading
from contextlib import contextmanager
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.monitoring.scenes import DAY, HOUR, healthy, past, shown_node, troubled
from tests.monitoring.screenshots import SCENES, chromium, take
from tests.server.node import final, wait_for
from walrus_fast.files import FileSystemSpace
from walrus_fast.monitoring.disks import DiskReading
from walrus_fast.monitoring.state import NodeState, ScheduleState, View
from walrus_fast.monitoring.status import Status, status_of
from walrus_fast.monitoring.status_page import StatusPage
from walrus_fast.monitoring.timeline import timeline_of
from walrus_fast.monitoring.verdict import Level, findings_of, in_words
from walrus_fast.protocol.jobs import BackupProof, BackupSummary, ErrorBody, Job, JobState
from walrus_fast.protocol.survey import RepositorySurvey, SpaceFigures
from walrus_fast.tiers import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.monitoring.scenes import Shown

NOW = 1_800_000_000.0
EVIL = "</style></script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7*7}}\x00\u202e"


def backup(number: int, age: float, *, problems: Sequence[str] = (), proof: BackupProof | None = None) -> BackupSummary:
    """A backup of some age."""
    return BackupSummary(
        backup_id=number, size=10**9, files=7, created=int(NOW - age), problems=tuple(problems), proof=proof
    )


def view(
    *backups: BackupSummary, jobs: tuple[Job, ...] = (), interval: float = 0.0, free: int = 50, **changes: object
) -> View:
    """What a node with these backups shows."""
    schedules = tuple(ScheduleState(what, interval, None) for what in ("backup", "verification", "drill"))
    node = NodeState(NOW, NOW - HOUR, "attach", "/db", "/repo", jobs, 2, 0, 0, 0, schedules)
    survey = RepositorySurvey(
        date=NOW,
        backups=backups,
        space=SpaceFigures(total=10, unique=5, pinned=1, unreferenced=0),
        verified={},
        drilled=None,
        restorable=None,
    )
    disks = DiskReading(NOW, {"repository": FileSystemSpace(100, free)}, ())
    built = View(node, survey=survey, disks=disks)
    for name, value in changes.items():
        owner = node if name in NodeState.__dataclass_fields__ else built
        object.__setattr__(owner, name, value)
    return built


class _Tags(HTMLParser):
    """Which elements a browser would make, and of what attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def tags_of(page: str) -> list[tuple[str, dict[str, str | None]]]:
    """Every element."""
    parser = _Tags()
    parser.feed(page)
    return parser.tags


def render(shown: View) -> str:
    """The page."""
    return StatusPage().render(status_of(shown)).decode()


def test_whatever_is_shown_is_escaped() -> None:
    error = ErrorBody(EVIL, EVIL * 100, EVIL)
    failed = Job(job_id=EVIL, kind=EVIL, repository=EVIL, origin=EVIL, state=JobState.FAILED, finished=NOW, error=error)
    waiting = Job(job_id="2", kind=EVIL, repository=EVIL, origin=EVIL, state=JobState.QUEUED)
    running = Job(
        job_id="3",
        kind=EVIL,
        repository=EVIL,
        origin=EVIL,
        state=JobState.RUNNING,
        phase=EVIL,
        bytes_total=9,
        started=NOW,
    )
    proof = BackupProof(tier=Tier.SIZES, date=NOW, problems=(EVIL,), damaged=NOW, drill_problems=(EVIL,))
    evil = view(
        backup(1, HOUR, problems=[EVIL]),
        backup(2, 2 * HOUR, proof=proof),
        jobs=(failed, waiting, running),
        database=EVIL,
        repository=EVIL,
        mode=EVIL,
        survey_error=error,
        rates={"3": 5.0},
        failures={EVIL: 3, "create": 2},
    )
    page = render(evil)
    tags = tags_of(page)
    assert page.count("&lt;script&gt;alert(1)") > 10
    assert [tag for tag, _ in tags].count("script") == 1
    assert not [tag for tag, _ in tags if tag in ("img", "iframe", "object", "form", "base")]
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on") or name == "style"]
    assert "49" not in re.sub(r"\d{3,}|\d+\.\d+", "", page[page.index("<main>") :]), "{{7*7}} was computed"
    msgspec.json.decode(msgspec.json.encode(status_of(evil)), type=Status)


def test_numbers_that_nobody_expects() -> None:
    far = [backup(n, age) for n, age in enumerate((-1e9, 0.0, 1e9, NOW, NOW - 1, -(2.0**62)), start=1)]
    assert "All is well" in render(view(*far))
    many = [backup(n, (5000 - n) * HOUR) for n in range(1, 5001)]
    page = render(view(*many))
    assert page.count("<circle") == 400
    assert "and 4950 older ones" in page
    assert len(page) < 600_000


def test_the_policy_allows_our_style_and_script_and_nothing_else(database: Path, tmp_path: Path) -> None:
    with shown_node(tmp_path) as shown:
        answer = shown.get()
    policy = answer.headers["content-security-policy"]
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", answer.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    addresses = [
        value for _, attributes in tags_of(answer.text) for name, value in attributes.items() if name in ("src", "href")
    ]
    assert addresses == ["data:,", "status.json", "metrics"]


def test_the_document_has_what_the_page_shows(database: Path, tmp_path: Path) -> None:
    past(database, tmp_path / "checkpoints", [2 * DAY, HOUR])
    with shown_node(tmp_path, max_bytes_per_second="2MB", transfer_mode="copy") as shown, shown.node.client() as client:
        first = msgspec.json.decode(shown.get("status.json").text, type=Status)
        assert [one.backup_id for one in first.backups] == [1, 2]
        assert first.repository == str(tmp_path / "checkpoints")
        assert first.space is not None
        assert first.space.total > 0
        job = client.create(str(tmp_path / "other"))
        wait_for(lambda: any(one["rate"] for one in shown.json()["running"]), "the rate")
        client.verify()
        busy = msgspec.json.decode(shown.get("status.json").text, type=Status)
        assert [one.job.job_id for one in busy.running] == [job.job_id]
        assert busy.running[0].job.phase == "transferring"
        assert [one.kind for one in busy.queue] == ["verify"]
        page = shown.get().text
        assert "Backing up" in page
        assert "KB/s" in page or "MB/s" in page
        client.cancel(job.job_id)
        assert final(client, job).state == "cancelled"
        assert shown.json()["errors"][0]["error"]["code"] == "cancelled"
        assert shown.get("healthz").text == "ok\n"


@pytest.mark.parametrize(
    ("shown", "level", "text"),
    [
        (view(backup(1, HOUR)), Level.NOTE, "Nothing was ever verified."),
        (view(), Level.WARNING, "There is no backup yet."),
        (view(backup(1, 4 * DAY)), Level.WARNING, "The newest good backup is 4 days old."),
        (view(backup(1, 3 * HOUR), interval=HOUR), Level.BAD, "3 h old, and one is due every 1 h."),
        (view(backup(1, HOUR, problems=["x"])), Level.BAD, "Backup 1 is damaged."),
        (view(backup(1, HOUR), free=4), Level.BAD, "Only 4 B are free on the repository's disk."),
        (view(backup(1, HOUR), fills_in=DAY), Level.WARNING, "full in 24 h if it goes on so."),
        (view(repository=None), Level.NOTE, "No folder for backups is configured"),
        (view(survey_error=ErrorBody("x", "gone")), Level.BAD, "The repository cannot be read: gone."),
    ],
)
def test_verdicts(shown: View, level: Level, text: str) -> None:
    first = findings_of(shown)[0]
    assert first.level is level
    assert text in first.text
    assert text.replace("'", "&#39;") in render(shown)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (47.9 * HOUR, "47 h"),
        (2 * DAY, "2 days"),
    ],
)
def test_spans_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_a_sample_counts_as_checksums_once_it_has_come_round() -> None:
    part = BackupProof(tier=Tier.SIZES, date=NOW, checked=NOW, part=3, parts=7, sampled=4)
    whole = msgspec.structs.replace(part, sampled=7)
    assert "checksums 4/7" in render(view(backup(1, HOUR, proof=part)))
    marks = timeline_of([backup(1, HOUR, proof=part), backup(2, 0, proof=whole)], NOW).marks
    assert [mark.level for mark in marks] == ["sizes", "checksums"]
    assert marks[0].x < marks[1].x
    assert marks[0].y > marks[1].y


@pytest.fixture(scope="session")
def browser() -> None:
    """Skips where there is no Chromium."""
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not installed (tests/packages.sh names its package)")


@contextmanager
def between(shown: Shown) -> Iterator[tuple[str, list[str]]]:
    """The address of a server that hands everything on, headers too, and the paths that were asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            answer = shown.get(self.path[1:])
            self.send_response(answer.status)
            for name in ("content-type", "content-security-policy", "x-content-type-options"):
                self.send_header(name, answer.headers[name])
            self.end_headers()
            self.wfile.write(answer.text.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass  # standard error is the test's

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/", paths
        server.shutdown()


def test_the_page_in_chromium(database: Path, tmp_path: Path, browser: None) -> None:
    """The script runs under the policy and asks again, and for nothing else; the pictures hold something."""
    (tmp_path / "node").mkdir()
    with healthy(tmp_path / "node", database) as shown:
        with between(shown) as (address, paths):
            drawn = chromium("--dump-dom", "--virtual-time-budget=12000", address, profile=tmp_path / "profile")
        assert len(paths) >= 2
        assert set(paths) == {"/"}
        for width in (400, 1280):
            picture = tmp_path / f"{width}.png"
            take(shown.url, picture, width=width, height=900, dark=width == 400)
            assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
            assert picture.stat().st_size > 30_000
    assert "All is well" in drawn
    assert drawn.count("<circle") == 8


@pytest.mark.long
@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("width", [320, 400, 800, 1280])
def test_no_scene_is_wider_than_its_window(
    database: Path, tmp_path: Path, browser: None, scene: str, width: int
) -> None:
    place = tmp_path / "node"
    place.mkdir()
    with SCENES[scene](place, database) as shown:
        # Windows have a least width, frames have none; our policy forbids those, so the markup is read from a file.
        page = shown.get().text.replace("<script>", "<!--").replace("</script>", "-->")
        measure = "<script>parent.postMessage(document.documentElement.scrollWidth+' of '+innerWidth,'*')</script>"
        (tmp_path / "page.html").write_text(page.replace("</body>", f"{measure}</body>"))
        frame = f'<iframe src="page.html" width="{width}" height="900" style="border:0"></iframe>'
        (tmp_path / "around.html").write_text(f"<script>onmessage=e=>document.title=e.data</script>{frame}")
        arguments = ("--dump-dom", "--window-size=1400,1000", "--virtual-time-budget=2000")
        drawn = chromium(*arguments, f"file://{tmp_path}/around.html", profile=tmp_path / "profile")
    found = re.search(r"<title>(\d+) of (\d+)</title>", drawn)
    assert found is not None
    assert int(found[2]) == width
    assert int(found[1]) <= width


def test_the_pictures_of_the_documentation_are_there_and_small() -> None:
    folder = Path(__file__).resolve().parent.parent.parent / "docs" / "screenshots"
    pictures = sorted(folder.glob("*.png"))
    assert len(pictures) == 4
    assert all(picture.stat().st_size <= 150_000 for picture in pictures)


def test_trouble_is_told(database: Path, tmp_path: Path) -> None:
    (tmp_path / "node").mkdir()
    with troubled(tmp_path / "node", database) as shown:
        page, document = shown.get().text, shown.json()
    assert document["level"] == "bad"
    assert "Needs you now" in page
    assert "Backup 5 is damaged." in page
    assert "private/5/MANIFEST-" in page
    assert document["errors"][0]["error"]["code"] == "database-not-found"
    assert "Check --db-path" in page
