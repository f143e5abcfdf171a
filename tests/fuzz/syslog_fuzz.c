/* Lines that strangers log: no control byte gets through, and the text is always ended. */
#include "node/syslog/syslog_line.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct syslog_line line;
	bool any = syslog_line_parse(data, size, &line);
	size_t length = strnlen(line.text, sizeof line.text);

	if (length == sizeof line.text || any != (length > 0) || line.facility > 23 ||
		line.severity > SYSLOG_SEVERITY_NONE) {
		abort();
	}
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)line.text[i] < ' ' || line.text[i] == 0x7f) {
			abort();
		}
	}
	return 0;
}
