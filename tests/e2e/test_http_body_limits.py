"""Bodies over the limit: refused with 413 by what the head announces, before anything arrives."""

import json

import pytest

from clients import RawHttp, encode_request, http
from endpoints import (ENDPOINTS, PHOTO_LIMIT_BYTES, POSTERS, TEXT_LIMIT_BYTES, picture, post_photo,
                       post_tag)
from firmware import PHOTO_PATH
from photo import pad_jpeg

posters = pytest.mark.parametrize("endpoint", POSTERS, ids=str)


def announce(connection, hub, endpoint, size):
    """Sends the head of a request whose body would have that size, and nothing of the body."""
    connection.send(encode_request("POST", endpoint.path, [
        ("Authorization", hub.token), ("Content-Type", "application/json"),
        ("Content-Length", str(size))]))


@posters
@pytest.mark.parametrize("excess", (1, 1000, 1 << 24, 1 << 62))
def test_judged_by_the_head_alone(hub, endpoint, excess):
    with RawHttp(hub, endpoint.end) as connection:
        announce(connection, hub, endpoint, endpoint.body_limit_bytes + excess)
        assert connection.recv_reply().status == 413
        assert connection.recv_rest() == b""    # what might follow is no request


@posters
def test_judged_by_the_head_on_a_used_connection(hub, endpoint):
    with RawHttp(hub, endpoint.end) as connection:
        for _ in range(3):
            assert connection.request("GET", "/healthz").status == 200
            assert connection.request("POST", endpoint.path, body=b"x").status in (400, 401, 415)
        announce(connection, hub, endpoint, endpoint.body_limit_bytes + 1)
        assert connection.recv_reply().status == 413


@posters
def test_judged_by_the_head_in_pieces(hub, endpoint):
    with RawHttp(hub, endpoint.end) as connection:
        head = encode_request("POST", endpoint.path + "?t=1", [
            ("Content-Length", str(endpoint.body_limit_bytes + 1))])
        connection.send_pieces([head[:3], head[3:9], head[9:30], head[30:-1]])
        connection.send(head[-1:])
        assert connection.recv_reply().status == 413


@posters
def test_a_body_at_the_limit_is_read(hub, endpoint):
    reply = http(hub, "POST", endpoint.path, [("Authorization", hub.token),
                                              ("Content-Type", "application/json")],
                 b"x" * endpoint.body_limit_bytes, end=endpoint.end)
    assert reply.status == 400    # neither JSON nor JPEG, but read


@posters
@pytest.mark.parametrize("piece_bytes", (1000, 16384, 1 << 20))
def test_a_chunked_body_over_the_limit(hub, endpoint, piece_bytes):
    with RawHttp(hub, endpoint.end) as connection:
        connection.send(encode_request("POST", endpoint.path, [
            ("Authorization", hub.token), ("Content-Type", "application/json"),
            ("Transfer-Encoding", "chunked")]))
        piece = f"{piece_bytes:x}\r\n".encode() + b"x" * piece_bytes + b"\r\n"
        for _ in range(endpoint.body_limit_bytes // piece_bytes + 1):
            connection.send(piece)
        assert connection.recv_reply().status == 413    # the end of the body was never sent


@posters
def test_a_chunked_body_within_the_limit(hub, endpoint):
    with RawHttp(hub, endpoint.end) as connection:
        body = b"".join(b"%x\r\n%s\r\n" % (size, b"x" * size) for size in (1, 10, 300, 4000))
        for _ in range(2):
            connection.send(encode_request("POST", endpoint.path, [
                ("Authorization", hub.token), ("Content-Type", "application/json"),
                ("Transfer-Encoding", "chunked")]) + body + b"0\r\n\r\n")
            assert connection.recv_reply().status == 400


@posters
def test_a_client_that_sends_all_before_it_reads_gets_the_reason(hub, endpoint):
    body = b"x" * (endpoint.body_limit_bytes + 5_000_000)
    for _ in range(5):
        with RawHttp(hub, endpoint.end) as connection:
            connection.sock.settimeout(10)
            connection.send(encode_request("POST", endpoint.path, body=body))
            assert connection.recv_reply().status == 413


@posters
def test_a_client_that_waits_for_permission_gets_none(hub, endpoint):
    with RawHttp(hub, endpoint.end) as connection:
        connection.send(encode_request("POST", endpoint.path, [
            ("Expect", "100-continue"), ("Content-Length", str(endpoint.body_limit_bytes + 1))]))
        assert connection.recv_reply().status == 413
        assert connection.interim == []


@posters
def test_a_client_that_waits_for_permission_gets_it(hub, endpoint):
    with RawHttp(hub, endpoint.end) as connection:
        connection.send(encode_request("POST", endpoint.path, [
            ("Expect", "100-continue"), ("Content-Length", "5"), ("Authorization", hub.token),
            ("Content-Type", "application/json")]))
        connection.send(b"{bad}")
        assert connection.recv_reply().status == 400
        assert [each.status for each in connection.interim] == [100]


def test_a_refused_body_disturbs_nobody(hub):
    with RawHttp(hub) as other:
        for endpoint in POSTERS:
            with RawHttp(hub, endpoint.end) as connection:
                announce(connection, hub, endpoint, 1 << 40)
                assert connection.recv_reply().status == 413
            assert other.request("GET", "/healthz").status == 200
    assert post_tag(hub, {"tag_id": 5, "camera_name": "limits"}).status == 200


@pytest.mark.parametrize("end", ("http", "ws"))
def test_telemetry_of_exactly_the_limit(hub, end):
    record = {"tag_id": 6, "camera_name": "limits", "filler": ""}
    record["filler"] = "x" * (TEXT_LIMIT_BYTES - len(json.dumps(record)))
    assert post_tag(hub, record, end).status == 200
    record["filler"] += "x"
    assert post_tag(hub, record, end).status == 413


def test_a_picture_of_exactly_the_limit(hub):
    jpeg = pad_jpeg(picture(), PHOTO_LIMIT_BYTES)
    assert post_photo(hub, jpeg, "limits", limit_s=20).json() == {
        "status": "success", "size": PHOTO_LIMIT_BYTES}
    assert http(hub, "GET", "/photo?camera=limits", limit_s=20).body == jpeg
    assert post_photo(hub, pad_jpeg(picture(), PHOTO_LIMIT_BYTES + 1), "limits",
                      limit_s=20).status == 413


def test_the_limits_are_settings(fresh_hub):
    hub = fresh_hub(text_max_bytes=1000, photo_max_bytes=70000)
    for endpoint in POSTERS:
        limit = 70000 if endpoint.path == PHOTO_PATH else 1000
        with RawHttp(hub, endpoint.end) as connection:
            announce(connection, hub, endpoint, limit + 1)
            assert connection.recv_reply().status == 413
        with RawHttp(hub, endpoint.end) as connection:
            announce(connection, hub, endpoint, limit)
            connection.send(b"x" * limit)
            assert connection.recv_reply().status == 400


@pytest.mark.parametrize("endpoint", [each for each in ENDPOINTS if each.method == "GET"], ids=str)
def test_a_get_may_bring_a_body(hub, endpoint):
    with RawHttp(hub, endpoint.end) as connection:
        bare = connection.request("GET", endpoint.path)
        assert connection.request("GET", endpoint.path, body=b"x" * 1000).status == bare.status
        assert connection.request("GET", "/healthz").status == 200
