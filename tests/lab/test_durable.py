"""Disks fail and power fails: what was acknowledged is there, and a node that cannot write says so and ends."""

import os
import random
import re
import signal
import struct
import subprocess
import threading
import time

import pytest
from rawclient import RawClient

from lab import Lab, LabError, remove, run, wait_for

PAGE = 4096
COOKIE = rb"\x63\x82\x53\x63\x35\x01"  # DHCP's magic cookie, then the message type, as strace -xx prints them


@pytest.fixture(scope="module")
def lab(request):
    """Three nodes with some thousand addresses, and a number of machines that ask for them."""
    from conftest import BUILD
    name = f"pxd{os.getpid() % 10000}"
    try:
        lab = Lab(name, nodes=3, build=BUILD)
        lab.up()
        for node in lab.nodes:
            node.exec("ip", "addr", "flush", "dev", "eth0")
            node.exec("ip", "addr", "add", f"{node.ip}/16", "dev", "eth0")
        lab.form()
        first = lab.nodes[0]
        first.pxectl("cluster", "set", "probe=no")  # each client waits for its own; here many leases are wanted
        first.pxectl("subnet", "add", "big", "10.77.0.0/16", "--lease", "1h")
        first.pxectl("pool", "add", "big", "--subnet", "big", "--range", "10.77.16.1-10.77.255.254")
        lab.macs = (f"52:54:00:{n >> 16:02x}:{n >> 8 & 255:02x}:{n & 255:02x}" for n in range(1, 1 << 24))
        lab.clients = [lab.client(f"c{n}", f"52:54:01:00:00:{n:02x}") for n in range(4)]
        yield lab
    finally:
        remove(name)


@pytest.fixture
def healthy(lab):
    yield lab
    for node in lab.nodes:
        if not node.alive():
            node.start()
    lab.wait_equal()


@pytest.fixture(scope="module")
def lossy(tmp_path_factory):
    """The library that remembers what no sync has covered."""
    library = tmp_path_factory.mktemp("lossy") / "lossy_disk.so"
    source = os.path.join(os.path.dirname(__file__), "lossy_disk.c")
    run("cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl")
    return library


def leases(node):
    return {(lease["ip"], lease["mac"]) for lease in node.json("lease", "list").get("leases", [])}


def victim_of(lab, role):
    leader = lab.leader()
    return leader if role == "leader" else next(node for node in lab.living() if node is not leader)


class Load:
    """Machines that come one after the other, each with a new hardware address; `acked` holds what they were promised."""

    def __init__(self, lab):
        self.acked = set()
        self.stop = threading.Event()
        self.macs = lab.macs
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.work, args=(client,)) for client in lab.clients]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exception):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def work(self, client):
        raw = RawClient(client)
        try:
            while not self.stop.is_set():
                with self.lock:
                    mac = next(self.macs)
                offer = raw.discover(tries=3, mac=mac)
                if not offer or offer["type"] != "offer":
                    continue
                ack = raw.request(tries=3, mac=mac, requested=offer["ip"], server=offer["server"])
                if ack and ack["type"] == "ack":
                    with self.lock:
                        self.acked.add((ack["ip"], mac))
        finally:
            raw.close()


def check_promises(lab, acked):
    """Every promise is known to every node, and no address was promised twice."""
    ips = [ip for ip, mac in acked]
    assert len(ips) == len(set(ips)), "an address was promised to two machines"
    for node in lab.living():
        wait_for(f"{node.name} to know all {len(acked)} leases", lambda n=node: acked <= leases(n), 30, every=0.3)


# ---- an ACK leaves after the sync

class Trace:
    """strace of a node; calls() gives (start, end, name, the rest of the line) in wall clock seconds."""

    CALLS = "fdatasync,fsync,msync,pwrite64,writev,sendmmsg,sendmsg,sendto,recvmmsg,recvmsg,recvfrom"

    def __init__(self, node, directory):
        self.directory = directory
        self.pid = node.process.pid
        directory.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            ["strace", "-ff", "-ttt", "-T", "-y", "-xx", "-s", "700", "-e", f"trace={self.CALLS}",
             "-o", str(directory / "t"), "-p", str(self.pid)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        tasks = len(os.listdir(f"/proc/{self.pid}/task"))
        wait_for("strace to attach", lambda: self.attached() == tasks, 10)
        self.synchronous = set()
        for fd in os.listdir(f"/proc/{self.pid}/fdinfo"):
            flags = re.search(r"flags:\s+(\d+)", open(f"/proc/{self.pid}/fdinfo/{fd}").read())
            if flags and int(flags[1], 8) & os.O_DSYNC:
                self.synchronous.add(int(fd))

    def attached(self):
        count = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            status = open(f"/proc/{self.pid}/task/{task}/status").read()
            count += re.search(r"TracerPid:\s+(\d+)", status)[1] != "0"
        return count

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=10)

    def calls(self):
        found = []
        for path in self.directory.glob("t.*"):
            for line in path.read_text(errors="replace").splitlines():
                match = re.match(r"(\d+\.\d+) (\w+)\((.*) <(\d+\.\d+)>$", line)
                if match:
                    start = float(match[1])
                    found.append((start, start + float(match[4]), match[2], match[3]))
        return sorted(found)


def raw_bytes(text):
    """The bytes of a line of strace -xx."""
    return bytes.fromhex("".join(re.findall(r"\\x([0-9a-f]{2})", text)))


def dhcp_at(calls, names, kind, xid):
    """The calls among `names` that carry a DHCP message of that type and transaction."""
    marker = bytes.fromhex("6382536335 01".replace(" ", "")) + bytes([kind])
    return [call for call in calls if call[2] in names and marker in (data := raw_bytes(call[3])) and
            struct.pack("!I", xid) in data]


def syncs_of_state(calls, synchronous):
    """When the state file was synced: (start of the data's sync, end of the head page's synchronous write)."""
    syncs, data = [], None
    for start, end, name, rest in calls:
        fd = re.match(r"(\d+)<(.*?)>", rest)
        if not fd or not fd[2].encode().decode("unicode_escape").endswith("data.mdb"):
            continue
        if name in ("fdatasync", "fsync") and rest.endswith("= 0"):
            data = start
        elif name == "pwrite64" and int(fd[1]) in synchronous and data is not None:
            syncs.append((data, end))
            data = None
    return syncs


def synced_before_ack(lab, tmp_path, raw, mac):
    """Bind one machine under strace; on how many nodes was the state synced between its REQUEST and its ACK."""
    offer = raw.discover(mac=mac)
    time.sleep(0.5)  # what the OFFER left to be written is written
    traces = [Trace(node, tmp_path / f"{node.name}-{mac.replace(':', '')}") for node in lab.nodes]
    xid = random.getrandbits(32)
    try:
        ack = raw.request(mac=mac, xid=xid, wait=5.0, requested=offer["ip"], server=offer["server"])
        assert ack and ack["type"] == "ack"
        time.sleep(0.2)
    finally:
        for trace in traces:
            trace.stop()
    calls = [trace.calls() for trace in traces]
    arrived = [call[1] for of_node in calls for call in dhcp_at(of_node, ("recvmmsg", "recvmsg", "recvfrom"), 3, xid)]
    left = [call[0] for of_node in calls for call in dhcp_at(of_node, ("sendmmsg", "sendmsg", "sendto"), 5, xid)]
    assert arrived and left, "the REQUEST or the ACK is not in the trace"
    assert min(arrived) < min(left)
    return sum(any(min(arrived) < start and end < min(left) for start, end in syncs_of_state(of_node, trace.synchronous))
               for of_node, trace in zip(calls, traces))


def test_an_ack_leaves_after_a_majority_has_synced(healthy, tmp_path):
    raw = RawClient(healthy.clients[0])
    try:
        for _ in range(5):
            assert synced_before_ack(healthy, tmp_path, raw, next(healthy.macs)) >= 2
    finally:
        raw.close()


def restart_with(lab, monkeypatch, environment):
    """All nodes anew, with these variables."""
    for node in lab.nodes:
        node.kill()
    for node in lab.nodes:
        with monkeypatch.context() as patch:
            for name, value in environment(node).items():
                patch.setenv(name, str(value))
            node.start(wait=False)
    for node in lab.nodes:
        wait_for(f"{node.name} to answer", node.answers, 60)
    lab.leader()


def test_the_trace_would_show_a_missing_sync(healthy, tmp_path, lossy, monkeypatch):
    """The test of the test: with LMDB's sync turned off from outside, no node syncs before the ACK."""
    raw = RawClient(healthy.clients[0])
    try:
        restart_with(healthy, monkeypatch, lambda node: {"LD_PRELOAD": lossy, "PXE_NOSYNC": 1})
        assert synced_before_ack(healthy, tmp_path, raw, next(healthy.macs)) == 0
    finally:
        raw.close()
        restart_with(healthy, monkeypatch, lambda node: {})


# ---- power fails

def take_back(state_file, undo_file, chance):
    """Undo a random part of what no sync has covered; returns (pages that were at risk, pages taken back).

    Writes are undone from the last to the first, page by page, so each page is left as some moment had it.
    """
    data = undo_file.read_bytes() if undo_file.exists() else b""
    records, at = [], 0
    while at + 24 <= len(data):
        offset, size, old_size = struct.unpack_from("<QQQ", data, at)
        records.append((offset, size, data[at + 24:at + 24 + old_size].ljust(size, b"\0")))
        at += 24 + old_size
    kept, gone = set(), set()
    with open(state_file, "r+b") as file:
        for offset, size, old in reversed(records):
            for start in range(0, size, PAGE):
                page = (offset + start) // PAGE
                if page in kept or random.random() >= chance:
                    kept.add(page)
                    continue
                file.seek(offset + start)
                file.write(old[start:start + PAGE])
                gone.add(page)
    undo_file.unlink(missing_ok=True)
    return len(kept | gone), len(gone)


def state_file(node):
    return node.dir / "data" / "state.mdb" / "data.mdb"


def undo_file(node):
    return node.dir / "undo"


def cut_power(nodes, chance):
    """All of these at once, as near as it goes: none is waited for before the last is hit. Pages at risk, pages lost."""
    for node in nodes:
        node.process.kill()
    for node in nodes:
        node.kill()
    counts = [take_back(state_file(node), undo_file(node), chance) for node in nodes]
    return sum(risk for risk, _ in counts), sum(lost for _, lost in counts)


@pytest.mark.parametrize("rounds", [int(os.environ.get("PXE_DURABLE_ROUNDS", "5"))])
def test_power_fails_everywhere_at_once_and_no_promise_is_lost(healthy, lossy, monkeypatch, rounds):
    """Under load, all nodes lose power in the same moment, with whatever of their writes was not synced yet."""
    acked, lost = set(), 0

    def lossy_environment(node):
        return {"LD_PRELOAD": lossy, "PXE_UNDO": undo_file(node)}
    restart_with(healthy, monkeypatch, lossy_environment)
    try:
        for number in range(rounds):
            with Load(healthy) as load:
                time.sleep(1.0 + random.random())
                lost += cut_power(healthy.nodes, random.choice([0.2, 0.5, 1.0]))[1]
            assert load.acked, "nobody was served before the power failed"
            acked |= load.acked
            restart_with(healthy, monkeypatch, lossy_environment)
            check_promises(healthy, acked)
        healthy.wait_equal()
        print(f"{rounds} power cuts, {len(acked)} promises, {lost} pages lost")
    finally:
        restart_with(healthy, monkeypatch, lambda node: {})
    assert rounds < 5 or lost > 0, "no cut hit a write: the test shows nothing"


def test_killed_all_at_once_under_load(healthy):
    """kill -9 of all three, again and again; every promise is there each time."""
    rounds = int(os.environ.get("PXE_DURABLE_ROUNDS", "5"))
    acked = set()
    for _ in range(rounds):
        with Load(healthy) as load:
            time.sleep(1.0 + random.random())
            for node in healthy.nodes:
                node.process.kill()
            for node in healthy.nodes:
                node.kill()
        assert load.acked
        acked |= load.acked
        for node in healthy.nodes:
            node.start(wait=False)
        for node in healthy.nodes:
            wait_for(f"{node.name} to answer", node.answers, 60)
        healthy.leader()
        check_promises(healthy, acked)
    healthy.wait_equal()
    print(f"{rounds} times, {len(acked)} promises")


def test_power_fails_at_one_node_after_the_other(healthy, lossy, monkeypatch):
    """One node at a time loses what it had not synced, while the others serve on."""
    restart_with(healthy, monkeypatch, lambda node: {"LD_PRELOAD": lossy, "PXE_UNDO": undo_file(node)})
    with Load(healthy) as load:
        for node in [healthy.leader(), *healthy.nodes]:
            time.sleep(0.5)
            cut_power([node], 0.5)
            time.sleep(0.5)
            with monkeypatch.context() as patch:
                patch.setenv("LD_PRELOAD", str(lossy))
                patch.setenv("PXE_UNDO", str(undo_file(node)))
                node.start(wait=False)
            wait_for(f"{node.name} to answer", node.answers, 60)
            asked = next(other for other in healthy.nodes if other is not node)
            wait_for(f"{node.name} to catch up", lambda n=node, a=asked: caught_up(a, n), 60, every=0.3)
    assert load.acked
    check_promises(healthy, load.acked)
    healthy.wait_equal()
    restart_with(healthy, monkeypatch, lambda node: {})


# ---- the disk fails

def expect_end(node, *words):
    """The node has ended by itself, not by a signal, and one line of its log says why."""
    wait_for(f"{node.name} to end", lambda: node.process.poll() is not None, 30)
    assert node.process.returncode == 1, f"exit {node.process.returncode}:\n{node.tail(30)}"
    node.process = None
    lines = [line for line in node.tail(400).splitlines() if " error: " in line]
    assert lines, node.tail(30)
    for word in words:
        assert re.search(word, lines[-1], re.I), f"no {word!r} in {lines[-1]!r}"
    assert "Assertion" not in node.tail(5) or "damaged" in lines[-1]
    return lines[-1]


class Fault:
    """One system call of a running node fails from now on, as strace injects it."""

    def __init__(self, node, call, error):
        self.process = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:error={error}",
             "-p", str(node.process.pid)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.terminate()
        self.process.wait(timeout=10)


@pytest.mark.parametrize("call,error,words", [("fdatasync", "EIO", "disk may be failing"),
                                              ("pwrite64", "EIO", "disk may be failing"),
                                              ("pwrite64", "ENOSPC", "no space left"),
                                              ("writev,pwrite64", "EROFS", "read-only")])
@pytest.mark.parametrize("role", ["leader", "follower"])
def test_a_disk_that_fails_ends_its_node_only(healthy, role, call, error, words):
    victim = victim_of(healthy, role)
    with Load(healthy) as load:
        time.sleep(0.5)
        with Fault(victim, call, error):
            expect_end(victim, words, "data.mdb")
        before = len(load.acked)
        wait_for("the others to go on", lambda: len(load.acked) > before + 20, 30)
        victim.start(wait=False)
        wait_for(f"{victim.name} to answer", victim.answers, 60)
    healthy.wait_equal()
    check_promises(healthy, load.acked)


class SmallDisk:
    """A file system of a few MiB that holds the data of a (stopped) node."""

    def __init__(self, node, size="96M"):
        self.node = node
        self.data = node.dir / "data"
        self.kept = node.dir / "data.kept"
        self.image = node.dir / "disk.img"
        self.size = size

    def __enter__(self):
        run("truncate", "-s", self.size, self.image)
        run("mkfs.ext4", "-q", "-m", "0", self.image)
        self.data.rename(self.kept)
        self.data.mkdir()
        self.mount()
        run("cp", "-a", f"{self.kept}/.", self.data)
        run("sync", "-f", self.data)
        return self

    def mount(self):
        run("mount", "-o", "loop,errors=remount-ro", self.image, self.data)

    def repair(self):
        """Of the unmounted file system. A copy: a mount that another namespace still holds would be found again."""
        again = self.image.with_suffix(".again")
        run("cp", self.image, again)
        again.rename(self.image)
        run("fsck.ext4", "-fy", self.image, check=False)
        self.mount()

    def __exit__(self, *exception):
        if self.node.alive():
            self.node.kill()
        self.node.process = None
        self.empty()
        run("cp", "-a", f"{self.data}/state.mdb", f"{self.kept}/state.new")
        run("umount", self.data)
        self.data.rmdir()
        self.kept.rename(self.data)
        run("rm", "-rf", self.data / "state.mdb")
        (self.data / "state.new").rename(self.data / "state.mdb")
        self.image.unlink()

    def fill(self, leave_mib):
        """Others take all of the disk but so much."""
        free = os.statvfs(self.data)
        take = free.f_bavail * free.f_frsize - (leave_mib << 20)
        run("fallocate", "-l", take, self.data / f"ballast{len(self.ballast())}")

    def ballast(self):
        return list(self.data.glob("ballast*"))

    def empty(self):
        for path in self.ballast():
            path.unlink()


def test_a_full_disk_at_start_is_said(healthy):
    victim = victim_of(healthy, "follower")
    victim.kill()
    with SmallDisk(victim) as disk:
        disk.fill(1)
        victim.start(wait=False)
        expect_end(victim, "room for only", "free some space")
        disk.empty()
        victim.start()
        healthy.wait_equal()


def test_a_disk_that_becomes_read_only_ends_its_node_only(healthy):
    victim = victim_of(healthy, "leader")
    victim.kill()
    with SmallDisk(victim) as disk:
        victim.start()
        healthy.wait_equal()
        run("sh", "-c", f"echo 1 > /sys/fs/ext4/$(basename $(findmnt -no SOURCE {disk.data}))/trigger_fs_error")
        with Load(healthy) as load:
            expect_end(victim, "read-only")
        victim.start(wait=False)
        expect_end(victim, "cannot write", "read-only")
        run("umount", disk.data)
        disk.repair()
        victim.start()
        healthy.wait_equal()
        check_promises(healthy, load.acked)


def make_leader(lab, node):
    """The leader stops in order while the third node sleeps, so it hands over to this one."""
    for _ in range(10):
        leader = lab.leader()
        if leader is node:
            return
        third = next(other for other in lab.nodes if other not in (leader, node))
        third.kill(signal.SIGSTOP)
        time.sleep(1)  # until the leader does not take it for alive
        os.kill(leader.process.pid, signal.SIGTERM)
        time.sleep(0.1)
        third.kill(signal.SIGCONT)
        leader.process.wait(timeout=30)
        leader.process = None
        leader.start()
        lab.wait_equal()
    raise LabError(f"{node.name} never came to lead")


def warnings(node):
    return " ".join(node.json("status", check=False).get("warnings", []))


def test_a_leader_whose_disk_is_nearly_full_hands_over_and_all_goes_on(healthy):
    victim = victim_of(healthy, "leader")
    victim.kill()
    with SmallDisk(victim) as disk:
        disk.fill(24)  # too little for a reserve ahead of the data
        victim.start()
        healthy.wait_equal()
        make_leader(healthy, victim)
        disk.fill(5)
        wait_for("another leader", lambda: healthy.leader() is not victim, 30)
        other = healthy.leader()
        wait_for("the warning", lambda: f"disk of node {victim.name} is nearly full" in warnings(other), 10)
        with Load(healthy) as load:
            time.sleep(1.0)
        assert load.acked
        disk.empty()
        wait_for("room again", lambda: "nearly full" not in warnings(other), 20)
        healthy.wait_equal()
        check_promises(healthy, load.acked)


def test_without_room_on_a_majority_what_adds_is_refused_and_what_renews_or_removes_is_not(healthy):
    lab = healthy
    small, other = lab.nodes[0], lab.nodes[1]
    raw = RawClient(lab.clients[0])
    lab.nodes[2].pxectl("host", "add", "before", "--mac", "52:54:02:00:00:01")
    for node in (small, other):
        node.kill()
    try:
        with SmallDisk(small) as one, SmallDisk(other) as two:
            for node, disk in ((small, one), (other, two)):
                disk.fill(24)
                node.start(wait=False)
            for node in (small, other):
                wait_for(f"{node.name} to answer", node.answers, 60)
            mac = next(lab.macs)
            ack = raw.lease(mac=mac)
            for disk in (one, two):
                disk.fill(5)
            asked = lab.nodes[2]
            wait_for("the warning", lambda: "disks of a majority are nearly full" in warnings(asked), 20)
            for node in lab.nodes:
                done = node.pxectl("host", "add", "more", "--mac", "52:54:02:00:00:02", check=False)
                assert done.returncode != 0 and "no space" in done.stderr, done
            assert raw.discover(tries=3, mac=next(lab.macs)) is None, "a new machine was taken"
            again = raw.request(mac=mac, ciaddr=ack["ip"])
            assert again and again["type"] == "ack" and again["ip"] == ack["ip"], again
            assert any("no space" in node.log.read_text() for node in lab.nodes)
            asked.pxectl("host", "delete", "before", "--yes")
            for disk in (one, two):
                disk.empty()
            wait_for("room", lambda: "nearly full" not in warnings(asked), 20)
            asked.pxectl("host", "add", "more", "--mac", "52:54:02:00:00:02")
            asked.pxectl("host", "delete", "more", "--yes")
            assert raw.lease(mac=next(lab.macs))["type"] == "ack"
            lab.wait_equal()
    finally:
        raw.close()


# ---- the data directory is not as it was left

def test_a_data_directory_behind_a_symbolic_link(healthy):
    node = victim_of(healthy, "follower")
    node.kill()
    data, elsewhere = node.dir / "data", node.dir / "elsewhere"
    data.rename(elsewhere)
    data.symlink_to(elsewhere)
    try:
        node.start()
        healthy.wait_equal()
        node.kill()
    finally:
        data.unlink()
        elsewhere.rename(data)


def test_a_data_directory_that_cannot_be_written(healthy):
    """Root may write anywhere; a read-only mount stops it, too."""
    node = victim_of(healthy, "follower")
    node.kill()
    data = node.dir / "data"
    run("mount", "--bind", data, data)
    run("mount", "-o", "remount,bind,ro", data)
    try:
        node.start(wait=False)
        expect_end(node, "read-only|permission", str(data))
    finally:
        run("umount", data)


def flip(path, count, seed):
    """Change so many bytes in the middle of the file."""
    chance = random.Random(seed)
    size = path.stat().st_size
    with open(path, "r+b") as file:
        for _ in range(count):
            at = chance.randrange(size // 8, size)
            file.seek(at)
            old = file.read(1)
            file.seek(at)
            file.write(bytes([old[0] ^ (1 << chance.randrange(8))]))


@pytest.mark.parametrize("count", [2000, 50])
def test_a_damaged_state_is_never_served(healthy, count):
    """Flipped bits: the node says so and ends, or the bits lay where nothing is; then its state equals the others'."""
    lab = healthy
    node = victim_of(lab, "follower")
    raw = RawClient(lab.clients[0])
    ended = 0
    try:
        for seed in range(6):
            node.kill()
            kept = node.dir / "kept.mdb"
            run("cp", "-a", state_file(node), kept)
            flip(state_file(node), count, seed)
            node.start(wait=False)
            wait_for("an end or an answer", lambda: node.process.poll() is not None or node.answers(), 30)
            if node.process.poll() is None:
                raw.lease(mac=next(lab.macs))  # reads and writes go through it
            if node.process.poll() is None:
                with_others(lab, node)
                node.kill()
            else:
                expect_end(node, "damaged|do not fit|holds no state|corrupt")
                ended += 1
            run("cp", "-a", kept, state_file(node))
            node.start()
            lab.wait_equal()
    finally:
        raw.close()
    assert ended > 0, "no flipped bit was noticed"


def with_others(lab, node):
    """The damage was noticed while running, or the state is the same as the others'."""
    def same():
        if node.process.poll() is not None:
            return True
        try:
            lab.wait_equal(timeout=5)
            return True
        except LabError:
            return "differs" in warnings(node) or "diverged" in node.tail(50)
    wait_for("the damage to show or the state to be equal", same, 30)


# ---- nodes that were away

def test_a_node_that_missed_more_than_the_log_keeps_gets_the_state(healthy):
    """While one is down, so many entries are written that the log is cut behind it; it comes back while the load goes on."""
    lab = healthy
    node = victim_of(lab, "follower")
    node.kill()
    asked = lab.living()[0]

    def applied():
        return int(asked.json("status", check=False)["applied"])
    # the log keeps at most 12 288 entries
    target = applied() + int(os.environ.get("PXE_DURABLE_ENTRIES", "13000"))
    with Load(lab) as load:
        wait_for("the log to be cut", lambda: applied() > target, 300, every=0.5)
        node.start(wait=False)
        wait_for(f"{node.name} to answer", node.answers, 60)
        wait_for(f"{node.name} to catch up", lambda: caught_up(asked, node), 60, every=0.3)
    lab.wait_equal()
    check_promises(lab, load.acked)


def caught_up(asked, node):
    row = next(row for row in asked.json("status", check=False)["nodes"] if row["name"] == node.name)
    return row["state"] == "ok" and int(row.get("behind", 0)) < 50


def test_two_of_three_start_and_the_third_follows_later(healthy):
    lab = healthy
    with Load(lab) as load:
        time.sleep(1)
        for node in lab.nodes:
            node.process.kill()
        for node in lab.nodes:
            node.kill()
        for node in lab.nodes[1:]:
            node.start(wait=False)
        for node in lab.nodes[1:]:
            wait_for(f"{node.name} to answer", node.answers, 60)
        before = len(load.acked)
        wait_for("two to serve", lambda: len(load.acked) > before + 20, 60)
    check_promises(lab, load.acked)
    lab.nodes[0].start()
    lab.wait_equal()
    check_promises(lab, load.acked)
