/* store/model/shelf.h: the records of one kind, sorted by key: packed bytes, and the unpacked
 * message if there is one.
 *
 * Pure, but for the heap memory it owns. Leases are not kept so: see lease_table.h.
 */
#ifndef STORE_MODEL_SHELF_H
#define STORE_MODEL_SHELF_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

struct shelf_record {
	ProtobufCMessage *message; /* owned; NULL: the value is plain bytes */
	uint8_t *value;            /* owned */
	size_t value_bytes;
	size_t key_bytes;
	uint8_t key[]; /* with the byte of its kind */
};

/* All zero is an empty shelf. Records are sorted by key, bytewise, a prefix first. */
struct shelf {
	struct shelf_record **records;
	size_t count, capacity;
};

void shelf_fini(struct shelf *shelf);
/* The first record whose key is not below `key`; shelf->count if there is none. */
size_t shelf_lower_bound(const struct shelf *shelf, const uint8_t *key, size_t key_bytes);
struct shelf_record *shelf_find(const struct shelf *shelf, const uint8_t *key, size_t key_bytes);
/* The record of this key, made (without value) if it is not there. */
struct shelf_record *shelf_make(struct shelf *shelf, const uint8_t *key, size_t key_bytes);
/* Take it off the shelf; the caller frees it with shelf_record_free(). NULL: none. */
struct shelf_record *shelf_take(struct shelf *shelf, const uint8_t *key, size_t key_bytes);
void shelf_record_free(struct shelf_record *record);

#endif
