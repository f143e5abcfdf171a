/* store/model/keep.h: the one place where records change: memory, digest, sink and derived indexes
 * stay in step. Pure. */
#ifndef STORE_MODEL_KEEP_H
#define STORE_MODEL_KEEP_H

#include "store/model/internal.h"

/* Where a message of this kind is: its key, made from its own fields. 0: the fields do not make a
 * key. */
size_t keep_key_of(
	enum record_kind kind, const ProtobufCMessage *message, uint8_t ret_key[RECORD_KEY_MAX]);

/* Set a record; takes the message over (heap, free_unpacked). The previous message of the record is
 * freed. sink may be NULL. */
void keep_message(struct model *model, const struct model_sink *sink, enum record_kind kind,
	ProtobufCMessage *message);
void keep_text(struct model *model, const struct model_sink *sink, enum record_kind kind,
	ProtobufCBinaryData name, const char *text);
/* Nothing happens if there is no such record. */
void keep_remove(struct model *model, const struct model_sink *sink, enum record_kind kind,
	const void *name, size_t name_bytes);
struct lease_record *keep_lease(
	struct model *model, const struct model_sink *sink, const Pxe__Lease *lease);
void keep_remove_lease(
	struct model *model, const struct model_sink *sink, struct lease_record *record);

/* The configuration changed: revision grows, Clock is written. */
void keep_changed(struct apply *a);
/* Write the Clock record. */
void keep_clock(struct model *model, const struct model_sink *sink);

/* Load one stored record; 0 or -EBADMSG. */
int keep_load(struct model *model, const uint8_t *key, size_t key_bytes, const uint8_t *value,
	size_t value_bytes);

/* NULL: none. Name without the kind's byte. */
const ProtobufCMessage *keep_find(
	const struct model *model, enum record_kind kind, const void *name, size_t name_bytes);
/* A heap copy, to change and give to keep_message(). */
ProtobufCMessage *keep_copy(const ProtobufCMessage *message);
/* Heap copies of fields. */
char *keep_string(const char *text);
ProtobufCBinaryData keep_data(const void *data, size_t data_bytes);
/* Replace a field of a heap message. */
void keep_set_string(char **field, const char *text);
void keep_set_data(ProtobufCBinaryData *field, const void *data, size_t data_bytes);

/* Pack into the model's scratch; valid until the next packing. */
ProtobufCBinaryData keep_pack(struct model *model, const ProtobufCMessage *message);

#endif
