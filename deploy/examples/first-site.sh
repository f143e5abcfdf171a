#!/bin/sh
# A first site, line by line: run it on a node once `pxectl status` shows a leader. Change the values at the top.
# Every line may be run again: what is there already is left as it is.
set -eu

network=10.20.0.0/22
gateway=10.20.0.1
dns=10.20.0.2
range=10.20.2.0-10.20.3.199    # for machines without a reservation; keep your servers' addresses out of it
image=${1:?usage: first-site.sh DIRECTORY    (with the files vmlinuz and initrd.img)}

# Run a command; "it exists already" (exit code 7) is no error, anything else ends the script.
once() {
	code=0
	"$@" || code=$?
	[ "$code" = 0 ] || [ "$code" = 7 ] || exit "$code"
}

once pxectl subnet add lab "$network" --gateway "$gateway" --dns "$dns" --lease 1h
once pxectl pool add lab --subnet lab --range "$range"

# The boot programs of Debian's package `ipxe`, then what the machines run. A push sends only what is not there yet.
pxectl image add-loaders ipxe
pxectl image push linux "$image"

once pxectl profile add linux --image linux --kernel vmlinuz --initrd initrd.img --args 'console=tty0 console=ttyS0'
pxectl subnet set lab --profile linux          # what machines boot that have no profile of their own

# A machine with a fixed address, and one that starts from its own disk.
once pxectl profile add disk --local
once pxectl host add n01 --mac 52:54:00:aa:00:01 --ip 10.20.0.101
once pxectl host add n02 --mac 52:54:00:aa:00:02 --ip auto --profile disk

# What would they get, and why?
pxectl boot explain 52:54:00:aa:00:01 --arch uefi-x64
pxectl boot explain 52:54:00:aa:00:02 --arch bios
pxectl status
