/* node/content/content_kv.h: the durable state as typed records, and as a boot_source, for one
 * request.
 *
 * Any thread; one struct per request. What it hands out is its own until content_kv_fini().
 */
#ifndef NODE_CONTENT_CONTENT_KV_H
#define NODE_CONTENT_CONTENT_KV_H

#include "node/boot/boot.h"
#include "store/kv/kv.h"
#include "store/model/record.h"

#define CONTENT_KV_OBJECTS 64

struct content_kv {
	struct kv *kv;
	ProtobufCMessage *objects[CONTENT_KV_OBJECTS];
	size_t object_count;
};

void content_kv_init(struct content_kv *state, struct kv *kv);
void content_kv_fini(struct content_kv *state);
/* Lookups over the records; borrowed from `state`. */
void content_kv_boot_source(struct content_kv *state, struct boot_source *ret_source);

/* One record, unpacked, or NULL. */
ProtobufCMessage *content_kv_get(struct content_kv *state, const ProtobufCMessageDescriptor *type,
	enum record_kind kind, const void *name, size_t name_bytes);
const Pxe__ImageVersion *content_kv_version(
	struct content_kv *state, const char *image, const uint8_t digest[32]);
const Pxe__Member *content_kv_member(struct content_kv *state, uint64_t id);
/* Members in ascending order of id; returns how many. */
size_t content_kv_members(struct content_kv *state, const Pxe__Member **ret_members, size_t max);
/* The hardware address of whoever has this address by reservation or lease; 0 bytes: nobody. */
size_t content_kv_mac_of_ip(struct content_kv *state, uint32_t ip, uint8_t ret_mac[16]);

#endif
