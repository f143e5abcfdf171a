#!/usr/bin/python3
"""Which tests stand for which quirk of real firmware and clients: lists every row and the tests that name it ("FIELD 29" in a comment
or docstring), and fails when a row has none.

usage: tests/field.py [ROW...]
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).resolve().parent

ROWS = {
    "1": "replies are padded to 300 bytes",
    "2": "END behind the options, no padding between them",
    "3": "option 67 is ended by a NUL; what ROMs read behind it is taken off file names",
    "4": "siaddr and file say the same as options 66 and 67",
    "5": "option 66 is an address",
    "6": "without a list of wanted options everything is sent, and nothing overloaded",
    "7": "overload can be switched off; the client's largest message is respected",
    "8": "ciaddr of a DISCOVER is not believed",
    "9": "texts end as the client's do",
    "10": "T1 and T2 are in the OFFER",
    "11": "both encodings of the user class",
    "12": "the client identifier is sent back, or not",
    "13": "a REQUEST that names no address",
    "14": "DECLINE and RELEASE without a server identifier",
    "15": "NAK only on what the quorum knows",
    "16": "an offered address is nobody else's",
    "17": "the identity of ROM, iPXE and system is the hardware address",
    "18": "DHCPv6: machines whose DUID changes",
    "19": "no probe of an address that the client has",
    "20": ".0 and .255 inside larger subnets are left out",
    "21": "broadcast replies where they are needed",
    "22": "a UUID in the place of the hardware address",
    "23": "option 97 missing or malformed",
    "24": "architectures 7 and 9 are both x64",
    "25": "Raspberry Pi 5 says architecture 0",
    "26": "what a Raspberry Pi must hear, and not too soon",
    "27": "ports that forward late (spanning tree, LACP)",
    "28": "secs overrules the sharing of clients among nodes",
    "29": "option 60 only together with option 43",
    "30": "no option 43 in a proxy's OFFER to UEFI",
    "31": "a menu with nothing to choose is none",
    "32": "port 4011",
    "33": "siaddr answers on port 4011",
    "34": "machines that ignore a proxy are told of",
    "35": "menus that do not fit are refused when configured",
    "36": "the BIS bit of a boot item",
    "37": "PXE discovery control",
    "38": "iPXE as the ROM, and no loop",
    "39": "iPXE does not wait for a proxy; priority",
    "40": "iPXE and a proxy that answers later",
    "41": "HTTP Boot: HTTPClient, a URL of an address",
    "42": "HEAD and GET on one connection, lengths and types",
    "43": "DHCPv6: bootfile",
    "44": "the program is chosen by architecture",
    "45": "Apple BSDP",
    "45b": "one address for identifier, siaddr and TFTP",
    "45c": "addresses that end in .0",
    "46": "GRUB finds its server in the ACK",
    "47": "tsize probes",
    "48": "tsize of empty files",
    "49": "blocks that fit the link",
    "50": "blocks no larger than asked",
    "51": "more than 65535 blocks",
    "52": "the last ACK is lost",
    "53": "clients that pause",
    "54": "packets of no transfer",
    "55": "windows, and acknowledgements that come twice",
    "56": "backslashes, case, leading '/'",
    "57": "not found, and empty *.lst",
    "58": "searches of PXELINUX, GRUB and Raspberry Pi",
    "59": "autoexec.ipxe",
    "60": "netascii",
    "61": "transfers at a single port",
    "62": "unknown TFTP options",
}

LEFT_OUT = {
    "18": "there is no DHCPv6",
    "27": "nothing that a server can do",
    "43": "there is no DHCPv6",
    "45": "Intel Macs of before 2018 only",
}

MENTION = re.compile(r"FIELD ((?:\d+[bc]?)(?:, ?(?:FIELD )?\d+[bc]?\b)*)")
TEST = re.compile(r"^static void (\w+)\(|^def (test_\w+)\(")


def test_near(lines, number):
    """The name of the test that the mention is in, or that follows it."""
    if not lines[number].startswith(("\t", " ")) or "**state)" in lines[number]:
        for line in lines[number:number + 8]:
            if TEST.match(line):
                return next(filter(None, TEST.match(line).groups()))
    for line in reversed(lines[:number]):
        if TEST.match(line):
            return next(filter(None, TEST.match(line).groups()))
    return "the whole file"


def mentions():
    """row -> where tests name it"""
    found = defaultdict(list)
    for path in sorted(TESTS.rglob("*")):
        if not re.fullmatch(r".*_test\.c|test_.*\.py", path.name):
            continue
        lines = path.read_text(errors="replace").splitlines()
        for number, line in enumerate(lines):
            for match in MENTION.finditer(line):
                for row in re.findall(r"\d+[bc]?", match[1]):
                    place = f"{path.relative_to(TESTS)}: {test_near(lines, number)}"
                    if place not in found[row]:
                        found[row].append(place)
    return found


def main():
    found = mentions()
    wanted = sys.argv[1:] or list(ROWS)
    wrong = [row for row in wanted if row not in ROWS]
    for row in [row for row in wanted if row in ROWS]:
        why = f"  (left out: {LEFT_OUT[row]})" if row in LEFT_OUT else "" if found[row] else "  NO TEST"
        print(f"FIELD {row:4} {ROWS[row]}{why}")
        for place in found[row]:
            print(f"           {place}")
        if row not in LEFT_OUT and not found[row]:
            wrong.append(row)
    wrong += [row for row in found if row not in ROWS]
    if wrong:
        print("no such row, or no test that names it: " + ", ".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
