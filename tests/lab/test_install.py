"""A real installer, and a machine that installs once: what a host's profile, templates, variables and one-shot boots are for."""

import os
import signal
import time
from pathlib import Path

import pytest
from conftest import GUEST

from lab import DISK_MARKER, make_disk, wait_for

INSTALLER = Path("/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64")

PRESEED = """# for {{name}}, {{mac}}
d-i debian-installer/locale string en_US.UTF-8
d-i keyboard-configuration/xkb-keymap select us
d-i netcfg/choose_interface select auto
d-i netcfg/get_hostname string {{name}}
d-i netcfg/get_domain string {{domain}}
d-i partman-auto/disk string {{vars.disk}}
d-i preseed/early_command string logger -t pxe early command of {{name}}; wget -q -O /dev/null '{{phone_home}}?status=installing&text=early+command'
d-i mirror/country string manual
d-i mirror/http/hostname string {{vars.mirror}}
d-i mirror/http/directory string /debian
"""


@pytest.fixture(scope="module")
def site(lab):
    """The boot programs, a small Linux as `tiny`, and Debian's installer as `debian12`."""
    node = lab.nodes[0]
    node.pxectl("image", "add-loaders", "ipxe", timeout=120)
    node.pxectl("image", "push", "tiny", GUEST, "--only", "vmlinuz", "--only", "initrd.img", timeout=120)
    node.pxectl("image", "push", "debian12", INSTALLER, "--only", "linux", "--only", "initrd.gz", timeout=120)
    preseed = lab.dir / "preseed.cfg"
    preseed.write_text(PRESEED)
    node.pxectl("cluster", "set", "syslog=yes", "dns=10.77.0.1", "domain=lab.example", "var.mirror=10.77.0.1")
    node.pxectl("profile", "add", "tiny", "--image", "tiny", "--kernel", "vmlinuz", "--initrd", "initrd.img",
                "--args", "console=ttyS0 quiet phone={{phone_home}}", "--own-ipxe", "yes")
    node.pxectl("profile", "add", "debian12", "--image", "debian12", "--kernel", "linux", "--initrd", "initrd.gz",
                "--template", f"preseed.cfg={preseed}", "--own-ipxe", "yes", "--args",
                "console=ttyS0 auto=true priority=critical DEBIAN_FRONTEND=text url={{base_url}}/t/{{mac_dash}}/preseed.cfg "
                "log_host={{syslog}} --- quiet", "--var", "disk=/dev/vda")
    return lab


def events(lab, mac):
    """What all nodes logged of the machine."""
    return [line for node in lab.nodes for line in node.log.read_text(errors="replace").splitlines() if mac in line]


def installs(lab, machine, name):
    """Start it; until the installer has its own preseed and its words have arrived."""
    machine.start()
    wait_for(f"{name} to fetch its preseed", lambda: any(
        "preseed.cfg" in line and "HTTP done" in line for line in events(lab, name)), timeout=240, every=1)
    wait_for("the early command to report", lambda: any(
        "early command" in line for line in lab.nodes[1].pxectl("boot", "log", machine.mac).stdout.splitlines()), 60, every=1)


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_debians_installer_fetches_its_own_preseed_and_its_log_arrives(healthy, site, firmware):
    name = f"di-{firmware}"
    mac = {"bios": "52:54:00:71:00:01", "uefi": "52:54:00:71:00:02"}[firmware]
    node = healthy.nodes[0]
    if firmware == "bios":  # as an operator installs: one boot, over for the cluster before the preseed is fetched
        node.pxectl("host", "add", name, "--mac", mac, "--profile", "local")
        node.pxectl("boot", "once", name, "debian12")
    else:
        node.pxectl("host", "add", name, "--mac", mac, "--profile", "debian12")
    machine = healthy.machine(f"i{firmware[0]}", mac, firmware, memory=1024)
    try:
        installs(healthy, machine, name)
    finally:
        machine.stop()
    log = healthy.nodes[2].pxectl("boot", "log", mac).stdout
    assert f"early command of {name}" in log, log  # by syslog, from the preseed made for this machine
    assert "netcfg" in log, log  # the installer's own lines
    history = healthy.nodes[1].json("boot", "history", name)["boots"]
    stages = [step.get("stage") for step in history[0]["steps"]]
    for stage in ("STAGE_SCRIPT", "STAGE_KERNEL", "STAGE_INITRD", "STAGE_TEMPLATE"):
        assert stage in stages, (stage, history[0])
    assert history[0]["profile"] == "debian12"


def once(lab, host):
    """Its one-shot boot, as a node that did not serve it knows it."""
    return lab.nodes[2].json("boot", "show", host)


def boots_its_disk(machine):
    machine.start()
    try:
        wait_for(f"{machine.name} to boot its disk", lambda: DISK_MARKER in machine.console(), 120, every=0.5)
        assert "PXECLUSTER-BOOTED" not in machine.console()
    finally:
        machine.stop()


@pytest.fixture
def diskful(healthy, site, tmp_path, request):
    """A machine with an installed disk, and its host: it boots the disk unless it is told otherwise."""
    number = next(healthy.numbers)
    mac = f"52:54:00:72:00:{number:02x}"
    name = f"once{number}"
    healthy.nodes[0].pxectl("host", "add", name, "--mac", mac, "--profile", "local")
    machine = healthy.machine(f"o{number}", mac, "bios", disk=make_disk(tmp_path / "disk"))
    yield name, machine
    machine.stop()


def test_a_machine_installs_once_and_then_boots_its_disk(healthy, diskful):
    name, machine = diskful
    healthy.nodes[0].pxectl("boot", "once", name, "tiny")
    assert once(healthy, name)["state"] == "ONCE_ARMED"
    machine.start()
    marker, _ = machine.wait()
    assert marker["payload"] == "ok" and marker["phone"] == "ok", marker
    wait_for("the boot to be over", lambda: once(healthy, name)["state"] == "ONCE_DONE", 20)
    assert once(healthy, name)["tries"] == 1
    for _ in range(2):  # and no loop
        boots_its_disk(machine)


def events_of(node):
    return node.log.read_text(errors="replace").splitlines()


def test_the_node_dies_between_claim_and_kernel(healthy, diskful):
    name, machine = diskful
    healthy.nodes[0].pxectl("boot", "once", name, "tiny")
    machine.start()
    node = wait_for("the script to be made", lambda: next((n for n in healthy.nodes if any(
        "boot script" in line and name in line for line in events_of(n))), None), 120)
    node.kill(signal.SIGKILL)
    marker, _ = machine.wait()
    assert marker["payload"] == "ok", marker
    node.start()
    healthy.wait_serving()
    wait_for("the boot to be over", lambda: once(healthy, name)["state"] == "ONCE_DONE", 20)
    boots_its_disk(machine)


def test_boots_that_never_report_end_by_themselves(healthy, diskful):
    name, machine = diskful
    healthy.nodes[0].pxectl("boot", "once", name, "tiny", "--tries", "2")
    for attempt in (1, 2):
        machine.start()
        wait_for(f"attempt {attempt} to claim it", lambda a=attempt: once(healthy, name).get("tries", 0) == a, 120)
        time.sleep(0.2)
        machine.stop()  # the power fails before its system has come up
    boots_its_disk(machine)
    state = once(healthy, name)
    assert state["state"] == "ONCE_FAILED", state
    assert "without a report" in state["text"], state
    assert any("once" in line.lower() and "fail" in line.lower() for line in events(healthy, name)), events(healthy, name)[-5:]


def test_a_cancelled_boot_is_not_booted(healthy, diskful):
    name, machine = diskful
    healthy.nodes[0].pxectl("boot", "once", name, "tiny")
    healthy.nodes[1].pxectl("boot", "cancel", name)
    boots_its_disk(machine)


def test_a_boot_that_cannot_be_claimed_waits_for_the_majority(healthy, diskful):
    name, machine = diskful
    node = healthy.leader()
    node.pxectl("boot", "once", name, "tiny")
    others = [other for other in healthy.nodes if other is not node]
    for other in others:
        os.kill(other.process.pid, signal.SIGSTOP)
    try:
        machine.start()
        wait_for("the script that waits", lambda: any("boot script" in line and name in line for line in events_of(node)), 120)
        time.sleep(3)
        assert "PXECLUSTER-BOOTED" not in machine.console()
        assert DISK_MARKER not in machine.console()
    finally:
        for other in others:
            os.kill(other.process.pid, signal.SIGCONT)
    marker, _ = machine.wait()
    assert marker["payload"] == "ok", marker
    wait_for("the boot to be over", lambda: once(healthy, name)["state"] == "ONCE_DONE", 20)
