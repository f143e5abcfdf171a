"""A virtual segment on one machine: network namespaces on one bridge, pxed nodes, and real clients that boot from them.

Shared by deploy/demo and tests/lab. Everything lives in namespaces named after the lab; down() ends every process in them and removes
them, so nothing is left on the machine. Needs root and the packages of the [lab] section of deploy/packages.

    with Lab("demo", nodes=3) as lab:
        lab.form()
        lab.nodes[0].kill()
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PREFIX = "10.77.0"  # nodes .11 to .17, pool from .100
STATE = Path("/run/pxecluster-lab")


class LabError(Exception):
    """Something of the lab did not work; the text is for a person."""


def run(*args, check=True, timeout=60, **kwargs):
    """Run a command; returns CompletedProcess with text output."""
    words = [str(a) for a in args]
    try:
        done = subprocess.run(words, text=True, capture_output=True, timeout=timeout, check=False, **kwargs)
    except FileNotFoundError as error:
        raise LabError(f"{words[0]} is not installed: run sudo deploy/install lab") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"no answer within {timeout} s from: {' '.join(words)}") from error
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(words)}\n  exit {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done


def wait_for(what, condition, timeout=30, every=0.05):
    """Wait until condition() is true and return its value; LabError names what was waited for."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f"gave up after {timeout} s waiting for {what}")
        time.sleep(every)


class Node:
    """One pxed, in a namespace of its own, with its directories under the lab's."""

    def __init__(self, lab, number):
        self.lab = lab
        self.number = number
        self.name = f"pxe{number}"
        self.ns = f"{lab.name}-n{number}"
        self.port = f"n{number}"  # its port on the bridge
        self.ip = f"{PREFIX}.{10 + number}"
        self.dir = lab.dir / self.name
        self.process = None

    @property
    def conf(self):
        return self.dir / "etc"

    @property
    def log(self):
        return self.dir / "pxed.log"

    def exec(self, *args, **kwargs):
        return run("ip", "netns", "exec", self.ns, *args, **kwargs)

    def setup(self):
        for part in ("etc", "data", "run"):
            (self.dir / part).mkdir(parents=True, exist_ok=True)
        self.lab.add_host(self.ns, self.port, None, f"{self.ip}/24")

    def start(self, wait=True):
        environment = dict(os.environ, ASAN_OPTIONS="abort_on_error=0:detect_leaks=1")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.ns, str(self.lab.bin / "node" / "pxed"), "--dir", str(self.conf)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environment)
        if wait:
            wait_for(f"{self.name} to answer pxectl (see {self.log})", self.answers, timeout=60)

    def answers(self):
        if self.process is not None and self.process.poll() is not None:
            raise LabError(f"{self.name} ended with exit code {self.process.returncode}:\n{self.tail()}")
        return self.pxectl("status", check=False, timeout=10).returncode in (0, 1, 4)

    def kill(self, sig=signal.SIGKILL):
        """Send a signal; one that ends the process is waited for. Returns the exit code, None while it lives or when it was not there."""
        if self.process is None:
            return None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, sig)
        if sig not in (signal.SIGSTOP, signal.SIGCONT):
            code = self.process.wait(timeout=30)
            self.process = None
            return code
        return None

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def wipe(self):
        """Lose the disk: everything but the log file."""
        for part in ("etc", "data", "run"):
            shutil.rmtree(self.dir / part, ignore_errors=True)
            (self.dir / part).mkdir(parents=True)

    def pxectl(self, *args, check=True, timeout=60, **kwargs):
        return self.exec(self.lab.bin / "ctl" / "pxectl", "--dir", self.conf, *args, check=check, timeout=timeout, **kwargs)

    def json(self, *args, **kwargs):
        return json.loads(self.pxectl("-o", "json", *args, **kwargs).stdout)

    def tail(self, lines=15):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else "(no log)"

    def dump_state(self):
        return {(lease["ip"], lease["mac"]): lease for lease in self.json("lease", "list").get("leases", [])}


class Client:
    """A machine with one network card in its own namespace, for clients that run on the host."""

    def __init__(self, lab, name, mac):
        self.lab = lab
        self.name = name
        self.ns = f"{lab.name}-{name}"
        self.mac = mac
        self.dir = lab.dir / name

    def setup(self):
        self.dir.mkdir(parents=True, exist_ok=True)
        self.lab.add_host(self.ns, self.name, self.mac, None)
        run("ip", "netns", "exec", self.ns, "ethtool", "-K", "eth0", "tx", "off", check=False)

    def isolated(self, *args):
        """The words that run a command here with /run and the DHCP clients' state directories of its own."""
        private = ("mount --make-rprivate /; mount -t tmpfs tmpfs /run; "
                   "for d in /var/lib/dhcp /var/lib/dhcpcd; do [ -d $d ] && mount -t tmpfs tmpfs $d; done; exec \"$@\"")
        return ["ip", "netns", "exec", self.ns, "unshare", "-m", "sh", "-c", private, "sh", *[str(a) for a in args]]

    def run(self, *args, **kwargs):
        return run(*self.isolated(*args), **kwargs)

    def udhcpc(self, *more, timeout=60):
        """One DHCP exchange; returns what the server said (a dict of udhcpc's variables), or None without a lease."""
        out = self.dir / "udhcpc.out"
        out.unlink(missing_ok=True)
        done = self.run("env", f"OUT={out}", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "10", "-T", "1", "-A", "1", "-S",
                        "-s", HERE / "udhcpc-script", *more, check=False, timeout=timeout)
        if done.returncode != 0 or not out.exists():
            return None
        return read_bound(out)

    def udhcpc_stay(self):
        """A client that keeps its lease and renews it; returns (process, file of what it was told)."""
        out = self.dir / "udhcpc-stay.out"
        out.unlink(missing_ok=True)
        process = subprocess.Popen(
            self.isolated("env", f"OUT={out}", "udhcpc", "-i", "eth0", "-f", "-t", "10", "-T", "1", "-A", "1", "-s",
                          HERE / "udhcpc-script"),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        wait_for(f"{self.name} to get its lease", lambda: out.exists() and read_bound(out), timeout=30)
        return process, out

    def forget_address(self):
        run("ip", "-n", self.ns, "addr", "flush", "dev", "eth0")


def read_bound(path):
    """The last bound or renew notice that deploy/lab/udhcpc-script wrote, as a dict."""
    last = None
    for line in path.read_text().splitlines():
        if line.startswith(("bound ", "renew ")):
            words = line.split(" ")
            last = dict(word.split("=", 1) for word in words[1:] if "=" in word)
            last["event"] = words[0]
    return last


DISK_MARKER = "PXECLUSTER-DISK"


def make_disk(path):
    """The disk of an installed system, as small as can be: a boot sector that writes DISK_MARKER to the serial port and halts."""
    program = bytes.fromhex("31c08ed8"      # xor ax, ax; mov ds, ax
                            "be217c"        # mov si, text
                            "ac84c07412"    # next: lodsb; test al, al; jz done
                            "88c4bafd03"    # mov ah, al; mov dx, 0x3fd
                            "eca82074fb"    # ready: in al, dx; test al, 0x20; jz ready
                            "88e0baf803ee"  # mov al, ah; mov dx, 0x3f8; out dx, al
                            "ebe9f4ebfd")   # jmp next; done: hlt; jmp done
    sector = (program + f"\r\n{DISK_MARKER}\r\n\0".encode()).ljust(510, b"\0") + b"\x55\xaa"
    Path(path).write_bytes(sector + bytes(1 << 20))
    return path


class Machine:
    """A virtual machine that boots from the segment. Its firmware: bios (with iPXE as the card's ROM), uefi (PXE), uefi-http (HTTP
    Boot) or uefi-secure (PXE, with Microsoft's keys)."""

    def __init__(self, lab, name, mac, firmware, memory=None, disk=None):
        self.lab = lab
        self.name = name
        self.mac = mac
        self.firmware = firmware
        self.disk = disk
        self.memory = memory or (256 if firmware == "bios" else 512)
        self.serial = lab.dir / f"{name}.serial"
        self.tap = f"t{name}"[:15]
        self.process = None
        self.started = None

    def start(self):
        """Power on."""
        lab = self.lab
        self.serial.unlink(missing_ok=True)
        lab.sw("ip", "tuntap", "add", self.tap, "mode", "tap", check=False)
        lab.sw("ip", "link", "set", self.tap, "master", "br0", "up")
        uuid = f"77777777-0000-4000-8000-{self.mac.replace(':', '')}"
        words = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-m", str(self.memory), "-display", "none",
                 "-monitor", "none", "-no-reboot", "-nodefaults", "-uuid", uuid, "-serial", f"file:{self.serial}",
                 "-netdev", f"tap,id=n0,ifname={self.tap},script=no,downscript=no"]
        if self.firmware == "bios":
            words += ["-machine", "pc,graphics=off", "-device", f"virtio-net-pci,netdev=n0,mac={self.mac},bootindex=1"]
        else:
            words += self.uefi_words()
        if self.disk:
            words += ["-drive", f"file={self.disk},format=raw,if=none,id=d0", "-device", "virtio-blk-pci,drive=d0,bootindex=2"]
        self.started = time.monotonic()
        self.process = subprocess.Popen(["ip", "netns", "exec", lab.switch, *words], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)

    def uefi_words(self):
        """OVMF instead of SeaBIOS, with variables of its own; without the card's ROM, whose iPXE would take the card from it."""
        secure = self.firmware == "uefi-secure"
        code, template = ("CODE_4M.secboot", "VARS_4M.ms") if secure else ("CODE_4M", "VARS_4M")
        variables = self.lab.dir / f"{self.name}.vars"
        shutil.copyfile(f"/usr/share/OVMF/OVMF_{template}.fd", variables)
        words = ["-machine", "q35,smm=on" if secure else "q35",
                 "-drive", f"if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_{code}.fd",
                 "-drive", f"if=pflash,format=raw,unit=1,file={variables}",
                 "-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n",
                 "-device", f"virtio-net-pci,romfile=,netdev=n0,mac={self.mac},bootindex=1"]
        if secure:
            words += ["-global", "driver=cfi.pflash01,property=secure,value=on"]
        if self.firmware == "uefi-http":
            words += ["-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=n"]
        return words

    def console(self):
        return self.serial.read_text(errors="replace") if self.serial.exists() else ""

    def marker(self):
        """What the booted Linux said of itself, as a dict, or None."""
        for line in self.console().splitlines():
            if "PXECLUSTER-BOOTED" in line:
                words = line[line.index("PXECLUSTER-BOOTED"):].split()
                return dict(word.split("=", 1) for word in words[1:] if "=" in word)
        return None

    def booted(self):
        """(what the booted system said of itself, seconds since power on), or None while it has not. LabError if it never will."""
        stopped = self.process.poll() is not None
        marker = self.marker()
        if marker:
            return marker, time.monotonic() - self.started
        if stopped:
            error = self.process.stderr.read().decode(errors="replace").strip()
            raise LabError(f"{self.name}: the machine stopped without booting {error}\n" + self.last_words())
        return None

    def last_words(self):
        return f"last lines of {self.name}'s console:\n" + "\n".join(self.console().splitlines()[-12:])

    def wait(self, timeout=240):
        """Until the booted system has reported; as booted(), and the machine is off."""
        return wait_machines([self], timeout)[0]

    def stop(self):
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
            self.process.stderr.close()
            self.process = None
        self.lab.sw("ip", "link", "del", self.tap, check=False)


def wait_machines(machines, timeout=240):
    """Until all have reported; what booted() says of each. They are off then."""
    done = {}

    def all_done():
        for machine in machines:
            if machine not in done:
                said = machine.booted()
                if said:
                    done[machine] = said
        return len(done) == len(machines)
    try:
        wait_for(", ".join(m.name for m in machines) + " to boot", all_done, timeout=timeout, every=0.05)
    except LabError as error:
        missing = [machine for machine in machines if machine not in done]
        raise LabError("\n".join([str(error), *[machine.last_words() for machine in missing]])) from None
    for machine in machines:
        machine.stop()
    return [done[machine] for machine in machines]


class Lab:
    """The segment, its nodes and its clients."""

    def __init__(self, name, nodes=3, build=None):
        if os.geteuid() != 0:
            raise LabError("the lab needs root (network namespaces): run it with sudo")
        self.name = name
        self.switch = f"{name}-sw"
        self.bin = Path(build or ROOT / "build" / "dev")
        self.dir = None
        self.count = nodes
        self.nodes = []
        self.hosts = []
        for tool in ("ip", "nft"):
            if shutil.which(tool) is None:
                raise LabError(f"{tool} is not installed: run sudo deploy/install lab")

    def __enter__(self):
        self.up()
        return self

    def __exit__(self, *exception):
        self.down()

    # ---- the segment

    def up(self):
        """Make the segment and the nodes' namespaces; what an earlier lab of this name left is removed first."""
        remove(self.name)
        STATE.mkdir(parents=True, exist_ok=True)
        self.dir = Path(tempfile.mkdtemp(prefix=f"pxecluster-{self.name}.", dir="/var/tmp"))
        self.dir.chmod(0o755)
        (STATE / f"{self.name}.json").write_text(json.dumps({"dir": str(self.dir), "nodes": self.count}))
        run("ip", "netns", "add", self.switch)
        self.sw("ip", "link", "set", "lo", "up")
        self.sw("ip", "link", "add", "br0", "type", "bridge", "stp_state", "0", "forward_delay", "0", "mcast_snooping", "0")
        self.sw("ip", "link", "set", "br0", "up")
        self.add_router()
        self.nodes = [Node(self, number) for number in range(1, self.count + 1)]
        for node in self.nodes:
            node.setup()

    def down(self):
        remove(self.name)

    def add_router(self):
        """A router on the segment: the gateway's address, and IPv6 advertisements that offer nothing."""
        ns = f"{self.name}-gw"
        self.add_host(ns, "gw", None, f"{PREFIX}.1/24")
        wait_for("the router's IPv6 address", lambda: "tentative" not in (shown := run(
            "ip", "-n", ns, "-6", "addr", "show", "dev", "eth0").stdout) and "fe80" in shown, timeout=10)
        subprocess.Popen(["ip", "netns", "exec", ns, "/usr/bin/python3", str(HERE / "router.py")],
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def sw(self, *args, **kwargs):
        return run("ip", "netns", "exec", self.switch, *args, **kwargs)

    def add_host(self, ns, port, mac, address):
        """A namespace with eth0 on the bridge."""
        run("ip", "netns", "add", ns)
        run("ip", "link", "add", "eth0", "netns", ns, "type", "veth", "peer", "name", port, "netns", self.switch)
        self.sw("ip", "link", "set", port, "master", "br0", "up")
        run("ip", "-n", ns, "link", "set", "lo", "up")
        if mac:
            run("ip", "-n", ns, "link", "set", "eth0", "address", mac)
        if address:
            run("ip", "-n", ns, "addr", "add", address, "dev", "eth0")
        run("ip", "-n", ns, "link", "set", "eth0", "up")
        wait_for(f"port {port} to forward", lambda: "state forwarding" in self.sw(
            "bridge", "link", "show", "dev", port).stdout, timeout=10)

    def client(self, name, mac):
        client = Client(self, name, mac)
        client.setup()
        self.hosts.append(client)
        return client

    def machine(self, name, mac, firmware, **kwargs):
        return Machine(self, name, mac, firmware, **kwargs)

    def partition(self, *groups):
        """Only nodes (or bridge ports) of the same group hear each other; ports in no group hear all."""
        rules = []
        for i, left in enumerate(groups):
            for j, right in enumerate(groups):
                if i != j:
                    rules += [f"iifname {port_of(a)} oifname {port_of(b)} drop" for a in left for b in right]
        self.heal()
        script = "table bridge pxlab { chain f { type filter hook forward priority 0; " + "; ".join(rules) + "; }; }"
        self.sw("nft", script)

    def heal(self):
        self.sw("nft", "delete", "table", "bridge", "pxlab", check=False)

    # ---- the cluster

    def form(self, cluster="lab"):
        """One node, then the others by token; all voters at the end."""
        first = self.nodes[0]
        first.pxectl("cluster", "init", "--name", cluster, "--interface", "eth0", "--node-name", first.name,
                     "--data", first.dir / "data", "--socket", first.dir / "run" / "api.sock", "--no-start")
        first.start()
        for node in self.nodes[1:]:
            self.join(node)
        self.wait_serving()

    def join(self, node):
        """Join a fresh node through any living member, and wait until it votes."""
        member = next(n for n in self.nodes if n is not node and n.alive())
        token = member.pxectl("cluster", "token", "create", "--for", node.name).stdout.split()[0]
        node.pxectl("cluster", "join", token, "--name", node.name, "--interface", "eth0",
                    "--data", node.dir / "data", "--socket", node.dir / "run" / "api.sock", "--no-start")
        node.start()
        self.wait_voters(member, [node])

    def wait_voters(self, asked, nodes, timeout=60):
        names = {n.name for n in nodes}
        wait_for(f"{', '.join(sorted(names))} to vote",
                 lambda: names <= {n["name"] for n in asked.json("status")["nodes"] if n["raft_role"] in ("leader", "voter")},
                 timeout=timeout, every=0.2)

    def wait_serving(self, timeout=60):
        """Until each living node knows of itself and of every other living one that it serves: then one of them answers a client."""
        names = {n.name for n in self.living()}

        def all_serve(node):
            done = node.pxectl("-o", "json", "--node", node.name, "status", check=False)
            return done.stdout and names == {n["name"] for n in json.loads(done.stdout)["nodes"] if n["state"] == "ok"}
        for node in self.living():
            wait_for(f"{node.name} to see {', '.join(sorted(names))} serve", lambda n=node: all_serve(n), timeout=timeout)

    def leader(self, timeout=30):
        """The node that leads, by what a majority of the living nodes says."""
        def agreed():
            said = {}
            for node in self.living():
                done = node.pxectl("-o", "json", "--node", node.name, "status", check=False, timeout=10)
                if done.stdout:
                    name = json.loads(done.stdout).get("leader")
                    said[name] = said.get(name, 0) + 1
            for node in self.living():
                if said.get(node.name, 0) * 2 > len(self.nodes):
                    return node
            return None
        return wait_for("a leader", agreed, timeout=timeout)

    def living(self):
        return [n for n in self.nodes if n.alive()]

    def wait_equal(self, nodes=None, timeout=60):
        """Until all nodes have applied the same entries and the digests of their state at the last entry are equal."""
        nodes = nodes or self.living()
        names = {n.name for n in nodes}
        rows = []

        def equal():
            rows[:] = [n for n in nodes[0].json("status")["nodes"] if n["name"] in names]
            states = {(row["applied"], row["digest_index"], row["digest_sha256"]) for row in rows}
            return (len(rows) == len(names) and len(states) == 1 and rows[0]["applied"] == rows[0]["digest_index"]
                    and all(int(row["behind"]) == 0 for row in rows))
        try:
            wait_for("equal state on " + ", ".join(sorted(names)), equal, timeout=timeout, every=0.1)
        except LabError as error:
            said = [f"{row['name']} applied {row['applied']}, digest {row['digest_sha256'][:12]} at {row['digest_index']}" for row in rows]
            raise LabError("\n  ".join([str(error), *said])) from None


def port_of(thing):
    return thing.port if isinstance(thing, Node) else thing.name if isinstance(thing, Client) else str(thing)


def namespaces(name):
    listing = run("ip", "netns", "list", check=False).stdout
    return [line.split()[0] for line in listing.splitlines() if line.split() and line.split()[0].startswith(f"{name}-")]


def remove(name):
    """End every process in the lab's namespaces, remove the namespaces and the directory. Safe when there is nothing."""
    found = namespaces(name)
    for attempt in range(20):
        pids = {int(p) for ns in found for p in run("ip", "netns", "pids", ns, check=False).stdout.split()} - {os.getpid()}
        if not pids:
            break
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05 * (attempt + 1))
    for ns in found:
        run("ip", "netns", "del", ns, check=False)
    state = STATE / f"{name}.json"
    if state.exists():
        shutil.rmtree(json.loads(state.read_text())["dir"], ignore_errors=True)
        state.unlink()
    with contextlib.suppress(OSError):
        STATE.rmdir()
