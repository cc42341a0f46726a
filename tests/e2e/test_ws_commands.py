"""set_video_interval: every camera concerned hears it, nobody else, on every port and worker."""

from contextlib import ExitStack

import pytest

from clients import ENDS, http
from hub import Hub
from speakers import Speaker, speakers_on_every_worker


@pytest.fixture(scope="module", params=[1, 4], ids="workers={}".format)
def any_hub(request):
    with Hub(workers=request.param) as running:
        yield running


def set_interval(hub, **body):
    return http(hub, "POST", "/set_video_interval", json_body=body).status


def event(interval_ms):
    return {"event": "set_video_interval", "interval_ms": interval_ms}


def test_all_cameras_and_nobody_else(any_hub):
    with ExitStack() as stack:
        cameras = [speaker.identify_camera(camera_name=f"c{number}") for number, speaker
                   in enumerate(speakers_on_every_worker(any_hub, stack))]
        games = [speaker.identify() for speaker in speakers_on_every_worker(any_hub, stack)]
        strangers = speakers_on_every_worker(any_hub, stack)
        for game in games:
            game.drain()
        assert set_interval(any_hub, interval_ms=500) == 200
        assert set_interval(any_hub, interval_ms=100) == 200
        assert set_interval(any_hub) == 200
        for camera in cameras:
            assert [camera.recv_json() for _ in range(3)] == [event(500), event(100), event(1000)]
            assert camera.answers() == []
        for client in [*games, *strangers]:
            assert client.answers() == []


def test_named_camera_alone(any_hub):
    with ExitStack() as stack:
        cameras = [stack.enter_context(Speaker(any_hub, end)).identify_camera(camera_name=name)
                   for name in ("left", "right") for end in ENDS]
        assert set_interval(any_hub, interval_ms=700, camera="right") == 200
        assert set_interval(any_hub, interval_ms=700, camera="nobody") == 503
        for camera in cameras[:2]:
            assert camera.answers() == []
        for camera in cameras[2:]:
            assert camera.recv_json() == event(700)
            assert camera.answers() == []


@pytest.mark.parametrize("end", ENDS)
def test_camera_is_known_by_each_kind_of_name(any_hub, end):
    with Speaker(any_hub, end).identify_camera(device="the-device") as camera:
        assert set_interval(any_hub, interval_ms=200, camera="the-device") == 200
        assert camera.recv_json() == event(200)
        camera.report({"camera_name": "the-telemetry"})
        assert set_interval(any_hub, interval_ms=300, camera="the-device") == 503
        assert set_interval(any_hub, interval_ms=300, camera="the-telemetry") == 200
        assert camera.recv_json() == event(300)
        camera.identify_camera(camera_name="the-name")
        assert set_interval(any_hub, interval_ms=400, camera="the-telemetry") == 503
        assert set_interval(any_hub, interval_ms=400, camera="the-name") == 200
        assert camera.recv_json() == event(400)


@pytest.mark.parametrize("end", ENDS)
def test_camera_that_lost_its_role_hears_nothing(any_hub, end):
    with Speaker(any_hub, end).identify_camera(camera_name="lost") as camera:
        assert set_interval(any_hub, interval_ms=200, camera="lost") == 200
        assert camera.recv_json() == event(200)
        camera.ask({"event": "identify", "data": {"type": "esp32", "auth_token": "wrong"}})
        assert set_interval(any_hub, interval_ms=200, camera="lost") == 503
        assert camera.answers() == []


@pytest.mark.parametrize("end", ENDS)
def test_refused_command_reaches_nobody(any_hub, end):
    with Speaker(any_hub, end).identify_camera() as camera:
        for interval_ms in (99, 10001, "500", True, None, -1):
            assert set_interval(any_hub, interval_ms=interval_ms) == 400
        assert camera.answers() == []


@pytest.mark.parametrize("end", ENDS)
def test_command_is_one_segment(any_hub, end):
    with Speaker(any_hub, end).identify_camera() as camera:
        assert set_interval(any_hub, interval_ms=250) == 200
        segment = camera.sock.recv(65536)
        assert segment[0] == 0x81 and len(segment) == 2 + segment[1]
