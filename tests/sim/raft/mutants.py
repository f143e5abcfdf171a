#!/usr/bin/python3
"""Test of the tests: plants each bug of mutants.txt in a copy of the Raft core and asks who notices.

Every mutant must be found by a directed test (tests/unit/raft) or by the simulation within the given seeds. A
mutant that survives, or whose source is no longer there, is a failure.

usage: mutants.py --source ROOT [--cc CC] [--seeds N] [--jobs N] [--only TEXT]
"""
import argparse
import concurrent.futures
import glob
import os
import subprocess
import sys
import tempfile
import time

CFLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-w"]
MODES = ["time", "young", "walk", "epochs"]


def read_mutants(path):
    """The list of (name, file, before, after)."""
    mutants, state, name, file, before, after = [], "out", "", "", [], []
    for line in open(path, encoding="utf-8"):
        line = line.rstrip("\n")
        if state == "out" and line.startswith("== "):
            name, before, after, state = line[3:], [], [], "file"
        elif state == "file":
            file, state = line, "head"
        elif state == "head" and line == "<<<<":
            state = "before"
        elif state == "before" and line == "====":
            state = "after"
        elif state == "after" and line == ">>>>":
            mutants.append((name, file, "\n".join(before), "\n".join(after)))
            state = "out"
        elif state == "before":
            before.append(line)
        elif state == "after":
            after.append(line)
        elif state != "out":
            sys.exit(f"{path}: cannot read: {line}")
    if state != "out":
        sys.exit(f"{path}: the last mutant is not complete")
    return mutants


def run(command, timeout):
    """0 if it succeeds; else a nonzero code; also the output."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout, check=False)
        return done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired:
        return -1, "FAIL: does not end"


class Bench:
    """Objects that no mutant changes are compiled once."""

    def __init__(self, args, directory):
        self.args, self.dir = args, directory
        self.core = self.compile_all(glob.glob(f"{args.source}/store/raft/*.c"))
        self.sim = self.compile_all(glob.glob(f"{args.source}/tests/sim/raft/*.c"))
        self.tests = self.compile_all(glob.glob(f"{args.source}/tests/unit/raft/*_test.c"))
        if not self.core or not self.sim or not self.tests:
            sys.exit("mutants.py: no sources there")

    def compile(self, source, output):
        code, text = run([self.args.cc, *CFLAGS, f"-I{self.args.source}", "-c", source, "-o", output], 120)
        if code != 0:
            raise RuntimeError(f"does not compile:\n{text}")

    def compile_all(self, sources):
        objects = {os.path.basename(s): f"{self.dir}/{os.path.basename(s)}.o" for s in sources}
        with concurrent.futures.ThreadPoolExecutor(self.args.jobs) as pool:
            list(pool.map(lambda s: self.compile(s, objects[os.path.basename(s)]), sources))
        return objects

    def link(self, objects, output, libraries):
        code, text = run([self.args.cc, *objects, "-o", output, *libraries], 120)
        if code != 0:
            raise RuntimeError(f"does not link:\n{text}")

    def try_tests(self, core, directory):
        """The first directed test that fails, or None."""
        for name, test in sorted(self.tests.items()):
            program = f"{directory}/{name}.bin"
            self.link([test, *core], program, ["-lcmocka"])
            code, text = run([program], 20)
            if code != 0:
                failed = [line.split("]")[-1].strip() for line in text.splitlines() if "FAILED  ]" in line]
                return (failed or [f"{name} (assertion)"])[0].split(":")[0]
        return None

    def try_simulation(self, core, directory):
        """The first seed that fails, or None."""
        program = f"{directory}/sim.bin"
        self.link([*self.sim.values(), *core], program, [])
        for mode in MODES:
            code, text = run([program, "--mode", mode, "--seeds", f"1-{self.args.seeds}"], 120)
            if code != 0:
                failed = [line for line in text.splitlines() if line.startswith("FAIL")]
                words = (failed or ["FAIL"])[0].replace("FAIL mode ", "").split(": ")
                return ": ".join(words[:2])
        return None

    def try_mutant(self, mutant):
        """(directed test, seed, seconds), or RuntimeError if it cannot be tried."""
        name, file, before, after = mutant
        start = time.monotonic()
        source = open(f"{self.args.source}/store/raft/{file}", encoding="utf-8").read()
        if source.count(before) != 1:
            raise RuntimeError(f"its source occurs {source.count(before)} times in {file}")
        with tempfile.TemporaryDirectory(dir=self.dir) as directory:
            with open(f"{directory}/{file}", "w", encoding="utf-8") as out:
                out.write(source.replace(before, after))
            self.compile(f"{directory}/{file}", f"{directory}/{file}.o")
            core = [o for n, o in self.core.items() if n != file] + [f"{directory}/{file}.o"]
            test = self.try_tests(core, directory)
            seed = self.try_simulation(core, directory)
        return test, seed, time.monotonic() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", required=True)
    parser.add_argument("--cc", default="cc")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    mutants = read_mutants(os.path.join(os.path.dirname(os.path.abspath(__file__)), "mutants.txt"))
    mutants = [m for m in mutants if args.only in m[0]]
    start, bad, by_test, by_seed = time.monotonic(), 0, 0, 0
    with tempfile.TemporaryDirectory(prefix="raft-mutants-") as directory:
        bench = Bench(args, directory)
        test = bench.try_tests(list(bench.core.values()), directory)
        seed = bench.try_simulation(list(bench.core.values()), directory)
        if test or seed:
            sys.exit(f"mutants.py: the core itself fails: {test or ''} {seed or ''}")
        print(f"{'planted bug':<72} {'directed test':<58} simulation, first seed of {args.seeds} per mode")
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            for mutant, future in [(m, pool.submit(bench.try_mutant, m)) for m in mutants]:
                try:
                    test, seed, _ = future.result()
                except RuntimeError as error:
                    print(f"{mutant[0]:<72} ERROR {error}")
                    bad += 1
                    continue
                by_test += test is not None
                by_seed += seed is not None
                bad += test is None and seed is None
                survived = "" if test or seed else "   SURVIVES"
                print(f"{mutant[0]:<72} {test or '-':<58} {seed or '-'}{survived}", flush=True)
    print(f"{len(mutants)} planted bugs: {by_test} found by directed tests, {by_seed} by the simulation, "
          f"{bad} survive or cannot be tried; {time.monotonic() - start:.0f} s")
    sys.exit(1 if bad or not mutants else 0)


if __name__ == "__main__":
    main()
