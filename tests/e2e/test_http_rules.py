"""Rules that hold for every HTTP endpoint: paths, methods, HEAD, query parameters, connections."""

import pytest

from clients import ENDS, RawHttp, http
from endpoints import ENDPOINTS, GETTERS, METHODS, POLL_PATH
from firmware import PHOTO_PATH

CHANGING = {"date", "x-frame-age"}
GROWING = {"/", "/status", "/cameras", "/tags", "/photos", "/connection_uptime", "/connection_history", "/metrics",
           POLL_PATH}    # numbers in there may gain a digit
UNKNOWN = (
    ("http", "/nothing"), ("http", "/status/"), ("http", "/photo/"), ("http", "/apriltag/"),
    ("http", "/websocket/"), ("http", "/set_video_interval/"), ("http", POLL_PATH + "/"),
    ("http", PHOTO_PATH + "/"), ("http", "/healthz/"), ("http", "/Status"), ("http", "//status"),
    ("http", "/./status"), ("http", "/status/x"), ("http", "/video/"), ("http", "/web/"), ("http", "/web/nothing.js"),
    ("http", "/web/../video"), ("http", "/metrics/"), ("ws", "/video"), ("ws", "/metrics"), ("http", "/status%20"), ("http", "/statu"),
    ("http", "/status;v=1"), ("http", "/status/?t=1"), ("http", "/%2e%2e/status"),
    ("ws", "/nothing"), ("ws", "/apriltag/"), ("ws", "//"), ("ws", "/status"), ("ws", "/photo"),
    ("ws", "/websocket"), ("ws", PHOTO_PATH), ("ws", "/set_video_interval"), ("ws", POLL_PATH),
)


def plain_headers(reply):
    return sorted((name.lower(), value) for name, value in reply.headers
                  if name.lower() not in CHANGING)


@pytest.mark.parametrize("end,path", UNKNOWN)
@pytest.mark.parametrize("method", ("GET", "HEAD", "POST", "OPTIONS", "DELETE"))
def test_an_unknown_path_is_not_found(hub, end, path, method):
    with RawHttp(hub, end) as connection:
        reply = connection.request(method, path, body=b"{}" if method == "POST" else None)
        assert reply.status == 404, reply.head
        assert connection.request("GET", "/healthz").status == 200    # and the connection lives on


@pytest.mark.parametrize("endpoint,method", [
    (endpoint, method) for endpoint in ENDPOINTS for method in METHODS + ("get", "BREW")
    if method not in endpoint.offered], ids=str)
def test_a_method_that_is_not_offered(hub, endpoint, method):
    with RawHttp(hub, endpoint.end) as connection:
        reply = connection.request(method, endpoint.path, body=b"" if method != "HEAD" else None)
        assert reply.status == 405, reply.head
        allowed = {word.strip() for word in reply.get("Allow").split(",")}
        assert allowed == endpoint.offered
        assert connection.request("GET", "/healthz").status == 200


@pytest.mark.parametrize("endpoint", GETTERS, ids=str)
def test_head_has_the_headers_of_get_and_no_body(hub, endpoint):
    with RawHttp(hub, endpoint.end) as connection:
        # On one connection: a body that came in spite of HEAD would be read as the next reply.
        head = connection.request("HEAD", endpoint.path)
        get = connection.request("GET", endpoint.path)
        again = connection.request("HEAD", endpoint.path)
        assert head.status == get.status == again.status
        if endpoint.path in GROWING and endpoint.end == "http":
            head, get, again = (without(reply, "Content-Length") for reply in (head, get, again))
        assert plain_headers(head) == plain_headers(get) == plain_headers(again)
        assert connection.request("GET", "/healthz").json() == {"status": "ok"}


def without(reply, name):
    reply.headers = [pair for pair in reply.headers if pair[0].lower() != name.lower()]
    return reply


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
@pytest.mark.parametrize("query", ("?t=1750000000123", "?", "?a=b&c&=&%zz", "?x=/y?z"))
def test_unknown_query_parameters_are_ignored(hub, endpoint, query):
    body = b"{}" if endpoint.method == "POST" else None
    plain = http(hub, endpoint.method, endpoint.path, body=body, end=endpoint.end)
    asked = http(hub, endpoint.method, endpoint.path + query, body=body, end=endpoint.end)
    assert asked.status == plain.status
    assert asked.get("Content-Type") == plain.get("Content-Type")


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
@pytest.mark.parametrize("method", METHODS + ("OPTIONS",))
def test_every_header_line_is_one_that_a_camera_can_read(hub, endpoint, method):
    reply = http(hub, method, endpoint.path, end=endpoint.end)
    for line in reply.head.decode("latin-1").split("\r\n")[1:]:
        name, separator, value = line.partition(": ")
        assert name and separator and value.strip(), line


@pytest.mark.parametrize("end", ENDS)
def test_requests_of_a_connection_are_answered_in_their_order(hub, end):
    with RawHttp(hub, end) as connection:
        for part in (b"GET /healthz?", b"GET /readyz?", b"GET /nothing?", b"HEAD /healthz?"):
            connection.send(part + b"x=1 HTTP/1.1\r\nHost: hub\r\n\r\n")
        connection.send(b"GET /readyz HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n")
        assert connection.recv_reply().json() == {"status": "ok"}
        assert connection.recv_reply().json()["ready"] is True
        assert connection.recv_reply().status == 404
        assert connection.recv_reply("HEAD").status == 200
        assert connection.recv_reply().json()["ready"] is True
        assert connection.recv_rest() == b""


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("line,lives_on", (
    ("HTTP/1.0\r\n", False),
    ("HTTP/1.0\r\nConnection: keep-alive\r\n", True),
    ("HTTP/1.1\r\nHost: hub\r\n", True),
    ("HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n", False),
    ("HTTP/1.1\r\n", True),
    ("HTTP/1.1\r\nHost: \r\n", True),
    ("HTTP/1.1\r\nHost: 192.0.2.5\r\nOrigin: null\r\nUser-Agent: x\r\n", True),
))
def test_versions_and_hosts(hub, end, line, lives_on):
    with RawHttp(hub, end) as connection:
        connection.send(f"GET /healthz {line}\r\n".encode())
        assert connection.recv_reply().json() == {"status": "ok"}
        if lives_on:
            assert connection.request("GET", "/healthz").status == 200
        else:
            assert connection.recv_rest() == b""


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("request_bytes", (
    b"GET /healthz\r\n\r\n", b"\0\0\0\0\r\n\r\n", b"GET /healthz HTTP/9.9\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nno colon\r\n\r\n", b"{\"event\": \"ping\"}\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
))
def test_what_is_no_request_ends_only_its_connection(hub, end, request_bytes):
    with RawHttp(hub, end) as healthy, RawHttp(hub, end) as broken:
        assert healthy.request("GET", "/healthz").status == 200
        broken.send(request_bytes)
        answer = broken.recv_rest()
        assert answer == b"" or answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 505 ")), answer
        assert healthy.request("GET", "/healthz").status == 200


@pytest.mark.parametrize("end", ENDS)
def test_a_request_may_come_byte_by_byte(hub, end):
    with RawHttp(hub, end) as connection:
        request = b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n"
        connection.send_pieces([request[at:at + 1] for at in range(len(request) - 1)])
        connection.send(request[-1:])
        assert connection.recv_reply().json() == {"status": "ok"}
