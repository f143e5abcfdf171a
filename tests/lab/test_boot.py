"""Real machines boot from three nodes: booted means that the booted Linux says so itself."""

import hashlib
import os
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import GUEST

from lab import run, wait_for, wait_machines


@pytest.fixture(scope="module")
def images(lab):
    node = lab.nodes[0]
    node.pxectl("image", "add-loaders", "ipxe", timeout=120)
    node.pxectl("image", "push", "tiny", GUEST, "--only", "vmlinuz", "--only", "initrd.img", timeout=120)
    node.pxectl("profile", "add", "tiny", "--image", "tiny", "--kernel", "vmlinuz", "--initrd", "initrd.img",
                "--args", "console=ttyS0 quiet phone={{base_url}}/phone-home/{{mac}}", "--own-ipxe", "yes")
    node.pxectl("subnet", "set", "lab", "--profile", "tiny")
    return lab


def booted(marker):
    assert marker["payload"] == "ok", marker
    assert marker["phone"] == "ok", marker


def test_bios_and_uefi_machines_boot(healthy, images):
    machines = [healthy.machine("b1", "52:54:00:70:00:01", "bios"), healthy.machine("u1", "52:54:00:70:00:02", "uefi")]
    watch = subprocess.Popen(
        ["ip", "netns", "exec", healthy.nodes[2].ns, str(healthy.bin / "ctl" / "pxectl"), "--dir", str(healthy.nodes[2].conf),
         "watch"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        for machine in machines:
            machine.start()
        addresses = set()
        for marker, _ in wait_machines(machines):
            booted(marker)
            addresses.add(marker["ip"])
        assert len(addresses) == 2
        # one machine, one address, through ROM, iPXE and Linux
        for machine in machines:
            mine = [lease["ip"] for lease in healthy.nodes[1].json("lease", "list")["leases"] if lease["mac"] == machine.mac]
            assert len(mine) == 1, mine
    finally:
        for machine in machines:
            machine.stop()
        watch.terminate()
        said = watch.communicate()[0]
    # any node's watch shows every stage of both boots, whichever node served it
    for machine in machines:
        assert machine.mac in said or machine.name in said, said
    for stage in ("DISCOVER", "OFFER", "ACK", "TFTP", "HTTP"):
        assert stage in said, f"no {stage} in:\n{said}"


def test_boots_go_on_with_one_node_dead(healthy, images):
    healthy.leader().kill(signal.SIGKILL)
    machine = healthy.machine("b2", "52:54:00:70:00:03", "bios")
    try:
        machine.start()
        marker, _ = machine.wait()
        booted(marker)
    finally:
        machine.stop()


def test_an_image_is_on_every_node_and_every_byte_is_right(healthy, images, client):
    client.udhcpc()
    wanted = {}
    for path in (Path(GUEST) / "vmlinuz", Path(GUEST) / "initrd.img"):
        wanted[f"tiny/{path.name}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    wanted["ipxe/undionly.kpxe"] = hashlib.sha256(Path("/usr/lib/ipxe/undionly.kpxe").read_bytes()).hexdigest()
    for node in healthy.nodes:
        for path, digest in wanted.items():
            out = client.dir / "got"
            client.run("curl", "-sS", "-f", "-o", out, f"http://{node.ip}/{path}")
            assert hashlib.sha256(out.read_bytes()).hexdigest() == digest, (node.name, path)


@pytest.mark.parametrize("tool", ["tftp-hpa", "atftp", "curl", "busybox"])
def test_tftp_clients_get_the_right_bytes(healthy, images, client, tool):
    client.udhcpc()
    path, source = "tiny/vmlinuz", Path(GUEST) / "vmlinuz"
    node = healthy.nodes[1]
    out = client.dir / "got"
    out.unlink(missing_ok=True)
    words = {"tftp-hpa": ["tftp", "-m", "binary", node.ip, "-c", "get", path, out],
             "atftp": ["atftp", "--option", "blksize 1428", "--option", "windowsize 8", "-g", "-r", path, "-l", out, node.ip],
             "curl": ["curl", "-sS", "-o", out, f"tftp://{node.ip}/{path}"],
             "busybox": ["busybox", "tftp", "-g", "-b", "1400", "-r", path, "-l", out, node.ip]}[tool]
    client.run(*words, timeout=120)
    assert hashlib.sha256(out.read_bytes()).hexdigest() == hashlib.sha256(source.read_bytes()).hexdigest()


def test_tftp_with_loss_repairs_itself(healthy, images, client):
    client.udhcpc()
    node = healthy.nodes[0]
    run("ip", "netns", "exec", client.ns, "nft", "-f", "-", input="""table netdev f {
        chain c {
            type filter hook ingress device eth0 priority 0;
            udp sport != 67 numgen inc mod 20 == 0 counter drop
        }
    }""")
    out = client.dir / "lossy"
    client.run("atftp", "--option", "blksize 1428", "-g", "-r", "ipxe/undionly.kpxe", "-l", out, node.ip, timeout=120)
    assert out.read_bytes() == Path("/usr/lib/ipxe/undionly.kpxe").read_bytes()
    dropped = run("ip", "netns", "exec", client.ns, "nft", "list", "table", "netdev", "f").stdout
    assert "packets 0 " not in dropped, "nothing was lost, so nothing was shown: " + dropped


def test_http_ranges_and_validators(healthy, images, client):
    client.udhcpc()
    base = f"http://{healthy.nodes[2].ip}/tiny/initrd.img"
    whole = (Path(GUEST) / "initrd.img").read_bytes()
    out = client.dir / "part"
    client.run("curl", "-sS", "-f", "-r", "1000-1999", "-o", out, base)
    assert out.read_bytes() == whole[1000:2000]
    head = client.run("curl", "-sS", "-I", base).stdout.lower()
    assert f"content-length: {len(whole)}" in head
    etag = next(line.split(": ", 1)[1].strip() for line in head.splitlines() if line.startswith("etag"))
    assert hashlib.sha256(whole).hexdigest() in etag
    code = client.run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"If-None-Match: {etag}", base).stdout
    assert code == "304"
    # an interrupted download goes on at another node: the same ETag, the same bytes
    half = client.dir / "resume"
    half.write_bytes(whole[:len(whole) // 2])
    client.run("curl", "-sS", "-f", "-C", "-", "-o", half, f"http://{healthy.nodes[0].ip}/tiny/initrd.img")
    assert half.read_bytes() == whole


def test_strangers_cannot_leave_the_tree_or_write(healthy, images, client):
    client.udhcpc()
    node = healthy.nodes[0]
    for path in ("/../../etc/passwd", "/tiny/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/shadow", "/blob/../../state"):
        code = client.run("curl", "-sS", "--path-as-is", "-o", "/dev/null", "-w", "%{http_code}", f"http://{node.ip}{path}").stdout
        assert code.startswith("4"), (path, code)
    code = client.run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-X", "PUT", "-d", "x", f"http://{node.ip}/tiny/x").stdout
    assert code == "405"
    done = client.run("curl", "-sS", "-T", "/etc/hostname", f"tftp://{node.ip}/tiny/x", check=False)
    assert done.returncode != 0


def test_a_pushed_image_replaces_the_old_one_everywhere_at_once(healthy, images, client):
    client.udhcpc()
    work = healthy.dir / "img"
    work.mkdir(exist_ok=True)
    for text in ("first version", "second version"):
        (work / "file.txt").write_text(text)
        healthy.nodes[0].pxectl("image", "push", "words", work, timeout=60)
        for node in healthy.nodes:
            # visible on each node as soon as that node has applied it
            wait_for(f"{node.name} to show {text}", lambda n=node, t=text: client.run(
                "curl", "-sS", f"http://{n.ip}/words/file.txt").stdout == t, 10)


def test_an_image_reaches_a_node_that_was_down_while_it_was_pushed(healthy, images, client):
    client.udhcpc()
    absent = next(node for node in healthy.nodes if node is not healthy.leader())
    absent.kill(signal.SIGKILL)
    work = healthy.dir / "late"
    work.mkdir(exist_ok=True)
    (work / "data").write_bytes(os.urandom(3_000_000))
    other = healthy.living()[0]
    other.pxectl("image", "push", "late", work, timeout=120)
    absent.start()
    want = hashlib.sha256((work / "data").read_bytes()).hexdigest()

    def same():
        done = client.run("curl", "-sS", "-f", "-o", client.dir / "late", f"http://{absent.ip}/late/data", check=False)
        return done.returncode == 0 and hashlib.sha256((client.dir / "late").read_bytes()).hexdigest() == want
    wait_for(f"{absent.name} to serve the image", same, 60)
