#!/usr/bin/python3
"""A game in text mode: shows what a hub sends to games.

On a terminal it draws the tags from above, cameras below, and keeps one line per camera and tag up
to date. Otherwise, or with --lines, it prints one line per sighting, at most ten per second and
camera, and a line with the rates once per second.

    game.py                                the hub on this machine
    game.py --url ws://192.0.2.5:5100/     another one
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections import defaultdict

try:
    import websockets
except ImportError:
    sys.exit("the game needs the package python3-websockets")

LINES_PER_S = 10
MAP_COLUMNS, MAP_ROWS = 61, 15
MAP_X_CM, MAP_Z_CM = 30, 90    # what the map covers: -30..30 across, 0..90 deep


def number(record, name):
    """A field as a number; 0 when it is absent or something else."""
    value = record.get(name)
    return float(value) if isinstance(value, (int, float)) else 0.0


def plain(value, width):
    """Text from a client, made harmless for a terminal and cut to a width."""
    text = "".join(c if c.isprintable() else "?" for c in str(value))
    return f"{text[:width]:{width}}"


class Scene:
    """The newest sighting of each camera and tag, and counts of everything."""

    def __init__(self):
        self.joined_s = time.time()    # what the hub took in before that is a replay
        self.newest = {}    # (camera, tag): (record, latency_ms)
        self.counts = defaultdict(int)
        self.latencies_ms = []
        self.total = 0
        self.dropped = 0

    def take(self, message):
        """Takes a message; returns (record, latency_ms) when it is a sighting, else None. The
        latency of a replay says nothing and is None."""
        if message.get("event") == "notice":
            self.dropped += int(number(message, "count"))
        if message.get("event") != "apriltag_data":
            return None
        taken_in_s = number(message, "server_timestamp")
        latency_ms = 1000 * (time.time() - taken_in_s) if taken_in_s >= self.joined_s else None
        camera = str(message.get("camera_name", "?"))
        self.newest[camera, str(message.get("tag_id", "?"))] = message, latency_ms
        self.counts[camera] += 1
        if latency_ms is not None:
            self.latencies_ms.append(latency_ms)
        self.total += 1
        return message, latency_ms

    def take_rates(self):
        """A line about the time since the last call, which should be one second."""
        rates = ", ".join(f"{plain(camera, 20).strip()} {count}/s"
                          for camera, count in sorted(self.counts.items()))
        latencies = sorted(self.latencies_ms)
        worst = f", latency {latencies[len(latencies) // 2]:.1f} ms median {latencies[-1]:.1f} ms" \
                " worst" if latencies else ""
        dropped = f", {self.dropped} dropped by the hub" if self.dropped else ""
        self.counts.clear()
        self.latencies_ms.clear()
        return f"-- {rates or 'nothing seen'}{worst}, {self.total} in all{dropped}"


def sighting_line(record, latency_ms):
    """One sighting on one line."""
    latency = "  stored" if latency_ms is None else f"{latency_ms:5.1f} ms"
    return (f"{plain(record.get('camera_name', '?'), 12)} tag {plain(record.get('tag_id', '?'), 4)}"
            f"  x {number(record, 'x_cm'):6.1f}  y {number(record, 'y_cm'):6.1f}"
            f"  z {number(record, 'z_cm'):6.1f} cm  yaw {number(record, 'yaw'):6.1f}"
            f"  {latency}")


class Lines:
    """Output for files, pipes and tests: lines only."""

    def __init__(self, scene):
        self.scene = scene
        self._next_s = defaultdict(float)

    def show(self, record, latency_ms):
        """Prints a sighting, unless its camera had its share of lines."""
        now = time.monotonic()
        camera = record.get("camera_name")
        if now >= self._next_s[camera]:
            self._next_s[camera] = now + 1 / LINES_PER_S
            print(sighting_line(record, latency_ms), flush=True)

    def tick(self):
        pass

    def second(self):
        print(self.scene.take_rates(), flush=True)

    def end(self):
        pass


class Map:
    """Output for a terminal: the tags from above, redrawn in place."""

    def __init__(self, scene):
        self.scene = scene
        self._rates = ""
        self._drawn_lines = 0
        sys.stdout.write("\x1b[?25l")    # hide the cursor

    def show(self, record, latency_ms):
        pass    # the next tick draws it

    def tick(self):
        """Draws the scene over the one drawn before; what stands above stays."""
        rows = [[" "] * MAP_COLUMNS for _ in range(MAP_ROWS)]
        for (_, tag), (record, _) in sorted(self.scene.newest.items()):
            self._place(rows, number(record, "x_cm"), number(record, "z_cm"), tag)
        edge = "+" + "-" * MAP_COLUMNS + "+"
        lines = ["tags from above, cameras at the bottom looking up "
                 f"({2 * MAP_X_CM} x {MAP_Z_CM} cm)", edge, *(f"|{''.join(row)}|" for row in rows),
                 edge[:len(edge) // 2] + "^" + edge[len(edge) // 2 + 1:], ""]
        lines += [sighting_line(*seen) for _, seen in sorted(self.scene.newest.items())][:10]
        lines += ["", self._rates]
        terminal = shutil.get_terminal_size()
        lines = [line[:terminal.columns - 1] for line in lines[:terminal.lines - 1]]
        back = f"\x1b[{self._drawn_lines}A" if self._drawn_lines else ""
        sys.stdout.write(back + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")
        sys.stdout.flush()
        self._drawn_lines = len(lines)

    @staticmethod
    def _place(rows, x_cm, z_cm, tag):
        column = round((x_cm / MAP_X_CM + 1) / 2 * (MAP_COLUMNS - 1))
        row = round((1 - z_cm / MAP_Z_CM) * (MAP_ROWS - 1))
        if 0 <= row < MAP_ROWS:
            for at, letter in enumerate(plain(f"#{tag}", min(4, len(tag) + 1))):
                if 0 <= column + at < MAP_COLUMNS:
                    rows[row][column + at] = letter

    def second(self):
        self._rates = self.scene.take_rates()

    def end(self):
        sys.stdout.write("\x1b[?25h")    # the cursor back
        sys.stdout.flush()


async def draw(view):
    """Drives the view: ten ticks per second, of which each tenth is a second."""
    while True:
        for _ in range(LINES_PER_S):
            await asyncio.sleep(1 / LINES_PER_S)
            view.tick()
        view.second()


async def play(url, name, view):
    """Joins the hub as a game and shows what comes until the connection ends."""
    async with websockets.connect(url, max_size=1 << 20) as socket:
        await socket.send(json.dumps({"event": "identify",
                                      "data": {"type": "gdevelop", "name": name}}))
        async for text in socket:
            message = json.loads(text)
            if not isinstance(message, dict):
                continue
            seen = view.scene.take(message)
            if seen:
                view.show(*seen)


async def run(options):
    """Plays until --duration is over, a signal comes or the connection ends; the exit status."""
    on_terminal = sys.stdout.isatty() and not options.lines
    view = (Map if on_terminal else Lines)(Scene())
    stop = asyncio.Event()
    for number_of in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number_of, stop.set)
    tasks = [asyncio.create_task(play(options.url, options.name, view)),
             asyncio.create_task(draw(view)), asyncio.create_task(stop.wait())]
    try:
        done, _ = await asyncio.wait(tasks, timeout=options.duration or None,
                                     return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        view.end()
    if tasks[0] not in done:
        return 0
    print(f"connection to {options.url} ended: {tasks[0].exception() or 'closed by the hub'}",
          file=sys.stderr)
    return 1


def main():
    parser = argparse.ArgumentParser(description="A game in text mode.")
    parser.add_argument("--url", help="the hub's WebSocket (default: port $TAGHUB_HTTP_PORT or "
                                      "5000 of this machine)")
    parser.add_argument("--name", default="text game")
    parser.add_argument("--lines", action="store_true", help="lines also on a terminal")
    parser.add_argument("--duration", type=float, default=0, metavar="S",
                        help="end after so many seconds")
    options = parser.parse_args()
    if options.url is None:
        options.url = f"ws://127.0.0.1:{os.environ.get('TAGHUB_HTTP_PORT', '5000')}/websocket"
    try:
        return asyncio.run(run(options))
    except BrokenPipeError:
        return 0    # the reader of our lines has seen enough


if __name__ == "__main__":
    sys.exit(main())
