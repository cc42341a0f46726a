"""The WebSocket handshake: what strict cameras need, and requests that must not be refused."""

import re

import pytest

from clients import ENDS, WELCOME, RawHttp, RawWs, encode_request, http, path_of, port_of
from firmware import DEVICE, WsCamera
from wire import TEXT, new_key

pytestmark = pytest.mark.parametrize("end", ENDS)

UPGRADE = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13")]


def test_reply_suits_a_strict_camera(hub, end):
    with RawWs(hub, end) as ws:
        status, *lines = ws.reply.head.decode("latin-1").split("\r\n")
        assert status.startswith("HTTP/1.1 101")
        for line in lines:
            assert re.fullmatch(r"[A-Za-z0-9-]+: \S.*", line), line
        fields = {name.lower(): value for name, value in ws.reply.headers}
        assert len(fields) == len(ws.reply.headers), "a header came twice"
        assert fields["upgrade"].lower() == "websocket"
        assert fields["connection"].lower() == "upgrade"
        assert "sec-websocket-extensions" not in fields
        assert "sec-websocket-protocol" not in fields
        assert "content-length" not in fields and "transfer-encoding" not in fields


def test_reply_stays_strict_when_the_request_is_rich(hub, end):
    # Browsers ask to keep the connection alive, and their Origin makes other replies grow headers.
    headers = [("Connection", "keep-alive, Upgrade"), ("Origin", "http://game.example"),
               ("Accept-Encoding", "gzip"), ("Cookie", "a=b")]
    with RawWs(hub, end, headers=headers) as ws:
        for line in ws.reply.head.decode("latin-1").split("\r\n")[1:]:
            assert re.fullmatch(r"[A-Za-z0-9-]+: \S.*", line), line
        assert ws.reply.get("Connection").lower() == "upgrade"
        assert ws.reply.get("Upgrade").lower() == "websocket"


ODD_REQUESTS = [
    ("a camera", [("Host", "192.0.2.5"), ("Origin", "http://websockets.example/tiny"),
                  ("User-Agent", "TinyWebsockets Client")]),
    ("host of another port", [("Host", "127.0.0.1:9")]),
    ("host is a foreign name", [("Host", "somewhere.example")]),
    ("host is empty", [("Host", "")]),
    ("origin null", [("Origin", "null")]),
    ("origin is no URL", [("Origin", "gdevelop")]),
    ("no user agent, no origin", []),
    ("empty user agent", [("User-Agent", "")]),
    ("upgrade in upper case", [("Upgrade", "WEBSOCKET")]),
    ("connection in lower case", [("Connection", "upgrade")]),
    ("connection is a list", [("Connection", "keep-alive,upgrade")]),
    ("compression offered",
     [("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")]),
    ("unknown extensions offered", [("Sec-WebSocket-Extensions", "x-one, x-two; a=1")]),
    ("subprotocols offered", [("Sec-WebSocket-Protocol", "arduino, chat")]),
    ("a body of nothing", [("Content-Length", "0")]),
]


@pytest.mark.parametrize("headers", [case[1] for case in ODD_REQUESTS],
                         ids=[case[0] for case in ODD_REQUESTS])
def test_odd_request_is_welcome(hub, end, headers):
    with RawWs(hub, end, headers=headers) as ws:
        assert ws.reply.get("Sec-WebSocket-Extensions") is None
        assert ws.reply.get("Sec-WebSocket-Protocol") is None
        ws.recv_welcome()


def test_query_parameters_are_ignored(hub, end):
    with RawWs(hub, end, path=path_of(end) + "?client=racer&t=1") as ws:
        ws.recv_welcome()


def test_simulated_camera_is_pleased(hub, end):
    with WsCamera(hub.host, port_of(hub, end), hub.token, path=path_of(end)).connect() as camera:
        assert camera.identify()["client_type"] == "esp32"
        assert camera.welcome == WELCOME and camera.device == DEVICE


def test_welcome_comes_unasked_and_alone(hub, end):
    with RawWs(hub, end) as ws:
        assert ws.recv_json() == WELCOME
        ws.expect_silence()


def test_client_may_speak_before_the_welcome(hub, end):
    with RawWs(hub, end, handshake=False) as ws:
        ws.send_bytes(ws.request_bytes() + ws.frame(TEXT, b'{"event": "ping"}'))
        ws.recv_handshake()
        ws.recv_welcome()
        assert ws.recv_json()["event"] == "pong"


def test_whole_conversation_in_the_packet_of_the_handshake(hub, end):
    identify = b'{"event": "identify", "data": {"type": "esp32", "auth_token": "%s"}}' % hub.token.encode()
    sighting = b'{"event": "apriltag_data", "tag_id": 3, "camera_name": "hasty"}'
    with RawWs(hub, end, handshake=False) as ws:
        ws.send_bytes(ws.request_bytes() + ws.frame(TEXT, identify) + ws.frame(TEXT, sighting))
        ws.recv_handshake()
        events = [ws.recv_json()["event"] for _ in range(3)]
        assert events == ["connection_success", "identify_success", "apriltag_ack"]


def test_frame_is_cut_by_the_packet_of_the_handshake(hub, end):
    with RawWs(hub, end, handshake=False) as ws:
        frame = ws.frame(TEXT, b'{"event": "ping"}')
        ws.send_pieces([ws.request_bytes() + frame[:3], frame[3:]])
        ws.recv_handshake()
        ws.recv_welcome()
        assert ws.recv_json()["event"] == "pong"


def test_handshake_in_pieces(hub, end):
    with RawWs(hub, end, handshake=False) as ws:
        request = ws.request_bytes()
        ws.send_pieces([request[at:at + 11] for at in range(0, len(request), 11)])
        ws.recv_handshake()
        ws.recv_welcome()


def test_request_without_upgrade(hub, end):
    reply = http(hub, "GET", path_of(end), end=end)
    assert reply.status == (426 if end == "ws" else 400)
    if end == "ws":
        assert reply.get("Upgrade") == "websocket"


BAD_HANDSHAKES = [
    ("no key", 400, UPGRADE),
    ("key of the wrong length", 400, [*UPGRADE, ("Sec-WebSocket-Key", "c2hvcnQ=")]),
    ("no version", 426, [*UPGRADE[:2], ("Sec-WebSocket-Key", new_key())]),
    ("version 8", 426,
     [*UPGRADE[:2], ("Sec-WebSocket-Version", "8"), ("Sec-WebSocket-Key", new_key())]),
]


@pytest.mark.parametrize("status,headers", [case[1:] for case in BAD_HANDSHAKES],
                         ids=[case[0] for case in BAD_HANDSHAKES])
def test_bad_handshake_is_refused(hub, end, status, headers):
    reply = http(hub, "GET", path_of(end), headers, end=end)
    assert reply.status == status
    if status == 426:
        assert reply.get("Sec-WebSocket-Version") == "13"


def test_upgrade_that_connection_does_not_name_is_none(hub, end):
    headers = [("Connection", "keep-alive"), UPGRADE[0], UPGRADE[2],
               ("Sec-WebSocket-Key", new_key())]
    assert http(hub, "GET", path_of(end), headers, end=end).status == (426 if end == "ws" else 400)


def test_websocket_is_only_where_the_contract_says(hub, end):
    path = "/websocket" if end == "ws" else "/nowhere"
    with RawHttp(hub, end) as connection:
        connection.send(encode_request("GET", path, [*UPGRADE, ("Sec-WebSocket-Key", new_key())]))
        assert connection.recv_reply().status == 404


def test_websocket_follows_other_requests_on_one_connection(hub, end):
    with RawWs(hub, end, handshake=False) as ws:
        assert ws.http.request("GET", "/healthz").status == 200
        ws.connect()
        ws.recv_welcome()
