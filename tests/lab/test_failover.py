"""Nodes die, stop, lose their disks, while clients ask: nothing that was acknowledged is lost, and nobody waits for long."""

import json
import os
import signal
import subprocess
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


def test_an_orderly_stop_in_the_middle_of_everything(healthy, client, tmp_path):
    """Transfers, a watcher, a push and DHCP are under way when the stop comes: the node ends in order, the push is made elsewhere."""
    for name in ("slow", "pushed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(os.urandom(24 << 20))
    healthy.nodes[0].pxectl("image", "push", "slow", tmp_path / "slow", timeout=120)
    client.udhcpc()
    # a slow link, so that transfers are still under way when the node stops
    healthy.sw("tc", "qdisc", "add", "dev", client.name, "root", "tbf", "rate", "20mbit", "burst", "32kb", "latency", "400ms")
    for node in healthy.nodes:
        pxectl = ["ip", "netns", "exec", node.ns, str(healthy.bin / "ctl" / "pxectl"), "--dir", str(node.conf)]
        words = [client.isolated("curl", "-sS", "-o", "/dev/null", f"http://{node.ip}/slow/file"),
                 client.isolated("curl", "-sS", "-o", "/dev/null", f"tftp://{node.ip}/slow/file"),
                 [*pxectl, "watch"]]
        busy = [subprocess.Popen(w, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for w in words]
        push = subprocess.Popen([*pxectl, "image", "push", f"pushed-{node.name}", str(tmp_path / "pushed")],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        raw = RawClient(client)
        try:
            wait_for(f"transfers from {node.name}", lambda n=node: serves(n), 30)
            for number in range(20):
                raw.ask("send", type="discover", xid=number, mac=f"52:54:00:7f:00:{number:02x}")
            assert node.kill(signal.SIGTERM) == 0, node.tail()
            said = push.communicate(timeout=120)[0]
            assert push.returncode == 0, said
        finally:
            for process in [*busy, push]:
                process.kill()
                process.wait()
            raw.close()
        node.start()
        healthy.wait_serving()


def serves(node):
    """Is a TFTP and an HTTP transfer of this node under way?"""
    done = node.pxectl("-o", "json", "--node", node.name, "status", check=False)
    counters = {row["name"]: int(row["value"]) for row in json.loads(done.stdout)["counters"]} if done.stdout else {}
    return counters.get("tftp_active") and ":80" in node.exec("ss", "-Htn", "state", "established", "sport", "=", ":80").stdout


def test_a_wiped_node_rejoins(healthy, client):
    victim = victim_of(healthy, "follower")
    bound = client.udhcpc()
    victim.kill(signal.SIGKILL)
    victim.wipe()
    survivor = healthy.living()[0]
    survivor.pxectl("node", "remove", victim.name, "--force", "--yes")
    wait_for("the removal", lambda: victim.name not in [m["name"] for m in survivor.json("node", "list")["nodes"]], 30)
    healthy.join(victim)
    healthy.wait_equal()
    assert (bound["ip"], client.mac) in leases(victim)


def test_a_minority_changes_nothing_and_answers_from_its_own(healthy, client):
    """Without the quorum a node leases an address of its own, changes nothing, and says so."""
    leader = healthy.leader()
    wait_for("addresses of its own", lambda: all(int(row["reserve_held"]) > 0 for row in leader.json("status")["nodes"]), 30)
    for node in healthy.nodes:
        if node is not leader:
            node.kill(signal.SIGKILL)
    raw = RawClient(client)
    try:
        ack = raw.lease()
        assert ack and ack["type"] == "ack"
        done = leader.pxectl("host", "add", "nobody", "--mac", "52:54:00:00:00:99", check=False, timeout=90)
        assert done.returncode == 4, done
        assert "quorum" in done.stderr
        # reading goes on, and says that it may be old
        done = leader.pxectl("lease", "list", check=False)
        assert done.returncode == 0 and "no quorum" in done.stderr
    finally:
        raw.close()
    for node in healthy.nodes:
        if node is not leader:
            node.start()
    wait_for("the cluster to know the lease", lambda: (ack["ip"], client.mac) in leases(healthy.nodes[0]), 30)


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
