"""Bytes on sockets, with deadlines: shared by the simulated camera, the demo game and the tests.

Nothing here knows the hub. A deadline is an instant, not a pause: every wait ends as soon as the
awaited thing happens, and raises TimeoutError when it did not happen in time. All limits grow by
TAGHUB_TIME_FACTOR, so that one suite serves plain, sanitizer and valgrind builds.
"""

import base64
import hashlib
import os
import secrets
import socket
import struct
import time
from dataclasses import dataclass

TIME_FACTOR = float(os.environ.get("TAGHUB_TIME_FACTOR", "1"))

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


def seconds(limit_s):
    """A time limit as it applies on this build: limit_s times TAGHUB_TIME_FACTOR."""
    return limit_s * TIME_FACTOR


class Deadline:
    """The instant limit_s (scaled) from now."""

    def __init__(self, limit_s):
        self._limit_s = seconds(limit_s)
        self._end_mono_s = time.monotonic() + self._limit_s

    def left(self):
        """Seconds left, always above 0; raises TimeoutError when there are none."""
        left_s = self._end_mono_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError(f"nothing within {self._limit_s:g} s")
        return left_s


def wait_until(condition, limit_s, what):
    """Polls until condition() is true and returns its value. For state that sends no event, such
    as the process table; what belongs on a socket is awaited on the socket."""
    deadline, pause_s = Deadline(limit_s), 0.0002
    while True:
        value = condition()
        if value:
            return value
        try:
            time.sleep(min(pause_s, deadline.left()))
            pause_s = min(2 * pause_s, 0.01)
        except TimeoutError:
            raise TimeoutError(f"{what}: not within {seconds(limit_s):g} s") from None


def in_url(host):
    """An address as it stands in a URL or a Host header."""
    return f"[{host}]" if ":" in host else host


def tcp_connect(host, port, limit_s=5, rcvbuf_bytes=None):
    """A connected TCP socket with Nagle off, so that each send leaves at once. rcvbuf_bytes
    shrinks the receive window before connecting, for clients that play slow."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if rcvbuf_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf_bytes)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(seconds(limit_s))
        sock.connect((host, port))
    except BaseException:
        sock.close()
        raise
    return sock


def recv_some(sock, want_bytes, deadline):
    """One recv of at most want_bytes; b"" at end of file."""
    sock.settimeout(deadline.left())
    try:
        return sock.recv(want_bytes)
    except TimeoutError:
        deadline.left()    # raises with the limit in its text
        raise


def recv_exact(sock, want_bytes, deadline):
    """Exactly want_bytes; ConnectionError when the stream ends before."""
    parts = []
    missing = want_bytes
    while missing:
        part = recv_some(sock, min(missing, 1 << 20), deadline)
        if not part:
            raise ConnectionError(f"end of stream, {missing} of {want_bytes} bytes missing")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def recv_opening(sock, want_bytes, deadline):
    """The bytes that open a message, and a deadline for its rest. One that has begun to come is read to
    its end whatever the first deadline was: the next look must not begin in its middle."""
    opening = recv_some(sock, want_bytes, deadline)
    rest = Deadline(5)
    return opening + recv_exact(sock, want_bytes - len(opening), rest), rest


def recv_to_end(sock, deadline):
    """Everything until the peer closes; a reset counts as the end."""
    parts = []
    while True:
        try:
            part = recv_some(sock, 65536, deadline)
        except ConnectionResetError:
            part = b""
        if not part:
            return b"".join(parts)
        parts.append(part)


def new_key():
    """A Sec-WebSocket-Key: 16 random bytes in base64."""
    return base64.b64encode(secrets.token_bytes(16)).decode()


def accept_for(key):
    """The Sec-WebSocket-Accept that belongs to a key (RFC 6455, 4.2.2)."""
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    return base64.b64encode(digest).decode()


def mask_bytes(payload, key):
    """payload XOR the repeated 4-byte key, as one big number: quick also for megabytes."""
    if key == b"\0\0\0\0" or not payload:
        return payload
    size = len(payload)
    stream = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(size, "big")


def encode_frame(opcode, payload=b"", *, fin=True, rsv=0, mask=b"\0\0\0\0", length_form=None,
                 announce_bytes=None):
    """One WebSocket frame, also a wrong one.

    mask            4 bytes, or None for an unmasked frame
    rsv             0..7, the three reserved bits
    length_form     7, 16 or 64: size in bits of the length field; None takes the shortest
    announce_bytes  the length written into the header when it shall differ from the real one
    """
    length = len(payload) if announce_bytes is None else announce_bytes
    if length_form is None:
        length_form = 7 if length < 126 else 16 if length < 65536 else 64
    mask_bit = 0x80 if mask is not None else 0
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    if length_form == 7:
        head = struct.pack("!BB", first, mask_bit | length)
    elif length_form == 16:
        head = struct.pack("!BBH", first, mask_bit | 126, length)
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, length)
    if mask is None:
        return head + payload
    return head + mask + mask_bytes(payload, mask)


@dataclass
class Frame:
    """A frame as it came from the hub."""

    opcode: int
    payload: bytes
    fin: bool = True
    rsv: int = 0
    masked: bool = False


def recv_frame(sock, deadline):
    """One whole frame, if it begins in time; ConnectionError when the stream ends first."""
    (first, second), deadline = recv_opening(sock, 2, deadline)
    length = second & 0x7F
    if length == 126:
        (length,) = struct.unpack("!H", recv_exact(sock, 2, deadline))
    elif length == 127:
        (length,) = struct.unpack("!Q", recv_exact(sock, 8, deadline))
    key = recv_exact(sock, 4, deadline) if second & 0x80 else None
    payload = recv_exact(sock, length, deadline)
    if key is not None:
        payload = mask_bytes(payload, key)
    return Frame(first & 0x0F, payload, bool(first & 0x80), first >> 4 & 7, key is not None)


def close_payload(code, reason=""):
    """The payload of a close frame; code None makes an empty one."""
    return b"" if code is None else struct.pack("!H", code) + reason.encode()


def close_code(payload):
    """The code inside a close frame's payload; 1005 (none was sent) when it is empty."""
    return struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else 1005
