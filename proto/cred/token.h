/* proto/cred/token.h: the join token: `pxe1.` and base32 (RFC 4648 §6, no padding), one word that a
 * person can paste.
 *
 * Pure. It carries all that a machine needs to reach the cluster and to know that it is the right
 * one before it tells its secret:
 *
 *   version(1) kind(1) cluster id(16) API public key(32) token id(8) secret(16) expiry(4)
 * addresses(1 + 6 each) check(5)
 *
 * Numbers are big endian; expiry counts seconds since 1970; check is the start of BLAKE2b over what
 * stands before it, so one mistyped character is found with certainty for all practical purposes.
 * Case does not matter.
 */
#ifndef PROTO_CRED_TOKEN_H
#define PROTO_CRED_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#define TOKEN_ADDRESSES_MAX 4
#define TOKEN_TEXT_BYTES    256 /* longest text with NUL fits */
#define TOKEN_ID_BYTES      8
#define TOKEN_SECRET_BYTES  16
#define TOKEN_CHECK         __attribute__((warn_unused_result))

struct token_address {
	uint32_t ip; /* host byte order */
	uint16_t port;
};

struct token {
	uint8_t kind; /* Pxe__TokenKind */
	uint8_t cluster_id[16];
	uint8_t api_public_key[32];
	uint8_t id[TOKEN_ID_BYTES];
	uint8_t secret[TOKEN_SECRET_BYTES];
	uint64_t expires_s; /* since 1970; at most UINT32_MAX */
	struct token_address address[TOKEN_ADDRESSES_MAX];
	size_t address_count;
};

enum token_problem {
	TOKEN_OK,
	TOKEN_NOT_A_TOKEN,   /* does not begin with pxe1. */
	TOKEN_OTHER_VERSION, /* pxe2. and the like */
	TOKEN_MISTYPED,      /* a character that base32 has not, or the check digits disagree */
	TOKEN_TRUNCATED,     /* an end is missing */
	TOKEN_EXPIRED,
};

/* ret_text gets the token. address_count and expires_s are within their limits (asserted). */
char *token_format(const struct token *token, char ret_text[TOKEN_TEXT_BYTES]);
/* now_s: this machine's time in seconds since 1970; 0 skips the look at the expiry (the cluster
 * decides anyway). On TOKEN_EXPIRED *ret_token is filled all the same; on any other problem it is
 * untouched. */
TOKEN_CHECK enum token_problem token_parse(
	const char *text, uint64_t now_s, struct token *ret_token);
/* What to tell a person: what is wrong and what to do. Static text. */
const char *token_problem_text(enum token_problem problem);
/* BLAKE2b-256 of the secret, as the cluster stores it (Token.secret_hash). */
void token_hash_secret(const uint8_t secret[TOKEN_SECRET_BYTES], uint8_t ret_hash[32]);

#endif
