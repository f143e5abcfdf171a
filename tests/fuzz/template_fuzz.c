/* Any text as a template: what is sound is filled in whole, and the reverse; every name that
 * it asks for was told before; errors point into the text. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/template/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ASKED_MAX 64

struct asked {
	char name[ASKED_MAX][96];
	size_t count;
	bool all;
};

static void check(int holds)
{
	if (!holds)
		abort();
}

static bool is_known(const struct asked *asked, const char *name)
{
	for (size_t i = 0; i < asked->count; i++) {
		if (strcmp(asked->name[i], name) == 0)
			return true;
	}
	return false;
}

static bool note(void *ctx, const char *name, struct template_place place, bool section)
{
	struct asked *asked = ctx;
	(void)section;
	check(place.line > 0 && place.column > 0);
	check(strlen(name) < sizeof asked->name[0]);
	if (!is_known(asked, name)) {
		if (asked->count == ASKED_MAX) {
			asked->all = false;
			return false;
		}
		strcpy(asked->name[asked->count++], name);
	}
	return true;
}

/* Names with a 'n' have no value; those with a 'l' a long one. */
static const char *value(void *ctx, const char *name)
{
	const struct asked *asked = ctx;
	check(!asked->all || is_known(asked, name));
	return strchr(name, 'n') != NULL   ? NULL
	       : strchr(name, 'f') != NULL ? "false"
	       : strchr(name, 'l') != NULL ? "{{a}} a long value with braces {{ and lines\n\n"
					   : "v";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct asked asked = {.all = true};
	const struct template_values values = {&asked, value};
	struct template_place place = {0, 0};
	char error[96] = "", *filled = NULL;
	size_t bytes = 0;
	char *text = malloc(size + 1); /* of exactly this size */
	if (text == NULL)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	int sound = template_check(text, &place, error, sizeof error);
	check(sound == 0 || sound == -EINVAL);
	check(place.line > 0 && place.column > 0 && place.line <= size + 1);
	if (sound == 0)
		template_each_name(text, note, &asked);
	else
		asked.all = false;
	int err = template_render(text, &values, &filled, &bytes, &place, error, sizeof error);
	check(sound != 0 || err == 0 || err == -ENOENT || err == -E2BIG);
	check((err == 0) == (filled != NULL));
	if (err == 0)
		check(strlen(filled) == bytes && bytes <= TEMPLATE_OUTPUT_MAX);
	else
		check(error[0] != '\0');
	free(filled);
	free(text);
	return 0;
}
