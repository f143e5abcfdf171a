"""What was promised to whom, by the packets on the wire alone: the rules that a run of faults and clients must never break.

Pure: functions over a list of Seen, which is in the order of time, and which says of each DHCP message on which port of the segment
it was seen, and whether the host behind that port sent it. No node is asked and no file read; times are seconds of one clock.
Every rule returns its violations as lines for a person; an empty list means that the rule held.

An address counts as held from the ACK that a node sent, whether it arrived or not, until the client's REQUEST plus the lease time,
or until the client gave it up by RELEASE or DECLINE. That is what the node has promised [P1], [P2].
"""

import bisect
import datetime
import socket
import struct
from collections import defaultdict
from dataclasses import dataclass

KINDS = {1: "discover", 2: "offer", 3: "request", 4: "decline", 5: "ack", 6: "nak", 7: "release", 8: "inform"}
COOKIE = b"\x63\x82\x53\x63"
NOTHING = "0.0.0.0"
ROUNDING_S = 1.5  # leases are whole seconds


@dataclass(frozen=True)
class Seen:
    """A DHCP message at a port of the segment."""
    at: float          # seconds
    port: str          # port of the bridge
    sent: bool         # by the host behind the port; else it was delivered to that host
    kind: str          # "discover", "offer", ...
    mac: str           # the client's
    xid: int
    ip: str = NOTHING         # yiaddr
    ciaddr: str = NOTHING
    requested: str = NOTHING  # option 50
    server: str = NOTHING     # option 54
    lease: int = 0            # option 51, seconds
    source: str = NOTHING     # IP source


@dataclass(frozen=True)
class Holding:
    """One ACK: from `acked` until `until` the address is the client's."""
    ip: str
    mac: str
    asked: float
    acked: float
    until: float       # the end that the ACK names, or when the client gave it up
    port: str          # of the node that sent the ACK
    lease: int

    def __str__(self):
        return (f"{self.ip} to {self.mac}: asked {clock(self.asked)}, ACK for {self.lease} s at {clock(self.acked)} by {self.port}, "
                f"held until {clock(self.until)}")


@dataclass(frozen=True)
class Wait:
    """A client asks from `start` until an ACK was delivered at `end` (None: never seen)."""
    mac: str
    port: str
    start: float
    end: float | None


def clock(at):
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%H:%M:%S.%f")[:-3]


# ---- packets

def options_of(data):
    """The options after the cookie; those that come several times are joined. Stops at what is cut off."""
    options, at = {}, 0
    while at < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        if at + 1 >= len(data) or at + 2 + data[at + 1] > len(data):
            break
        options[data[at]] = options.get(data[at], b"") + data[at + 2:at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    return options


def parse_ip(packet, at, port, sent):
    """A Seen from an IPv4 packet, or None when it is no DHCP message of Ethernet."""
    if len(packet) < 20 or packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_UDP:
        return None
    message = packet[(packet[0] & 15) * 4 + 8:]
    if len(message) < 241 or message[236:240] != COOKIE or message[2] != 6:
        return None
    options = options_of(message[240:])
    kind = KINDS.get(options.get(53, b"\0")[0] if options.get(53) else 0)
    if kind is None:
        return None

    def address(code):
        return socket.inet_ntoa(options[code]) if len(options.get(code, b"")) == 4 else NOTHING
    lease = struct.unpack("!I", options[51])[0] if len(options.get(51, b"")) == 4 else 0
    return Seen(at, port, sent, kind, message[28:34].hex(":"), struct.unpack("!I", message[4:8])[0], socket.inet_ntoa(message[16:20]),
                socket.inet_ntoa(message[12:16]), address(50), address(54), lease, socket.inet_ntoa(packet[12:16]))


# ---- who held what

def requests_of(history):
    """(mac, xid) -> times at which the client sent a REQUEST, in order, each with the address that it asked for."""
    found = defaultdict(list)
    for seen in history:
        if seen.kind == "request" and seen.sent:
            found[seen.mac, seen.xid].append((seen.at, seen.requested if seen.requested != NOTHING else seen.ciaddr))
    return found


def latest(times, at):
    """The last entry of times that is not after `at`, or None."""
    place = bisect.bisect_right(times, at, key=lambda entry: entry[0] if isinstance(entry, tuple) else entry)
    return times[place - 1] if place else None


def given_up(history):
    """(mac, ip) -> times at which the client sent RELEASE or DECLINE for it, in order."""
    found = defaultdict(list)
    for seen in history:
        if seen.sent and seen.kind == "release":
            found[seen.mac, seen.ciaddr].append(seen.at)
        elif seen.sent and seen.kind == "decline":
            found[seen.mac, seen.requested].append(seen.at)
    return found


def holdings(history):
    """Every ACK that a node sent, as a Holding. A client counts from the last REQUEST that the ACK can be an answer to."""
    asked_at, ended_at = requests_of(history), given_up(history)
    found = []
    for seen in history:
        if seen.kind != "ack" or not seen.sent or seen.ip == NOTHING:
            continue
        request = latest(asked_at[seen.mac, seen.xid], seen.at)
        asked = request[0] if request else seen.at
        until = asked + seen.lease
        ends = ended_at.get((seen.mac, seen.ip), [])
        place = bisect.bisect_left(ends, asked)
        if place < len(ends):
            until = min(until, ends[place])
        found.append(Holding(seen.ip, seen.mac, asked, seen.at, until, seen.port, seen.lease))
    return found


# ---- the rules

def duplicates(held):
    """[P1] No address is two clients' at any instant."""
    by_ip, wrong = defaultdict(list), []
    for holding in held:
        if holding.until > holding.acked:
            by_ip[holding.ip].append(holding)
    for ip, list_of_ip in sorted(by_ip.items()):
        list_of_ip.sort(key=lambda holding: holding.acked)
        last = {}  # client -> its holding that ends last
        told = set()
        for holding in list_of_ip:
            for mac, other in last.items():
                if mac != holding.mac and other.until > holding.acked and (mac, holding.mac) not in told:
                    told.add((mac, holding.mac))
                    wrong.append(f"{ip} is held by two clients for {min(other.until, holding.until) - holding.acked:.3f} s:\n"
                                 f"    {other}\n    {holding}")
            if holding.mac not in last or last[holding.mac].until < holding.until:
                last[holding.mac] = holding
    return wrong


def wrong_naks(history, held, moved=(), quarantine_s=0):
    """[P4] A client is never refused an address that it held when it asked and still holds. `moved`: hardware addresses and
    addresses whose reservations an operator changed, so that a NAK is right. So it is for an address that the client itself declined
    less than quarantine_s ago, although a node that had not heard of that leased it again."""
    asked_at, by_client, wrong = requests_of(history), defaultdict(list), []
    declined = {}
    for holding in held:
        by_client[holding.mac, holding.ip].append(holding)
    for seen in history:
        if seen.kind == "decline":
            declined[seen.mac, seen.requested] = seen.at
        if seen.kind != "nak" or not seen.sent:
            continue
        request = latest(asked_at.get((seen.mac, seen.xid), []), seen.at)
        if request is None or seen.mac in moved or request[1] in moved or (
                seen.at < declined.get((seen.mac, request[1]), -quarantine_s) + quarantine_s):
            continue
        for holding in by_client.get((seen.mac, request[1]), []):
            if holding.acked < request[0] and holding.until > seen.at:
                wrong.append(f"{seen.port} sent a NAK to {seen.mac} at {clock(seen.at)} for an address that it holds:\n    {holding}")
                break
    return wrong


def too_long(held, alone, mclt_s):
    """[R3] A node without the quorum promises an MCLT from now, or extends what was promised before by one at most. `alone`: port ->
    spans (start, end) in which it certainly had none."""
    ends, wrong = {}, []
    for holding in sorted(held, key=lambda holding: holding.acked):
        known = ends.get((holding.ip, holding.mac), 0)
        named = holding.asked + holding.lease
        limit = max(holding.asked, known) + mclt_s + ROUNDING_S
        if named > limit and any(start < holding.acked < end for start, end in alone.get(holding.port, [])):
            wrong.append(f"a node without the quorum promised {named - limit + ROUNDING_S:.1f} s too much: {holding}")
        ends[holding.ip, holding.mac] = max(known, named)
    return wrong


def server_identifiers(history):
    """[P4] All nodes answer under one server identifier."""
    names = defaultdict(set)
    for seen in history:
        if seen.sent and seen.kind in ("offer", "ack", "nak"):
            names[seen.server].add(seen.port)
    if len(names) <= 1:
        return []
    return ["several server identifiers: " + ", ".join(f"{server} by {'+'.join(sorted(ports))}" for server, ports in sorted(names.items()))]


def waits(history, kinds=("discover", "request")):
    """Every span in which a client asked, by a message of these kinds first, and had no ACK yet. A late copy of what it said in an
    earlier exchange is no question."""
    open_since, home, known, found = {}, {}, set(), []
    for seen in history:
        if seen.sent and seen.kind in kinds:
            home[seen.mac] = seen.port
            if (seen.mac, seen.xid) not in known:
                open_since.setdefault(seen.mac, seen.at)
            known.add((seen.mac, seen.xid))
        elif (seen.kind == "ack" and not seen.sent and home.get(seen.mac) == seen.port) or (
                seen.sent and seen.kind in ("release", "decline")):
            if seen.mac in open_since:
                found.append(Wait(seen.mac, seen.port, open_since.pop(seen.mac), seen.at))
    return found + [Wait(mac, home[mac], start, None) for mac, start in open_since.items()]


def unserved(all_waits, since, until, within_s, ports=None, why=""):
    """[P3] Between `since` and `until` nobody (of these ports) waits for longer than within_s."""
    wrong = []
    for wait in all_waits:
        begin = max(wait.start, since)
        end = min(until, wait.end if wait.end is not None else until)
        if (ports is None or wait.port in ports) and end - begin > within_s:
            wrong.append(f"{wait.mac} at {wait.port} asked from {clock(wait.start)} on and had no ACK "
                         f"{'until ' + clock(wait.end) if wait.end else 'at all'}: {end - begin:.1f} s{why}")
    return wrong


def forgotten(held, listed, before, after, name):
    """[P2] Each lease that was acknowledged before `before` and runs past `after` is in what the node lists: a set of (ip, mac)."""
    last = {}
    for holding in held:
        key = holding.ip, holding.mac
        if holding.acked < before and holding.until > after and key not in listed:
            if key not in last or last[key].until < holding.until:
                last[key] = holding
    return [f"{name} does not know a lease that runs: {holding}" for holding in last.values()]


def check(history, moved=(), alone=None, mclt_s=0, quarantine_s=0):
    """The rules that hold at every instant, whatever fails."""
    held = holdings(history)
    return (duplicates(held) + wrong_naks(history, held, moved, quarantine_s) + server_identifiers(history) +
            too_long(held, alone or {}, mclt_s))


def tally(history):
    """What there was to check, for the report."""
    count = defaultdict(int)
    for seen in history:
        if seen.sent:
            count[seen.kind] += 1
    return dict(count)
