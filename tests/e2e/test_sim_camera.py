"""The simulated camera against tiny servers: it must fail where a real camera would.

A camera that is more tolerant than the firmware would let a hub pass that breaks real boards. No
hub is needed here.
"""

import io
import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from firmware import (AckFailed, CameraCrash, CameraError, ConnectionClosed, FrameLost,
                      HandshakeFailed, HttpCamera, PostFailed, UdpCamera, WsCamera)
from moving_tag import MovingTag
from photo import Show, pad_jpeg
from wire import (BINARY, CLOSE, PING, PONG, TEXT, Deadline, accept_for, close_payload,
                  encode_frame, recv_exact, recv_frame, recv_to_end, seconds)

CAMERA = Path(__file__).resolve().parents[1] / "sim" / "camera.py"


@contextmanager
def tiny_server(serve, connections=1):
    """A TCP server on a thread that gives each connection to serve(sock); yields its port. What
    serve raises fails the test."""
    failures = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(seconds(10))

        def run():
            try:
                for _ in range(connections):
                    with listener.accept()[0] as sock:
                        serve(sock)
            except BaseException as failure:    # carried to the test's own thread
                failures.append(failure)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(seconds(15))
            assert not thread.is_alive()
        if failures:
            raise failures[0]


def read_request(sock):
    """A request's head as (first line, {name in lower case: value}), and nothing beyond it."""
    deadline = Deadline(5)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += recv_exact(sock, 1, deadline)
    first, *lines = head.decode().strip().split("\r\n")
    return first, {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


GOOD_REPLY = ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              "Sec-WebSocket-Accept: ACCEPT\r\n\r\n")


def shake_hands(sock, reply=GOOD_REPLY):
    """The server's side of the handshake; returns the camera's request."""
    first, headers = read_request(sock)
    sock.sendall(reply.replace("ACCEPT", accept_for(headers["sec-websocket-key"])).encode())
    return first, headers


def camera_on(port, **how):
    return WsCamera("127.0.0.1", port, "secret-secret", **how)


def text(message):
    """A server's text frame."""
    return encode_frame(TEXT, json.dumps(message).encode(), mask=None)


# Handshake


def test_the_handshake_request_is_that_of_the_firmware():
    seen = []
    with tiny_server(lambda sock: seen.append(shake_hands(sock))) as port:
        camera_on(port).connect().vanish()
    first, headers = seen[0]
    assert first == "GET /websocket HTTP/1.1"
    assert headers["host"] == "127.0.0.1"
    assert headers["user-agent"] == "TinyWebsockets Client"
    assert headers["origin"] == "http://websockets.example/tiny"
    assert headers["sec-websocket-version"] == "13"
    assert "sec-websocket-extensions" not in headers
    assert "sec-websocket-protocol" not in headers


HANDSHAKES = [
    # name, text in the good reply, what replaces it, what the camera makes of it
    ("a good reply", "101 ", "101 ", None),
    ("any letter case", "Upgrade: websocket\r\nConnection: Upgrade",
     "upgrade: WebSocket\r\nCONNECTION: upgrade", None),
    ("further headers", "\r\n\r\n", "\r\nServer: x\r\n\r\n", None),
    ("another status", "101 ", "200 ", HandshakeFailed),
    ("HTTP/1.0", "HTTP/1.1", "HTTP/1.0", HandshakeFailed),
    ("a list in Connection", "Connection: Upgrade", "Connection: keep-alive, Upgrade",
     HandshakeFailed),
    ("no Connection", "Connection: Upgrade\r\n", "", HandshakeFailed),
    ("a wrong Upgrade", "Upgrade: websocket", "Upgrade: websockets", HandshakeFailed),
    ("two spaces", "Upgrade: websocket", "Upgrade:  websocket", HandshakeFailed),
    ("a wrong accept", "ACCEPT", "bm90IGl0", HandshakeFailed),
    ("an empty value", "\r\n\r\n", "\r\nVary:\r\n\r\n", CameraCrash),
    ("an empty value after a space", "\r\n\r\n", "\r\nVary: \r\n\r\n", CameraCrash),
    ("no space after the colon", "Upgrade: websocket", "Upgrade:websocket", CameraCrash),
    ("a line without a colon", "\r\n\r\n", "\r\nhello\r\n\r\n", CameraCrash),
]


@pytest.mark.parametrize("old, new, error", [case[1:] for case in HANDSHAKES],
                         ids=[case[0] for case in HANDSHAKES])
def test_a_reply_to_the_handshake(old, new, error):
    assert old in GOOD_REPLY
    with tiny_server(lambda sock: shake_hands(sock, GOOD_REPLY.replace(old, new))) as port:
        if error is None:
            camera_on(port).connect().vanish()
        else:
            with pytest.raises(error):
                camera_on(port).connect()


def test_a_header_line_may_take_one_second():
    def serve(sock):
        read_request(sock)
        sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso")
        recv_to_end(sock, Deadline(5))

    with tiny_server(serve) as port:
        start = time.monotonic()
        with pytest.raises(HandshakeFailed, match="too long"):
            camera_on(port).connect()
        assert seconds(1) <= time.monotonic() - start < seconds(3)


# Frames from the hub


HEADERS = [
    # name, what arrives of a frame before the camera looks
    ("one byte of the header", b"\x81"),
    ("a header without its length bytes", b"\x81\x7e"),
    ("a header with half its length bytes", b"\x81\x7e\x01"),
    ("a header with half of eight length bytes", b"\x82\x7f\x00\x00\x00\x00"),
]


@pytest.mark.parametrize("arrived", [case[1] for case in HEADERS],
                         ids=[case[0] for case in HEADERS])
def test_a_split_header_loses_the_stream(arrived):
    def serve(sock):
        shake_hands(sock)
        sock.sendall(arrived)
        recv_to_end(sock, Deadline(5))

    with tiny_server(serve) as port, camera_on(port).connect() as camera:
        with pytest.raises(FrameLost):
            camera.recv()


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
def test_a_whole_frame_is_read_whatever_its_length(size):
    message = {"event": "x" * size}

    def serve(sock):
        shake_hands(sock)
        sock.sendall(text(message))

    with tiny_server(serve) as port, camera_on(port).connect() as camera:
        assert camera.recv() == message


def test_a_payload_may_come_in_pieces():
    frame = text({"event": "x" * 300})
    go_on = threading.Event()

    def serve(sock):
        shake_hands(sock)
        sock.sendall(frame[:100])
        assert go_on.wait(seconds(5))
        sock.sendall(frame[100:])

    with tiny_server(serve) as port, camera_on(port).connect() as camera:
        camera.sock.recv(1, socket.MSG_PEEK)    # the first piece is there
        go_on.set()
        assert camera.recv() == {"event": "x" * 300}


def test_a_ping_waits_for_the_main_loop():
    got = []
    ping_is_there, nothing_came = threading.Event(), threading.Event()

    def serve(sock):
        shake_hands(sock)
        sock.sendall(encode_frame(PING, b"are you there", mask=None))
        assert ping_is_there.wait(seconds(5))
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(1)    # the main loop has not come round
        nothing_came.set()
        sock.setblocking(True)
        sock.sendall(text({"event": "done"}))
        got.append(recv_frame(sock, Deadline(5)))

    with tiny_server(serve) as port, camera_on(port).connect() as camera:
        camera.sock.recv(1, socket.MSG_PEEK)
        ping_is_there.set()
        assert nothing_came.wait(seconds(5))
        assert camera.recv() == {"event": "done"}
    assert (got[0].opcode, got[0].payload, got[0].masked) == (PONG, b"are you there", True)


def test_a_close_is_answered_and_reported():
    got = []

    def serve(sock):
        shake_hands(sock)
        sock.sendall(encode_frame(CLOSE, close_payload(1009, "big"), mask=None))
        got.append(recv_frame(sock, Deadline(5)))

    with tiny_server(serve) as port, camera_on(port).connect() as camera:
        with pytest.raises(ConnectionClosed) as raised:
            camera.recv()
    assert raised.value.code == 1009
    assert (got[0].opcode, got[0].payload) == (CLOSE, close_payload(1009))


def test_the_end_of_the_stream_is_reported():
    with tiny_server(shake_hands) as port, camera_on(port).connect() as camera:
        with pytest.raises(ConnectionClosed) as raised:
            camera.recv()
    assert raised.value.code == 1006


# Messages of the camera


def test_every_frame_has_an_all_zero_mask():
    raw = []

    def serve(sock):
        shake_hands(sock)
        raw.append(recv_to_end(sock, Deadline(5)))

    with tiny_server(serve) as port, camera_on(port).connect() as camera:
        camera.send_telemetry({"tag_id": 7})
        camera.send_photo(b"\xff\xd8\xff" * 100)
    sighting = json.dumps({"event": "apriltag_data", "tag_id": 7}).encode()
    assert raw[0].startswith(bytes([0x81, 0x80 | len(sighting)]) + b"\0\0\0\0" + sighting)
    photo_frame = b"\x82\xfe" + (300).to_bytes(2, "big") + b"\0\0\0\0" + b"\xff\xd8\xff" * 100
    assert photo_frame in raw[0]


IDENTITIES = [
    ("unchanged firmware", {}, {"type": "esp32", "device": "Waveshare-ESP32-S3",
                                "auth_token": "secret-secret"}),
    ("an operator's name", {"name": "porch", "device": "Board"},
     {"type": "esp32", "device": "Board", "camera_name": "porch", "auth_token": "secret-secret"}),
]


@pytest.mark.parametrize("how, expected", [case[1:] for case in IDENTITIES],
                         ids=[case[0] for case in IDENTITIES])
def test_identify_says_device_and_perhaps_a_name(how, expected):
    got = []

    def serve(sock):
        shake_hands(sock)
        sock.sendall(text({"event": "connection_success"}))
        got.append(json.loads(recv_frame(sock, Deadline(5)).payload))
        sock.sendall(text({"event": "identify_success", "client_type": "esp32"}))
        got.append(json.loads(recv_frame(sock, Deadline(5)).payload))
        got.append(json.loads(recv_frame(sock, Deadline(5)).payload))

    with tiny_server(serve) as port, camera_on(port, **how).connect() as camera:
        assert camera.identify()["event"] == "identify_success"
        assert camera.welcome == {"event": "connection_success"}
        camera.send_telemetry({"tag_id": 1})
        camera.send_telemetry({"tag_id": 2}, nested=True)
    named = {"camera_name": "porch"} if "name" in how else {}
    assert got == [{"event": "identify", "data": expected},
                   {"event": "apriltag_data", "tag_id": 1, **named},
                   {"event": "apriltag_data", "data": {"tag_id": 2, **named}}]


def test_set_video_interval_is_obeyed_in_silence():
    def serve(sock):
        shake_hands(sock)
        sock.sendall(text({"event": "set_video_interval", "interval_ms": 500}))
        assert recv_frame(sock, Deadline(5)).opcode == CLOSE    # nothing before the end

    with tiny_server(serve) as port, camera_on(port).connect() as camera:
        assert camera.recv()["interval_ms"] == 500
        assert camera.frame_interval_s == 0.5


# HTTP


def post_server(replies, seen):
    """Serves one reply per connection and notes the requests in seen."""
    left = iter(replies)

    def serve(sock):
        first, headers = read_request(sock)
        body = recv_exact(sock, int(headers["content-length"]), Deadline(5))
        seen.append((first, headers, body))
        sock.sendall(next(left))

    return tiny_server(serve, connections=len(replies))


def reply_bytes(status, body):
    return (f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


def test_each_post_is_a_connection_with_the_bare_token():
    seen = []
    answer = b'{"status": "received", "event": "apriltag_ack"}'
    with post_server([reply_bytes(200, answer)] * 2, seen) as port:
        camera = HttpCamera("127.0.0.1", port, "secret-secret", name="porch")
        assert camera.report({"tag_id": 7}) == json.loads(answer)
        camera.send_photo(b"\xff\xd8\xff")
    (first, headers, body), (photo_first, photo_headers, photo) = seen
    assert first == "POST /apriltag HTTP/1.1"
    assert headers["content-type"] == "application/json"
    assert headers["authorization"] == photo_headers["authorization"] == "secret-secret"
    assert headers["host"] == "127.0.0.1"
    assert json.loads(body) == {"tag_id": 7, "camera_name": "porch"}
    assert photo_first == ("POST /client_e32__http_post_to_serverhub__smartcam_video_stream "
                           "HTTP/1.1")
    assert photo_headers["x-camera-name"] == "porch"
    assert photo == b"\xff\xd8\xff"


@pytest.mark.parametrize("status", [201, 202, 204, 301, 400, 401, 413, 500, 503])
def test_every_status_but_200_is_a_failure(status):
    with post_server([reply_bytes(status, b"{}")], []) as port:
        with pytest.raises(PostFailed) as raised:
            HttpCamera("127.0.0.1", port, "t").report({"tag_id": 7})
    assert raised.value.status == status


@pytest.mark.parametrize("size, fits", [(64, True), (65, False)])
def test_only_64_bytes_of_an_answer_are_read(size, fits):
    answer = json.dumps({"status": ""}).encode()
    answer = answer.replace(b'""', b'"' + b"x" * (size - len(answer)) + b'"')
    with post_server([reply_bytes(200, answer)], []) as port:
        camera = HttpCamera("127.0.0.1", port, "t")
        if fits:
            assert camera.report({}) == json.loads(answer)
        else:
            with pytest.raises(CameraError, match="not JSON in the first 64 bytes"):
                camera.report({})


def test_a_failed_post_is_not_tried_again():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepted = []
        thread = threading.Thread(target=lambda: accepted.append(listener.accept()[0].close()))
        thread.start()
        with pytest.raises(PostFailed):
            HttpCamera("127.0.0.1", listener.getsockname()[1], "t").report({"tag_id": 7})
        thread.join(seconds(5))
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


# UDP


@contextmanager
def datagram_server(answer):
    """Answers the first datagram with answer(record), bytes or None; yields its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(seconds(10))

        def run():
            datagram, sender = sock.recvfrom(65536)
            reply = answer(json.loads(datagram))
            if reply is not None:
                sock.sendto(reply, sender)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield sock.getsockname()[1]
        finally:
            thread.join(seconds(15))


def ack_of(size=None, **members):
    ack = {"event": "apriltag_ack", "status": "received", "tag_id": 7, **members}
    if size is not None:
        ack["pad"] = ""
        ack["pad"] = "x" * (size - len(json.dumps(ack)))
    return json.dumps(ack).encode()


ACKS = [
    # name, answer, whether the camera takes it
    ("a good one", ack_of(), True),
    ("255 bytes", ack_of(255), True),
    ("256 bytes", ack_of(256), False),
    ("of another tag", ack_of(tag_id=8), False),
    ("of a tag in quotes", ack_of(tag_id="7"), False),
    ("another event", ack_of(event="pong"), False),
    ("no JSON", b"ok", False),
    ("none", None, False),
]


@pytest.mark.parametrize("answer, good", [case[1:] for case in ACKS],
                         ids=[case[0] for case in ACKS])
def test_an_acknowledgement(answer, good):
    with datagram_server(lambda _: answer) as port, UdpCamera("127.0.0.1", port) as camera:
        if good:
            assert camera.report({"tag_id": 7})["status"] == "received"
        else:
            with pytest.raises(AckFailed):
                camera.report({"tag_id": 7})


@pytest.mark.parametrize("token", [None, "secret-secret"])
def test_a_datagram_is_flat_and_has_a_token_only_if_given(token):
    seen = []

    def answer(record):
        seen.append(record)
        return ack_of()

    with datagram_server(answer) as port, UdpCamera("127.0.0.1", port, token, "gate") as camera:
        camera.report({"tag_id": 7})
    expected = {"tag_id": 7, "camera_name": "gate"}
    assert seen == [{**expected, "auth_token": token} if token else expected]


# What it sees


def test_a_moving_tag_has_every_field_and_moves_smoothly():
    tag = MovingTag(7)
    record = tag.record(1.0, 2**32 + 5, "192.0.2.17")
    assert set(record) == {
        "tag_id", "decision_margin", "yaw", "pitch", "roll", "x_cm", "y_cm", "z_cm", "range_cm",
        "distance_cm", "tag_size_percent", "timestamp", "smartcam_ip"}
    assert record["timestamp"] == 5
    assert all(value == round(value, 1) for value in record.values() if isinstance(value, float))
    assert len(json.dumps({**record, "event": "apriltag_data", "camera_name": "porch"})) < 512
    steps = [(tag.pose(at / 10)[:3], tag.pose((at + 1) / 10)[:3]) for at in range(200)]
    assert all(sum((a - b) ** 2 for a, b in zip(*step)) < 2**2 for step in steps)
    assert max(tag.pose(at / 10)[0] for at in range(200)) > 5


def test_a_photo_is_a_baseline_jpeg_that_shows_the_tag_where_the_telemetry_says():
    show = Show((320, 240), 80)
    pictures = {}
    for name, x_cm in (("left", -9), ("right", 9)):
        jpeg = show.draw("porch", 7, (x_cm, 0, 50, 0, 0, 0), 1)
        assert jpeg.startswith(b"\xff\xd8\xff") and jpeg.endswith(b"\xff\xd9")
        assert b"\xff\xc0" in jpeg and b"\xff\xc2" not in jpeg
        pictures[name] = Image.open(io.BytesIO(jpeg)).convert("L")
        assert pictures[name].size == (320, 240)

    def dark_columns(picture):
        return [x for x in range(320) if min(picture.getpixel((x, y)) for y in range(40, 200)) < 60]

    assert max(dark_columns(pictures["left"])) < 160 < min(dark_columns(pictures["right"]))


@pytest.mark.parametrize("more", [0, 1, 2, 3, 4, 5, 1000, 65537, 65540, 200001])
def test_a_photo_is_filled_to_the_byte_and_stays_the_same_picture(more):
    jpeg = Show().draw("porch", 7, MovingTag(7).pose(0), 1)
    filled = pad_jpeg(jpeg, len(jpeg) + more)
    assert len(filled) == len(jpeg) + more
    assert (Image.open(io.BytesIO(filled)).tobytes() == Image.open(io.BytesIO(jpeg)).tobytes())


# The program


def test_the_program_sends_sightings_and_photos(tmp_path):
    sightings, photos = [], []

    def serve(sock):
        shake_hands(sock)
        deadline = Deadline(20)
        while (frame := recv_frame(sock, deadline)).opcode != CLOSE:
            if frame.opcode == BINARY:
                photos.append(frame.payload)
                continue
            message = json.loads(frame.payload)
            if message["event"] == "identify":
                assert message["data"]["auth_token"] == "secret-secret"
                sock.sendall(text({"event": "identify_success", "client_type": "esp32"}))
            else:
                sightings.append(message)
                sock.sendall(text({"event": "apriltag_ack", "status": "received"}))

    token_file = tmp_path / "token"
    token_file.write_text("secret-secret\n")
    with tiny_server(serve) as port:
        done = subprocess.run(
            [sys.executable, CAMERA, "--port", str(port), "--token-file", token_file, "--name",
             "porch", "--tag", "12", "--count", "6", "--telemetry-rate", "30", "--fps", "30",
             "--photo-bytes", "50000", "--reconnect", "0"],
            capture_output=True, text=True, timeout=seconds(30), check=False)
    assert done.returncode == 0, done.stderr
    assert [sighting["tag_id"] for sighting in sightings] == [12] * 6
    assert {sighting["camera_name"] for sighting in sightings} == {"porch"}
    assert photos and all(len(jpeg) == 50000 for jpeg in photos)
    assert Image.open(io.BytesIO(photos[0])).size == (240, 240)
    assert len({(sighting["x_cm"], sighting["y_cm"]) for sighting in sightings}) > 1


def test_the_program_needs_a_token():
    done = subprocess.run([sys.executable, CAMERA, "--port", "1"], capture_output=True, text=True,
                          env={}, timeout=seconds(30), check=False)
    assert done.returncode == 2
    assert "--token-file is needed" in done.stderr
