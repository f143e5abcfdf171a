"""A hostile machine on the segment: the nodes stay up, stay small, keep their leader, and serve the others meanwhile."""

import json
import os
import re
import subprocess
import threading
import time
from pathlib import Path

import pytest
from rawclient import RawClient

from lab import run, wait_for

ATTACKER = Path(__file__).with_name("attacker.py")


@pytest.fixture(scope="module")
def segment(lab):
    """The lab with an attacker, a neighbour that has an address, and a file to fetch."""
    first = lab.nodes[0]
    work = lab.dir / "words"
    work.mkdir()
    lab.big = os.urandom(1_500_000)
    (work / "big.bin").write_bytes(lab.big)
    (work / "file.txt").write_text("words\n")
    first.pxectl("image", "push", "words", work)
    first.pxectl("subnet", "set", "lab", "--lease", "20s")  # so that renewals go through the log
    lab.evil = lab.client("evil", "02:66:66:66:66:66")
    lab.good = lab.client("good", "52:54:00:7c:00:01")
    for client, address in ((lab.evil, "10.77.0.250/24"), (lab.good, "10.77.0.240/24")):
        run("ip", "-n", client.ns, "addr", "add", address, "dev", "eth0")
    lab.known = [known_client(lab, number) for number in range(1, 6)]
    lab.wait_equal()
    return lab


@pytest.fixture
def steady(segment):
    """No node may die, lose its leader, or grow without bound; all agree in the end."""
    before = {node.name: resident(node) for node in segment.nodes}
    term = segment.nodes[0].json("status")["term"]
    yield segment
    for node in segment.nodes:
        assert node.alive(), f"{node.name} died:\n{node.tail(40)}"
        grown = resident(node) - before[node.name]
        assert grown < 700, f"{node.name} has grown by {grown} MiB"  # a sanitizer keeps what was freed
    assert segment.nodes[0].json("status")["term"] == term, "the leader changed"
    segment.wait_equal()


def pid_of(node):
    return int(run("ip", "netns", "pids", node.ns).stdout.split()[0])


def resident(node):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid_of(node)}/status").read_text())[1]) // 1024


def descriptors(node):
    return len(os.listdir(f"/proc/{pid_of(node)}/fd"))


def counters(node):
    return {c["name"]: c["value"] for c in node.json("--node", node.name, "status")["counters"]}


def attack(lab, *words):
    return subprocess.Popen(["ip", "netns", "exec", lab.evil.ns, "/usr/bin/python3", str(ATTACKER), *map(str, words)],
                            stdout=subprocess.PIPE, text=True)


def result(process):
    out = process.communicate(timeout=60)[0]
    assert process.returncode == 0, out
    return json.loads(out.splitlines()[-1])


def fetch_http(lab, node, path="words/big.bin"):
    out = lab.good.dir / "http"
    out.unlink(missing_ok=True)
    lab.good.run("curl", "-sS", "-f", "-m", "15", "-o", out, f"http://{node.ip}/{path}")
    return out.read_bytes()


def fetch_tftp(lab, node, timeout=30):
    out = lab.good.dir / "tftp"
    out.unlink(missing_ok=True)
    lab.good.run("atftp", "--option", "blksize 1428", "--option", "windowsize 8", "-g", "-r", "words/big.bin", "-l", out,
                 node.ip, timeout=timeout)
    return out.read_bytes()


class Renewer(threading.Thread):
    """A client that has its lease and renews it again and again, as a real one: it asks again when nothing comes."""

    def __init__(self, client, ip):
        super().__init__()
        self.client, self.ip = client, ip
        self.renewed, self.refused = 0, []
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.wait(5.1):  # past the first quarter of 20 s
            answer = self.client.request(ciaddr=self.ip, tries=4)
            if answer and answer["type"] == "ack" and answer["ip"] == self.ip:
                self.renewed += 1
            else:
                self.refused.append(answer)

    def finish(self):
        self.stopping.set()
        self.join()
        assert not self.refused and self.renewed > 0, (self.renewed, self.refused)


def known_client(lab, number):
    client = RawClient(lab.client(f"k{number}", f"52:54:00:7b:00:{number:02x}"))
    return client, client.lease()["ip"]


def renewing(lab):
    renewers = [Renewer(client, ip) for client, ip in lab.known[:4]]
    for renewer in renewers:
        renewer.start()
    return renewers


def test_a_flood_of_discovers_starves_no_known_client(steady):
    lines = {node.name: len(node.log.read_text().splitlines()) for node in steady.nodes}
    renewers = renewing(steady)
    assert result(attack(steady, "discover-flood", 20000, 2500))["sent"] == 20000
    for renewer in renewers:
        renewer.finish()
    assert "is full" in steady.nodes[0].pxectl("status").stdout
    for node in steady.nodes:
        new = node.log.read_text().splitlines()[lines[node.name]:]
        assert len(new) < 200, f"{len(new)} lines in the log of {node.name}"


def test_mutated_packets_are_counted_and_harm_nobody(steady):
    renewers = renewing(steady)
    sent = result(attack(steady, "garbage", 8, 2500))["sent"]
    assert sent > 5000
    for renewer in renewers:
        renewer.finish()
    assert counters(steady.nodes[0])["dhcp_malformed"] > 500


def test_forged_messages_have_no_effect(steady):
    client, ip = steady.known[4]
    assert client.request(ciaddr=ip)["type"] == "ack"
    result(attack(steady, "forged", ip, client.mac))
    time.sleep(0.5)
    for node in steady.nodes:
        now = {(lease["ip"], lease["mac"], lease["state"]) for lease in node.json("--node", node.name, "lease", "list")["leases"]
               if lease["ip"] == ip}
        assert now == {(ip, client.mac, "LEASE_BOUND")}
    assert client.request(ciaddr=ip)["type"] == "ack"


def test_half_open_transfers_do_not_shut_the_tftp_server(steady):
    node = steady.nodes[0]
    # each of the made-up addresses has its share, and one of them is our neighbour's
    assert result(attack(steady, "tftp-half-open", node.ip, "words/big.bin", 5000, 2500))["sent"] == 5000
    assert counters(node)["tftp_active"] > 2000
    assert fetch_tftp(steady, node) == steady.big


def test_malformed_tftp_is_answered_as_it_should(steady):
    node = steady.nodes[1]
    answers = result(attack(steady, "tftp-garbage", node.ip, 2000))["answers"]
    assert answers == {"wrq": [5, 2], "dots": [5, 2], "missing": [5, 1]}
    assert counters(node)["tftp_malformed"] > 500
    assert fetch_tftp(steady, node) == steady.big


def test_a_packet_from_another_port_does_not_touch_a_transfer(steady):
    node = steady.nodes[1]
    out = steady.evil.dir / "strays"
    script = steady.evil.dir / "strays.py"
    script.write_text(STRAYS)
    steady.evil.run("/usr/bin/python3", script, node.ip, out)
    assert out.read_bytes() == steady.big


STRAYS = """
import socket, struct, sys
good, bad = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
good.settimeout(5)
good.sendto(b"\\0\\1words/big.bin\\0octet\\0blksize\\0001024\\0", (sys.argv[1], 69))
oack, peer = good.recvfrom(2000)
assert oack[:2] == b"\\0\\6", oack
data, block = b"", 0
good.sendto(struct.pack("!HH", 4, 0), peer)
while True:
    # an ACK far ahead, an ERROR and an ACK of the last block, all of them from another port
    for packet in (struct.pack("!HH", 4, block + 7 & 0xffff), b"\\0\\5\\0\\0stop\\0", struct.pack("!HH", 4, block & 0xffff)):
        bad.sendto(packet, peer)
    packet = good.recv(2000)
    kind, number = struct.unpack("!HH", packet[:4])
    assert kind == 3, packet[:20]
    if number == (block + 1) & 0xffff:
        block += 1
        data += packet[4:]
        if len(packet) < 1028:
            good.sendto(struct.pack("!HH", 4, number), peer)
            break
    good.sendto(struct.pack("!HH", 4, block & 0xffff), peer)
open(sys.argv[2], "wb").write(data)
"""


@pytest.mark.parametrize("options", [[], ["blksize 1428"], ["blksize 1428", "windowsize 16"]])
def test_transfers_under_loss_have_every_byte(steady, options):
    rules = ("table netdev loss { chain c { type filter hook ingress device eth0 priority 0; "
             "udp sport != 67 numgen random mod 100 < 5 drop; }; }")
    run("ip", "netns", "exec", steady.good.ns, "nft", rules)
    try:
        out = steady.good.dir / "lossy"
        words = [word for option in options for word in ("--option", option)]
        steady.good.run("atftp", *words, "-g", "-r", "words/big.bin", "-l", out, steady.nodes[2].ip, timeout=60)
        assert out.read_bytes() == steady.big
    finally:
        run("ip", "netns", "exec", steady.good.ns, "nft", "delete", "table", "netdev", "loss")


def test_idle_connections_leave_room_for_others(steady):
    node = steady.nodes[0]
    calm = descriptors(node)
    process = attack(steady, "http-idle", node.ip, 600, 3)
    assert json.loads(process.stdout.readline())["open"] >= 500
    assert fetch_http(steady, node) == steady.big
    assert fetch_tftp(steady, node) == steady.big
    result(process)
    # nothing of it stays, though half of the connections never said what they wanted
    wait_for("the connections to be let go", lambda: descriptors(node) <= calm + 20, timeout=40, every=0.5)


def test_bodies_that_drip_are_let_go(steady):
    assert result(attack(steady, "http-drip", steady.nodes[0].ip, 60, 40)) == {"closed": 60}


def test_absurd_http_is_refused(steady):
    node = steady.nodes[1]
    codes = result(attack(steady, "http-garbage", node.ip, 300))["codes"]
    assert codes.get("400", 0) > 50 and not any(code.startswith("5") for code in codes), codes
    assert fetch_http(steady, node, "words/file.txt") == b"words\n"


def test_control_characters_reach_neither_log_nor_terminal(steady):
    node = steady.nodes[1]
    for output in ([], ["-o", "json"]):
        watch = subprocess.Popen(
            ["ip", "netns", "exec", node.ns, str(steady.bin / "ctl" / "pxectl"), "--dir", str(node.conf), *output, "watch"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        steady.evil.run("curl", "-sS", "-o", "/dev/null",
                        f"http://{node.ip}/phone-home/52:54:00:00:00:01?marker=a%1b%5b2J%07%c2%9b31m%ff%0d%0aEND&os=%9b5m")
        time.sleep(1)
        watch.terminate()
        said = watch.communicate()[0]
        assert b"END" in said, said
        assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f\x9b]", said), said
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f\x9b]", node.log.read_bytes())


def test_a_flood_of_phone_calls_home_is_logged_within_bounds(steady):
    node = steady.nodes[2]
    before = len(node.log.read_text().splitlines())
    started = time.monotonic()
    calls = "\n".join(f'url = "http://{node.ip}/phone-home/52:54:00:00:{i >> 8:02x}:{i & 255:02x}?marker=x"\noutput = /dev/null'
                      for i in range(4000))
    steady.evil.run("curl", "-sS", "-K", "-", input=calls, timeout=60)
    seconds = time.monotonic() - started
    lines = len(node.log.read_text().splitlines()) - before
    assert lines <= 201 * (seconds + 2), f"{lines} lines in {seconds:.1f} s"


@pytest.mark.parametrize("port", [7440, 7441, 7442])
def test_strangers_at_the_cluster_ports_get_nowhere(steady, port):
    node = steady.leader()
    calm = descriptors(node)
    process = attack(steady, "tcp-garbage", node.ip, port, 600, 2)
    time.sleep(1)
    assert node.pxectl("status").returncode == 0
    assert fetch_http(steady, node, "words/file.txt") == b"words\n"
    result(process)
    wait_for("the connections to be let go", lambda: descriptors(node) <= calm + 20, timeout=30, every=0.5)


def test_offers_of_a_flood_run_out_and_the_pool_recovers(steady):
    client = RawClient(steady.client("late", "52:54:00:7b:00:41"))
    offer = wait_for("a free address", lambda: client.discover(tries=1), timeout=90, every=1)
    assert offer["type"] == "offer"
    client.close()
    wait_for("the pool to be free again", lambda: next(
        pool for pool in steady.nodes[0].json("status")["pools"] if pool["name"] == "lab")["used"] < 50, timeout=90, every=1)
