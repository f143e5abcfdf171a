/* Any bytes: decode, use every accessor, build a message with the same options, and decode that to
 * the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire/dhcp4.h"
#include "proto/wire/dhcp4_build.h"
#include "proto/wire/dhcp4_names.h"
#include "proto/wire/dhcp4_sub.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

static void walk_subs(const struct dhcp4_message *message, uint8_t code, enum dhcp4_sub_kind kind)
{
	const uint8_t *data;
	size_t size;
	if (!dhcp4_option(message, code, &data, &size))
		return;
	struct dhcp4_sub sub;
	uint8_t sub_code;
	const uint8_t *value;
	size_t value_bytes, total = 0;
	dhcp4_sub_init(&sub, kind, data, size);
	while (dhcp4_sub_next(&sub, &sub_code, &value, &value_bytes)) {
		check(value >= data && value + value_bytes <= data + size);
		total += 2 + value_bytes;
	}
	check(total <= size);
}

static void check_inside(const struct dhcp4_sub_value *value, const uint8_t *data, size_t size)
{
	check(value->data == NULL ||
		(value->data >= data && value->data + value->size <= data + size));
}

static void walk_enterprises(const struct dhcp4_message *message, uint8_t code)
{
	const uint8_t *data;
	size_t size;
	if (!dhcp4_option(message, code, &data, &size))
		return;
	struct dhcp4_relay_info info;
	dhcp4_relay_read(data, size, &info);
	check_inside(&info.circuit_id, data, size);
	check_inside(&info.vendor, data, size);
	check_inside(&info.vss, data, size);
	struct dhcp4_enterprise walk;
	struct dhcp4_enterprise_value value;
	size_t total = 0;
	dhcp4_enterprise_init(&walk, data, size);
	while (dhcp4_enterprise_next(&walk, &value)) {
		check(value.data >= data && value.data + value.size <= data + size);
		total += 5 + value.size;
	}
	check(walk.failed ? total < size : total == size);
}

static void use_accessors(const struct dhcp4_message *message)
{
	uint8_t u8, uuid[16];
	uint16_t u16, u16s[8];
	uint32_t u32, ip[8];
	char text[64];
	struct dhcp4_bytes classes[8];
	for (unsigned code = 0; code < 256; code++) {
		uint8_t c = (uint8_t)code;
		dhcp4_u8(message, c, &u8);
		dhcp4_u16(message, c, &u16);
		dhcp4_u32(message, c, &u32);
		dhcp4_ip4_list(message, c, ip, 8);
		dhcp4_u16_list(message, c, u16s, 8);
		if (dhcp4_string(message, c, text, sizeof text))
			check(strlen(text) < sizeof text);
		dhcp4_string_has_nul(message, c);
		dhcp4_wants(message, c);
		walk_subs(message, c, DHCP4_SUB_VENDOR);
		walk_subs(message, c, DHCP4_SUB_RELAY);
		walk_enterprises(message, c);
	}
	check(!dhcp4_has(message, DHCP4_PAD) && !dhcp4_has(message, DHCP4_END));
	dhcp4_uuid(message, uuid);
	check(dhcp4_user_classes(message, classes, 8) <= 8);
	dhcp4_has_user_class(message, "iPXE");
	dhcp4_vendor_class_begins(message, "PXEClient");
	check(dhcp4_reply_limit(message, 1472) >= 548 && dhcp4_reply_limit(message, 1472) <= 1472);
	dhcp4_type_name(message->type);
}

static void check_same(const struct dhcp4_message *a, const struct dhcp4_message *b)
{
	check(memcmp(&a->header.chaddr, &b->header.chaddr, sizeof a->header.chaddr) == 0);
	check(a->header.xid == b->header.xid && a->header.secs == b->header.secs &&
		a->header.flags == b->header.flags);
	check(a->header.ciaddr == b->header.ciaddr && a->header.giaddr == b->header.giaddr);
	check(strcmp(a->header.file, b->header.file) == 0 &&
		strcmp(a->header.sname, b->header.sname) == 0);
	check(a->type == b->type);
	for (unsigned code = 0; code < 256; code++) {
		const uint8_t *data_a, *data_b;
		size_t size_a, size_b;
		if (code == DHCP4_OVERLOAD)
			continue;
		bool has = dhcp4_option(a, (uint8_t)code, &data_a, &size_a);
		check(has == dhcp4_option(b, (uint8_t)code, &data_b, &size_b));
		check(!has || (size_a == size_b && memcmp(data_a, data_b, size_a) == 0));
	}
}

static void round_trip(const struct dhcp4_message *message, size_t limit, bool overload)
{
	static uint8_t buffer[20000];
	struct dhcp4_message again;
	struct dhcp4_builder builder;
	dhcp4_build_init(&builder, buffer, sizeof buffer, limit);
	dhcp4_build_header(&builder, &message->header);
	if (overload)
		dhcp4_build_allow_overload(&builder);
	for (unsigned code = 1; code < 255; code++) {
		if (code != DHCP4_OVERLOAD)
			dhcp4_build_echo(&builder, message, (uint8_t)code);
	}
	size_t size = dhcp4_build_finish(&builder);
	check(size <= (limit < DHCP4_MIN_BYTES ? DHCP4_MIN_BYTES : limit));
	check(size == 0 || size >= DHCP4_MIN_BYTES);
	if (size == 0)
		return;
	check(dhcp4_decode(buffer, size, &again) == DHCP4_OK);
	check_same(message, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dhcp4_message message;
	enum dhcp4_reason reason = dhcp4_decode(data, size, &message);
	check(dhcp4_reason_name(reason) != NULL);
	if (reason != DHCP4_OK)
		return 0;
	use_accessors(&message);
	round_trip(&message, DHCP4_PACKET_MAX, false);
	round_trip(&message, 300, true);
	round_trip(&message, 548, true);
	return 0;
}
