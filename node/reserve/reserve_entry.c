#include "node/reserve/reserve_impl.h"

#include "proto/msg/msg_ip4.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What does not fit is left out: it is information only. */
static uint8_t take_bytes(uint8_t *into, size_t max, const ProtobufCBinaryData *from)
{
	if (from->len == 0 || from->len > max)
		return 0;
	memcpy(into, from->data, from->len);
	return (uint8_t)from->len;
}

void reserve_entry_set_who(struct reserve_entry *entry, const Pxe__ClientInfo *who)
{
	entry->mac_bytes = take_bytes(entry->mac, sizeof entry->mac, &who->mac);
	entry->uuid_bytes = take_bytes(entry->uuid, sizeof entry->uuid, &who->uuid);
	entry->client_id_bytes =
		take_bytes(entry->client_id, sizeof entry->client_id, &who->client_id);
	snprintf(entry->hostname, sizeof entry->hostname, "%s", who->hostname);
}

void reserve_entry_who(const struct reserve_entry *entry, Pxe__ClientInfo *ret_who)
{
	struct reserve_entry *borrowed = (struct reserve_entry *)(uintptr_t)entry;
	pxe__client_info__init(ret_who);
	ret_who->client = (ProtobufCBinaryData){entry->client.count, borrowed->client.bytes};
	ret_who->mac = (ProtobufCBinaryData){entry->mac_bytes, borrowed->mac};
	ret_who->uuid = (ProtobufCBinaryData){entry->uuid_bytes, borrowed->uuid};
	ret_who->client_id = (ProtobufCBinaryData){entry->client_id_bytes, borrowed->client_id};
	ret_who->hostname = borrowed->hostname;
}

void reserve_entry_encode(const struct reserve_entry *entry, struct reserve_write *ret_write)
{
	Pxe__JournalEntry message = PXE__JOURNAL_ENTRY__INIT;
	Pxe__ClientInfo who;
	msg_ip4_put(entry->ip, ret_write->key);
	message.kind = entry->kind;
	message.ip = (ProtobufCBinaryData){sizeof ret_write->key, ret_write->key};
	message.serial = entry->serial;
	message.state_ms = entry->state_ms;
	message.incarnation = entry->incarnation;
	message.merging = entry->is_marked;
	if (entry->kind != PXE__JOURNAL_KIND__JOURNAL_RETURNED) {
		reserve_entry_who(entry, &who);
		message.who = &who;
		message.subnet = (char *)(uintptr_t)entry->subnet;
		message.expires_ms = entry->expires_ms;
		message.lease_s = entry->lease_s;
	}
	assert(pxe__journal_entry__get_packed_size(&message) <= sizeof ret_write->value);
	ret_write->value_bytes = pxe__journal_entry__pack(&message, ret_write->value);
	assert(ret_write->value_bytes > 0);
}

static bool is_sound(const Pxe__JournalEntry *message)
{
	const Pxe__ClientInfo *who = message->who;
	if (msg_ip4_get(message->ip) == 0)
		return false;
	if (message->kind == PXE__JOURNAL_KIND__JOURNAL_RETURNED)
		return message->serial != 0;
	if (message->kind != PXE__JOURNAL_KIND__JOURNAL_LEASE &&
		message->kind != PXE__JOURNAL_KIND__JOURNAL_DECLINED)
		return false;
	return who != NULL && who->client.len > 0 && who->client.len <= MODEL_CLIENT_MAX &&
	       who->mac.len <= RESERVE_MAC_MAX && (who->uuid.len == 0 || who->uuid.len == 16) &&
	       who->client_id.len <= RESERVE_ID_MAX && strlen(who->hostname) <= MODEL_NAME_MAX &&
	       message->subnet[0] != '\0' && strlen(message->subnet) <= MODEL_NAME_MAX;
}

int reserve_entry_decode(const uint8_t *value, size_t value_bytes, struct reserve_entry *ret_entry)
{
	Pxe__JournalEntry *message = pxe__journal_entry__unpack(NULL, value_bytes, value);
	if (message == NULL)
		return -EBADMSG;
	bool sound = is_sound(message);
	if (sound) {
		*ret_entry = (struct reserve_entry){
			.ip = msg_ip4_get(message->ip),
			.kind = message->kind,
			.serial = message->serial,
			.state_ms = message->state_ms,
			.expires_ms = message->expires_ms,
			.incarnation = message->incarnation,
			.lease_s = message->lease_s,
			.is_marked = message->merging,
			.is_old = true,
		};
	}
	if (sound && message->kind != PXE__JOURNAL_KIND__JOURNAL_RETURNED) {
		reserve_client_of(message->who, &ret_entry->client);
		reserve_entry_set_who(ret_entry, message->who);
		snprintf(ret_entry->subnet, sizeof ret_entry->subnet, "%s", message->subnet);
	}
	pxe__journal_entry__free_unpacked(message, NULL);
	return sound ? 0 : -EBADMSG;
}
