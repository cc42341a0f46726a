"""A classroom at its worst: one busy camera, two hundred games; and a hub with nothing to do.

On a build whose limits are stretched (TAGHUB_TIME_FACTOR) the load is smaller and shorter, because
such a build, not the hub, would be measured.
"""

from clients import http
from photo import Show
from swarm import LoadCamera, MemoryWatch, Swarm, cpu_s, gateway_counts, hub_processes, wakeups
from wire import TIME_FACTOR, seconds, wait_until

STRETCHED = TIME_FACTOR > 1
GAMES = 40 if STRETCHED else 200
DURATION_S = 6 if STRETCHED else 20
TELEMETRY_PER_S = 50 if STRETCHED else 200
PHOTOS_PER_S = 10 if STRETCHED else 30
PHOTO_BYTES = 50 * 1024

# By how much the peak of a process's memory may be higher after the first third than in it: what an
# allocator keeps of a burst. (A sanitizer keeps hundreds of megabytes of what was freed.)
SLACK_KIB = 1 << 20 if STRETCHED else 2048

IDLE_S = 2
IDLE_WAKEUPS_PER_S = 40    # of one process: its heartbeat and little else


def per_second(before, after, duration_s):
    """Rounded rates of what two calls of the same measure gave, for the report of the test."""
    return {name: round((after[name] - before[name]) / duration_s, 2) for name in before}


def test_no_message_is_lost_and_memory_stays_flat(fresh_hub):
    hub = fresh_hub()
    photo = Show(photo_bytes=PHOTO_BYTES).draw("load", 3, (0, 0, 40, 0, 0, 0), 1)
    with Swarm(hub, GAMES) as swarm, LoadCamera(hub) as camera:
        memory = MemoryWatch(hub)
        cpu = {name: cpu_s(pid) for name, pid in memory.pids.items()}
        camera.send_for(DURATION_S, TELEMETRY_PER_S, PHOTOS_PER_S, photo, memory.sample)
        camera.wait_acks()
        results = swarm.finish(camera.sent)
        used = {name: cpu_s(pid) for name, pid in memory.pids.items()}
        counts = gateway_counts(hub)
    print("CPU s/s:", per_second(cpu, used, DURATION_S))
    print("memory KiB:", memory.samples)
    print(f"camera late by {camera.late_s * 1000:.0f} ms at most; totals {counts['totals']}")
    assert results == [(camera.sent, [])] * GAMES
    assert counts["totals"]["texts"] - camera.sent == GAMES + 1    # each client's identify
    assert counts["totals"]["deliveries"] == camera.sent * GAMES
    assert counts["totals"]["photos"] == camera.photos
    assert counts["totals"]["dropped"] == counts["totals"]["photos_dropped"] == 0
    assert counts["refused"] == {}
    assert http(hub, "GET", "/photo").body == photo
    growth = memory.growth_kib(since=DURATION_S // 3)
    assert max(growth.values()) <= SLACK_KIB, growth


def test_memory_of_games_and_cameras_that_left_is_free_again(fresh_hub):
    hub = fresh_hub()
    photo = Show(photo_bytes=PHOTO_BYTES).draw("load", 3, (0, 0, 40, 0, 0, 0), 1)
    memory = MemoryWatch(hub)
    rounds = 6
    for number in range(rounds):
        with Swarm(hub, GAMES // 2, replay=int(number > 0)) as swarm, LoadCamera(hub) as camera:
            camera.send_for(0.5, TELEMETRY_PER_S, PHOTOS_PER_S, photo)
            camera.wait_acks()
            assert swarm.finish(camera.sent) == [(camera.sent, [])] * (GAMES // 2)
        wait_until(lambda: gateway_counts(hub)["gauges"]["connections"] == 0, 5, "all have left")
        memory.sample()
    growth = memory.growth_kib(since=rounds // 2)
    assert max(growth.values()) <= SLACK_KIB, (growth, memory.samples)


def test_an_idle_hub_sleeps(fresh_hub):
    hub = fresh_hub(workers=4)
    pids = hub_processes(hub)
    with Swarm(hub, 20):
        before = {name: wakeups(pid) for name, pid in pids.items()}
        cpu = {name: cpu_s(pid) for name, pid in pids.items()}
        gateway_counts(hub, IDLE_S * 1000)
        rates = per_second(before, {name: wakeups(pid) for name, pid in pids.items()}, IDLE_S)
        busy = per_second(cpu, {name: cpu_s(pid) for name, pid in pids.items()}, IDLE_S)
    print("wakeups/s:", rates, "CPU s/s:", busy)
    assert max(rates.values()) <= IDLE_WAKEUPS_PER_S, rates
    assert max(busy.values()) <= 0.05 * seconds(1), busy
