"""The demo: form a cluster, boot machines, kill the leader, show that nothing was lost. Run it through deploy/demo."""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from lab import DISK_MARKER, Lab, LabError, make_disk, namespaces, read_bound, remove, run, wait_for, wait_machines  # noqa: E402

NAME = "pxdemo"
ADDRESSES = 100  # in the pool


class Summary:
    """What was measured, in the order it happened."""

    def __init__(self):
        self.rows = []

    def add(self, what, seconds=None, note=""):
        self.rows.append((what, seconds, note))
        value = "" if seconds is None else f"{seconds * 1000:8.0f} ms" if seconds < 10 else f"{seconds:8.1f} s "
        print(f"  {value:>12}  {what}{'   ' + note if note else ''}", flush=True)

    def show(self):
        width = max(len(what) for what, _, _ in self.rows)
        print("\nSummary")
        for what, seconds, note in self.rows:
            value = "-" if seconds is None else f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"
            print(f"  {what:<{width}}  {value:>9}  {note}")


def say(text):
    print(f"\n== {text}", flush=True)


def configure(lab, guest):
    """Subnet, pool, images and a profile, all through pxectl."""
    first = lab.nodes[0]
    first.pxectl("subnet", "add", "lab", "10.77.0.0/24", "--gateway", "10.77.0.1", "--dns", "10.77.0.11", "--lease", "10m")
    first.pxectl("pool", "add", "lab", "--subnet", "lab", "--range", f"10.77.0.100-10.77.0.{99 + ADDRESSES}")
    first.pxectl("image", "add-loaders", "ipxe", timeout=120)
    first.pxectl("image", "push", "tiny", guest, timeout=120)
    first.pxectl("profile", "add", "tiny", "--image", "tiny", "--kernel", "vmlinuz", "--initrd", "initrd.img",
                 "--args", "console=ttyS0 quiet phone={{phone_home}}",
                 "--own-ipxe", "yes")  # QEMU's BIOS ROM is an iPXE: have it take the whole way of a plain PXE ROM
    first.pxectl("subnet", "set", "lab", "--profile", "tiny")


def boot_both(lab, summary, label):
    """One BIOS and one UEFI machine at once; both must say themselves that they run."""
    machines = [lab.machine("bios", "52:54:00:77:00:01", "bios"), lab.machine("uefi", "52:54:00:77:00:02", "uefi")]
    try:
        for machine in machines:
            machine.start()
        for machine, (marker, took) in zip(machines, wait_machines(machines)):
            if marker.get("payload") != "ok":
                raise LabError(f"{machine.name}: the booted system found its payload damaged: {marker}")
            if marker.get("phone") != "ok":
                raise LabError(f"{machine.name}: the booted system could not phone home: {marker}")
            summary.add(f"{label}: {machine.firmware.upper()} machine, power on to Linux's own report", took,
                        f"{marker['ip']}, payload {marker['payload']}, phoned home")
    finally:
        for machine in machines:
            machine.stop()


def boot_once(lab, summary, disk):
    """A machine with an installed disk is armed for one boot from the network; it takes that one, then its disk again."""
    first, other = lab.nodes[0], lab.nodes[1]
    first.pxectl("host", "add", "db1", "--mac", "52:54:00:77:00:03", "--profile", "local")
    print(first.pxectl("boot", "once", "db1", "tiny").stdout, end="")
    machine = lab.machine("db1", "52:54:00:77:00:03", "bios", disk=make_disk(disk))
    try:
        machine.start()
        marker, took = machine.wait()
        if marker.get("phone") != "ok":
            raise LabError(f"db1: the booted system could not phone home: {marker}")
        summary.add("armed for one boot: power on to its system's report", took)
        wait_for("that boot to be over", lambda: other.json("boot", "show", "db1")["state"] == "ONCE_DONE", timeout=20)
        machine.start()
        wait_for("db1 to boot its disk", lambda: DISK_MARKER in machine.console(), timeout=120)
        if machine.marker():
            raise LabError("db1 booted from the network a second time")
        summary.add("and then its disk again: power on to the disk's own words", time.monotonic() - machine.started, "no loop")
    finally:
        machine.stop()
    print("$ pxectl boot history db1\n" + other.pxectl("boot", "history", "db1").stdout)


def new_client(lab, number):
    return lab.client(f"c{number}", f"52:54:00:78:00:{number:02x}")


def must_lease(client, what):
    bound = client.udhcpc()
    if not bound:
        raise LabError(f"{what}: no lease")
    return bound


def play(lab, guest, summary):
    say("three nodes form a cluster")
    began = time.monotonic()
    lab.form()
    summary.add("three nodes, started and joined, all voting", time.monotonic() - began)
    began = time.monotonic()
    configure(lab, guest)
    summary.add("subnet, pool, profile, two images on all nodes", time.monotonic() - began)
    print(lab.nodes[0].pxectl("status").stdout)

    say("real machines boot: BIOS (PXE ROM, TFTP, iPXE, HTTP) and UEFI x64 (OVMF, the same chain)")
    boot_both(lab, summary, "first boot")

    say("a machine whose system is installed is booted from the network once, then from its disk")
    boot_once(lab, summary, lab.dir / "db1.disk")

    say("clients take leases")
    for number in range(1, 6):
        must_lease(new_client(lab, number), f"client {number}")
    staying = new_client(lab, 6)
    process, notes = staying.udhcpc_stay()
    before = lab.nodes[0].dump_state()
    print(lab.nodes[0].pxectl("lease", "list").stdout)

    leader = lab.leader()
    others = [node for node in lab.nodes if node is not leader]
    say(f"kill -9 {leader.name}, the leader")
    newcomer = new_client(lab, 7)
    began = time.monotonic()
    leader.kill(signal.SIGKILL)
    bound = must_lease(newcomer, "a new client right after the kill")
    summary.add("kill -9 of the leader: a new client has its lease after", time.monotonic() - began, bound["ip"])
    new_leader = lab.leader()
    if new_leader is leader:
        raise LabError("the dead node still leads")
    summary.add(f"{new_leader.name} leads now", time.monotonic() - began, "as its own pxectl sees it")

    after = others[0].dump_state()
    lost = [key for key in before if key not in after]
    if lost:
        raise LabError(f"leases lost: {lost}")
    summary.add(f"every lease is there: {len(before)} of {len(before)}", None, f"now {len(after)}")

    began = time.monotonic()
    told = len([line for line in notes.read_text().splitlines() if line.startswith(("bound", "renew"))])
    os.kill(udhcpc_pid(staying), signal.SIGUSR1)
    wait_for("the renewal to be answered", lambda: len(
        [line for line in notes.read_text().splitlines() if line.startswith(("bound", "renew"))]) > told, timeout=60)
    same = read_bound(notes)["ip"] == before_ip(before, staying.mac)
    if not same:
        raise LabError("the renewing client was given another address")
    summary.add("a client of before renews", time.monotonic() - began, f"keeps {read_bound(notes)['ip']}")
    process.kill()
    process.wait()

    say("machines boot again, from the two nodes that live")
    boot_both(lab, summary, "second boot, a node dead")

    say(f"{leader.name} starts again")
    began = time.monotonic()
    leader.start()
    lab.wait_equal()
    summary.add(f"{leader.name} is back and has caught up", time.monotonic() - began, "equal digests of the state on all nodes")
    again = leader.dump_state()
    if any(key not in again for key in after):
        raise LabError(f"{leader.name} does not know every lease")
    print(lab.nodes[0].pxectl("status").stdout)


def udhcpc_pid(client):
    """The udhcpc that runs in the client's namespace."""
    for pid in run("ip", "netns", "pids", client.ns).stdout.split():
        if Path(f"/proc/{pid}/comm").read_text().strip().startswith(("udhcpc", "busybox")):
            return int(pid)
    raise LabError(f"no udhcpc runs for {client.name}")


def before_ip(leases, mac):
    return next(ip for ip, owner in leases if owner == mac)


def keep_lines(lab):
    node = lab.nodes[0]
    ctl = f"sudo ip netns exec {node.ns} {lab.bin.resolve()}/ctl/pxectl --dir {node.conf}"
    print(f"""
The cluster is still running. Try:
  alias pxectl='{ctl}'
  pxectl status
  pxectl watch                          (then, elsewhere: sudo ip netns exec {lab.name}-c1 udhcpc -i eth0 -n -q -f -s {Path(__file__).parent}/udhcpc-script)
  pxectl lease list
  pxectl host add n01 --mac 52:54:00:78:00:01 --ip 10.77.0.50
  pxectl boot explain 52:54:00:78:00:01 --arch uefi-x64
  pxectl boot history
  pxectl machine list
Remove it with:  sudo deploy/demo --stop""")


def interrupted(number, _frame):
    raise KeyboardInterrupt(f"signal {number}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build")
    parser.add_argument("--guest")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--stop", action="store_true")
    options = parser.parse_args()
    if options.stop:
        there = bool(namespaces(NAME))
        remove(NAME)
        print("the demo is removed" if there else "no demo is running")
        return 0
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGHUP, interrupted)
    summary = Summary()
    kept = False
    began = time.monotonic()
    lab = None
    try:
        lab = Lab(NAME, nodes=3, build=options.build)
        lab.up()
        play(lab, options.guest, summary)
        summary.add("the whole demo", time.monotonic() - began)
        summary.show()
        if options.keep:
            keep_lines(lab)
            kept = True
        print("\nPASSED: three nodes act as one boot server; the leader was killed and nothing was lost.")
        return 0
    except LabError as error:
        print(f"\ndeploy/demo: FAILED: {error}", file=sys.stderr)
        if lab is not None:
            for node in lab.nodes:
                print(f"\n--- last lines of {node.name}\n{node.tail()}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndeploy/demo: interrupted; removing everything", file=sys.stderr)
        return 130
    finally:
        if not kept:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            remove(NAME)


if __name__ == "__main__":
    sys.exit(main())
