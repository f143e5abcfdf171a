"""Proxy mode on a machine where another DHCP server holds port 67: it gives the addresses, we say what to boot, neither disturbs the
other."""

import os
import random
import subprocess

import pytest
from conftest import BUILD, finish
from rawclient import RawClient

from lab import Lab, remove, wait_for

PXE = {"60": b"PXEClient:Arch:00000:UNDI:002001".hex(), "93": "0000", "94": "010201", "97": "00" + "77" * 16}


@pytest.fixture(scope="module")
def lab(request):
    """One node beside dnsmasq in the same namespace; the cluster was made while dnsmasq ran."""
    name = f"pxp{os.getpid() % 10000}"
    other = None
    try:
        lab = Lab(name, nodes=1, build=BUILD)
        lab.up()
        node = lab.nodes[0]
        other = subprocess.Popen(
            ["ip", "netns", "exec", node.ns, "dnsmasq", "-d", "--conf-file=/dev/null", "--port=0", "--interface=eth0", "--bind-interfaces",
             "--dhcp-authoritative", "--no-ping", f"--dhcp-leasefile={lab.dir}/other.leases",
             "--dhcp-range=10.77.0.200,10.77.0.220,1h", "--user=root"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("the other server", lambda: ":67 " in node.exec("ss", "-lun").stdout, 10)
        done = node.pxectl("cluster", "init", "--name", "lab", "--interface", "eth0", "--node-name", node.name,
                           "--data", node.dir / "data", "--socket", node.dir / "run" / "api.sock", "--no-start")
        lab.said_at_init = done.stderr
        node.start()
        lab.other = other
        yield lab
        finish(lab)
    finally:
        if other is not None and other.poll() is None:
            other.terminate()
            other.wait()
        remove(name)


@pytest.fixture(scope="module")
def machine(lab):
    raw = RawClient(lab.client("m1", "52:54:00:7b:00:01"))
    yield raw
    raw.close()


def test_a_server_on_this_machine_is_found_and_lived_with(lab):
    """pxed starts beside it, silent; doctor says by whom the port is held."""
    node = lab.nodes[0]
    assert "a DHCP server runs on this machine already: dnsmasq (pid" in lab.said_at_init
    assert node.json("status")["dhcp"] == "off"
    assert "is in use by dnsmasq" in node.log.read_text()
    assert "which this node works beside" in node.pxectl("doctor", check=False).stdout


def replies(machine, seconds=3, **more):
    """Every answer to one DISCOVER."""
    xid = random.getrandbits(32)
    machine.ask("send", type="discover", xid=xid, broadcast=True, **more)
    return [reply for reply in machine.ask("collect", seconds=seconds) if reply["xid"] == xid]


def test_each_server_does_its_own_part(lab, machine, files):
    """dnsmasq gives the address, we the boot program; ours leaves from port 67, which dnsmasq holds."""
    node = lab.nodes[0]
    node.pxectl("image", "add-loaders", "ipxe", timeout=120)
    node.pxectl("image", "push", "tiny", files, timeout=120)
    node.pxectl("profile", "add", "tiny", "--image", "tiny", "--kernel", "vmlinuz")
    node.pxectl("cluster", "set", "profile=tiny")
    node.pxectl("cluster", "set", "dhcp=proxy")
    heard = wait_for("both to answer", lambda: len(got := replies(machine, options=PXE)) >= 2 and got, 30)
    addresses = [reply for reply in heard if reply["ip"] != "0.0.0.0"]
    boots = [reply for reply in heard if reply["ip"] == "0.0.0.0"]
    assert len(addresses) == 1 and addresses[0]["ip"].startswith("10.77.0.2"), heard
    assert "60" not in addresses[0]["options"]
    assert len(boots) == 1 and boots[0]["server"] == node.ip and boots[0]["from"] == node.ip, heard
    assert bytes.fromhex(boots[0]["options"]["60"]).startswith(b"PXEClient")
    assert "51" not in boots[0]["options"]


def test_a_machine_that_does_not_netboot_hears_the_other_server_alone(lab, machine):
    lab.nodes[0].pxectl("cluster", "set", "dhcp=proxy")
    heard = replies(machine)
    assert len(heard) == 1 and heard[0]["ip"] != "0.0.0.0", heard


def test_the_port_is_taken_over_when_the_other_server_ends(lab, machine):
    node = lab.nodes[0]
    lab.other.terminate()
    lab.other.wait()
    node.pxectl("cluster", "set", "dhcp=on")
    node.pxectl("subnet", "add", "lab", "10.77.0.0/24", "--lease", "10m")
    node.pxectl("pool", "add", "lab", "--subnet", "lab", "--range", "10.77.0.100-10.77.0.150")
    wait_for("port 67 to be ours", lambda: "port 67 on eth0 is ours now" in node.log.read_text(), 30)
    assert "pxed" in node.exec("ss", "-lunp", "sport", "=", ":67").stdout
    assert machine.lease()["server"] == node.ip
