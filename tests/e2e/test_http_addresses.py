"""Where the hub listens: IPv4, IPv6, both; ports that are off; ports that are taken."""

import re
import socket

import pytest

from clients import ENDS, TRANSPORTS, Game, camera_on, get_json, http
from endpoints import POLL_PATH, picture, post_photo, post_tag
from wire import tcp_connect


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


def refuses(host, port):
    try:
        tcp_connect(host, port).close()
    except ConnectionRefusedError:
        return True
    return False


def serve_everything(hub, address):
    """Every door works at hub.host, and a camera without a name gets its address as one."""
    with Game(hub, "http").identify() as one, Game(hub, "ws").identify() as two:
        one.drain()
        two.drain()
        for tag_id, transport in enumerate(TRANSPORTS):
            with camera_on(hub, transport) as camera:
                camera.report({"tag_id": tag_id})
            assert one.recv_tag(tag_id) == two.recv_tag(tag_id)
        assert one.latest("camera-" + address)[-1]["smartcam_ip"] == address    # by datagram
    assert post_photo(hub, picture()).status == 200
    assert http(hub, "GET", f"/photo?camera=camera-{address}").body == picture()
    assert get_json(hub, "/status")["server"] == "online"


@pytest.mark.parametrize("bind,other", (
    ("127.0.0.1", "127.0.0.3"), ("127.0.0.3", "127.0.0.1"),
    pytest.param("127.0.0.1", "::1", marks=needs_ipv6),
    pytest.param("::1", "127.0.0.1", marks=needs_ipv6)))
def test_one_address_and_no_other(fresh_hub, bind, other):
    hub = fresh_hub(bind=bind)
    serve_everything(hub, "::1" if bind == "::1" else "127.0.0.1")
    assert refuses(other, hub.http_port) and refuses(other, hub.ws_port)


@needs_ipv6
@pytest.mark.parametrize("bind", ("127.0.0.1, ::1", "::1 127.0.0.1", "0.0.0.0, ::", "::,0.0.0.0"))
def test_both_families(fresh_hub, bind):
    hub = fresh_hub(bind=bind)
    for address in ("127.0.0.1", "::1"):
        hub.host = address
        serve_everything(hub, address)


@needs_ipv6
def test_games_of_both_families_see_each_other_s_cameras(fresh_hub):
    hub = fresh_hub(bind="127.0.0.1, ::1")
    hub.host = "::1"
    with Game(hub).identify() as six:
        hub.host = "127.0.0.1"
        with Game(hub, "ws").identify() as four:
            for tag_id, host in enumerate(("::1", "127.0.0.1", "::1")):
                hub.host = host
                with camera_on(hub, "udp") as camera:
                    camera.report({"tag_id": tag_id})
                assert six.recv_tag(tag_id)["smartcam_ip"] == host
                assert four.recv_tag(tag_id)["smartcam_ip"] == host


@pytest.mark.parametrize("bind", ("0.0.0.0", "0.0.0.0, ::"))
def test_an_answer_comes_from_the_address_that_was_asked(fresh_hub, bind):
    """A machine has several addresses; a client that connected its socket takes one only."""
    hub = fresh_hub(bind=bind)
    for number in range(1, 5):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(2)
            client.connect((f"127.0.0.{number}", hub.udp_port))
            client.send(b'{"tag_id": 5}')
            assert b'"tag_id":5' in client.recv(255)


def test_without_the_websocket_port(fresh_hub):
    hub = fresh_hub(ws_port=0)
    with Game(hub).identify() as game:
        for tag_id, transport in enumerate(("ws:http", "http:http", "udp")):
            with camera_on(hub, transport) as camera:
                camera.report({"tag_id": tag_id})
            game.recv_tag(tag_id)


def test_without_the_http_port(fresh_hub):
    hub = fresh_hub(http_port=0)
    with Game(hub, "ws").identify() as game:
        for tag_id, transport in enumerate(("ws:ws", "http:ws", "udp")):
            with camera_on(hub, transport) as camera:
                camera.report({"tag_id": tag_id})
            game.recv_tag(tag_id)
    assert http(hub, "GET", "/readyz", end="ws").json()["ready"] is True


@pytest.mark.parametrize("bind,address", (("127.0.0.1, 192.0.2.99", "192.0.2.99"),
                                          ("127.0.0.1, 2001:db8::dead", "2001:db8::dead")))
def test_an_address_that_is_not_there_is_named(fresh_hub, bind, address):
    hub = fresh_hub(bind=bind, start=False)
    process = hub.spawn("run")
    assert process.wait(10) != 0
    assert re.search(rf"port {hub.http_port} \(TCP\) on {address}: Cannot assign", hub.log_text())
    hub.discard()


@pytest.mark.parametrize("end", ENDS)
def test_a_tcp_port_that_is_taken_is_named(fresh_hub, end):
    hub = fresh_hub(start=False)
    port = hub.http_port if end == "http" else hub.ws_port
    with socket.create_server((hub.host, port)):
        process = hub.spawn("run")
        assert process.wait(10) != 0
    assert f"port {port} (TCP) on 127.0.0.1" in hub.log_text()
    assert f"{end}_port" in hub.log_text()
    hub.discard()


def test_connections_without_a_request_cost_nobody_anything(hub):
    idle = [tcp_connect(hub.host, (hub.http_port, hub.ws_port)[i % 2]) for i in range(100)]
    assert post_tag(hub, {"tag_id": 1}).status == 200
    assert http(hub, "GET", POLL_PATH).json()["tag_id"] == 1
    for sock in idle:
        sock.close()


@pytest.mark.parametrize("end", ENDS)
def test_a_request_that_never_ends_is_cut(fresh_hub, end):
    hub = fresh_hub(http_request_deadline_ms=200)
    port = hub.http_port if end == "http" else hub.ws_port
    for begun in (b"", b"GET /heal", b"GET /healthz HTTP/1.1\r\nHost: hub\r\n",
                  b"POST /apriltag HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"):
        with tcp_connect(hub.host, port) as sock:
            sock.sendall(begun)
            while sock.recv(1000):    # until the hub closes; tcp_connect() set a time limit
                pass
