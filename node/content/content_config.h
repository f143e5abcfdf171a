/* node/content/content_config.h: the configuration as the threads see it: a model that holds the
 * records that say what machines boot, and never changes.
 *
 * Any thread. HTTP and TFTP may not look at the loop's model, so they load their own from the
 * durable state, once for each revision of the configuration, and decide with the same functions
 * (store/model/levels.h). It holds settings, members, subnets, groups, hosts, profiles and images;
 * not what changes without the configuration (leases, what was seen, one-shot boots), nor pools,
 * which say nothing about booting, nor the file lists of versions, which are large.
 */
#ifndef NODE_CONTENT_CONTENT_CONFIG_H
#define NODE_CONTENT_CONTENT_CONFIG_H

#include "store/kv/kv.h"
#include "store/model/model.h"

struct content_config;
struct content_snapshot;

struct content_config *content_config_new(struct kv *kv);
/* Every snapshot must have been released. */
void content_config_free(struct content_config *config);

/* The configuration, as new as the durable state is now or newer. Whoever comes first after a
 * change loads it; who comes meanwhile waits. 0, or -EIO: the disk cannot be read. */
int content_config_acquire(
	struct content_config *config, const struct content_snapshot **ret_snapshot);
void content_config_release(struct content_config *config, const struct content_snapshot *snapshot);

/* Valid until the release. */
const struct model *content_snapshot_model(const struct content_snapshot *snapshot);

/* The loop tells the cluster time once in a while; it goes on by itself between. Never told: the
 * newest stamp of the durable state. */
void content_config_set_time(struct content_config *config, uint64_t cluster_ms);
uint64_t content_config_now_ms(struct content_config *config);

/* How often the configuration was loaded. */
uint64_t content_config_loads(const struct content_config *config);

#endif
