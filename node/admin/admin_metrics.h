/* node/admin/admin_metrics.h: the status as Prometheus reads it.
 *
 * Pure but for its memory. Sums, nodes and pools; no hardware address, no host name, no lease.
 */
#ifndef NODE_ADMIN_ADMIN_METRICS_H
#define NODE_ADMIN_ADMIN_METRICS_H

#include "proto/msg/admin.pb-c.h"

/* Exposition format 0.0.4. To be freed; NULL: no memory. */
char *admin_metrics_format(const Pxe__Status *status);

#endif
