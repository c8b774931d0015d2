#!/usr/bin/env python3
"""Compares this product with restic, rustic, borg and bupstash on one machine in one run. README.md says how.

    bench.py [--data DIR] [--only SET,…] [--tools TOOL,…] [--runs 3] [--json FILE]

Ends with 1 when a target is missed or one of our steps fails, with 0 otherwise.
"""

import argparse
import collections
import fcntl
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

from measure import MIB, ToolFailed, fresh_file_system, settle, warm
from sets import DATA_SETS
from tools import TOOLS

HERE = pathlib.Path(__file__).resolve().parent
OURS = "datis"

# The most that we may take, as a ratio to the best of the others at the same step.
TARGETS = {
    "first": 0.75,
    "unchanged": 1.0,
    "changed": 0.75,
    "changed bytes": 1.05,
    "repository": 1.0,
    "restore": 0.9,
    "check": 1.0,
}
FAST_ENOUGH = 0.2  # seconds for an unchanged backup, where the best of the others takes less than that
MEMORY_LIMIT = {"client memory": 128, "box memory": 256}  # MiB

# What a row of the table shows: key, words, unit.
ROWS = [
    ("first", "first backup", "s"),
    ("repository", "  repository after it", "MB"),
    ("unchanged", "unchanged", "s"),
    ("changed", "1 % changed", "s"),
    ("changed bytes", "  bytes added", "MB"),
    ("restore", "full restore", "s"),
    ("check", "check", "s"),
    ("client memory", "client memory, peak", "MiB"),
    ("box memory", "box memory, peak", "MiB"),
    ("everything", "data folder of the box", "MB"),
]


class Results:
    """All figures of one data set: figures[row][tool] is one number per run, in the units of ROWS."""

    def __init__(self):
        self.figures = collections.defaultdict(lambda: collections.defaultdict(list))
        self.samples = []
        self.failures = {}

    def add(self, row, tool, figure):
        self.figures[row][tool].append(figure)

    def add_sample(self, step, tool, run, sample):
        self.samples.append({"step": step, "tool": tool, "run": run, **vars(sample)})
        self.add(step, tool, sample.seconds)

    def typical(self, row, tool):
        """The median over the runs, or None if there is none. Memory is a promise: there it is the maximum."""
        figures = self.figures[row][tool]
        if not figures:
            return None
        return max(figures) if row in MEMORY_LIMIT else statistics.median(figures)


def measure_set(data_set, kinds, places, runs):
    """All runs of one data set. In every step the tools take turns, in another order in every run."""
    results = Results()
    for number in range(runs):
        tools = [kind(new_home(places.work / kind.name), places.programs) for kind in kinds]
        turn = number % len(tools)
        tools = tools[turn:] + tools[:turn]
        with fresh_file_system(places.work, "source") as folder:
            copy = data_set.copy_to(folder, places.data)
            try:
                one_run(results, number, data_set, copy, tools, places)
            finally:
                for tool in tools:
                    tool.end()
                    shutil.rmtree(tool.home, ignore_errors=True)
    return results


def one_run(results, number, data_set, copy, tools, places):
    """One repository per tool, from the first backup to the check."""

    def step(name, source, action, after=lambda tool: None):
        for tool in [tool for tool in tools if tool.name not in results.failures]:
            note(f"{data_set.name}, run {number + 1}: {name}, {tool.name}")
            try:
                warm(source or tool.repository)
                settle()
                sample = action(tool)
                if sample is not None:
                    results.add_sample(name, tool.name, number, sample)
                    if sample.peak_bytes:
                        results.add("client memory", tool.name, sample.peak_bytes / MIB)
                    if sample.box_peak_bytes:
                        results.add("box memory", tool.name, sample.box_peak_bytes / MIB)
                after(tool)
            except (ToolFailed, OSError, AssertionError) as failure:
                results.failures[tool.name] = f"{name}: {failure}"
                note(f"{tool.name} is left out from here on: {failure}")

    def note_sizes(tool):
        sizes[tool] = tool.size()

    def after_first(tool):
        results.add("repository", tool.name, tool.size() / 1e6)

    def after_change(tool):
        results.add("changed bytes", tool.name, (tool.size() - sizes[tool]) / 1e6)
        if tool.name == OURS:
            results.add("everything", tool.name, tool.size_of_everything() / 1e6)

    def restore(tool):
        with fresh_file_system(places.work, "target") as target:
            settle()
            sample = tool.restore(target)
            if number == 0:
                compare(copy, target)
        return sample

    sizes = {}
    step("begin", copy, lambda tool: tool.begin())
    step("first", copy, lambda tool: tool.backup(copy, data_set.kind), after_first)
    step("unchanged", copy, lambda tool: tool.backup(copy, data_set.kind), note_sizes)
    data_set.change(copy, places.data)
    step("changed", copy, lambda tool: tool.backup(copy, data_set.kind), after_change)
    step("restore", None, restore)
    step("check", None, lambda tool: tool.check() if tool.can_check else None)


def compare(copy, target):
    """Fails unless what lies below TARGET is what was backed up. Tools put it there under its full path, its name or bare."""
    candidates = [target / str(copy).lstrip("/"), target / copy.name, target]
    restored = next(path for path in candidates if path.exists())
    command = ["diff", "-rq", "--no-dereference", copy, restored] if copy.is_dir() else ["cmp", copy, restored]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"the restored copy differs: {done.stdout[:500]}{done.stderr[:500]}"


def new_home(home):
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    return home


def verdict(row, ours, best, data_set):
    """The last three columns of a row: ratio, target, and whether it is met (None: there is nothing to meet)."""
    if ours is None:
        return "", "", None
    if row in MEMORY_LIMIT:
        return "", f"≤ {MEMORY_LIMIT[row]} MiB", ours <= MEMORY_LIMIT[row]
    target = data_set.targets.get(row, TARGETS.get(row))
    if target is None or best is None:
        return "", "", None
    if row == "unchanged" and best < FAST_ENOUGH:
        return f"{ours / best:.2f}", f"≤ {FAST_ENOUGH} s", ours <= FAST_ENOUGH
    return f"{ours / best:.2f}", f"≤ {target:.2f}", ours <= target * best


def print_table(data_set, results, names):
    """Prints the table of one data set and returns the rows whose target is missed."""
    peers = [name for name in names if name != OURS]
    print(f"\n{data_set.title} ({data_set.name})\n", flush=True)
    print(f"{'':24}{'':5}" + "".join(f"{name:>10}" for name in names) + f"{'best peer':>12}{'ratio':>8}{'target':>12}")
    missed = []
    for row, words, unit in ROWS:
        figures = {name: results.typical(row, name) for name in names}
        if all(figure is None for figure in figures.values()):
            continue
        known = {name: figures[name] for name in peers if figures[name] is not None}
        best = min(known, key=known.get) if known else None
        ratio, target, met = verdict(row, figures.get(OURS), known.get(best), data_set)
        cells = "".join(f"{'-' if figures[name] is None else format(figures[name], '.2f'):>10}" for name in names)
        judged = row not in MEMORY_LIMIT and row != "everything"
        mark = {None: "", True: "  pass", False: "  MISSED"}[met]
        print(f"{words:24}{unit:5}{cells}{(best or '') if judged else '':>12}{ratio:>8}{target:>12}{mark}")
        if met is False:
            missed.append(row)
    for name, failure in results.failures.items():
        print(f"{name} failed at {failure}")
    sys.stdout.flush()
    return missed


def note(text):
    print(f"{time.strftime('%T')}  {text}", file=sys.stderr, flush=True)


def arguments():
    parser = argparse.ArgumentParser(description="Compares Datis with restic, rustic, borg and bupstash.")
    names = ",".join(data_set.name for data_set in DATA_SETS)
    parser.add_argument("--data", type=pathlib.Path, default="/var/tmp/datis-bench", help="data sets, tools and work lie here")
    parser.add_argument("--only", metavar="SET,…", default=names, help=f"of {names}")
    parser.add_argument("--tools", metavar="TOOL,…", default=",".join(tool.name for tool in TOOLS))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=pathlib.Path, help="write every single measurement there")
    return parser.parse_args()


def main():
    wanted = arguments()
    wanted.data = wanted.data.resolve()
    wanted.work = wanted.data / "work"
    wanted.data.mkdir(parents=True, exist_ok=True)
    alone = (wanted.data / "lock").open("w")
    try:
        fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"another bench is running in {wanted.data}: wait for it, or give --data another folder")
    subprocess.run([HERE / "datasets.sh", wanted.data], check=True)
    subprocess.run([HERE / "peers.sh", wanted.data / "tools"], check=True)
    wanted.work.mkdir(exist_ok=True)
    wanted.programs = {tool.program: tool.find(wanted.data / "tools") for tool in TOOLS}
    kinds = []
    for tool in TOOLS:
        if tool.name in wanted.tools.split(","):
            kinds.append(tool) if wanted.programs[tool.program] else note(f"{tool.name} is not there and is left out")

    print(f"{os.cpu_count()} processors, {os.uname().release}, {time.strftime('%F %T')}, medians of {wanted.runs}")
    failed = False
    record = {}
    for data_set in [data_set for data_set in DATA_SETS if data_set.name in wanted.only.split(",")]:
        results = measure_set(data_set, kinds, wanted, wanted.runs)
        missed = print_table(data_set, results, [kind.name for kind in kinds])
        failed |= bool(missed) or OURS in results.failures
        record[data_set.name] = {"figures": results.figures, "samples": results.samples, "failures": results.failures}
        if wanted.json:
            wanted.json.write_text(json.dumps(record, indent=1))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
