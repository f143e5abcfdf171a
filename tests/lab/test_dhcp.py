"""Real DHCP clients against three nodes: one server in their eyes, one state on all nodes."""

import pytest
from rawclient import RawClient

from lab import wait_for


def leases(node):
    return {lease["ip"]: lease for lease in node.json("lease", "list").get("leases", [])}


def test_udhcpc_gets_a_lease_that_all_nodes_know(healthy, client):
    bound = client.udhcpc()
    assert bound, "no lease"
    assert bound["mask"] in ("24", "255.255.255.0") and bound["router"] == "10.77.0.1" and bound["lease"] == "600"
    for node in healthy.nodes:
        wait_for(f"{node.name} to know the lease", lambda n=node: leases(n).get(bound["ip"], {}).get("mac") == client.mac, 10)


def test_udhcpc_asks_again_and_keeps_its_address(healthy, client):
    first = client.udhcpc()
    client.forget_address()
    second = client.udhcpc()
    assert first["ip"] == second["ip"]


def test_dhclient_gets_a_lease_and_keeps_it_through_init_reboot(healthy, client):
    words = ["dhclient", "-4", "-1", "-v", "-sf", "/bin/true", "-lf", client.dir / "dhclient.leases", "-pf",
             client.dir / "dhclient.pid", "eth0"]

    def bound():
        done = client.run(*words, timeout=90)
        stop = ["sh", "-c", f"kill $(cat {client.dir}/dhclient.pid)"]
        client.run(*stop, check=False)
        lines = done.stderr + done.stdout
        return lines, lines.split("bound to ")[1].split()[0]
    _, first = bound()
    lines, second = bound()
    assert first == second
    assert "DHCPDISCOVER" not in lines, "init-reboot needs no DISCOVER:\n" + lines


def test_a_reservation_gives_the_address_and_moves_with_it(healthy, client):
    node = healthy.nodes[1]
    node.pxectl("host", "add", "res1", "--mac", client.mac, "--ip", "10.77.0.60", "--hostname", "res-one")
    bound = client.udhcpc()
    assert bound["ip"] == "10.77.0.60" and bound["hostname"] == "res-one"


def test_an_ignored_host_hears_nothing(healthy, client):
    healthy.nodes[0].pxectl("host", "add", "blocked", "--mac", client.mac, "--ignore", "yes")
    raw = RawClient(client)
    try:
        assert raw.discover(tries=3) is None
    finally:
        raw.close()


def test_one_server_identifier_whoever_answers(healthy, client):
    raw = RawClient(client)
    try:
        seen = set()
        for number in range(24):
            offer = raw.discover(mac=f"52:54:00:7a:00:{number:02x}")
            assert offer and offer["type"] == "offer"
            seen.add((offer["server"], ))
            ack = raw.request(mac=f"52:54:00:7a:00:{number:02x}", requested=offer["ip"], server=offer["server"])
            assert ack["type"] == "ack" and ack["ip"] == offer["ip"]
        assert len(seen) == 1
    finally:
        raw.close()


def test_exactly_one_node_answers_a_first_discover_when_all_live(healthy, client):
    raw = RawClient(client)
    try:
        raw.lease()
        raw.ask("send", type="discover", xid=4711)
        answers = [reply for reply in raw.ask("collect", seconds=1.5) if reply["xid"] == 4711]
        assert len(answers) == 1, answers
    finally:
        raw.close()


def test_release_gives_the_address_back_and_decline_quarantines_it(healthy, client):
    raw = RawClient(client)
    try:
        ack = raw.lease()
        raw.ask("send", type="release", ciaddr=ack["ip"], server=ack["server"])
        wait_for("the release", lambda: leases(healthy.nodes[0]).get(ack["ip"], {}).get("state") != "LEASE_BOUND", 10)
        ack = raw.lease()
        raw.ask("send", type="decline", requested=ack["ip"], server=ack["server"])
        wait_for("the quarantine", lambda: leases(healthy.nodes[2]).get(ack["ip"], {}).get("state") == "LEASE_DECLINED", 10)
        again = raw.lease()
        assert again["ip"] != ack["ip"]
    finally:
        raw.close()


def test_nak_only_for_what_the_cluster_knows(healthy, client):
    raw = RawClient(client)
    try:
        # an address of another network: NAK
        answer = raw.request(requested="192.168.99.5", tries=3)
        assert answer and answer["type"] == "nak"
        # an address of ours that the cluster knows nothing about: silence, the client starts over
        assert raw.request(requested="10.77.0.198", tries=2) is None
        # somebody else's address: NAK
        other = raw.lease(mac="52:54:00:7b:00:01")
        answer = raw.request(requested=other["ip"], tries=3)
        assert answer and answer["type"] == "nak"
    finally:
        raw.close()


def test_renewing_and_rebinding(healthy, client):
    raw = RawClient(client)
    try:
        ack = raw.lease()
        renewed = raw.request(ciaddr=ack["ip"])  # broadcast with ciaddr: rebinding
        assert renewed["type"] == "ack" and renewed["ip"] == ack["ip"]
        inform = raw.repeat("inform", 5, ciaddr=ack["ip"])
        assert inform["type"] == "ack" and inform["ip"] == "0.0.0.0" and inform["lease"] is None
    finally:
        raw.close()


def test_malformed_packets_are_counted_and_hurt_nobody(healthy, client):
    raw = RawClient(client)
    try:
        for value in ("", "ff" * 200, "00", "0104"):
            raw.ask("send", type="discover", options={"61": value, "82": value, "93": value, "97": value, "77": value, "57": value})
        ack = raw.lease()
        assert ack["type"] == "ack"
    finally:
        raw.close()
    assert all(node.alive() for node in healthy.nodes)


@pytest.mark.parametrize("who", ["bios", "uefi-x64", "ipxe"])
def test_pxe_clients_are_told_what_to_load(healthy, bootable, client, who):
    node = healthy.nodes[0]
    node.pxectl("host", "add", f"m-{who}", "--mac", client.mac, "--profile", "tiny")
    options = {"60": b"PXEClient:Arch:00000:UNDI:002001".hex(), "93": "0007" if who == "uefi-x64" else "0000", "94": "010201",
               "97": "00" + "11" * 16}
    if who == "ipxe":
        options["77"] = b"iPXE".hex()
    raw = RawClient(client)
    try:
        ack = raw.lease(options=options)
    finally:
        raw.close()
    expected = {"bios": "undionly.kpxe", "uefi-x64": "snponly.efi", "ipxe": "http://"}[who]
    assert expected in ack["file"], ack
    assert ack["siaddr"] in [n.ip for n in healthy.nodes]
    assert bytes.fromhex(ack["options"]["67"]).rstrip(b"\0").decode() == ack["file"]
    assert ack["options"]["97"] == options["97"]
