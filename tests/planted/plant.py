"""Spoils one line after the other in a copy of the tree and demands that a test fails for each.

    plant.py [NAME...]      all rows of PLANTS when none is named; ends with "N passed, N failed"
"""

import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPY = ROOT / "build" / "planted"
CHAOS = "tests/e2e/test_chaos.py"
GATEWAY = "tests/e2e/test_settlement_gateway.py"
FANOUT = "tests/e2e/test_fanout_process.py"
HANDOVER = "tests/e2e/test_handover.py"

Plant = namedtuple("Plant", "name file good bad tests")

PLANTS = (
    Plant("nothing_is_sent_again", "gateway/uplink.c",
          "count_add(uplink->worker->slot, COUNTER_resent, unsettled_go_back(uplink->store));",
          "(void)uplink;", [CHAOS]),
    Plant("repeats_are_news", "gateway/uplink.c",
          "if (!marks_accept(&uplink->marks, sighting->origin, sighting->seq)) { /* P2 */",
          "if (!marks_accept(&uplink->marks, sighting->origin, sighting->seq) && sighting->seq == 0) {", [GATEWAY]),
    Plant("sent_again_out_of_order", "gateway/unsettled.c",
          "for (uint64_t seq = store->unsent_seq; seq < store->next_seq; seq++) {\n        if (*at(store, seq) != NULL)",
          "for (uint64_t seq = store->next_seq; seq-- > store->first_seq;) {\n"
          "        if (*at(store, seq) != NULL && !(*at(store, seq))->sent)", [CHAOS]),
    Plant("a_missing_worker_is_not_missed", "gateway/uplink.c",
          "return (page_alive_mask(uplink->worker->page) & ~slots) == 0;",
          "return page_alive_mask(uplink->worker->page) != 0 || slots == 0;", [GATEWAY]),
    Plant("acknowledged_before_it_is_settled", "gateway/uplink.c",
          "unsettled_saw(uplink->store, entry, sighting);",
          "unsettled_saw(uplink->store, entry, sighting), unsettled_settle(uplink->store, sighting->seq);", [GATEWAY]),
    Plant("settled_before_the_kernel_has_it", "services/fanout/owed.c",
          "part->stream <= taken", "(part->stream <= taken || part->seq != 0)", [FANOUT]),
    Plant("a_lost_worker_restarts_nothing", "services/fanout/fanout.c",
          'restart_stream(fanout, "a worker is lost"); /* A2 */', "", [FANOUT]),
    Plant("the_gate_is_always_open", "services/fanout/fanout.c",
          "bool open = fanout->alive_known && (fanout->alive & ~seeded_slots(fanout)) == 0;",
          "bool open = fanout->alive_known || (fanout->alive & ~seeded_slots(fanout)) == 0;", [FANOUT]),
    Plant("sessions_are_not_parked", "gateway/gateway.c",
          "ws_sessions_park(gateway->sessions, &parking);", "", [HANDOVER]),
    Plant("what_was_half_read_is_forgotten", "gateway/ws_handover.c",
          "return r < 0 ? r : record_put_blob(record, view_of(input->bytes, input->size));",
          "return r < 0 ? r : record_put_blob(record, view_of(input->bytes, 0));",
          [HANDOVER + "::test_what_a_paused_client_had_sent_is_read_on"]),
    Plant("parked_with_something_under_way", "gateway/ws_handover.c",
          "if (!session->closing && session->pending_count == 0 && park(session, parking)) {",
          "if (!session->closing && park(session, parking)) {",
          [HANDOVER + "::test_who_waits_for_a_hung_service_is_cut_and_told_and_nobody_else"]),
)


def say(*words):
    print(*words, flush=True)


def run(*words, **how):
    return subprocess.run(words, cwd=COPY, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **how)


def make_copy():
    shutil.rmtree(COPY, ignore_errors=True)
    COPY.mkdir(parents=True)
    subprocess.run(["sh", "-c", 'git ls-files -z --cached --others --exclude-standard | '
                    'tar --null --files-from=- --ignore-failed-read -c | tar -x -C "$0"', str(COPY)], cwd=ROOT, check=True)
    built = run("make", "-s", "-j2", "all")
    if built.returncode != 0:
        sys.exit(f"the copy does not build:\n{built.stdout}")


def is_caught(plant):
    """Whether a test of the row fails on the spoiled programs."""
    file = COPY / plant.file
    whole = file.read_text()
    if whole.count(plant.good) != 1:
        say(f"--- {plant.name}: {whole.count(plant.good)} times in {plant.file}: {plant.good}")
        return False
    try:
        file.write_text(whole.replace(plant.good, plant.bad))
        built = run("make", "-s", "all")
        if built.returncode != 0:
            say(f"--- {plant.name} does not build\n{built.stdout[-3000:]}")
            return False
        tested = run("/usr/bin/python3", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=no", *plant.tests,
                     env={**os.environ, "TAGHUB_BUILD": str(COPY / "build"), "CHAOS_SEED": "1"}, timeout=600)
    finally:
        file.write_text(whole)
    if tested.returncode != 1:    # 1: tests ran and one failed
        say(f"--- {plant.name} is not caught (exit {tested.returncode})\n{tested.stdout[-3000:]}")
        return False
    failure = next(line for line in tested.stdout.splitlines() if line.startswith(("FAILED", "ERROR")))
    say(f"{plant.name}: {failure}")
    return True


def main(names):
    plants = [plant for plant in PLANTS if not names or plant.name in names]
    if len(plants) < len(names):
        sys.exit(f"usage: plant.py [NAME...]  of {' '.join(plant.name for plant in PLANTS)}")
    make_copy()
    caught = [is_caught(plant) for plant in plants]
    say(f"{sum(caught)} passed, {len(caught) - sum(caught)} failed")
    return 0 if all(caught) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
