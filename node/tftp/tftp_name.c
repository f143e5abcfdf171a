#include "node/tftp/tftp_name.h"

#include <assert.h>
#include <string.h>

static bool is_printing(char c)
{
	return c > ' ' && c < 0x7f;
}

bool tftp_name_guess(const char *name, size_t bytes, unsigned attempt, char ret_name[TFTP_NAME_MAX])
{
	assert(attempt < TFTP_NAME_GUESSES);
	if (bytes == 0 || bytes >= TFTP_NAME_MAX)
		return false;
	size_t printing = bytes;
	while (printing > 0 && !is_printing(name[printing - 1]))
		printing--;
	if (attempt > 0 && printing == bytes)
		return false;
	size_t length = attempt == 0   ? bytes
			: attempt == 1 ? printing
			: printing > 0 ? printing - 1
				       : 0;
	if (length == 0)
		return false;
	memcpy(ret_name, name, length);
	ret_name[length] = '\0';
	return true;
}

bool tftp_name_is_empty_if_missing(const char *name)
{
	size_t length = strlen(name);
	return length > 4 && memcmp(name + length - 4, ".lst", 4) == 0;
}

void tftp_name_printable(const char *name, char *ret_text, size_t capacity)
{
	assert(capacity > 0);
	size_t i = 0;
	for (; i + 1 < capacity && name[i] != '\0'; i++)
		ret_text[i] = (char)(is_printing(name[i]) || name[i] == ' ' ? name[i] : '?');
	ret_text[i] = '\0';
}
