#!/bin/sh
# Machines of several kinds in the subnet `lab` of first-site.sh. Of what several levels say, the last counts: cluster, subnet, pool, groups in
# their order, host. `pxectl option list` tells the names of DHCP options. Every line may be run again.
set -eu

# Run a command; "it exists already" (exit code 7) is no error, anything else ends the script.
once() {
	code=0
	"$@" || code=$?
	[ "$code" = 0 ] || [ "$code" = 7 ] || exit "$code"
}

# For everybody, whatever the subnet.
pxectl cluster set option.ntp-servers=10.20.0.2

# Machines by their hardware addresses and architecture; of several values any, of several keys all must hold.
once pxectl group add dell --order 10 --match 'mac=d4:be:d9:*' --match 'mac=18:66:da:*' --match arch=uefi-x64 --option mtu=9000

# Phones that find their server by option 150, sent also to those that do not ask for it.
once pxectl group add phones --order 20 --match 'vendor-class=Cisco*' --option '!150=ip:10.20.0.11' --lease 1d

# Machines that nobody declared get short leases, from addresses of their own.
once pxectl group add guests --order 30 --match known=no --lease 10m
once pxectl pool add guests --subnet lab --range 10.20.3.200-10.20.3.254 --exclude 10.20.3.250 --only unknown
pxectl pool set lab --except unknown

# Firmware that hears answers to everybody only.
once pxectl group add deaf --order 40 --match 'vendor-class=PXEClient:Arch:00006*' --quirk broadcast=yes

pxectl group list
