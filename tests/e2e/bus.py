"""The bus of the hub as a test sees it: a link of its own to one of the processes, from either end.

Messages are known by name from proto/messages.def, the only list there is:

    link = Link.connect(path, "gateway", lane="photos")
    link.send("device_photo", seq=1, source=0, role=1, ...)      # every field of the message
    verdict = link.expect("verdict", seq=1)                      # fields are attributes

A `Service` plays a listening process: it accepts links and answers their hello.
"""

import os
import re
import secrets
import socket
import struct
from pathlib import Path
from types import SimpleNamespace

import msgpack

from wire import Deadline, recv_exact, recv_opening, seconds

PROTO = Path(__file__).resolve().parents[2] / "proto"
LANES = ["sightings", "photos"]
FRAME_HEADER = struct.Struct("!I")


def _without_comments(path):
    return re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)


def _read_messages():
    """{name: (id, [(type, field), ...])} from messages.def, in the order of the file."""
    messages = {}
    rows = re.finditer(r"\bMESSAGE\(\s*(\d+)\s*,\s*(\w+)|\bFIELD\(\s*(\w+)\s*,\s*(\w+)\s*,\s*(\w+)",
                       _without_comments(PROTO / "messages.def"))
    for row in rows:
        number, name, owner, kind, field = row.groups()
        if name:
            messages[name] = (int(number), [])
        else:
            messages[owner][1].append((kind, field))
    return messages


def _read_constants():
    """{name: value}: BUS_VERSION and every value of the enums in schema.h that messages carry."""
    text = _without_comments(PROTO / "schema.h")
    found = {"BUS_VERSION": int(re.search(r"#define BUS_VERSION (\d+)", text)[1])}
    for body in re.findall(r"enum \w+ \{([^}#]*)\}", text):
        value = -1
        for item in re.findall(r"(\w+)(?:\s*=\s*(\d+))?", body):
            value = int(item[1]) if item[1] else value + 1
            found[item[0]] = value
    for table, row in (("reject", "REJECT"), ("session_end", "SESSION_END")):
        names = re.findall(rf"^{row}\((\w+)", _without_comments(PROTO / f"{table}.def"), re.MULTILINE)
        found.update({f"{row}_{name}": value for value, name in enumerate(names)})
    return found


MESSAGES = _read_messages()
NAMES = {number: name for name, (number, _) in MESSAGES.items()}
CONSTANTS = _read_constants()


class LinkEnded(Exception):
    """The peer closed the link; everything it had written was received before."""


def new_incarnation():
    """A number as a process draws one at its start."""
    return secrets.randbits(63) + 1


def encode(name, **fields):
    """A framed message. All fields must be given; a str in place of a blob is sent as UTF-8."""
    number, wanted = MESSAGES[name]
    assert set(fields) == {field for _, field in wanted}, f"{name} has {wanted}, not {fields}"
    items = [number]
    for kind, field in wanted:
        value = fields[field]
        items.append(value.encode() if kind == "blob" and isinstance(value, str) else value)
    content = msgpack.packb(items, use_bin_type=True)
    return FRAME_HEADER.pack(len(content)) + content


def decode(content):
    """A message as a namespace: its name in `.message`, then its fields."""
    number, *values = msgpack.unpackb(content, raw=False)
    name = NAMES[number]
    fields = [field for _, field in MESSAGES[name][1]]
    assert len(values) == len(fields), f"{name} came with {len(values)} fields"
    return SimpleNamespace(message=name, **dict(zip(fields, values)))


class Link:
    """One end of a connection; `peer` is the hello of the other one."""

    def __init__(self, sock):
        self.sock = sock
        self.peer = None

    @classmethod
    def connect(cls, path, kind, lane="sightings", slot=0, incarnation=None, limit_s=5):
        """A link to a service, hellos exchanged."""
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(seconds(limit_s))
            sock.connect(os.fspath(path))
            link = cls(sock)
            link.incarnation = incarnation or new_incarnation()
            link._say_hello(kind, LANES.index(lane), slot, link.incarnation)
            link.peer = link.expect("hello", limit_s=limit_s)
        except BaseException:
            sock.close()
            raise
        return link

    def _say_hello(self, kind, lane, slot, incarnation):
        self.send("hello", version=CONSTANTS["BUS_VERSION"], kind=CONSTANTS[f"PEER_{kind.upper()}"],
                  lane=lane, slot=slot, incarnation=incarnation)

    def send(self, name, **fields):
        """Sends one message. A peer that has closed is noticed by recv(), not here."""
        self.send_bytes(encode(name, **fields))

    def send_bytes(self, frames, limit_s=5):
        """The same with encoded messages, many at once."""
        self.sock.settimeout(seconds(limit_s))
        try:
            self.sock.sendall(frames)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def recv(self, limit_s=5):
        """The next message; raises LinkEnded after the last one."""
        deadline = Deadline(limit_s)
        try:
            header, deadline = recv_opening(self.sock, FRAME_HEADER.size, deadline)
            return decode(recv_exact(self.sock, *FRAME_HEADER.unpack(header), deadline))
        except (ConnectionError, BrokenPipeError) as error:
            raise LinkEnded from error

    def expect(self, name, limit_s=5, **fields):
        """The next message, which must be this one with these fields."""
        got = self.recv(limit_s)
        assert got.message == name, got
        for field, value in fields.items():
            assert getattr(got, field) == value, (field, value, got)
        return got

    def expect_end(self, limit_s=5):
        """Reads until the peer closes and returns what came before."""
        messages = []
        deadline = Deadline(limit_s)
        while True:
            try:
                messages.append(self.recv(deadline.left()))
            except LinkEnded:
                self.close()
                return messages

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Service:
    """A process that others connect to, played by the test."""

    def __init__(self, path, kind):
        self.kind = kind
        self.incarnation = new_incarnation()
        self.links = []
        self._waiting = []    # accepted while another lane was awaited
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.fspath(path))
        self.listener.listen()

    def accept(self, lane, limit_s=5):
        """The next link of this lane."""
        deadline = Deadline(limit_s)
        while True:
            for link in self._waiting:
                if LANES[link.peer.lane] == lane:
                    self._waiting.remove(link)
                    return link
            self._waiting.append(self._accept_any(deadline))

    def _accept_any(self, deadline):
        self.listener.settimeout(deadline.left())
        link = Link(self.listener.accept()[0])
        self.links.append(link)
        link.peer = link.expect("hello", deadline.left())
        link._say_hello(self.kind, link.peer.lane, 0, self.incarnation)
        return link

    def close(self):
        for link in self.links:
            link.close()
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
