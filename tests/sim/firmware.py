"""How a camera's firmware speaks to a hub: by WebSocket, by HTTP, by datagrams.

Each class is faithful to the ESP32-S3 firmware, weaknesses included: where a real camera would give
up, lose its place in the stream or crash, this one raises an error that says which. A hub that
passes with it can be trusted with boards that somebody would have to walk to. So nothing here may
become more tolerant than it is.
"""

import json
import socket
from contextlib import suppress

from wire import (BINARY, CLOSE, PING, PONG, TEXT, Deadline, accept_for, close_code,
                  close_payload, encode_frame, in_url, new_key, recv_exact, recv_some, recv_to_end,
                  seconds, tcp_connect)

DEVICE = "Waveshare-ESP32-S3"
HEADER_LINE_LIMIT_S = 1
POST_LIMIT_S = 5
POST_BODY_BYTES = 64
ACK_LIMIT_S = 0.5
ACK_BYTES = 255
PHOTO_PATH = "/client_e32__http_post_to_serverhub__smartcam_video_stream"


class CameraError(Exception):
    """What would stop a real camera from working with this hub."""


class HandshakeFailed(CameraError):
    """The reply to the handshake is not one that the camera accepts."""


class CameraCrash(CameraError):
    """The reply would crash the camera."""


class FrameLost(CameraError):
    """A frame header came in pieces: this message is lost to the camera, and all after it."""


class ConnectionClosed(CameraError):
    """The hub closed the WebSocket; `code` is 1006 when it did so without a close frame."""

    def __init__(self, code):
        super().__init__(f"closed by the hub, code {code}")
        self.code = code


class PostFailed(CameraError):
    """A post was answered by something other than 200, or by nothing; `status` may be None."""

    def __init__(self, status, text):
        super().__init__(f"post failed: status {status}, {text}")
        self.status = status


class AckFailed(CameraError):
    """The acknowledgement of a datagram did not come in time, or is not the one awaited."""


class Camera:
    """What the three kinds of camera share.

    name    operator's name for the camera; None for unchanged firmware, which sends none. When
            set it is added to every record that has no camera_name of its own.
    """

    def __init__(self, host, port, token, name=None):
        self.host, self.port, self.token, self.name = host, port, token, name

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def connect(self):
        """Connects, where the transport has connections; returns self."""
        return self

    def identify(self):
        """Identifies, where the transport has sessions; returns the hub's reply or None."""
        return None

    def close(self):
        """Ends the connection, if any."""

    def local_address(self):
        """The camera's own idea of its address."""
        with socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET,
                           socket.SOCK_DGRAM) as probe:
            probe.connect((self.host, self.port))    # sends nothing, only looks up the route
            return probe.getsockname()[0]

    def _named(self, record):
        if self.name is None or "camera_name" in record:
            return record
        return {**record, "camera_name": self.name}


class WsCamera(Camera):
    """A camera on a WebSocket. connect(), identify(), then report() or send_*() and recv().

    Control pings are answered while recv() or poll() run and at no other time, as the firmware
    answers them when its main loop comes round.

    frame_interval_s   pause between photos; set_video_interval from the hub changes it
    commands           the set_video_interval messages received
    welcome            the hub's first message, once identify() or recv() met it
    headers            [(name, value)] of the handshake's reply
    """

    def __init__(self, host, port, token, *, path="/websocket", name=None, device=DEVICE,
                 frame_interval_s=0.2, rcvbuf_bytes=None):
        super().__init__(host, port, token, name)
        self.path, self.device = path, device
        self.frame_interval_s = frame_interval_s
        self.commands = []
        self.welcome = None
        self.headers = []
        self.pings_answered = 0
        self._rcvbuf_bytes = rcvbuf_bytes
        self.sock = None

    # Handshake

    def connect(self):
        """Connects and shakes hands as the firmware's library does; returns self."""
        self.sock = tcp_connect(self.host, self.port, rcvbuf_bytes=self._rcvbuf_bytes)
        try:
            key = new_key()
            self.sock.sendall(self._request(key).encode())
            self._check_reply(key)
        except BaseException:
            self.vanish()
            raise
        return self

    def _request(self, key):
        return (f"GET {self.path} HTTP/1.1\r\n"
                f"Host: {in_url(self.host)}\r\n"    # no port
                f"Sec-WebSocket-Key: {key}\r\n"
                "Upgrade: websocket\r\n"
                "Connection: Upgrade\r\n"
                "Sec-WebSocket-Version: 13\r\n"
                "User-Agent: TinyWebsockets Client\r\n"
                "Origin: http://websockets.example/tiny\r\n"    # not the hub's
                "\r\n")

    def _read_line(self):
        deadline = Deadline(HEADER_LINE_LIMIT_S)
        line = b""
        while not line.endswith(b"\n"):
            try:
                byte = recv_some(self.sock, 1, deadline)
            except TimeoutError:
                raise HandshakeFailed(f"a line took too long: {line!r}") from None
            if not byte:
                raise HandshakeFailed(f"end of stream inside the handshake: {line!r}")
            line += byte
        return line.decode("latin-1").rstrip("\r\n")

    def _check_reply(self, key):
        status = self._read_line()
        if not status.startswith("HTTP/1.1 101"):
            raise HandshakeFailed(f"status line {status!r}")
        while line := self._read_line():
            name, separator, value = line.partition(": ")
            if not separator or not value:
                raise CameraCrash(f"header line {line!r}")
            self.headers.append((name, value))
        fields = {name.lower(): value for name, value in self.headers}
        for name, wanted in (("Upgrade", "websocket"), ("Connection", "upgrade")):
            if fields.get(name.lower(), "").lower() != wanted:
                raise HandshakeFailed(f"{name}: {fields.get(name.lower())!r}")
        if fields.get("sec-websocket-accept") != accept_for(key):
            raise HandshakeFailed("Sec-WebSocket-Accept does not belong to the key")

    # Out

    def _send_frame(self, opcode, payload):
        self.sock.settimeout(seconds(10))
        self.sock.sendall(encode_frame(opcode, payload, mask=b"\0\0\0\0"))

    def send_json(self, message):
        """Sends a message as JSON text."""
        self._send_frame(TEXT, json.dumps(message, ensure_ascii=False).encode())

    def identify(self, **changes):
        """Identifies and returns the reply. `changes` are members of `data` to set otherwise."""
        about = {"type": "esp32", "device": self.device, "auth_token": self.token}
        if self.name is not None:
            about["camera_name"] = self.name
        self.send_json({"event": "identify", "data": {**about, **changes}})
        return self._recv_reply()

    def send_telemetry(self, record, nested=False):
        """Sends a record in the flat shape of current firmware, or the nested one of older."""
        record = self._named(record)
        self.send_json({"event": "apriltag_data", "data": record} if nested
                       else {"event": "apriltag_data", **record})

    def report(self, record, nested=False):
        """Sends a record and returns the hub's reply to it."""
        self.send_telemetry(record, nested)
        return self._recv_reply()

    def send_photo(self, jpeg):
        """Sends a photo as one binary message. The hub answers nothing to a good one."""
        self._send_frame(BINARY, jpeg)

    # In

    def recv(self, limit_s=5):
        """The next text message as an object; answers pings and obeys commands on the way.
        Raises TimeoutError, ConnectionClosed, FrameLost."""
        deadline = Deadline(limit_s)
        while True:
            message = self._recv_frame(deadline)
            if message is not None:
                return message

    def poll(self):
        """One round of the main loop: everything that has arrived, as a list of messages."""
        messages = []
        while self._readable():
            message = self._recv_frame(Deadline(5))
            if message is not None:
                messages.append(message)
        return messages

    def _recv_reply(self):
        while True:
            message = self.recv()
            if message.get("event") not in ("connection_success", "set_video_interval"):
                return message

    def _readable(self):
        self.sock.setblocking(False)
        try:
            self.sock.recv(1, socket.MSG_PEEK)
            return True    # a byte, or the end of the stream
        except BlockingIOError:
            return False
        except ConnectionResetError:
            raise ConnectionClosed(1006) from None

    def _recv_once(self, want_bytes, part):
        # What has arrived now is all that the firmware sees: it looks once.
        self.sock.setblocking(False)
        try:
            got = self.sock.recv(want_bytes)
        except BlockingIOError:
            got = None
        except ConnectionResetError:
            raise ConnectionClosed(1006) from None
        if got == b"":
            raise ConnectionClosed(1006)
        if got is None or len(got) < want_bytes:
            raise FrameLost(f"{len(got or b'')} of {want_bytes} bytes of the {part} were there")
        return got

    def _recv_frame(self, deadline):
        """Takes one frame; returns the message it carried, or None for a control frame."""
        self.sock.settimeout(deadline.left())
        try:
            self.sock.recv(1, socket.MSG_PEEK)    # the firmware's "is something there"
        except ConnectionResetError:
            raise ConnectionClosed(1006) from None
        first, second = self._recv_once(2, "frame header")
        if not first & 0x80 or first & 0x70 or second & 0x80:
            raise CameraError(f"a frame that the hub must not send: {first:02x} {second:02x}")
        length = second & 0x7F
        if length == 126:
            length = int.from_bytes(self._recv_once(2, "length"), "big")
        elif length == 127:
            length = int.from_bytes(self._recv_once(8, "length"), "big")
        try:
            payload = recv_exact(self.sock, length, Deadline(5))
        except ConnectionError:
            raise ConnectionClosed(1006) from None
        return self._take_frame(first & 0x0F, payload)

    def _take_frame(self, opcode, payload):
        if opcode == PING:
            self._send_frame(PONG, payload)
            self.pings_answered += 1
        elif opcode == CLOSE:
            try:
                self._send_frame(CLOSE, payload[:2])
            except OSError:
                pass    # the hub has gone already
            self.vanish()
            raise ConnectionClosed(close_code(payload))
        elif opcode == TEXT:
            return self._take_message(json.loads(payload))
        return None

    def _take_message(self, message):
        if message.get("event") == "connection_success" and self.welcome is None:
            self.welcome = message
        elif message.get("event") == "set_video_interval":
            self.frame_interval_s = message["interval_ms"] / 1000
            self.commands.append(message)
        return message

    # End

    def close(self):
        """Says goodbye and, for a moment, awaits that the hub ends the connection: then it has noticed."""
        if self.sock is not None and self.sock.fileno() >= 0:
            with suppress(OSError):    # it is gone, which is what we want
                self._send_frame(CLOSE, close_payload(1000))
                recv_to_end(self.sock, Deadline(1))
            self.vanish()

    def vanish(self):
        """Drops the TCP connection without a word, as a camera does that loses its power."""
        if self.sock is not None:
            self.sock.close()


class HttpCamera(Camera):
    """A camera that posts: a new TCP connection each time, no second try."""

    def report(self, record):
        """Posts a record and returns the hub's JSON answer. Raises PostFailed unless it is 200."""
        return self._post("/apriltag", json.dumps(self._named(record), ensure_ascii=False).encode(),
                          [("Content-Type", "application/json")])

    send_telemetry = report

    def send_photo(self, jpeg):
        """Posts a photo and returns the hub's JSON answer. Raises PostFailed unless it is 200."""
        headers = [("Content-Type", "image/jpeg")]
        if self.name is not None:
            headers.append(("X-Camera-Name", self.name))
        return self._post(PHOTO_PATH, jpeg, headers)

    def _post(self, path, body, headers):
        lines = [f"POST {path} HTTP/1.1", f"Host: {in_url(self.host)}",
                 "User-Agent: ESP32HTTPClient", *(f"{name}: {value}" for name, value in headers)]
        if self.token is not None:
            lines.append(f"Authorization: {self.token}")    # no scheme word
        lines.append(f"Content-Length: {len(body)}")
        request = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
        deadline = Deadline(POST_LIMIT_S)
        try:
            with tcp_connect(self.host, self.port, POST_LIMIT_S) as sock:
                sock.sendall(request)
                status, answer = self._read_reply(sock, deadline)
        except OSError as error:
            raise PostFailed(None, str(error)) from None
        if status != 200:
            raise PostFailed(status, answer.decode(errors="replace"))
        try:
            return json.loads(answer)
        except ValueError:
            raise CameraError(f"not JSON in the first {POST_BODY_BYTES} bytes of the answer: "
                              f"{answer!r}") from None

    @staticmethod
    def _read_reply(sock, deadline):
        received = b""
        while b"\r\n\r\n" not in received:
            part = recv_some(sock, 1024, deadline)
            if not part:
                raise PostFailed(None, f"end of stream after {received!r}")
            received += part
        head, _, body = received.partition(b"\r\n\r\n")
        words = head.split(b"\r\n")[0].split(b" ")
        if not words[0].startswith(b"HTTP/1.") or len(words) < 2 or not words[1].isdigit():
            raise PostFailed(None, f"status line {words!r}")
        length = next((int(line[15:]) for line in head.split(b"\r\n")
                       if line.lower().startswith(b"content-length:")), POST_BODY_BYTES)
        while len(body) < min(length, POST_BODY_BYTES):
            part = recv_some(sock, POST_BODY_BYTES - len(body), deadline)
            if not part:
                break
            body += part
        return int(words[1]), body[:POST_BODY_BYTES]


class UdpCamera(Camera):
    """A camera that sends datagrams; the usual build. No photos. The token is sent only when one
    was given, which the usual build does not do."""

    def __init__(self, host, port, token=None, name=None):
        super().__init__(host, port, token, name)
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET,
                                  socket.SOCK_DGRAM)

    def send_telemetry(self, record):
        """Sends a record and does not wait."""
        record = self._named(record)
        if self.token is not None:
            record = {**record, "auth_token": self.token}
        self.send_raw(json.dumps(record, ensure_ascii=False).encode())

    def send_raw(self, datagram):
        """Sends bytes as a datagram."""
        self.sock.sendto(datagram, (self.host, self.port))

    def recv(self, limit_s=ACK_LIMIT_S):
        """The next acknowledgement; AckFailed when none comes, or when its first 255 bytes, which
        is all that the camera reads, are not a JSON object."""
        try:
            datagram = recv_some(self.sock, ACK_BYTES, Deadline(limit_s))
        except TimeoutError:
            raise AckFailed(f"no acknowledgement within {seconds(limit_s):g} s") from None
        try:
            ack = json.loads(datagram)
        except ValueError:
            ack = None
        if not isinstance(ack, dict):
            raise AckFailed(f"not an acknowledgement: {datagram!r}")
        return ack

    def report(self, record):
        """Sends a record and returns its acknowledgement, which must name the same tag."""
        self.send_telemetry(record)
        ack = self.recv()
        if ack.get("event") != "apriltag_ack" or ack.get("tag_id") != record.get("tag_id"):
            raise AckFailed(f"not the acknowledgement of {record.get('tag_id')!r}: {ack}")
        return ack

    def expect_no_answer(self, probe):
        """Fails when the hub has answered what was sent before. `probe` is a good record with a
        tag of its own; its acknowledgement must be the next datagram to come."""
        self.report(probe)

    def close(self):
        self.sock.close()
