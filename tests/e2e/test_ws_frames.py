"""Frames in both directions: whole segments to cameras, fragments, control frames, closing."""

import json

import pytest

from clients import ENDS, Closed, RawWs, single_bytes, ws_camera
from speakers import ACK, Speaker
from wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Deadline, close_payload, recv_some

pytestmark = pytest.mark.parametrize("end", ENDS)

PING_EVENT = b'{"event": "ping"}'
ZERO_MASK = b"\0\0\0\0"


# To the client


def test_each_frame_to_a_camera_is_one_segment(hub, end):
    # One recv() takes one segment's worth at most when the next one has not been asked for yet.
    with Speaker(hub, end, mask=ZERO_MASK) as camera:
        for event in ('{"event": "identify", "data": {"type": "esp32", "auth_token": "%s"}}' % hub.token,
                      '{"event": "apriltag_data", "tag_id": 1, "camera_name": "whole"}',
                      '{"event": "ping"}',
                      '{"event": "nonsense", "x": NaN}'):
            camera.send_text(event)
            segment = recv_some(camera.sock, 65536, Deadline(5))
            assert segment[0] == 0x81 and len(segment) == 2 + segment[1], segment


def test_pipelined_replies_to_a_camera_keep_their_headers_whole(hub, end):
    """A camera that looks once at what has arrived never finds half a header."""
    with ws_camera(hub, end, name="looks-once") as camera:
        for number in range(200):
            camera.send_telemetry({"tag_id": number})
        assert [camera.recv() for _ in range(200)] == [ACK] * 200


def test_messages_to_clients_are_not_fragmented_and_not_masked(hub, end):
    with Speaker(hub, end).identify_camera(camera_name="large") as camera, \
            Speaker(hub, end) as game:
        camera.report({"tag_id": 1, "text": "x" * 15000})
        game.send_json({"event": "request_latest_data", "data": {"camera_name": "large"}})
        frame = game.recv_frame()
        assert (frame.opcode, frame.fin, frame.rsv, frame.masked) == (TEXT, True, 0, False)
        assert len(frame.payload) > 15000


# From the client


@pytest.mark.parametrize("mask", [ZERO_MASK, b"\xff\xff\xff\xff", b"\0\0\0\1", "random"])
def test_any_mask(hub, end, mask):
    with Speaker(hub, end, mask=mask) as ws:
        assert ws.ask({"event": "ping"})["event"] == "pong"


@pytest.mark.parametrize("size", [125, 126, 127, 65535, 65536])
def test_every_form_of_length(hub, end, size):
    """Pictures are long enough for all three; what is none is refused, which answers each."""
    with Speaker(hub, end).identify_camera() as camera:
        camera.send_binary(b"\0" * size)
        assert camera.recv_json()["event"] == "error"


def test_frame_byte_by_byte(hub, end):
    with Speaker(hub, end) as ws:
        ws.send_pieces(single_bytes(ws.frame(TEXT, PING_EVENT)))
        assert ws.recv_json()["event"] == "pong"


def test_many_frames_in_one_segment(hub, end):
    with Speaker(hub, end) as ws:
        ws.send_bytes(ws.frame(TEXT, PING_EVENT) * 100)
        assert [ws.recv_json()["event"] for _ in range(100)] == ["pong"] * 100


@pytest.mark.parametrize("cuts", [(0,), (5,), (17,), (0, 0, 0), (3, 3, 9), tuple(range(1, 17))])
def test_fragments_are_put_together(hub, end, cuts):
    edges = [0, *cuts, len(PING_EVENT)]
    parts = [PING_EVENT[a:b] for a, b in zip(edges, edges[1:])]
    with Speaker(hub, end) as ws:
        ws.send_fragments(TEXT, parts)
        assert ws.recv_json()["event"] == "pong"


def test_fragments_may_cut_a_character(hub, end):
    text = '{"event": "apriltag_data", "camera_name": "f", "x": "äß€😀"}'.encode()
    with Speaker(hub, end).identify_camera() as camera:
        camera.send_fragments(TEXT, single_bytes(text))
        assert camera.recv_json() == ACK
        camera.send_json({"event": "identify"})
        assert camera.recv_event("identify_success")
        camera.drain()
        [latest] = camera.latest("f")
        assert latest["x"] == "äß€😀"


def test_control_frames_between_fragments_are_answered_at_once(hub, end):
    with Speaker(hub, end) as ws:
        ws.send_frame(TEXT, PING_EVENT[:6], fin=False)
        ws.send_ping(b"in between")
        frame = ws.recv_frame()
        assert (frame.opcode, frame.payload) == (PONG, b"in between")
        ws.send_frame(PONG, b"nobody asked")
        ws.send_frame(CONTINUATION, PING_EVENT[6:], fin=False)
        ws.send_ping()
        frame = ws.recv_frame()
        assert (frame.opcode, frame.payload) == (PONG, b"")
        ws.send_frame(CONTINUATION, b"")
        assert ws.recv_json()["event"] == "pong"


@pytest.mark.parametrize("payload", [b"", b"x", b"\0\xff" * 62, b"y" * 125],
                         ids=["0", "1", "124", "125"])
def test_ping_is_answered_with_its_payload(hub, end, payload):
    with Speaker(hub, end) as ws:
        ws.send_ping(payload)
        frame = ws.recv_frame()
        assert (frame.opcode, frame.payload, frame.fin) == (PONG, payload, True)


def test_pings_are_answered_in_order(hub, end):
    with Speaker(hub, end) as ws:
        payloads = [b"%d" % number for number in range(300)]
        ws.send_bytes(b"".join(ws.frame(PING, payload) for payload in payloads))
        assert [ws.recv_frame().payload for _ in payloads] == payloads


def test_pong_that_nobody_asked_for_is_ignored(hub, end):
    with Speaker(hub, end) as ws:
        ws.send_frame(PONG, b"hello")
        ws.expect_silence()


# Closing


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1008, 1011, 3000, 4999])
def test_close_is_answered_with_its_code(hub, end, code):
    with Speaker(hub, end) as ws:
        ws.send_close(code, "good bye")
        frame = ws.recv_frame()
        assert frame.opcode == CLOSE and frame.payload[:2] == close_payload(code)
        assert ws.expect_eof() == b""


def test_close_without_a_code_is_answered_by_one_without(hub, end):
    with Speaker(hub, end) as ws:
        ws.send_close(None)
        frame = ws.recv_frame()
        assert (frame.opcode, frame.payload) == (CLOSE, b"")
        assert ws.expect_eof() == b""


def test_close_between_fragments(hub, end):
    with Speaker(hub, end) as ws:
        ws.send_frame(TEXT, PING_EVENT[:4], fin=False)
        ws.close(1000)


def test_what_follows_a_close_is_not_read(hub, end):
    with Speaker(hub, end) as ws:
        ws.send_bytes(ws.frame(CLOSE, close_payload(1000)) + ws.frame(TEXT, PING_EVENT))
        with pytest.raises(Closed) as closed:
            ws.recv_message()
        assert closed.value.code == 1000
        assert ws.expect_eof() == b""


def test_sightings_before_a_close_still_count(hub, end):
    with Speaker(hub, end).identify() as game:
        game.drain()
        with Speaker(hub, end).identify_camera() as camera:
            records = [json.dumps({"event": "apriltag_data", "camera_name": "leaves",
                                   "tag_id": number}).encode()
                       for number in range(50)]
            camera.send_bytes(b"".join(camera.frame(TEXT, record) for record in records)
                              + camera.frame(CLOSE, close_payload(1000)))
            for number in range(50):
                game.recv_tag(number)


def test_sightings_of_a_camera_that_vanishes_still_count(hub, end):
    with Speaker(hub, end).identify() as game:
        game.drain()
        with RawWs(hub, end) as camera:
            identify = {"event": "identify", "data": {"type": "esp32", "auth_token": hub.token}}
            camera.send_json(identify)
            for number in range(50):
                camera.send_json({"event": "apriltag_data", "camera_name": "vanishes",
                                  "tag_id": number})
            for _ in range(3):    # nothing unread: the end of the stream is no reset
                camera.recv_json()
            camera.sock.shutdown(1)
            for number in range(50):
                game.recv_tag(number)


def test_binary_and_text_fragments_do_not_mix(hub, end):
    with Speaker(hub, end).identify_camera() as camera:
        camera.send_frame(BINARY, b"\0", fin=False)
        camera.send_frame(TEXT, PING_EVENT)
        camera.expect_close(1002)
