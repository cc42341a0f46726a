"""Clients for tests: raw HTTP and WebSocket with every byte under control, and a game.

All of them block, with a deadline on every wait. Where a client takes a hub, `end` says which TCP
port: "http" (5000 by default, WebSocket at /websocket) or "ws" (5100, WebSocket at /).
"""

import json
import re
import secrets
from dataclasses import dataclass, field

from firmware import HttpCamera, UdpCamera, WsCamera
from kernel import peer_has_read
from wire import (BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Deadline, accept_for, close_code,
                  close_payload, encode_frame, in_url, new_key, recv_frame, recv_some, recv_to_end,
                  tcp_connect, wait_until)

ENDS = ("http", "ws")
TRANSPORTS = ("ws:http", "ws:ws", "http:http", "http:ws", "udp")
WELCOME = {"event": "connection_success",
           "message": "WebSocket connected - send identify event"}


def port_of(hub, end):
    """The hub's TCP port of an end; a number is its own answer."""
    return {"http": hub.http_port, "ws": hub.ws_port}.get(end, end)


def path_of(end):
    """The path of the WebSocket at an end."""
    return "/" if end == "ws" else "/websocket"


def send_pieces(sock, pieces):
    """Sends pieces so that the peer meets each alone: the next one leaves when the peer has read
    the one before. Only over IPv4 or IPv6 loopback, for peers that do read."""
    for piece in pieces:
        sock.sendall(piece)
        wait_until(lambda: peer_has_read(sock), 5, f"the peer reads a piece of {len(piece)} bytes")


def single_bytes(blob):
    """blob as pieces of one byte, for send_pieces."""
    return [blob[at:at + 1] for at in range(len(blob))]


# HTTP


@dataclass
class HttpReply:
    """A reply with its header lines in the order and the letter case in which they came."""

    status: int
    reason: str
    headers: list = field(default_factory=list)    # [(name, value)]
    body: bytes = b""
    head: bytes = b""    # status line and headers as they came

    def all(self, name):
        """Every value of a header, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name, default=None):
        """The value of a header that may come once at most."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else default

    def json(self):
        """The body as strict JSON; fails unless Content-Type is application/json exactly."""
        assert self.get("Content-Type") == "application/json", self.headers
        return strict_json(self.body)


def strict_json(text):
    """Parses JSON, refusing NaN and Infinity, which Python would take."""
    def refuse(word):
        raise ValueError(f"{word} is not JSON")
    if isinstance(text, bytes):
        text = text.decode("utf-8", "strict")
    return json.loads(text, parse_constant=refuse)


def encode_request(method, target, headers=(), body=None, host="127.0.0.1"):
    """An HTTP/1.1 request. headers is a list of pairs or a dict. Host is added when missing, and
    Content-Length when there is a body and neither it nor Transfer-Encoding was given."""
    pairs = list(headers.items() if isinstance(headers, dict) else headers)
    names = {name.lower() for name, _ in pairs}
    if "host" not in names:
        pairs.insert(0, ("Host", host))
    if body is not None and not names & {"content-length", "transfer-encoding"}:
        pairs.append(("Content-Length", str(len(body))))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in pairs)]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


class RawHttp:
    """One HTTP connection: send what you like, read replies one by one.

        with RawHttp(hub) as http:
            http.send(b"GET /status HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
            reply = http.recv_reply()
    """

    def __init__(self, hub, end="http", **socket_options):
        self.sock = tcp_connect(hub.host, port_of(hub, end), **socket_options)
        self.buffer = b""
        self.interim = []    # 1xx replies met on the way

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, blob):
        """Sends bytes as one write."""
        self.sock.sendall(blob)

    def send_pieces(self, pieces):
        """Sends pieces of which the hub reads each alone."""
        send_pieces(self.sock, pieces)

    def request(self, method, target, headers=(), body=None, limit_s=5):
        """Sends one request and reads its reply; the connection may be used again."""
        self.send(encode_request(method, target, headers, body))
        return self.recv_reply(method, limit_s)

    def recv_reply(self, method="GET", limit_s=5):
        """The next final reply; interim ones are put into self.interim."""
        deadline = Deadline(limit_s)
        while True:
            reply = self._recv_head(deadline)
            if reply.status == 101 or reply.status >= 200:
                break
            self.interim.append(reply)
        if method != "HEAD" and reply.status not in (101, 204, 304):
            reply.body = self._recv_body(reply, deadline)
        return reply

    def recv_rest(self, limit_s=5):
        """Everything until the hub closes the connection."""
        rest, self.buffer = self.buffer, b""
        return rest + recv_to_end(self.sock, Deadline(limit_s))

    def _fill(self, deadline):
        part = recv_some(self.sock, 65536, deadline)
        if not part:
            raise ConnectionError(f"end of stream inside a reply, after {self.buffer!r}")
        self.buffer += part

    def _take_to(self, mark, deadline):
        while mark not in self.buffer:
            self._fill(deadline)
        taken, _, self.buffer = self.buffer.partition(mark)
        return taken

    def _take(self, size, deadline):
        while len(self.buffer) < size:
            self._fill(deadline)
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def _recv_head(self, deadline):
        head = self._take_to(b"\r\n\r\n", deadline)
        first, *lines = head.decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.1 (\d{3})(?: (.*))?", first)
        assert match, f"not a status line: {first!r}"
        headers = []
        for line in lines:
            name, colon, value = line.partition(":")
            assert colon and name and name == name.strip(), f"not a header line: {line!r}"
            headers.append((name, value.strip()))
        return HttpReply(int(match[1]), match[2] or "", headers, head=head)

    def _recv_body(self, reply, deadline):
        if (reply.get("Transfer-Encoding") or "").lower() == "chunked":
            body = b""
            while True:
                size = int(self._take_to(b"\r\n", deadline).split(b";")[0], 16)
                if size == 0:
                    self._take_to(b"\r\n", deadline)
                    return body
                body += self._take(size, deadline)
                assert self._take(2, deadline) == b"\r\n"
        length = reply.get("Content-Length")
        if length is not None:
            return self._take(int(length), deadline)
        body, self.buffer = self.buffer, b""
        return body + recv_to_end(self.sock, deadline)


def http(hub, method, target, headers=(), body=None, *, end="http", json_body=None, limit_s=5):
    """One request on a connection of its own. json_body becomes the body, with its Content-Type
    unless the headers have one."""
    pairs = list(headers.items() if isinstance(headers, dict) else headers)
    if json_body is not None:
        body = json.dumps(json_body).encode()
        if not any(name.lower() == "content-type" for name, _ in pairs):
            pairs.append(("Content-Type", "application/json"))
    with RawHttp(hub, end) as connection:
        return connection.request(method, target, pairs, body, limit_s)


def get_json(hub, target, **options):
    """GET, 200 expected, as JSON."""
    reply = http(hub, "GET", target, **options)
    assert reply.status == 200, (reply.status, reply.body)
    return reply.json()


# WebSocket


class Closed(Exception):
    """The hub ended the WebSocket: code is that of its close frame, 1006 without one."""

    def __init__(self, code, reason=""):
        super().__init__(f"WebSocket closed, code {code} {reason!r}")
        self.code, self.reason = code, reason


class RawWs:
    """A WebSocket of which every bit is yours.

    headers     list of pairs: more header lines for the handshake; one with the name of a usual
                line replaces it, with value None removes it
    mask        default masking key: 4 bytes, None for none, "random" for a new one per frame
    auto_pong   answer control pings while receiving
    handshake   False leaves connect() to you; `reply` holds the handshake's HttpReply after it
    """

    def __init__(self, hub, end="http", *, path=None, headers=(), mask="random", auto_pong=True,
                 handshake=True, rcvbuf_bytes=None):
        self.hub = hub
        self.path = path or path_of(end)
        self.mask, self.auto_pong = mask, auto_pong
        self.http = RawHttp(hub, end, rcvbuf_bytes=rcvbuf_bytes)
        self.sock = self.http.sock
        self.key = new_key()
        self.reply = None
        self.pings = []    # payloads of the control pings received
        if handshake:
            try:
                self.connect(headers)
            except BaseException:
                self.abort()
                raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.abort()

    def request_bytes(self, headers=()):
        """The handshake request, for sending it in pieces."""
        usual = [("Host", in_url(self.hub.host)), ("Upgrade", "websocket"),
                 ("Connection", "Upgrade"), ("Sec-WebSocket-Key", self.key),
                 ("Sec-WebSocket-Version", "13")]
        given = {name.lower() for name, _ in headers}
        pairs = [pair for pair in usual if pair[0].lower() not in given]
        pairs += [(name, value) for name, value in headers if value is not None]
        return encode_request("GET", self.path, pairs)

    def connect(self, headers=()):
        """The handshake; fails unless it succeeds."""
        self.http.send(self.request_bytes(headers))
        self.recv_handshake()

    def recv_handshake(self, limit_s=5):
        """Reads the reply to the handshake and checks it."""
        reply = self.reply = self.http.recv_reply(limit_s=limit_s)
        assert reply.status == 101, (reply.status, reply.body)
        assert reply.get("Upgrade").lower() == "websocket", reply.headers
        assert reply.get("Connection").lower() == "upgrade", reply.headers
        assert reply.get("Sec-WebSocket-Accept") == accept_for(self.key), reply.headers

    # Out

    def send_bytes(self, blob):
        """Sends raw bytes as one write."""
        self.sock.sendall(blob)

    def send_pieces(self, pieces):
        """Sends pieces of which the hub reads each alone."""
        send_pieces(self.sock, pieces)

    def frame(self, opcode, payload=b"", **how):
        """The bytes of a frame with this client's mask; `how` as in wire.encode_frame."""
        mask = how.pop("mask", self.mask)
        if mask == "random":
            mask = secrets.token_bytes(4)
        return encode_frame(opcode, payload, mask=mask, **how)

    def send_frame(self, opcode, payload=b"", **how):
        """Sends one frame as one write."""
        self.send_bytes(self.frame(opcode, payload, **how))

    def send_text(self, text, **how):
        """Sends a text message; bytes go out as they are, so they may be no UTF-8."""
        self.send_frame(TEXT, text.encode() if isinstance(text, str) else text, **how)

    def send_json(self, value):
        """Sends a value as JSON text."""
        self.send_text(json.dumps(value))

    def send_binary(self, blob, **how):
        """Sends a binary message."""
        self.send_frame(BINARY, blob, **how)

    def send_fragments(self, opcode, parts, between=b""):
        """Sends a message in fragments, with raw bytes (control frames) between them."""
        for at, part in enumerate(parts):
            self.send_frame(opcode if at == 0 else CONTINUATION, part, fin=at == len(parts) - 1)
            if between and at < len(parts) - 1:
                self.send_bytes(between)

    def send_ping(self, payload=b""):
        """Sends a control ping."""
        self.send_frame(PING, payload)

    def send_close(self, code=1000, reason=""):
        """Sends a close frame; code None sends an empty one."""
        self.send_frame(CLOSE, close_payload(code, reason))

    # In

    def recv_frame(self, limit_s=5):
        """The next frame, whatever it is. Nothing is answered."""
        return recv_frame(self._stream(), Deadline(limit_s))

    def _stream(self):
        # What came in one segment with the handshake's end lies in the HTTP buffer.
        return _Buffered(self.http) if self.http.buffer else self.sock

    def recv_message(self, limit_s=5, until_pong=None):
        """The next text (str) or binary (bytes) message. Pings are noted and answered, pongs
        passed over. Raises Closed when the hub ends the connection, TimeoutError when nothing
        comes. With until_pong, returns None when a pong with that payload comes first."""
        deadline = Deadline(limit_s)
        kind, parts = None, []
        while True:
            try:
                frame = recv_frame(self._stream(), deadline)
            except ConnectionError as error:
                raise Closed(1006, str(error)) from None
            assert not frame.masked and frame.rsv == 0, frame
            if frame.opcode == PING:
                self.pings.append(frame.payload)
                if self.auto_pong:
                    self.send_frame(PONG, frame.payload)
            elif frame.opcode == PONG:
                if until_pong is not None and frame.payload == until_pong:
                    return None
            elif frame.opcode == CLOSE:
                raise Closed(close_code(frame.payload), frame.payload[2:].decode())
            else:
                assert (frame.opcode == CONTINUATION) == bool(parts), frame
                kind = kind if parts else frame.opcode
                parts.append(frame.payload)
                if frame.fin:
                    whole = b"".join(parts)
                    return whole.decode("utf-8", "strict") if kind == TEXT else whole

    def recv_json(self, limit_s=5):
        """The next message, which must be text, as strict JSON."""
        message = self.recv_message(limit_s)
        assert isinstance(message, str), message
        return strict_json(message)

    def recv_event(self, *events, limit_s=5):
        """The next message, whose event must be one of those given."""
        message = self.recv_json(limit_s)
        assert message.get("event") in events, message
        return message

    def recv_welcome(self):
        """Reads the welcome and compares it with the contract."""
        welcome = self.recv_json()
        assert welcome == WELCOME, welcome

    def expect_silence(self, limit_s=5):
        """Fails when a message is on its way. It sends a control ping: what the hub had queued
        for this connection comes before the pong. No waiting."""
        probe = secrets.token_bytes(8)
        self.send_ping(probe)
        message = self.recv_message(limit_s, until_pong=probe)
        assert message is None, f"silence expected, got {message!r}"

    def expect_close(self, *codes, limit_s=5):
        """Awaits the hub's close frame with one of these codes (passing over messages), answers
        it, and awaits the end of the stream; returns the code."""
        deadline = Deadline(limit_s)
        code = self._recv_to_close(limit_s, deadline)
        assert code in codes, f"closed with {code}, not with {codes}"
        if code != 1006:
            try:
                self.send_close(code if code != 1005 else None)
            except OSError:
                pass    # the hub has closed already
            recv_to_end(self.sock, deadline)
        return code

    def _recv_to_close(self, limit_s, deadline):
        while True:
            try:
                self.recv_message(limit_s)
            except Closed as closed:
                return closed.code
            deadline.left()

    def expect_eof(self, limit_s=5):
        """Awaits the end of the stream, whatever comes before it."""
        return self.http.recv_rest(limit_s)

    def close(self, code=1000, limit_s=5):
        """An orderly close: the hub must answer with the same code and end the stream."""
        self.send_close(code)
        self.expect_close(1005 if code is None else code, limit_s=limit_s)
        self.abort()

    def abort(self):
        """Drops the TCP connection without a word."""
        self.sock.close()


class _Buffered:
    """recv() that gives what RawHttp had read too far before it asks the socket."""

    def __init__(self, connection):
        self._connection = connection

    def settimeout(self, limit_s):
        self._connection.sock.settimeout(limit_s)

    def recv(self, want_bytes):
        held = self._connection.buffer
        if not held:
            return self._connection.sock.recv(want_bytes)
        self._connection.buffer = held[want_bytes:]
        return held[:want_bytes]


class Game(RawWs):
    """A game: a WebSocket that has read its welcome.

        with Game(hub).identify() as game:
            camera.send_telemetry({"tag_id": 7})
            assert game.recv_json()["tag_id"] == 7
    """

    def __init__(self, hub, end="http", **how):
        super().__init__(hub, end, **how)
        try:
            self.recv_welcome()
        except BaseException:
            self.abort()
            raise

    def identify(self, name="Racer", replay=0):
        """Becomes a game and returns self. `replay` stored broadcasts are awaited and kept in
        self.replay; what comes beyond them is left to be read."""
        self.send_json({"event": "identify", "data": {"type": "gdevelop", "name": name}})
        assert self.recv_json() == {"event": "identify_success", "client_type": "gdevelop"}
        self.replay = [self.recv_event("apriltag_data") for _ in range(replay)]
        return self

    def latest(self, camera_name=None):
        """Asks for the latest data and returns the answers, all of them."""
        ask = {"event": "request_latest_data"}
        if camera_name is not None:
            ask["data"] = {"camera_name": camera_name}
        self.send_json(ask)
        self.send_json({"event": "ping"})
        answers = []
        while (answer := self.recv_json())["event"] != "pong":
            answers.append(answer)
        return answers

    def drain(self):
        """Reads what is on its way now, up to the answer to a ping; returns the messages."""
        self.send_json({"event": "ping"})
        messages = []
        while (message := self.recv_json())["event"] != "pong":
            messages.append(message)
        return messages

    def recv_tag(self, tag_id, limit_s=5):
        """The next message, which must be the broadcast of this tag."""
        message = self.recv_event("apriltag_data", limit_s=limit_s)
        assert message.get("tag_id") == tag_id, message
        return message


# Cameras, as the firmware speaks


def ws_camera(hub, end="http", *, name=None, identify=True, **how):
    """A simulated camera on a WebSocket, identified unless identify=False."""
    camera = WsCamera(hub.host, port_of(hub, end), how.pop("token", hub.token),
                      path=path_of(end), name=name, **how)
    try:
        camera.connect()
        if identify:
            reply = camera.identify()
            assert reply == {"event": "identify_success", "client_type": "esp32"}, reply
    except BaseException:
        camera.close()
        raise
    return camera


def http_camera(hub, end="http", *, name=None, **how):
    """A simulated camera that posts, one connection each time."""
    return HttpCamera(hub.host, port_of(hub, end), how.pop("token", hub.token), name=name, **how)


def udp_camera(hub, *, name=None, **how):
    """A simulated camera that sends datagrams; no token in them unless token= is given."""
    return UdpCamera(hub.host, hub.udp_port, name=name, **how)


def camera_on(hub, transport, **how):
    """A camera by one of TRANSPORTS; each has report(record), which waits for the hub's
    acknowledgement and returns it, and is a context manager."""
    kind, _, end = transport.partition(":")
    if kind == "udp":
        return udp_camera(hub, **how)
    return (ws_camera if kind == "ws" else http_camera)(hub, end, **how)
