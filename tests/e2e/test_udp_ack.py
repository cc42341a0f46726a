"""Telemetry by datagram: what the acknowledgement says, and what games get."""

import json
import socket
import time

import pytest

from clients import Game, strict_json, udp_camera
from wire import Deadline, recv_some

TAGS = (
    b"0", b"7", b"65535", b"4294967295", b"-1", b"1.5", b"1e2", b"-0.0", b"null", b'"seven"',
    b'""', b'"' + b"x" * 64 + b'"', b'"\\u00e9\\n\\"\\\\"', '"\U0001f600"'.encode(),
    b'"' + "\u20ac".encode() * 21 + b'"', b'"\\ud83d\\ude00"')


@pytest.fixture(scope="module")
def game(hub):
    with Game(hub).identify() as game:
        yield game


@pytest.fixture
def camera(hub):
    with udp_camera(hub) as camera:
        yield camera


def recv_whole(camera):
    """The next datagram with all its bytes, also beyond those that a camera reads."""
    return recv_some(camera.sock, 65536, Deadline(2))


@pytest.mark.parametrize("tag", TAGS)
def test_the_tag_is_told_as_it_came(game, camera, tag):
    before_s = time.time()
    camera.send_raw(b'{"tag_id": ' + tag + b', "camera_name": "echo"}')
    datagram = recv_whole(camera)
    assert len(datagram) <= 255
    ack = strict_json(datagram)
    message = game.recv_event("apriltag_data")
    assert ack == {"event": "apriltag_ack", "status": "received", "tag_id": strict_json(tag),
                   "server_timestamp": message["server_timestamp"]}
    assert isinstance(ack["tag_id"], type(strict_json(tag)))
    assert before_s - 0.01 <= ack["server_timestamp"] <= time.time() + 0.01
    assert message["tag_id"] == strict_json(tag)


def test_a_large_tag_is_either_exact_or_refused_silently(game, camera):
    """64 bits: beyond what a camera can have seen the hub may refuse, but it must not round."""
    for tag in (2**32, 2**53 + 1, 2**63 - 1, 2**64 - 1):
        camera.send_raw(b'{"tag_id": %d, "camera_name": "large"}' % tag)
        camera.send_raw(b'{"tag_id": 3, "large": %d}' % tag)
        ack = strict_json(recv_whole(camera))
        if ack["tag_id"] != 3:
            assert ack["tag_id"] == tag
            assert game.recv_event("apriltag_data")["tag_id"] == tag
            ack = strict_json(recv_whole(camera))
        assert ack["tag_id"] == 3
        assert game.recv_tag(3)["large"] == tag


def test_a_large_tag_where_it_is_allowed(fresh_hub):
    hub = fresh_hub(tag_id_max=4294967295)
    with udp_camera(hub) as camera:
        assert camera.report({"tag_id": 4294967295})["tag_id"] == 4294967295


def test_no_tag(game, camera):
    camera.send_raw(b'{"x_cm": 1}')
    ack = strict_json(recv_whole(camera))
    assert ack["tag_id"] is None and ack["status"] == "received"
    assert "tag_id" not in game.recv_event("apriltag_data")


@pytest.mark.parametrize("payload", (b"{}", b" { } "))
def test_an_empty_object_is_telemetry(game, camera, payload):
    camera.send_raw(payload)
    assert strict_json(recv_whole(camera))["tag_id"] is None
    assert set(game.recv_event("apriltag_data")) <= {"event", "server_timestamp", "smartcam_ip"}


@pytest.mark.parametrize("claimed", ({}, {"smartcam_ip": "192.0.2.99"}, {"smartcam_ip": None},
                                     {"smartcam_ip": {"a": 1}}))
def test_the_address_is_the_senders(game, camera, claimed):
    camera.report({"tag_id": 1, **claimed})
    assert game.recv_tag(1)["smartcam_ip"] == "127.0.0.1"


def test_the_address_of_another_sender(hub, game):
    with udp_camera(hub) as camera:
        camera.sock.bind(("127.0.0.77", 0))
        camera.report({"tag_id": 1})
        assert game.recv_tag(1)["smartcam_ip"] == "127.0.0.77"
    with Game(hub) as other:
        assert other.latest("camera-127.0.0.77")[0]["tag_id"] == 1


def test_data_is_a_field_like_others(game, camera):
    nested = {"tag_id": 5, "x_cm": 1}
    camera.send_raw(json.dumps({"data": nested, "tag_id": 9}).encode())
    assert strict_json(recv_whole(camera))["tag_id"] == 9
    assert game.recv_tag(9)["data"] == nested


def test_an_event_in_it_is_replaced(game, camera):
    camera.report({"tag_id": 1, "event": "identify", "server_timestamp": 5})
    message = game.recv_tag(1)
    assert message["event"] == "apriltag_data" and message["server_timestamp"] > 1_600_000_000


@pytest.mark.parametrize("size", (512, 1472, 1473, 4096, 8191, 8192, 12000, 16384))
def test_large_datagrams(game, camera, size):
    record = {"tag_id": 6, "filler": ""}
    record["filler"] = "x" * (size - len(json.dumps(record)))
    assert len(json.dumps(record)) == size
    camera.report(record)
    assert game.recv_tag(6)["filler"] == record["filler"]


def test_answers_go_to_the_port_that_asked(hub, game):
    with udp_camera(hub) as one, udp_camera(hub) as two:
        for tag_id in range(0, 40, 2):
            one.send_telemetry({"tag_id": tag_id})
            two.send_telemetry({"tag_id": tag_id + 1})
        for tag_id in range(0, 40, 2):
            assert one.recv()["tag_id"] == tag_id
            assert two.recv()["tag_id"] == tag_id + 1
    assert [game.recv_event("apriltag_data")["tag_id"] for _ in range(40)] == list(range(40))


def test_answers_come_from_the_port_that_was_asked(hub, game):
    """A firewall, or a client that connected its socket, takes nothing else."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((hub.host, hub.udp_port))
        client.send(b'{"tag_id": 12}')
        assert strict_json(recv_some(client, 255, Deadline(2)))["tag_id"] == 12
    game.recv_tag(12)


def test_a_burst_keeps_its_order(game, camera):
    for tag_id in range(200):
        camera.send_telemetry({"tag_id": tag_id})
    acks = [camera.recv(2) for _ in range(200)]
    assert [ack["tag_id"] for ack in acks] == list(range(200))
    stamps = [ack["server_timestamp"] for ack in acks]
    assert stamps == sorted(stamps)
    messages = [game.recv_event("apriltag_data") for _ in range(200)]
    assert [message["tag_id"] for message in messages] == list(range(200))
    assert [message["server_timestamp"] for message in messages] == stamps


@pytest.mark.parametrize("workers", (1, 2, 4))
def test_any_number_of_workers(fresh_hub, workers):
    hub = fresh_hub(workers=workers)
    games = [Game(hub).identify() for _ in range(8)]
    with udp_camera(hub, name="many") as camera:
        for tag_id in range(50):
            camera.report({"tag_id": tag_id})
    for game in games:
        for tag_id in range(50):
            game.recv_tag(tag_id)
        game.abort()


@pytest.mark.parametrize("workers", (2, 4))
def test_the_worker_that_reads_datagrams_dies(fresh_hub, workers):
    """Another one takes over; the camera notices at most a moment of silence."""
    hub = fresh_hub(workers=workers)
    with udp_camera(hub, name="lease") as camera:
        camera.report({"tag_id": 0})
        for tag_id, pid in enumerate(hub.workers("gateway"), 1):
            hub.kill(pid)
            deadline = Deadline(5)
            while True:
                deadline.left()
                camera.send_telemetry({"tag_id": tag_id})
                try:
                    if camera.recv(0.1)["tag_id"] == tag_id:
                        break
                except Exception as failure:
                    assert "no acknowledgement" in str(failure)
