"""Every way into Linux that the boot programs of Debian know: each machine boots from three nodes by another chain, and the booted
system says so itself."""

import re
import shutil
from pathlib import Path

import pytest
from conftest import GUEST

from lab import wait_for, wait_machines

SHIM = Path("/usr/lib/shim/shimx64.efi.signed")
GRUB = Path("/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed")
SYSLINUX = [Path("/usr/lib/PXELINUX/pxelinux.0"), Path("/usr/lib/syslinux/modules/bios/ldlinux.c32")]

MACS = {name: f"52:54:00:71:00:{number:02x}" for number, name in enumerate(
    ["rom", "undi", "ovmf", "http", "own", "grub", "secure", "pxelinux", "made-grub",
     "made-secure", "made-pxelinux", "made-own"], 1)}
ARGS = "console=ttyS0 phone=http://{node}/phone-home/{mac}"


def grub_image(directory, node):
    """shim finds grubx64.efi beside itself; Debian's grubnetx64 looks for its configuration in /grub, which is the image's name."""
    directory.mkdir()
    shutil.copyfile(SHIM, directory / "shimx64.efi")
    shutil.copyfile(GRUB, directory / "grubx64.efi")
    args = ARGS.format(node=node.ip, mac="$net_default_mac")
    (directory / "grub.cfg").write_text(
        "set timeout=0\nset words=quiet\nif [ \"$lockdown\" = y ]; then\n  set words=loglevel=7\nfi\n"
        f"menuentry tiny {{\n  linux /tiny/vmlinuz {args} $words\n  initrd /tiny/initrd.img\n}}\n")


def syslinux_image(directory, node):
    """The configuration is found by the hardware address, after the UUID's was not; relative paths are in the image."""
    (directory / "pxelinux.cfg").mkdir(parents=True)
    for file in [*SYSLINUX, Path(GUEST) / "vmlinuz", Path(GUEST) / "initrd.img"]:
        shutil.copyfile(file, directory / file.name)
    mac = MACS["pxelinux"]
    (directory / "pxelinux.cfg" / f"01-{mac.replace(':', '-')}").write_text(
        f"DEFAULT tiny\nLABEL tiny\n  KERNEL vmlinuz\n  INITRD initrd.img\n  APPEND {ARGS.format(node=node.ip, mac=mac)} quiet\n")


@pytest.fixture(scope="module")
def images(lab):
    node = lab.nodes[0]
    grub_image(lab.dir / "grub", node)
    syslinux_image(lab.dir / "syslinux", node)
    node.pxectl("image", "add-loaders", "ipxe", timeout=120)
    node.pxectl("image", "push", "tiny", GUEST, "--only", "vmlinuz", "--only", "initrd.img", timeout=120)
    node.pxectl("image", "push", "grub", lab.dir / "grub", timeout=120)
    node.pxectl("image", "push", "syslinux", lab.dir / "syslinux", timeout=120)
    tiny = ["--image", "tiny", "--kernel", "vmlinuz", "--initrd", "initrd.img",
            "--args", "console=ttyS0 quiet phone={{base_url}}/phone-home/{{mac}}"]
    node.pxectl("profile", "add", "tiny", *tiny)
    node.pxectl("profile", "add", "chain", *tiny, "--own-ipxe", "yes")
    node.pxectl("profile", "add", "grub", "--image", "grub", "--loader", "uefi-x64=shimx64.efi")
    node.pxectl("profile", "add", "syslinux", "--image", "syslinux", "--loader", "bios=pxelinux.0")
    node.pxectl("subnet", "set", "lab", "--profile", "tiny")
    for name, profile in {"undi": "chain", "grub": "grub", "secure": "grub", "pxelinux": "syslinux"}.items():
        node.pxectl("host", "add", f"vm-{name}", "--mac", MACS[name], "--profile", profile)
    return lab


def fetched(lab, name):
    """The paths that nodes say they have sent to the machine, without the images' versions."""
    lines = [line.split() for node in lab.nodes for line in node.log.read_text().splitlines()]
    mine = [words for words in lines if words[2:3] in ([f"vm-{name}"], [MACS[name]]) and words[3:5] in (["TFTP", "done"], ["HTTP", "done"])]
    return {re.sub("@[0-9a-f]+", "", words[6].lstrip("/")) for words in mine}


def boot(lab, machines):
    """Machines by name and firmware; all boot, with the right bytes, and each keeps one address through all its stages. Returns what
    each of them loaded and what it said on its console."""
    made = [lab.machine(name, MACS[name], firmware) for name, firmware in machines.items()]
    try:
        for machine in made:
            machine.start()
        for machine, (marker, _) in zip(made, wait_machines(made)):
            assert marker["payload"] == "ok" and marker["phone"] == "ok", (machine.name, marker)
            mine = [lease["ip"] for lease in lab.nodes[1].json("lease", "list")["leases"] if lease["mac"] == machine.mac]
            assert mine == [marker["ip"]], machine.name
        return {machine.name: (fetched(lab, machine.name), machine.console()) for machine in made}
    finally:
        for machine in made:
            machine.stop()


def test_ipxe_as_the_rom_and_undionly_loaded_by_it(healthy, images):
    """The ROM goes to the script at once; where the profile says so it loads our own iPXE first, once and not for ever."""
    done = boot(images, {"rom": "bios", "undi": "bios"})
    linux = {"tiny/vmlinuz", "tiny/initrd.img"}
    assert done["rom"][0] == linux
    assert done["undi"][0] == {"ipxe/undionly.kpxe"} | linux


def test_uefi_by_pxe_and_by_http(healthy, images):
    """FIELD 41, FIELD 42: real firmware takes our answer to its HTTP Boot, and loads by HEAD and GET."""
    done = boot(images, {"ovmf": "uefi", "http": "uefi-http"})
    for name, scheme in (("ovmf", "TFTP"), ("http", "HTTP")):
        files, console = done[name]
        assert files == {"ipxe/snponly.efi", "tiny/vmlinuz", "tiny/initrd.img"} or "ipxe/ipxe.efi" in files, files
        assert f"{scheme}v4" in console or scheme == "TFTP", console


def test_shim_and_grub_boot_with_and_without_secure_boot(healthy, images):
    """FIELD 46: GRUB, which shim loads, finds server and prefix in the ACK. FIELD 57: its *.lst files are not there."""
    done = boot(images, {"grub": "uefi", "secure": "uefi-secure"})
    for files, _ in done.values():
        assert {"grub/shimx64.efi", "grub/grubx64.efi", "grub/grub.cfg", "tiny/vmlinuz", "tiny/initrd.img"} <= files, files
    assert "Secure boot enabled" in done["secure"][1]
    assert "Secure boot enabled" not in done["grub"][1]


def test_pxelinux_finds_its_configuration_by_hardware_address(healthy, images):
    """FIELD 57, FIELD 58: names that are not there are answered at once, so that it gets to the one that is."""
    files = boot(images, {"pxelinux": "bios"})["pxelinux"][0]
    wanted = {"pxelinux.0", "ldlinux.c32", "vmlinuz", "initrd.img", f"pxelinux.cfg/01-{MACS['pxelinux'].replace(':', '-')}"}
    assert {f"syslinux/{name}" for name in wanted} == files


ODD = "odd=$a;b #c \"two  words=d e\""


@pytest.fixture(scope="module")
def made(images):
    """The same kernel by configurations that are made, after the tests above: these images have none of their own."""
    node = images.nodes[0]
    node.pxectl("image", "add-loaders", "grub", "shim", "pxelinux", timeout=120)
    tiny = ["--image", "tiny", "--kernel", "vmlinuz", "--initrd", "initrd.img",
            "--args", f"console=ttyS0 phone={{{{base_url}}}}/phone-home/{{{{mac}}}} {ODD}"]
    for chain in ("grub", "shim", "pxelinux"):
        node.pxectl("profile", "add", f"made-{chain}", *tiny, "--chain", chain)
    for name, profile in {"made-grub": "made-grub", "made-secure": "made-shim", "made-pxelinux": "made-pxelinux"}.items():
        node.pxectl("host", "add", f"vm-{name}", "--mac", MACS[name], "--profile", profile)
    return images


def command_line(console):
    return re.search(r"Command line: (.*?)\r?\n", console).group(1)


def test_made_configurations_boot_uefi_with_and_without_secure_boot(healthy, made):
    """Nobody wrote a grub.cfg; the arguments reach the kernel as the profile says."""
    done = boot(made, {"made-grub": "uefi", "made-secure": "uefi-secure"})
    linux = {"tiny/vmlinuz", "tiny/initrd.img"}
    assert {"grub/grubx64.efi", "grub/grub.cfg"} | linux <= done["made-grub"][0], done["made-grub"][0]
    assert {"shim/shimx64.efi", "shim/grubx64.efi"} | linux <= done["made-secure"][0], done["made-secure"][0]
    assert "Secure boot enabled" in done["made-secure"][1]
    for _, console in done.values():
        assert ODD in command_line(console), command_line(console)


def test_a_made_configuration_boots_pxelinux(healthy, made):
    files, console = boot(made, {"made-pxelinux": "bios"})["made-pxelinux"]
    assert {"pxelinux/pxelinux.0", "pxelinux/ldlinux.c32", "tiny/vmlinuz", "tiny/initrd.img"} <= files, files
    assert any(name.startswith("pxelinux/pxelinux.cfg/") for name in files), files
    assert ODD in command_line(console), command_line(console)


WAITS = """if [ "$asks" != yes ]; then
  set asks=yes
  while [ "$asks" = yes ]; do
    echo 'This is {{name}}, waiting'
    sleep 2
    for node in "$node0" "$node1" "$node2"; do
      if source "$node"/grub.cfg-01-{{mac_dash}}; then
        break
      fi
    done
  done
fi
"""


def test_grub_runs_a_script_of_the_profile_which_asks_until_there_is_another(healthy, made):
    """The loop of a machine that waits, written as the profile's own script: asked in a loop, it goes on when its profile changes."""
    node, name = made.nodes[0], "made-own"
    (made.dir / "waits.cfg").write_text(WAITS)
    node.pxectl("profile", "add", "waits", "--chain", "grub", "--image", "tiny", "--grub-script", made.dir / "waits.cfg")
    node.pxectl("host", "add", f"vm-{name}", "--mac", MACS[name], "--profile", "waits")
    machine = made.machine(name, MACS[name], "uefi")
    try:
        machine.start()
        wait_for("GRUB to ask twice", lambda: machine.console().count(f"This is vm-{name}, waiting") >= 3, timeout=120)
        node.pxectl("host", "set", f"vm-{name}", "--profile", "made-grub")
        assert wait_machines([machine])[0][0]["phone"] == "ok"
        assert ODD in command_line(machine.console())
    finally:
        machine.stop()
