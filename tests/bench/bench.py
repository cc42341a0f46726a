"""What the hub costs, set beside the least that it could: one table of rows, each compared with the last result kept.

    bench.py         settings come by environment, as `make bench` hands them on:
    BENCH=NAME       one row, or one measurement with all its rows; BENCH=list tells them
    ROUNDS=3         product and floor in turn, so often; figures are medians over the rounds
    SAVE=1           keep the figures in results.json, to be compared with from then on
    QUICK=1          shorter where that changes little

Exit status: 0, or 1 when a message was lost, doubled, reordered or changed, or somebody was refused. No figure fails it.
"""

import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE.parent / "sim")]

from hub import Hub, build_dir    # noqa: E402  (needs the path above)
from wire import tcp_connect, wait_until    # noqa: E402

RESULTS = HERE / "results.json"
QUICK = os.environ.get("QUICK", "") not in ("", "0")
PICTURE_BYTES = 10240
FAULTS = ("lost", "doubled", "reordered", "altered", "refused", "closed", "bad_status", "errors")
MANY = {"connections_max_count": 12000, "cameras_max_count": 4096}    # more clients than a hub has by default
GROWTH_GAMES = (10, 100, 1000, 5000)
GROWTH_CAMERAS = (1, 64, 500)
GROWTH_DELIVERIES_PER_S = 20000


class Row(NamedTuple):
    """name; whether the ratio to the floor or the product's own figure is judged; its goal; what it is."""
    name: str
    judged: str    # "ratio" or "product"
    unit: str      # of product and floor
    at_least: float
    aim: float
    what: str


ROWS = {
    "game1": (
        Row("game1", "ratio", "µs", 10, 6, "CPU per message, 200/s to 1 game"),
        Row("game1_p50", "product", "µs", 600, 350, "median latency of it")),
    "games10": (
        Row("games10", "ratio", "µs", 2.5, 1.5, "CPU per delivery, 1000/s to 10 games"),),
    "games100": (
        Row("games100", "ratio", "µs", 1.3, 0.5, "CPU per delivery, 200/s to 100 games"),
        Row("games100_p99", "ratio", "µs", 2, 1, "latency of it, 99 %")),
    "games1000": (
        Row("games1000", "ratio", "µs", 1.4, 0.75, "CPU per delivery, 20/s to 1000 games"),),
    "saturated": (
        Row("saturated", "ratio", "1/s", 3, 8, "deliveries to 100 games, 256 messages in flight"),),
    "post": (
        Row("post", "ratio", "µs", 3, 2, "CPU per POST of 300 bytes, 16 connections, 1 game"),),
    "photo": (
        Row("photo", "ratio", "µs", 1.2, 1, "CPU per GET of 10 KB, 16 connections"),),
    "frames": (
        Row("frames", "ratio", "µs", 6, 3, "CPU per picture of 10 KB by WebSocket, 8 in flight"),),
    "udp": (
        Row("udp", "ratio", "µs", 1.2, 1, "CPU per datagram, 1000/s to 1 game; floor: by WebSocket"),),
    "idle": (
        Row("idle", "product", "B", 3072, 1228, "memory per idle game, of 5000"),),
    "rest": (
        Row("rest", "product", "MB", 16, 8, "memory of a hub at rest, 2 workers"),),
    "slow": (
        Row("slow", "product", "KB", 1200, 256, "memory per slow game: 10 of 20, 500/s of 8 KB"),
        Row("slow_p99", "ratio", "µs", 1.5, 1.1, "latency of the others, 99 %; floor: none are slow")),
    "storm": (
        Row("storm", "product", "s", 5, 2, "2000 cameras at once, until all are in"),),
    "growth_games": (
        Row("growth_games", "ratio", "x", 1.5, 1.1, "CPU per delivery, 5000 games over 10; floor: its own"),
        Row("growth_step", "ratio", "x", 1.5, 1.1, "the worst step of 10, 100, 1000, 5000 games")),
    "growth_cameras": (
        Row("growth_cameras", "ratio", "µs", 1.5, 1.1, "CPU per message, worst of 1, 64, 500 cameras; floor: best"),),
    "spread": (
        Row("spread", "product", "%", 10, 5, "imbalance of 200 games over two workers"),),
    "hot_camera": (
        Row("hot_camera", "product", "%", None, None, "the busiest process, of a core, one camera at full speed"),),
}
MORE_IS_BETTER = {"saturated"}


# What was found wrong, and what is worth telling beside the figures

faults = []
notes = set()


def note_faults(what, result):
    found = [f"{name} {result[name]}" for name in FAULTS if result.get(name)]
    if found:
        faults.append(f"{what}: {', '.join(found)}")


# Servers: each tells load where it is and which processes are metered

class Product:
    """A hub of the build under test, with its defaults but for `settings`."""

    def __init__(self, **settings):
        self.hub = Hub(workers=settings.pop("workers", None), **settings)
        self.name = "hub"

    def pids(self):
        return [process.pid for process in self.hub.descendants()]

    def options(self):
        return {"hub": 1, "port": self.hub.ws_port, "http_port": self.hub.http_port, "udp_port": self.hub.udp_port,
                "token": self.hub.token}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.hub.__exit__(*error)


class Floor:
    """build/bench/PROGRAM PORT ARGUMENT..."""

    def __init__(self, program, *arguments):
        self.port = random.SystemRandom().randrange(10000, 32000)
        self.name = program
        self.process = subprocess.Popen([str(build_dir() / "bench" / program), str(self.port), *map(str, arguments)])
        wait_until(self._answers, 5, f"{program} listens")

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.process.returncode}")
        try:
            tcp_connect("127.0.0.1", self.port).close()
        except OSError:
            return False
        return True

    def pids(self):
        return [self.process.pid]

    def options(self):
        return {"hub": 0, "port": self.port, "http_port": self.port}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def pss_bytes(server):
    """Memory of all its processes; what they share counts once."""
    total = 0
    for pid in server.pids():
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) * 1024
    return total


def pss_at_rest(server, looks=50):
    """The same, when it has not changed for so many looks in a row, some 10 ms apart."""
    seen = []

    def is_steady():
        seen.append(pss_bytes(server))
        return len(seen) >= looks and len(set(seen[-looks:])) == 1
    wait_until(is_steady, 20, "memory is steady")
    return seen[-1]


class Load:
    """A run of build/bench/load; `held` ones wait, connected and warm, until result() is asked for."""

    def __init__(self, server, **options):
        self.what = f"{server.name}, " + " ".join(f"{key}={value}" for key, value in options.items() if key != "picture")
        options = {**server.options(), "pids": ",".join(map(str, server.pids())), **options}
        words = [f"{key}={value}" for key, value in options.items()]
        self.process = subprocess.Popen([str(build_dir() / "bench" / "load"), *words], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.is_ready = self.process.stdout.readline() == "ready=1\n"

    def begin(self):
        self.process.stdin.close()

    def has_ended(self, within_s):
        try:
            self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def result(self):
        self.begin()
        output = self.process.stdout.read()    # load ends by itself, always
        if self.process.wait() not in (0, 1) or not self.is_ready:
            raise RuntimeError(f"load could not run: {self.what}")
        result = {key: int(value) for key, value in (word.split("=") for word in output.split())}
        note_faults(self.what, result)
        return result


def measure(server, **options):
    with server:
        return Load(server, **options).result()


# Figures of one run

def cpu_per_delivery(result):
    return result["cpu_ns"] / 1e3 / max(result["delivered"], 1)


def cpu_per_answer(result):
    return result["cpu_ns"] / 1e3 / max(result["acked"], 1)


def cpu_per_message(result):
    return result["cpu_ns"] / 1e3 / max(result["sent"], 1)


def p50_us(result):
    return result["p50_ns"] / 1e3


def p99_us(result):
    return result["p99_ns"] / 1e3


def deliveries_per_s(result):
    return result["delivered"] * 1e9 / result["wall_ns"]


# Measurements: each is one round, and returns {row: (product, floor or None)}

def beside_floor(figures, **options):
    """The same load on the hub and on the floor."""
    def measure_round():
        product = measure(Product(), warmup=20, **options)
        floor = measure(Floor("floor"), warmup=20, **options)
        return {row: (figure(product), figure(floor)) for row, figure in figures.items()}
    return measure_round


def make_picture():
    """(bytes, place of its eight digits): a grey JPEG of 8 x 8 pixels, filled up to its size by a comment."""
    def segment(marker, payload):
        return bytes((0xff, marker)) + (len(payload) + 2).to_bytes(2, "big") + payload

    one_code = bytes((1,)) + bytes(15) + b"\0"    # a Huffman table: one code of one bit, for the value 0
    before = b"\xff\xd8" + segment(0xe0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
    after = (segment(0xdb, b"\0" + b"\1" * 64) + segment(0xc0, bytes((8, 0, 8, 0, 8, 1, 1, 0x11, 0)))
             + segment(0xc4, b"\0" + one_code) + segment(0xc4, b"\x10" + one_code)
             + segment(0xda, bytes((1, 1, 0, 0, 63, 0))) + b"\x3f\xff\xd9")
    comment = b"0" * 8 + b"." * (PICTURE_BYTES - len(before) - len(after) - 12)
    return before + segment(0xfe, comment) + after, len(before) + 4


def picture_file(directory):
    picture, stamp_at = make_picture()
    path = Path(directory) / "picture.jpg"
    path.write_bytes(picture)
    return {"picture": path, "stamp_at": stamp_at}


def ask(hub, path, body=None, headers=None):
    request = urllib.request.Request(f"http://127.0.0.1:{hub.http_port}{path}", body, headers or {})
    with urllib.request.urlopen(request, timeout=10) as reply:
        return reply.read()


def post():
    options = {"via": "post", "senders": 16, "warmup": 50, "count": 100000, "duration_ms": 2000}
    product = measure(Product(), games=1, **options)
    floor = measure(Floor("bare_http", os.devnull), **options)
    return {"post": (cpu_per_answer(product), cpu_per_answer(floor))}


def photo():
    with tempfile.TemporaryDirectory() as directory:
        picture = picture_file(directory)
        options = {"via": "get", "senders": 16, "warmup": 50, "count": 200000, "duration_ms": 2000, **picture}
        with Product() as server:
            ask(server.hub, "/client_e32__http_post_to_serverhub__smartcam_video_stream",
                picture["picture"].read_bytes(), {"Authorization": server.hub.token, "Content-Type": "image/jpeg"})
            product = Load(server, **options).result()
        floor = measure(Floor("bare_http", picture["picture"]), **options)
    return {"photo": (cpu_per_answer(product), cpu_per_answer(floor))}


def gateway_workers(server):
    """The gateway's workers, as `taghubctl status --json` tells them."""
    status = subprocess.run([str(build_dir() / "bin" / "taghubctl"), "status", "--json", "--interval", "10"], check=True,
                            env=server.hub.environment, stdout=subprocess.PIPE, text=True).stdout
    return next(service["workers"] for service in json.loads(status)["services"] if service["service"] == "gateway")


def note_dropped_pictures(server):
    taken, dropped = (sum(worker["totals"][name] for worker in gateway_workers(server))
                      for name in ("photos", "photos_dropped"))
    if dropped:
        notes.add(f"frames: {dropped} of {taken} pictures gave way to newer ones")


def frames():
    with tempfile.TemporaryDirectory() as directory:
        picture = picture_file(directory)
        options = {"via": "frames", "window": 8, "warmup": 20, "count": 100000, "duration_ms": 2000, **picture}
        with Product() as server:
            product = Load(server, **options).result()
            newest = b"%08u" % (options["warmup"] + product["sent"] - 1)
            stamp = slice(picture["stamp_at"], picture["stamp_at"] + len(newest))
            try:
                wait_until(lambda: ask(server.hub, "/photo")[stamp] == newest, 2, "the newest picture")
            except TimeoutError:
                faults.append("hub, frames: GET /photo is not the newest picture")
            note_dropped_pictures(server)
        floor = measure(Floor("floor"), **options)
    return {"frames": (cpu_per_answer(product), cpu_per_answer(floor))}


def udp():
    options = {"games": 1, "rate": 1000, "warmup": 20, "count": 3000, "stall_ms": 1500}
    datagrams = measure(Product(), via="udp", **options)
    texts = measure(Product(), via="ws", **options)
    if datagrams["acked"] < datagrams["sent"]:
        notes.add(f"udp: {datagrams['acked']} of {datagrams['sent']} datagrams were acknowledged")
    return {"udp": (cpu_per_message(datagrams), cpu_per_message(texts))}


def idle():
    count = 5000

    def bytes_per_game(server):
        with server:
            before = pss_at_rest(server)
            load = Load(server, games=count, senders=0, held=1)
            after = pss_at_rest(server)
            load.begin()
            load.result()
        return (after - before) / count
    return {"idle": (bytes_per_game(Product(**MANY)), bytes_per_game(Floor("floor")))}


def rest():
    with Product(workers=2) as server:
        return {"rest": (pss_at_rest(server) / 1e6, None)}


def slow():
    seconds = 10 if QUICK else 30
    options = {"rate": 500, "size": 8192, "tags": 1000, "warmup": 20, "count": 500 * seconds, "held": 1}

    def watched(games, slow_games):
        with Product() as server:
            load = Load(server, games=games, slow=slow_games, **options)
            before = peak = pss_bytes(server)
            load.begin()
            while not load.has_ended(within_s=0.25):
                peak = max(peak, pss_bytes(server))
            return load.result(), (peak - before) / 1024
    without, _ = watched(10, 0)
    result, growth_kb = watched(20, 10)
    return {"slow": (growth_kb / 10, None), "slow_p99": (p99_us(result), p99_us(without))}


def storm():
    count = 2000
    result = measure(Product(**MANY), senders=count, together=count)
    return {"storm": (result["connect_ns"] / 1e9, None)}


def growth_games():
    def costs(server):
        return [cpu_per_delivery(measure(server(), games=games, warmup=3, rate=GROWTH_DELIVERIES_PER_S // games,
                                         count=2 * GROWTH_DELIVERIES_PER_S // games)) for games in GROWTH_GAMES]
    product = costs(lambda: Product(**MANY))
    floor = costs(lambda: Floor("floor"))
    steps = [(product[i + 1] / product[i], floor[i + 1] / floor[i]) for i in range(len(GROWTH_GAMES) - 1)]
    return {"growth_games": (product[-1] / product[0], floor[-1] / floor[0]),
            "growth_step": max(steps, key=lambda step: step[0] / step[1])}


def growth_cameras():
    costs = [cpu_per_message(measure(Product(**MANY), games=1, senders=cameras, rate=1000, warmup=20, count=3000))
             for cameras in GROWTH_CAMERAS]
    return {"growth_cameras": (max(costs), min(costs))}


def spread():
    with Product(workers=2) as server:
        load = Load(server, games=200, senders=0, held=1)
        one, other = (worker["gauges"]["connections"] for worker in gateway_workers(server))
        load.begin()
        load.result()
    return {"spread": (100 * abs(one - other) / (one + other), None)}


def hot_camera():
    result = measure(Product(), games=1, window=64, warmup=20, count=200000, duration_ms=2000)
    return {"hot_camera": (100 * result["busiest_cpu_ns"] / result["wall_ns"], None)}


MEASUREMENTS = {
    "game1": beside_floor({"game1": cpu_per_message, "game1_p50": p50_us}, games=1, rate=200, count=800),
    "games10": beside_floor({"games10": cpu_per_delivery}, games=10, rate=1000, count=3000),
    "games100": beside_floor({"games100": cpu_per_delivery, "games100_p99": p99_us}, games=100, rate=200, count=600),
    "games1000": beside_floor({"games1000": cpu_per_delivery}, games=1000, rate=20, count=60),
    "saturated": beside_floor({"saturated": deliveries_per_s}, games=100, window=256, count=100000, duration_ms=2000),
    "post": post,
    "photo": photo,
    "frames": frames,
    "udp": udp,
    "idle": idle,
    "rest": rest,
    "slow": slow,
    "storm": storm,
    "growth_games": growth_games,
    "growth_cameras": growth_cameras,
    "spread": spread,
    "hot_camera": hot_camera,
}
ONE_ROUND = {"slow"}    # long, and its figures are of the whole run


# Rounds and the table

def run(name, rounds):
    """{row: {"product": , "floor": , "ratio": }}, medians over the rounds."""
    samples = defaultdict(list)
    for _ in range(1 if name in ONE_ROUND else rounds):
        for row, (product, floor) in MEASUREMENTS[name]().items():
            samples[row].append({"product": product, "floor": floor, "ratio": product / floor if floor else None})
    return {row: {key: statistics.median(sample[key] for sample in taken) if taken[0][key] is not None else None
                  for key in taken[0]} for row, taken in samples.items()}


def shown(value):
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def verdict(row, value):
    """Which of its two goals the row reaches."""
    if row.aim is None:
        return ""
    sign = -1 if row.name in MORE_IS_BETTER else 1
    if sign * value <= sign * row.aim:
        return "aim"
    return "ok" if sign * value <= sign * row.at_least else "short"


HEADINGS = ("row", "product", "floor", "unit", "ratio", "at least", "aim", "", "last", "change", "what")


def cells(row, figures, last):
    value = figures[row.judged]
    goal_unit = "" if row.judged == "ratio" or row.aim is None else " " + row.unit
    before = last.get(row.name, {}).get(row.judged)
    change = f"{100 * (value / before - 1):+.0f} %" if before else ""
    return (row.name, shown(figures["product"]), shown(figures["floor"]), row.unit, shown(figures["ratio"]),
            shown(row.at_least) + goal_unit, shown(row.aim) + goal_unit, verdict(row, value), shown(before), change,
            row.what)


def print_table(results, last):
    lines = [HEADINGS] + [cells(row, results[row.name], last)
                          for rows in ROWS.values() for row in rows if row.name in results]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    for line in lines:
        print("  ".join(cell.ljust(width) if column in (0, 3, 7, 10) else cell.rjust(width)
                        for column, (cell, width) in enumerate(zip(line, widths))).rstrip())


def chosen(name):
    """Measurements that a row or they themselves are named by; all for no name."""
    return [measurement for measurement, rows in ROWS.items()
            if name in ("", measurement) or name in (row.name for row in rows)]


def main():
    name, rounds = os.environ.get("BENCH", ""), int(os.environ.get("ROUNDS") or 3)
    if name == "list":
        for rows in ROWS.values():
            for row in rows:
                print(f"{row.name:16}{row.what}")
        return 0
    if not chosen(name):
        sys.exit(f"no row {name}: BENCH=list tells them")
    last = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results = {}
    begin = time.monotonic()
    for measurement in chosen(name):
        print(f"{measurement} ...", file=sys.stderr, flush=True)
        results.update(run(measurement, rounds))
    print_table(results, last)
    print(f"{time.monotonic() - begin:.0f} s, {rounds} rounds")
    if os.environ.get("SAVE", "") not in ("", "0"):
        kept = {row: {key: figure and float(f"{figure:.4g}") for key, figure in figures.items()}
                for row, figures in results.items()}
        RESULTS.write_text(json.dumps({**last, **kept}, indent=1) + "\n")
    for note in sorted(notes):
        print(f"note   {note}")
    for fault in faults:
        print(f"FAILED {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
