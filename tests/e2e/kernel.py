"""What the kernel knows of others' sockets and files."""

import array
import fcntl
import os
import socket
import struct
from collections import namedtuple
from contextlib import suppress

SIOCOUTQ = 0x5411
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, TCP_ESTABLISHED = 4, 20, 1

PeerSocket = namedtuple("PeerSocket", "state unread inode")


def open_files(pid):
    """What the descriptors of a process lead to, such as "/dev/null" or "socket:[123]"."""
    links = []
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):    # closed while we looked
            links.append(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
    return links


def peer_socket(sock):
    """The other end of a loopback connection; None when it is gone. The kernel is asked about that
    one socket (sock_diag(7)): its table of all takes it far longer."""
    ours, theirs = sock.getsockname(), sock.getpeername()
    addresses = (socket.inet_pton(sock.family, end[0]).ljust(16, b"\0") for end in (theirs, ours))
    no_interface, no_cookie = struct.pack("=I", 0), b"\xff" * 8
    question = struct.pack("=BBBBI", sock.family, socket.IPPROTO_TCP, 0, 0, 0xffffffff) + struct.pack(
        "!HH", theirs[1], ours[1]) + b"".join(addresses) + no_interface + no_cookie
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        kernel.send(struct.pack("=IHHII", 16 + len(question), SOCK_DIAG_BY_FAMILY, 1, 0, 0) + question)
        answer = kernel.recv(8192)
    if struct.unpack_from("=H", answer, 4)[0] == SOCK_DIAG_BY_FAMILY:
        unread, _, _, inode = struct.unpack_from("=IIII", answer, 16 + 56)
        return PeerSocket(answer[16 + 1], unread, inode)
    state = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    assert state != TCP_ESTABLISHED, "this kernel does not tell about sockets"
    return None


def peer_has_read(sock):
    """Whether the program at the other end of a loopback connection has taken all we sent."""
    unsent = array.array("i", [0])
    fcntl.ioctl(sock, SIOCOUTQ, unsent)
    if unsent[0]:
        return False
    peer = peer_socket(sock)
    return peer is None or peer.state != TCP_ESTABLISHED or peer.unread == 0
