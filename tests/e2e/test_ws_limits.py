"""How long a message may be, and how long it may take."""

import json
import time
from contextlib import suppress

import pytest

from clients import ENDS
from hub import Hub
from photo import Show, pad_jpeg
from speakers import ACK, Speaker
from wire import BINARY, CLOSE, CONTINUATION, PING, TEXT, seconds

TEXT_MAX = 16 * 1024
PHOTO_MAX = 4 * 1024 * 1024

both_ends = pytest.mark.parametrize("end", ENDS)


def padded(event, size):
    """An event as text of exactly `size` bytes."""
    text = json.dumps({**event, "pad": ""})
    return text[:-2] + "x" * (size - len(text)) + text[-2:]


@both_ends
@pytest.mark.parametrize("size", [15 * 1024, TEXT_MAX - 1, TEXT_MAX])
def test_long_telemetry_passes(hub, end, size):
    with Speaker(hub, end).identify() as game, Speaker(hub, end).identify_camera() as camera:
        game.drain()
        text = padded({"event": "apriltag_data", "tag_id": size, "camera_name": "long"}, size)
        assert camera.ask(text) == ACK
        assert game.recv_tag(size)["pad"] == json.loads(text)["pad"]


@both_ends
def test_text_at_the_limit_in_fragments(hub, end):
    text = padded({"event": "ping"}, TEXT_MAX).encode()
    with Speaker(hub, end) as ws:
        ws.send_fragments(TEXT, [text[at:at + 1000] for at in range(0, len(text), 1000)])
        assert ws.recv_json()["event"] == "pong"


@both_ends
@pytest.mark.parametrize("announced", [TEXT_MAX + 1, 70000, PHOTO_MAX, (1 << 63) - 1])
def test_text_over_the_limit_is_refused_unread(hub, end, announced):
    with Speaker(hub, end) as ws:
        ws.send_frame(TEXT, b"", announce_bytes=announced)
        ws.expect_close(1009)


@both_ends
def test_fragments_are_judged_by_their_sum(hub, end):
    with Speaker(hub, end) as ws:
        ws.send_frame(TEXT, b" " * TEXT_MAX, fin=False)
        ws.send_ping()    # not refused yet
        ws.recv_frame()
        ws.send_frame(CONTINUATION, b"", announce_bytes=1)
        ws.expect_close(1009)


@both_ends
def test_photo_at_the_limit_passes(hub, end):
    jpeg = pad_jpeg(Show((32, 32)).draw("x", 1, (0, 0, 50, 0, 0, 0), 1), PHOTO_MAX)
    assert len(jpeg) == PHOTO_MAX
    with Speaker(hub, end, mask=b"\0\0\0\0").identify_camera(camera_name="vast") as camera:
        camera.send_binary(jpeg)
        assert camera.answers() == []


@both_ends
@pytest.mark.parametrize("announced", [PHOTO_MAX + 1, 1 << 32, (1 << 63) - 1])
def test_photo_over_the_limit_is_refused_unread(hub, end, announced):
    with Speaker(hub, end).identify_camera() as camera:
        camera.send_frame(BINARY, b"\xff\xd8\xff", announce_bytes=announced)
        camera.expect_close(1009)


@both_ends
def test_too_long_text_reaches_no_game(hub, end):
    with Speaker(hub, end).identify() as game, Speaker(hub, end).identify_camera() as camera:
        game.drain()
        camera.send_text(padded({"event": "apriltag_data", "tag_id": 1}, TEXT_MAX + 1))
        camera.expect_close(1009)
        with Speaker(hub, end).identify_camera() as other:
            other.report({"tag_id": 2, "camera_name": "brief"})
        game.recv_tag(2)


def test_limits_are_configurable(fresh_hub):
    hub = fresh_hub(text_max_bytes=300, photo_max_bytes=65536)
    with Speaker(hub) as ws:
        assert ws.ask(padded({"event": "ping"}, 300))["event"] == "pong"
        ws.send_text(padded({"event": "ping"}, 301))
        ws.expect_close(1009)
    with Speaker(hub).identify_camera() as camera:
        camera.send_frame(BINARY, b"", announce_bytes=65537)
        camera.expect_close(1009)


def test_number_of_fragments_is_limited(fresh_hub):
    hub = fresh_hub(fragments_max_count=16)
    with Speaker(hub) as ws:
        ws.send_fragments(TEXT, [b'{"event"', b': "ping"', *[b" "] * 13, b"}"])
        assert ws.recv_json()["event"] == "pong"
        ws.send_fragments(TEXT, [b'{"event"', b': "ping"', *[b" "] * 14, b"}"])
        ws.expect_close(1009)


# The deadline of a message


@pytest.fixture(scope="module")
def hasty_hub():
    with Hub(message_deadline_ms=300, ping_interval_ms=3600000) as running:
        yield running


BEGINNINGS = [
    ("one byte", lambda ws: ws.frame(TEXT, b"{}")[:1]),
    ("half a header", lambda ws: ws.frame(TEXT, b"{}")[:4]),
    ("a header alone", lambda ws: ws.frame(TEXT, b"{}")[:6]),
    ("half a text", lambda ws: ws.frame(TEXT, b"{", announce_bytes=2)),
    ("half a photo", lambda ws: ws.frame(BINARY, b"\xff\xd8\xff", announce_bytes=1000)),
    ("a first fragment", lambda ws: ws.frame(TEXT, b"{", fin=False)),
    ("an empty first fragment", lambda ws: ws.frame(TEXT, b"", fin=False)),
    ("half a ping", lambda ws: ws.frame(PING, b"abc")[:-1]),
]


@both_ends
@pytest.mark.parametrize("begin", [case[1] for case in BEGINNINGS],
                         ids=[case[0] for case in BEGINNINGS])
def test_message_that_does_not_end_is_closed(hasty_hub, end, begin):
    with Speaker(hasty_hub, end) as ws:
        ws.send_bytes(begin(ws))
        ws.expect_close(1002, 1008)


@both_ends
def test_control_frames_do_not_extend_the_deadline(hasty_hub, end):
    with Speaker(hasty_hub, end) as ws:
        ws.send_frame(TEXT, b"{", fin=False)
        closed = False
        for number in range(100000):    # far more than fit the deadline
            ws.send_ping(b"%d" % number)
            frame = ws.recv_frame()
            if frame.opcode == CLOSE:
                closed = True
                break
        assert closed


@both_ends
def test_trickling_does_not_extend_the_deadline(hasty_hub, end):
    with Speaker(hasty_hub, end) as ws:
        ws.send_frame(TEXT, b"", announce_bytes=16384)
        with pytest.raises(OSError):    # it hangs up long before the last byte
            for _ in range(16384):
                ws.send_pieces([b" "])
                ws.sock.settimeout(0.005)    # the pace of the trickle
                with suppress(TimeoutError):
                    while ws.sock.recv(100):
                        pass
                    raise ConnectionError("the hub has closed")


@both_ends
def test_complete_pings_may_follow_for_longer_than_the_deadline(hasty_hub, end):
    with Speaker(hasty_hub, end) as ws:
        end_mono_s = time.monotonic() + 2 * seconds(0.3)
        frame = ws.frame(PING, b"cut anywhere")
        ws.send_bytes(frame[:1])
        while time.monotonic() < end_mono_s:
            ws.send_bytes(frame[1:] + frame[:1])
            assert ws.recv_frame().payload == b"cut anywhere"
        ws.send_bytes(frame[1:])
        assert ws.recv_frame().payload == b"cut anywhere"


@both_ends
def test_complete_messages_may_follow_for_longer_than_the_deadline(hasty_hub, end):
    with Speaker(hasty_hub, end) as ws:
        end_mono_s = time.monotonic() + 2 * seconds(0.3)
        frame = ws.frame(TEXT, b'{"event": "ping"}')
        ws.send_bytes(frame[:1])
        while time.monotonic() < end_mono_s:    # there is always a message that was begun
            ws.send_bytes(frame[1:] + frame[:1])
            assert ws.recv_json()["event"] == "pong"
        ws.send_bytes(frame[1:])
        assert ws.recv_json()["event"] == "pong"


@both_ends
def test_quiet_connection_has_no_deadline(hasty_hub, end):
    """While others are closed for their half messages, the silent one stays (awaited, not slept)."""
    with Speaker(hasty_hub, end) as quiet, Speaker(hasty_hub, end).identify() as game:
        for _ in range(2):
            with Speaker(hasty_hub, end) as slow:
                slow.send_frame(TEXT, b"{", fin=False)
                slow.expect_close(1008)
        assert quiet.ask({"event": "ping"})["event"] == "pong"
        assert game.drain() == []
