/* node/daemon/daemon_offline.h: work on this node's copy of the state while no daemon runs. Blocks.
 *
 * Each answers on `out` with lines "KEY value ...", as `pxectl cluster recover` and `backup
 * restore` read them: cluster, node, self, epoch, applied, last, stamp_ms, leases, unknown_s, and
 * for each member "member ID NAME voter|witness|standby ADDRESS".
 */
#ifndef NODE_DAEMON_DAEMON_OFFLINE_H
#define NODE_DAEMON_DAEMON_OFFLINE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What the copy holds. All here: 0, -EBUSY (a daemon runs), or negative errno with a line in
 * ret_error. */
int daemon_offline_info(const char *directory, FILE *out, char *ret_error, size_t error_bytes);
/* The node goes on alone. */
int daemon_offline_recover(const char *directory, FILE *out, char *ret_error, size_t error_bytes);
/* A backup, read from `input`, becomes the state of the node that start.yaml ("restore") names. */
int daemon_offline_restore(
	const char *directory, FILE *input, FILE *out, char *ret_error, size_t error_bytes);

/* For how long leases may run that a state does not know which ended at known_ms: the longest lease
 * and MCLT, less what has passed since by the clock; never less than MCLT, for clocks err. Seconds.
 * Pure. */
uint32_t daemon_offline_unknown_s(
	uint32_t longest_lease_s, uint32_t mclt_s, uint64_t known_ms, uint64_t now_ms);

#endif
