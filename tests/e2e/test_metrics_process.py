"""taghub-metrics, the process: what gateway workers tell it, what it answers them, and what a restart changes: nothing.

The workers are played by the test. Scrapes are judged by promlint.
"""

import json
import os
import re
import signal
import statistics
import time
from pathlib import Path

import pytest

from bus import CONSTANTS, LinkEnded, new_incarnation
from promlint import Scrape
from solo import Program, Stage
from wire import wait_until

REMEMBERED = 21    # pictures per camera that a worker tells again
NO_SUCH_CAMERA = {"status": "error", "error": "no such camera", "message": "no such camera"}
NOTHING_YET = {"avg_interval": 0, "min_interval": 0, "max_interval": 0, "jitter": 0, "avg_fps": 0, "target_fps": 0,
               "avg_size": 0, "min_size": 0, "max_size": 0, "avg_processing": 0, "max_processing": 0,
               "total_frames": 0, "dropped_frames": 0, "efficiency": 0, "recommendation": "WAITING_FOR_DATA",
               "current_fps": 0, "width": 0, "height": 0, "resolution": "Unknown"}
DASHBOARD = Path(__file__).resolve().parents[2] / "services" / "metrics" / "grafana-dashboard.json"


@pytest.fixture
def new_metrics():
    """A factory of running metrics."""
    made = []

    def make(**settings):
        made.append(Program("metrics", **settings))
        made[-1].runtime_dir = settings.get("runtime_dir", made[-1].runtime_dir)    # that of another program
        return made[-1].start()

    yield make
    for metrics in made:
        metrics.stop()


@pytest.fixture
def metrics(new_metrics):
    return new_metrics()


class Worker:
    """A gateway worker: counts the pictures of each camera, remembers the newest, and tells."""

    def __init__(self, metrics, slot=0, origin=None):
        self.slot, self.origin = slot, origin or new_incarnation()
        self.told = {}    # camera: fields of the newest
        self.requests = 0
        self.meet(metrics)

    def meet(self, metrics):
        """A link to a metrics that may have begun anew; all that is remembered is told again."""
        self.link = metrics.connect("gateway", slot=self.slot, incarnation=self.origin)
        for rows in self.told.values():
            for fields in rows:
                self.link.send("photo_stored", **fields)
        return self

    def tell(self, camera, *arrivals_utc_us, **changes):
        rows = self.told.setdefault(camera, [])
        for arrived_utc_us in arrivals_utc_us:
            count = rows[-1]["count"] + 1 if rows else 1
            rows.append({"camera": camera, "count": count, "arrived_utc_us": arrived_utc_us, "bytes": 6000 + count % 50,
                         "processing_us": 140 + count % 30, "width": 240, "height": 180, **changes})
            self.link.send("photo_stored", **rows[-1])
            del rows[:-REMEMBERED]
        return self

    def send_ask(self, question, camera=None):
        self.requests += 1
        self.link.send("ask", request=self.requests, question=CONSTANTS[f"QUESTION_{question}"],
                       named=int(camera is not None), camera=camera or "", hub_started_utc_us=0)

    def answer(self, status=200):
        got = self.link.expect("answer", request=self.requests, http_status=status)
        return bytes(got.body).decode()

    def ask(self, question, camera=None, status=200):
        self.send_ask(question, camera)
        return json.loads(self.answer(status))

    def stats(self, camera=None):
        return self.ask("VIDEO_STATS", camera)

    def scrape(self):
        self.send_ask("PROMETHEUS")
        return Scrape(self.answer())

    def cameras(self):
        """All cameras by name, without what depends on the instant of asking."""
        cameras = self.ask("CAMERAS")["cameras"]
        assert [each["camera"] for each in cameras] == sorted(each["camera"] for each in cameras)
        return {each["camera"]: {key: value for key, value in each.items() if key != "last_photo_age_seconds"}
                for each in cameras}


def now_utc_us():
    return time.time_ns() // 1000


def row(count, interval_us=200_000, end_utc_us=None):
    """Arrivals at an even pace; the last is a second ago."""
    end_utc_us = end_utc_us or now_utc_us() - 1_000_000
    return [end_utc_us - (count - 1 - i) * interval_us for i in range(count)]


# The statistics


def test_before_the_first_picture(metrics):
    worker = Worker(metrics)
    assert worker.stats() == NOTHING_YET
    assert worker.ask("VIDEO_FPS") == {"fps": 0, "target_fps": 0, "interval_ms": 0, "width": 0, "height": 0,
                                       "resolution": "Unknown"}
    assert worker.ask("CAMERAS")["cameras"] == []


def test_after_the_first_picture_only_its_size_is_known(metrics):
    worker = Worker(metrics).tell("porch", now_utc_us())
    size = {"width": 240, "height": 180, "resolution": "240x180"}
    assert worker.stats("porch") == {**NOTHING_YET, **size}
    assert worker.ask("VIDEO_FPS") == {"fps": 0, "target_fps": 0, "interval_ms": 0, **size}
    assert worker.ask("CAMERAS")["cameras"][0]["intervals"] == []


@pytest.mark.parametrize("question", ["VIDEO_FPS", "VIDEO_STATS"])
def test_a_camera_that_is_not_known(metrics, question):
    worker = Worker(metrics).tell("porch", now_utc_us())
    for name in ("Porch", "porc", ""):
        assert worker.ask(question, name, status=404) == NO_SUCH_CAMERA


def reference(rows):
    """The statistics of all these pictures, by the contract's formulas, with Python's arithmetic and unrounded."""
    arrivals = [each["arrived_utc_us"] / 1e6 for each in rows[-21:]]
    intervals = [after - before for before, after in zip(arrivals, arrivals[1:])]
    average, n, last_ten = statistics.mean(intervals), len(intervals), arrivals[-10:]
    target = sorted(intervals)[n // 2] if n >= 10 else average
    sizes = [each["bytes"] for each in rows[-20:]]
    processing = [each["processing_us"] / 1000 for each in rows[-20:]]
    return {"avg_interval": average, "min_interval": min(intervals), "max_interval": max(intervals),
            "jitter": statistics.pstdev(intervals), "avg_fps": 1 / average, "target_fps": 1 / target,
            "avg_size": int(statistics.mean(sizes)), "min_size": min(sizes), "max_size": max(sizes),
            "avg_processing": statistics.mean(processing), "max_processing": max(processing),
            "total_frames": len(rows), "dropped_frames": 0,
            "efficiency": max(0, (1 - abs(average - target) / target) * 100) if n >= 10 else 50,
            "current_fps": (len(last_ten) - 1) / (last_ten[-1] - last_ten[0])}


DECIMALS = {"avg_interval": 3, "min_interval": 3, "max_interval": 3, "jitter": 3, "avg_fps": 3, "target_fps": 1,
            "avg_processing": 2, "max_processing": 2, "efficiency": 1, "current_fps": 2}


@pytest.mark.parametrize("frames", [2, 10, 11, 21, 22, 60])
def test_statistics_agree_with_another_computation(metrics, frames):
    worker, rows, at = Worker(metrics), [], now_utc_us() - 60_000_000
    for i in range(frames):
        at += (137 * i * i + 4321 * i) % 90_001 + 150_000
        worker.tell("porch", at, bytes=5000 + 997 * i % 3001, processing_us=100 + 7919 * i % 60_000)
        rows.append(worker.told["porch"][-1])
    got, wanted = worker.stats(), reference(rows)
    for name, value in wanted.items():
        assert abs(got[name] - value) <= 0.50001 * 10 ** -DECIMALS.get(name, 3), (name, got[name], value)
    fps = worker.ask("VIDEO_FPS")
    assert (fps["fps"], fps["target_fps"]) == (got["current_fps"], got["target_fps"])
    assert fps["interval_ms"] == int(1000 / fps["target_fps"])
    listed = worker.cameras()["porch"]
    assert {**listed, **got} == listed
    assert len(listed["intervals"]) == min(frames - 1, 20)
    assert abs(listed["intervals"][-1] - (rows[-1]["arrived_utc_us"] - rows[-2]["arrived_utc_us"]) / 1e6) < 0.0006


def test_efficiency_against_a_configured_target(new_metrics):
    worker = Worker(new_metrics(video_target_interval_ms=500)).tell("porch", *row(3))
    stats = worker.stats()
    assert (stats["target_fps"], stats["efficiency"]) == (2, 250)
    assert worker.ask("VIDEO_FPS")["interval_ms"] == 500


def test_without_a_name_it_is_the_camera_whose_picture_came_last(metrics):
    first, second = Worker(metrics, 0), Worker(metrics, 1)
    end = now_utc_us()
    first.tell("porch", *row(5, 100_000, end_utc_us=end))
    second.tell("shed", *row(5, 250_000, end_utc_us=end - 1))
    assert first.ask("VIDEO_FPS")["fps"] == 10
    assert first.ask("VIDEO_FPS", "shed")["fps"] == 4
    second.tell("shed", end + 1)
    assert first.ask("VIDEO_FPS")["fps"] < 10


def test_age_and_time_of_the_newest_picture(metrics):
    arrived_utc_us = now_utc_us() - 2_500_000
    worker = Worker(metrics).tell("porch", arrived_utc_us)
    cameras = worker.ask("CAMERAS")
    assert cameras["cameras"][0]["last_photo_timestamp"] == round(arrived_utc_us / 1e6, 3)
    age_s = cameras["now"] - arrived_utc_us / 1e6
    assert abs(cameras["cameras"][0]["last_photo_age_seconds"] - age_s) < 0.052
    assert abs(worker.scrape().value("taghub_camera_photo_age_seconds", camera="porch") - age_s) < 5


# Who tells


def test_a_camera_that_comes_by_way_of_two_workers_is_one(metrics):
    arrivals = row(30)
    first, second = Worker(metrics, 0), Worker(metrics, 1)
    first.tell("porch", *arrivals[::2])
    second.tell("porch", *arrivals[1::2])
    stats = second.stats()
    assert (stats["current_fps"], stats["jitter"], stats["total_frames"]) == (5, 0, 30)


def test_a_restart_changes_no_answer(metrics):
    arrivals = row(90)
    first, second = Worker(metrics, 0), Worker(metrics, 1)
    first.tell("porch", *arrivals[:50])
    second.tell("porch", *arrivals[50:60])    # it reconnected
    first.tell("porch", *arrivals[60:])
    second.tell("shed", *row(7, 333_333))
    before = first.cameras()
    assert before["porch"]["total_frames"] == 90
    metrics.process.kill()
    metrics.process.wait()
    metrics.start()
    second.meet(metrics)    # in the other order
    first.meet(metrics)
    assert first.cameras() == before
    assert first.tell("porch", now_utc_us()).stats("porch")["total_frames"] == 91


def test_what_is_told_twice_counts_once(metrics):
    worker = Worker(metrics).tell("porch", *row(10))
    before = worker.cameras()
    worker.meet(metrics)
    assert worker.cameras() == before
    assert worker.scrape().value("taghub_photos_total", service="metrics", worker="0") == 10


def test_what_a_worker_that_died_had_counted_stays(metrics):
    worker = Worker(metrics, 0).tell("porch", *row(10))
    worker.link.close()
    successor = Worker(metrics, 0).tell("porch", *row(3, end_utc_us=now_utc_us()))
    assert successor.stats()["total_frames"] == 13


@pytest.mark.parametrize("asker_is_read_first", [True, False])
def test_a_question_does_not_overtake_a_report(metrics, asker_is_read_first):
    """Written before the question, on another link; which of the two is read first is a matter of luck."""
    asker, teller = Worker(metrics, 0), Worker(metrics, 1)
    asker.stats()
    teller.stats()
    arrivals = row(4)
    os.kill(metrics.process.pid, signal.SIGSTOP)
    if asker_is_read_first:
        asker.tell("porch", *arrivals[:2])    # the link that is readable first is read first, to its end
    teller.tell("porch", *arrivals[2:])
    asker.send_ask("VIDEO_STATS")
    os.kill(metrics.process.pid, signal.SIGCONT)
    assert json.loads(asker.answer())["total_frames"] == (4 if asker_is_read_first else 2)


def test_the_camera_silent_longest_is_forgotten(new_metrics):
    worker, start = Worker(new_metrics(cameras_max_count=64)), now_utc_us() - 1_000_000
    for i in range(65):
        worker.tell(f"camera {i:02}", start + i)
    assert list(worker.cameras()) == [f"camera {i:02}" for i in range(1, 65)]


# Who breaks the rules


@pytest.mark.parametrize("name, fields, reason", [
    ("photo_stored", {"count": 0}, "count"),
    ("photo_stored", {"bytes": 3}, "bytes"),
    ("photo_stored", {"width": 65536}, "width"),
    ("photo_stored", {"camera": ""}, "camera"),
    ("ask", {"question": CONSTANTS["QUESTION_COUNT"]}, "question"),
    ("answer", {}, "may not send answer"),
])
def test_a_bad_message_drops_the_link_and_nobody_elses(metrics, name, fields, reason):
    good, bad = Worker(metrics, 0).tell("porch", *row(3)), Worker(metrics, 1)
    rest = {"photo_stored": {"camera": "porch", "count": 9, "arrived_utc_us": now_utc_us(), "bytes": 100,
                             "processing_us": 1, "width": 8, "height": 8},
            "ask": {"request": 1, "question": 0, "named": 0, "camera": "", "hub_started_utc_us": 0},
            "answer": {"request": 1, "http_status": 200, "body": b"{}"}}[name]
    bad.link.send(name, **{**rest, **fields})
    assert bad.link.expect_end() == []
    assert good.stats()["total_frames"] == 3
    metrics.wait_log(rf"left peer=gateway worker=1 .*reason=.*{reason}")


def test_only_a_gateway_tells_of_pictures(metrics):
    with metrics.connect("ingest") as link:
        link.send("photo_stored", camera="porch", count=1, arrived_utc_us=1, bytes=100, processing_us=1, width=8,
                  height=8)
        with pytest.raises(LinkEnded):
            link.recv()
    assert Worker(metrics).ask("CAMERAS")["cameras"] == []


def test_a_question_for_somebody_else_gets_no_answer(metrics):
    worker = Worker(metrics)
    worker.send_ask("POLL")
    assert worker.stats() == NOTHING_YET    # the answer to the second request is the first to come


# The scrape


def test_a_scrape_is_in_good_form(metrics):
    names = ["porch", 'a "quoted" name', "back\\slash", "two\nlines", "{brace=\"}", "größe 📷"]
    worker, arrivals = Worker(metrics), row(12)
    for name in names:
        worker.tell(name, *arrivals)
    worker.tell("only one picture", arrivals[0])
    scrape = worker.scrape()
    assert scrape.problems() == []
    for name in names:
        assert scrape.value("taghub_camera_photos_total", camera=name) == 12
        assert scrape.value("taghub_camera_fps", camera=name) == 5
        assert scrape.value("taghub_camera_efficiency_ratio", camera=name) == 1
    assert scrape.value("taghub_camera_photos_total", camera="only one picture") == 1
    assert scrape.value("taghub_camera_fps", camera="only one picture") is None
    assert set(worker.cameras()) == {*names, "only one picture"}
    assert scrape.value("taghub_connections", service="metrics", worker="0") == 1


def test_a_service_is_up_while_it_beats(metrics):
    worker = Worker(metrics)
    assert {service: worker.scrape().value("taghub_up", service=service)
            for service in ("gateway", "ingest", "fanout", "metrics", "history")} == {
                "gateway": 0, "ingest": 0, "fanout": 0, "metrics": 1, "history": 0}

    def fanout_is(up):
        wait_until(lambda: worker.scrape().value("taghub_up", service="fanout") == up, 5, f"fanout is {up}")

    with Program("fanout", runtime_dir=metrics.runtime_dir) as fanout:
        fanout.start()
        fanout_is(1)
        started = worker.scrape().value("taghub_start_time_seconds", service="fanout")
        os.kill(fanout.process.pid, signal.SIGSTOP)
        fanout_is(0)
        assert worker.scrape().value("taghub_connections", service="fanout", worker="0") is None
        assert worker.scrape().value("taghub_sightings_total", service="fanout", worker="0") == 0
        os.kill(fanout.process.pid, signal.SIGCONT)
        fanout_is(1)
        fanout.process.kill()
        fanout.process.wait()
        fanout_is(0)
        fanout.start()
        fanout_is(1)
        assert worker.scrape().value("taghub_start_time_seconds", service="fanout") > started


def test_a_scrape_of_a_gateway_at_work(new_metrics):
    """Also the dashboard is held against it: what it draws is exported."""
    with Stage() as stage:
        metrics = new_metrics(runtime_dir=stage.runtime_dir)
        gateway = stage.begin().workers[0]
        with stage.game() as game, stage.camera() as camera:
            camera.send_json({"event": "apriltag_data", "tag_id": 7})
            texts = gateway.texts(1)
            gateway.send_back(texts, arrived_utc_us=texts[0].arrived_utc_us)
            gateway.settle(texts[0].seq)
            assert camera.recv_json() == {"event": "apriltag_ack", "status": "received"}
            game.recv_event("apriltag_data")
            scrape = Worker(metrics, slot=63).tell("porch", *row(12)).scrape()
    assert scrape.problems() == []
    labels = {"service": "gateway", "worker": "0"}
    assert [scrape.value(name, **labels) for name in ("taghub_worker_up", "taghub_cameras", "taghub_games")] == [1] * 3
    for name in ("taghub_settled_seconds", "taghub_delivered_seconds"):
        assert scrape.value(f"{name}_count", **labels) == 1
        assert 0 < scrape.value(f"{name}_sum", **labels) < 60
    assert dashboard_names() <= scrape.names


def dashboard_names():
    panels = json.loads(DASHBOARD.read_text())["panels"]
    expressions = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    assert all("taghub_" in expression for expression in expressions)
    return {name for expression in expressions for name in re.findall(r"\btaghub_\w+", expression)}


def test_the_dashboard_can_be_imported():
    dashboard = json.loads(DASHBOARD.read_text())
    panels = dashboard["panels"]
    assert dashboard["schemaVersion"] >= 36
    assert [each["type"] for each in dashboard["templating"]["list"] if each["name"] == "datasource"] == ["datasource"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [(x, y) for panel in panels for at in [panel["gridPos"]]
              for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]
    assert len(set(places)) == len(places), "panels overlap"
    assert max(x for x, _ in places) < 24
    sources = [each["datasource"]["uid"] for panel in panels for each in [panel, *panel.get("targets", [])]
               if "datasource" in each]
    assert set(sources) == {"${datasource}"}
