#include "proto/cred/token.h"

#include <assert.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#define TOKEN_PREFIX      "pxe1."
#define TOKEN_PREFIX_LEN  5
#define TOKEN_VERSION     1
#define TOKEN_CHECK_BYTES 5
#define TOKEN_HEAD_BYTES  79 /* up to and including the number of addresses */
#define TOKEN_BYTES_MAX   (TOKEN_HEAD_BYTES + 6 * TOKEN_ADDRESSES_MAX + TOKEN_CHECK_BYTES)

static const char base32_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static size_t base32_encode(const uint8_t *data, size_t size, char *ret_text)
{
	uint32_t held = 0;
	unsigned bits = 0;
	size_t length = 0;

	for (size_t i = 0; i < size; i++) {
		held = (held << 8 | data[i]) & 0xffffu;
		for (bits += 8; bits >= 5; bits -= 5) {
			ret_text[length++] = base32_digits[held >> (bits - 5) & 31u];
		}
	}
	if (bits > 0) {
		ret_text[length++] = base32_digits[held << (5 - bits) & 31u];
	}
	ret_text[length] = '\0';
	return length;
}

static int base32_value(char c)
{
	if (c >= 'a' && c <= 'z') {
		return c - 'a';
	}
	if (c >= 'A' && c <= 'Z') {
		return c - 'A';
	}
	return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

/* Decode at most TOKEN_BYTES_MAX bytes; false: a foreign character, or bits left over that are not
 * zero. */
static bool base32_decode(const char *text, size_t length, uint8_t *ret_data, size_t *ret_size)
{
	uint32_t held = 0;
	unsigned bits = 0;
	size_t size = 0;

	for (size_t i = 0; i < length; i++) {
		int value = base32_value(text[i]);
		if (value < 0 || size == TOKEN_BYTES_MAX) {
			return false;
		}
		held = (held << 5 | (uint32_t)value) & 0xfffu;
		bits += 5;
		if (bits >= 8) {
			bits -= 8;
			ret_data[size++] = (uint8_t)(held >> bits);
		}
	}
	*ret_size = size;
	return bits < 5 && (held & ((1u << bits) - 1u)) == 0;
}

static void check_digits(const uint8_t *data, size_t size, uint8_t ret_check[TOKEN_CHECK_BYTES])
{
	uint8_t hash[crypto_generichash_BYTES];

	crypto_generichash(hash, sizeof hash, data, size, NULL, 0);
	memcpy(ret_check, hash, TOKEN_CHECK_BYTES);
}

char *token_format(const struct token *token, char ret_text[TOKEN_TEXT_BYTES])
{
	uint8_t data[TOKEN_BYTES_MAX];
	uint8_t *at = data;

	assert(token != NULL && token->address_count <= TOKEN_ADDRESSES_MAX);
	assert(token->expires_s <= UINT32_MAX);
	*at++ = TOKEN_VERSION;
	*at++ = token->kind;
	at = (uint8_t *)memcpy(at, token->cluster_id, 16) + 16;
	at = (uint8_t *)memcpy(at, token->api_public_key, 32) + 32;
	at = (uint8_t *)memcpy(at, token->id, TOKEN_ID_BYTES) + TOKEN_ID_BYTES;
	at = (uint8_t *)memcpy(at, token->secret, TOKEN_SECRET_BYTES) + TOKEN_SECRET_BYTES;
	for (int shift = 24; shift >= 0; shift -= 8) {
		*at++ = (uint8_t)(token->expires_s >> shift);
	}
	*at++ = (uint8_t)token->address_count;
	for (size_t i = 0; i < token->address_count; i++) {
		for (int shift = 24; shift >= 0; shift -= 8) {
			*at++ = (uint8_t)(token->address[i].ip >> shift);
		}
		*at++ = (uint8_t)(token->address[i].port >> 8);
		*at++ = (uint8_t)token->address[i].port;
	}
	check_digits(data, (size_t)(at - data), at);
	at += TOKEN_CHECK_BYTES;
	memcpy(ret_text, TOKEN_PREFIX, TOKEN_PREFIX_LEN);
	base32_encode(data, (size_t)(at - data), ret_text + TOKEN_PREFIX_LEN);
	sodium_memzero(data, sizeof data);
	return ret_text;
}

static void read_fields(const uint8_t *at, struct token *ret_token)
{
	memset(ret_token, 0, sizeof *ret_token);
	ret_token->kind = at[1];
	memcpy(ret_token->cluster_id, at + 2, 16);
	memcpy(ret_token->api_public_key, at + 18, 32);
	memcpy(ret_token->id, at + 50, TOKEN_ID_BYTES);
	memcpy(ret_token->secret, at + 58, TOKEN_SECRET_BYTES);
	for (size_t i = 0; i < 4; i++) {
		ret_token->expires_s = ret_token->expires_s << 8 | at[74 + i];
	}
	ret_token->address_count = at[78];
	at += TOKEN_HEAD_BYTES;
	for (size_t i = 0; i < ret_token->address_count; i++, at += 6) {
		ret_token->address[i].ip = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
					   (uint32_t)at[2] << 8 | at[3];
		ret_token->address[i].port = (uint16_t)(at[4] << 8 | at[5]);
	}
}

static enum token_problem check_prefix(const char *text)
{
	if (strncmp(text, "pxe", 3) != 0 && strncmp(text, "PXE", 3) != 0) {
		return TOKEN_NOT_A_TOKEN;
	}
	if (text[3] < '0' || text[3] > '9') {
		return TOKEN_NOT_A_TOKEN;
	}
	if (text[3] != '1' || (text[4] >= '0' && text[4] <= '9')) {
		return TOKEN_OTHER_VERSION;
	}
	if (text[4] == '\0') {
		return TOKEN_TRUNCATED;
	}
	return text[4] == '.' ? TOKEN_OK : TOKEN_NOT_A_TOKEN;
}

/* Which complaint fits text whose characters are fine but whose end or check digits are not. */
static enum token_problem check_data(const uint8_t *data, size_t size)
{
	uint8_t check[TOKEN_CHECK_BYTES];
	size_t expected;

	if (size < TOKEN_HEAD_BYTES) {
		return TOKEN_TRUNCATED;
	}
	if (data[78] > TOKEN_ADDRESSES_MAX) {
		return TOKEN_MISTYPED;
	}
	expected = TOKEN_HEAD_BYTES + 6u * data[78] + TOKEN_CHECK_BYTES;
	if (size != expected) {
		return size < expected ? TOKEN_TRUNCATED : TOKEN_MISTYPED;
	}
	check_digits(data, size - TOKEN_CHECK_BYTES, check);
	if (memcmp(check, data + size - TOKEN_CHECK_BYTES, sizeof check) != 0) {
		return TOKEN_MISTYPED;
	}
	return data[0] == TOKEN_VERSION ? TOKEN_OK : TOKEN_OTHER_VERSION;
}

enum token_problem token_parse(const char *text, uint64_t now_s, struct token *ret_token)
{
	uint8_t data[TOKEN_BYTES_MAX];
	enum token_problem problem;
	size_t length, size = 0;
	bool whole;

	assert(text != NULL && ret_token != NULL);
	text += strspn(text, " \t\r\n");
	problem = check_prefix(text);
	if (problem != TOKEN_OK) {
		return problem;
	}
	text += TOKEN_PREFIX_LEN;
	length = strcspn(text, " \t\r\n");
	if (text[length + strspn(text + length, " \t\r\n")] != '\0') {
		return TOKEN_MISTYPED; /* words after it */
	}
	for (size_t i = 0; i < length; i++) {
		if (base32_value(text[i]) < 0) {
			return TOKEN_MISTYPED;
		}
	}
	if (length > (TOKEN_BYTES_MAX * 8 + 4) / 5) {
		return TOKEN_MISTYPED;
	}
	whole = base32_decode(text, length, data, &size);
	problem = check_data(data, size);
	if (problem == TOKEN_OK && !whole) {
		problem = TOKEN_MISTYPED;
	}
	if (problem == TOKEN_OK) {
		read_fields(data, ret_token);
		if (now_s != 0 && now_s >= ret_token->expires_s) {
			problem = TOKEN_EXPIRED;
		}
	}
	sodium_memzero(data, sizeof data);
	return problem;
}

const char *token_problem_text(enum token_problem problem)
{
	switch (problem) {
	case TOKEN_OK: return "the token is fine";
	case TOKEN_NOT_A_TOKEN:
		return "this is not a join token (it begins with 'pxe1.'); "
		       "make one on a member: pxectl cluster token create";
	case TOKEN_OTHER_VERSION:
		return "the token was made by another version of pxecluster; "
		       "install the members' version on this machine first";
	case TOKEN_MISTYPED:
		return "the token is mistyped: its check digits disagree; copy all of it again";
	case TOKEN_TRUNCATED:
		return "the token is truncated: its end is missing; copy all of it again";
	case TOKEN_EXPIRED:
		return "the token has expired; make a new one on a member: pxectl cluster token "
		       "create";
	}
	return "the token is not valid";
}

void token_hash_secret(const uint8_t secret[TOKEN_SECRET_BYTES], uint8_t ret_hash[32])
{
	crypto_generichash(ret_hash, 32, secret, TOKEN_SECRET_BYTES, NULL, 0);
}
