/* Any text as a configuration of dnsmasq, and as its leases: never a crash; what is written is
 * text. */
#include "ctl/import_from.h"
#include "ctl/lease_import.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *yaml = NULL;
	struct import *im = import_new();
	size_t bytes = 0;
	FILE *out = open_memstream(&yaml, &bytes);
	struct lease_list list;

	if (text == NULL || out == NULL) {
		abort();
	}
	memcpy(text, data, size);
	text[size] = '\0';
	const struct import_source source = {"fuzz", text, strlen(text)};
	import_no_files(im);
	(void)import_dnsmasq(im, &source, 1);
	assert(import_write(im, "fuzz", out) == 0);
	import_report(im, out);
	lease_import_dnsmasq(im, "fuzz", text, &list);
	for (size_t i = 0; i < list.count; i++) {
		assert(list.entry[i].mac_size <= sizeof list.entry[i].mac);
	}
	fclose(out);
	assert(strlen(yaml) == bytes);
	import_free(im);
	free(yaml);
	free(text);
	return 0;
}
