"""DHCP load: three pxed nodes and Kea's HA pair, one after the other on the same virtual segment, with perfdhcp.

usage: sudo /usr/bin/python3 tests/bench/dhcp.py [--rates 500,1000,2000] [--seconds 5] [--only ours|kea]
                                        [--build DIR]
For each offered rate of new clients (full DISCOVER to ACK) it prints how many were acknowledged and the delays of OFFER and ACK (median, 99th percentile,
longest); the load generator, all servers and the kernel share this machine's cores. Kea acknowledges from memory (its lease file is written, not synced); ours are on
the disks of a majority. Needs build/dev (deploy/build dev) or the build that --build names, and the packages of deploy/packages.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy" / "lab"))

from lab import Lab, LabError, remove, run, wait_for  # noqa: E402

HOOKS = "/usr/lib/x86_64-linux-gnu/kea/hooks"


def seconds_of(stamp):
    """Of HHMMSS.ffffff since perfdhcp began."""
    return int(stamp[:2]) * 3600 + int(stamp[2:4]) * 60 + float(stamp[4:])


def percentiles(text, part):
    """Median and 99th percentile, in ms, of the exchanges whose times perfdhcp -x t lists."""
    listed = text.partition(f"***Timestamps for packets: {part}***")[2].partition("***")[0]
    took = sorted((seconds_of(received) - seconds_of(sent)) * 1000
                  for sent, received in re.findall(r"sent / received: (\S+) / (\S+)", listed))
    return (took[len(took) // 2], took[len(took) * 99 // 100]) if took else (0.0, 0.0)


def measure(client, rate, seconds):
    """One perfdhcp run; returns a row of numbers."""
    done = client.run("perfdhcp", "-4", "-l", "eth0", "-r", str(rate), "-R", "1000000", "-p", str(seconds), "-W", "1000000",
                      "-s", str(rate), "-x", "t", check=False, timeout=seconds + 60)
    text = done.stdout
    parts = text.split("***Statistics for: ")
    found = {part.split("***")[0]: part for part in parts[1:]}
    if "REQUEST-ACK" not in found:
        raise LabError("perfdhcp said nothing usable:\n" + text + done.stderr)

    def number(part, label):
        match = re.search(label + r": ([0-9.]+)", found[part])
        return float(match.group(1)) if match else 0.0
    return {"rate": rate, "acks": number("REQUEST-ACK", "received packets") / seconds,
            "sent": number("DISCOVER-OFFER", "sent packets") / seconds,
            "offer": percentiles(text, "DISCOVER-OFFER"), "ack": percentiles(text, "REQUEST-ACK"),
            "worst_ms": max(number("DISCOVER-OFFER", "max delay"), number("REQUEST-ACK", "max delay"))}


def show(name, rows):
    print(f"\n{name}\n  {'offered/s':>9} {'acked/s':>8} {'lost':>6} {'offer p50':>9} {'p99 ms':>7} {'ack p50':>8} {'p99 ms':>7} {'worst ms':>9}")
    for row in rows:
        lost = 1 - row["acks"] / row["sent"] if row["sent"] else 1
        print(f"  {row['rate']:>9} {row['acks']:>8.0f} {lost:>6.1%} {row['offer'][0]:>9.2f} {row['offer'][1]:>7.2f} "
              f"{row['ack'][0]:>8.2f} {row['ack'][1]:>7.2f} {row['worst_ms']:>9.1f}")
    best = max((row["acks"] for row in rows), default=0)
    print(f"  most acknowledged: {best:.0f}/s", flush=True)
    return best


def segment(name, nodes, build=None):
    lab = Lab(name, nodes=nodes, build=build)
    lab.up()
    for node in lab.nodes:
        node.exec("ip", "addr", "flush", "dev", "eth0")
        node.exec("ip", "addr", "add", f"{node.ip}/16", "dev", "eth0")
    return lab


def load_client(lab):
    client = lab.client("load", "52:54:00:7e:00:01")
    run("ip", "-n", client.ns, "addr", "add", "10.77.9.9/16", "dev", "eth0")
    return client


def ours(rates, seconds, build):
    name = "pxbench"
    try:
        lab = segment(name, 3, build)
        lab.form()
        # every client is a stranger here, and comes faster than strangers do; Kea asks nobody by ARP either
        lab.nodes[0].pxectl("cluster", "set", "probe=no", "unknown-per-s=100000", check=False)
        lab.nodes[0].pxectl("subnet", "add", "big", "10.77.0.0/16", "--lease", "1h")
        lab.nodes[0].pxectl("pool", "add", "big", "--subnet", "big", "--range", "10.77.16.1-10.77.255.254")
        client = load_client(lab)
        rows = []
        for rate in rates:
            rows.append(measure(client, rate, seconds))
        held = [lease["ip"] for lease in lab.nodes[0].json("lease", "list")["leases"]]
        assert len(held) == len(set(held)), "an address was given twice"
        return rows
    finally:
        remove(name)


def kea_conf(node, peers, threads):
    servers = [{"name": peer.name, "url": f"http://{peer.ip}:8080/", "role": role, "auto-failover": True}
               for peer, role in zip(peers, ("primary", "standby"))]
    relationship = {"this-server-name": node.name, "mode": "hot-standby", "peers": servers,
                    "multi-threading": {"enable-multi-threading": True, "http-dedicated-listener": True,
                                        "http-listener-threads": threads, "http-client-threads": threads}}
    return {"Dhcp4": {
        "interfaces-config": {"interfaces": ["eth0"]},
        "lease-database": {"type": "memfile", "persist": True, "name": "/var/lib/kea/leases.csv", "lfc-interval": 0},
        "multi-threading": {"enable-multi-threading": True, "thread-pool-size": threads, "packet-queue-size": 64},
        "hooks-libraries": [{"library": f"{HOOKS}/libdhcp_lease_cmds.so"},
                            {"library": f"{HOOKS}/libdhcp_ha.so", "parameters": {"high-availability": [relationship]}}],
        "valid-lifetime": 3600,
        "subnet4": [{"id": 1, "subnet": "10.77.0.0/16", "interface": "eth0", "pools": [{"pool": "10.77.16.1-10.77.255.254"}]}],
        "loggers": [{"name": "kea-dhcp4", "severity": "INFO", "output_options": [{"output": str(node.dir / "kea.log")}]}]}}


def kea(rates, seconds, threads):
    name = "pxbkea"
    try:
        lab = segment(name, 2)
        for node in lab.nodes:
            conf = node.dir / "kea.json"
            conf.write_text(json.dumps(kea_conf(node, lab.nodes, threads)))
            state = node.dir / "kea-state"
            state.mkdir()
            private = ("mount --make-rprivate /; mount -t tmpfs tmpfs /run; mkdir -p /run/kea /run/lock/kea; "
                       "mkdir -p /var/lib/kea; mount --bind \"$1\" /var/lib/kea; shift; exec \"$@\"")
            environment = dict(os.environ, KEA_LOCKFILE_DIR="none", KEA_PIDFILE_DIR=str(node.dir))
            subprocess.Popen(["ip", "netns", "exec", node.ns, "unshare", "-m", "sh", "-c", private, "sh", str(state),
                              "kea-dhcp4", "-c", str(conf)], stdout=open(node.dir / "kea.out", "wb"), stderr=subprocess.STDOUT,
                             env=environment, start_new_session=True)

        def ready():
            logs = [(n.dir / "kea.log").read_text() if (n.dir / "kea.log").exists() else "" for n in lab.nodes]
            return all("to HOT-STANDBY" in log for log in logs)
        try:
            wait_for("both Kea servers in HOT-STANDBY", ready, timeout=90, every=0.5)
        except LabError as error:
            said = "\n".join((n.dir / "kea.out").read_text()[-1500:] for n in lab.nodes)
            raise LabError(f"{error}\n{said}") from None
        client = load_client(lab)
        return [measure(client, rate, seconds) for rate in rates]
    finally:
        remove(name)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", default="500,1000,2000,3000,4000,6000")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--only", choices=["ours", "kea"])
    parser.add_argument("--build", help="directory with pxed and pxectl (default build/dev)")
    options = parser.parse_args()
    rates = [int(rate) for rate in options.rates.split(",")]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    best = {}
    try:
        if options.only != "kea":
            best["ours"] = show("pxecluster, three nodes, each ACK on a majority's disk", ours(rates, options.seconds, options.build))
        if options.only != "ours":
            best["kea"] = show("Kea HA hot-standby, two servers, two threads each, not synced", kea(rates, options.seconds, 2))
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if len(best) == 2 and best["kea"]:
        print(f"\nours / Kea HA: {best['ours'] / best['kea']:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
