"""The segment has others on it: a second DHCP server, a machine that took an address by itself. And how a node tells of itself: doctor,
metrics."""

import os
import re
import subprocess

import pytest
from conftest import BUILD, finish

from lab import Lab, remove, run, wait_for

ROGUE = "10.77.0.250"
SQUATTED = "10.77.0.100"


@pytest.fixture(scope="module")
def lab(request):
    """One formed node with a pool of two addresses, of which a machine of its own has taken the first."""
    name = f"pxw{os.getpid() % 10000}"
    try:
        lab = Lab(name, nodes=2, build=BUILD)
        lab.up()
        init(lab.nodes[0], "cluster", "--dhcp", "on")
        first = lab.nodes[0]
        first.start()
        first.pxectl("subnet", "add", "lab", "10.77.0.0/24", "--gateway", "10.77.0.1", "--lease", "10m")
        first.pxectl("pool", "add", "lab", "--subnet", "lab", "--range", f"{SQUATTED}-10.77.0.101")
        lab.wait_serving()
        yield lab
        finish(lab)
    finally:
        remove(name)


def init(node, cluster, *more, **kwargs):
    return node.pxectl("cluster", "init", "--name", cluster, "--interface", "eth0", "--node-name", node.name,
                       "--data", node.dir / "data", "--socket", node.dir / "run" / "api.sock", "--no-start", *more, **kwargs)


def unplug(lab, port):
    """Its end of the cable goes at once; that of a deleted namespace goes some time later."""
    lab.sw("ip", "link", "del", port)
    run("ip", "netns", "del", f"{lab.name}-{port}")


@pytest.fixture
def rogue(lab):
    """dnsmasq on the segment; what a colleague plugged in."""
    ns = f"{lab.name}-rogue"
    lab.add_host(ns, "rogue", None, f"{ROGUE}/24")
    process = subprocess.Popen(
        ["ip", "netns", "exec", ns, "dnsmasq", "-d", "--conf-file=/dev/null", "--port=0", "--interface=eth0", "--bind-interfaces",
         "--dhcp-authoritative", "--no-ping", f"--dhcp-leasefile={lab.dir}/rogue.leases", "--dhcp-range=10.77.0.240,10.77.0.245,1h",
         "--user=root"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for("the other server", lambda: ":67 " in run("ip", "netns", "exec", ns, "ss", "-lun").stdout, 10)
        yield ns
    finally:
        process.terminate()
        process.wait()
        unplug(lab, "rogue")


def counters(node):
    return {c["name"]: int(c["value"]) for c in node.json("status").get("counters", [])}


def metrics(node):
    done = node.exec("curl", "-sf", f"http://{node.ip}/metrics", check=False)
    return done.stdout if done.returncode == 0 else ""


def value(text, name):
    found = re.search(rf"(?m)^{re.escape(name)} (\S+)$", text)
    return float(found.group(1)) if found else None


def test_an_address_that_a_machine_took_by_itself_is_never_offered(lab):
    """RFC 2131 3.1: the address is asked for first; who answers keeps it, and it rests."""
    node = lab.nodes[0]
    ns = f"{lab.name}-squat"
    lab.add_host(ns, "squat", None, f"{SQUATTED}/24")
    first = lab.client("c1", "52:54:00:7a:00:01")
    second = lab.client("c2", "52:54:00:7a:00:02")
    leased = first.udhcpc("-B")
    assert leased["ip"] == "10.77.0.101"
    assert second.udhcpc("-B", "-t", "3") is None
    held = {lease["ip"]: lease for lease in node.json("lease", "list")["leases"]}
    assert held[SQUATTED]["state"] == "LEASE_DECLINED"
    assert counters(node)["dhcp_probe_taken"] >= 1
    assert f"{SQUATTED} is used on eth0 by" in node.log.read_text()
    unplug(lab, "squat")


def test_doctor_finds_a_sound_node_sound(lab):
    """Alone and with a clock that nobody keeps it warns; nothing is bad but the pool, which the test above has filled."""
    node = lab.nodes[0]
    done = node.pxectl("doctor", check=False)
    lines = {line.split(None, 1)[1].strip().split("  ")[0]: line.split()[0] for line in done.stdout.splitlines()}
    assert lines["interface"] == lines["port 67"] == lines["port 4011"] == lines["port 69"] == lines["port 80"] == "ok", done.stdout
    assert lines["port 7440"] == lines["DHCP"] == lines["node pxe1"] == lines["disk"] == "ok", done.stdout
    assert lines["quorum"] == "warn", done.stdout
    assert lines["pool lab"] == "bad" and done.returncode == 1, done.stdout
    assert [level for level in lines.values() if level == "bad"] == ["bad"], done.stdout
    found = node.json("doctor", check=False)["findings"]
    assert {f["what"]: f["level"] for f in found}["port 67"] == "ok"


def test_doctor_names_who_holds_a_port_and_what_to_do(lab):
    node = lab.nodes[0]
    node.kill(15)
    holder = subprocess.Popen(["ip", "netns", "exec", node.ns, "/usr/bin/python3", "-m", "http.server", "80"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for("the other server", lambda: ":80 " in node.exec("ss", "-ltn").stdout, 10)
        done = node.pxectl("doctor", check=False)
        assert done.returncode == 1
        assert re.search(r"(?m)^bad +port 80 .*python3 \(pid \d+\)", done.stdout), done.stdout
        assert re.search(r"(?m)^bad +cluster .*no node answers", done.stdout), done.stdout
    finally:
        holder.kill()
        holder.wait()
        node.start()
        lab.wait_serving()


def test_doctor_loads_a_boot_program_as_a_machine_would(lab, files):
    """By TFTP and by HTTP, from each node; without one for an architecture it says so."""
    node = lab.nodes[0]
    done = node.pxectl("doctor", check=False)
    assert re.search(r"(?m)^warn +boot bios +unknown machines boot nothing", done.stdout), done.stdout
    node.pxectl("image", "add-loaders", "ipxe", timeout=120)
    node.pxectl("image", "push", "tiny", files, timeout=120)
    node.pxectl("profile", "add", "tiny", "--image", "tiny", "--kernel", "vmlinuz")
    node.pxectl("cluster", "set", "profile=tiny")
    done = node.pxectl("doctor", check=False)
    assert re.search(r"(?m)^ok +boot bios +\S", done.stdout), done.stdout
    assert re.search(r"(?m)^ok +files of pxe1 +\S+, \d{5,} bytes by TFTP and HTTP", done.stdout), done.stdout


def test_metrics_are_sums_and_tell_of_no_machine(lab):
    node = lab.nodes[0]
    machine = lab.client("c3", "52:54:00:7a:00:03")
    node.pxectl("host", "add", "secretname", "--mac", machine.mac, "--ip", "10.77.0.50")
    assert machine.udhcpc("-B")["ip"] == "10.77.0.50"
    text = wait_for("metrics that know of the lease", lambda: (
        got := metrics(node)) and (value(got, "pxecluster_dhcp_ack_sent_total") or 0) >= 1 and got, 40, every=0.5)
    assert value(text, "pxecluster_quorum") == 1
    assert value(text, 'pxecluster_raft_role{role="leader"}') == 1
    assert value(text, "pxecluster_isolated") == 0
    assert value(text, 'pxecluster_pool_addresses{pool="lab",subnet="lab"}') == 2
    assert machine.mac not in text and "secretname" not in text and "10.77.0.50" not in text
    for line in text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) pxecluster_\w+ .+|pxecluster_\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [0-9.]+', line), line


def test_another_server_is_told_of(lab, rogue):
    """In the log, as an event, in the status and by doctor: who it is, what it gave, what to do."""
    node = lab.nodes[0]
    watch = subprocess.Popen(["ip", "netns", "exec", node.ns, str(lab.bin / "ctl" / "pxectl"), "--dir", str(node.conf), "watch"],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        stranger = lab.client("c4", "52:54:00:7a:00:04")
        got = wait_for("a lease of the other server", lambda: stranger.udhcpc("-B", "-t", "3"), 30)
        assert got["serverid"] == ROGUE
        servers = wait_for("the status to tell", lambda: node.json("status").get("foreign"), 10)
        assert [server["ip"] for server in servers] == [ROGUE]
        assert servers[0]["offered_ip"].startswith("10.77.0.24") and not servers[0].get("expected")
        shown = node.pxectl("status").stdout
        assert re.search(rf"(?m)^!  another DHCP server .*{ROGUE}.*dhcp=proxy", shown), shown
        done = node.pxectl("doctor", check=False)
        assert done.returncode == 1 and re.search(rf"(?m)^bad +DHCP servers +{ROGUE}", done.stdout), done.stdout
        assert f"another DHCP server answers on eth0: {ROGUE}" in node.log.read_text()
    finally:
        watch.terminate()
        said, _ = watch.communicate()
    assert re.search(rf"other server.*{ROGUE}|{ROGUE}.*other", said), said


def test_a_new_cluster_stays_silent_where_another_server_answers(lab, rogue):
    second = lab.nodes[1]
    done = init(second, "other")
    said = done.stderr + done.stdout
    assert f"another DHCP server answers on this segment: {ROGUE}" in said
    assert "pxectl cluster set dhcp=on" in said and "dhcp=proxy" in said
    second.start()
    try:
        assert second.json("status")["dhcp"] == "off"
        assert counters(second).get("dhcp_offer_sent", 0) == 0
        second.pxectl("cluster", "set", "dhcp=proxy")
        assert second.json("status")["dhcp"] == "proxy"
    finally:
        second.kill(15)
        second.wipe()
