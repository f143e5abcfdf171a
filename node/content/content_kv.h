/* node/content/content_kv.h: what one request sees of the durable state: the configuration as a
 * whole, single records as they are now; and both as a boot_source.
 *
 * Any thread; one struct per request. What it hands out is its own until content_kv_fini().
 */
#ifndef NODE_CONTENT_CONTENT_KV_H
#define NODE_CONTENT_CONTENT_KV_H

#include "node/boot/boot.h"
#include "node/content/content_config.h"
#include "store/kv/kv.h"
#include "store/model/model.h"
#include "store/model/record.h"

#define CONTENT_KV_OBJECTS 64

struct content_kv {
	struct kv *kv;
	struct content_config *config;
	const struct content_snapshot *snapshot;
	const struct model *model; /* the snapshot's: no leases, versions, machines, once */
	ProtobufCMessage *objects[CONTENT_KV_OBJECTS];
	size_t object_count;
};

/* 0, or -EIO: nothing to fini. */
int content_kv_init(struct content_kv *state, struct kv *kv, struct content_config *config);
void content_kv_fini(struct content_kv *state);
/* Lookups over the records; borrowed from `state`. self: the member that serves. */
void content_kv_boot_source(
	struct content_kv *state, uint64_t self, struct boot_source *ret_source);

/* Records as they are now, or NULL. */
const Pxe__ImageVersion *content_kv_version(
	struct content_kv *state, const char *image, const uint8_t digest[32]);
const Pxe__Machine *content_kv_machine(
	struct content_kv *state, const uint8_t *mac, size_t mac_bytes);
/* The hardware address of whoever has this address by lease or reservation; 0 bytes: nobody. */
size_t content_kv_mac_of_ip(struct content_kv *state, uint32_t ip, uint8_t ret_mac[16]);

#endif
