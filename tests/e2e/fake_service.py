#!/usr/bin/python3
"""A stand-in for a service, to be copied under the name of the real program beside taghubctl.

It speaks the supervisor's protocols, notes what happens to it in $FAKE_DIR/events, one JSON object
a line, and does what the one word in $FAKE_DIR/<service>.mode says at its start:

    ok           ready at once, pings, ends on SIGTERM; also when there is no such file
    mute         ready at once, never pings
    stubborn     ready, pings, ignores SIGTERM
    exit:N       ends with status N before it is ready
    workers      as stubborn, with a child of its own that dies with it, as a prefork service has

When $FAKE_DIR/<service>.go, a FIFO, is there, a child says READY=1 in its place, and it waits until
somebody opens the FIFO for writing.

When $FAKE_DIR/<service>.orders, a FIFO, is there, it does what the lines that are written to it say:
`keep NAME FILE...` has the supervisor store new files in memory, `forget NAME`, `exit N`.
"""

import ctypes
import json
import os
import select
import signal
import socket
import sys

name = os.path.basename(sys.argv[0]).removeprefix("taghub-")
base = os.environ["FAKE_DIR"]


def note(what, **more):
    line = json.dumps({"service": name, "pid": os.getpid(), "what": what, **more})
    with open(f"{base}/events", "a") as out:
        out.write(line + "\n")


def notify(text, fds=()):
    path = os.environ["NOTIFY_SOCKET"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect("\0" + path[1:] if path[0] == "@" else path)
        socket.send_fds(sock, [text.encode()], fds) if fds else sock.send(text.encode())


def follow(order):
    """Does a line that was written to the FIFO of orders."""
    word, *words = order.split()
    if word == "keep":
        fds = [os.memfd_create(text) for text in words[1:]]
        notify(f"FDSTORE=1\nFDPOLL=0\nFDNAME={words[0]}", fds)
        for fd in fds:
            os.close(fd)
    elif word == "forget":
        notify(f"FDSTOREREMOVE=1\nFDNAME={words[0]}")
    elif word == "exit":
        sys.exit(int(words[0]))
    note("followed", order=order)


try:
    mode = open(f"{base}/{name}.mode").read().strip()
except FileNotFoundError:
    mode = "ok"
# what is listed but not there is the descriptor of the listing itself
fds = sorted(int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}"))
# what it was handed: what the descriptor is, and under which name
names = os.environ.get("LISTEN_FDNAMES", "").split(":") if "LISTEN_FDS" in os.environ else []
handed = [[names[i], os.readlink(f"/proc/self/fd/{3 + i}")] for i in range(len(names))]
status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines())
note("start", fds=fds, handed=handed, stdin=os.readlink("/proc/self/fd/0"),
     session=os.getsid(0), parent=os.getppid(), blocked=status["SigBlk"], ignored=status["SigIgn"],
     env={key: value for key, value in os.environ.items()
          if key.startswith(("TAGHUB_", "LISTEN_", "NOTIFY_", "WATCHDOG_"))})

if mode.startswith("exit:"):
    sys.exit(int(mode[5:]))

wake_r, wake_w = os.pipe()
os.set_blocking(wake_w, False)
signal.set_wakeup_fd(wake_w)
for sig in (signal.SIGTERM, signal.SIGINT):
    signal.signal(sig, lambda *_: None)
if mode == "workers" and os.fork() == 0:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    note("worker")
    while True:
        signal.pause()
if os.path.exists(f"{base}/{name}.go"):    # a message that is not from the main process
    if os.fork() == 0:
        notify("READY=1")
        os._exit(0)
    os.wait()
    note("impostor")
    open(f"{base}/{name}.go").close()    # returns when somebody opens it for writing
notify("STATUS=serving\nREADY=1")
listener = socket.socket(fileno=3) if names[:1] == [f"taghub-{name}.socket"] else None
orders = None
if os.path.exists(f"{base}/{name}.orders"):
    orders = os.open(f"{base}/{name}.orders", os.O_RDWR)    # also for writing: it never ends
while True:
    sources = [source for source in (wake_r, listener, orders) if source is not None]
    readable = select.select(sources, [], [], 0.2)[0]
    if mode != "mute":
        notify("WATCHDOG=1")
    if wake_r in readable:
        for number in os.read(wake_r, 64):
            note("signal", number=number)
            if number == signal.SIGTERM and mode not in ("stubborn", "workers"):
                notify("STOPPING=1")
                note("end")
                sys.exit(0)
    elif orders in readable:
        for order in os.read(orders, 65536).decode().splitlines():
            follow(order)
    elif readable:
        connection = listener.accept()[0]
        connection.sendall(str(os.getpid()).encode())
        connection.close()
