#include "node/boot/boot_template.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

static const char *value_of(const struct boot_vars *vars, const char *name, size_t name_bytes)
{
	const struct {
		const char *name, *value;
	} table[] = {
		{"mac", vars->mac},
		{"ip", vars->ip},
		{"name", vars->name},
		{"base_url", vars->base_url},
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		if (strlen(table[i].name) == name_bytes &&
			memcmp(table[i].name, name, name_bytes) == 0) {
			return table[i].value;
		}
	}
	return NULL;
}

static unsigned line_of(const char *text, const char *at)
{
	unsigned line = 1;

	for (; text < at; text++) {
		line += *text == '\n';
	}
	return line;
}

int boot_template_write(const char *text, const struct boot_vars *vars, FILE *out, char *ret_error,
	size_t error_bytes)
{
	const char *at = text;

	assert(text != NULL && vars != NULL && out != NULL);
	for (const char *open = strstr(at, "{{"); open != NULL; open = strstr(at, "{{")) {
		const char *name = open + 2, *close = strstr(name, "}}"), *end = close, *value;
		if (close == NULL) {
			snprintf(ret_error, error_bytes, "line %u: '{{' without '}}'",
				line_of(text, open));
			return -EINVAL;
		}
		while (name < end && isblank((unsigned char)*name)) {
			name++;
		}
		while (end > name && isblank((unsigned char)end[-1])) {
			end--;
		}
		value = value_of(vars, name, (size_t)(end - name));
		if (value == NULL) {
			snprintf(ret_error, error_bytes,
				"line %u: unknown variable {{%.*s}} (there are mac, ip, name, "
				"base_url)",
				line_of(text, open), (int)(end - name < 40 ? end - name : 40),
				name);
			return -EINVAL;
		}
		fwrite(at, 1, (size_t)(open - at), out);
		fputs(value, out);
		at = close + 2;
	}
	fputs(at, out);
	return 0;
}
