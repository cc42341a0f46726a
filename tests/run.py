"""Runs the stages of the test suite, adds their results up, and ends with one line: N passed, N failed.

    run.py STAGE...      exit status 0 when nothing failed

A stage is a row of STAGES. What a test prints goes to build/logs/ and is shown when it fails.
"""

import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "logs"
ASAN_OPTIONS = "abort_on_error=0:detect_leaks=1:strict_string_checks=1:check_initialization_order=1"
UBSAN_OPTIONS = "print_stacktrace=1:halt_on_error=1"
VALGRIND = "valgrind --quiet --trace-children=yes --error-exitcode=99 " \
           "--leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite " \
           "--suppressions={root}/tests/valgrind.supp --log-file={logs}/valgrind.%p"


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []    # names

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures


def run_logged(name, words, environment=None, seconds=1500):
    """Returns (exit status, output); the output is kept in build/logs/NAME.log."""
    LOGS.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(words, cwd=ROOT, env={**os.environ, **(environment or {})}, timeout=seconds,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        status, output = done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as late:
        status, output = -1, (late.stdout or b"").decode(errors="replace") + f"\nno end within {seconds} s\n"
    (LOGS / f"{name}.log").write_text(output)
    return status, output


def count_of(pattern, text):
    return sum(int(number) for number in re.findall(pattern, text))


def units(build, environment=None):
    """cmocka programs: each says how many of its tests passed and failed."""
    tally = Tally()
    for source in sorted((ROOT / "tests" / "unit").rglob("test_*.c")):
        name = source.relative_to(ROOT / "tests" / "unit").with_suffix("")
        status, output = run_logged(f"{build.name}-unit-{str(name).replace('/', '-')}", [str(build / "unit" / name)],
                                    environment, seconds=300)
        failed = count_of(r"\[  FAILED  \] (\d+) test\(s\)", output)
        tally.passed += count_of(r"\[  PASSED  \] (\d+) test\(s\)", output)
        tally.skipped += count_of(r"\[  SKIPPED \] (\d+) test\(s\)", output)
        tally.failed += failed or int(status != 0)
        if status != 0:
            tally.failures.append(f"{build.name}: unit {name}")
            print(f"--- unit {name} failed (exit {status})\n{output[-6000:]}")
    return tally


def corpus(build, environment=None):
    """Every input a fuzz target ever failed on, and its seeds: one test per target."""
    tally = Tally()
    for source in sorted((ROOT / "tests" / "fuzz").glob("fuzz_*.c")):
        name = source.stem.removeprefix("fuzz_")
        folders = [ROOT / "tests" / "fuzz" / "corpus" / name, build / "seeds" / name]
        status, output = run_logged(f"replay-{name}", [str(build / "replay" / source.stem),
                                                       *(str(folder) for folder in folders if folder.is_dir())],
                                    environment, seconds=300)
        tally.passed += int(status == 0)
        tally.failed += int(status != 0)
        if status != 0:
            tally.failures.append(f"corpus of {source.stem}")
            print(f"--- corpus of {source.stem} failed (exit {status})\n{output[-6000:]}")
    return tally


def end_to_end(name, build, environment=None, words=(), parallel=4):
    tally = Tally()
    environment = {"TAGHUB_BUILD": str(build), "CI": "1", **(environment or {})}    # CI: pytest cuts no line short
    status, output = run_logged(name, ["/usr/bin/python3", "-m", "pytest", "-q", "-rfEs", "-p", "no:cacheprovider", "-n",
                                       str(parallel), "--dist", "loadfile", *(words or ["tests/e2e"])], environment)
    last = output.strip().splitlines()[-1] if output.strip() else ""
    tally.passed = count_of(r"(\d+) passed", last)
    tally.failed = count_of(r"(\d+) failed", last) + count_of(r"(\d+) errors?", last)
    tally.skipped = count_of(r"(\d+) skipped", last)
    if status != 0:
        tally.failed = max(tally.failed, 1)
        tally.failures = [f"{name}: {line}" for line in re.findall(r"^(?:FAILED|ERROR) (.*)$", output, re.M)]
        print(f"--- {name} failed (exit {status})\n{output[-20000:]}")
    elif tally.skipped:
        print(f"--- skipped: {', '.join(sorted(set(re.findall(r'^SKIPPED .*?: (.*)$', output, re.M))))}")
    return tally


def under_valgrind():
    """WebSocket and HTTP once under valgrind: libh2o is not built for sanitizers, so misuse of it shows only here."""
    for old in LOGS.glob("valgrind.*"):
        old.unlink()
    LOGS.mkdir(parents=True, exist_ok=True)
    tally = end_to_end("valgrind-e2e", ROOT / "build", {
        "TAGHUB_WRAP": VALGRIND.format(logs=LOGS, root=ROOT), "TAGHUB_SLOW": "1", "TAGHUB_TIME_FACTOR": "10"},
        ["tests/e2e", "-m", "valgrind"], parallel=3)
    complaints = [log for log in LOGS.glob("valgrind.*") if log.read_text(errors="replace").strip()]
    for log in complaints[:5]:
        print(f"--- {log.name}\n{log.read_text(errors='replace')[:6000]}")
    tally.failed += len(complaints)
    tally.failures += [f"valgrind complains: {log.name}" for log in complaints]
    return tally


SANITIZED = {"ASAN_OPTIONS": ASAN_OPTIONS, "UBSAN_OPTIONS": UBSAN_OPTIONS,
             "LSAN_OPTIONS": f"suppressions={ROOT}/tests/lsan.supp:print_suppressions=0"}

STAGES = {
    "units": lambda: units(ROOT / "build"),
    "e2e": lambda: end_to_end("e2e", ROOT / "build"),
    "systemd": lambda: end_to_end("systemd", ROOT / "build", words=["tests/systemd"], parallel=2),
    "browser": lambda: end_to_end("browser", ROOT / "build", words=["tests/browser"], parallel=2),
    "asan-units": lambda: units(ROOT / "build" / "asan", SANITIZED),
    "corpus": lambda: corpus(ROOT / "build" / "asan", SANITIZED),
    "asan-e2e": lambda: end_to_end("asan-e2e", ROOT / "build" / "asan", {**SANITIZED, "TAGHUB_TIME_FACTOR": "3"}),
    "valgrind": under_valgrind,
}


def main(names):
    unknown = [name for name in names if name not in STAGES]
    if unknown or not names:
        print(f"usage: run.py STAGE...  of {' '.join(STAGES)}", file=sys.stderr)
        return 2
    total = Tally()
    for name in names:
        began = time.monotonic()
        print(f"== {name}", flush=True)
        tally = STAGES[name]()
        total.add(tally)
        print(f"== {name}: {tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped, "
              f"{time.monotonic() - began:.0f} s", flush=True)
    for failure in total.failures[:12]:    # once more, where they are seen
        print(f"failed: {failure[:500]}")
    print(f"{total.passed} passed, {total.failed} failed" + (f", {total.skipped} skipped" if total.skipped else ""))
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
