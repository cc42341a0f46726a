"""A ledger of traffic: cameras on all transports that report without pause, games that read everything, and a
reckoning at the end of what was sent, acknowledged and delivered.

    with Ledger(hub) as ledger:
        ledger.progress()               # every game has got some more
        hub.kill("ingest")
        ledger.progress()
        ledger.reckon()                 # fails unless every promise was kept; prints the worst pause

A record carries its sender and its number, so that each can be followed. Every client runs in a thread of its own.
"""

import json
import select
import threading
import time
from collections import Counter, defaultdict

from clients import Closed, Game, http_camera, udp_camera, ws_camera
from firmware import AckFailed, CameraError, PostFailed
from wire import seconds, wait_until

# (kind, end, records per second)
SENDERS = (("ws", "http", 60), ("ws", "ws", 60), ("http", "http", 30), ("http", "ws", 30),
           ("udp", None, 60))
PORTS = ("http", "http", "ws", "ws")    # of the games
ACK = {"event": "apriltag_ack", "status": "received"}


class Client(threading.Thread):
    """What all have in common: an end, and the error that ended it before its time."""

    def __init__(self, ledger, name):
        super().__init__(name=name, daemon=True)
        self.ledger = ledger
        self.error = None

    def run(self):
        try:
            self.work()
        except BaseException as error:    # told by reckon()
            self.error = error

    def work(self):
        raise NotImplementedError


class Sender(Client):
    """A camera. `sent` holds the time of each record, `acked` the numbers acknowledged, in order."""

    def __init__(self, ledger, name, rate):
        super().__init__(ledger, name)
        self.period_s = 1 / rate
        self.sent, self.acked = [], []

    def record(self):
        """The next record, which counts as sent from here on."""
        self.sent.append(time.monotonic())
        return {"tag_id": len(self.sent) - 1, "sender": self.name, "n": len(self.sent) - 1}

    def pace(self, sock=None):
        """Waits for the time of the next record, or until there is something to read."""
        due = self.begun + len(self.sent) * self.period_s
        left = max(0, due - time.monotonic())
        if sock is not None:
            return bool(select.select([sock], [], [], left)[0])
        self.ledger.stopping.wait(left)
        return False

    def work(self):
        self.begun = time.monotonic()
        self.send_all()

    def outstanding(self):
        return 0


class WsSender(Sender):
    """Sends on without waiting for acknowledgements, which come in order."""

    def __init__(self, ledger, name, end, rate):
        super().__init__(ledger, name, rate)
        self.camera = ws_camera(ledger.hub, end, name=name)

    def send_all(self):
        while not self.ledger.stopping.is_set() or self.outstanding():
            if self.ledger.stopping.is_set():
                readable = bool(select.select([self.camera.sock], [], [], 0.1)[0])
                if self.ledger.gave_up.is_set():
                    return
            else:
                readable = self.pace(self.camera.sock)
            if readable:
                for message in self.camera.poll():
                    assert message == ACK, message
                    self.acked.append(len(self.acked))
            elif not self.ledger.stopping.is_set():
                self.camera.send_telemetry(self.record())

    def outstanding(self):
        return len(self.sent) - len(self.acked)


class HttpSender(Sender):
    """Posts one after the other. A 503 means unknown; everything else but 200 is a failure."""

    def __init__(self, ledger, name, end, rate):
        super().__init__(ledger, name, rate)
        self.camera = http_camera(ledger.hub, end, name=name)
        self.unknown = []

    def send_all(self):
        while not self.ledger.stopping.is_set():
            self.pace()
            try:
                self.camera.report(self.record())
                self.acked.append(len(self.sent) - 1)
            except PostFailed as failed:
                if failed.status != 503 and not self.ledger.may_cut:
                    raise
                self.unknown.append(len(self.sent) - 1)
            self.begun = max(self.begun, time.monotonic() - len(self.sent) * self.period_s)


class UdpSender(Sender):
    """Sends datagrams without waiting; what is acknowledged tells its number."""

    def __init__(self, ledger, name, _, rate):
        super().__init__(ledger, name, rate)
        self.camera = udp_camera(ledger.hub, name=name)

    def send_all(self):
        while not self.ledger.stopping.is_set():
            if self.pace(self.camera.sock):
                self.take_ack()
            else:
                self.camera.send_telemetry(self.record())
        try:
            while True:
                self.take_ack()
        except AckFailed:
            pass

    def take_ack(self):
        ack = self.camera.recv()
        number, now = ack["tag_id"], time.monotonic()
        late_s = now - self.sent[number]
        # the hub keeps to 400 ms; the rest is for this thread to be woken
        assert late_s < seconds(0.4) + 0.5, f"{self.name}: acknowledgement after {late_s:.3f} s"
        self.acked.append(number)


class Reader(Client):
    """A game. `arrivals` holds (time, sender, number) of every broadcast."""

    def __init__(self, ledger, name, end):
        super().__init__(ledger, name)
        self.arrivals = []
        self.game = Game(ledger.hub, end).identify(name)

    def work(self):
        try:
            while True:
                message = json.loads(self.game.recv_message(limit_s=60))
                assert message["event"] == "apriltag_data", message    # no notice: it keeps up
                if "sender" in message:
                    self.arrivals.append((time.monotonic(), message["sender"], message["n"]))
        except Closed:
            if not self.ledger.closing:
                raise


KINDS = {"ws": WsSender, "http": HttpSender, "udp": UdpSender}


class Ledger:
    """Clients of a hub and what became of their records. may_cut: connections may be cut, which is for
    tests that kill gateway workers; who was cut is in cut()."""

    def __init__(self, hub, senders=SENDERS, ports=PORTS, may_cut=False):
        self.hub, self.may_cut = hub, may_cut
        self.stopping, self.gave_up = threading.Event(), threading.Event()
        self.closing = False
        self.readers = [Reader(self, f"game{at}", end) for at, end in enumerate(ports)]
        self.senders = [KINDS[kind](self, f"{kind}-{end}-{at}", end, rate)
                        for at, (kind, end, rate) in enumerate(senders)]

    def __enter__(self):
        for client in self.readers + self.senders:
            client.start()
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.stopping.set()
        self.gave_up.set()
        self.closing = True
        for reader in self.readers:
            _shut(reader.game.sock)
        for client in self.readers + self.senders:
            client.join(seconds(10))
        for sender in self.senders:
            sender.camera.close()
        for reader in self.readers:
            reader.game.abort()

    def cut(self):
        """Clients whose connection was cut."""
        return [each for each in self.readers + self.senders
                if isinstance(each.error, (Closed, CameraError, OSError))]

    def well(self):
        """Clients that nobody cut."""
        return [each for each in self.readers + self.senders if each.error is None]

    def check_errors(self):
        for each in self.readers + self.senders:
            if each.error is not None and not (self.may_cut and each in self.cut()):
                raise AssertionError(f"{each.name}: {each.error!r}") from each.error

    def progress(self, records=15, limit_s=20):
        """Waits until every game has got so many more of every sender that is left, so that the hub
        is at work again whatever happened to it."""
        def counts(reader):
            return Counter(sender for _, sender, _ in reader.arrivals)

        before = {reader: counts(reader) for reader in self.readers}

        def is_done():
            self.check_errors()
            return all(counts(reader)[sender.name] >= before[reader][sender.name] + records
                       for reader in self.readers if reader.error is None
                       for sender in self.senders if sender.error is None)

        wait_until(is_done, limit_s, f"{records} more of each sender at each game")

    def reckon(self):
        """Stops the senders, waits for what is outstanding, and checks every promise. Returns the
        longest time in seconds from sending to arrival."""
        self.stopping.set()
        for sender in self.senders:
            sender.join(seconds(30))
        self.gave_up.set()
        self.check_errors()
        stuck = [f"{sender.name}: {sender.outstanding()}" for sender in self.senders
                 if sender.error is None and sender.outstanding()]
        assert not stuck, f"never acknowledged: {stuck}"
        for reader in self.readers:
            if reader.error is None:
                wait_until(lambda r=reader: not self.missing(r), 5,
                           f"{reader.name} has what was acknowledged; {self.missing(reader)}")
        self.check_errors()
        for reader in self.readers:
            self.check_order(reader)
        return self.worst()

    def missing(self, reader):
        """{sender: numbers acknowledged but not there}"""
        got = defaultdict(set)
        for _, sender, number in list(reader.arrivals):
            got[sender].add(number)
        missing = {sender.name: sorted(set(sender.acked) - got[sender.name])
                   for sender in self.senders}
        return {name: numbers[:20] for name, numbers in missing.items() if numbers}

    @staticmethod
    def check_order(reader):
        """Nothing twice, and the order of each sender."""
        last = defaultdict(lambda: -1)
        for at, (_, sender, number) in enumerate(reader.arrivals):
            if number <= last[sender]:
                nearby = [n for _, s, n in reader.arrivals[max(0, at - 60):at + 5] if s == sender]
                raise AssertionError(f"{reader.name}: {sender} {number} after {last[sender]}: {nearby}")
            last[sender] = number

    def worst(self):
        """(seconds from sending to arrival, sender) of the record that took longest."""
        sent = {sender.name: sender.sent for sender in self.senders}
        return max(((when - sent[sender][number], sender) for reader in self.readers
                    for when, sender, number in reader.arrivals), default=(0, None))

    def report(self, title, worst):
        """One line for `pytest -s` and for the report of a failure."""
        sent = sum(len(sender.sent) for sender in self.senders)
        acked = sum(len(sender.acked) for sender in self.senders)
        print(f"{title}: sent={sent} acknowledged={acked} "
              f"delivered={[len(reader.arrivals) for reader in self.readers]} "
              f"worst_pause_ms={worst[0] * 1000:.0f} ({worst[1]})")


def _shut(sock):
    try:
        sock.shutdown(2)
    except OSError:
        pass    # it is gone already
