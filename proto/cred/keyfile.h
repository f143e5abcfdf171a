/* proto/cred/keyfile.h: CURVE key pairs and the files that hold them.
 *
 * The text is that of czmq certificates (zcert): a `metadata` and a `curve` section, keys in Z85
 * (ZeroMQ RFC 32), so that other ZeroMQ tools read them. A pair is two files: NAME.key holds the
 * public key, NAME.key_secret both; the second is readable by its owner only. Functions with a path
 * block on the disk; the others are pure.
 */
#ifndef PROTO_CRED_KEYFILE_H
#define PROTO_CRED_KEYFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYFILE_KEY_BYTES  32
#define KEYFILE_Z85_BYTES  41 /* 40 characters and NUL */
#define KEYFILE_TEXT_MAX   4096
#define KEYFILE_NAME_BYTES 64
#define KEYFILE_CHECK      __attribute__((warn_unused_result))

struct keyfile {
	char name[KEYFILE_NAME_BYTES]; /* metadata `name`, for people; may be empty */
	uint8_t public_key[KEYFILE_KEY_BYTES];
	uint8_t secret_key[KEYFILE_KEY_BYTES];
	bool has_secret;
};

/* A new random pair. 0, or -EIO when the machine gives no random bytes. */
KEYFILE_CHECK int keyfile_generate(const char *name, struct keyfile *ret_key);
/* Overwrite the secret. */
void keyfile_wipe(struct keyfile *key);

/* Z85 of one key. text must be exactly 40 characters, else -EINVAL and the output is untouched. */
char *keyfile_z85_encode(const uint8_t key[KEYFILE_KEY_BYTES], char ret_text[KEYFILE_Z85_BYTES]);
KEYFILE_CHECK int keyfile_z85_decode(const char *text, uint8_t ret_key[KEYFILE_KEY_BYTES]);

/* The certificate text. with_secret needs has_secret (asserted). Returns the length without NUL, or
 * -ENOSPC. */
KEYFILE_CHECK int keyfile_format(
	const struct keyfile *key, bool with_secret, char *ret_text, size_t text_bytes);
/* 0, or -EINVAL and a line for a person in ret_error; `source` is the file's name for that line. */
KEYFILE_CHECK int keyfile_parse(const char *text, const char *source, struct keyfile *ret_key,
	char *ret_error, size_t error_bytes);

/* Write `path` (0644) and `path`_secret (0600), each beside, synced and renamed. `path` ends in
 * ".key" by custom. The _secret variant writes only that file. 0 or negative errno with a line in
 * ret_error. */
KEYFILE_CHECK int keyfile_save(
	const char *path, const struct keyfile *key, char *ret_error, size_t error_bytes);
KEYFILE_CHECK int keyfile_save_secret(
	const char *path, const struct keyfile *key, char *ret_error, size_t error_bytes);
/* Read one file, as named: NAME.key gives the public key, NAME.key_secret the pair. A secret key
 * that does not belong to the public key of its file is refused. 0, -ENOENT, -EACCES, -EINVAL ...
 * with a line in ret_error. */
KEYFILE_CHECK int keyfile_load(
	const char *path, struct keyfile *ret_key, char *ret_error, size_t error_bytes);
/* As keyfile_load of `path`_secret: a pair by the name of its public file. */
KEYFILE_CHECK int keyfile_load_secret(
	const char *path, struct keyfile *ret_key, char *ret_error, size_t error_bytes);

#endif
