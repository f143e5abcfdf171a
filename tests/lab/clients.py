"""Many DHCP clients in one process: each has a hardware address of its own at one of several ports of the segment.

As a program, in a namespace that has the ports: clients.py JSON, with {"ports": [interface, ...], "clients": N, "seed": N, "stay": N}; the
first `stay` clients are the same machines for ever.
They come, renew, rebind, reboot, release, decline, vanish and come again, some as other machines, by chance, until the end of standard
input. Commands, a line each, are answered by a line:
    freeze    say nothing more, and hear nothing     thaw     go on
    repeat N  N percent of the messages are sent twice, and some of them late
    stats     a JSON object of counts
Written as the clients of RFC 2131 §4.4 but quicker: they repeat after 1, 2, 4, 4, ... s, so that none waits because it sleeps.
"""

import collections
import heapq
import itertools
import json
import os
import random
import select
import socket
import struct
import sys
import time

from history import options_of
from rawclient import checksum

COOKIE = b"\x63\x82\x53\x63"
ZERO, ALL = bytes(4), b"\xff" * 4
KIND = {"discover": 1, "request": 3, "decline": 4, "release": 7}
OFFER, ACK, NAK = 2, 5, 6
PAUSES = (1, 2, 4)       # seconds until a message is repeated; the last one again and again
TRIES = 4                # of a REQUEST for an offered or a former address
# What a client does with its lease, and how often.
HABITS = {"stay": 50, "early": 12, "reboot": 12, "forget": 8, "release": 12, "vanish": 4, "decline": 2}


def mac_of(number):
    """Of the first machine that the client of this number is."""
    return bytes([0x52, 0x54, 0x10, 0, number >> 8, number & 255])


class Port:
    """One interface: frames out, DHCP replies and ARP in."""

    def __init__(self, name):
        self.name = name
        self.sockets = []
        for protocol in (0x0800, 0x0806):
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
            sock.bind((name, protocol))
            # promiscuous: the clients' addresses are not the interface's
            sock.setsockopt(263, 1, struct.pack("IHH8s", socket.if_nametoindex(name), 1, 0, b""))
            sock.setblocking(False)
            self.sockets.append(sock)

    def send(self, frame):
        try:
            self.sockets[0].send(frame)
        except OSError:
            pass  # as a packet that was lost

    def frames(self):
        for sock in self.sockets:
            while True:
                try:
                    data, address = sock.recvfrom(4096)
                except (BlockingIOError, OSError):
                    break
                if address[2] != 4:  # PACKET_OUTGOING
                    yield data


class Client:
    """One machine. States: idle, selecting, requesting (an offered address), rebooting, bound, renewing, rebinding."""

    def __init__(self, crowd, port, mac, stays):
        self.crowd, self.port, self.mac, self.stays = crowd, port, mac, stays
        self.chance = crowd.chance
        self.state = "idle"
        self.turn = 0          # grows with each change: a timer of an earlier state is nothing
        self.ip = self.server = None
        self.server_mac = b"\xff" * 6
        self.xid = self.tries = 0
        self.began = self.asked = 0.0
        self.lease = 0
        self.offers = []

    # ---- time

    def after(self, seconds, what):
        turn = self.turn

        def fire():
            if turn == self.turn:
                what()
        self.crowd.at(time.monotonic() + seconds, fire)

    def enter(self, state):
        self.turn += 1
        self.tries = 0
        self.state = state
        self.crowd.counts[state] += 1

    def pause(self):
        return PAUSES[min(self.tries - 1, len(PAUSES) - 1)] * self.chance.uniform(0.9, 1.1)

    # ---- what it says

    def say(self, kind, ciaddr=ZERO, requested=None, server=None, unicast=False):
        options = bytes([53, 1, KIND[kind]])
        options += b"\x32\x04" + requested if requested else b""
        options += b"\x36\x04" + server if server else b""
        options += bytes([55, 4, 1, 3, 51, 54, 255])
        secs = min(65535, int(time.monotonic() - self.began))
        head = struct.pack("!BBBBIHH4s4s4s4s", 1, 1, 6, 0, self.xid, secs, 0, ciaddr, ZERO, ZERO, ZERO)
        payload = (head + self.mac.ljust(16, b"\0") + bytes(192) + COOKIE + options).ljust(300, b"\0")
        udp = struct.pack("!HHHH", 68, 67, 8 + len(payload), 0) + payload
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), self.chance.getrandbits(16), 0, 64, 17, 0, ciaddr,
                         self.server if unicast else ALL)
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        self.crowd.send(self.port, (self.server_mac if unicast else b"\xff" * 6) + self.mac + b"\x08\x00" + ip + udp)
        self.crowd.counts[kind] += 1

    def arp(self, operation, target_mac, target_ip, sender_ip):
        frame = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + self.mac + sender_ip + target_mac + target_ip
        self.port.send((target_mac if any(target_mac) else b"\xff" * 6) + self.mac + b"\x08\x06" + frame.ljust(46, b"\0"))

    # ---- from nothing to an address

    def discover(self):
        self.enter("selecting")
        self.began = time.monotonic()
        self.xid = self.chance.getrandbits(32)
        self.offers = []
        self.repeat_discover()

    def repeat_discover(self):
        if self.tries == 8:
            return self.discover()
        self.say("discover", requested=self.ip if self.ip and self.chance.random() < 0.5 else None)
        self.tries += 1
        self.after(self.pause(), self.repeat_discover)
        return None

    def choose(self):
        if self.state == "selecting" and self.offers:
            self.ip, self.server = self.chance.choice(self.offers)
            self.enter("requesting")
            self.began = time.monotonic()
            self.repeat_request()

    def repeat_request(self):
        if self.tries == TRIES:
            return self.discover()
        self.asked = time.monotonic()
        self.say("request", requested=self.ip, server=self.server if self.state == "requesting" else None)
        self.tries += 1
        self.after(self.pause(), self.repeat_request)
        return None

    def reboot(self):
        """INIT-REBOOT: it remembers its address."""
        self.enter("rebooting")
        self.began = time.monotonic()
        self.xid = self.chance.getrandbits(32)
        self.repeat_request()

    # ---- with an address

    def bind(self, lease, server):
        self.enter("bound")
        self.lease, self.server = lease, server
        self.arp(1, bytes(6), self.ip, self.ip)  # tells the segment whose the address is now
        left = self.asked + lease - time.monotonic()
        habit = self.chance.choices(list(HABITS), HABITS.values())[0]
        when = self.chance.uniform(0, max(0.1, left))
        if habit == "stay":
            self.after(max(0, left * self.chance.uniform(0.45, 0.55)), self.renew)
        elif habit == "early":
            self.after(when / 3, self.renew)
        elif habit == "reboot":
            self.after(when, self.reboot)
        elif habit == "forget":
            self.after(when, self.discover)
        elif habit == "release":
            self.after(when, self.release)
        elif habit == "decline":
            self.after(0.05, self.decline)
        else:
            self.after(when, self.become_another)

    def renew(self):
        self.enter("renewing")
        self.began = time.monotonic()
        self.xid = self.chance.getrandbits(32)
        self.repeat_renew()

    def repeat_renew(self):
        """Unicast until seven eighths of the lease, broadcast until its end, then anew."""
        now, end = time.monotonic(), self.asked_end()
        if now >= end:
            return self.discover()
        if self.state == "renewing" and now >= end - self.lease / 8:
            self.state = "rebinding"
            self.crowd.counts["rebinding"] += 1
        if self.state == "renewing":
            self.arp(1, bytes(6), self.server, self.ip)
        self.renewed = now
        self.say("request", ciaddr=self.ip, unicast=self.state == "renewing")
        self.tries += 1
        self.after(min(self.pause(), max(0.05, end - now)), self.repeat_renew)
        return None

    def asked_end(self):
        return self.asked + self.lease

    def release(self):
        self.xid = self.chance.getrandbits(32)
        self.say("release", ciaddr=self.ip, server=self.server, unicast=self.chance.random() < 0.5)
        if self.chance.random() < 0.5:
            self.rest()
        else:
            self.become_another()

    def become_another(self):
        """The machine is gone, and a new one comes in its place."""
        if self.stays:
            self.rest()
            return
        del self.crowd.clients[self.mac]
        self.mac = bytes([*self.mac[:3], self.mac[3] + 1 & 255, *self.mac[4:]])
        self.crowd.clients[self.mac] = self
        self.ip = None
        self.rest()

    def decline(self):
        self.xid = self.chance.getrandbits(32)
        self.say("decline", requested=self.ip, server=self.server)
        self.rest()

    def rest(self):
        self.enter("idle")
        self.after(self.chance.uniform(0.5, 6), self.discover)

    # ---- what it hears

    def on_reply(self, message):
        options = options_of(message[240:])
        kind, server = options.get(53, b"\0")[:1], options.get(54, b"")
        if struct.unpack("!I", message[4:8])[0] != self.xid or len(server) != 4 or not kind:
            return
        ip = message[16:20]
        if kind[0] == OFFER and self.state == "selecting":
            self.offers.append((ip, server))
            if len(self.offers) == 1:
                # some take the first, some compare
                self.after(self.chance.choice([0, 0, 0.3]), self.choose)
        elif kind[0] == ACK and self.state in ("requesting", "rebooting", "renewing", "rebinding") and len(options.get(51, b"")) == 4:
            if self.state in ("renewing", "rebinding"):
                self.asked = self.renewed
            self.ip = ip
            self.bind(struct.unpack("!I", options[51])[0], server)
            self.crowd.counts["ack"] += 1
        elif kind[0] == NAK and self.state in ("requesting", "rebooting", "renewing", "rebinding"):
            self.crowd.counts["nak"] += 1
            self.ip = None
            self.rest()

    def on_arp(self, operation, sender_mac, sender_ip, target_ip):
        if self.state not in ("bound", "renewing", "rebinding"):
            return
        # Silent to probes (from 0.0.0.0): they would hide an address that was given twice.
        if operation == 1 and target_ip == self.ip and sender_ip not in (ZERO, self.ip):
            self.arp(2, sender_mac, sender_ip, self.ip)
        elif operation == 2 and sender_ip == self.server:
            self.server_mac = sender_mac


class Crowd:
    def __init__(self, ports, count, seed, stay):
        self.chance = random.Random(seed)
        self.counts = collections.Counter()
        self.ports = [Port(name) for name in ports]
        self.timers, self.numbers = [], itertools.count()
        self.frozen, self.repeat_percent = False, 0
        self.clients = {}
        for number in range(count):
            mac = mac_of(number)
            client = Client(self, self.ports[number % len(self.ports)], mac, number < stay)
            self.clients[mac] = client
            client.after(self.chance.uniform(0, 5), client.discover)

    def at(self, when, what):
        heapq.heappush(self.timers, (when, next(self.numbers), what))

    def send(self, port, frame):
        port.send(frame)
        if self.chance.random() * 100 < self.repeat_percent:
            delay = self.chance.choice([0, 0, 0.3, 2, 5])
            self.counts["repeated"] += 1
            self.at(time.monotonic() + delay, lambda: port.send(frame))

    def on_frame(self, port, data):
        if data[12:14] == b"\x08\x06" and len(data) >= 42:
            operation = struct.unpack("!H", data[20:22])[0]
            if data[:6] in self.clients:
                clients = [self.clients[data[:6]]]
            else:
                clients = [client for client in self.clients.values() if client.ip == data[38:42]]
            for client in clients:
                if client.port is port:
                    client.on_arp(operation, data[22:28], data[28:32], data[38:42])
        elif data[12:14] == b"\x08\x00" and len(data) >= 34:
            start = 14 + (data[14] & 15) * 4
            message = data[start + 8:]
            if data[23] != 17 or data[start:start + 4] != b"\x00\x43\x00\x44" or len(message) < 241 or message[236:240] != COOKIE:
                return
            client = self.clients.get(message[28:34])
            if client and client.port is port and message[0] == 2:
                client.on_reply(message)

    def command(self, words):
        if words[0] == "freeze":
            self.frozen = True
        elif words[0] == "thaw":
            self.frozen = False
        elif words[0] == "repeat":
            self.repeat_percent = int(words[1])
        states = collections.Counter(client.state for client in self.clients.values())
        return json.dumps({"counts": self.counts, "states": states})

    def run(self):
        """Until the end of standard input."""
        doors = {sock: port for port in self.ports for sock in port.sockets}
        text = b""
        while True:
            now = time.monotonic()
            while self.timers and self.timers[0][0] <= now and not self.frozen:
                heapq.heappop(self.timers)[2]()
            pause = max(0, self.timers[0][0] - now) if self.timers and not self.frozen else 0.5
            ready = select.select([0, *doors], [], [], min(pause, 0.5))[0]
            for port in {doors[sock] for sock in ready if sock != 0}:
                for data in port.frames():
                    if not self.frozen:
                        self.on_frame(port, data)
            if 0 in ready:
                more = os.read(0, 4096)
                if not more:
                    return
                *lines, text = (text + more).split(b"\n")
                for line in lines:
                    print(self.command(line.decode().split()), flush=True)


if __name__ == "__main__":
    what = json.loads(sys.argv[1])
    Crowd(what["ports"], what["clients"], what["seed"], what["stay"]).run()
