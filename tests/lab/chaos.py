"""Chaos: a cluster under faults and clients by chance, and a check of every promise over the packets that were captured.

Rounds: faults for a minute or more, then everything is healed, and the cluster must find together: everyone who waits is served, the
states are equal, no journal holds anything, every lease that runs is known to each node. The rules that hold at every instant are
checked over the whole capture. The first broken one ends the run, and what there was to see is kept.

Everything by chance comes from the seed; what the kernel and the daemons do with it is theirs, so a seed repeats the plan only.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "deploy" / "lab"), str(Path(__file__).resolve().parent)]

import history  # noqa: E402
from capture import Reader  # noqa: E402
from clients import mac_of  # noqa: E402
from conftest import FAULTS  # noqa: E402
from faults import Disk, Hands, Segment, make_plan  # noqa: E402

from lab import Lab, LabError, remove, run, wait_for  # noqa: E402

HERE = Path(__file__).resolve().parent
PORTS = {"ca": "e1", "cb": "e2", "cc": "e3"}   # port of the bridge -> the crowd's interface
LEASE_S = 30
MCLT_S = 12
DECLINE_S = 20
SETTINGS = [f"mclt={MCLT_S}s", f"lease={LEASE_S}s", "offer=10s", f"decline={DECLINE_S}s"]
POOL_FIRST, ADDRESSES_MAX = 100, 150
STAY = 4   # clients that reservations move between: name -> (their hardware addresses, addresses: two outside the pool, one in it)
HOSTS = {"m1": ([mac_of(0).hex(":"), mac_of(1).hex(":")], ["10.77.0.60", "10.77.0.61"]),
         "m2": ([mac_of(2).hex(":"), mac_of(3).hex(":")], ["10.77.0.62", f"10.77.0.{POOL_FIRST + 5}"])}
MOVED = {text for macs, ips in HOSTS.values() for text in [*macs, *ips]}
ROUND_S, VERIFY_S = 90, 40
SERVED_WITHIN_S = 30      # everyone, once all is healed
ALONE_WITHIN_S = 15       # a client that only hears a node without the quorum


class Broken(Exception):
    """Promises that were broken, a text each."""

    def __init__(self, wrong):
        super().__init__("\n".join(wrong))


class Crowd:
    """The process with the many clients."""

    def __init__(self, lab, count, seed):
        self.ns = f"{lab.name}-cl"
        self.log = open(lab.dir / "clients.log", "ab")
        run("ip", "netns", "add", self.ns)
        for port, name in PORTS.items():
            run("ip", "link", "add", name, "netns", self.ns, "type", "veth", "peer", "name", port, "netns", lab.switch)
            lab.sw("ip", "link", "set", port, "master", "br0", "up")
            run("ip", "netns", "exec", self.ns, "sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1")
            run("ip", "-n", self.ns, "link", "set", name, "up")
        what = {"ports": list(PORTS.values()), "clients": count, "seed": seed, "stay": STAY}
        self.process = subprocess.Popen(["ip", "netns", "exec", self.ns, "/usr/bin/python3", str(HERE / "clients.py"), json.dumps(what)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, start_new_session=True)

    def say(self, command):
        """One command, and the counts that answer it."""
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())
        except (OSError, ValueError) as error:
            raise LabError(f"the crowd of clients ended: {error}") from error

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


class Capture:
    """The process that records, and what it recorded."""

    def __init__(self, lab, hosts):
        self.path, self.names = lab.dir / "dhcp.pcap", lab.dir / "ports.json"
        self.log = open(lab.dir / "capture.log", "ab")
        words = ["ip", "netns", "exec", lab.switch, "/usr/bin/python3", str(HERE / "capture.py"), self.path, self.names]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        start_new_session=True)
        if self.process.stdout.readline() != "ready\n":
            raise LabError(f"the capture did not start: {(lab.dir / 'capture.log').read_text()}")
        self.reader = Reader(self.path, self.names, [node.port for node in lab.nodes], hosts)

    def stop(self):
        """How many packets it saw and how many it missed."""
        said = json.loads(self.process.communicate(timeout=30)[0])
        self.log.close()
        return said

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Watcher:
    """Asks every node for its status again and again, each in a thread of its own, since a node may be hung."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.samples = []     # (time, node name, status)
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(node,), daemon=True) for node in nodes]
        for thread in self.threads:
            thread.start()

    def work(self, node):
        while not self.stopping.wait(1.5):
            if not node.alive():
                continue
            with contextlib.suppress(LabError, ValueError, OSError):
                done = node.pxectl("-o", "json", "--node", node.name, "status", check=False, timeout=5)
                self.samples.append((time.time(), node.name, json.loads(done.stdout)))

    def leader(self):
        """The node that most nodes lately called the leader, or None."""
        said = {}
        for at, name, status in self.samples[-40:]:
            if at > time.time() - 4 and status.get("leader"):
                said[name] = status["leader"]
        ballots = list(said.values())
        best = max(ballots, key=ballots.count, default=None)
        return next((node for node in self.nodes if node.name == best and node.alive()), None)

    def free_until(self, names, since, until):
        """Until when each of these nodes said that its reserve had free addresses; `since` when none said anything."""
        said = [(at, int(row.get("reserve_free", 0))) for at, name, status in list(self.samples) if name in names and since <= at <= until
                for row in status.get("nodes", []) if row["name"] == name]
        return min([at for at, free in said if free == 0], default=until if said else since)

    def reserves(self):
        """Do nodes have reserves?"""
        return any(int(row.get("reserve_held", 0)) for _, _, status in self.samples[-9:] for row in status.get("nodes", []))

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


@contextlib.contextmanager
def uninterrupted():
    """Signals that would end the program wait: what is half taken away would stay."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Chaos:
    """One run. open() makes the lab, round() is faults and the check, close() takes all away."""

    def __init__(self, seed, build, clients, tell=print):
        self.seed, self.clients = seed, clients
        self.name = f"pxz{os.getpid() % 10000}"
        self.lab = Lab(self.name, nodes=3, build=build)
        self.out, self.acts = tell, []
        self.began = time.time()
        self.closing = contextlib.ExitStack()
        self.real, self.spans = [], []   # (time, port -> nodes without the quorum that are all it hears, ports of such nodes)
        self.longest_wait = 0.0
        self.lonely = 0   # spans in which clients heard only nodes without the quorum, long enough to be judged

    def tell(self, text):
        line = f"{history.clock(time.time())} {time.time() - self.began:7.1f} s  {text}"
        self.acts.append(line)
        self.out(line)

    # ---- the lab

    def open(self):
        self.closing.callback(remove, self.name)
        self.lab.up()
        disks = {}
        for node in self.lab.nodes:
            disks[node] = Disk(node)
            disks[node].open()
            self.closing.callback(disks[node].close)
        self.lab.form()
        self.configure()
        hosts = [*PORTS, "d1", "d2", "d3"]
        segment = Segment(self.lab, [node.port for node in self.lab.nodes], hosts)
        self.crowd = Crowd(self.lab, self.clients, self.seed)
        self.closing.callback(self.crowd.close)
        machines = [self.lab.client(f"d{n}", f"52:54:20:00:00:0{n}") for n in (1, 2, 3)]
        self.capture = Capture(self.lab, hosts)
        self.closing.callback(self.capture.close)
        self.start_real(machines)
        self.watcher = Watcher(self.lab.nodes)
        self.closing.callback(self.watcher.stop)
        self.hands = Hands(self.lab, segment, disks, self.crowd, self.tell, self.watcher.leader, HOSTS)

    def configure(self):
        """Short times, and so few addresses that each goes from hand to hand."""
        first = self.lab.nodes[0]
        first.pxectl("cluster", "set", *SETTINGS)
        first.pxectl("subnet", "add", "lab", "10.77.0.0/24", "--gateway", "10.77.0.1", "--lease", f"{LEASE_S}s")
        last = POOL_FIRST + min(ADDRESSES_MAX, self.clients * 2) - 1
        first.pxectl("pool", "add", "lab", "--subnet", "lab", "--range", f"10.77.0.{POOL_FIRST}-10.77.0.{last}")
        for name, (macs, ips) in HOSTS.items():
            first.pxectl("host", "add", name, "--mac", macs[0], "--ip", ips[0])

    def start_real(self, machines):
        """Two udhcpc and a dhclient that keep their leases."""
        for machine in machines[:2]:
            self.real.append(machine.udhcpc_stay()[0])
        conf = machines[2].dir / "dhclient.conf"
        conf.write_text("timeout 10;\nretry 3;\nreboot 3;\ninitial-interval 1;\nbackoff-cutoff 4;\n")
        self.real.append(subprocess.Popen(
            machines[2].isolated("dhclient", "-d", "-q", "-cf", conf, "-lf", machines[2].dir / "leases", "-pf", machines[2].dir / "pid",
                                 "-sf", "/bin/true", "eth0"),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True))

    def close(self):
        with uninterrupted():
            self.closing.close()
            for process in self.real:
                process.wait()

    # ---- a round

    def round(self, number, seconds):
        plan = make_plan(self.seed * 1000 + number, seconds)
        self.out(f"round {number}, plan of seed {self.seed}:")
        for fault in plan:
            self.out(f"    {fault}")
        start = time.monotonic()
        begin = [(fault.start, 1, i, fault) for i, fault in enumerate(plan)]
        moments = sorted(begin + [(fault.end, 0, i, fault) for _, _, i, fault in begin])
        for at, begins, _, fault in moments:
            while time.monotonic() < start + at:
                time.sleep(min(0.3, max(0.0, start + at - time.monotonic())))
                self.bury()
            if begins:
                self.hands.make(fault)
            else:
                self.hands.undo(fault)
            self.note_span()
        self.tell("heal everything")
        self.hands.undo_all()
        self.note_span()
        self.verify(time.time())

    def note_span(self):
        alone = {node.port for node in self.lab.nodes if self.hands.runs(node) and self.hands.cut_off(node)}
        self.spans.append((time.time(), {port: self.hands.only_cut_off(port) for port in self.hands.segment.hosts}, alone))

    def bury(self):
        """A node may only end by itself when its disk is full."""
        for node in self.lab.nodes:
            if node.process is not None and node.process.poll() is not None:
                text = f"{node.name} ended with exit code {node.process.returncode}"
                disk = self.hands.disks[node]
                if not disk.full():
                    raise Broken([f"{text} by itself:\n{node.tail()}"])
                self.tell(f"{text}: its disk is full")
                node.process = None
                self.note_span()

    # ---- the check

    def verify(self, healed):
        for node in self.lab.nodes:
            wait_for(f"{node.name} to answer", node.answers, timeout=60)
        self.tell("all nodes answer")
        self.wait_served(healed)
        self.crowd.say("freeze")
        frozen = time.time()
        self.lab.wait_equal(timeout=60)
        wrong = self.wait_merged()
        read = self.capture.reader.read()
        held = history.holdings(read)
        for node in self.lab.nodes:
            listed = {(lease["ip"], lease["mac"]) for lease in node.json("--node", node.name, "lease", "list")["leases"]
                      if lease["state"] in ("LEASE_BOUND", "LEASE_GRACE", "bound", "grace")}
            wrong += history.forgotten(held, listed, frozen - 0.5, time.time() + 1, node.name)
        wrong += history.check(read, MOVED, self.alone(), MCLT_S, DECLINE_S + MCLT_S + LEASE_S) + self.starved(read) + self.bad_logs()
        self.crowd.say("thaw")
        if wrong:
            raise Broken(wrong)
        self.tell(f"all is well: {history.tally(read)}, longest wait after healing {self.longest_wait:.1f} s")

    def wait_served(self, healed):
        """Until nobody waits who waited at the healing, or came soon after it."""
        while True:
            time.sleep(1)
            self.bury()
            now = time.time()
            late = [wait for wait in history.waits(self.capture.reader.read()) if wait.end is None and wait.start < now - 4]
            if now > healed + 6 and not late:
                break
            if now > healed + SERVED_WITHIN_S + 3:
                break
        waits = history.waits(self.capture.reader.read())
        ends = [min(now, wait.end or now) - max(healed, wait.start) for wait in waits if (wait.end or now) > healed]
        self.longest_wait = max([self.longest_wait, *ends])
        wrong = history.unserved(waits, healed, now, SERVED_WITHIN_S, why=" although all was healed")
        if wrong:
            raise Broken(wrong)

    def wait_merged(self):
        """Until no node has leases that the cluster does not know; no merge found a conflict [R6]."""
        def rows():
            return {node.name: row for node in self.lab.nodes for row in node.json("--node", node.name, "status")["nodes"]
                    if row["name"] == node.name}
        wait_for("the journals to be merged", lambda: all(int(row.get("journal", 0)) == 0 for row in rows().values()), 30, every=0.5)
        conflicts = int(self.lab.nodes[0].json("status").get("merge_conflicts", 0))
        return [f"{conflicts} merges found an address to be another client's"] if conflicts else []

    def starved(self, read):
        """[P3] Clients that only heard nodes without the quorum were served from these nodes' reserves, as long as there were some."""
        if not self.watcher.reserves():
            return []
        waits, wrong, self.lonely = history.waits(read, ("discover",)), [], 0
        for port in self.hands.segment.hosts:
            since, nodes = None, frozenset()
            for at, heard, _ in [*self.spans, (time.time(), {}, set())]:
                now = heard.get(port, frozenset())
                if now == nodes:
                    continue
                end = self.watcher.free_until(nodes, since, at) if nodes else 0
                if nodes and end - since > ALONE_WITHIN_S:
                    self.lonely += 1
                    wrong += history.unserved(waits, since, end, ALONE_WITHIN_S, {port}, f", hearing only {', '.join(sorted(nodes))}, "
                                              "which had free addresses of its own")
                since, nodes = at, now
        return wrong

    def alone(self):
        """Port of a node -> spans in which it certainly had no quorum, the time in which it finds out left away."""
        spans, since = {}, {}
        for at, _, alone in [*self.spans, (time.time(), {}, set())]:
            for port in [port for port in since if port not in alone]:
                spans.setdefault(port, []).append((since.pop(port) + 2, at - 0.5))
            for port in alone:
                since.setdefault(port, at)
        return spans

    def bad_logs(self):
        return [f"{node.name}: {line}" for node in self.lab.nodes
                for line in node.log.read_text(errors="replace").splitlines() if FAULTS.search(line)]

    # ---- the end

    def finish(self):
        """All is well: everything ends in order, and the capture has missed nothing."""
        said = self.capture.stop()
        if said["dropped"]:
            raise LabError(f"the capture missed {said['dropped']} packets: nothing is proved; take fewer clients")
        for node in self.lab.living():
            code = node.kill(signal.SIGTERM)
            if code != 0:
                raise Broken([f"{node.name} ended with exit code {code} after SIGTERM:\n{node.tail()}"])
        self.summary()

    def summary(self):
        held = history.holdings(self.capture.reader.read())
        by_node = {port: sum(holding.port == port for holding in held) for port in sorted({holding.port for holding in held})}
        spans = self.alone()
        alone = sum(start < holding.acked < end for holding in held for start, end in spans.get(holding.port, []))
        nodes = ", ".join(f"{port} {count}" for port, count in by_node.items())
        self.out(f"{self.lonely} times clients at a port heard only nodes without the quorum, and were served")
        self.out(f"{len(held)} ACKs, {alone} of them by nodes without the quorum ({nodes}) for "
                 f"{len({holding.mac for holding in held})} clients and {len({holding.ip for holding in held})} addresses, "
                 f"{len(self.acts)} acts, {time.time() - self.began:.0f} s; longest wait after healing {self.longest_wait:.1f} s")

    def keep(self, why):
        """Everything that there is to see, in a directory of its own; its path."""
        kept = Path(tempfile.mkdtemp(prefix=f"pxecluster-chaos.{self.seed}.", dir="/var/tmp"))
        (kept / "why").write_text(f"seed {self.seed}\n{why}\n\n" + "\n".join(self.acts) + "\n")
        if self.lab.dir:
            for path in [*self.lab.dir.glob("*.pcap"), *self.lab.dir.glob("*.json"), *self.lab.dir.glob("*.log")]:
                shutil.copy(path, kept)
            for node in self.lab.nodes:
                if node.log.exists():
                    shutil.copy(node.log, kept / f"{node.name}.log")
        return kept


def run_chaos(minutes, seed, build, clients=70, tell=print):
    """A whole run. Raises Broken or LabError; the text names the seed, the acts, and where everything was kept."""
    chaos = Chaos(seed, build, clients, tell=tell)
    try:
        chaos.open()
        end = time.monotonic() + minutes * 60
        number = 0
        time.sleep(6)
        while number == 0 or time.monotonic() + VERIFY_S + 20 < end:
            number += 1
            chaos.round(number, max(20, min(ROUND_S, end - time.monotonic() - VERIFY_S)))
        chaos.finish()
    except (Broken, LabError, OSError, subprocess.SubprocessError) as error:
        kept = chaos.keep(error)
        text = f"{error}\nseed {seed}; packets, logs and acts are in {kept}"
        raise (Broken([text]) if isinstance(error, Broken) else LabError(text)) from error
    finally:
        chaos.close()


def main():
    parser = argparse.ArgumentParser(prog="tests/chaos", description="Faults and clients by chance against three real nodes; needs root.")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long (default 5); at least one round is made")
    parser.add_argument("--seed", type=int, default=None, help="repeat the plans of an earlier run")
    parser.add_argument("--clients", type=int, default=70, help="how many (default 70)")
    parser.add_argument("--build", default=str(ROOT / "build" / "dev"), help="directory with node/pxed and ctl/pxectl")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(1 << 31)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"seed {seed}", flush=True)
    try:
        run_chaos(options.minutes, seed, options.build, options.clients, tell=lambda line: print(line, flush=True))
    except (Broken, LabError) as error:
        print(f"chaos: {'BROKEN' if isinstance(error, Broken) else 'no result'}: {error}", file=sys.stderr)
        return 1 if isinstance(error, Broken) else 2
    except KeyboardInterrupt:
        print("chaos: interrupted; everything was taken away", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
