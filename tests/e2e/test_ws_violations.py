"""Every way to break the framing, and the close code that it earns."""

import pytest

from clients import ENDS, single_bytes
from speakers import Speaker
from wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_payload

pytestmark = pytest.mark.parametrize("end", ENDS)

# name, close code, frames as (opcode, payload, how)
VIOLATIONS = [
    ("unmasked text", 1002, [(TEXT, b"{}", {"mask": None})]),
    ("unmasked ping", 1002, [(PING, b"", {"mask": None})]),
    ("unmasked close", 1002, [(CLOSE, close_payload(1000), {"mask": None})]),
    ("unmasked continuation", 1002,
     [(TEXT, b"{", {"fin": False}), (CONTINUATION, b"}", {"mask": None})]),
    ("reserved bit 1", 1002, [(TEXT, b"{}", {"rsv": 4})]),
    ("reserved bit 2", 1002, [(TEXT, b"{}", {"rsv": 2})]),
    ("reserved bit 3", 1002, [(BINARY, b"", {"rsv": 1})]),
    ("reserved bit on a ping", 1002, [(PING, b"", {"rsv": 4})]),
    *((f"opcode {opcode}", 1002, [(opcode, b"", {})]) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14,
                                                                     15)),
    ("stray continuation", 1002, [(CONTINUATION, b"{}", {})]),
    ("stray continuation that goes on", 1002, [(CONTINUATION, b"{}", {"fin": False})]),
    ("continuation after the end", 1002,
     [(TEXT, b'{"event": "video_frame"}', {}), (CONTINUATION, b"", {})]),
    ("text inside a message", 1002, [(TEXT, b"{", {"fin": False}), (TEXT, b"}", {})]),
    ("binary inside a message", 1002, [(TEXT, b"{", {"fin": False}), (BINARY, b"}", {})]),
    ("fragmented ping", 1002, [(PING, b"", {"fin": False})]),
    ("fragmented close", 1002, [(CLOSE, close_payload(1000), {"fin": False})]),
    ("ping of 126 bytes", 1002, [(PING, b"x" * 126, {})]),
    ("pong of 126 bytes", 1002, [(PONG, b"x" * 126, {})]),
    ("ping whose length has 64 bits", 1002, [(PING, b"", {"length_form": 64})]),
    ("close of 126 bytes", 1002, [(CLOSE, close_payload(1000, "x" * 124), {})]),
    ("close with half a code", 1002, [(CLOSE, b"\x03", {})]),
    *((f"close code {code}", 1002, [(CLOSE, close_payload(code), {})])
      for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)),
    ("close reason is no UTF-8", 1007, [(CLOSE, close_payload(1000) + b"\xff", {})]),
    ("length in 64 bits with the highest bit", 1002,
     [(BINARY, b"", {"length_form": 64, "announce_bytes": 1 << 63})]),
    ("text with a stray byte", 1007, [(TEXT, b'{"event": "\xff"}', {})]),
    ("overlong slash", 1007, [(TEXT, b'{"event": "\xc0\xaf"}', {})]),
    ("half a surrogate pair", 1007, [(TEXT, b'{"event": "\xed\xa0\x80"}', {})]),
    ("beyond U+10FFFF", 1007, [(TEXT, b'{"event": "\xf4\x90\x80\x80"}', {})]),
    ("text ends inside a character", 1007, [(TEXT, b'{"event": "\xe2\x82', {})]),
    ("fragments end inside a character", 1007,
     [(TEXT, b'"\xe2\x82', {"fin": False}), (CONTINUATION, b"", {})]),
    ("bad byte behind a cut character", 1007,
     [(TEXT, b'"\xe2', {"fin": False}), (CONTINUATION, b'"', {"fin": False})]),
]


@pytest.mark.parametrize("code,frames", [case[1:] for case in VIOLATIONS],
                         ids=[case[0] for case in VIOLATIONS])
def test_violation_closes_with_its_code(hub, end, code, frames):
    with Speaker(hub, end) as ws:
        ws.send_bytes(b"".join(ws.frame(opcode, payload, **how) for opcode, payload, how in frames))
        ws.expect_close(code)


@pytest.mark.parametrize("code,frames", [VIOLATIONS[0][1:], VIOLATIONS[-3][1:]],
                         ids=["unmasked", "not UTF-8"])
def test_violation_byte_by_byte(hub, end, code, frames):
    with Speaker(hub, end) as ws:
        blob = b"".join(ws.frame(opcode, payload, **how) for opcode, payload, how in frames)
        ws.send_pieces(single_bytes(blob)[:2])    # enough to know the one, not yet the other
        if code != 1002:
            ws.send_bytes(blob[2:])
        ws.expect_close(code)


def test_bad_text_is_noticed_before_its_end(hub, end):
    with Speaker(hub, end) as ws:
        ws.send_frame(TEXT, b"\xff", announce_bytes=1000)
        ws.expect_close(1007)


def test_utf8_of_every_length_is_fine(hub, end):
    with Speaker(hub, end) as ws:
        assert ws.ask('{"event": "ping", "x": "\x7fß€😀\U0010ffff\ufeff\ufffe\ue000\ud7ff"}')["event"] == "pong"


def test_replies_before_a_violation_are_delivered(hub, end):
    with Speaker(hub, end) as ws:
        assert ws.ask({"event": "ping"})["event"] == "pong"
        ws.send_bytes(ws.frame(PING, b"last words") + ws.frame(TEXT, b"{}", mask=None))
        assert ws.recv_frame().payload == b"last words"
        ws.expect_close(1002)


def test_refused_connection_harms_no_other(hub, end):
    with Speaker(hub, end).identify() as game, Speaker(hub, end) as bad, \
            Speaker(hub, end).identify_camera() as camera:
        game.drain()
        bad.send_frame(TEXT, b"{}", mask=None)
        bad.expect_close(1002)
        camera.report({"tag_id": 5, "camera_name": "unharmed"})
        game.recv_tag(5)
