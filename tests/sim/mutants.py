#!/usr/bin/python3
"""Test of the tests: plants each bug of a list in a copy of one source file and asks who notices.

A mutant costs one compilation and some links: everything else comes from the build. It must be found within its
budget; one that survives, or whose source is no longer there, is a failure.

  raft      tests/sim/raft/mutants.txt: by the directed tests of the Raft core, or by its simulation
  cluster   tests/sim/cluster/mutants.txt: by the scenarios and modes of the cluster's simulation that its `by` lines name

usage: tests/sim/mutants.py SUITE --build DIR [--seeds N] [--jobs N] [--only TEXT] [--search]

--search (cluster): whatever the `by` lines say, all scenarios and N seeds of every mode, until each has found it or not.
"""
import argparse
import concurrent.futures
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
RAFT_MODES = ["time", "young", "walk", "epochs"]
TIMEOUT_S = 150


class Mutant:
    def __init__(self, name):
        self.name, self.file, self.by, self.before, self.after = name, "", [], [], []


def read_mutants(path):
    """== NAME, the file, any number of `by ...` lines, <<<<, the source as it is, ====, what replaces it, >>>>"""
    mutants, state, mutant = [], "out", None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if state == "out" and line.startswith("== "):
            mutant, state = Mutant(line[3:]), "file"
        elif state == "file":
            mutant.file, state = line, "head"
        elif state == "head" and line.startswith("by "):
            mutant.by.append(line[3:].split())
        elif state == "head" and line == "<<<<":
            state = "before"
        elif state == "before" and line == "====":
            state = "after"
        elif state == "after" and line == ">>>>":
            mutants.append(mutant)
            state = "out"
        elif state in ("before", "after"):
            getattr(mutant, state).append(line)
        elif state != "out" or (line and not line.startswith("#")):
            sys.exit(f"{path}:{number}: cannot read: {line}")
    if state != "out":
        sys.exit(f"{path}: the last mutant is not complete")
    return mutants


def run(words, timeout=TIMEOUT_S, **kwargs):
    """(exit code, output); what does not end has failed, too."""
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, check=False,
                              text=True, errors="replace", **kwargs)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired:
        return -1, "FAIL: does not end"


class Build:
    """How the build makes its programs: compile commands by source, link commands by target."""

    def __init__(self, directory):
        self.dir = Path(directory).resolve()
        cache = (self.dir / "CMakeCache.txt").read_text(encoding="utf-8")
        self.root = Path(re.search(r"^CMAKE_HOME_DIRECTORY:\w+=(.*)$", cache, re.MULTILINE).group(1))
        self.links, self.compiles = {}, {}

    def need(self, target):
        """Read the commands of a target that is built."""
        code, text = run(["ninja", "-C", str(self.dir), "-t", "commands", target])
        if code != 0:
            sys.exit(f"mutants.py: {self.dir} cannot tell how {target} is built:\n{text}")
        lines = text.splitlines()
        for line in lines:
            source = re.search(r" -c (\S+\.c)\b", line)
            if source:
                self.compiles[source.group(1)] = line
        link = lines[-1].removeprefix(": && ").removesuffix(" && :")
        self.links[target] = shlex.split(link)
        if not (self.dir / self.program(target)).exists():
            sys.exit(f"mutants.py: {target} is not built in {self.dir}")

    def program(self, target):
        words = self.links[target]
        return words[words.index("-o") + 1]

    def compile(self, file, source, output):
        """`source` in place of the file; its includes are those of the root."""
        line = self.compiles.get(str(self.root / file))
        if line is None:
            raise RuntimeError(f"{file} is part of no program that is tried")
        words = [w for w in shlex.split(line) if w != "-Werror"]
        for option in ("-o", "-c", "-MF", "-MT"):
            if option in words:
                at = words.index(option)
                del words[at:at + 2]
        words = [w for w in words if w != "-MD"]
        code, text = run([*words, "-w", "-o", output, "-c", source], cwd=self.dir)
        if code != 0:
            raise RuntimeError(f"does not compile:\n{text}")

    def link(self, target, file, changed, output):
        """With the changed object before the libraries, so that theirs is not taken."""
        words = list(self.links[target])
        words[words.index("-o") + 1] = output
        own = [w for w in words if w.endswith(f"/{file}.o")]
        for word in own:
            words.remove(word)
        words.insert(words.index("-o"), changed)
        code, text = run(words, cwd=self.dir)
        if code != 0:
            raise RuntimeError(f"does not link:\n{text}")


def failure_of(text):
    """What a failing simulation says first, without its trace."""
    for line in text.splitlines():
        if line.startswith("FAIL"):
            return line
    return "FAIL (ended by a signal)"


class Raft:
    """A directed test or a seed of any mode."""

    prefix = "store/raft/"

    def __init__(self, args, build):
        self.args, self.build = args, build
        names = sorted(p.stem for p in (build.root / "tests/unit/raft").glob("*_test.c"))
        self.tests = [f"tests/unit_raft_{name}" for name in names]
        self.sim = "tests/sim/raft/raft_sim"
        for target in [*self.tests, self.sim]:
            build.need(target)

    def try_tests(self, program_of):
        for target in self.tests:
            code, text = run([program_of(target)], 20)
            if code != 0:
                failed = [line.split("]")[-1].strip() for line in text.splitlines() if "FAILED  ]" in line]
                return (failed or [f"{Path(target).name} (assertion)"])[0].split(":")[0]
        return None

    def try_simulation(self, program_of):
        for mode in RAFT_MODES:
            code, text = run([program_of(self.sim), "--mode", mode, "--seeds", f"1-{self.args.seeds}"])
            if code != 0:
                return ": ".join(failure_of(text).replace("FAIL mode ", "").split(": ")[:2])
        return None

    def find(self, mutant, program_of):
        """What finds it, one text for each way; empty: nothing does."""
        del mutant
        test, seed = self.try_tests(program_of), self.try_simulation(program_of)
        return [f"{test or '-':<58} {seed or '-'}"] if test or seed else []


class Cluster:
    """The scenarios and seeds that the list names, or all."""

    prefix = ""

    def __init__(self, args, build):
        self.args, self.build = args, build
        self.sim = "tests/sim/cluster/cluster_sim"
        build.need(self.sim)
        self.skipped = set()  # ways by which the source as it is fails, too
        self.scenarios = sorted((build.root / "tests/sim/cluster/scenarios").glob("*.txt"))
        code, text = run([str(build.dir / self.sim), "--help"])
        modes = re.search(r"^modes: (.*)$", text, re.MULTILINE)
        if code == 0 or modes is None:
            sys.exit("mutants.py: cluster_sim does not tell its modes")
        self.modes = modes.group(1).split()

    def ways(self, mutant):
        """(label, words) of each try: `by scenario NAME`, or `by MODE SEEDS`, e.g. 1-40."""
        if mutant is not None and not self.args.search:
            for by in mutant.by:
                if by[0] == "scenario" and len(by) == 2:
                    yield f"scenario {by[1]}", ["--scenario", str(self.scenario(by[1]))]
                elif by[0] in self.modes and len(by) == 2:
                    yield f"{by[0]} {by[1]}", ["--mode", by[0], "--seeds", by[1]]
                else:
                    raise RuntimeError(f"no such way: by {' '.join(by)}")
            return
        for scenario in self.scenarios:
            yield f"scenario {scenario.stem}", ["--scenario", str(scenario)]
        for mode in self.modes:
            yield f"{mode} 1-{self.args.seeds}", ["--mode", mode, "--seeds", f"1-{self.args.seeds}"]

    def scenario(self, name):
        return next(path for path in self.scenarios if path.stem == name)

    def find(self, mutant, program_of):
        found = []
        for label, words in self.ways(mutant):
            code, text = run([program_of(self.sim), *words]) if label not in self.skipped else (0, "")
            if code == 0:
                continue
            if mutant is None:
                self.skipped.add(label)
            line = failure_of(text)
            seed = re.search(r"^FAIL mode (\S+) seed (\d+): (.*?):", line)
            if seed:
                first = int(label.split()[1].split("-")[0])
                count = int(seed.group(2)) - first + 1
                found.append(f"{seed.group(1)}, seed {seed.group(2)} ({count} tried): {seed.group(3)}")
            else:
                what = re.search(r"([^/: ]+): (.*)$", line.replace(".txt", ""))
                found.append(f"{label}: {line if what is None else what.group(2)[:90]}")
            if not self.args.search:
                break
        return found


def try_mutant(suite, build, mutant, directory):
    file = suite.prefix + mutant.file
    text = (build.root / file).read_text(encoding="utf-8")
    before, after = "\n".join(mutant.before), "\n".join(mutant.after)
    if text.count(before) != 1:
        raise RuntimeError(f"its source occurs {text.count(before)} times in {file}")
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        source, changed = f"{scratch}/{Path(file).name}", f"{scratch}/changed.o"
        Path(source).write_text(text.replace(before, after), encoding="utf-8")
        build.compile(file, source, changed)

        def program_of(target):
            output = f"{scratch}/{Path(target).name}"
            if not os.path.exists(output):
                build.link(target, file, changed, output)
            return output

        return suite.find(mutant, program_of)


def check_unchanged(suite, build, mutants):
    """What is not broken must pass, or finding a mutant means nothing."""
    if isinstance(suite, Raft):
        return suite.find(None, lambda target: str(build.dir / build.program(target)))
    if suite.args.search:
        for failure in suite.find(None, lambda target: str(build.dir / build.program(target))):
            print(f"not asked, for it fails without any mutant: {failure}")
        return []
    wanted = Mutant("nothing")
    wanted.by = [list(by) for by in {tuple(by) for mutant in mutants for by in mutant.by}]
    return suite.find(wanted, lambda target: str(build.dir / build.program(target)))


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n", maxsplit=1)[0])
    parser.add_argument("suite", choices=("raft", "cluster"))
    parser.add_argument("--build", required=True)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="")
    parser.add_argument("--search", action="store_true")
    args = parser.parse_args()
    build = Build(args.build)
    suite = (Raft if args.suite == "raft" else Cluster)(args, build)
    mutants = [m for m in read_mutants(HERE / args.suite / "mutants.txt") if args.only in m.name]
    began, survivors = time.monotonic(), []
    broken = check_unchanged(suite, build, mutants)
    if broken:
        sys.exit(f"mutants.py: it fails without any mutant: {broken[0]}")
    with tempfile.TemporaryDirectory(prefix="pxecluster-mutants.") as directory, \
            concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for mutant, future in [(m, pool.submit(try_mutant, suite, build, m, directory)) for m in mutants]:
            try:
                found = future.result()
            except RuntimeError as error:
                found = []
                print(f"{mutant.name}: ERROR {error}")
            if not found:
                survivors.append(mutant.name)
            print(f"{mutant.name:<76} {found[0] if found else 'SURVIVES'}", flush=True)
            for more in found[1:]:
                print(f"{'':<76} {more}")
    for name in survivors:
        print(f"survives, or cannot be tried: {name}")
    print(f"{len(mutants)} planted bugs, {len(mutants) - len(survivors)} found; {time.monotonic() - began:.0f} s")
    return 1 if survivors or not mutants else 0


if __name__ == "__main__":
    sys.exit(main())
