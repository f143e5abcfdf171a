/* Any text as a site file, and as a table of hosts: never a crash; every object is found by its
 * name and is no different from itself. */
#include "ctl/site_check.h"
#include "ctl/site_write.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void report(struct site *site)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	if (out == NULL) {
		abort();
	}
	site_report(site, out);
	fclose(out);
	assert((bytes > 0) == (site_errors(site) + site_warnings(site) > 0));
	free(text);
}

static void ignore(void *ctx, const char *key, const char *before, const char *after)
{
	(void)ctx;
	(void)key;
	(void)before;
	(void)after;
}

static void read_one(const char *name, const char *text)
{
	struct site *site = site_open(name, text, true);

	site_check(site, NULL, NULL);
	for (size_t i = 0; i < site_count(site); i++) {
		const struct site_object *object = site_at(site, i);
		assert(site_find(site, object->kind, object->name) == object);
		assert(site_each_difference(
			       object->kind, object->message, object->message, ignore, NULL) == 0);
	}
	report(site);
	site_close(site);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (text == NULL) {
		abort();
	}
	memcpy(text, data, size);
	text[size] = '\0';
	read_one("fuzz.yaml", text);
	read_one("fuzz.csv", text);
	free(text);
	return 0;
}
