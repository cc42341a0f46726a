"""A reload of the gateway has time: requests over HTTP that are under way end before, whatever they wait for, and
everybody else is served meanwhile. What reload and restart have in common stands in test_handover.py."""

import os
import signal

import pytest

from clients import Game, RawHttp, encode_request, http, ws_camera
from endpoints import PHOTO_PATH, POLL_PATH, picture, post_tag
from photo import pad_jpeg
from swarm import gateway_counts
from wire import wait_until


def wait_here(hub, requests):
    """Until the gateway has begun to read so many requests."""
    wait_until(lambda: gateway_counts(hub)["gauges"]["http_connections"] >= requests, 5, f"{requests} connections")


def upload_of(hub, jpeg, name):
    return encode_request("POST", PHOTO_PATH, [("Content-Type", "image/jpeg"), ("X-Camera-Name", name),
                                               ("Authorization", hub.token)], jpeg)


@pytest.mark.parametrize("workers", (1, 2))
def test_what_is_under_way_is_finished(fresh_hub, workers):
    """A picture on its way in, and a request that waits for a service."""
    hub = fresh_hub(workers=workers)
    jpeg = pad_jpeg(picture(1), 200_000)
    request = upload_of(hub, jpeg, "slow")
    with Game(hub).identify() as game, ws_camera(hub, name="other") as other, RawHttp(hub) as upload, \
            RawHttp(hub) as waits:
        upload.send(request[:90_000])
        fanout = hub.kill("fanout", signal.SIGSTOP)
        waits.send(encode_request("GET", POLL_PATH))
        wait_here(hub, 2)
        with hub.renewal(signal.SIGHUP) as old_workers:
            hub.wait_log("reload")
            hub.kill(fanout, signal.SIGCONT)
            assert waits.recv_reply().status == 200
            for tag_id in range(20):
                assert post_tag(hub, {"tag_id": tag_id}).status == 200
                game.recv_tag(tag_id)
                other.report({"tag_id": tag_id + 100})
                game.recv_tag(tag_id + 100)
            assert set(hub.workers("gateway")) == old_workers
            upload.send(request[90_000:])
            assert upload.recv_reply().status == 200
        assert http(hub, "GET", "/photo?camera=slow").body == jpeg
        other.report({"tag_id": 1})
        game.recv_tag(1)


def test_who_never_ends_is_not_waited_for_for_ever(fresh_hub):
    hub = fresh_hub(workers=2)
    with ws_camera(hub, name="other") as other, RawHttp(hub) as upload:
        upload.send(upload_of(hub, picture(1), "never")[:-10])
        wait_here(hub, 1)
        with hub.renewal(signal.SIGHUP):
            pass
        other.report({"tag_id": 1})


def test_a_restart_overtakes_a_reload(fresh_hub):
    hub = fresh_hub(workers=2)
    with Game(hub).identify() as game, RawHttp(hub) as upload:
        old_pid = hub.pids()["gateway"]
        upload.send(upload_of(hub, picture(1), "slow")[:-10])
        wait_here(hub, 1)
        os.kill(old_pid, signal.SIGHUP)
        hub.wait_log("reload")
        os.kill(old_pid, signal.SIGUSR1)
        hub.wait_new_pid("gateway", old_pid)
        hub.wait_ready()
        assert post_tag(hub, {"tag_id": 1}).status == 200
        game.recv_tag(1)
