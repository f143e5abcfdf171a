"""Many clients at once: nobody gets an address twice."""

import os
import re

import history
import pytest
from chaos import Capture
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


@pytest.fixture(scope="module")
def crowd(lab):
    """The machine that plays all clients."""
    client = lab.client("load", "52:54:00:7e:00:01")
    run("ip", "-n", client.ns, "addr", "add", "10.77.9.9/16", "dev", "eth0")
    return client


def perfdhcp(crowd, *words, releases=False):
    """What it says at its end, and how many packets it received of each kind of exchange. An address that was released and then given
    to somebody else is a duplicate to it."""
    done = crowd.run("perfdhcp", "-4", "-l", "eth0", "-u", "-W", "2000000", *words, check=False, timeout=120)
    text = done.stdout
    assert "DISCOVER-OFFER" in text, text + done.stderr
    duplicates = re.findall(r"[Nn]on[- ]unique addresses: (\d+)", text)
    assert duplicates and (releases or all(int(n) == 0 for n in duplicates)), text
    parts = re.split(r"\*\*\*Statistics for: ([^*]+)\*\*\*", text)
    return text, {name: int(re.search(r"received packets: (\d+)", said)[1]) for name, said in zip(parts[1::2], parts[2::2])}


def no_two_for_one(lab):
    """By what a node lists: one client for an address, one address for a client."""
    leases = lab.nodes[1].json("lease", "list")["leases"]
    held = [lease["ip"] for lease in leases]
    assert len(held) == len(set(held))
    clients = [lease["mac"] for lease in leases]
    assert len(clients) == len(set(clients)), "a client holds two addresses"


def test_perfdhcp_finds_no_duplicate(lab, crowd):
    text, received = perfdhcp(crowd, "-r", "300", "-R", "3000", "-p", "8")
    assert min(received.values()) > 1000, text
    no_two_for_one(lab)
    lab.wait_equal()


def test_renewals_and_releases_among_new_clients_keep_every_promise(lab, crowd):
    """perfdhcp renews and releases at random what it has; the rules are checked over all packets."""
    capture = Capture(lab, [crowd.name])
    try:
        text, received = perfdhcp(crowd, "-r", "150", "-f", "60", "-F", "40", "-R", "2000", "-p", "8", "-b", "mac=00:0c:02:00:00:00",
                                  releases=True)
        said = capture.stop()
    finally:
        capture.close()
    assert said["dropped"] == 0, said
    assert received["DISCOVER-OFFER"] > 500 and received["REQUEST-ACK"] > 500 and received["REQUEST-ACK (renewal)"] > 200, text
    seen = capture.reader.read()
    counted = history.tally(seen)
    assert counted["ack"] > 700 and counted["release"] > 100, counted
    assert history.check(seen) == []
    no_two_for_one(lab)
    lab.wait_equal()
