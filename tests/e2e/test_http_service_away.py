"""An inner service is away: what needs it says so in time, everything else goes on, and it heals.

"killed" leaves the service dead for as long as the test likes, because taghubctl, which would start
it again, is stopped. "stopped" is a service that hangs: its links are there and nobody reads them.
"""

import signal
import threading
import time

import pytest

from clients import Game, RawHttp, camera_on, encode_request, get_json, http, udp_camera, ws_camera
from endpoints import INTERVAL_PATH, PHOTO_PATH, POLL_PATH, photo_headers, picture, post_photo, post_tag
from firmware import AckFailed
from wire import seconds, wait_until

LIMIT_S = 5    # of the contract; posting cameras wait no longer

NEEDS = {    # what needs which service; the rest must go on without it
    "ingest": ("tag:http", "tag:ws", "photo", "interval"),
    "fanout": ("tag:http", "tag:ws", "photo", "interval", "poll"),
    "metrics": ("/video_fps", "/video_stats", "/cameras", "/metrics"),
    "history": ("/connection_uptime", "/connection_history"),
}
TELEMETRY = ("ingest", "fanout")    # without these no sighting passes
ASKS = {
    "tag:http": lambda hub: post_tag(hub, {"tag_id": 1}, "http", limit_s=LIMIT_S + 1),
    "tag:ws": lambda hub: post_tag(hub, {"tag_id": 1}, "ws", limit_s=LIMIT_S + 1),
    "photo": lambda hub: post_photo(hub, picture(), "away", limit_s=LIMIT_S + 1),
    "interval": lambda hub: http(hub, "POST", INTERVAL_PATH, json_body={}, limit_s=LIMIT_S + 1),
    "poll": lambda hub: http(hub, "GET", POLL_PATH, limit_s=LIMIT_S + 1),
    **{path: lambda hub, path=path: http(hub, "GET", path, limit_s=LIMIT_S + 1)
       for path in NEEDS["metrics"] + NEEDS["history"]},
}


class Outage:
    """A service that is away from the beginning of the with block to end()."""

    def __init__(self, hub, service, way):
        self.hub, self.way = hub, way
        self.pids = [hub.pids()[service], *hub.workers(service)]

    def __enter__(self):
        if self.way == "killed":
            self.hub.kill(self.hub.pid, signal.SIGSTOP)
            for pid in self.pids:
                self.hub.kill(pid)
        else:
            for pid in self.pids:
                self.hub.kill(pid, signal.SIGSTOP)
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        """Lets it come back; harmless a second time."""
        for pid in (self.hub.pid,) if self.way == "killed" else self.pids:
            try:
                self.hub.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass    # taghubctl has replaced it already


def ask_all(hub, names):
    """Asks at once, each on a connection of its own: {name: (reply, seconds it took)}."""
    answers = {}

    def ask(name):
        begun_s = time.monotonic()
        try:
            answers[name] = ASKS[name](hub), time.monotonic() - begun_s
        except Exception as failure:
            answers[name] = failure, time.monotonic() - begun_s

    threads = [threading.Thread(target=ask, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def expect_the_rest_to_go_on(hub, jpeg):
    for _ in range(6):    # on new connections, so at every worker
        assert get_json(hub, "/status")["websocket"]["gdevelop_clients"] == 2
        assert http(hub, "GET", "/photo?camera=before").body == jpeg
        assert get_json(hub, "/healthz")["status"] == "ok"
        assert http(hub, "GET", "/").status == http(hub, "GET", "/video").status == 200
        assert get_json(hub, "/tags")["tags"][0]["sighting"]["tag_id"] == 5
        assert http(hub, "GET", "/nothing").status == 404
        assert http(hub, "POST", "/photo", body=b"").status == 405


def expect_all_well(hub, games, camera):
    """Telemetry by every transport reaches games that have been there all the time."""
    for game in games:
        game.drain()
    for tag_id, transport in enumerate(("http:http", "udp", "ws:ws"), 900):
        with camera_on(hub, transport, name="after") as another:
            wait_until(lambda: reported(another, tag_id), 5, f"{transport} is heard")
    camera.report({"tag_id": 999})
    for game in games:
        tags = [message["tag_id"] for message in game.drain()]
        assert list(dict.fromkeys(tags))[-4:] == [900, 901, 902, 999], tags


def reported(camera, tag_id):
    try:
        return camera.report({"tag_id": tag_id})
    except AckFailed:
        return None


@pytest.mark.parametrize("way", ("killed", "stopped"))
@pytest.mark.parametrize("service", TELEMETRY)
@pytest.mark.parametrize("workers", (1, 2))
def test_an_outage(fresh_hub, service, way, workers):
    hub = fresh_hub(workers=workers)
    jpeg = picture(1)
    assert post_photo(hub, jpeg, "before").status == 200
    games = [Game(hub, "http").identify(), Game(hub, "ws").identify()]
    with ws_camera(hub, name="steady") as camera, udp_camera(hub, name="datagrams") as datagrams:
        camera.report({"tag_id": 5})
        for game in games:
            game.recv_tag(5)
        with Outage(hub, service, way) as outage:
            datagrams.send_telemetry({"tag_id": 6})
            answers = ask_all(hub, NEEDS[service])
            for name, (reply, took_s) in answers.items():
                assert not isinstance(reply, Exception), (name, reply)
                assert reply.status == 503, (name, reply.body)
                assert reply.json()["error"], name
                assert took_s < seconds(LIMIT_S), name
            expect_the_rest_to_go_on(hub, jpeg)
            for game in games:
                game.expect_silence()    # alive: its control ping is answered
            if service == "ingest":
                assert http(hub, "GET", POLL_PATH).json()["tag_id"] == 5
            outage.end()
            hub.wait_ready()
        with pytest.raises(AckFailed):    # too late for its camera, so never
            datagrams.recv(0.01)
        expect_all_well(hub, games, camera)
        assert datagrams.report({"tag_id": 7})["tag_id"] == 7
        assert post_photo(hub, picture(2), "before").status == 200
        assert http(hub, "GET", "/photo?camera=before").body == picture(2)
        assert http(hub, "POST", INTERVAL_PATH, json_body={}).status == 200
        for game in games:
            game.abort()


@pytest.mark.parametrize("way", ("killed", "stopped"))
@pytest.mark.parametrize("service", ("metrics", "history"))
def test_an_outage_that_telemetry_does_not_notice(fresh_hub, service, way):
    hub = fresh_hub()
    jpeg = picture(1)
    assert post_photo(hub, jpeg, "before").status == 200
    with Game(hub, "http").identify() as game, Game(hub, "ws").identify() as other, \
            ws_camera(hub, name="steady") as camera:
        camera.report({"tag_id": 5})
        with Outage(hub, service, way) as outage:
            answers = ask_all(hub, NEEDS[service])
            for name, (reply, took_s) in answers.items():
                assert not isinstance(reply, Exception), (name, reply)
                assert reply.status == 503, (name, reply.body)
                assert reply.json()["error"], name
                assert took_s < seconds(LIMIT_S), name
            expect_the_rest_to_go_on(hub, jpeg)
            for tag_id in range(10, 20):
                camera.report({"tag_id": tag_id})
                assert post_tag(hub, {"tag_id": tag_id}).status == 200
            assert post_photo(hub, picture(2), "meanwhile").status == 200
            assert http(hub, "GET", "/photo?camera=meanwhile").body == picture(2)
            for need in (need for other_one, needs in NEEDS.items() if other_one != service
                         for need in needs if need.startswith("/")):
                assert http(hub, "GET", need).status == 200
            outage.end()
            hub.wait_ready()
        for path in NEEDS[service]:
            assert http(hub, "GET", path).status == 200
        for each in (game, other):
            assert [message["tag_id"] for message in each.drain()].count(19) == 2
        # nothing that happened meanwhile is lost
        if service == "metrics":
            assert get_json(hub, "/video_fps?camera=meanwhile")["width"] > 0
        else:
            assert get_json(hub, "/connection_uptime")["connected"] is True


@pytest.mark.parametrize("way", ("killed", "stopped"))
@pytest.mark.parametrize("service", NEEDS)
def test_readiness_names_the_service(fresh_hub, service, way):
    hub = fresh_hub()
    for end in ("http", "ws"):
        assert http(hub, "GET", "/readyz", end=end).status == 200
    expected = {each: each != service for each in NEEDS}
    with Outage(hub, service, way):
        wait_until(lambda: http(hub, "GET", "/readyz").json()["services"] == expected, 5,
                   f"/readyz names {service}")
        for end in ("http", "ws"):
            reply = http(hub, "GET", "/readyz", end=end)
            answer = reply.json()
            assert reply.status == 503 and answer["ready"] is False and answer["error"]
            assert answer["services"] == expected
            assert http(hub, "GET", "/healthz", end=end).status == 200
    hub.wait_ready()


@pytest.mark.parametrize("service", TELEMETRY)
def test_a_post_waits_for_a_service_that_returns_soon(fresh_hub, service):
    """A restart is a pause: who posts in between gets its 200."""
    hub = fresh_hub()
    with Game(hub).identify() as game, RawHttp(hub) as used:
        assert used.request("GET", "/healthz").status == 200
        for tag_id in range(3):
            old_pid = hub.kill(service)
            assert post_tag(hub, {"tag_id": tag_id}, ("http", "ws")[tag_id % 2]).status == 200
            game.recv_tag(tag_id)
            hub.wait_new_pid(service, old_pid)
            hub.wait_ready()
        assert used.request("GET", "/healthz").status == 200
        game.expect_silence()


def test_a_picture_right_after_the_start(fresh_hub):
    """The first reply that says ready is the word of all workers: any of them may meet the picture."""
    for _ in range(8):
        hub = fresh_hub(workers=4)
        for number in range(8):
            assert post_photo(hub, picture(number), "first").status == 200
        hub.stop()


@pytest.mark.parametrize("service", TELEMETRY)
def test_a_picture_waits_for_a_service_that_returns_soon(fresh_hub, service):
    hub = fresh_hub()
    for number in range(3):
        old_pid = hub.kill(service)
        hub.wait_log(rf"service_died service={service} pid={old_pid}")
        assert post_photo(hub, picture(number), "patient").status == 200
        assert http(hub, "GET", "/photo?camera=patient").body == picture(number)
        hub.wait_new_pid(service, old_pid)
        hub.wait_ready()


@pytest.mark.parametrize("service", TELEMETRY)
def test_a_picture_on_its_way_is_offered_again(fresh_hub, service):
    """The service that had it dies; the next one gets it, and it counts once."""
    hub = fresh_hub()
    frozen = [hub.pids()[service], *hub.workers(service)]
    for pid in frozen:
        hub.kill(pid, signal.SIGSTOP)
    with RawHttp(hub) as poster:
        poster.send(encode_request("POST", PHOTO_PATH, photo_headers(hub, "patient"), picture(1)))
        with pytest.raises(TimeoutError):
            poster.recv_reply("POST", 0.3)
        for pid in frozen:
            hub.kill(pid)
        assert poster.recv_reply("POST").status == 200
    assert http(hub, "GET", "/photo?camera=patient").body == picture(1)
    assert post_photo(hub, picture(2), "patient").status == 200
    assert get_json(hub, "/video_stats?camera=patient")["total_frames"] == 2


def test_ready_is_the_word_of_all_workers(fresh_hub):
    """Whoever asks any worker right after it is not turned away."""
    hub = fresh_hub(workers=4)
    for _ in range(10):
        old_pid = hub.kill("history")
        hub.wait_new_pid("history", old_pid)
        hub.wait_ready()
        for _ in range(8):
            assert http(hub, "GET", "/connection_uptime").status == 200
