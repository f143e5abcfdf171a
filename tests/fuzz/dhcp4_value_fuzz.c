/* The first byte is an option's code; the rest is taken once as its bytes and once as its text.
 * What is written reads back to the same bytes (domain names: to the same text), and what is read
 * is written so that it reads back. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire/dhcp4_value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_BYTES (16 * DHCP4_VALUE_MAX)

static char text[TEXT_BYTES], again[TEXT_BYTES];

static void check(int holds)
{
	if (!holds)
		abort();
}

/* May the same text stand for several encodings? Names, by compression. */
static bool has_names(const struct dhcp4_option_info *info)
{
	return info != NULL &&
	       (info->format == DHCP4_FORMAT_DOMAIN || info->format == DHCP4_FORMAT_DOMAIN_LIST ||
		       info->format == DHCP4_FORMAT_SEARCH_LIST ||
		       info->format == DHCP4_FORMAT_SIP);
}

static void bytes_to_text(const struct dhcp4_option_info *info, const uint8_t *data, size_t size)
{
	uint8_t back[DHCP4_VALUE_MAX];
	size_t back_size;
	char error[DHCP4_VALUE_ERROR_BYTES], cut[8];
	if (size > sizeof back)
		return;
	size_t length = dhcp4_value_format(info, data, size, text, sizeof text);
	if (length >= sizeof text)
		return; /* names that pointers repeat many times */
	check(length == strlen(text));
	check(dhcp4_value_format(info, data, size, cut, sizeof cut) == length);
	check(strncmp(cut, text, sizeof cut - 1) == 0 && memchr(cut, 0, sizeof cut) != NULL);
	int status =
		dhcp4_value_parse(info, text, back, sizeof back, &back_size, error, sizeof error);
	if (has_names(info) && status != 0)
		return; /* longer without compression */
	check(status == 0);
	if (!has_names(info))
		check(back_size == size && memcmp(back, data, size) == 0);
	check(dhcp4_value_format(info, back, back_size, again, sizeof again) == length);
	check(strcmp(text, again) == 0);
}

static void text_to_bytes(const struct dhcp4_option_info *info, const char *input)
{
	struct dhcp4_value_option option, back;
	char error[DHCP4_VALUE_ERROR_BYTES] = "", tiny[5];
	uint8_t value[DHCP4_VALUE_MAX], small[16];
	size_t size;
	if (dhcp4_value_parse(info, input, value, sizeof value, &size, error, sizeof error) == 0)
		bytes_to_text(info, value, size);
	else
		check(strlen(error) > 0 && strlen(error) < sizeof error);
	if (dhcp4_value_parse(info, input, small, sizeof small, &size, tiny, sizeof tiny) == 0)
		check(size <= sizeof small);
	if (dhcp4_value_parse_option(input, &option, error, sizeof error) != 0)
		return;
	check(dhcp4_value_format_option(&option, text, sizeof text) == strlen(text));
	check(dhcp4_value_parse_option(text, &back, error, sizeof error) == 0);
	check(back.space == option.space && back.code == option.code &&
		back.enterprise == option.enterprise && back.always == option.always &&
		back.none == option.none);
	check(has_names(dhcp4_value_info(&option)) ||
		(back.size == option.size && memcmp(back.data, option.data, back.size) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	const struct dhcp4_option_info *info = dhcp4_option_info(data[0]);
	/* Of exactly these sizes, so that a read past the end is seen. */
	uint8_t *bytes = malloc(size);
	char *input = malloc(size);
	if (bytes != NULL && input != NULL) {
		memcpy(bytes, data + 1, size - 1);
		memcpy(input, data + 1, size - 1);
		input[size - 1] = '\0';
		bytes_to_text(info, bytes, size - 1);
		bytes_to_text(NULL, bytes, size - 1);
		text_to_bytes(info, input);
	}
	free(bytes);
	free(input);
	return 0;
}
