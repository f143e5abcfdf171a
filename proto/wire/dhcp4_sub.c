#include "proto/wire/dhcp4_sub.h"

#include <assert.h>
#include <string.h>

void dhcp4_sub_init(struct dhcp4_sub *sub, enum dhcp4_sub_kind kind, const void *data, size_t size)
{
	assert(data != NULL || size == 0);
	*sub = (struct dhcp4_sub){.data = data, .size = size, .kind = kind};
}

bool dhcp4_sub_next(
	struct dhcp4_sub *sub, uint8_t *ret_code, const uint8_t **ret_data, size_t *ret_size)
{
	if (sub->kind == DHCP4_SUB_VENDOR) {
		while (sub->at < sub->size && sub->data[sub->at] == 0)
			sub->at++;
		if (sub->at < sub->size && sub->data[sub->at] == 255)
			sub->at = sub->size;
	}
	if (sub->failed || sub->at == sub->size)
		return false;
	size_t left = sub->size - sub->at;
	if (left < 2 || sub->data[sub->at + 1] > left - 2) {
		sub->failed = true;
		return false;
	}
	*ret_code = sub->data[sub->at];
	*ret_data = sub->data + sub->at + 2;
	*ret_size = sub->data[sub->at + 1];
	sub->at += 2 + *ret_size;
	return true;
}

bool dhcp4_sub_find(enum dhcp4_sub_kind kind, const void *data, size_t size, uint8_t code,
	const uint8_t **ret_data, size_t *ret_size)
{
	struct dhcp4_sub sub;
	uint8_t found;
	const uint8_t *value;
	size_t value_bytes;
	dhcp4_sub_init(&sub, kind, data, size);
	while (dhcp4_sub_next(&sub, &found, &value, &value_bytes)) {
		if (found != code)
			continue;
		*ret_data = value;
		*ret_size = value_bytes;
		return true;
	}
	return false;
}

void dhcp4_sub_put(struct dhcp4_sub_builder *builder, uint8_t code, const void *data, size_t size)
{
	assert(data != NULL || size == 0);
	size_t left = sizeof builder->data - builder->size;
	if (builder->failed || left < 2 || size > left - 2) {
		builder->failed = true;
		return;
	}
	builder->data[builder->size++] = code;
	builder->data[builder->size++] = (uint8_t)size;
	if (size > 0)
		memcpy(builder->data + builder->size, data, size);
	builder->size += size;
}

void dhcp4_sub_put_u8(struct dhcp4_sub_builder *builder, uint8_t code, uint8_t value)
{
	dhcp4_sub_put(builder, code, &value, 1);
}

void dhcp4_sub_put_ip4(struct dhcp4_sub_builder *builder, uint8_t code, uint32_t address)
{
	uint8_t bytes[4];
	for (int i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(address >> (24 - 8 * i));
	dhcp4_sub_put(builder, code, bytes, sizeof bytes);
}

void dhcp4_sub_put_end(struct dhcp4_sub_builder *builder)
{
	if (builder->failed || builder->size == sizeof builder->data) {
		builder->failed = true;
		return;
	}
	builder->data[builder->size++] = 255;
}
