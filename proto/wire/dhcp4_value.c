#include "proto/wire/dhcp4_value.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "proto/wire/dhcp4.h"
#include "proto/wire/dhcp4_value_parse.h"
#include "proto/wire/text.h"

#define VIVSO         125
#define CODE_MAX      254
#define SUB_VALUE_MAX 255 /* a sub-option does not come in pieces */

static int read_value(struct dhcp4_value_parse *parse, const char *text, uint8_t *ret,
	size_t capacity, size_t *ret_size)
{
	uint8_t buffer[DHCP4_VALUE_MAX];
	if (capacity > sizeof buffer)
		capacity = sizeof buffer;
	cursor_writer_init(&parse->out, buffer, capacity);
	int status = dhcp4_value_read(parse, text);
	if (status != 0)
		return status;
	memcpy(ret, buffer, parse->out.size);
	*ret_size = parse->out.size;
	return 0;
}

int dhcp4_value_parse(const struct dhcp4_option_info *info, const char *text, uint8_t *ret,
	size_t capacity, size_t *ret_size, char *ret_error, size_t error_bytes)
{
	assert(text != NULL && ret != NULL && ret_size != NULL);
	assert(ret_error != NULL || error_bytes == 0);
	struct dhcp4_value_parse parse = {.name = info != NULL ? info->name : "value",
		.info = info,
		.error = ret_error,
		.error_bytes = error_bytes};
	return read_value(&parse, text, ret, capacity, ret_size);
}

const struct dhcp4_option_info *dhcp4_value_info(const struct dhcp4_value_option *option)
{
	return option->space == DHCP4_VALUE_DHCP ? dhcp4_option_info(option->code) : NULL;
}

/* The number from 1 to 254 of an option, or 0. */
static uint8_t code_of(const char *word)
{
	uint64_t number;
	if (text_u64_parse(word, CODE_MAX, &number) == 0)
		return (uint8_t)number;
	if (strcasecmp(word, "vendor") == 0)
		return DHCP4_VENDOR_INFO;
	if (strcasecmp(word, "vivso") == 0)
		return VIVSO;
	const struct dhcp4_option_info *info = dhcp4_option_info_by_name(word);
	return info != NULL ? info->code : 0;
}

/* "6" of vendor.6: what follows the first dot. */
static bool read_vendor(const char *rest, struct dhcp4_value_option *option)
{
	uint64_t code;
	if (text_u64_parse(rest, CODE_MAX, &code) != 0 || code == 0)
		return false;
	option->space = DHCP4_VALUE_VENDOR;
	option->code = (uint8_t)code;
	return true;
}

/* "3561.1" of 125.3561.1. */
static bool read_vivso(const char *rest, struct dhcp4_value_option *option)
{
	char digits[16];
	uint64_t enterprise, code;
	const char *dot = strchr(rest, '.');
	if (dot == NULL || (size_t)(dot - rest) >= sizeof digits)
		return false;
	memcpy(digits, rest, (size_t)(dot - rest));
	digits[dot - rest] = '\0';
	if (text_u64_parse(digits, UINT32_MAX, &enterprise) != 0 ||
		text_u64_parse(dot + 1, UINT8_MAX, &code) != 0 || code == 0)
		return false;
	option->space = DHCP4_VALUE_VIVSO;
	option->enterprise = (uint32_t)enterprise;
	option->code = (uint8_t)code;
	return true;
}

static int read_name(struct dhcp4_value_parse *parse, struct dhcp4_value_option *option)
{
	char word[DHCP4_VALUE_NAME_BYTES];
	const char *name = parse->name;
	option->always = name[0] == '!';
	name += option->always ? 1 : 0;
	size_t length = strcspn(name, ".");
	if (length >= sizeof word)
		return dhcp4_value_fail(parse, "no option has such a long name");
	memcpy(word, name, length);
	word[length] = '\0';
	option->code = code_of(word);
	if (option->code == 0)
		return dhcp4_value_fail(parse,
			"not an option; write a number from 1 to 254 or a name such as routers or "
			"root-path");
	if (name[length] == '\0')
		return 0;
	const char *rest = name + length + 1;
	if (option->code == DHCP4_VENDOR_INFO)
		return read_vendor(rest, option)
			       ? 0
			       : dhcp4_value_fail(parse, "a sub-option of 43 is written "
							 "vendor.6, with a number from 1 to 254");
	if (option->code == VIVSO)
		return read_vivso(rest, option)
			       ? 0
			       : dhcp4_value_fail(parse, "a sub-option of 125 is written "
							 "125.ENTERPRISE.CODE, such as 125.4491.1");
	return dhcp4_value_fail(parse, "only 43 and 125 have sub-options that can be set");
}

int dhcp4_value_parse_name(
	const char *name, struct dhcp4_value_option *ret, char *ret_error, size_t error_bytes)
{
	assert(name != NULL && ret != NULL);
	assert(ret_error != NULL || error_bytes == 0);
	struct dhcp4_value_option option = {0};
	struct dhcp4_value_parse parse = {
		.name = name, .error = ret_error, .error_bytes = error_bytes};
	int status = read_name(&parse, &option);
	if (status == 0)
		*ret = option;
	return status;
}

int dhcp4_value_parse_pair(const char *name, const char *value, struct dhcp4_value_option *ret,
	char *ret_error, size_t error_bytes)
{
	assert(value != NULL && ret != NULL);
	struct dhcp4_value_option option;
	int status = dhcp4_value_parse_name(name, &option, ret_error, error_bytes);
	if (status != 0)
		return status;
	option.none = strcmp(value, "none") == 0;
	if (!option.none) {
		struct dhcp4_value_parse parse = {.name = name,
			.info = dhcp4_value_info(&option),
			.error = ret_error,
			.error_bytes = error_bytes};
		size_t capacity =
			option.space == DHCP4_VALUE_DHCP ? sizeof option.data : SUB_VALUE_MAX;
		status = read_value(&parse, value, option.data, capacity, &option.size);
	}
	if (status == 0)
		*ret = option;
	return status;
}

int dhcp4_value_parse_option(
	const char *text, struct dhcp4_value_option *ret, char *ret_error, size_t error_bytes)
{
	assert(text != NULL && ret != NULL);
	assert(ret_error != NULL || error_bytes == 0);
	char name[DHCP4_VALUE_NAME_BYTES];
	const char *equals = strchr(text, '=');
	struct dhcp4_value_parse parse = {
		.name = text, .error = ret_error, .error_bytes = error_bytes};
	if (equals == NULL)
		return dhcp4_value_fail(
			&parse, "write NAME=VALUE, such as routers=10.0.0.1, or NAME=none");
	size_t length = (size_t)(equals - text);
	if (length >= sizeof name)
		return dhcp4_value_fail(&parse, "no option has such a long name");
	memcpy(name, text, length);
	name[length] = '\0';
	return dhcp4_value_parse_pair(name, equals + 1, ret, ret_error, error_bytes);
}

char *dhcp4_value_format_name(
	const struct dhcp4_value_option *option, char buffer[DHCP4_VALUE_NAME_BYTES])
{
	const struct dhcp4_option_info *info = dhcp4_value_info(option);
	const char *sign = option->always ? "!" : "";
	if (option->space == DHCP4_VALUE_VENDOR)
		snprintf(buffer, DHCP4_VALUE_NAME_BYTES, "%svendor.%u", sign, option->code);
	else if (option->space == DHCP4_VALUE_VIVSO)
		snprintf(buffer, DHCP4_VALUE_NAME_BYTES, "%s125.%u.%u", sign, option->enterprise,
			option->code);
	else if (info != NULL)
		snprintf(buffer, DHCP4_VALUE_NAME_BYTES, "%s%s", sign, info->name);
	else
		snprintf(buffer, DHCP4_VALUE_NAME_BYTES, "%s%u", sign, option->code);
	return buffer;
}

size_t dhcp4_value_format_option(
	const struct dhcp4_value_option *option, char *ret, size_t capacity)
{
	assert(ret != NULL || capacity == 0);
	char name[DHCP4_VALUE_NAME_BYTES];
	dhcp4_value_format_name(option, name);
	size_t length = strlen(name) + 1;
	if (capacity > 0)
		snprintf(ret, capacity, "%s=", name);
	size_t used = length < capacity ? length : capacity;
	char *rest = used < capacity ? ret + used : NULL;
	if (option->none) {
		if (rest != NULL)
			snprintf(rest, capacity - used, "none");
		return length + strlen("none");
	}
	return length + dhcp4_value_format(dhcp4_value_info(option), option->data, option->size,
				rest, capacity - used);
}
