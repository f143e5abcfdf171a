"""Runs the stages of the test suite in order and tallies them. Called by tests/run, as root."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
FUZZ_SECONDS = int(os.environ.get("PXE_FUZZ_SECONDS", "5"))


class Tally:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []

    def ok(self, name, note=""):
        self.passed += 1
        print(f"  ok    {name} {note}", flush=True)

    def fail(self, name, why):
        self.failed.append(name)
        print(f"  FAIL  {name}\n{indent(why)}", flush=True)

    def skip(self, name, why):
        self.skipped.append(f"{name}: {why}")
        print(f"  skip  {name}: {why}", flush=True)


def indent(text, limit=80):
    lines = str(text).strip().splitlines()
    if len(lines) > limit:
        lines = ["..."] + lines[-limit:]
    return "\n".join("        " + line for line in lines)


def command(words, timeout, **kwargs):
    """Run in a process group of its own, ended as a whole when time runs out. Returns (exit code, output)."""
    with tempfile.TemporaryFile("w+", errors="replace") as out:
        process = subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=ROOT,
                                   start_new_session=True, **kwargs)
        try:
            code = process.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            code = None
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise
        out.seek(0)
        text = out.read()
    return code, text if code is not None else text + f"\ngave up after {timeout} s"


def one(tally, name, words, timeout, **kwargs):
    began = time.monotonic()
    code, text = command(words, timeout, **kwargs)
    if code == 0:
        tally.ok(name, f"({time.monotonic() - began:.1f} s)")
    else:
        tally.fail(name, text)
    return code == 0


def junit(tally, path, prefix):
    """Tally the cases of a JUnit file; a missing or empty one is a failure."""
    cases = xml.etree.ElementTree.parse(path).getroot().iter("testcase") if Path(path).exists() else []
    count = 0
    for case in cases:
        count += 1
        name = prefix + (case.get("classname") or "").replace("tests.lab.", "") + "." + case.get("name")
        if prefix == "":
            name = case.get("name")
        bad = case.find("failure") if case.find("failure") is not None else case.find("error")
        skipped = case.find("skipped")
        if bad is not None or case.get("status") == "fail":
            out = case.find("system-out")
            reason = "\n".join(filter(None, [bad.get("message") if bad is not None else "", bad.text if bad is not None else "",
                                             out.text if out is not None else ""]))
            tally.fail(name, reason)
        elif skipped is not None or case.get("status") in ("notrun", "disabled"):
            tally.skip(name, (skipped.get("message") if skipped is not None else "") or "not run")
        else:
            tally.ok(name, f"({float(case.get('time') or 0):.1f} s)")
    if count == 0:
        tally.fail(prefix or "ctest", "no test ran")


def ctest(tally, build, *more):
    report = BUILD / build / "junit.xml"
    report.unlink(missing_ok=True)
    code, text = command(["ctest", "--test-dir", BUILD / build, "-j2", "--output-on-failure", "--output-junit", report, *more],
                         timeout=1800)
    if not report.exists():
        tally.fail(f"ctest in {build}", text)
        return
    junit(tally, report, "")


def stage_build(tally):
    """gcc, clang (warnings are errors in both), and the sanitizer builds."""
    one(tally, "build with gcc", ["deploy/build", "dev"], 1200)
    one(tally, "build with clang", ["deploy/build", "clang", "-DCMAKE_C_COMPILER=clang"], 1200)
    one(tally, "build with ASan and UBSan", ["deploy/build", "asan", "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_C_FLAGS=-O1",
                                             "-DPXE_SANITIZE=address,undefined"], 1200)
    one(tally, "build with TSan", ["deploy/build", "tsan", "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_C_FLAGS=-O1",
                                   "-DPXE_SANITIZE=thread"], 1200)
    one(tally, "build the fuzzers", ["deploy/build", "fuzz", "-DCMAKE_C_COMPILER=clang", "-DPXE_TESTS=OFF", "-DPXE_FUZZ=ON",
                                     "-DPXE_SANITIZE=address,undefined,fuzzer-no-link"], 1200)


def stage_unit(tally):
    """Unit tests under ASan and UBSan."""
    ctest(tally, "asan", "-L", "unit")


def stage_threads(tally):
    """Tests of code that runs on several threads, under TSan."""
    suppressions = ROOT / "tests" / "tsan.supp"
    if suppressions.exists():
        os.environ["TSAN_OPTIONS"] = f"suppressions={suppressions} halt_on_error=1"
    ctest(tally, "tsan", "-R", "unit/kv/kv_(test|crash|error|rate)|unit/blob/|unit/node/(events|tftp_server|http)")
    os.environ.pop("TSAN_OPTIONS", None)


def stage_sim(tally):
    """The simulations of the Raft core and of whole clusters, and planted bugs that they must find; optimised build."""
    ctest(tally, "dev", "-LE", "unit")


def stage_fuzz(tally):
    """Each codec's fuzzer for some seconds, from its corpus."""
    binaries = sorted((BUILD / "fuzz" / "tests").glob("*_fuzz"))
    if not binaries:
        tally.fail("fuzz", "no fuzzer was built")
    for binary in binaries:
        corpus = ROOT / "tests" / "fuzz" / "corpus" / binary.name.removesuffix("_fuzz")
        work = tempfile.mkdtemp(prefix="pxecluster-fuzz.")
        try:
            one(tally, f"fuzz/{binary.name}", [binary, f"-max_total_time={FUZZ_SECONDS}", "-max_len=4096", "-timeout=10",
                                               f"-artifact_prefix={work}/", work, corpus], FUZZ_SECONDS + 60)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def stage_style(tally):
    """The house format, checked by clang-format; the pitfalls that clang-tidy knows; a test for each quirk of the field."""
    sources = command(["git", "ls-files", "*.c", "*.h"], 30)[1].split()
    one(tally, "clang-format", ["clang-format", "--dry-run", "--Werror", *sources], 300)
    one(tally, "a test for each quirk of the field", ["/usr/bin/python3", "tests/field.py"], 60)
    units = [s for s in sources if s.endswith(".c") and not s.startswith("tests/")]
    one(tally, "clang-tidy", ["sh", "-c", "printf '%s\\n' \"$@\" | xargs -P2 -n8 clang-tidy -p build/clang --quiet", "sh", *units], 1500)


def stage_lab(tally):
    """Real daemons and real clients in network namespaces."""
    report = BUILD / "lab.xml"
    report.unlink(missing_ok=True)
    environment = dict(os.environ, PXE_BUILD=str(BUILD / "dev"), PXE_GUEST=str(BUILD / "guest"), PYTHONDONTWRITEBYTECODE="1")
    if not one(tally, "the guest system of the lab", ["deploy/lab/guest", BUILD / "guest"], 300):
        return
    code, text = command(["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", "tests/lab"],
                         timeout=2400, env=environment)
    if not report.exists():
        tally.fail("lab", text)
        return
    junit(tally, report, "lab/")


def stage_demo(tally):
    """The demo, as its reader runs it."""
    one(tally, "deploy/demo", ["deploy/demo"], 900)


STAGES = {"build": stage_build, "style": stage_style, "unit": stage_unit, "threads": stage_threads, "sim": stage_sim,
          "fuzz": stage_fuzz, "lab": stage_lab, "demo": stage_demo}


def main():
    if "--list" in sys.argv:
        for name, stage in STAGES.items():
            print(f"{name:8} {stage.__doc__}")
        return 0
    names = sys.argv[1:] or list(STAGES)
    unknown = [name for name in names if name not in STAGES]
    if unknown:
        print(f"tests/run: no stage {unknown[0]}; stages: {' '.join(STAGES)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    tally = Tally()
    for name in names:
        began = time.monotonic()
        print(f"== {name}: {STAGES[name].__doc__}", flush=True)
        STAGES[name](tally)
        print(f"   {time.monotonic() - began:.0f} s", flush=True)
    for name in tally.failed:
        print(f"failed: {name}")
    for name in tally.skipped:
        print(f"skipped: {name}")
    print(f"{tally.passed} passed, {len(tally.failed)} failed, {len(tally.skipped)} skipped")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
