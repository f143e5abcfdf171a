#!/bin/sh
# Take further machines into the cluster over ssh: run it on a node, as root, with the names of machines on which pxecluster
# is installed. Each name becomes the node's name.
# usage: third-node.sh INTERFACE NAME [NAME ...]
set -eu

interface=${1:?usage: third-node.sh INTERFACE NAME [NAME ...]}
shift
for name in "$@"; do
	# The token works once, for this name only, for ten minutes.
	pxectl cluster token create --for "$name" --valid 10m |
		ssh "root@$name" "read -r token && pxectl cluster join \"\$token\" --interface $interface"
done
pxectl status
