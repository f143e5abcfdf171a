"""Proxy mode with real firmware: another server gives the addresses and knows nothing of booting; three nodes say what to boot."""

import subprocess

import pytest
from conftest import GUEST
from rawclient import RawClient

from lab import wait_for, wait_machines


@pytest.fixture(scope="module")
def beside(lab):
    """A plain dnsmasq elsewhere on the segment, and the cluster in proxy mode."""
    node = lab.nodes[0]
    server = lab.client("other", "52:54:00:7c:00:fe")
    server.run("ip", "addr", "add", "10.77.0.5/24", "dev", "eth0")
    process = subprocess.Popen(
        ["ip", "netns", "exec", server.ns, "dnsmasq", "-d", "--conf-file=/dev/null", "--port=0", "--interface=eth0", "--no-ping",
         f"--dhcp-leasefile={server.dir}/leases", "--dhcp-range=10.77.0.210,10.77.0.230,1h", "--user=root"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for("the other server", lambda: ":67 " in server.run("ss", "-lun").stdout, 10)
        node.pxectl("image", "add-loaders", "ipxe", timeout=120)
        node.pxectl("image", "push", "tiny", GUEST, "--only", "vmlinuz", "--only", "initrd.img", timeout=120)
        node.pxectl("profile", "add", "tiny", "--image", "tiny", "--kernel", "vmlinuz", "--initrd", "initrd.img",
                    "--args", "console=ttyS0 quiet phone={{base_url}}/phone-home/{{mac}}")
        node.pxectl("profile", "add", "choice", "--menu-item", "Linux=tiny", "--menu-item", "Disk=local", "--menu-timeout", "3s",
                    "--menu-prompt", "Wait")
        node.pxectl("subnet", "set", "lab", "--profile", "tiny")
        node.pxectl("cluster", "set", "dhcp=proxy")
        yield lab
    finally:
        process.terminate()
        process.wait()


def boot(lab, machines):
    try:
        for machine in machines:
            machine.start()
        for marker, _ in wait_machines(machines):
            assert marker["payload"] == "ok" and marker["phone"] == "ok", marker
            assert marker["ip"].startswith("10.77.0.2"), marker
    finally:
        for machine in machines:
            machine.stop()
    assert lab.nodes[0].json("lease", "list")["leases"] == []


def test_bios_and_uefi_boot_beside_another_server(healthy, beside):
    """FIELD 29, 30, 32, 39, 40: iPXE in ROM, which waits two seconds for a proxy, and EDK2, which asks port 4011."""
    boot(healthy, [healthy.machine("b1", "52:54:00:7c:00:01", "bios"), healthy.machine("u1", "52:54:00:7c:00:02", "uefi")])


def test_a_menu_boots_its_first_item_when_nobody_chooses(healthy, beside):
    """FIELD 31, 37: iPXE's own menu, for BIOS and UEFI alike."""
    healthy.nodes[1].pxectl("subnet", "set", "lab", "--profile", "choice")
    boot(healthy, [healthy.machine("b2", "52:54:00:7c:00:03", "bios"), healthy.machine("u2", "52:54:00:7c:00:04", "uefi")])
    healthy.nodes[1].pxectl("subnet", "set", "lab", "--profile", "tiny")


def test_one_node_answers_and_another_when_it_is_dead(healthy, beside):
    """[P5] The client that a dead node would have answered is answered by a living one."""
    options = {"60": b"PXEClient:Arch:00000:UNDI:002001".hex(), "93": "0000"}
    raw = RawClient(healthy.client("m1", "52:54:00:7c:00:05"))
    try:
        def boots(xid):
            raw.ask("send", type="discover", xid=xid, broadcast=True, options=options)
            return [r for r in raw.ask("collect", seconds=2) if r["xid"] == xid and r["ip"] == "0.0.0.0"]
        heard = boots(0x7c01)
        assert len(heard) == 1, heard
        first = next(node for node in healthy.nodes if node.ip == heard[0]["from"])
        first.kill()
        heard = wait_for("another node", lambda: boots(0x7c02), 20)
        assert all(r["from"] != first.ip for r in heard), heard
        first.start()
    finally:
        raw.close()
