#include "store/model/internal.h"

#include "proto/wire/text.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

Pxe__Verdict internal_refuse(struct apply *a, Pxe__Verdict verdict, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(a->result->detail, sizeof(a->result->detail), format, arguments);
	va_end(arguments);
	return verdict;
}

uint64_t internal_after(uint64_t a, uint64_t b)
{
	return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

bool internal_same_bytes(ProtobufCBinaryData a, ProtobufCBinaryData b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

void internal_subnet_range(const Pxe__Subnet *subnet, uint32_t *ret_first, uint32_t *ret_last)
{
	assert(subnet->prefix_len <= 32);
	uint32_t mask = text_ip4_mask(subnet->prefix_len);
	*ret_first = msg_ip4_get(subnet->network_ip) & mask;
	*ret_last = *ret_first | ~mask;
}

const char *internal_ip_of_cluster(
	const struct model *model, const Pxe__Subnet *subnet, uint32_t ip)
{
	uint32_t first, last;
	internal_subnet_range(subnet, &first, &last);
	if (ip == first)
		return "the network address of its subnet";
	if (ip == last)
		return "the broadcast address of its subnet";
	if (ip == msg_ip4_get(subnet->gateway_ip))
		return "the gateway of its subnet";
	const Pxe__Settings *settings = model_settings(model);
	if (settings != NULL && ip == msg_ip4_get(settings->server_ip))
		return "the cluster's server address";
	const struct shelf *members = &model->shelf[RECORD_MEMBER];
	for (size_t i = 0; i < members->count; i++) {
		const Pxe__Member *member = (const Pxe__Member *)members->records[i]->message;
		if (ip == msg_ip4_get(member->serve_ip))
			return "the address of a node";
	}
	return NULL;
}

bool internal_never_leased(const struct model *model, const Pxe__Subnet *subnet, uint32_t ip)
{
	uint32_t host = ip & 0xff;
	if (subnet->prefix_len < 24 && (host == 0 || host == 255))
		return true;
	return internal_ip_of_cluster(model, subnet, ip) != NULL;
}

const struct shelf_record *internal_reservation(const struct model *model, uint32_t ip)
{
	uint8_t bytes[4], key[RECORD_KEY_MAX];
	msg_ip4_put(ip, bytes);
	size_t key_bytes = record_key(RECORD_HOST_IP, bytes, sizeof(bytes), key);
	return shelf_find(&model->shelf[RECORD_HOST_IP], key, key_bytes);
}
