#include "store/blob/blob.h"

#include <assert.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>

struct blob_hash {
	gnutls_hash_hd_t handle;
};

struct blob_hash *blob_hash_new(void)
{
	struct blob_hash *hash = malloc(sizeof *hash);

	if (hash == NULL || gnutls_hash_init(&hash->handle, GNUTLS_DIG_SHA256) != 0) {
		abort();
	}
	return hash;
}

void blob_hash_update(struct blob_hash *hash, const void *data, size_t bytes)
{
	assert(hash != NULL && (data != NULL || bytes == 0));
	if (bytes > 0 && gnutls_hash(hash->handle, data, bytes) != 0) {
		abort();
	}
}

void blob_hash_final(struct blob_hash *hash, uint8_t ret_sha256[32])
{
	assert(hash != NULL && ret_sha256 != NULL);
	gnutls_hash_deinit(hash->handle, ret_sha256);
	free(hash);
}
