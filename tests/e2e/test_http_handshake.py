"""The door to a WebSocket: what is let in, and how everything else is turned away."""

import pytest

from clients import ENDS, RawHttp, RawWs, encode_request, path_of
from wire import accept_for

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
RIGHT = {"Host": "192.0.2.5", "Upgrade": "websocket", "Connection": "Upgrade",
         "Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": "13"}

ends = pytest.mark.parametrize("end", ENDS)


def ask(hub, end, changes=(), method="GET", version="HTTP/1.1", query=""):
    """The reply to a handshake in which some lines are other ones, or missing (None)."""
    headers = {**RIGHT, **dict(changes)}
    request = encode_request(method, path_of(end) + query,
                             [pair for pair in headers.items() if pair[1] is not None])
    with RawHttp(hub, end) as connection:
        connection.send(request.replace(b"HTTP/1.1", version.encode(), 1))
        return connection.recv_reply(method)


@ends
@pytest.mark.parametrize("headers", ((), (("Upgrade", "h2c"), ("Connection", "Upgrade")),
                                     (("Connection", "Upgrade"),), (("Upgrade", "web"),)))
def test_a_request_without_upgrade(hub, end, headers):
    with RawHttp(hub, end) as connection:
        reply = connection.request("GET", path_of(end), headers)
        if end == "http":
            assert reply.status == 400
        else:
            assert reply.status == 426
            assert reply.get("Upgrade") == "websocket"


@ends
@pytest.mark.parametrize("changes", (
    {}, {"Host": "192.0.2.5:5000"}, {"Host": "hub.example"},
    {"Origin": "http://websockets.example/tiny"}, {"Origin": "null"}, {"Origin": "file://"},
    {"User-Agent": "TinyWebsockets Client"}, {"User-Agent": ""},
    {"Upgrade": "WebSocket"}, {"Upgrade": "h2c, websocket"},
    {"Connection": "keep-alive, Upgrade"}, {"Connection": "upgrade"},
    {"Authorization": "anything"}, {"Sec-WebSocket-Version": " 13 "},
))
def test_let_in(hub, end, changes):
    reply = ask(hub, end, changes)
    assert reply.status == 101, reply.head
    assert reply.head.startswith(b"HTTP/1.1 101")
    assert reply.get("Upgrade").lower() == "websocket"
    assert reply.get("Connection").lower() == "upgrade"
    assert reply.get("Sec-WebSocket-Accept") == accept_for(KEY)
    assert reply.get("Sec-WebSocket-Extensions") is None
    assert reply.get("Sec-WebSocket-Protocol") is None
    for line in reply.head.decode("latin-1").split("\r\n")[1:]:
        name, separator, value = line.partition(": ")
        assert name and separator and value, line


@ends
def test_an_offer_may_be_declined(hub, end):
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
    reply = ask(hub, end, offer)
    assert reply.status == 101
    assert "deflate" not in reply.get("Sec-WebSocket-Extensions", "")


@ends
@pytest.mark.parametrize("query", ("?", "?t=1", "?token=x&name=y"))
def test_a_query_is_ignored(hub, end, query):
    assert ask(hub, end, query=query).status == 101


@ends
@pytest.mark.parametrize("version", (None, "8", "12", "14", "0", "130", "13, 8", "x"))
def test_another_version(hub, end, version):
    reply = ask(hub, end, {"Sec-WebSocket-Version": version})
    assert reply.status == 426
    assert reply.get("Sec-WebSocket-Version") == "13"
    assert reply.get("Upgrade") == "websocket"


@ends
@pytest.mark.parametrize("key", (None, "x", KEY[:-2], KEY + "=", KEY[:-1] + "A", "A" * 24,
                                 "!" * 22 + "==", "A" * 100))
def test_a_bad_key(hub, end, key):
    assert ask(hub, end, {"Sec-WebSocket-Key": key}).status == 400


@ends
@pytest.mark.parametrize("method,status", (("POST", 405), ("PUT", 405), ("DELETE", 405),
                                           ("HEAD", 400)))
def test_another_method(hub, end, method, status):
    reply = ask(hub, end, method=method)
    assert reply.status == status
    if status == 405:
        assert "GET" in reply.get("Allow")


@ends
@pytest.mark.parametrize("connection", (None, "close", "keep-alive", "Upgrades"))
def test_without_connection_upgrade(hub, end, connection):
    assert ask(hub, end, {"Connection": connection}).status in (400, 426)


@ends
def test_an_old_http(hub, end):
    assert ask(hub, end, version="HTTP/1.0").status in (400, 426)


@ends
@pytest.mark.parametrize("path", ("/nothing", "/status", "/websocket/", "/apriltag"))
def test_no_websocket_elsewhere(hub, end, path):
    with RawHttp(hub, end) as connection:
        reply = connection.request("GET", path, RIGHT)
        assert reply.status != 101


@ends
def test_a_used_connection_may_be_upgraded(hub, end):
    with RawWs(hub, end, handshake=False) as socket:
        assert socket.http.request("GET", "/healthz").status == 200
        assert socket.http.request("GET", path_of(end)).status in (400, 426)
        socket.connect()
        socket.recv_welcome()
        socket.close()


@ends
def test_what_follows_the_handshake_in_one_packet_is_read(hub, end):
    with RawWs(hub, end, handshake=False) as socket:
        socket.send_bytes(socket.request_bytes() + socket.frame(1, b'{"event": "ping"}'))
        socket.recv_handshake()
        socket.recv_welcome()
        socket.recv_event("pong")


@ends
def test_a_handshake_in_single_bytes(hub, end):
    with RawWs(hub, end, handshake=False) as socket:
        request = socket.request_bytes()
        socket.send_pieces([request[at:at + 1] for at in range(len(request) - 1)])
        socket.send_bytes(request[-1:])
        socket.recv_handshake()
        socket.recv_welcome()
