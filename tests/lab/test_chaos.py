"""Nodes die, are cut off, restart and join while clients come all the time: each is served, and nobody gets what another one holds [P1]-[P4]."""

import os
import random
import signal
import threading

import pytest
from chaos import run_chaos
from conftest import BUILD, configure_big_lab, finish, make_big_lab
from rawclient import RawClient

from lab import Node, remove, wait_for


def test_every_promise_holds_under_faults_by_chance():
    """A minute of tests/chaos; first, since it makes a lab of its own."""
    run_chaos(1.7, int(os.environ.get("PXE_SEED") or random.getrandbits(31)), BUILD, clients=50)


@pytest.fixture(scope="module")
def lab(request):
    """Three nodes with a pool of some thousand addresses."""
    name = f"pxk{os.getpid() % 10000}"
    try:
        lab = make_big_lab(name)
        lab.form()
        configure_big_lab(lab)
        yield lab
        finish(lab)
    finally:
        remove(name)


@pytest.fixture
def chance():
    """Randomness whose seed is printed when the test fails; PXE_SEED repeats it."""
    seed = int(os.environ.get("PXE_SEED") or random.getrandbits(32))
    print(f"PXE_SEED={seed}")
    return random.Random(seed)


def leases(node):
    """Address -> client, as this node itself knows it."""
    done = node.json("--node", node.name, "lease", "list")["leases"]
    held = {lease["ip"]: lease["mac"] for lease in done}
    assert len(held) == len(done), "an address is listed twice"
    return held


def wait_known(nodes, given):
    """Until each node knows all that was given: address -> client."""
    for node in nodes:
        wait_for(f"{node.name} to know {len(given)} leases", lambda n=node: given.items() <= leases(n).items(), 20)


class Load(threading.Thread):
    """New clients without end, one after the other, from a machine of their own on the segment. Each must be served."""

    def __init__(self, client):
        super().__init__(daemon=True)
        self.raw = RawClient(client)
        self.given = {}
        self.wrong = []
        self.stopping = threading.Event()

    def run(self):
        number = 0
        try:
            while not self.stopping.is_set():
                number += 1
                mac = f"52:54:00:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
                ack = self.raw.lease(mac=mac)
                if not ack or ack["type"] != "ack":
                    self.wrong.append(f"{mac} was refused: {ack}")
                elif self.given.setdefault(ack["ip"], mac) != mac:
                    self.wrong.append(f"{ack['ip']} was given to {self.given[ack['ip']]} and to {mac}")
        except Exception as error:  # told to the test, which asserts that there is none
            self.wrong.append(repr(error))

    def served(self, more):
        """Wait until so many more clients were served, or something went wrong."""
        wanted = len(self.given) + more
        wait_for(f"{more} more clients to be served", lambda: len(self.given) >= wanted or self.wrong or not self.is_alive(), 60)

    def end(self):
        """Stop, and check: nobody was refused or left without an answer, no address has two owners."""
        self.stopping.set()
        self.join()
        self.raw.close()
        assert not self.wrong, "\n".join(self.wrong)
        assert self.given
        return self.given


@pytest.fixture
def load(lab, client):
    load = Load(client)
    load.start()
    yield load
    load.stopping.set()
    load.join()


def offer_of(raw, chance, node):
    """An OFFER that this node sent, to a client made for it. Who answers whom is a hash of the client."""
    for _ in range(60):
        mac = f"52:54:01:{chance.getrandbits(24):06x}"
        mac = mac[:9] + ":".join(mac[9:][i:i + 2] for i in (0, 2, 4))
        offer = raw.discover(mac=mac)
        assert offer and offer["type"] == "offer", offer
        if offer["from"] == node.ip:
            return mac, offer
    raise AssertionError(f"{node.name} never answers first")


def test_the_answering_node_dies_between_request_and_ack_again_and_again(healthy, client, chance):
    raw, given = RawClient(client), {}
    try:
        for _ in range(10):
            victim = chance.choice(healthy.nodes)
            mac, offer = offer_of(raw, chance, victim)
            xid = chance.getrandbits(32)
            wanted = {"requested": offer["ip"], "server": offer["server"], "mac": mac, "xid": xid}
            raw.ask("send", type="request", **wanted)
            raw.ask("collect", seconds=chance.choice([0, 0.0002, 0.0005, 0.001, 0.002]))
            victim.kill(signal.SIGKILL)
            ack = raw.request(**wanted)
            assert ack and ack["type"] == "ack" and ack["ip"] == offer["ip"], (victim.name, ack)
            assert given.setdefault(ack["ip"], mac) == mac, f"{ack['ip']} has two owners"
            wait_known(healthy.living(), given)
            victim.start()
            healthy.wait_serving()
    finally:
        raw.close()
    wait_known(healthy.nodes, given)


def test_a_leader_that_is_cut_off_decides_nothing_and_takes_nothing_of_the_others(healthy, client, chance):
    raw, given = RawClient(client), {}

    def note(reply):
        if reply["type"] == "ack":
            assert given.setdefault(reply["ip"], reply["mac"]) == reply["mac"], f"{reply['ip']} has two owners"
        else:
            assert reply["type"] == "offer", reply
    try:
        bound = raw.lease()
        note(bound)
        leader = healthy.leader()
        others = [node for node in healthy.nodes if node is not leader]
        healthy.partition([leader], others)
        # clients hear all three, and are heard by all three: the one without the quorum has its own reserve, in time
        for _ in range(40):
            ack = raw.lease(mac=f"52:54:02:00:00:{chance.getrandbits(8):02x}")
            note(ack)
            for reply in raw.ask("collect", seconds=0.05):
                note(reply)
        renewed = raw.request(ciaddr=bound["ip"])
        assert renewed and renewed["type"] == "ack" and renewed["ip"] == bound["ip"]
        done = leader.pxectl("--node", leader.name, "host", "add", "cut-off", "--mac", "52:54:02:ff:ff:ff", check=False, timeout=60)
        assert done.returncode == 4, done
        alone = leader.pxectl("-o", "json", "--node", leader.name, "status", check=False)
        assert '"health": "no quorum"' in alone.stdout, alone
        healthy.heal()
        healthy.wait_serving()
        healthy.wait_equal()
        wait_known(healthy.nodes, given)
        assert "cut-off" not in [host["name"] for host in leader.json("host", "list")["hosts"]]
    finally:
        healthy.heal()
        raw.close()


def test_a_follower_that_is_cut_off_and_back_again_and_again_hurts_nobody(healthy, load, chance):
    for _ in range(4):
        victim = chance.choice(healthy.nodes)
        healthy.partition([victim], [node for node in healthy.nodes if node is not victim])
        load.served(20)
        healthy.heal()
        load.served(5)
    healthy.wait_serving()
    wait_known(healthy.nodes, load.end())
    healthy.wait_equal()


def test_all_nodes_restart_in_a_row_under_load(healthy, load):
    load.served(20)
    for node in healthy.nodes:
        assert node.kill(signal.SIGTERM) == 0, f"{node.name} did not end in order:\n{node.tail()}"
        load.served(20)
        node.start()
        healthy.wait_serving()
    wait_known(healthy.nodes, load.end())
    healthy.wait_equal()


def test_a_node_joins_and_leaves_under_load(healthy, load):
    fourth = Node(healthy, 4)
    fourth.setup()
    fourth.exec("ip", "addr", "flush", "dev", "eth0")
    fourth.exec("ip", "addr", "add", f"{fourth.ip}/16", "dev", "eth0")
    load.served(20)
    healthy.nodes.append(fourth)
    try:
        healthy.join(fourth)  # until it votes
        healthy.wait_serving()
        load.served(50)
        wait_known([fourth], dict(load.given))
        # two of four may not be needed: one may go, and the rest serves on
        healthy.nodes[0].pxectl("node", "remove", fourth.name, "--yes")
        wait_for("the removal", lambda: fourth.name not in [n["name"] for n in healthy.nodes[0].json("node", "list")["nodes"]], 30)
    finally:
        healthy.nodes.remove(fourth)
        fourth.kill()
    load.served(20)
    wait_known(healthy.nodes, load.end())
    healthy.wait_equal()
