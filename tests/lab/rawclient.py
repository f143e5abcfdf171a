"""A DHCP client made of raw frames, so that a test decides when each message leaves.

Runs inside a client's namespace as a process of its own (see RawClient): one JSON request a line on stdin, one JSON answer a line on stdout.
  {"op": "discover", "mac": "52:..", "xid": 1, ...}   sends and waits for the first reply with that xid
  {"op": "send", ...} sends only; {"op": "collect", "seconds": 1} returns every reply heard in that time
  {"op": "unicast", "type": "request", "to": "10.0.0.1", ...} sends by the kernel's UDP, as a relay from "giaddr" port 67 or as a bound
  client from "ciaddr" port 68, and waits there
"""

import json
import random
import select
import socket
import struct
import subprocess
import sys
import time

TYPES = {"discover": 1, "offer": 2, "request": 3, "decline": 4, "ack": 5, "nak": 6, "release": 7, "inform": 8}
NAMES = {number: name for name, number in TYPES.items()}


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ip(text):
    return socket.inet_aton(text or "0.0.0.0")


def dhcp(what):
    """The BOOTP message that a request describes."""
    mac = bytes.fromhex(what["mac"].replace(":", ""))
    kind = TYPES[what.get("type", what["op"])]
    options = bytes([53, 1, kind])
    if what.get("requested"):
        options += b"\x32\x04" + ip(what["requested"])
    if what.get("server"):
        options += b"\x36\x04" + ip(what["server"])
    for code, value in what.get("options", {}).items():
        data = bytes.fromhex(value)
        options += bytes([int(code), len(data)]) + data
    options += bytes([55, 7, 1, 3, 6, 51, 54, 66, 67, 255])
    head = struct.pack("!BBBBIHH4s4s4s4s", 1, 1, 6, 1 if what.get("giaddr") else 0, what["xid"], what.get("secs", 0), 0x8000 if what.get("broadcast") else 0,
                       ip(what.get("ciaddr")), ip(None), ip(None), ip(what.get("giaddr")))
    return head + mac.ljust(16, b"\0") + bytes(192) + b"\x63\x82\x53\x63" + options


def frame(what):
    payload = dhcp(what)
    if len(payload) < 300:
        payload = payload.ljust(300, b"\0")
    mac = bytes.fromhex(what["mac"].replace(":", ""))
    udp = struct.pack("!HHHH", 68, 67, 8 + len(payload), 0) + payload
    source, target = ip(what.get("ciaddr")), ip("255.255.255.255")
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), random.getrandbits(16), 0, 64, 17, 0, source, target)
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return b"\xff" * 6 + mac + b"\x08\x00" + head + udp


def parse_frame(data):
    """A reply as a dict, or None when the frame is not one."""
    if len(data) < 14 + 20 + 8 + 240 or data[12:14] != b"\x08\x00" or data[14 + 9] != 17:
        return None
    header = (data[14] & 15) * 4
    udp = data[14 + header:]
    if struct.unpack("!HH", udp[:4]) != (67, 68):
        return None
    return parse(udp[8:], socket.inet_ntoa(data[14 + 12:14 + 16]))


def parse(message, source):
    """A BOOTP reply as a dict, or None when it is not one."""
    if len(message) < 240 or message[0] != 2 or message[236:240] != b"\x63\x82\x53\x63":
        return None
    options, at = {}, 240
    while at < len(message) and message[at] != 255:
        if message[at] == 0:
            at += 1
            continue
        if at + 1 >= len(message):
            break
        options[message[at]] = options.get(message[at], b"") + message[at + 2:at + 2 + message[at + 1]]
        at += 2 + message[at + 1]
    return {"type": NAMES.get(options.get(53, b"\0")[0], "?"), "xid": struct.unpack("!I", message[4:8])[0],
            "ip": socket.inet_ntoa(message[16:20]), "siaddr": socket.inet_ntoa(message[20:24]),
            "mac": message[28:34].hex(":"), "server": socket.inet_ntoa(options[54]) if 54 in options else None,
            "lease": struct.unpack("!I", options[51])[0] if 51 in options else None,
            "file": message[108:236].split(b"\0")[0].decode(errors="replace"), "from": source,
            "giaddr": socket.inet_ntoa(message[24:28]),
            "bytes": len(message), "options": {str(code): value.hex() for code, value in options.items()}}


def serve():
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    sock.bind(("eth0", 0))
    # promiscuous: replies to addresses that are not this card's own
    membership = struct.pack("IHH8s", socket.if_nametoindex("eth0"), 1, 0, b"")
    sock.setsockopt(263, 1, membership)
    sock.setblocking(False)

    def replies(until):
        while True:
            left = until - time.monotonic()
            if left <= 0 or not select.select([sock], [], [], left)[0]:
                return
            data, address = sock.recvfrom(4096)
            if address[2] != 4:  # PACKET_OUTGOING
                reply = parse_frame(data)
                if reply:
                    yield reply

    def unicast(what):
        """One message, and its answer, as a relay or a bound client sees them."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
            door.bind((what["giaddr"], 67) if "giaddr" in what else (what["ciaddr"], 68))
            door.sendto(dhcp(what), (what["to"], 67))
            end = time.monotonic() + what.get("wait", 3)
            while select.select([door], [], [], max(0, end - time.monotonic()))[0]:
                data, address = door.recvfrom(4096)
                reply = parse(data, address[0])
                if reply and reply["xid"] == what["xid"]:
                    return reply
        return None

    for line in sys.stdin:
        what = json.loads(line)
        if what["op"] == "unicast":
            print(json.dumps(unicast(what)), flush=True)
            continue
        if what["op"] == "collect":
            print(json.dumps(list(replies(time.monotonic() + what["seconds"]))), flush=True)
            continue
        sock.send(frame(what))
        if what["op"] == "send":
            print("{}", flush=True)
            continue
        answer = None
        for reply in replies(time.monotonic() + what.get("wait", 3)):
            if reply["xid"] == what["xid"]:
                answer = reply
                break
        print(json.dumps(answer), flush=True)


class RawClient:
    """The test's end of such a process."""

    def __init__(self, client):
        self.process = subprocess.Popen(client.isolated("/usr/bin/python3", __file__), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.mac = client.mac

    def ask(self, op, **more):
        what = {"op": op, "mac": self.mac, "xid": random.getrandbits(32), **more}
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def discover(self, tries=10, **more):
        """DISCOVER until an OFFER comes, as a client repeats it: same xid, growing secs."""
        return self.repeat("discover", tries, **more)

    def request(self, tries=10, **more):
        return self.repeat("request", tries, **more)

    def repeat(self, op, tries, wait=1.0, **more):
        xid = more.pop("xid", random.getrandbits(32))
        for attempt in range(tries):
            answer = self.ask(op, xid=xid, secs=attempt, wait=wait, **more)
            if answer:
                return answer
        return None

    def lease(self, **more):
        """The whole exchange; the ACK."""
        offer = self.discover(**more)
        assert offer and offer["type"] == "offer", f"no OFFER but {offer}"
        return self.request(requested=offer["ip"], server=offer["server"], **more)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)


if __name__ == "__main__":
    serve()
