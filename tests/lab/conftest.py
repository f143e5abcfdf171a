"""Fixtures of the lab tests: a cluster of three nodes for each file that asks for one."""

import os
import re
import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy" / "lab"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from lab import Lab, remove  # noqa: E402

BUILD = os.environ.get("PXE_BUILD", str(ROOT / "build" / "dev"))
GUEST = os.environ.get("PXE_GUEST", str(ROOT / "build" / "guest"))


# What no node may ever write: reports of sanitizers and assertions, states that differ, merges that conflict [R6].
FAULTS = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|MemorySanitizer|runtime error:|Assertion .* failed|"
                    r"assertion failed|state differs from member|state has diverged|merge conflict|stack smashing|corrupted size")


def make_lab(name, nodes):
    lab = Lab(name, nodes=nodes, build=BUILD)
    lab.up()
    return lab


def faults(node, seen):
    """Lines of the node's log from byte `seen` on that no log may hold, and why its process ended if no test ended it."""
    found = []
    if node.log.exists():
        with open(node.log, "rb") as log:
            log.seek(seen)
            lines = log.read().decode(errors="replace").splitlines()
        for number, line in enumerate(lines):
            if FAULTS.search(line):
                found += [f"{node.name}: {text}" for text in lines[number:number + 30]]
                break
    return found + died(node)


def died(node):
    """Why the process ended, if no test ended it."""
    if node.process is None or node.process.poll() is None:
        return []
    return [f"{node.name} ended by itself with exit code {node.process.returncode}:\n{node.tail(10)}"]


def log_sizes(lab):
    return {node.name: node.log.stat().st_size if node.log.exists() else 0 for node in lab.nodes}


def finish(lab):
    """Stop every node as a service manager does: each ends in order, and no log holds a fault."""
    seen = log_sizes(lab)
    for node in lab.living():
        node.process.send_signal(signal.SIGCONT)
        node.process.send_signal(signal.SIGTERM)
    codes = {node.name: node.process.wait(timeout=60) for node in lab.nodes if node.process is not None}
    for node in lab.nodes:
        node.process = None
    wrong = [text for node in lab.nodes for text in faults(node, seen[node.name])]
    wrong += [f"{name} ended with exit code {code} after SIGTERM" for name, code in codes.items() if code != 0]
    assert not wrong, "\n".join(wrong)


@pytest.fixture(autouse=True)
def sound(request):
    """Fails a test in which a node ended by itself, or whose logs hold what no log may hold."""
    if "lab" not in request.fixturenames:
        yield
        return
    lab = request.getfixturevalue("lab")
    seen = log_sizes(lab)
    yield
    wrong = [text for node in lab.nodes for text in faults(node, seen.get(node.name, 0))]
    assert not wrong, "\n".join(wrong)


@pytest.fixture(scope="module")
def lab(request):
    """Three formed nodes with subnet `lab` 10.77.0.0/24 and a pool of 100 addresses; removed afterwards, whatever happens."""
    name = f"pxt{os.getpid() % 10000}"
    try:
        lab = make_lab(name, 3)
        lab.form()
        first = lab.nodes[0]
        first.pxectl("subnet", "add", "lab", "10.77.0.0/24", "--gateway", "10.77.0.1", "--lease", "10m")
        first.pxectl("pool", "add", "lab", "--subnet", "lab", "--range", "10.77.0.100-10.77.0.199")
        lab.numbers = iter(range(1, 200))
        yield lab
        finish(lab)
    finally:
        remove(name)


def make_big_lab(name, nodes=3):
    """As the lab fixture's, but the segment is one /16 with a pool of some thousand addresses."""
    lab = make_lab(name, nodes)
    for node in lab.nodes:
        node.exec("ip", "addr", "flush", "dev", "eth0")
        node.exec("ip", "addr", "add", f"{node.ip}/16", "dev", "eth0")
    return lab


def configure_big_lab(lab):
    lab.nodes[0].pxectl("subnet", "add", "big", "10.77.0.0/16", "--lease", "10m")
    lab.nodes[0].pxectl("pool", "add", "big", "--subnet", "big", "--range", "10.77.16.1-10.77.63.254")
    lab.numbers = iter(range(1, 200))


@pytest.fixture
def healthy(lab):
    """All three nodes run, hear each other and agree, before and after the test."""
    yield lab
    lab.heal()
    fallen = [text for node in lab.nodes for text in died(node)]
    for node in lab.nodes:
        if not node.alive():
            node.start()
    lab.wait_serving()
    lab.wait_equal()
    assert not fallen, "\n".join(fallen)


@pytest.fixture
def client(lab):
    """A fresh machine on the segment."""
    number = next(lab.numbers)
    return lab.client(f"c{number}", f"52:54:00:79:00:{number:02x}")


@pytest.fixture
def files(tmp_path):
    """A small image's directory: what a kernel is to a DHCP test."""
    directory = tmp_path / "tiny"
    directory.mkdir()
    (directory / "vmlinuz").write_bytes(b"kernel" * 1000)
    (directory / "initrd.img").write_bytes(b"initrd" * 1000)
    return directory


@pytest.fixture
def bootable(lab, files):
    """Images `ipxe` and `tiny` and profile `tiny` are there."""
    node = lab.nodes[0]
    if not node.json("profile", "list")["profiles"]:
        node.pxectl("image", "add-loaders", "ipxe", timeout=120)
        node.pxectl("image", "push", "tiny", files, timeout=120)
        node.pxectl("profile", "add", "tiny", "--image", "tiny", "--kernel", "vmlinuz", "--initrd", "initrd.img")
    return lab


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed lab test shows the last lines of each node's log."""
    outcome = yield
    report = outcome.get_result()
    lab = item.funcargs.get("lab") if hasattr(item, "funcargs") else None
    if report.failed and lab is not None:
        for node in lab.nodes:
            report.sections.append((f"log of {node.name}", node.tail(25)))
