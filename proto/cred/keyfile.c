#include "proto/cred/keyfile.h"

#include "proto/cred/credfile.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYFILE_PATH_MAX 512
#define KEYFILE_BASE     85u

static const char z85_digits[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

int keyfile_generate(const char *name, struct keyfile *ret_key)
{
	assert(name != NULL && ret_key != NULL);
	if (sodium_init() < 0) {
		return -EIO;
	}
	memset(ret_key, 0, sizeof *ret_key);
	snprintf(ret_key->name, sizeof ret_key->name, "%s", name);
	if (crypto_box_keypair(ret_key->public_key, ret_key->secret_key) != 0) {
		return -EIO;
	}
	ret_key->has_secret = true;
	return 0;
}

void keyfile_wipe(struct keyfile *key)
{
	sodium_memzero(key->secret_key, sizeof key->secret_key);
	key->has_secret = false;
}

/* Four bytes are one number of five digits, most significant first (ZeroMQ RFC 32). */
char *keyfile_z85_encode(const uint8_t key[KEYFILE_KEY_BYTES], char ret_text[KEYFILE_Z85_BYTES])
{
	char *out = ret_text;

	for (size_t at = 0; at < KEYFILE_KEY_BYTES; at += 4) {
		uint32_t number = (uint32_t)key[at] << 24 | (uint32_t)key[at + 1] << 16 |
				  (uint32_t)key[at + 2] << 8 | key[at + 3];
		for (size_t i = 5; i-- > 0;) {
			out[i] = z85_digits[number % KEYFILE_BASE];
			number /= KEYFILE_BASE;
		}
		out += 5;
	}
	*out = '\0';
	return ret_text;
}

int keyfile_z85_decode(const char *text, uint8_t ret_key[KEYFILE_KEY_BYTES])
{
	uint8_t key[KEYFILE_KEY_BYTES];

	assert(text != NULL && ret_key != NULL);
	if (strlen(text) != KEYFILE_Z85_BYTES - 1) {
		return -EINVAL;
	}
	for (size_t at = 0; at < KEYFILE_KEY_BYTES; at += 4) {
		uint64_t number = 0;
		for (size_t i = 0; i < 5; i++) {
			const char *digit = strchr(z85_digits, *text++);
			if (digit == NULL) {
				return -EINVAL;
			}
			number = number * KEYFILE_BASE + (uint64_t)(digit - z85_digits);
		}
		if (number > UINT32_MAX) {
			return -EINVAL;
		}
		for (size_t i = 0; i < 4; i++) {
			key[at + i] = (uint8_t)(number >> (24 - 8 * i));
		}
	}
	memcpy(ret_key, key, sizeof key);
	sodium_memzero(key, sizeof key);
	return 0;
}

int keyfile_format(const struct keyfile *key, bool with_secret, char *ret_text, size_t text_bytes)
{
	char public_text[KEYFILE_Z85_BYTES], secret_text[KEYFILE_Z85_BYTES], line[80] = "";
	int length;

	assert(key != NULL && ret_text != NULL && (!with_secret || key->has_secret));
	if (with_secret) {
		keyfile_z85_encode(key->secret_key, secret_text);
		snprintf(line, sizeof line, "    secret-key = \"%s\"\n", secret_text);
	}
	length = snprintf(ret_text, text_bytes,
		"#   %s\n\nmetadata\n    name = \"%s\"\ncurve\n    public-key = \"%s\"\n%s",
		with_secret ? "ZeroMQ CURVE **Secret** Certificate. Do not show it to anybody."
			    : "ZeroMQ CURVE Public Certificate. Give this one to others.",
		key->name, keyfile_z85_encode(key->public_key, public_text), line);
	sodium_memzero(line, sizeof line);
	sodium_memzero(secret_text, sizeof secret_text);
	return length < 0 || (size_t)length >= text_bytes ? -ENOSPC : length;
}

/* One `name = "value"` line; value is copied out without its quotes. False: not of that form. */
static bool split_line(const char *line, size_t length, char ret_name[64], char ret_value[128])
{
	const char *equals = memchr(line, '=', length);
	const char *open =
		equals == NULL ? NULL : memchr(equals, '"', length - (size_t)(equals - line));
	const char *close =
		open == NULL ? NULL : memchr(open + 1, '"', length - (size_t)(open + 1 - line));
	size_t name_bytes;

	if (close == NULL) {
		return false;
	}
	name_bytes = (size_t)(equals - line);
	while (name_bytes > 0 && (line[name_bytes - 1] == ' ' || line[name_bytes - 1] == '\t')) {
		name_bytes--;
	}
	if (name_bytes >= 64 || close - open - 1 >= 128) {
		return false;
	}
	snprintf(ret_name, 64, "%.*s", (int)name_bytes, line);
	snprintf(ret_value, 128, "%.*s", (int)(close - open - 1), open + 1);
	return true;
}

struct key_parse {
	struct keyfile key;
	bool has_public;
	const char *problem;
};

static void parse_pair(struct key_parse *parse, const char *name, const char *value)
{
	if (strcmp(name, "public-key") == 0) {
		parse->has_public = true;
		if (keyfile_z85_decode(value, parse->key.public_key) != 0) {
			parse->problem = "public-key is not 40 characters of Z85";
		}
	} else if (strcmp(name, "secret-key") == 0) {
		parse->key.has_secret = true;
		if (keyfile_z85_decode(value, parse->key.secret_key) != 0) {
			parse->problem = "secret-key is not 40 characters of Z85";
		}
	} else if (strcmp(name, "name") == 0) {
		snprintf(parse->key.name, sizeof parse->key.name, "%.63s", value);
	}
}

static const char *check_pair(const struct key_parse *parse)
{
	uint8_t expected[KEYFILE_KEY_BYTES];

	if (!parse->has_public) {
		return "no public-key in it: is this a key file?";
	}
	if (!parse->key.has_secret) {
		return NULL;
	}
	if (crypto_scalarmult_base(expected, parse->key.secret_key) != 0 ||
		memcmp(expected, parse->key.public_key, sizeof expected) != 0) {
		return "its secret key does not belong to its public key";
	}
	return NULL;
}

int keyfile_parse(const char *text, const char *source, struct keyfile *ret_key, char *ret_error,
	size_t error_bytes)
{
	struct key_parse parse;
	unsigned number = 0;
	int result = -EINVAL;

	assert(text != NULL && source != NULL && ret_key != NULL && ret_error != NULL);
	memset(&parse, 0, sizeof parse);
	for (const char *line = text; *line != '\0' && parse.problem == NULL; number++) {
		char name[64], value[128];
		size_t length = strcspn(line, "\n");
		const char *start = line + strspn(line, " \t");
		if (start < line + length && *start != '#' &&
			split_line(start, (size_t)(line + length - start), name, value)) {
			parse_pair(&parse, name, value);
		}
		line += length + (line[length] == '\n');
	}
	if (parse.problem != NULL) {
		snprintf(ret_error, error_bytes, "%s:%u: %s", source, number, parse.problem);
	} else if ((parse.problem = check_pair(&parse)) != NULL) {
		snprintf(ret_error, error_bytes, "%s: %s", source, parse.problem);
	} else {
		*ret_key = parse.key;
		result = 0;
	}
	keyfile_wipe(&parse.key);
	return result;
}

static int secret_path(
	const char *path, char ret_path[KEYFILE_PATH_MAX], char *ret_error, size_t error_bytes)
{
	if (snprintf(ret_path, KEYFILE_PATH_MAX, "%s_secret", path) >= KEYFILE_PATH_MAX) {
		snprintf(ret_error, error_bytes, "%s: the path is too long", path);
		return -ENAMETOOLONG;
	}
	return 0;
}

static int save_one(const char *path, const struct keyfile *key, bool with_secret, char *ret_error,
	size_t error_bytes)
{
	char text[KEYFILE_TEXT_MAX];
	int result = keyfile_format(key, with_secret, text, sizeof text);

	if (result < 0) {
		snprintf(ret_error, error_bytes, "%s: the key's name is too long", path);
		return result;
	}
	result = credfile_replace(path, with_secret ? 0600 : 0644, text, ret_error, error_bytes);
	sodium_memzero(text, sizeof text);
	return result;
}

int keyfile_save_secret(
	const char *path, const struct keyfile *key, char *ret_error, size_t error_bytes)
{
	char secret[KEYFILE_PATH_MAX];
	int result = secret_path(path, secret, ret_error, error_bytes);

	return result != 0 ? result : save_one(secret, key, true, ret_error, error_bytes);
}

int keyfile_save(const char *path, const struct keyfile *key, char *ret_error, size_t error_bytes)
{
	int result = keyfile_save_secret(path, key, ret_error, error_bytes);

	return result != 0 ? result : save_one(path, key, false, ret_error, error_bytes);
}

int keyfile_load(const char *path, struct keyfile *ret_key, char *ret_error, size_t error_bytes)
{
	char *text;
	int result = credfile_read(path, KEYFILE_TEXT_MAX, &text, ret_error, error_bytes);

	if (result != 0) {
		return result;
	}
	result = keyfile_parse(text, path, ret_key, ret_error, error_bytes);
	sodium_memzero(text, strlen(text));
	free(text);
	return result;
}

int keyfile_load_secret(
	const char *path, struct keyfile *ret_key, char *ret_error, size_t error_bytes)
{
	char secret[KEYFILE_PATH_MAX];
	int result = secret_path(path, secret, ret_error, error_bytes);

	if (result == 0) {
		result = keyfile_load(secret, ret_key, ret_error, error_bytes);
	}
	if (result == 0 && !ret_key->has_secret) {
		snprintf(ret_error, error_bytes, "%s: no secret-key in it", secret);
		result = -EINVAL;
	}
	return result;
}
