/* ctl/node_setup.h: making this machine a node: what `cluster init` and `cluster join` have in
 * common. Blocks on disk and system calls.
 *
 * Files are written so that node.yaml, which makes the machine a node, comes last: what is broken
 * off before can simply be run again. */
#ifndef CTL_NODE_SETUP_H
#define CTL_NODE_SETUP_H

#include "ctl/command.h"
#include "proto/cred/keyfile.h"
#include "proto/cred/node_conf.h"

/* The interface and its address. name NULL: the one that has `address`, or the way towards
 * `towards` (host byte order). All functions here: CTL_OK, or an exit code after telling. */
int node_setup_interface(const struct ctl *ctl, const char *name, const char *address,
	uint32_t towards, struct node_conf *conf);
/* Paths and ports from the options --data, --socket, --http-port, --tftp-port into conf; then the
 * default addresses of conf->serve_ip. */
int node_setup_options(const struct ctl *ctl, const struct invocation *in, struct node_conf *conf);
/* This machine must not be a node yet, and the data directory must not hold an earlier state. */
int node_setup_check_free(const struct ctl *ctl, const struct node_conf *conf);
/* Make the directories and read or make the node's key: keys/node.key. */
int node_setup_key(const struct ctl *ctl, const struct node_conf *conf, struct keyfile *ret_key);
/* Write the API key, start.yaml and node.yaml; files belong to the daemon's user if there is one.
 */
int node_setup_write(const struct ctl *ctl, const struct node_conf *conf, const struct keyfile *api,
	const struct node_start *start);
/* Start pxed by systemd where it is installed. *ret_started: false: nothing to start it with; how
 * to do it by hand was told. */
int node_setup_start(struct ctl *ctl, const struct invocation *in, bool *ret_started);
/* Wait until the local daemon says that it votes (or leads), with progress. */
int node_setup_wait(struct ctl *ctl, const char *name);
/* The record of this node, without id; its fields borrow from conf, key and the buffers. */
void node_setup_member(
	struct node_conf *conf, struct keyfile *key, uint8_t ip[4], Pxe__Member *ret_member);

#endif
