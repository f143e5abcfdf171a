/* node/syslog/syslog_server.h: what the systems of machines log (UDP 514), as events.
 *
 * Off unless the cluster's settings say so; a change of the settings is followed within a second.
 * Lines of senders that have no lease and no reservation are dropped and counted. Where another
 * program holds the port, that is told, and it is tried again from time to time. Loop thread.
 */
#ifndef NODE_SYSLOG_SYSLOG_SERVER_H
#define NODE_SYSLOG_SYSLOG_SERVER_H

#include "node/events/events.h"
#include "store/replica/replica.h"
#include <uv.h>

#define SYSLOG_PORT 514

struct syslog_server;

struct syslog_server_config {
	uv_loop_t *loop;
	struct replica *replica; /* borrowed, as the next */
	struct events *events;
	uint16_t port; /* 0: SYSLOG_PORT */
};

struct syslog_server_stats {
	uint64_t lines, unknown, left_out, empty;
};

int syslog_server_open(
	const struct syslog_server_config *config, struct syslog_server **ret_server);
void syslog_server_get_stats(
	const struct syslog_server *server, struct syslog_server_stats *ret_stats);
void syslog_server_close(struct syslog_server *server);

#endif
