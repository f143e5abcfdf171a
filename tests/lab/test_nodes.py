"""Operators change who belongs to the cluster, keep copies of it, and bring it back: witness, demote, drain, remove, recover, restore."""

import contextlib
import json
import os
import signal
import subprocess
import time

import pytest
from conftest import finish, make_lab
from lab import remove, wait_for
from rawclient import RawClient


@pytest.fixture
def lab(request):
    """Three formed nodes of its own for each test, which may end with fewer; a short MCLT, so that removals by force end in time."""
    name = f"pxn{os.getpid() % 10000}"
    try:
        lab = make_lab(name, 4)
        lab.spare = lab.nodes.pop()
        lab.form()
        first = lab.nodes[0]
        first.pxectl("cluster", "set", "mclt=30s")
        first.pxectl("subnet", "add", "lab", "10.77.0.0/24", "--lease", "10m")
        first.pxectl("pool", "add", "lab", "--subnet", "lab", "--range", "10.77.0.100-10.77.0.199")
        lab.numbers = iter(range(1, 200))
        yield lab
        finish(lab)
    finally:
        remove(name)


@contextlib.contextmanager
def machine(client):
    raw = RawClient(client)
    try:
        yield raw
    finally:
        raw.close()


def nodes_of(node):
    """Status rows by name, as this very node sees them."""
    done = node.pxectl("-o", "json", "--node", node.name, "status", check=False)
    return {row["name"]: row for row in json.loads(done.stdout)["nodes"]} if done.stdout else {}


def leases(node):
    return {(lease["ip"], lease["mac"]) for lease in node.json("lease", "list").get("leases", [])}


def reserves(node):
    return {name: int(row["reserve_held"]) for name, row in nodes_of(node).items()}


def wait_reserves(lab, names=None):
    """Until every node (of these) holds addresses of its own."""
    wanted = names or [n.name for n in lab.nodes]
    wait_for("each node's reserve", lambda: all(reserves(lab.living()[0]).get(name, 0) > 0 for name in wanted), 30)


def pxectl_process(node, *words):
    return subprocess.Popen(["ip", "netns", "exec", node.ns, str(node.lab.bin / "ctl" / "pxectl"), "--dir", str(node.conf), *words],
                            text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def join_options(node):
    return ["--interface", "eth0", "--data", node.dir / "data", "--socket", node.dir / "run" / "api.sock", "--no-start"]


def sockets_of(node, *words):
    return node.exec("ss", "-Hln", *words).stdout


def test_a_witness_votes_and_serves_nothing(lab, client):
    first, witness = lab.nodes[0], lab.spare
    token = first.pxectl("cluster", "token", "create", "--witness", "--for", witness.name).stdout.split()[0]
    witness.pxectl("cluster", "join", token, *join_options(witness))
    lab.nodes.append(witness)
    witness.start()
    wait_for("the witness to vote", lambda: nodes_of(first).get(witness.name, {}).get("raft_role") in ("witness", "leader"), 30)
    assert nodes_of(first)[witness.name]["state"] == "ok"
    assert "as a witness" in witness.log.read_text()
    udp, tcp = sockets_of(witness, "-u"), sockets_of(witness, "-t")
    assert ":67 " not in udp and ":69 " not in udp and ":80 " not in tcp, (udp, tcp)
    assert ":7440 " in tcp
    done = witness.pxectl("--node", witness.name, "image", "push", "x", "/etc/hostname", check=False)
    assert done.returncode != 0 and "witness" in done.stderr
    # its vote counts: two of four are gone, two full nodes would not be enough
    lab.nodes[1].kill(signal.SIGKILL)
    first.pxectl("node", "remove", lab.nodes[1].name, "--force", "--yes")
    lab.nodes.pop(1).process = None
    lab.nodes[1].kill(signal.SIGKILL)
    with machine(client) as raw:
        ack = raw.lease()
    assert ack["type"] == "ack"
    wait_for("the lease on the witness", lambda: (ack["ip"], client.mac) in leases(witness), 10)
    assert int(nodes_of(first)[witness.name]["reserve_held"]) == 0


def test_a_demoted_node_serves_without_a_vote_until_it_is_promoted(lab, client):
    leader = lab.leader()
    other = next(n for n in lab.nodes if n is not leader)
    done = other.pxectl("node", "demote", leader.name)
    assert "votes no more" in done.stdout
    wait_for("the node to be a learner", lambda: nodes_of(other)[leader.name]["raft_role"] == "learner", 30)
    wait_for("it to serve as standby", lambda: nodes_of(other)[leader.name]["state"] == "standby", 10)
    assert lab.leader() is not leader
    assert other.json("status")["voters"] == 2
    assert client.udhcpc()
    done = other.pxectl("node", "promote", leader.name)
    wait_for("the node to vote again", lambda: nodes_of(other)[leader.name]["raft_role"] in ("voter", "leader"), 30)
    lab.wait_equal()
    assert other.pxectl("node", "demote", "pxe77", check=False).returncode == 6


def test_the_leader_steps_down_when_asked(lab):
    leader = lab.leader()
    other = next(n for n in lab.nodes if n is not leader)
    done = other.pxectl("node", "step-down", leader.name)
    assert f"{leader.name} has stepped down" in done.stdout
    assert lab.leader() is not leader
    done = other.pxectl("node", "step-down", leader.name, check=False)
    assert done.returncode == 1 and "does not lead" in done.stderr


def test_a_drained_node_gives_up_lead_and_clients_and_waits_for_its_transfers(lab, client, tmp_path):
    leader = lab.leader()
    other = next(n for n in lab.nodes if n is not leader)
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "file").write_bytes(os.urandom(6 << 20))
    other.pxectl("image", "push", "slow", tmp_path / "slow", timeout=120)
    client.udhcpc()
    lab.sw("tc", "qdisc", "add", "dev", client.name, "root", "tbf", "rate", "8mbit", "burst", "32kb", "latency", "400ms")
    transfer = subprocess.Popen(client.isolated("curl", "-sS", "-o", "/dev/null", f"http://{leader.ip}/slow/file"),
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    drain = None
    try:
        wait_for("the transfer", lambda: any(row["name"] == "http_active" and int(row["value"]) > 0 for row in json.loads(
            leader.pxectl("-o", "json", "--node", leader.name, "status").stdout)["counters"]), 10)
        drain = pxectl_process(other, "node", "drain", leader.name)
        wait_for("it to be draining", lambda: nodes_of(other)[leader.name]["draining"], 10)
        assert drain.poll() is None and transfer.poll() is None
        assert transfer.wait(timeout=60) == 0
        out, err = drain.communicate(timeout=60)
        assert drain.returncode == 0, (out, err)
        assert "safe to stop" in out and "still running" in err
    finally:
        for process in (transfer, drain):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
    assert lab.leader() is not leader
    assert nodes_of(other)[leader.name]["state"] == "draining"
    before = leader.json("--node", leader.name, "status")
    lab.sw("tc", "qdisc", "del", "dev", client.name, "root")
    with machine(client) as raw:
        for number in range(20):
            assert raw.lease(mac=f"52:54:00:6e:00:{number:02x}")["type"] == "ack"
    sent = [{row["name"]: int(row["value"]) for row in status["counters"]}.get("dhcp_offer_sent", 0)
            for status in (before, leader.json("--node", leader.name, "status"))]
    assert sent[1] - sent[0] == 0, "new clients belong to the others"
    leader.pxectl("node", "undrain", leader.name)
    wait_for("it to serve again", lambda: nodes_of(other)[leader.name]["state"] == "ok", 10)


def test_a_node_leaves_in_order_and_hands_its_addresses_back(lab, client):
    first, gone = lab.nodes[0], lab.nodes[2]
    wait_reserves(lab)
    bound = client.udhcpc()
    done = first.pxectl("node", "remove", gone.name, "--yes", timeout=120)
    assert f"node {gone.name} removed" in done.stdout
    assert gone.name not in nodes_of(first)
    wait_for("the node to know", lambda: gone.json("status")["health"] == "removed", 15)
    assert (bound["ip"], client.mac) in leases(first)
    pool = first.json("status")["pools"][0]
    assert int(pool["reserve"]) == sum(reserves(first).values()), "no address is left in nobody's reserve"
    gone.kill(signal.SIGTERM)
    gone.wipe()
    lab.join(gone)


def test_a_dead_node_is_removed_by_force_only_and_its_addresses_come_back(lab, client):
    first, dead = lab.nodes[0], lab.nodes[2]
    wait_reserves(lab)
    held = reserves(first)[dead.name]
    dead.kill(signal.SIGKILL)
    wait_for("it to be down", lambda: nodes_of(first)[dead.name]["state"] == "down", 10)
    done = first.pxectl("node", "remove", dead.name, "--yes", check=False)
    assert done.returncode == 9 and f"node remove {dead.name} --force" in done.stderr and f"{held} own addresses" in done.stderr
    done = first.pxectl("node", "remove", dead.name, "--force", check=False)
    assert done.returncode == 2 and "33s" in done.stderr and "asserts" in done.stderr
    first.pxectl("node", "remove", dead.name, "--force", "--yes")
    forced = time.monotonic()
    assert dead.name not in nodes_of(first)
    pool = first.json("status")["pools"][0]
    assert int(pool["reserve"]) - sum(reserves(first).values()) == held, "nobody has them yet"
    wait_for("its addresses to be free", lambda: (lambda p: int(p["reserve"]) == sum(reserves(first).values()))(
        first.json("status")["pools"][0]), 60)
    assert time.monotonic() - forced >= 30, "not before the longest lease that it could have given"
    # it was not off for good: its addresses are others' now, so it must not lease them [R7]
    dead.start()
    wait_for("it to know that it was removed", lambda: dead.json("status")["health"] == "removed", 30)
    lab.partition([dead, client], lab.nodes[:2])
    with machine(client) as raw:
        assert raw.discover(mac="52:54:00:6d:00:77") is None, "a removed node answers nobody"
    lab.heal()
    shown = dead.pxectl("status").stdout
    assert "was removed from the cluster" in shown and "goes on alone" not in shown
    dead.kill(signal.SIGKILL)
    dead.wipe()
    lab.join(dead)


def test_an_isolated_node_says_what_it_may_do(lab, client):
    first, alone = lab.nodes[0], lab.nodes[2]
    bound = client.udhcpc()
    lab.wait_equal()
    wait_reserves(lab)
    held = reserves(first)[alone.name]
    watch = pxectl_process(alone, "--node", alone.name, "--timeout", "15s", "watch")
    lab.partition([alone], lab.nodes[:2])

    def told():
        row = nodes_of(alone)[alone.name]
        return row if row["state"] == "isolated" and row["isolated"] and int(row["isolated_ms"]) > 0 else None
    row = wait_for("pxe3 to go on alone", told, 20)
    assert int(row["reserve_held"]) == held and 0 < int(row["reserve_free"]) <= held
    shown = alone.pxectl("--node", alone.name, "status").stdout
    assert "goes on alone" in shown and "isolated for" in shown and "extended, at most" in shown
    assert "is to be answered" not in shown
    shown = first.pxectl("status").stdout
    assert f"{alone.name} may go on alone with its own {held} addresses" in shown
    # a machine that only the isolated node hears gets one of its own addresses, and the status counts it
    lab.partition([alone, client], lab.nodes[:2])
    with machine(client) as raw:
        ack = raw.lease(mac="52:54:00:6d:00:01")
        assert ack and ack["type"] == "ack"
    wait_for("the lease to wait to be merged", lambda: int(nodes_of(alone)[alone.name]["journal"]) == 1, 10)
    assert "1 lease waits to be merged" in alone.pxectl("--node", alone.name, "status").stdout
    done = alone.pxectl("--node", alone.name, "lease", "list")
    assert ack["ip"] in done.stdout and "1 of them given by pxe3 alone" in done.stderr
    done = alone.pxectl("--node", alone.name, "host", "add", "none", "--mac", "52:54:00:57:00:03", check=False)
    assert done.returncode == 4 and "bring back 1 of pxe1, pxe2" in done.stderr and "goes on alone meanwhile" in done.stderr
    lab.heal()
    wait_for("the merge", lambda: (ack["ip"], "52:54:00:6d:00:01") in leases(first), 20)
    wait_for("the journal to be empty", lambda: int(nodes_of(first)[alone.name]["journal"]) == 0, 20)
    out, _ = watch.communicate(timeout=40)
    assert "isolated" in out and "goes on alone" in out and f"bring back {lab.nodes[0].name} or {lab.nodes[1].name}" in out
    wait_for("the news of the merge", lambda: "is back: 1 lease merged" in alone.log.read_text(), 10)
    assert int(first.json("status")["merge_conflicts"]) == 0
    assert (bound["ip"], client.mac) in leases(alone)


def test_settings_are_changed_by_name_and_told(lab):
    first, second = lab.nodes[0], lab.nodes[1]
    done = first.pxectl("cluster", "set", "mclt=5m", "reserve=30%")
    assert "30s -> 5m" in done.stdout and "50 % -> 30 %" in done.stdout
    wait_for("the other node to know", lambda: "5m" in second.pxectl("--node", second.name, "cluster", "info").stdout, 10)
    assert first.pxectl("cluster", "set", "mclt=1s", check=False).returncode == 2
    done = first.pxectl("cluster", "set", "profile=nothere", check=False)
    assert done.returncode in (2, 6, 7) and "nothere" in done.stderr


def test_the_last_survivor_goes_on_and_the_old_nodes_are_strangers(lab, client):
    survivor, old = lab.nodes[2], lab.nodes[0]
    bound = client.udhcpc()
    lab.wait_equal()
    known = leases(survivor)
    assert (bound["ip"], client.mac) in known
    done = survivor.pxectl("cluster", "recover", "--yes", check=False)
    assert done.returncode == 7 and "stop it first" in done.stderr
    for node in lab.nodes:
        node.kill(signal.SIGKILL)
    done = survivor.pxectl("cluster", "recover", check=False)
    assert done.returncode == 2 and "name typed" in done.stderr and "is given up" in done.stderr
    done = survivor.pxectl("cluster", "recover", "--yes", timeout=120)
    assert "goes on with node pxe3 alone (epoch 2)" in done.stdout
    assert list((survivor.dir / "data").glob("state.mdb.before-recover-*/data.mdb"))
    lab.nodes[:] = [survivor]
    survivor.start()
    wait_for("it to lead", lambda: survivor.json("status")["leader"] == survivor.name, 20)
    status = survivor.json("status")
    assert int(status["epoch"]) == 2 and int(status["voters"]) == 1 and int(status["unknown_until_ms"]) > 0
    assert known <= leases(survivor)
    assert "new machines wait" in survivor.pxectl("status").stdout
    client.forget_address()
    assert client.udhcpc()["ip"] == bound["ip"]
    # an old node that comes back is refused, and takes nobody along
    old.start()
    try:
        time.sleep(3)
        assert set(nodes_of(survivor)) == {survivor.name}
        assert survivor.json("status")["health"] == "healthy"
        done = old.pxectl("--node", survivor.name, "status", check=False)
        assert done.returncode == 5, done
        assert nodes_of(old)[old.name]["raft_role"] != "leader"
    finally:
        old.kill(signal.SIGKILL)
    old.wipe()
    lab.nodes.append(old)
    lab.join(old)
    lab.wait_equal()
    assert known <= leases(old)


def test_a_backup_becomes_a_cluster_again(lab, client, tmp_path):
    first, fresh = lab.nodes[0], lab.spare
    bound = client.udhcpc()
    first.pxectl("host", "add", "kept", "--mac", "52:54:00:6c:00:01", "--ip", "10.77.0.90")
    file = tmp_path / "lab.pxb"
    done = lab.nodes[1].pxectl("backup", "create", file)
    assert "Not in it" in done.stderr and not list(tmp_path.glob("*.part"))
    assert file.stat().st_mode & 0o077 == 0
    shown = first.pxectl("backup", "inspect", file).stdout
    assert "is whole" in shown and "lab" in shown
    piped = subprocess.run(["ip", "netns", "exec", first.ns, str(lab.bin / "ctl" / "pxectl"), "--dir", str(first.conf), "backup",
                            "create", "-"], capture_output=True, check=True, timeout=60).stdout
    assert piped.startswith(b"pxecluster backup 1\n") and b"SECRET" not in piped
    data = file.read_bytes()
    for name, changed, said in (("cut", data[:-40], "cut off"), ("bad", data[:200] + bytes([data[200] ^ 1]) + data[201:], "no use"),
                                ("more", data + b"x", "follows"), ("none", b"hello", "not a backup")):
        (tmp_path / name).write_bytes(changed)
        done = first.pxectl("backup", "inspect", tmp_path / name, check=False)
        assert done.returncode == 2 and said in done.stderr, done
        done = fresh.pxectl("backup", "restore", tmp_path / name, *join_options(fresh), check=False)
        assert done.returncode == 2 and not (fresh.conf / "node.yaml").exists()
    first.pxectl("host", "add", "later", "--mac", "52:54:00:6c:00:02")
    done = first.pxectl("backup", "restore", file, *join_options(first), check=False)
    assert done.returncode == 7 and "is a node already" in done.stderr
    for node in lab.nodes:
        node.kill(signal.SIGKILL)
    done = fresh.pxectl("backup", "restore", file, "--node-name", "anew", *join_options(fresh), timeout=120)
    assert "restored on node anew" in done.stdout and "epoch 2" in done.stdout and "not known" in done.stderr
    lab.nodes[:] = [fresh]
    fresh.start()
    wait_for("it to lead", lambda: fresh.json("status")["leader"] == "anew", 20)
    assert set(nodes_of(fresh) or {row["name"] for row in fresh.json("status")["nodes"]}) == {"anew"}
    hosts = {row["name"] for row in fresh.json("host", "list")["hosts"]}
    assert "kept" in hosts and "later" not in hosts
    assert (bound["ip"], client.mac) in leases(fresh)
    client.forget_address()
    assert client.udhcpc()["ip"] == bound["ip"], "a known machine renews"
    with machine(client) as raw:
        assert raw.discover(mac="52:54:00:6c:00:09", tries=3) is None, "an unknown one waits"
        ack = raw.lease(mac="52:54:00:6c:00:01")
        assert ack["ip"] == "10.77.0.90", "a reservation is known"
    fresh.pxectl("host", "add", "after", "--mac", "52:54:00:6c:00:03")
