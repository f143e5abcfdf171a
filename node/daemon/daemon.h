/* node/daemon/daemon.h: the daemon: opens every part in order, ties them together, closes them in
 * order.
 *
 *   disk -> model -> raft host -> peers | events | blobs -> images | content -> http, tftp | dhcp4
 * | admin
 *
 * Nothing is decided here. One loop thread runs everything but the disk's writer, the HTTP and TFTP
 * threads and the workers.
 */
#ifndef NODE_DAEMON_DAEMON_H
#define NODE_DAEMON_DAEMON_H

#include "proto/cred/node_conf.h"
#include <stddef.h>

struct daemon;

/* directory holds node.yaml (and start.yaml on the first start). 0, or negative errno and a line
 * for a person in ret_error; everything that was opened is closed again. */
int daemon_open(
	const char *directory, struct daemon **ret_daemon, char *ret_error, size_t error_bytes);
/* Runs until SIGTERM or SIGINT: then hands over leadership, tells the others, closes. Returns the
 * exit code. */
int daemon_run(struct daemon *daemon);
/* Reads and checks what daemon_open() would, changes nothing: 0 or negative errno and a line in
 * ret_error. */
int daemon_check(const char *directory, char *ret_error, size_t error_bytes);

#endif
