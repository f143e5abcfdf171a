"""The DHCP clients that systems come with, against three nodes: each gets its address and options, renews, keeps the address whatever
node dies, comes back to it and gives it back. All run at once and keep a short lease; what they did is read off the wire."""

import signal
import subprocess
import time
from pathlib import Path

import pytest
from chaos import Capture

from lab import run, wait_for

HERE = Path(__file__).resolve().parent
LEASE_S = 20
ROUTES = {("default", "10.77.0.1"), ("10.99.0.0/16", "10.77.0.254")}
NAMES = ["udhcpc", "dhclient", "dhcpcd", "networkd"]


def routes_of(words):
    """The routes in words "net gateway net gateway" with prefixes, as a set."""
    pairs = zip(words[::2], words[1::2])
    return {("default" if net.startswith("0.0.0.0/0") else net, gateway) for net, gateway in pairs}


class System:
    """A machine that runs one of the clients as its system does, with its state in directories of its own."""

    def __init__(self, lab, name, number):
        self.name = name
        self.host = lab.client(name, f"52:54:00:7c:00:{number:02x}")
        self.out = self.host.dir / "told"
        self.state = self.host.dir / "state"
        self.state.mkdir()
        self.process = None
        getattr(self, f"prepare_{name}", lambda: None)()

    @property
    def mac(self):
        return self.host.mac

    # ---- one client each: what to run, and what it was told

    def udhcpc(self):
        return ["env", f"OUT={self.out}", "CONFIGURE=1", "udhcpc", "-i", "eth0", "-f", "-R", "-t", "10", "-T", "1", "-A", "1", "-O", "mtu",
                "-O", "staticroutes", "-O", "ntpsrv", "-s", HERE / "client-hook"]

    def prepare_dhclient(self):
        (self.host.dir / "dhclient.conf").write_text(
            "option rfc3442-classless-static-routes code 121 = array of unsigned integer 8;\n"
            "request subnet-mask, rfc3442-classless-static-routes, routers, domain-name-servers, domain-name, interface-mtu, ntp-servers;\n"
            "initial-interval 1;\nbackoff-cutoff 3;\nreboot 5;\n")

    def dhclient(self):
        return ["dhclient", "-4", "-d", "-cf", self.host.dir / "dhclient.conf", "-lf", self.state / "leases", "-pf", self.state / "pid",
                "-sf", HERE / "client-hook", "-e", f"OUT={self.out}", "-e", "CONFIGURE=1", "eth0"]

    def prepare_dhcpcd(self):
        (self.host.dir / "dhcpcd.conf").write_text(
            "ipv4only\nnoipv4ll\nrelease\nclientid\noption domain_name_servers, domain_name, interface_mtu, ntp_servers, "
            f"classless_static_routes, routers\nscript {HERE / 'client-hook'}\nenv OUT={self.out}\n")

    def dhcpcd(self):
        return ["sh", "-c", 'mount --bind "$0" /var/lib/dhcpcd; mkdir -p /run/dhcpcd; exec dhcpcd -B -f "$1" eth0', self.state,
                self.host.dir / "dhcpcd.conf"]

    def prepare_networkd(self):
        (self.host.dir / "eth0.network").write_text(
            "[Match]\nName=eth0\n[Network]\nDHCP=ipv4\nIPv6AcceptRA=no\nLinkLocalAddressing=no\n"
            "[DHCPv4]\nClientIdentifier=mac\nUseMTU=yes\nUseDomains=yes\n")

    def networkd(self):
        # /sys read-only: otherwise it waits for a udev that is not here
        script = ('mount -o remount,ro,bind /sys; mkdir -p /run/systemd/network /run/systemd/netif/leases /run/systemd/netif/links '
                  '/run/systemd/netif/lldp; cp "$0" /run/systemd/network/; chown -R systemd-network /run/systemd/netif; '
                  'exec /usr/lib/systemd/systemd-networkd')
        return ["sh", "-c", script, self.host.dir / "eth0.network"]

    def told(self):
        """What the client says that it was told, under common names; None without a lease."""
        if self.name == "networkd":
            return self.told_networkd()
        if not self.out.exists():
            return None
        env = dict(line.split("=", 1) for line in self.out.read_text().splitlines() if "=" in line)
        if self.name == "udhcpc":
            keys = {"ip": "ip", "router": "router", "dns": "dns", "domain": "domain", "mtu": "mtu", "ntp": "ntpsrv"}
            routes = routes_of(env.get("staticroutes", "").split())
        else:
            keys = {"ip": "new_ip_address", "router": "new_routers", "dns": "new_domain_name_servers", "domain": "new_domain_name",
                    "mtu": "new_interface_mtu", "ntp": "new_ntp_servers"}
            routes = (routes_of(env.get("new_classless_static_routes", "").split()) if self.name == "dhcpcd" else
                      {("default", "10.77.0.1") if octets == "0 10 77 0 1" else octets for octets in
                       env.get("new_rfc3442_classless_static_routes", "").split("  ")})
        return {key: env.get(name) for key, name in keys.items()} | {"routes": routes, "env": env}

    def told_networkd(self):
        leases = Path(f"/proc/{self.process.pid}/root/run/systemd/netif/leases")
        files = list(leases.iterdir()) if leases.exists() else []
        if not files:
            return None
        said = dict(line.split("=", 1) for line in files[0].read_text().splitlines() if "=" in line)
        keys = {"ip": "ADDRESS", "router": "ROUTER", "dns": "DNS", "domain": "DOMAINNAME", "mtu": "MTU", "ntp": "NTP"}
        routes = {tuple(route.split(",")) for route in said.get("CLASSLESS_ROUTES", "").split()}
        return {key: said.get(name) for key, name in keys.items()} | {
            "routes": {("default" if net == "0.0.0.0/0" else net, gateway) for net, gateway in routes}, "env": said}

    # ---- its life

    def start(self):
        self.out.unlink(missing_ok=True)
        with open(self.host.dir / "log", "ab") as log:
            self.process = subprocess.Popen(self.host.isolated(*getattr(self, self.name)()), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, start_new_session=True)

    def bound(self):
        """The address that it has. What else it is told comes with it."""
        said = self.told()
        return said["ip"] if said and said["ip"] else None

    def end(self, sig):
        """The client ends, and everything that it started."""
        if self.process is not None:
            pids = run("ip", "netns", "pids", self.host.ns).stdout.split()
            self.process.send_signal(sig)
            self.process.wait(timeout=20)
            self.process = None
            if sig == signal.SIGKILL and pids:
                run("kill", "-KILL", *pids, check=False)

    def log(self):
        return (self.host.dir / "log").read_text(errors="replace")[-3000:]


class Wire:
    """What the segment's ports have seen of the systems so far."""

    def __init__(self, lab, systems):
        self.capture = Capture(lab, [system.host.name for system in systems])

    def seen(self, mac, since=0.0):
        return [seen for seen in self.capture.reader.read() if seen.mac == mac and seen.at >= since]

    def sent(self, mac, kind, since=0.0):
        """Messages of a kind, once each: those that the host or a node put on the wire."""
        return [seen for seen in self.seen(mac, since) if seen.kind == kind and seen.sent]

    def renewed(self, mac, since=0.0):
        """ACKs to a REQUEST of a client that had its address."""
        asked = {seen.xid for seen in self.sent(mac, "request", since) if seen.ciaddr != "0.0.0.0"}
        return [seen for seen in self.sent(mac, "ack", since) if seen.xid in asked]

    def close(self):
        self.capture.close()


@pytest.fixture(scope="module")
def systems(lab):
    """All clients at once, started and bound, by name."""
    lab.nodes[0].pxectl("subnet", "set", "lab", "--lease", f"{LEASE_S}s", "--dns", "10.77.0.2,10.77.0.3", "--domain", "lab.example",
                        "--ntp", "10.77.0.4", "--mtu", "1400",
                        "--option", "classless-static-route=10.99.0.0/16 via 10.77.0.254, default via 10.77.0.1")
    every = {name: System(lab, name, number) for number, name in enumerate(NAMES, 1)}
    wire = Wire(lab, every.values())
    try:
        for system in every.values():
            system.wire = wire
            system.start()
        for system in every.values():
            wait_bound(system)
        yield every
    finally:
        for system in every.values():
            system.end(signal.SIGKILL)
        wire.close()


def wait_bound(system):
    try:
        system.ip = wait_for(f"{system.name} to be bound", system.bound, 30)
    except Exception as error:
        raise AssertionError(f"{error}\n{system.log()}") from None
    return system.ip


@pytest.fixture(params=NAMES)
def system(request, systems):
    return systems[request.param]


def test_each_gets_an_address_and_the_options_of_its_subnet(lab, system):
    said = system.told()
    assert said["ip"].startswith("10.77.0.1")
    assert said["dns"].split() == ["10.77.0.2", "10.77.0.3"], said
    assert said["domain"] == "lab.example" and said["mtu"] == "1400" and said["ntp"] == "10.77.0.4", said
    if system.name == "dhclient":  # shows the option's bytes
        numbers = said["env"]["new_rfc3442_classless_static_routes"]
        assert numbers == "16 10 99 10 77 0 254 0 10 77 0 1", said
    else:
        assert said["routes"] == ROUTES, said
    listed = {lease["mac"]: lease["ip"] for lease in lab.nodes[2].json("lease", "list")["leases"]}
    assert listed[system.mac] == said["ip"]


def test_networkd_does_as_it_was_told(systems):
    """The kernel's own view of the one client here that configures everything by itself."""
    ns = systems["networkd"].host.ns
    wait_for("the MTU", lambda: "mtu 1400" in run("ip", "-n", ns, "link", "show", "eth0").stdout, 10)
    table = run("ip", "-n", ns, "route").stdout
    assert "default via 10.77.0.1" in table and "10.99.0.0/16 via 10.77.0.254" in table, table


def test_ipconfig_of_an_initramfs_finds_its_address_again(systems, client):
    """klibc's, which asks once and leaves what it was told in a file."""
    def ask():
        said = client.run("sh", "-c", "/usr/lib/klibc/bin/ipconfig -t 20 -c dhcp eth0 >&2 && cat /run/net-eth0.conf").stdout
        return {name: value.strip("'") for name, value in (line.split("=", 1) for line in said.splitlines() if "=" in line)}
    first = ask()
    assert first["IPV4ADDR"].startswith("10.77.0.1") and first["IPV4NETMASK"] == "255.255.255.0", first
    routes = {(first[f"IPV4ROUTE{n}SUBNET"].replace("0.0.0.0/0", "default"), first[f"IPV4ROUTE{n}GATEWAY"]) for n in (0, 1)}
    assert routes == ROUTES and first["DNSDOMAIN"] == "lab.example", first
    assert (first["IPV4DNS0"], first["IPV4DNS1"]) == ("10.77.0.2", "10.77.0.3"), first
    client.forget_address()
    assert ask()["IPV4ADDR"] == first["IPV4ADDR"]


def test_each_renews_and_keeps_its_address(system):
    acks = wait_for(f"{system.name} to renew", lambda: system.wire.renewed(system.mac), 2 * LEASE_S)
    assert {ack.ip for ack in acks} == {system.ip}
    assert all(ack.lease == LEASE_S for ack in acks)
    assert not system.wire.sent(system.mac, "nak") and not system.wire.sent(system.mac, "decline")


def test_each_keeps_its_address_while_the_node_it_renews_at_is_dead_and_after(healthy, systems):
    """The server identifier is the first node's address: with it dead nobody hears a unicast renewal; a broadcast one is answered by
    any node, before the lease ends."""
    healthy.nodes[0].kill(signal.SIGKILL)
    dead = time.time()
    for system in systems.values():
        acks = wait_for(f"{system.name} to be answered by another node", lambda s=system: s.wire.renewed(s.mac, dead), 2 * LEASE_S)
        assert {ack.ip for ack in acks} == {system.ip} and "n1" not in {ack.port for ack in acks}
    healthy.nodes[0].start()
    healthy.wait_serving()
    back = time.time()
    for system in systems.values():
        acks = wait_for(f"{system.name} to renew again", lambda s=system: s.wire.renewed(s.mac, back), 2 * LEASE_S)
        assert {ack.ip for ack in acks} == {system.ip}
        assert not system.wire.sent(system.mac, "discover", dead), f"{system.name} lost its lease\n{system.log()}"


def test_each_has_its_address_again_after_a_crash(healthy, systems):
    """The machine is cut off without a word and comes back while another node than before may answer."""
    for system in systems.values():
        system.end(signal.SIGKILL)
        system.host.forget_address()
    began = time.time()
    before = {name: system.ip for name, system in systems.items()}
    for system in systems.values():  # all at once: the leases of 20 s that they remember still run
        system.start()
    for name, system in systems.items():
        assert wait_bound(system) == before[name], system.log()
    # dhclient and dhcpcd remember their lease: RFC 2131 §4.3.2, INIT-REBOOT
    for name in ("dhclient", "dhcpcd"):
        assert not systems[name].wire.sent(systems[name].mac, "discover", began), systems[name].log()


def test_each_gives_its_address_back(healthy, system):
    """udhcpc -R, dhclient -r, dhcpcd with `release`, networkd by itself."""
    if system.name == "dhclient":
        system.host.run(*[word if word != "-d" else "-r" for word in system.dhclient()])
    system.end(signal.SIGTERM)
    released = wait_for(f"{system.name} to release", lambda: system.wire.sent(system.mac, "release"), 10)
    assert released[-1].ciaddr == system.ip

    def free():
        states = {lease["ip"]: lease["state"] for lease in healthy.nodes[1].json("lease", "list")["leases"]}
        return states.get(system.ip) != "LEASE_BOUND"
    wait_for("the address to be free", free, 10)


def test_no_promise_was_broken_on_the_wire(systems):
    """The rules of history.py over everything that was sent here."""
    import history
    seen = systems["udhcpc"].wire.capture.reader.read()
    assert len([one for one in seen if one.kind == "ack" and one.sent]) > 2 * len(NAMES)
    assert history.check(seen) == []
