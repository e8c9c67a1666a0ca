#!/usr/bin/env python3
"""Measures every subcommand beside dd, tshark and tcpflow, on one long connection and on many short ones.

usage: compare.py [--size MB] [--rounds N] [--binary PATH] [--against PATH] [--only NAME]... [--write]

Needs Python and GNU time. Captures are written by captures.py into target/bench, and kept there. In a round each command runs once on each
capture, so that what else the machine does meets all of them alike; the table has medians, and ratios of
medians: how many times as long as dd it takes, and how many times as long tshark takes. Output goes to /dev/null. Peak memory is that of the largest round. `--against` measures another
binary too and prints how many times as long it takes; `--write` puts the table into docs/performance.md.
"""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent
PAGE = ROOT / "docs/performance.md"
MARKS = "<!-- table: benches/compare.py --write -->\n", "<!-- end of table -->\n"
SHAPES = "one", "many"
# Larger messages than its default are no RTMP for tshark.
TSHARK = ["tshark", "-n", "-o", "rtmpt.max_packet_size:16777215", "-Y", "rtmpt"]


def commands(binary):
    """Name, the command, where `{}` stands for the capture, and the statuses that are no failure."""
    ours = [
        ("decode", ["decode"]),
        ("decode --format jsonl", ["decode", "--format", "jsonl"]),
        ("decode -V", ["decode", "-V"]),
        ("streams", ["streams"]),
        ("lint", ["lint"]),
        ("snapshot", ["snapshot"]),
        ("diff, with itself", ["diff", "{}"]),
    ]
    return [(name, [binary, *arguments, "{}"], (0, 1)) for name, arguments in ours]


def others():
    found = [("dd", ["dd", "if={}", "of=/dev/null", "bs=1M"], (0,))]
    if shutil.which("tcpflow"):
        found.append(("tcpflow", ["tcpflow", "-o", "target/bench/flows", "-r", "{}"], (0,)))
    if shutil.which("tshark"):
        found.append(("tshark", [*TSHARK, "-r", "{}"], (0,)))
        found.append(("tshark -V", [*TSHARK, "-V", "-r", "{}"], (0,)))
    return found


def run(command, capture, statuses):
    """Seconds, seconds of all processors, and peak memory in MiB."""
    # Of a child of this program the system counts this program's memory too: a small one is put in between.
    report = ROOT / "target/bench/memory"
    command = ["time", "-q", "-f", "%M", "-o", report, *(str(part).format(capture) for part in command)]
    began = time.perf_counter()
    with open(os.devnull, "r+b") as nothing:
        child = subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=subprocess.PIPE, cwd=ROOT)
        said = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in statuses:
        sys.exit(f"{' '.join(map(str, command))}: status {child.returncode}\n{said.decode(errors='replace')}")
    shutil.rmtree(ROOT / "target/bench/flows", ignore_errors=True)
    return seconds, usage.ru_utime + usage.ru_stime, int(report.read_text().split()[-1]) / 1024


class Measured:
    def __init__(self, runs):
        self.seconds = statistics.median(run[0] for run in runs)
        self.busy = statistics.median(run[1] for run in runs)
        self.memory = max(run[2] for run in runs)


def ratio(number):
    return f"{number:.1f}" if number < 9.95 else f"{number:.0f}"


def table(names, results, against):
    """A table in Markdown for each shape."""
    columns = ["", "s", "CPU s", "× dd", "tshark ×", "MiB"] + ["before ×"] * bool(against)
    for shape in SHAPES:
        dd = results[shape, "dd"]
        tshark = results.get((shape, "tshark"))
        yield "| " + " | ".join([f"**{shape}**", *columns[1:]]) + " |\n"
        yield "|---" + "|--:" * (len(columns) - 1) + "|\n"
        for name in names:
            one = results[shape, name]
            rival = results.get((shape, "tshark -V")) if name.endswith("-V") else tshark
            faster = ratio(rival.seconds / one.seconds) if rival and not name.startswith("tshark") else ""
            cells = [f"`{name}`", f"{one.seconds:.2f}", f"{one.busy:.2f}", ratio(one.seconds / dd.seconds), faster, f"{one.memory:.0f}"]
            if against:
                before = results.get((shape, "before: " + name))
                cells.append(ratio(before.seconds / one.seconds) if before else "")
            yield "| " + " | ".join(cells) + " |\n"
        yield "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=300, help="megabytes of each capture")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--binary", default=ROOT / "target/release/rtmp-inspect", type=pathlib.Path)
    parser.add_argument("--against", type=pathlib.Path)
    parser.add_argument("--only", action="append", default=[], help="measure only commands of this name, and dd")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    captures = {}
    for shape in SHAPES:
        captures[shape] = ROOT / f"target/bench/{shape}-{options.size}.pcap"
        if not captures[shape].exists():
            captures[shape].parent.mkdir(parents=True, exist_ok=True)
            unfinished = captures[shape].with_suffix(".new")
            subprocess.run([sys.executable, HERE / "captures.py", shape, str(options.size), unfinished], check=True)
            unfinished.rename(captures[shape])
    is_wanted = lambda name: not options.only or name == "dd" or name in options.only
    measured = [one for one in others() + commands(options.binary) if is_wanted(one[0])]
    names = [name for name, *_ in measured]
    if options.against:
        measured += [("before: " + name, *rest) for name, *rest in commands(options.against) if is_wanted(name)]
    runs = {}
    for number in range(options.rounds):
        for shape in SHAPES:
            for name, command, statuses in measured:
                # tshark takes longer than all others together, and varies little.
                if name.startswith("tshark") and number >= 3:
                    continue
                runs.setdefault((shape, name), []).append(run(command, captures[shape], statuses))
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    results = {key: Measured(all_runs) for key, all_runs in runs.items()}
    text = "".join(table(names, results, options.against))
    print(text)
    if options.write:
        page = PAGE.read_text()
        before, rest = page.split(MARKS[0])
        _, after = rest.split(MARKS[1])
        PAGE.write_text(before + MARKS[0] + "\n" + text + MARKS[1] + after)


if __name__ == "__main__":
    main()
