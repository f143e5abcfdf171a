"""Machines behind a router with a DHCP relay: an address of their own subnet, and the relay hears what it said [RFC 3046]."""

import contextlib
import subprocess

import pytest
from rawclient import RawClient

from lab import Client, run, wait_for

CIRCUIT = "0106636972637531"  # sub-option 1, circuit-id "circu1"
RELAY, FAR_ROUTER = "10.77.0.9", "10.78.0.1"


def add_machine(lab, router, name, mac, card, gateway):
    """A machine behind the router's card, on a /24 of its own."""
    machine = Client(lab, name, mac)
    machine.dir.mkdir()
    run("ip", "netns", "add", machine.ns)
    run("ip", "link", "add", "eth0", "netns", machine.ns, "type", "veth", "peer", "name", card, "netns", router.ns)
    run("ip", "-n", machine.ns, "link", "set", "eth0", "address", mac, "up")
    run("ip", "-n", machine.ns, "link", "set", "lo", "up")
    run("ip", "-n", router.ns, "addr", "add", f"{gateway}/24", "dev", card)
    run("ip", "-n", router.ns, "link", "set", card, "up")
    for ns, end in ((machine.ns, "eth0"), (router.ns, card)):
        run("ip", "netns", "exec", ns, "ethtool", "-K", end, "tx", "off", check=False)
    return machine


@pytest.fixture(scope="module")
def relay(lab):
    """A router on the segment; its second card is subnet `far`, 10.78.0.0/24, with a pool of 20 addresses. The nodes have a route."""
    router = lab.client("relay", "52:54:00:79:01:01")
    run("ip", "-n", router.ns, "addr", "add", f"{RELAY}/24", "dev", "eth0")
    run("ip", "netns", "exec", router.ns, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    for node in lab.nodes:
        node.exec("ip", "route", "add", "10.78.0.0/24", "via", RELAY)
    router.far = add_machine(lab, router, "far", "52:54:00:79:01:02", "eth1", FAR_ROUTER)
    node = lab.nodes[0]
    node.pxectl("subnet", "add", "far", "10.78.0.0/24", "--gateway", FAR_ROUTER, "--lease", "10m")
    node.pxectl("pool", "add", "far", "--subnet", "far", "--range", "10.78.0.100-10.78.0.119")
    return router


@contextlib.contextmanager
def relaying(lab, relay, *words):
    """ISC's relay, which adds option 82 and tells all three nodes."""
    process = subprocess.Popen(relay.isolated("dhcrelay", "-4", "-d", "-a", "--no-pid", *words, *[node.ip for node in lab.nodes]),
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for("dhcrelay to listen", lambda: ":67 " in run("ip", "netns", "exec", relay.ns, "ss", "-lun").stdout, 10)
        yield relay
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture
def dhcrelay(lab, relay):
    with relaying(lab, relay, "-id", "eth1", "-iu", "eth0"):
        yield relay


@pytest.fixture
def raw(relay):
    client = RawClient(relay)
    yield client
    client.close()


def ask(raw, node, kind, agent, giaddr=FAR_ROUTER, **more):
    return raw.ask("unicast", type=kind, to=node.ip, giaddr=giaddr, options={"82": agent}, **more)


def test_a_client_behind_a_relay_gets_an_address_of_its_subnet(healthy, dhcrelay):
    far = dhcrelay.far
    bound = far.udhcpc()
    assert bound, "no lease through the relay"
    assert bound["ip"].startswith("10.78.0.1") and bound["router"] == FAR_ROUTER and bound["lease"] == "600"
    # the same address again, whoever of the nodes is dead
    for node in healthy.nodes:
        node.kill()
        far.forget_address()
        again = far.udhcpc()
        assert again and again["ip"] == bound["ip"], f"without {node.name}: {again}"
        node.start()
        healthy.wait_serving()


def test_a_lease_is_renewed_past_the_relay(healthy, dhcrelay):
    """A bound client renews by unicast to the server identifier, which routers carry; later by broadcast, through the relay."""
    bound = dhcrelay.far.udhcpc()
    raw = RawClient(dhcrelay.far)
    try:
        answer = raw.ask("unicast", type="request", to=bound["serverid"], ciaddr=bound["ip"])
        assert answer and answer["type"] == "ack" and answer["ip"] == bound["ip"]
        answer = raw.request(ciaddr=bound["ip"])
        assert answer and answer["type"] == "ack" and answer["ip"] == bound["ip"]
    finally:
        raw.close()


def test_the_relays_circuit_and_card_decide(healthy, relay):
    """Two subnets behind one relay. dhcrelay names the card that it heard the client on as the circuit: a group is made of it."""
    node = healthy.nodes[0]
    other = add_machine(healthy, relay, "far2", "52:54:00:79:01:03", "eth2", "10.80.0.1")
    for one in healthy.nodes:
        one.exec("ip", "route", "add", "10.80.0.0/24", "via", RELAY)
    node.pxectl("subnet", "add", "far2", "10.80.0.0/24", "--gateway", "10.80.0.1", "--lease", "20m")
    node.pxectl("pool", "add", "far2", "--subnet", "far2", "--range", "10.80.0.100-10.80.0.119")
    node.pxectl("group", "add", "second-card", "--match", "circuit=eth2", "--lease", "15m", "--option", "domain-name=card2.example")
    with relaying(healthy, relay, "-id", "eth1", "-id", "eth2", "-iu", "eth0"):
        relay.far.forget_address()
        first, second = relay.far.udhcpc(), other.udhcpc()
    assert first["ip"].startswith("10.78.0.1") and 590 <= int(first["lease"]) <= 600 and first["domain"] == ""
    assert second["ip"].startswith("10.80.0.1") and second["router"] == "10.80.0.1"
    assert second["lease"] == "900" and second["domain"] == "card2.example"


def test_a_relay_that_asks_from_another_link_selects_the_clients(healthy, relay):
    """dhcrelay -U: its address on the nodes' segment is the relay's, and option 82 says which link the client is on (RFC 3527)."""
    with relaying(healthy, relay, "-i", "eth1", "-U", "eth0"):
        relay.far.forget_address()
        bound = relay.far.udhcpc()
    assert bound and bound["ip"].startswith("10.78.0.1") and bound["router"] == FAR_ROUTER, bound


def test_the_relay_hears_its_option_82_in_every_answer(healthy, relay, raw):
    mac = "52:54:00:79:02:01"
    offers = [ask(raw, node, "discover", CIRCUIT, mac=mac) for node in healthy.nodes]
    for offer in offers:
        assert offer["type"] == "offer" and offer["options"]["82"] == CIRCUIT and offer["giaddr"] == FAR_ROUTER
        assert offer["ip"].startswith("10.78.0.1")
    assert len({(offer["ip"], offer["server"]) for offer in offers}) == 1, "one server in the relay's eyes"
    offer = offers[0]
    ack = ask(raw, healthy.nodes[2], "request", CIRCUIT, mac=mac, requested=offer["ip"], server=offer["server"])
    assert ack["type"] == "ack" and ack["ip"] == offer["ip"] and ack["options"]["82"] == CIRCUIT
    nak = ask(raw, healthy.nodes[1], "request", CIRCUIT, mac=mac, requested="10.77.0.150")
    assert nak["type"] == "nak" and nak["options"]["82"] == CIRCUIT
    lease = next(lease for lease in healthy.nodes[1].json("lease", "list")["leases"] if lease["mac"] == mac)
    assert lease["ip"] == offer["ip"]


def test_link_selection_and_server_identifier_override(healthy, relay, raw):
    """RFC 3527: the address is for another link than the relay's own; RFC 5107: renewals go to the relay."""
    mac = "52:54:00:79:02:02"
    agent = CIRCUIT + "05040a4e0001" + "0b040a4e0001"
    offer = ask(raw, healthy.nodes[0], "discover", agent, giaddr=RELAY, mac=mac)
    assert offer["type"] == "offer" and offer["ip"].startswith("10.78.0.1") and offer["server"] == FAR_ROUTER
    ack = ask(raw, healthy.nodes[1], "request", agent, giaddr=RELAY, mac=mac, requested=offer["ip"], server=FAR_ROUTER)
    assert ack["type"] == "ack" and ack["ip"] == offer["ip"] and ack["options"]["82"] == agent


def test_a_link_that_no_subnet_describes_is_left_alone(healthy, relay, raw):
    run("ip", "-n", relay.ns, "addr", "add", "10.79.0.1/24", "dev", "eth1")
    for node in healthy.nodes:
        node.exec("ip", "route", "add", "10.79.0.0/24", "via", RELAY)
    assert ask(raw, healthy.nodes[0], "discover", CIRCUIT, giaddr="10.79.0.1", mac="52:54:00:79:02:03", wait=1.5) is None


@pytest.mark.parametrize("agent", ["01", "0105", "01ff00", "00", "", "0504", "0b0200"])
def test_malformed_agent_options_hurt_nobody(healthy, relay, raw, agent):
    mac = "52:54:00:79:02:04"
    ask(raw, healthy.nodes[0], "discover", agent, mac=mac, wait=0.2)
    offer = ask(raw, healthy.nodes[0], "discover", CIRCUIT, mac=mac)
    assert offer["type"] == "offer" and offer["options"]["82"] == CIRCUIT
