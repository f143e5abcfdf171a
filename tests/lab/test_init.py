"""cluster init looks for other DHCP servers before the first node answers anybody."""

import os
import subprocess

import pytest
from conftest import BUILD

from lab import PREFIX, Lab, wait_for


@pytest.fixture
def fresh():
    """A node's machine that is no node yet."""
    with Lab(f"pxi{os.getpid() % 10000}", nodes=1, build=BUILD) as lab:
        yield lab


def init(node):
    return node.pxectl("cluster", "init", "--name", "lab", "--interface", "eth0", "--data", node.dir / "data",
                       "--socket", node.dir / "run" / "api.sock", "--no-start").stderr


def test_a_dnsmasq_that_pings_before_its_offer_is_found(fresh, tmp_path):
    """dnsmasq as it is delivered waits three seconds for an answer to its ping."""
    machine = fresh.client("other", "52:54:00:79:0f:01")
    fresh.sw("ip", "-n", machine.ns, "addr", "add", f"{PREFIX}.3/24", "dev", "eth0")
    log = tmp_path / "dnsmasq.log"
    with open(log, "w") as out:
        process = subprocess.Popen(
            ["ip", "netns", "exec", machine.ns, "dnsmasq", "-d", "--conf-file=/dev/null", "--port=0", "--interface=eth0",
             f"--dhcp-range={PREFIX}.60,{PREFIX}.80,2m", f"--dhcp-leasefile={tmp_path}/leases"],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        wait_for("dnsmasq to run", lambda: "DHCP, IP range" in log.read_text(), timeout=20)
        said = init(fresh.nodes[0])
        assert f"another DHCP server answers on this segment: {PREFIX}.3" in said and "stays silent" in said, said
    finally:
        process.kill()
        process.wait()
    fresh.nodes[0].start()
    assert fresh.nodes[0].json("status")["dhcp"] == "off"


def test_a_node_alone_on_its_segment_answers(fresh):
    assert "another DHCP server" not in init(fresh.nodes[0])
    fresh.nodes[0].start()
    assert fresh.nodes[0].json("status")["dhcp"] == "on"
