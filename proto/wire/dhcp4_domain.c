#include "proto/wire/dhcp4_domain.h"

#include <assert.h>
#include <string.h>

#define LABEL_MAX   63u
#define POINTER     0xc0u
#define POINTER_MAX 0x3fffu

static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

/* The label at the start of `name`: 0 if there is none that is valid. */
static size_t label_length(const char *name)
{
	size_t length = 0;
	while (is_name_byte(name[length]))
		length++;
	return length <= LABEL_MAX ? length : 0;
}

/* Past the label and its dot. */
static const char *after_label(const char *name)
{
	name += label_length(name);
	return *name == '.' ? name + 1 : name;
}

bool dhcp4_domain_is_valid(const char *name)
{
	const char *at = name;
	while (*at != '\0') {
		size_t length = label_length(at);
		if (length == 0 || (at[length] != '.' && at[length] != '\0'))
			return false;
		at = after_label(at);
	}
	size_t length = (size_t)(at - name);
	if (length > 0 && name[length - 1] == '.')
		length--;
	return length > 0 && length < DHCP4_DOMAIN_BYTES;
}

static void put_label(struct cursor_writer *writer, const char *name)
{
	size_t length = label_length(name);
	cursor_put_u8(writer, (uint8_t)length);
	cursor_put_bytes(writer, name, length);
}

void dhcp4_domain_put(struct cursor_writer *writer, const char *name)
{
	assert(dhcp4_domain_is_valid(name));
	for (; *name != '\0'; name = after_label(name))
		put_label(writer, name);
	cursor_put_u8(writer, 0);
}

/* Equal, but for a dot at the end of `name`? */
static bool is_same(const char *name, const char *other)
{
	size_t length = strlen(other);
	return strncmp(name, other, length) == 0 &&
	       (name[length] == '\0' || (name[length] == '.' && name[length + 1] == '\0'));
}

/* Where the writer, below `end`, already has this name: an offset, or `end`. */
static size_t find_name(const struct cursor_writer *writer, size_t end, const char *name)
{
	size_t at = 0;
	while (at < end && at <= POINTER_MAX) {
		char known[DHCP4_DOMAIN_BYTES];
		size_t walk = at;
		uint8_t length = writer->data[at];
		if (length > LABEL_MAX) {
			at += 2;
			continue;
		}
		if (length > 0 && dhcp4_domain_take(writer->data, end, &walk, known) &&
			is_same(name, known))
			return at;
		at += 1u + length;
	}
	return end;
}

void dhcp4_domain_put_compressed(struct cursor_writer *writer, const char *name)
{
	assert(dhcp4_domain_is_valid(name));
	size_t end = writer->size;
	for (; *name != '\0'; name = after_label(name)) {
		size_t known = find_name(writer, end, name);
		if (known < end) {
			cursor_put_u16(writer, (uint16_t)(POINTER << 8 | known));
			return;
		}
		put_label(writer, name);
	}
	cursor_put_u8(writer, 0);
}

/* Append the label of `length` bytes, with a dot before it if it is not the first. */
static bool add_label(
	char name[DHCP4_DOMAIN_BYTES], size_t *length, const uint8_t *label, size_t label_bytes)
{
	size_t dot = *length > 0 ? 1 : 0;
	if (*length + dot + label_bytes >= DHCP4_DOMAIN_BYTES)
		return false;
	if (dot == 1)
		name[(*length)++] = '.';
	for (size_t i = 0; i < label_bytes; i++) {
		if (!is_name_byte((char)label[i]))
			return false;
		name[(*length)++] = (char)label[i];
	}
	return true;
}

bool dhcp4_domain_take(
	const uint8_t *data, size_t size, size_t *at, char ret_name[DHCP4_DOMAIN_BYTES])
{
	char name[DHCP4_DOMAIN_BYTES];
	size_t length = 0, walk = *at, start = *at, end = 0; /* end 0: no pointer followed yet */
	for (;;) {
		if (walk >= size)
			return false;
		uint8_t first = data[walk];
		if (first == 0)
			break;
		if ((first & POINTER) == POINTER) {
			if (walk + 1 >= size)
				return false;
			size_t to = (size_t)(first & ~POINTER) << 8 | data[walk + 1];
			if (to >= start)
				return false;
			end = end == 0 ? walk + 2 : end;
			walk = start = to;
			continue;
		}
		if (first > LABEL_MAX || first > size - walk - 1 ||
			!add_label(name, &length, data + walk + 1, first))
			return false;
		walk += 1u + first;
	}
	if (length == 0)
		return false;
	name[length] = '\0';
	memcpy(ret_name, name, length + 1);
	*at = end == 0 ? walk + 1 : end;
	return true;
}
