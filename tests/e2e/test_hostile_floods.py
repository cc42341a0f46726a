"""Garbage and floods on every port, while a witness keeps exchanging sightings."""

import json
import random
import select
import socket
import threading
from contextlib import ExitStack

import pytest

from clients import ENDS, RawWs, http, port_of, udp_camera
from firmware import AckFailed
from swarm import Counted, MemoryBound, Witness, gateway_counts, pace
from wire import (BINARY, PING, TEXT, TIME_FACTOR, Deadline, encode_frame, recv_to_end, tcp_connect,
                  wait_until)

GROWTH_KIB = 16384


def garbage(seed, size):
    return random.Random(seed).randbytes(size)


@pytest.mark.parametrize("end", ENDS)
def test_garbage_on_tcp_ends_that_connection_alone(hub, end):
    with Witness(hub):
        for seed in range(60):
            with tcp_connect(hub.host, port_of(hub, end)) as sock:
                blob = garbage(seed, 1 + seed * 97)
                if seed % 3 == 0:
                    blob = b"GET / HTTP/1.1\r\n" + blob
                try:
                    sock.sendall(blob)
                    sock.shutdown(socket.SHUT_WR)
                except OSError:
                    continue
                recv_to_end(sock, Deadline(5))
        assert http(hub, "GET", "/healthz").status == 200


@pytest.mark.parametrize("end", ENDS)
def test_garbage_on_a_websocket_ends_that_connection_alone(hub, end):
    with Witness(hub):
        for seed in range(60):
            with RawWs(hub, end) as ws:
                try:
                    ws.send_bytes(garbage(seed, 4096))
                    ws.sock.shutdown(socket.SHUT_WR)
                except OSError:
                    continue
                ws.expect_eof()
        assert http(hub, "GET", "/healthz").status == 200


def test_garbage_in_datagrams_is_counted_and_never_answered(hub):
    with Witness(hub), udp_camera(hub, name="garbage") as camera:
        camera.report({"tag_id": 1})
        counted = Counted(hub)
        for seed in range(100):
            camera.send_raw(garbage(seed, seed * 81) or b" ")
        camera.expect_no_answer({"tag_id": 2})
        wait_until(lambda: sum(counted.difference("refused").values()) == 100, 5,
                   "each is refused")
        assert set(counted.difference("refused")) <= {"not_json", "not_utf8", "not_object", "empty"}


def test_datagrams_over_the_rate_are_dropped_and_counted(fresh_hub):
    rate, flood = 200, 3000
    hub = fresh_hub(udp_rate_per_s=rate)
    with Witness(hub), udp_camera(hub, name="flood") as camera:
        counted = Counted(hub)
        datagram = json.dumps({"tag_id": 5, "camera_name": "flood"}).encode()
        for _ in pace(1, 1 / flood):
            camera.send_raw(datagram)

        def all_read():
            return counted.difference("totals").get("datagrams", 0) == flood
        wait_until(all_read, 5, "all datagrams are read")
        refused = counted.difference("refused")["rate"]
        assert counted.difference("refused") == {"rate": refused}
        # Taken is what a full bucket holds and what ran in during the flood, a second or so.
        assert rate <= flood - refused <= 3 * rate * TIME_FACTOR
        # Another source has its own rate: 127.0.0.2 is answered while 127.0.0.1 is not.
        with udp_camera(hub, name="calm") as calm:
            calm.sock.bind(("127.0.0.2", 0))
            for _ in range(50):
                camera.send_raw(datagram)
            calm.report({"tag_id": 6})
        wait_until(lambda: is_answered(camera), 5, "the flood's source is heard again")


def is_answered(camera):
    try:
        camera.report({"tag_id": 7})
        return True
    except AckFailed:
        return False


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("what", ["pings", "texts", "refused texts", "telemetry", "pictures",
                                  "posts"])
def test_a_flood_is_served_at_its_own_cost(fresh_hub, end, what):
    hub = fresh_hub()
    photo = b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x10\x00\x10\x01\x01\x11\x00" + b"x" * 1000000
    frame = {"pings": encode_frame(PING, b"p" * 100),
             "texts": encode_frame(TEXT, b'{"event": "request_latest_data"}'),
             "refused texts": encode_frame(TEXT, b"no JSON"),
             "telemetry": encode_frame(TEXT, b'{"event": "apriltag_data", "tag_id": 3}'),
             "pictures": encode_frame(BINARY, photo)}.get(what)
    with Witness(hub, flooded=what == "telemetry") as witness, ExitStack() as stack:
        floods = [stack.enter_context(Flooder(hub, end, frame, at)) for at in range(3)]
        memory = MemoryBound(hub)
        wait_until(lambda: min(flood.count for flood in floods) > 3, 10, "the flood has begun")
        for _ in pace(2, 0.1):
            memory.check(GROWTH_KIB)
        witness.wait_exchanges(5)
    assert gateway_counts(hub)["totals"]["slow_closed"] == 0


class Flooder:
    """Sends a frame, or posts telemetry when there is none, as fast as the hub takes it, and reads
    whatever comes back, in a thread. `count` tells how many writes there were."""

    def __init__(self, hub, end, frame, number):
        self.count = 0
        self._stop = threading.Event()
        self._ws = RawWs(hub, end, mask=b"\0\0\0\0")
        self._ws.send_json({"event": "identify", "data": {
            "type": "esp32", "camera_name": f"flood {number}", "auth_token": hub.token}})
        self._ws.recv_event("connection_success")
        self._ws.recv_event("identify_success")
        self._thread = threading.Thread(target=self._flood, args=(hub, end, frame), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self._ws.abort()

    def _flood(self, hub, end, frame):
        blob = frame and frame * max(1, 65536 // len(frame))
        while not self._stop.is_set():
            if blob is None:
                http(hub, "POST", "/apriltag", {"Authorization": hub.token},
                     json_body={"tag_id": 4}, end=end)
            else:
                self._write(blob)
            self.count += 1

    def _write(self, blob):
        sock, at = self._ws.sock, 0
        while at < len(blob) and not self._stop.is_set():
            readable, writable, _ = select.select([sock], [sock], [], 0.1)
            if readable and not sock.recv(1 << 20):
                return
            if writable:
                at += sock.send(blob[at:at + 65536], socket.MSG_DONTWAIT)
