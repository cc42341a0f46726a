#!/usr/bin/python3
"""A simulated AprilTag camera, for people without hardware and for tests.

It watches a tag that somebody seems to move about, and sends sightings and photos to a hub exactly
as a board with the firmware does (see firmware.py), until it is told to stop.

    camera.py --port 5000 --token-file ~/token --name porch            WebSocket with video
    camera.py --transport http --port 5000 --token-file ~/token        one connection per message
    camera.py --transport udp --port 5200 --name gate                  datagrams, no video
"""

import argparse
import os
import signal
import sys
import time

from firmware import DEVICE, AckFailed, CameraError, HttpCamera, PostFailed, UdpCamera, WsCamera
from moving_tag import MovingTag

LOOP_S = 0.25    # how seldom the main loop may come round when there is nothing to send


class Pace:
    """A steady beat on the monotonic clock. Beats that were missed are left out, not made up."""

    def __init__(self, interval_s, now):
        self.interval_s, self.next_s = interval_s, now

    def due(self, now):
        """Whether a beat has come; takes it."""
        if now < self.next_s:
            return False
        self.next_s += self.interval_s
        if self.next_s < now:
            self.next_s = now + self.interval_s
        return True


def make_show(size, quality, photo_bytes):
    """What draws the photos. Loaded late, so that a camera without video needs no library."""
    try:
        from photo import Show
    except ImportError:
        sys.exit("photos need the package python3-pil; --no-video does without")
    return Show(size, quality, photo_bytes)


class Board:
    """The firmware's main loop: sees the tag, sends, polls, until it is told to stop."""

    def __init__(self, options):
        self.options = options
        self.camera = None
        self.address = None
        self.tag = MovingTag(options.tag)
        self.boot_s = time.monotonic()
        self.counts = {"sightings": 0, "photos": 0, "photo_bytes": 0, "acknowledged": 0,
                       "failed": 0}
        self._show = None    # made when the first photo is due: it needs a picture library

    def run(self, camera):
        """Runs with a connected camera until --count or --duration is reached; CameraError and
        OSError end it early, and it may be run again with a new connection."""
        options = self.options
        self.camera, self.address = camera, camera.local_address()
        now = time.monotonic()
        sighting = Pace(1 / options.telemetry_rate, now) if options.telemetry_rate else None
        photo = Pace(1 / options.fps, now) if self._has_video() else None
        summary = Pace(1, now + 1)
        while not self._is_done(now):
            if sighting and sighting.due(now):
                self._send_sighting(now)
            if photo and photo.due(now):
                self._send_photo(now)
            if isinstance(camera, WsCamera):
                self._take(camera.poll())
                if photo and photo.interval_s != camera.frame_interval_s:
                    print(f"{self.name}: a photo every {camera.frame_interval_s:g} s", flush=True)
                    photo = Pace(camera.frame_interval_s, now + camera.frame_interval_s)
            if summary.due(now) and not options.quiet:
                self._print_summary()
            now = self._sleep(pace.next_s for pace in (sighting, photo, summary) if pace)

    @property
    def name(self):
        return self.options.name or self.options.device

    def _has_video(self):
        return (self.options.video and self.options.fps > 0
                and not isinstance(self.camera, UdpCamera))

    def _is_done(self, now):
        options = self.options
        return (options.count and self.counts["sightings"] >= options.count
                or options.duration and now - self.boot_s >= options.duration)

    def _sleep(self, due_s):
        now = time.monotonic()
        until_s = min([now + LOOP_S, *due_s])
        if until_s > now:
            time.sleep(until_s - now)
        return time.monotonic()

    def _send_sighting(self, now):
        t = now - self.boot_s
        record = self.tag.record(t, int(t * 1000), self.address)
        self.counts["sightings"] += 1
        if isinstance(self.camera, WsCamera):
            self.camera.send_telemetry(record)    # the acknowledgement comes with a later poll
            return
        try:
            self.camera.report(record)
            self.counts["acknowledged"] += 1
        except (PostFailed, AckFailed) as error:
            self._count_failure(error)

    def _send_photo(self, now):
        if self._show is None:
            options = self.options
            self._show = make_show(options.size, options.quality, options.photo_bytes)
        pose = self.tag.pose(now - self.boot_s)
        jpeg = self._show.draw(self.name, self.tag.tag_id, pose, self.counts["photos"] + 1)
        try:
            self.camera.send_photo(jpeg)
        except PostFailed as error:
            self._count_failure(error)
            return
        self.counts["photos"] += 1
        self.counts["photo_bytes"] += len(jpeg)

    def _take(self, messages):
        for message in messages:
            event = message.get("event")
            if event == "apriltag_ack":
                self.counts["acknowledged"] += 1
            elif event in ("auth_failed", "error"):
                self._count_failure(message)

    def _count_failure(self, what):
        self.counts["failed"] += 1
        if self.counts["failed"] <= 3 or self.counts["failed"] % 100 == 0:
            print(f"{self.name}: failure {self.counts['failed']}: {what}", file=sys.stderr)

    def _print_summary(self):
        counts = self.counts
        print(f"{self.name}: {counts['sightings']} sightings, {counts['acknowledged']} "
              f"acknowledged, {counts['failed']} failed, {counts['photos']} photos "
              f"({counts['photo_bytes'] // 1024} KiB)", flush=True)


def picture_size(text):
    """"240x240" as (240, 240)."""
    width, separator, height = text.partition("x")
    if not separator or not 16 <= int(width) <= 4096 or not 16 <= int(height) <= 4096:
        raise argparse.ArgumentTypeError("WIDTHxHEIGHT, 16 to 4096 each")
    return int(width), int(height)


def parse_options(arguments):
    parser = argparse.ArgumentParser(description="A simulated AprilTag camera.")
    add = parser.add_argument
    add("--transport", choices=("ws", "http", "udp"), default="ws")
    add("--host", default="127.0.0.1", help="the hub's address (default: %(default)s)")
    add("--port", type=int, help="the hub's port (default: 5000, with udp 5200)")
    add("--path", help="path of the WebSocket (default: /websocket, on port 5100 /)")
    add("--token", help="the camera token")
    add("--token-file", default=os.environ.get("TAGHUB_TOKEN_FILE"),
        help="file that holds the camera token (default: $TAGHUB_TOKEN_FILE); "
             "udp sends no token unless --token is given")
    add("--name", help="the camera's name (default: none, as unchanged firmware)")
    add("--device", default=DEVICE, help="the board's name (default: %(default)s)")
    add("--tag", type=int, default=7, help="number of the tag it sees (default: %(default)s)")
    add("--telemetry-rate", type=float, default=10, metavar="PER_SECOND",
        help="sightings per second, 0 for none (default: %(default)s)")
    add("--fps", type=float, default=5, help="photos per second (default: %(default)s)")
    add("--no-video", dest="video", action="store_false", help="send no photos")
    add("--size", type=picture_size, default=(240, 240), metavar="WxH",
        help="picture size (default: 240x240)")
    add("--quality", type=int, default=70, help="JPEG quality, 1 to 95 (default: %(default)s)")
    add("--photo-bytes", type=int, default=0, metavar="N",
        help="fill photos up to this size, for load tests")
    add("--count", type=int, default=0, help="end after so many sightings")
    add("--duration", type=float, default=0, metavar="S", help="end after so many seconds")
    add("--reconnect", type=float, default=5, metavar="S",
        help="pause before a lost connection is made anew; 0 ends instead (default: %(default)s)")
    add("--quiet", action="store_true", help="no summary every second")
    options = parser.parse_args(arguments)
    if options.telemetry_rate < 0 or options.fps < 0 or not 1 <= options.quality <= 95:
        parser.error("a rate is negative or the quality is not within 1 to 95")
    if options.token is None and options.token_file and options.transport != "udp":
        try:
            with open(options.token_file, encoding="utf-8") as file:
                options.token = file.readline().strip()
        except OSError as error:
            parser.error(f"--token-file: {error}")
    if options.token is None and options.transport != "udp":
        parser.error("--token or --token-file is needed")
    if options.port is None:
        options.port = 5200 if options.transport == "udp" else 5000
    if options.path is None:
        options.path = "/" if options.port == 5100 else "/websocket"
    return options


def make_camera(options):
    """The camera that the options describe, connected and identified."""
    if options.transport == "udp":
        return UdpCamera(options.host, options.port, options.token, options.name)
    if options.transport == "http":
        return HttpCamera(options.host, options.port, options.token, options.name)
    camera = WsCamera(options.host, options.port, options.token, path=options.path,
                      name=options.name, device=options.device,
                      frame_interval_s=1 / options.fps if options.fps else 1)
    camera.connect()
    reply = camera.identify()
    if reply.get("event") != "identify_success":
        camera.close()
        raise CameraError(f"the hub refused this camera: {reply}")
    return camera


def main(arguments=None):
    options = parse_options(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)    # power off: leave in order
    board = Board(options)
    while True:
        try:
            with make_camera(options) as camera:
                board.run(camera)
            return 0
        except KeyboardInterrupt:
            return 0
        except (CameraError, OSError) as error:
            print(f"{options.name or options.device}: {type(error).__name__}: {error}",
                  file=sys.stderr, flush=True)
            if not options.reconnect:
                return 1
        try:
            time.sleep(options.reconnect)
        except KeyboardInterrupt:
            return 0


if __name__ == "__main__":
    sys.exit(main())
