/* Any text as a join token: never a crash; what is taken is written back as the same token. */
#include "proto/cred/token.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), again[TOKEN_TEXT_BYTES];
	struct token token, read;

	if (text == NULL) {
		return 0;
	}
	memcpy(text, data, size);
	text[size] = '\0';
	enum token_problem problem = token_parse(text, 1, &token);
	assert(token_problem_text(problem)[0] != '\0');
	if (problem == TOKEN_OK || problem == TOKEN_EXPIRED) {
		assert(token.address_count <= TOKEN_ADDRESSES_MAX);
		enum token_problem second = token_parse(token_format(&token, again), 0, &read);
		assert(second == TOKEN_OK && memcmp(&token, &read, sizeof token) == 0);
	}
	free(text);
	return 0;
}
