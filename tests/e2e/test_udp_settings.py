"""Settings of the datagram door: token required, networks, rate, off."""

import errno
import socket

import pytest

from clients import Game, get_json, http, udp_camera
from endpoints import post_tag
from firmware import AckFailed


def camera_at(hub, address, **how):
    """A camera with that source address."""
    camera = udp_camera(hub, **how)
    camera.sock.bind((address, 0))
    return camera


def test_a_token_is_required(fresh_hub):
    hub = fresh_hub(udp_require_token=True)
    with Game(hub).identify() as game, udp_camera(hub) as bare, \
            udp_camera(hub, token="wrong" * 5) as wrong, udp_camera(hub, token=hub.token) as right:
        for camera in (bare, wrong):
            camera.send_telemetry({"tag_id": 1})
        bare.send_raw(b'{"tag_id": 1, "auth_token": null}')
        right.report({"tag_id": 2})
        message = game.recv_tag(2)
        assert "auth_token" not in message
        for camera in (bare, wrong):    # settled before the acknowledgement, so it would be here
            with pytest.raises(AckFailed):
                camera.recv(0.01)


@pytest.mark.parametrize("networks,allowed,refused", (
    ("127.0.0.1/32", "127.0.0.1", "127.0.0.2"),
    ("127.1.0.0/16", "127.1.200.3", "127.2.0.1"),
    ("192.0.2.0/24, 127.0.0.64/26", "127.0.0.127", "127.0.0.128"),
    ("::1/128, 127.0.0.9", "127.0.0.9", "127.0.0.1"),
))
def test_allowed_networks(fresh_hub, networks, allowed, refused):
    hub = fresh_hub(udp_allow_networks=networks)
    with Game(hub).identify() as game, camera_at(hub, allowed) as inside, \
            camera_at(hub, refused, token=hub.token) as outside:
        outside.send_telemetry({"tag_id": 1})
        inside.report({"tag_id": 2})
        game.recv_tag(2)
        with pytest.raises(AckFailed):
            outside.recv(0.01)
        assert post_tag(hub, {"tag_id": 3}).status == 200    # other doors stay open
        game.recv_tag(3)


def test_the_rate_of_one_source(fresh_hub):
    hub = fresh_hub(udp_rate_per_s=10)
    with Game(hub).identify() as game, camera_at(hub, "127.0.0.1") as flood, \
            camera_at(hub, "127.0.0.2") as calm:
        for tag_id in range(500):
            flood.send_telemetry({"tag_id": tag_id})
        calm.report({"tag_id": 1000})
        seen = []
        while (tag := game.recv_event("apriltag_data")["tag_id"]) != 1000:
            seen.append(tag)
        assert seen[:10] == list(range(10))
        assert len(seen) < 50    # those of the first second, and what the flood's time brought
        acks = [flood.recv(2)["tag_id"] for _ in seen]
        assert acks == seen
        # The bucket fills again: after the flood a datagram is heard without a restart.
        for attempt in range(100):
            flood.send_telemetry({"tag_id": 2000 + attempt})
            try:
                assert flood.recv(0.1)["tag_id"] >= 2000
                break
            except AckFailed:
                continue
        else:
            pytest.fail("never heard again")


def test_switched_off(fresh_hub):
    hub = fresh_hub(udp_port=0)
    assert get_json(hub, "/readyz")["ready"] is True
    with Game(hub).identify() as game:
        assert post_tag(hub, {"tag_id": 1}).status == 200
        game.recv_tag(1)
    assert "udp_lease" not in hub.log_text()


def test_a_port_that_is_taken_is_named(fresh_hub):
    hub = fresh_hub(start=False)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((hub.host, hub.udp_port))
        process = hub.spawn("run")
        assert process.wait(10) != 0
    text = hub.log_text()
    assert f"port {hub.udp_port} (UDP) on 127.0.0.1" in text
    assert "udp_port" in text
    hub.discard()


def test_datagrams_to_a_closed_port_are_not_answered(fresh_hub):
    hub = fresh_hub(udp_port=0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((hub.host, hub.ws_port))
        client.send(b"{}")
        client.settimeout(5)
        with pytest.raises(OSError) as failure:
            client.recv(255)
        assert failure.value.errno == errno.ECONNREFUSED
    assert http(hub, "GET", "/healthz").status == 200
