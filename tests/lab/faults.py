"""Faults of a lab: which of them come when (a plan, pure, from a seed), and the hands that make and undo them.

A plan is a list of Fault; times are seconds from its start. Roles ("leader", "follower") are told to nodes when the fault comes.
"""

import contextlib
import os
import random
import signal
import subprocess
import threading
from dataclasses import dataclass, field

from lab import LabError, run

KINDS = {"kill": 5, "kill-two": 1, "kill-all": 1, "restart": 2, "restart-all": 1, "stop": 4, "stop-two": 1,
         "cut-cluster": 5, "cut-clients": 2, "cut-both": 4, "cut-one-way": 3, "apart": 2,
         "loss-cluster": 2, "loss-clients": 2, "loss-all": 1, "repeat": 2, "disk-full": 2, "move": 3}
SHORTEST_S, LONGEST_S = 3, 25
LASTING = ("cut-cluster", "cut-both", "apart")   # some of these outlive every promise that was made before
LASTING_S = (35, 70)
AT_ONCE = 3


@dataclass(frozen=True)
class Fault:
    """One act, and when it is undone."""
    start: float
    end: float
    kind: str
    role: str = "any"     # of the node that it hits: leader, follower, any
    salt: int = 0         # for choices that need to know the nodes
    percent: int = 0

    def __str__(self):
        of = f" {self.role}" if self.kind in ("kill", "stop", "restart", "cut-cluster", "cut-both", "cut-one-way", "disk-full") else ""
        return f"{self.start:6.1f} to {self.end:6.1f} s  {self.kind}{of}" + (f" {self.percent} %" if self.percent else "")


def make_plan(seed, seconds, disks=True):
    """Faults that overlap, at most AT_ONCE at a time (in some plans fewer), the last one undone at `seconds` at the latest."""
    chance = random.Random(seed)
    kinds = {kind: weight for kind, weight in KINDS.items() if disks or kind != "disk-full"}
    plan, at, at_once = [], chance.uniform(1, 3), chance.randint(1, AT_ONCE)
    while at < seconds - SHORTEST_S:
        while sum(fault.end > at for fault in plan) >= at_once:
            at = min(fault.end for fault in plan if fault.end > at) + 0.01
        if at >= seconds - SHORTEST_S:
            break
        kind = chance.choices(list(kinds), kinds.values())[0]
        longest = LONGEST_S if kind.startswith(("cut", "apart", "kill", "disk")) else LONGEST_S / 2
        span = (SHORTEST_S, SHORTEST_S if kind == "move" else longest)
        end = min(seconds, at + chance.uniform(*(LASTING_S if kind in LASTING and chance.random() < 0.4 else span)))
        percent = chance.choice([5, 20, 50]) if kind.startswith(("loss", "repeat")) else 0
        plan.append(Fault(round(at, 1), round(end, 1), kind, chance.choice(["leader", "follower", "any"]), chance.getrandbits(32), percent))
        at += chance.uniform(1, 9)
    return plan


@dataclass
class Segment:
    """What of the segment passes what: cuts and losses of several faults at a time, as one set of rules on the bridge."""
    lab: object
    nodes: list     # ports of nodes
    hosts: list     # ports of clients
    cuts: dict = field(default_factory=dict)     # fault -> {(from, to)}
    losses: dict = field(default_factory=dict)   # fault -> (where, percent)

    def cut(self, fault, pairs):
        self.cuts[fault] = set(pairs)
        self.apply()

    def lose(self, fault, where):
        self.losses[fault] = (where, fault.percent)
        self.apply()

    def mend(self, fault):
        self.cuts.pop(fault, None)
        self.losses.pop(fault, None)
        self.apply()

    def heal(self):
        self.cuts.clear()
        self.losses.clear()
        self.apply()

    def passes(self, source, target):
        """Does every frame from one port reach the other?"""
        return self.hears(source, target) and not any(self.in_place(source, target, where) for where, _ in self.losses.values())

    def hears(self, source, target):
        """Does any frame?"""
        return not any((source, target) in pairs for pairs in self.cuts.values())

    def in_place(self, source, target, where):
        between_nodes = source in self.nodes and target in self.nodes
        return where == "all" or (where == "cluster") == between_nodes

    def both(self, left, right):
        return {(a, b) for a in left for b in right} | {(b, a) for a in left for b in right}

    def rules(self):
        yield from (f"iifname {a} oifname {b} drop" for a, b in sorted(set().union(*self.cuts.values())))
        nodes, hosts = ("{ " + ", ".join(ports) + " }" for ports in (self.nodes, self.hosts))
        for where, percent in self.losses.values():
            lost = f"numgen random mod 100 < {percent} drop"
            if where in ("cluster", "all"):
                yield f"iifname {nodes} oifname {nodes} {lost}"
            if where in ("clients", "all"):
                yield f"iifname {nodes} oifname {hosts} {lost}"
                yield f"iifname {hosts} oifname {nodes} {lost}"

    def apply(self):
        chain = "; ".join(["type filter hook forward priority 0", *self.rules()])
        script = f"table bridge pxlab {{ }}; delete table bridge pxlab; table bridge pxlab {{ chain f {{ {chain}; }}; }}"
        self.lab.sw("nft", script)


class Disk:
    """A small file system of its own for a node's data, so that it can fill up."""

    SIZE = "160M"

    def __init__(self, node):
        self.node = node
        self.data = node.dir / "data"
        self.image = node.dir / "disk.img"

    def open(self):
        run("truncate", "-s", self.SIZE, self.image)
        run("mkfs.ext4", "-q", "-m", "0", self.image)
        run("mount", "-o", "loop", self.image, self.data)
        (self.data / "lost+found").rmdir()

    def fill(self):
        """All of it but a few blocks."""
        room = os.statvfs(self.data)
        run("fallocate", "-l", max(4096, room.f_bavail * room.f_frsize - 65536), self.data / "ballast", check=False)
        with contextlib.suppress(OSError), open(self.data / "ballast2", "wb", buffering=0) as last:
            while True:
                last.write(bytes(4096))

    def empty(self):
        for name in ("ballast", "ballast2"):
            (self.data / name).unlink(missing_ok=True)

    def full(self):
        return (self.data / "ballast").exists()

    def close(self):
        subprocess.run(["umount", "-l", str(self.data)], check=False, capture_output=True)


class Hands:
    """Makes faults and undoes them. `tell` takes a line for each act; `leader` names who leads now, or is None; `hosts` are the
    reservations that may move: name -> (hardware addresses, addresses)."""

    def __init__(self, lab, segment, disks, crowd, tell, leader, hosts):
        self.lab, self.segment, self.disks, self.crowd, self.tell, self.leader = lab, segment, disks, crowd, tell, leader
        self.hosts = hosts
        self.asked = []      # threads that wait for pxectl
        self.down = {}       # node -> the faults that keep it down
        self.stopped = {}    # node -> the faults that keep it stopped
        self.hit = {}        # fault -> nodes

    # ---- whom

    def choose(self, fault):
        """The nodes that a fault hits."""
        chance = random.Random(fault.salt)
        nodes, leader = list(self.lab.nodes), self.leader()
        if fault.kind.endswith("-all"):
            return nodes
        if fault.kind.endswith("-two"):
            return chance.sample(nodes, min(2, len(nodes)))
        if fault.role == "leader" and leader is not None:
            return [leader]
        if fault.role == "follower" and leader is not None and len(nodes) > 1:
            nodes.remove(leader)
        return [chance.choice(nodes)]

    # ---- acts

    def make(self, fault):
        nodes = self.choose(fault)
        self.hit[fault] = nodes
        getattr(self, "make_" + fault.kind.split("-")[0])(fault, nodes)

    def undo(self, fault):
        nodes = self.hit.pop(fault, [])
        if fault.kind != "move":
            self.tell(f"undo {fault.kind} {names(nodes) if nodes else ''}".rstrip())
        for node in nodes:
            self.wake(fault, node)
        self.segment.mend(fault)
        if fault.kind == "repeat":
            self.crowd.say("repeat 0")
        if fault.kind == "disk-full":
            for node in nodes:
                self.disks[node].empty()
        for node in nodes:
            self.raise_up(fault, node)

    def undo_all(self):
        """Everything that is still on, also what no fault knows of."""
        for fault in list(self.hit):
            self.undo(fault)
        self.segment.heal()
        for disk in self.disks.values():
            disk.empty()
        for node in self.lab.nodes:
            node.kill(signal.SIGCONT)
            if not node.alive():
                node.start(wait=False)
        for thread in self.asked:
            thread.join()

    def make_kill(self, fault, nodes):
        self.tell(f"kill -9 {names(nodes)}")
        self.bring_down(fault, nodes, signal.SIGKILL)

    def make_restart(self, fault, nodes):
        self.tell(f"stop in order {names(nodes)}")
        self.bring_down(fault, nodes, signal.SIGTERM)

    def bring_down(self, fault, nodes, sig):
        asleep = {node for node in nodes if self.stopped.get(node)}
        for node in nodes:
            if sig == signal.SIGTERM and node.alive():
                os.kill(node.process.pid, sig)
        for node in nodes:
            self.down.setdefault(node, set()).add(fault)
            self.stopped.pop(node, None)
            if sig == signal.SIGTERM and node.alive() and node not in asleep:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    node.process.wait(timeout=10)
            if node.alive():
                node.kill(signal.SIGKILL)
            node.process = None

    def raise_up(self, fault, node):
        """Start it, unless another fault keeps it down."""
        self.down.get(node, set()).discard(fault)
        if not self.down.get(node) and not node.alive() and not (node in self.disks and self.disks[node].full()):
            self.tell(f"start {node.name}")
            node.start(wait=False)

    def make_stop(self, fault, nodes):
        self.tell(f"SIGSTOP {names(nodes)}")
        for node in nodes:
            if node.alive():
                self.stopped.setdefault(node, set()).add(fault)
                node.kill(signal.SIGSTOP)

    def wake(self, fault, node):
        self.stopped.get(node, set()).discard(fault)
        if not self.stopped.get(node) and node.alive():
            node.kill(signal.SIGCONT)

    def make_cut(self, fault, nodes):
        """The hit node on one side: from the other nodes, from some of the clients' ports, or both."""
        chance = random.Random(fault.salt + 1)
        alone, rest = [node.port for node in nodes], [node.port for node in self.lab.nodes if node not in nodes]
        near = chance.sample(self.segment.hosts, max(1, len(self.segment.hosts) // len(self.lab.nodes)))
        far = [port for port in self.segment.hosts if port not in near]
        both, what = self.segment.both, fault.kind.removeprefix("cut-")
        if what == "cluster":
            pairs, text = both(alone, rest), f"cut {names(nodes)} off from the other nodes"
        elif what == "clients":
            pairs, text = both(alone, far), f"cut {names(nodes)} off from clients at {' '.join(far)}"
        elif what == "both":
            pairs = both(alone, rest) | both(alone, far) | both(rest, near)
            text = f"cut {names(nodes)} and clients at {' '.join(near)} off from all others"
        else:
            way = chance.choice(["deaf", "mute"])
            others = rest + (far if chance.random() < 0.3 else [])
            pairs = {(b, a) if way == "deaf" else (a, b) for a in alone for b in others}
            text = f"{names(nodes)} is {way} towards {' '.join(others)}"
        self.tell(text)
        self.segment.cut(fault, pairs)

    def make_apart(self, fault, _):
        """Every node alone; the clients' ports are shared out among them, or all hear all."""
        chance = random.Random(fault.salt + 1)
        ports = [node.port for node in self.lab.nodes]
        pairs = {(a, b) for a in ports for b in ports if a != b}
        text = "cut all nodes off from each other"
        if chance.random() < 0.5:
            for host in self.segment.hosts:
                own = chance.choice(ports)
                pairs |= self.segment.both([host], [port for port in ports if port != own])
            text += ", each client hears one"
        self.tell(text)
        self.hit[fault] = []
        self.segment.cut(fault, pairs)

    def make_loss(self, fault, _):
        self.tell(f"lose {fault.percent} % of the frames: {fault.kind.removeprefix('loss-')}")
        self.hit[fault] = []
        self.segment.lose(fault, fault.kind.removeprefix("loss-"))

    def make_repeat(self, fault, _):
        self.tell(f"clients' messages come twice, some late: {fault.percent} %")
        self.hit[fault] = []
        self.crowd.say(f"repeat {fault.percent}")

    def make_disk(self, _, nodes):
        self.tell(f"fill the disk of {names(nodes)}")
        for node in nodes:
            if node not in self.disks:
                raise LabError(f"{node.name} has no small disk")
            self.disks[node].fill()

    def make_move(self, fault, nodes):
        """An operator fixes an address to another machine, or a machine to another address [R5]. It may be refused."""
        chance = random.Random(fault.salt + 1)
        name, (macs, ips) = chance.choice(list(self.hosts.items()))
        words = ["--ip", chance.choice(ips), "--mac", chance.choice(macs)]  # two would be one machine [P6]
        self.hit[fault] = []
        thread = threading.Thread(target=self.ask, args=(nodes[0], "host", "set", name, *words), daemon=True)
        thread.start()
        self.asked.append(thread)

    def ask(self, node, *words):
        try:
            done = node.pxectl(*words, check=False, timeout=20)
            said = (done.stdout + done.stderr).strip().split("\n")[0]
        except LabError:
            said = "no answer"
        self.tell(f"pxectl on {node.name}: {' '.join(words)}: {said}")

    # ---- what is so now

    def runs(self, node):
        return node.alive() and not self.stopped.get(node)

    def cut_off(self, node):
        """Is it certain that this node has no quorum: does it hear, or is it heard by, too few?"""
        near = [other for other in self.lab.nodes if other is node or (
            self.runs(other) and self.segment.hears(node.port, other.port) and self.segment.hears(other.port, node.port))]
        return len(near) * 2 <= len(self.lab.nodes)

    def only_cut_off(self, host):
        """The nodes that clients at this port hear and are heard by without loss, if all that they hear run and are cut off; else
        none."""
        heard = [node for node in self.lab.nodes if self.runs(node) and (
            self.segment.hears(host, node.port) or self.segment.hears(node.port, host))]
        good = all(self.cut_off(node) and self.segment.passes(host, node.port) and self.segment.passes(node.port, host) and
                   not (node in self.disks and self.disks[node].full()) for node in heard)
        return frozenset(node.name for node in heard) if good else frozenset()


def names(nodes):
    return " ".join(node.name for node in nodes) or "none"
