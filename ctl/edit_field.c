#include "ctl/edit_field.h"

#include "proto/msg/msg_ip4.h"
#include "proto/wire/dhcp4_value.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 63

/* ---- memory */

static void free_text(char *text)
{
	if (text != protobuf_c_empty_string) {
		free(text);
	}
}

void edit_set_text(char **field, const char *value)
{
	char *copy = strdup(value);

	assert(copy != NULL);
	free_text(*field);
	*field = copy;
}

void edit_set_bytes(ProtobufCBinaryData *field, const void *data, size_t bytes)
{
	uint8_t *copy = bytes == 0 ? NULL : malloc(bytes);

	assert(bytes == 0 || copy != NULL);
	if (bytes > 0) {
		memcpy(copy, data, bytes);
	}
	free(field->data);
	field->data = copy;
	field->len = bytes;
}

void edit_set_ip(ProtobufCBinaryData *field, uint32_t ip)
{
	uint8_t bytes[4];

	msg_ip4_put(ip, bytes);
	edit_set_bytes(field, bytes, ip == 0 ? 0 : sizeof bytes);
}

void edit_clear_bytes(ProtobufCBinaryData **list, size_t *count)
{
	for (size_t i = 0; i < *count; i++) {
		free((*list)[i].data);
	}
	free(*list);
	*list = NULL;
	*count = 0;
}

void edit_append_bytes(ProtobufCBinaryData **list, size_t *count, const void *data, size_t bytes)
{
	*list = realloc(*list, (*count + 1) * sizeof **list);
	assert(*list != NULL);
	(*list)[*count] = (ProtobufCBinaryData){0, NULL};
	edit_set_bytes(&(*list)[(*count)++], data, bytes);
}

void edit_append_ip(ProtobufCBinaryData **list, size_t *count, uint32_t ip)
{
	uint8_t bytes[4];

	msg_ip4_put(ip, bytes);
	edit_append_bytes(list, count, bytes, sizeof bytes);
}

void edit_clear_texts(char ***list, size_t *count)
{
	for (size_t i = 0; i < *count; i++) {
		free_text((*list)[i]);
	}
	free(*list);
	*list = NULL;
	*count = 0;
}

void edit_append_text(char ***list, size_t *count, const char *text, size_t bytes)
{
	*list = realloc(*list, (*count + 1) * sizeof **list);
	assert(*list != NULL);
	(*list)[*count] = strndup(text, bytes);
	assert((*list)[*count] != NULL);
	++*count;
}

void edit_append_message(void *list, size_t *count, void *message)
{
	void **messages;

	/* Every list of messages is an array of pointers, whatever they point to. */
	memcpy(&messages, list, sizeof messages);
	messages = realloc(messages, (*count + 1) * sizeof *messages);
	assert(messages != NULL && message != NULL);
	messages[(*count)++] = message;
	memcpy(list, &messages, sizeof messages);
}

void *edit_new(const ProtobufCMessageDescriptor *type)
{
	void *message = protobuf_c_message_unpack(type, NULL, 0, (const uint8_t *)"");

	assert(message != NULL);
	return message;
}

/* ---- values */

bool edit_is_none(const char *text)
{
	return text[0] == '\0' || strcmp(text, "none") == 0;
}

int edit_check_name(const struct ctl *ctl, const char *noun, const char *name)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

	if (name[0] == '\0' || name[0] == '-' || strspn(name, allowed) != strlen(name) ||
		strlen(name) > NAME_MAX_BYTES) {
		return ctl_fail(ctl, CTL_USAGE,
			"'%s' cannot be the name of a %s: write up to %d letters, digits, '-', '_' "
			"or '.'",
			name, noun, NAME_MAX_BYTES);
	}
	return CTL_OK;
}

void edit_text(const struct invocation *in, const char *option, char **field)
{
	const char *text = command_text(in, option);

	if (text != NULL) {
		edit_set_text(field, strcmp(text, "none") == 0 ? "" : text);
	}
}

int edit_ip(const struct ctl *ctl, const char *option, const char *text, ProtobufCBinaryData *field)
{
	uint32_t ip;

	if (edit_is_none(text)) {
		edit_set_bytes(field, NULL, 0);
		return CTL_OK;
	}
	if (text_ip4_parse(text, &ip) != 0) {
		return ctl_fail(ctl, CTL_USAGE,
			"--%s '%s': write an IPv4 address, such as 10.20.0.1, or none", option,
			text);
	}
	edit_set_ip(field, ip);
	return CTL_OK;
}

static int append_ips(const struct ctl *ctl, const char *option, const char *value,
	ProtobufCBinaryData **list, size_t *count)
{
	while (!edit_is_none(value)) {
		size_t length = strcspn(value, ",");
		char one[TEXT_IP4_BYTES + 1];
		uint32_t ip;
		snprintf(one, sizeof one, "%.*s", (int)(length < sizeof one ? length : sizeof one),
			value);
		if (text_ip4_parse(one, &ip) != 0) {
			return ctl_fail(ctl, CTL_USAGE,
				"--%s '%.*s': write IPv4 addresses with commas, or none", option,
				(int)length, value);
		}
		edit_append_ip(list, count, ip);
		value += length + (value[length] == ',');
	}
	return CTL_OK;
}

int edit_ips(const struct ctl *ctl, const struct invocation *in, const char *option,
	ProtobufCBinaryData **list, size_t *count)
{
	size_t iterator = 0;
	const char *value;
	bool first = true;

	while ((value = command_next(in, option, &iterator)) != NULL) {
		if (first) {
			edit_clear_bytes(list, count);
		}
		first = false;
		if (append_ips(ctl, option, value, list, count) != CTL_OK) {
			return CTL_USAGE;
		}
	}
	return CTL_OK;
}

static int append_names(
	const struct ctl *ctl, const char *noun, const char *value, char ***list, size_t *count)
{
	while (!edit_is_none(value)) {
		size_t length = strcspn(value, ",");
		char one[NAME_MAX_BYTES + 2]; /* one more, so that what is too long stays so */
		snprintf(one, sizeof one, "%.*s", (int)length, value);
		if (edit_check_name(ctl, noun, one) != CTL_OK) {
			return CTL_USAGE;
		}
		edit_append_text(list, count, one, strlen(one));
		value += length + (value[length] == ',');
	}
	return CTL_OK;
}

int edit_names(const struct ctl *ctl, const struct invocation *in, const char *option,
	const char *noun, char ***list, size_t *count)
{
	size_t iterator = 0;
	const char *value;
	bool first = true;

	while ((value = command_next(in, option, &iterator)) != NULL) {
		if (first) {
			edit_clear_texts(list, count);
		}
		first = false;
		if (append_names(ctl, noun, value, list, count) != CTL_OK) {
			return CTL_USAGE;
		}
	}
	return CTL_OK;
}

int edit_seconds(
	const struct ctl *ctl, const struct invocation *in, const char *option, uint32_t *field)
{
	const char *text = command_text(in, option);
	uint64_t ms;

	if (text == NULL) {
		return CTL_OK;
	}
	if (strcmp(text, "default") == 0) {
		*field = 0;
		return CTL_OK;
	}
	if (text_duration_parse(text, &ms) != 0 || ms < 1000 || ms % 1000 != 0 ||
		ms / 1000 > UINT32_MAX - 1) {
		return ctl_fail(ctl, CTL_USAGE,
			"--%s '%s': write a time, such as 90s, 10m, 1h, 1d, or default", option,
			text);
	}
	*field = (uint32_t)(ms / 1000);
	return CTL_OK;
}

int edit_yes_no(const struct ctl *ctl, const struct invocation *in, const char *option,
	protobuf_c_boolean *field)
{
	const char *text = command_text(in, option);

	if (text == NULL) {
		return CTL_OK;
	}
	if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0) {
		return ctl_fail(ctl, CTL_USAGE, "--%s '%s': write yes or no", option, text);
	}
	*field = text[0] == 'y';
	return CTL_OK;
}

/* Ethernet, EUI-64, and the UUID that some firmware sends as its address (FIELD 22). Others are
 * typing mistakes. */
int edit_mac(const char *text, uint8_t ret_mac[16], size_t *ret_bytes)
{
	uint8_t mac[16];
	size_t bytes;

	if (text_mac_parse(text, mac) == 0) {
		bytes = 6;
	} else if (text_hwaddr_parse(text, mac, &bytes) != 0 ||
		   (bytes != 6 && bytes != 8 && bytes != 16)) {
		return -EINVAL;
	}
	memcpy(ret_mac, mac, bytes);
	*ret_bytes = bytes;
	return 0;
}

static bool is_pairs(const char *text)
{
	size_t length = strlen(text);

	for (size_t i = 0; i < length; i++) {
		if (i % 3 == 2 ? text[i] != ':'
			       : strchr("0123456789abcdefABCDEF", text[i]) == NULL) {
			return false;
		}
	}
	return length >= 5 && length % 3 == 2;
}

int edit_identity(const char *text, uint8_t *ret, size_t capacity, size_t *ret_bytes)
{
	char prefixed[2 * DHCP4_VALUE_MAX];
	const char *prefix = "text:";

	if (strncmp(text, "text:", 5) == 0 || strncmp(text, "hex:", 4) == 0) {
		prefix = "";
	} else if (is_pairs(text) || strncmp(text, "0x", 2) == 0) {
		prefix = "hex:";
	}
	if ((size_t)snprintf(prefixed, sizeof prefixed, "%s%s", prefix, text) >= sizeof prefixed) {
		return -EINVAL;
	}
	return dhcp4_value_parse(NULL, prefixed, ret, capacity, ret_bytes, NULL, 0);
}

int edit_range(const char *text, uint32_t *ret_first, uint32_t *ret_last)
{
	const char *dash = strchr(text, '-');
	char first_text[TEXT_IP4_BYTES] = "";
	uint32_t first, last;
	size_t length = dash != NULL ? (size_t)(dash - text) : strlen(text);

	if (length < sizeof first_text) {
		snprintf(first_text, sizeof first_text, "%.*s", (int)length, text);
	}
	if (text_ip4_parse(first_text, &first) != 0 ||
		text_ip4_parse(dash != NULL ? dash + 1 : text, &last) != 0) {
		return -EINVAL;
	}
	if (last < first) {
		return -ERANGE;
	}
	*ret_first = first;
	*ret_last = last;
	return 0;
}
