/* What relays say in option 82, and values by enterprise. */
#include <assert.h>
#include <string.h>

#include "proto/wire/dhcp4_sub.h"

const char *dhcp4_relay_name(uint8_t code)
{
	static const char *const names[256] = {
		[DHCP4_RELAY_CIRCUIT_ID] = "circuit-id",
		[DHCP4_RELAY_REMOTE_ID] = "remote-id",
		[DHCP4_RELAY_DOCSIS_CLASS] = "docsis-device-class",
		[DHCP4_RELAY_LINK_SELECTION] = "link-selection",
		[DHCP4_RELAY_SUBSCRIBER_ID] = "subscriber-id",
		[DHCP4_RELAY_RADIUS] = "radius-attributes",
		[DHCP4_RELAY_AUTHENTICATION] = "authentication",
		[DHCP4_RELAY_VENDOR] = "vendor-specific",
		[DHCP4_RELAY_FLAGS] = "relay-flags",
		[DHCP4_RELAY_SERVER_ID_OVERRIDE] = "server-id-override",
		[DHCP4_RELAY_RELAY_ID] = "relay-id",
		[DHCP4_RELAY_ACCESS_TECHNOLOGY] = "access-technology-type",
		[DHCP4_RELAY_ACCESS_NETWORK] = "access-network-name",
		[DHCP4_RELAY_ACCESS_POINT] = "access-point-name",
		[DHCP4_RELAY_ACCESS_POINT_BSSID] = "access-point-bssid",
		[DHCP4_RELAY_OPERATOR_ID] = "operator-id",
		[DHCP4_RELAY_OPERATOR_REALM] = "operator-realm",
		[DHCP4_RELAY_SOURCE_PORT] = "relay-source-port",
		[DHCP4_RELAY_VSS] = "virtual-subnet-selection",
		[DHCP4_RELAY_VSS_CONTROL] = "virtual-subnet-selection-control",
	};
	return names[code];
}

static void note_address(
	const struct dhcp4_sub_value *value, uint32_t *ret, struct dhcp4_relay_info *info)
{
	if (value->size != 4) {
		info->is_malformed = true;
		return;
	}
	for (size_t i = 0; i < 4; i++)
		*ret = *ret << 8 | value->data[i];
}

/* A sub-option that carries no bytes. */
static void note_presence(
	const struct dhcp4_sub_value *value, bool *ret, struct dhcp4_relay_info *info)
{
	*ret = true;
	if (value->size != 0)
		info->is_malformed = true;
}

static void note_flags(const struct dhcp4_sub_value *value, struct dhcp4_relay_info *info)
{
	if (value->size != 1) {
		info->is_malformed = true;
		return;
	}
	info->has_flags = true;
	info->is_unicast = (value->data[0] & 0x80) != 0;
}

static void note(uint8_t code, const struct dhcp4_sub_value *value, struct dhcp4_relay_info *info)
{
	switch (code) {
	case DHCP4_RELAY_CIRCUIT_ID: info->circuit_id = *value; break;
	case DHCP4_RELAY_REMOTE_ID: info->remote_id = *value; break;
	case DHCP4_RELAY_SUBSCRIBER_ID: info->subscriber_id = *value; break;
	case DHCP4_RELAY_RELAY_ID: info->relay_id = *value; break;
	case DHCP4_RELAY_VENDOR: info->vendor = *value; break;
	case DHCP4_RELAY_VSS: info->vss = *value; break;
	case DHCP4_RELAY_LINK_SELECTION: note_address(value, &info->link_selection, info); break;
	case DHCP4_RELAY_SERVER_ID_OVERRIDE:
		note_address(value, &info->server_id_override, info);
		break;
	case DHCP4_RELAY_FLAGS: note_flags(value, info); break;
	case DHCP4_RELAY_SOURCE_PORT: note_presence(value, &info->has_source_port, info); break;
	case DHCP4_RELAY_VSS_CONTROL: note_presence(value, &info->has_vss_control, info); break;
	default: break;
	}
}

void dhcp4_relay_read(const void *data, size_t size, struct dhcp4_relay_info *ret_info)
{
	struct dhcp4_sub sub;
	struct dhcp4_sub_value value;
	uint8_t code;
	bool seen[256] = {false};
	*ret_info = (struct dhcp4_relay_info){0};
	dhcp4_sub_init(&sub, DHCP4_SUB_RELAY, data, size);
	while (dhcp4_sub_next(&sub, &code, &value.data, &value.size)) {
		if (seen[code]) {
			ret_info->repeated++;
			continue;
		}
		seen[code] = true;
		note(code, &value, ret_info);
	}
	if (sub.failed)
		ret_info->is_malformed = true;
}

void dhcp4_enterprise_init(struct dhcp4_enterprise *walk, const void *data, size_t size)
{
	assert(data != NULL || size == 0);
	*walk = (struct dhcp4_enterprise){.data = data, .size = size};
}

bool dhcp4_enterprise_next(struct dhcp4_enterprise *walk, struct dhcp4_enterprise_value *ret_value)
{
	size_t left = walk->size - walk->at;
	if (walk->failed || left == 0)
		return false;
	const uint8_t *at = walk->data + walk->at;
	if (left < 5 || at[4] > left - 5) {
		walk->failed = true;
		return false;
	}
	*ret_value = (struct dhcp4_enterprise_value){
		.enterprise = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 |
			      at[3],
		.data = at + 5,
		.size = at[4],
	};
	walk->at += 5u + at[4];
	return true;
}

bool dhcp4_enterprise_find(const void *data, size_t size, uint32_t enterprise,
	const uint8_t **ret_data, size_t *ret_size)
{
	struct dhcp4_enterprise walk;
	struct dhcp4_enterprise_value value;
	dhcp4_enterprise_init(&walk, data, size);
	while (dhcp4_enterprise_next(&walk, &value)) {
		if (value.enterprise != enterprise)
			continue;
		*ret_data = value.data;
		*ret_size = value.size;
		return true;
	}
	return false;
}

bool dhcp4_enterprise_find_sub(const void *data, size_t size, uint32_t enterprise, uint8_t code,
	const uint8_t **ret_data, size_t *ret_size)
{
	struct dhcp4_enterprise walk;
	struct dhcp4_enterprise_value value;
	dhcp4_enterprise_init(&walk, data, size);
	while (dhcp4_enterprise_next(&walk, &value)) {
		if (value.enterprise == enterprise && dhcp4_sub_find(DHCP4_SUB_RELAY, value.data,
							      value.size, code, ret_data, ret_size))
			return true;
	}
	return false;
}
