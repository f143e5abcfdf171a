"""Nodes die, stop, lose their disks, while clients ask: nothing that was acknowledged is lost, and nobody waits for long."""

import signal
import threading
import time

import pytest
from rawclient import RawClient

from lab import wait_for


def leases(node):
    return {(lease["ip"], lease["mac"]) for lease in node.json("lease", "list").get("leases", [])}


def victim_of(lab, role):
    leader = lab.leader()
    return leader if role == "leader" else next(node for node in lab.living() if node is not leader)


@pytest.mark.parametrize("role", ["leader", "follower"])
def test_death_between_offer_and_request(healthy, client, role):
    raw = RawClient(client)
    try:
        offer = raw.discover()
        victim_of(healthy, role).kill(signal.SIGKILL)
        ack = raw.request(requested=offer["ip"], server=offer["server"])
        assert ack and ack["type"] == "ack" and ack["ip"] == offer["ip"]
    finally:
        raw.close()


@pytest.mark.parametrize("role", ["leader", "follower"])
def test_death_between_request_and_ack(healthy, client, role):
    """The node dies in the moment the REQUEST is on its way; the repeated REQUEST is answered with the same address."""
    raw = RawClient(client)
    try:
        offer = raw.discover()
        victim = victim_of(healthy, role)
        raw.ask("send", type="request", xid=99, requested=offer["ip"], server=offer["server"])
        victim.kill(signal.SIGKILL)
        ack = raw.request(xid=99, requested=offer["ip"], server=offer["server"])
        assert ack and ack["type"] == "ack" and ack["ip"] == offer["ip"]
    finally:
        raw.close()
    survivor = healthy.living()[0]
    assert (offer["ip"], client.mac) in leases(survivor)


def test_every_acknowledged_lease_survives_the_leader(healthy, client):
    raw = RawClient(client)
    acknowledged = set()
    try:
        for number in range(10):
            mac = f"52:54:00:7c:00:{number:02x}"
            ack = raw.lease(mac=mac)
            acknowledged.add((ack["ip"], mac))
            if number == 5:
                healthy.leader().kill(signal.SIGKILL)
    finally:
        raw.close()
    for node in healthy.living():
        wait_for(f"{node.name} to know all", lambda n=node: acknowledged <= leases(n), 10)


@pytest.mark.parametrize("role", ["leader", "follower"])
def test_a_stopped_node_delays_nobody_for_long_and_catches_up(healthy, client, role):
    victim = victim_of(healthy, role)
    raw = RawClient(client)
    try:
        victim.kill(signal.SIGSTOP)
        ack = raw.lease()
        assert ack["type"] == "ack"
    finally:
        victim.kill(signal.SIGCONT)
        raw.close()
    healthy.wait_equal()
    assert (ack["ip"], client.mac) in leases(victim)


def test_all_three_stop_and_start(healthy, client):
    bound = client.udhcpc()
    before = leases(healthy.nodes[0])
    for node in healthy.nodes:
        node.kill(signal.SIGKILL)
    for node in healthy.nodes:
        node.start(wait=False)
    for node in healthy.nodes:
        wait_for(f"{node.name} to answer", node.answers, 60)
    healthy.leader()
    for node in healthy.nodes:
        wait_for(f"{node.name} to know all leases", lambda n=node: before <= leases(n), 20)
    client.forget_address()
    assert client.udhcpc()["ip"] == bound["ip"]


def test_an_orderly_stop_hands_over(healthy, client):
    leader = healthy.leader()
    leader.kill(signal.SIGTERM)
    assert client.udhcpc(), "no lease after an orderly stop of the leader"


def test_a_wiped_node_rejoins(healthy, client):
    victim = victim_of(healthy, "follower")
    bound = client.udhcpc()
    victim.kill(signal.SIGKILL)
    victim.wipe()
    survivor = healthy.living()[0]
    survivor.pxectl("node", "remove", victim.name, "--yes")
    wait_for("the removal", lambda: victim.name not in [m["name"] for m in survivor.json("node", "list")["nodes"]], 30)
    healthy.join(victim)
    healthy.wait_equal()
    assert (bound["ip"], client.mac) in leases(victim)


def test_a_minority_does_not_promise_anything(healthy, client):
    """Without the quorum a node neither binds nor refuses."""
    leader = healthy.leader()
    for node in healthy.nodes:
        if node is not leader:
            node.kill(signal.SIGKILL)
    raw = RawClient(client)
    try:
        assert raw.discover(tries=4) is None
        done = leader.pxectl("host", "add", "nobody", "--mac", "52:54:00:00:00:99", check=False, timeout=90)
        assert done.returncode == 4, done
        assert "quorum" in done.stderr
        # reading goes on, and says that it may be old
        done = leader.pxectl("lease", "list", check=False)
        assert done.returncode == 0 and "no quorum" in done.stderr
    finally:
        raw.close()


def test_clients_that_come_all_the_time_while_nodes_die(healthy, client):
    """20 new clients, one node after the other is killed and restarted: each client is served, no address twice."""
    raw = RawClient(client)
    stop = threading.Event()

    def reaper():
        for node in healthy.nodes:
            if stop.wait(1.0):
                return
            node.kill(signal.SIGKILL)
            time.sleep(1.0)
            node.start(wait=False)
            wait_for(f"{node.name} to answer", node.answers, 60)
            healthy.wait_equal()
    killer = threading.Thread(target=reaper)
    killer.start()
    given = {}
    try:
        number = 0
        while killer.is_alive() or number < 20:
            mac = f"52:54:00:7d:00:{number % 40:02x}"
            ack = raw.lease(mac=mac)
            assert ack and ack["type"] == "ack"
            assert given.setdefault(ack["ip"], mac) == mac, f"{ack['ip']} was given to {given[ack['ip']]} and {mac}"
            number += 1
            time.sleep(0.05)
    finally:
        stop.set()
        killer.join()
        raw.close()
