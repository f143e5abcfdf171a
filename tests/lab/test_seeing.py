"""What happened, to whom: timelines of boots over all nodes, log lines, machines that were seen."""

import signal
import subprocess

import pytest
from conftest import GUEST

from lab import wait_for

PROFILE = ["--image", "tiny", "--kernel", "vmlinuz", "--initrd", "initrd.img", "--own-ipxe", "yes", "--args",
           "console=ttyS0 quiet phone={{base_url}}/phone-home/{{mac}}"]


@pytest.fixture(scope="module")
def images(lab):
    node = lab.nodes[0]
    node.pxectl("image", "add-loaders", "ipxe", timeout=120)
    node.pxectl("image", "push", "tiny", GUEST, "--only", "vmlinuz", "--only", "initrd.img", timeout=120)
    node.pxectl("profile", "add", "tiny", *PROFILE)
    node.pxectl("subnet", "set", "lab", "--profile", "tiny")
    return lab


def boots(node, mac, *options):
    return node.json(*options, "boot", "history", mac).get("boots", [])


def kinds(boot):
    """The steps as words, without those that begin a transfer."""
    return [step["kind"].removeprefix("EVENT_") for step in boot["steps"] if not step["kind"].endswith("_START")]


def in_order(words, said):
    """Each word comes, after the one before it."""
    left = iter(said)
    return all(any(word == other for other in left) for word in words)


def counter(node, name):
    counters = node.json("--node", node.name, "status")["counters"]
    return int(next((c["value"] for c in counters if c["name"] == name), 0))


def test_a_boot_is_one_timeline_from_discover_to_its_report_on_every_node(healthy, images):
    machine = healthy.machine("s1", "52:54:00:71:00:01", "bios")
    try:
        machine.start()
        marker, _ = machine.wait()
    finally:
        machine.stop()
    assert marker["phone"] == "ok", marker
    for node in healthy.nodes:
        wait_for("the report in the history", lambda node=node: any(
            boot["state"] == "BOOT_REPORTED" for boot in boots(node, machine.mac, "--node", node.name)), 10)
        found = boots(node, machine.mac, "--node", node.name)
        assert len(found) == 1, found
        said = kinds(found[0])
        assert in_order(["DHCP_DISCOVER", "DHCP_OFFER", "DHCP_REQUEST", "DHCP_ACK", "TFTP_DONE", "DHCP_DISCOVER", "DHCP_ACK",
                         "SCRIPT", "HTTP_DONE", "HTTP_DONE", "SYSTEM_UP", "PHONE_HOME"], said), said
        times = [int(step["at_ms"]) for step in found[0]["steps"]]
        assert times == sorted(times)
        loader = next(step for step in found[0]["steps"] if step["kind"] == "EVENT_TFTP_DONE")
        assert "undionly.kpxe" in loader["text"] and int(loader["bytes"]) > 50000, loader
        fetched = " ".join(step["text"] for step in found[0]["steps"] if step["kind"] == "EVENT_HTTP_DONE")
        assert "vmlinuz" in fetched and "initrd.img" in fetched, fetched
    seen = wait_for("the machine in the inventory", lambda: [
        m for m in healthy.nodes[1].json("machine", "list").get("machines", []) if m["mac"] == machine.mac and m.get("ip")], 10)
    assert seen[0]["vendor_class"].startswith("PXEClient"), seen
    assert machine.mac in healthy.nodes[1].pxectl("machine", "list", "--unknown").stdout


def test_a_boot_goes_on_in_the_timeline_when_its_node_is_killed(healthy, images):
    machine = healthy.machine("s2", "52:54:00:71:00:02", "bios")

    def serving():
        for boot in boots(healthy.nodes[0], machine.mac):
            for step in boot["steps"]:
                if step["kind"] == "EVENT_HTTP_START":
                    return step["node"]
        return None

    try:
        machine.start()
        name = wait_for("a transfer of the kernel", serving, 120)
        victim = next(node for node in healthy.nodes if node.name == name)
        victim.kill(signal.SIGKILL)
        marker, _ = machine.wait()
    finally:
        machine.stop()
    assert marker["phone"] == "ok", marker
    other = next(node for node in healthy.nodes if node is not victim)
    wait_for("the report", lambda: any(b["state"] == "BOOT_REPORTED" for b in boots(other, machine.mac)), 10)
    steps = [step for boot in boots(other, machine.mac) for step in boot["steps"]]
    assert {step["node"] for step in steps} > {victim.name}, steps


def test_lines_that_a_machine_logs_are_in_its_log_and_those_of_strangers_are_not(healthy, client):
    node, other = healthy.nodes[0], healthy.nodes[1]
    assert client.udhcpc()
    node.pxectl("cluster", "set", "syslog=yes")
    line = "<11>Nov 23 04:05:06 myhost app[7]: the disk is \033[31mred"

    def send(thing):
        thing("bash", "-c", f"printf '%s' \"$0\" >/dev/udp/{node.ip}/514", line, check=False)

    def logged():
        send(client.run)
        lines = other.pxectl("boot", "log", client.mac).stdout.splitlines()
        return [said for said in lines if "app[7]" in said]
    said = wait_for("the line in the log of the machine", logged, 15, 0.3)
    assert said[-1].endswith("error: app[7]: the disk is ?[31mred"), said
    before = counter(node, "syslog_unknown")
    wait_for("a stranger's line to be counted", lambda: send(other.exec) or counter(node, "syslog_unknown") > before, 10, 0.3)


def test_history_and_log_survive_a_restart_of_all_nodes(healthy, client):
    node = healthy.nodes[0]
    node.pxectl("cluster", "set", "syslog=yes")
    machine = "52:54:00:71:00:01"
    before = boots(node, machine)
    log = node.pxectl("boot", "log", machine).stdout
    assert before and "DISCOVER" in log, log
    for one in healthy.nodes:
        one.kill(signal.SIGKILL)
    for one in healthy.nodes:
        one.start(wait=False)
    healthy.wait_serving()
    after = boots(node, machine)
    assert [kinds(boot) for boot in after] == [kinds(boot) for boot in before]
    assert node.pxectl("boot", "log", machine).stdout == log


def test_the_next_unknown_machine_is_adopted(healthy, images, client):
    node = healthy.nodes[2]
    adopt = subprocess.Popen(
        ["ip", "netns", "exec", node.ns, str(healthy.bin / "ctl" / "pxectl"), "--dir", str(node.conf), "--timeout", "60s", "host",
         "adopt", "n21", "--next", "--ip", "auto"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    machine = healthy.machine("s3", "52:54:00:71:00:03", "bios")
    try:
        assert "waiting" in adopt.stdout.readline()
        machine.start()
        said = adopt.communicate(timeout=90)[0]
    finally:
        machine.stop()
        adopt.kill()
    assert adopt.returncode == 0, said
    host = node.json("host", "show", "n21")
    assert host["mac"] == [machine.mac], host
    assert host["ip"].startswith("10.77.0."), host
    wait_for("the machine by its name in the inventory", lambda: "n21" in node.pxectl("machine", "list").stdout, 15)


def test_what_is_armed_is_shown_and_cancelled(healthy, images):
    node = healthy.nodes[1]
    for name in ("r01", "r02"):
        node.pxectl("host", "add", name, "--mac", f"52:54:00:71:01:{name[1:]}")
    said = node.pxectl("boot", "once", "r[01-02]", "tiny", "--tries", "2").stdout
    assert "r01" in said and "r02" in said, said
    assert node.json("boot", "show", "r02")["state"] == "ONCE_ARMED"
    wait_for("the event on another node", lambda: "armed tiny" in healthy.nodes[0].pxectl("boot", "log", "r01").stdout, 10)
    node.pxectl("boot", "cancel", "r0*")
    assert node.pxectl("boot", "show", "r01", check=False).returncode == 6
    assert node.pxectl("boot", "once", "r01", "no-such-profile", check=False).returncode != 0
