"""Many clients at once: nobody gets an address twice."""

import os
import re

import pytest
from conftest import configure_big_lab, finish, make_big_lab

from lab import remove, run


@pytest.fixture(scope="module")
def lab(request):
    """Three nodes with a pool of some thousand addresses."""
    name = f"pxl{os.getpid() % 10000}"
    try:
        lab = make_big_lab(name)
        lab.form()
        configure_big_lab(lab)
        yield lab
        finish(lab)
    finally:
        remove(name)


def test_perfdhcp_finds_no_duplicate(lab):
    client = lab.client("load", "52:54:00:7e:00:01")
    run("ip", "-n", client.ns, "addr", "add", "10.77.9.9/16", "dev", "eth0")
    done = client.run("perfdhcp", "-4", "-l", "eth0", "-r", "300", "-R", "3000", "-p", "8", "-u", "-W", "2000000",
                      check=False, timeout=120)
    text = done.stdout
    assert "DISCOVER-OFFER" in text, text + done.stderr
    received = [int(n) for n in re.findall(r"received packets: (\d+)", text)]
    assert received and min(received) > 1000, text
    duplicates = re.findall(r"[Nn]on[- ]unique addresses: (\d+)", text)
    assert all(int(n) == 0 for n in duplicates), text
    leases = lab.nodes[1].json("lease", "list")["leases"]
    held = [lease["ip"] for lease in leases]
    assert len(held) == len(set(held))
    clients = [lease["mac"] for lease in leases]
    assert len(clients) == len(set(clients)), "a client holds two addresses"
    lab.wait_equal()
