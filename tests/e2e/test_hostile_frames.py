"""Clients that break rules on a WebSocket: each is answered as the contract says and counted, and a
witness beside them notices nothing."""

import json

import pytest

from clients import ENDS, Closed, Game, RawWs
from swarm import Counted, Witness
from wire import BINARY, CONTINUATION, PING, TEXT, encode_frame, seconds

TEXT_MAX = 16384
PHOTO_MAX = 4194304
FRAGMENTS_MAX = 1024
ACK = {"event": "apriltag_ack", "status": "received"}


@pytest.fixture(scope="module", autouse=True)
def witness(hub):
    with Witness(hub) as running:
        yield running


@pytest.fixture(params=ENDS)
def camera(hub, request):
    with RawWs(hub, request.param) as camera:
        camera.recv_welcome()
        camera.send_json({"event": "identify", "data": {
            "type": "esp32", "camera_name": "hostile", "auth_token": hub.token}})
        camera.recv_event("identify_success")
        yield camera


def text_frame(payload, **how):
    return encode_frame(TEXT, payload, mask=b"abcd", **how)


def bomb(count, payload=b"", last=b""):
    """A text message in count fragments."""
    return (text_frame(payload, fin=False)
            + encode_frame(CONTINUATION, payload, mask=b"abcd", fin=False) * (count - 2)
            + encode_frame(CONTINUATION, last, mask=b"abcd"))


BROKEN = {
    "unmasked text": (encode_frame(TEXT, b'{"event": "ping"}', mask=None), 1002, "protocol"),
    "unmasked ping": (encode_frame(PING, b"", mask=None), 1002, "protocol"),
    "reserved bits": (text_frame(b"{}", rsv=5), 1002, "protocol"),
    "reserved opcode": (encode_frame(0x7, b"{}"), 1002, "protocol"),
    "reserved control opcode": (encode_frame(0xF, b""), 1002, "protocol"),
    "stray continuation": (encode_frame(CONTINUATION, b"{}"), 1002, "protocol"),
    "message inside a message": (text_frame(b"{", fin=False) + text_frame(b"{}"), 1002, "protocol"),
    "long ping": (encode_frame(PING, b"x" * 126), 1002, "protocol"),
    "announced long ping": (encode_frame(PING, b"", announce_bytes=65536), 1002, "protocol"),
    "fragmented ping": (encode_frame(PING, b"", fin=False), 1002, "protocol"),
    "not UTF-8": (text_frame(b'{"event": "\xff"}'), 1007, "protocol"),
    "half a character": (text_frame(b'{"event": "\xc3'), 1007, "protocol"),
    "text announced one over": (text_frame(b"", announce_bytes=TEXT_MAX + 1), 1009, "too_large"),
    "text announced enormous": (text_frame(b"", announce_bytes=1 << 62), 1009, "too_large"),
    "picture announced one over": (
        encode_frame(BINARY, b"", announce_bytes=PHOTO_MAX + 1), 1009, "too_large"),
    "text streamed in fragments": (
        bomb(TEXT_MAX // 512 + 2, b"x" * 512), 1009, "too_large"),
    "picture streamed in fragments": (
        encode_frame(BINARY, b"\xff\xd8\xff" + b"x" * 1048573, fin=False)
        + encode_frame(CONTINUATION, b"x" * 1048576, fin=False) * 4, 1009, "too_large"),
    "bomb of fragments": (bomb(FRAGMENTS_MAX + 1, b"x"), 1009, "too_large"),
    "bomb of empty fragments": (bomb(100000), 1009, "too_large"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_framing_closes_that_connection_alone(hub, witness, camera, case):
    blob, code, reason = BROKEN[case]
    counted = Counted(hub)
    camera.sock.settimeout(seconds(5))
    try:
        camera.send_bytes(blob)
    except OSError:
        pass    # the hub may have ended it before it read all
    camera.expect_close(code)
    counted.expect(refused={reason: 1})
    witness.wait_exchanges(3)


AT_THE_LIMIT = {
    "longest text": lambda record: [text_frame(record(TEXT_MAX))],
    "most fragments": lambda record: [bomb(FRAGMENTS_MAX, b" ", record(200))],
    "pings between fragments": lambda record: [
        text_frame(b" ", fin=False), encode_frame(PING, b"") * 500,
        encode_frame(CONTINUATION, record(200))],
}


@pytest.mark.parametrize("case", AT_THE_LIMIT)
def test_what_is_just_allowed_is_taken(hub, witness, camera, case):
    def record(size):
        empty = json.dumps({"event": "apriltag_data", "pad": ""}).encode()
        return empty[:-2] + b"x" * (size - len(empty)) + empty[-2:]
    counted = Counted(hub)
    camera.send_bytes(b"".join(AT_THE_LIMIT[case](record)))
    assert camera.recv_json() == ACK
    camera.expect_silence()
    counted.expect(refused={})


REFUSED_TEXTS = {
    "no JSON": ("tag 7", "not_json"),
    "nothing": ("", "empty"),
    "a second object": ('{"event": "ping"}{}', "not_json"),
    "an array": ('[{"event": "ping"}]', "not_object"),
    "a string": ('"apriltag_data"', "not_object"),
    "a bomb of brackets": ('{"event": "apriltag_data", "a": ' + "[" * 8000, "too_deep"),
    "nesting over the limit": (
        '{"event": "apriltag_data", "a": ' + "[" * 64 + "]" * 64 + "}", "too_deep"),
    "NaN": ('{"event": "apriltag_data", "tag_id": 7, "x_cm": NaN}', "not_finite"),
    "an endless number": ('{"event": "apriltag_data", "tag_id": 7, "x_cm": 1e999}', "not_finite"),
    "event is a number": ('{"event": 7}', "bad_type"),
    "data of identify is a list": ('{"event": "identify", "data": []}', "bad_type"),
    "an angle no camera measures": ('{"event": "apriltag_data", "yaw": 1e300}', "out_of_range"),
}


@pytest.mark.parametrize("case", REFUSED_TEXTS)
def test_refused_texts_are_answered_and_the_connection_goes_on(hub, witness, camera, case):
    text, reason = REFUSED_TEXTS[case]
    counted = Counted(hub)
    camera.send_text(text)
    answer = camera.recv_event("error")
    assert isinstance(answer["error"], str) and answer["error"]
    counted.expect(refused={reason: 1})
    camera.send_json({"event": "apriltag_data", "tag_id": 8})
    assert camera.recv_json() == ACK
    witness.wait_exchanges(3)


def test_wrong_types_are_taken_or_refused_and_nothing_in_between(hub, camera):
    for field, value in [("x_cm", "far"), ("tag_id", [1]), ("yaw", {}), ("camera_name", 5),
                         ("timestamp", True), ("smartcam_ip", None), ("tag_id", -1)]:
        camera.send_json({"event": "apriltag_data", "marker": "typed", field: value})
        answer = camera.recv_event("apriltag_ack", "error")
        with Game(hub) as game:
            stored = [m for m in game.latest("hostile") if m.get("marker") == "typed"]
        newest = stored[-1] if stored else {}
        assert (newest.get(field) == value and field in newest) == (answer == ACK), (answer, newest)
        camera.send_json({"event": "apriltag_data", "tag_id": 8, "camera_name": "hostile"})
        assert camera.recv_json() == ACK


def test_duplicates_count_each_time(hub, witness, camera):
    counted = Counted(hub)
    record = camera.frame(TEXT, b'{"event": "apriltag_data", "tag_id": 1, "tag_id": 9, "twice": 1}')
    identify = camera.frame(TEXT, json.dumps({"event": "identify", "data": {
        "type": "esp32", "camera_name": "hostile", "auth_token": hub.token}}).encode())
    camera.send_bytes((record + identify) * 20)
    answers = [camera.recv_json() for _ in range(40)]
    assert answers == [ACK, {"event": "identify_success", "client_type": "esp32"}] * 20
    with Game(hub) as game:
        stored = [m for m in game.latest("hostile") if "twice" in m]
        assert [m["tag_id"] for m in stored] == [9]
    counted.expect(refused={})


def test_refused_tokens_are_answered_until_there_were_too_many(fresh_hub):
    hub = fresh_hub(auth_failures_max_count=5)
    with Witness(hub), RawWs(hub) as thief:
        thief.recv_welcome()
        counted = Counted(hub)
        for _ in range(5):
            thief.send_json({"event": "identify", "data": {"type": "esp32", "auth_token": "guess"}})
        for _ in range(5):
            assert thief.recv_event("auth_failed")["error"] == "Invalid auth_token"
        with pytest.raises(Closed) as closed:
            thief.recv_json()
        assert closed.value.code == 1008
        counted.expect(refused={"auth_invalid": 5})


def test_nobody_s_pictures_and_telemetry_are_answered_and_dropped(hub, witness):
    counted = Counted(hub)
    with RawWs(hub) as stranger:
        stranger.recv_welcome()
        for _ in range(3):
            stranger.send_binary(b"\xff\xd8\xff" + b"x" * 3000000)
            assert stranger.recv_event("auth_failed")["error"] == "Missing auth_token"
            stranger.send_json({"event": "apriltag_data", "tag_id": 13})
            assert stranger.recv_event("auth_failed")["error"] == "Missing auth_token"
    counted.expect(refused={"auth_missing": 6})
    witness.wait_exchanges(3)
