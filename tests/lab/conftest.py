"""Fixtures of the lab tests: a cluster of three nodes for each file that asks for one."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy" / "lab"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from lab import Lab, remove  # noqa: E402

BUILD = os.environ.get("PXE_BUILD", str(ROOT / "build" / "dev"))
GUEST = os.environ.get("PXE_GUEST", str(ROOT / "build" / "guest"))


def make_lab(name, nodes):
    lab = Lab(name, nodes=nodes, build=BUILD)
    lab.up()
    return lab


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
    finally:
        remove(name)


@pytest.fixture
def healthy(lab):
    """All three nodes run, hear each other and agree, before and after the test."""
    yield lab
    lab.heal()
    for node in lab.nodes:
        if not node.alive():
            node.start()
    lab.wait_equal()


@pytest.fixture
def client(lab):
    """A fresh machine on the segment."""
    number = next(lab.numbers)
    return lab.client(f"c{number}", f"52:54:00:79:00:{number:02x}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed lab test shows the last lines of each node's log."""
    outcome = yield
    report = outcome.get_result()
    lab = item.funcargs.get("lab") if hasattr(item, "funcargs") else None
    if report.failed and lab is not None:
        for node in lab.nodes:
            report.sections.append((f"log of {node.name}", node.tail(25)))
