"""Clients that stall: they send and never read, begin and never end, or fall silent for good."""

import json
import socket
import time

import pytest

from clients import ENDS, Game, RawHttp, RawWs, http, single_bytes
from swarm import (Counted, MemoryBound, Witness, descriptor_counts, gateway_counts, holds_more, pace,
                   push_until_stuck)
from wire import (BINARY, CONTINUATION, PING, TEXT, TIME_FACTOR, Deadline, encode_frame, seconds,
                  wait_until)

LIMIT_MS = int(1000 * TIME_FACTOR)
NEVER_MS = 3600000
RCVBUF_BYTES = 32768    # with less, the kernel may send no more than one small piece per probe, five a second
GROWTH_KIB = 8192    # of a worker that meets one such client


def identified_camera(hub, end, name, **how):
    """A camera with every byte under control."""
    camera = RawWs(hub, end, mask=b"\0\0\0\0", **how)
    camera.recv_welcome()
    camera.send_json({"event": "identify", "data": {
        "type": "esp32", "camera_name": name, "auth_token": hub.token}})
    camera.recv_event("identify_success")
    return camera


def telemetry(tag_id, **more):
    record = {"event": "apriltag_data", "tag_id": tag_id, **more}
    return encode_frame(TEXT, json.dumps(record).encode())


# Sends, never reads


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("what", ["control pings", "ping events", "telemetry"])
def test_who_sends_and_never_reads_is_paused_then_closed(fresh_hub, end, what):
    hub = fresh_hub(slow_client_deadline_ms=LIMIT_MS)
    with Witness(hub, flooded=what == "telemetry") as witness, \
            identified_camera(hub, end, "deaf", rcvbuf_bytes=RCVBUF_BYTES) as deaf:
        counted, memory = Counted(hub), MemoryBound(hub)
        blob = {"control pings": encode_frame(PING, b"p" * 125),
                "ping events": encode_frame(TEXT, b'{"event": "ping"}'),
                "telemetry": telemetry(7)}[what]
        push_until_stuck(deaf.sock, blob * 100, quiet_s=0.3)
        memory.check(GROWTH_KIB)
        counted.expect(refused={}, totals={"slow_closed": 1}, limit_s=10)
        witness.wait_exchanges(20)
        deaf.sock.setblocking(True)
        deaf.expect_close(1013, limit_s=20)


@pytest.mark.parametrize("end", ENDS)
def test_a_camera_that_reads_its_acknowledgements_late_gets_them_all(fresh_hub, end):
    hub = fresh_hub(slow_client_deadline_ms=NEVER_MS)
    with Witness(hub, flooded=True) as witness, \
            identified_camera(hub, end, "late", rcvbuf_bytes=RCVBUF_BYTES) as late:
        blob = telemetry(7, pad="x" * 200)
        taken = push_until_stuck(late.sock, blob * 100)
        witness.wait_exchanges(10)
        late.sock.setblocking(True)
        missing = -taken % len(blob)    # the rest of a message that went out in part
        count = (taken + missing) // len(blob)
        acks = 0
        while acks < count:
            assert late.recv_json() == {"event": "apriltag_ack", "status": "received"}
            acks += 1
            if missing and acks == count - 1:
                late.send_bytes(blob[-missing:])
                missing = 0
        assert count > 1000    # what kernels hold is far less
        late.expect_silence()


def test_a_camera_that_does_not_read_its_commands_is_closed_before_they_pile_up(fresh_hub):
    hub = fresh_hub(slow_client_deadline_ms=NEVER_MS)
    with Witness(hub), identified_camera(hub, "http", "deaf", rcvbuf_bytes=RCVBUF_BYTES) as deaf, \
            RawHttp(hub) as operator:
        counted, status, deadline = Counted(hub), 200, Deadline(60)
        command = json.dumps({"interval_ms": 500, "camera": "deaf"}).encode()
        while status == 200:
            deadline.left()
            status = operator.request("POST", "/set_video_interval",
                                      [("Content-Type", "application/json")], command).status
        assert status == 503    # no such camera any more
        counted.expect(refused={}, totals={"slow_closed": 1})
        deaf.expect_close(1013, limit_s=20)


# Begins, never ends


HALVES = {
    "one byte": b"\x81",
    "a header": b"\x81\xfe\x10\x00",
    "half a text": encode_frame(TEXT, b"{", mask=b"\0\0\0\0", announce_bytes=500),
    "half a picture": encode_frame(BINARY, b"\xff\xd8\xff", announce_bytes=3000000),
    "half a ping": encode_frame(PING, b"abc", announce_bytes=100),
    "a first fragment": encode_frame(TEXT, b'{"event": ', fin=False),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("half", HALVES)
def test_a_message_that_was_begun_must_end_in_time(fresh_hub, end, half):
    hub = fresh_hub(message_deadline_ms=LIMIT_MS)
    with Witness(hub), identified_camera(hub, end, "half") as camera:
        counted = Counted(hub)
        begin_s = time.monotonic()
        camera.send_bytes(HALVES[half])
        camera.expect_close(1008)
        assert time.monotonic() - begin_s >= LIMIT_MS / 1000 * 0.9
        counted.expect(refused={"deadline": 1})


@pytest.mark.parametrize("dripped", ["text", "control frames"])
def test_dripping_bytes_does_not_prolong_the_deadline(fresh_hub, dripped):
    hub = fresh_hub(message_deadline_ms=LIMIT_MS)
    with Witness(hub), identified_camera(hub, "ws", "drip") as camera:
        counted = Counted(hub)
        camera.send_frame(TEXT, b"x", fin=False)
        drop = (camera.frame(PING, b"") if dripped == "control frames"
                else camera.frame(CONTINUATION, b"x", fin=False))
        begin_s = time.monotonic()
        with pytest.raises(OSError):
            for _ in pace(10 * LIMIT_MS / 1000, LIMIT_MS / 20000):
                camera.send_bytes(drop)
        assert time.monotonic() - begin_s < 5 * LIMIT_MS / 1000
        counted.expect(refused={"deadline": 1})


def test_an_endless_stream_of_whole_messages_has_no_deadline(fresh_hub):
    hub = fresh_hub(message_deadline_ms=LIMIT_MS)
    with Witness(hub), identified_camera(hub, "http", "steady") as camera:
        pings, bytes_sent = encode_frame(PING, b"p" * 100) * 300, 0
        camera.sock.settimeout(seconds(5))
        for _ in pace(3 * LIMIT_MS / 1000, LIMIT_MS / 50000):
            # Cut so that the hub always holds half a frame when it has read all there is.
            camera.send_bytes(pings[bytes_sent % 106:][:1013])
            bytes_sent += 1013
            camera.http.buffer = b""
            camera.sock.setblocking(False)
            try:
                while camera.sock.recv(65536):
                    pass
            except BlockingIOError:
                camera.sock.setblocking(True)
        camera.send_bytes(pings[bytes_sent % 106:][:106 - bytes_sent % 106])
        assert gateway_counts(hub)["refused"] == {}


@pytest.mark.parametrize("end", ENDS)
def test_byte_by_byte_is_slow_but_right(hub, end):
    name = f"bytes {end}"
    with Witness(hub, f"witness {end}"), RawWs(hub, end, handshake=False) as camera:
        camera.send_pieces(single_bytes(camera.request_bytes()))
        camera.recv_handshake()
        camera.recv_welcome()
        for message, answer in (
                ({"event": "identify", "data": {"type": "esp32", "camera_name": name,
                                                "auth_token": hub.token}}, "identify_success"),
                ({"event": "apriltag_data", "tag_id": 71}, "apriltag_ack")):
            camera.send_pieces(single_bytes(camera.frame(TEXT, json.dumps(message).encode())))
            camera.recv_event(answer)
        with Game(hub) as game:
            # A game now, it may meet the witness's sightings in between.
            assert [m for m in game.latest(name) if m.get("tag_id") == 71]


# Slow HTTP


POST = (b"POST /apriltag HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Authorization: %s\r\n")
SLOW_REQUESTS = {
    # name: (what is sent at once, what is dripped after it)
    "nothing": (b"", b""),
    "half a line": (b"GET /heal", b""),
    "dripped headers": (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"a"),
    "half a handshake": (b"GET /websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n", b""),
    "half a body": (POST + b"Content-Length: 50\r\n\r\n{", b""),
    "dripped body": (POST + b"Content-Length: 5000\r\n\r\n{", b" "),
    "half a chunk": (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc", b""),
    "dripped chunk": (POST + b"Transfer-Encoding: chunked\r\n\r\n500\r\nabc", b"a"),
    "idle after a reply": (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b""),
    "dripped after a reply": (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /he", b"a"),
}


@pytest.mark.parametrize("end", ENDS)
def test_slow_requests_are_cut_in_time(fresh_hub, end):
    hub = fresh_hub(http_request_deadline_ms=LIMIT_MS)
    with Witness(hub):
        held = descriptor_counts(hub)
        begin_s = time.monotonic()
        slow = {}
        for name, (head, drip) in SLOW_REQUESTS.items():
            connection = slow[name] = RawHttp(hub, end)
            connection.drip = drip
            connection.send(head.replace(b"%s", hub.token.encode()))
            connection.sock.setblocking(False)
        for _ in pace(5 * LIMIT_MS / 1000, LIMIT_MS / 10000):
            for name, connection in list(slow.items()):
                if has_ended(connection):
                    assert time.monotonic() - begin_s >= LIMIT_MS / 1000 * 0.9, name
                    slow.pop(name).close()
            if not slow:
                break
        assert not slow, f"still open: {list(slow)}"
        wait_until(lambda: not holds_more(hub, held), 5, "the hub's ends are closed too")


def has_ended(connection):
    """Drips once; whether the hub has ended the connection."""
    try:
        connection.sock.send(connection.drip)
        while connection.sock.recv(65536):
            pass
        return True
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


# Falls silent


@pytest.mark.parametrize("end", ENDS)
def test_who_does_not_answer_pings_is_gone_and_who_does_stays(fresh_hub, end):
    hub = fresh_hub(ping_interval_ms=LIMIT_MS // 2, pong_deadline_ms=LIMIT_MS)
    with Witness(hub), identified_camera(hub, end, "dead", auto_pong=False) as dead, \
            RawWs(hub, end, auto_pong=False) as stranger, \
            identified_camera(hub, end, "alive") as alive:
        counted = Counted(hub)
        begin_s = time.monotonic()
        while time.monotonic() - begin_s < 3 * LIMIT_MS / 1000:
            with pytest.raises(TimeoutError):
                alive.recv_message(0.3)    # answers pings meanwhile
        for gone in (dead, stranger):
            gone.expect_eof()
        counted.expect(refused={"deadline": 2})
        assert len(alive.pings) >= 3
        alive.expect_silence()


@pytest.mark.parametrize("ending", ["half closed", "close frame, no end", "violation, no end"])
def test_connections_that_never_end_from_the_other_side_are_freed(fresh_hub, ending):
    hub = fresh_hub()
    with Witness(hub):
        held = descriptor_counts(hub)
        left = [identified_camera(hub, end, "left") for end in ENDS * 5]
        wait_until(lambda: holds_more(hub, held), 5, "they are there")
        for camera in left:
            if ending == "half closed":
                camera.sock.shutdown(socket.SHUT_WR)
            elif ending == "close frame, no end":
                camera.send_close(1000)
            else:
                camera.send_frame(0x3, b"reserved")
        wait_until(lambda: not holds_more(hub, held), 10, "their descriptors are free")
        assert gateway_counts(hub)["gauges"]["cameras"] == 1    # the witness
        for camera in left:
            camera.abort()


def test_a_request_whose_sender_has_nothing_more_to_say_is_answered(hub):
    for path in ("/healthz", "/status"):
        with RawHttp(hub) as connection:
            connection.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            connection.sock.shutdown(socket.SHUT_WR)
            assert connection.recv_reply().status == 200
    assert http(hub, "GET", "/healthz").status == 200
