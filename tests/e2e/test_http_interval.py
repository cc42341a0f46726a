"""POST /set_video_interval: its answers in the order of the checks, and who is told."""

import pytest

from clients import ENDS, Game, RawWs, http, ws_camera
from endpoints import INTERVAL_PATH

JSON = [("Content-Type", "application/json")]
NOT_CONNECTED = {"status": "error", "message": "ESP32 not connected"}
BAD_INTERVAL = {"status": "error", "message": "Interval must be 100-10000ms"}

NOT_OBJECTS = (b"", b"{", b"interval_ms=500", b"[500]", b"[]", b"null", b"500", b'"500"', b"true",
               b"{'interval_ms': 500}", b'{"interval_ms": 500} x', b'{"interval_ms": NaN}',
               b'{"interval_ms": Infinity}', b'{"interval_ms": 1e999}', b'{"a": "\xff"}',
               b'{"interval_ms": 0500}')
BAD_INTERVALS = ("99", "99.99", "10001", "10000.1", "0", "-1", "-500", "1e5", "1e300",
                 "18446744073709551616", "true", "false", "null", '"500"', '""', "[500]", "{}")
GOOD_INTERVALS = (("500", 2.0), ("100", 10.0), ("10000", 0.1), ("1000", 1.0), ("333", 3.0),
                  ("150", 6.67), ("9999", 0.1), ("700", 1.43), ("250.5", 3.99), ("5e2", 2.0))


def ask(hub, body):
    return http(hub, "POST", INTERVAL_PATH, JSON, body)


def expect_error(reply, status, expected=None):
    assert reply.status == status, reply.body
    answer = reply.json()
    assert answer["status"] == "error" and isinstance(answer["message"], str) and answer["message"]
    if expected:
        assert {key: answer[key] for key in expected} == expected


def commands(camera):
    """Commands on their way to a camera, all of them: the acknowledgement comes behind them."""
    camera.commands.clear()
    camera.report({"tag_id": 1, "camera_name": camera.name})
    return camera.commands


def set_interval(interval_ms):
    return {"event": "set_video_interval", "interval_ms": interval_ms}


@pytest.mark.parametrize("connected", (False, True))
@pytest.mark.parametrize("body", NOT_OBJECTS)
def test_not_an_object(hub, body, connected):
    if not connected:
        expect_error(ask(hub, body), 400)
        return
    with ws_camera(hub, name="x") as camera:
        expect_error(ask(hub, body), 400)
        assert commands(camera) == []


@pytest.mark.parametrize("connected", (False, True))
@pytest.mark.parametrize("interval", BAD_INTERVALS)
def test_no_interval(hub, interval, connected):
    body = f'{{"interval_ms": {interval}, "camera": "x"}}'.encode()
    if not connected:
        expect_error(ask(hub, body), 400, BAD_INTERVAL)
        return
    with ws_camera(hub, name="x") as camera:
        expect_error(ask(hub, body), 400, BAD_INTERVAL)
        assert commands(camera) == []


@pytest.mark.parametrize("body", (b"{}", b'{"interval_ms": 500}', b'{"camera": "garage-cam"}'))
def test_no_camera_at_all(hub, body):
    expect_error(ask(hub, body), 503, NOT_CONNECTED)
    with RawWs(hub), Game(hub).identify() as game:    # nobody of them is a camera
        expect_error(ask(hub, body), 503, NOT_CONNECTED)
        game.drain()
        game.expect_silence()


@pytest.mark.parametrize("interval,fps", GOOD_INTERVALS)
def test_sent(hub, interval, fps):
    with ws_camera(hub, name="x") as camera:
        reply = ask(hub, f'{{"interval_ms": {interval}, "other": null}}'.encode())
        number = float(interval) if "." in interval or "e" in interval else int(interval)
        assert reply.status == 200
        assert reply.json() == {"status": "success", "interval_ms": number, "fps": fps}
        assert commands(camera) == [set_interval(number)]
        assert camera.frame_interval_s == number / 1000


def test_one_second_unless_said(hub):
    with ws_camera(hub, name="x") as camera:
        assert ask(hub, b"{}").json() == {"status": "success", "interval_ms": 1000, "fps": 1.0}
        assert commands(camera) == [set_interval(1000)]


@pytest.mark.parametrize("workers", (1, 2, 4))
def test_every_camera_on_both_ports_and_nobody_else(fresh_hub, workers):
    hub = fresh_hub(workers=workers)
    cameras = [ws_camera(hub, ENDS[i % 2], name=f"cam-{i}") for i in range(8)]
    games = [Game(hub, ENDS[i % 2]).identify() for i in range(6)]
    others = [RawWs(hub, ENDS[i % 2]) for i in range(4)]
    refused = ws_camera(hub, identify=False, token="no" * 9)
    assert refused.identify()["event"] == "auth_failed"
    for other in others:
        other.recv_welcome()
    for interval_ms in (200, 300):
        assert ask(hub, f'{{"interval_ms": {interval_ms}}}'.encode()).status == 200
        for camera in cameras:    # sent before the reply: it must be there already
            assert camera.recv(1) == set_interval(interval_ms)
            assert camera.commands.pop() == set_interval(interval_ms)
        for client in games + others:
            client.expect_silence()
    assert refused.poll() == []
    for client in cameras + [refused]:
        client.close()
    for client in games + others:
        client.abort()


def test_the_named_camera_alone(hub):
    with ws_camera(hub, "http", name="one") as one, ws_camera(hub, "ws", name="two") as two, \
            ws_camera(hub, "ws", name="two") as twin, ws_camera(hub, name=None) as nameless:
        assert ask(hub, b'{"interval_ms": 200, "camera": "two"}').status == 200
        assert commands(one) == []
        assert commands(two) == commands(twin) == [set_interval(200)]
        assert ask(hub, b'{"interval_ms": 300, "camera": "Waveshare-ESP32-S3"}').status == 200
        nameless.report({"tag_id": 4})
        assert nameless.commands == [set_interval(300)]
        assert commands(one) == commands(two) == []
        for name in ("three", "", "Two", "two ", "o", "x" * 128, "x" * 200, "two\\u0000"):
            expect_error(ask(hub, f'{{"interval_ms": 300, "camera": "{name}"}}'.encode()), 503,
                         NOT_CONNECTED)
        two.close()
        assert ask(hub, b'{"interval_ms": 400, "camera": "two"}').status == 200
        assert commands(twin) == [set_interval(400)]


def test_a_camera_that_was_refused_later_is_none(hub):
    with ws_camera(hub, name="fallen") as camera:
        assert ask(hub, b'{"camera": "fallen"}').status == 200
        assert camera.identify(auth_token="wrong")["event"] == "auth_failed"
        expect_error(ask(hub, b'{"camera": "fallen"}'), 503, NOT_CONNECTED)
        expect_error(ask(hub, b"{}"), 503, NOT_CONNECTED)


@pytest.mark.parametrize("camera", ("5", "null", "true", "[]", '{"a": 1}'))
def test_a_name_that_is_none(hub, camera):
    with ws_camera(hub, name="x") as present:
        assert ask(hub, f'{{"interval_ms": 500, "camera": {camera}}}'.encode()).status in (400, 503)
        assert commands(present) == []
