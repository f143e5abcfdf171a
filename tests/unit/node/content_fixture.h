/* tests/unit/node/content_fixture.h: a node's durable state and blobs in a temporary directory,
 * real LMDB and real files. */
#ifndef TESTS_UNIT_NODE_CONTENT_FIXTURE_H
#define TESTS_UNIT_NODE_CONTENT_FIXTURE_H

#include "node/content/content.h"
#include "proto/msg/records.pb-c.h"
#include "store/blob/blob.h"
#include "store/kv/kv.h"
#include "store/model/record.h"

#include <assert.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

struct fixture {
	char dir[64];
	uv_loop_t loop;
	struct kv *kv;
	struct blob_store *blobs;
	struct content_source *content;
	uint64_t durable;
};

static inline int fixture_remove_one(
	const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void fixture_on_durable(void *ctx, uint64_t ticket)
{
	((struct fixture *)ctx)->durable = ticket;
}

static inline void fixture_on_fatal(void *ctx, const char *text)
{
	(void)ctx;
	fprintf(stderr, "disk: %s\n", text);
	abort();
}

static inline void fixture_must(int err, const char *error)
{
	if (err != 0) {
		fprintf(stderr, "fixture: %d %s\n", err, error);
		abort();
	}
}

static inline struct fixture *fixture_open(uint64_t self)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct content_source_config content = {0};
	struct kv_config kv = {0};
	char path[96], error[256] = "";

	strcpy(f->dir, "/tmp/content_test.XXXXXX");
	if (mkdtemp(f->dir) == NULL) {
		abort();
	}
	fixture_must(uv_loop_init(&f->loop), "loop");
	snprintf(path, sizeof path, "%s/kv", f->dir);
	kv.loop = &f->loop;
	kv.directory = path;
	kv.map_bytes = 64u << 20;
	kv.ctx = f;
	kv.on_durable = fixture_on_durable;
	kv.on_fatal = fixture_on_fatal;
	fixture_must(kv_open(&kv, &f->kv, error, sizeof error), error);
	snprintf(path, sizeof path, "%s/blobs", f->dir);
	fixture_must(blob_store_open(path, &f->blobs, error, sizeof error), error);
	content.kv = f->kv;
	content.blobs = f->blobs;
	content.self = self;
	fixture_must(content_source_open(&content, &f->content), "content");
	return f;
}

static inline void fixture_close(struct fixture *f)
{
	content_source_close(f->content);
	blob_store_close(f->blobs);
	kv_close(f->kv);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	fixture_must(uv_loop_close(&f->loop), "loop close");
	nftw(f->dir, fixture_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
}

static inline void fixture_put_key(
	struct fixture *f, const uint8_t *key, size_t key_bytes, const ProtobufCMessage *message)
{
	size_t bytes = protobuf_c_message_get_packed_size(message);
	uint8_t *value = malloc(bytes + 1);

	protobuf_c_message_pack(message, value);
	kv_state_put(f->kv, key, key_bytes, value, bytes);
	free(value);
}

static inline void fixture_put(struct fixture *f, enum record_kind kind, const void *name,
	size_t name_bytes, const ProtobufCMessage *message)
{
	uint8_t key[RECORD_KEY_MAX];

	fixture_put_key(f, key, record_key(kind, name, name_bytes, key), message);
}

/* Everything put so far can be read. */
static inline void fixture_sync(struct fixture *f)
{
	uint64_t ticket = kv_submit(f->kv, true);

	while (f->durable < ticket) {
		uv_run(&f->loop, UV_RUN_ONCE);
	}
}

static inline void fixture_sha(const void *data, size_t bytes, uint8_t sha256[32])
{
	struct blob_hash *hash = blob_hash_new();

	blob_hash_update(hash, data, bytes);
	blob_hash_final(hash, sha256);
}

static inline void fixture_blob(
	struct blob_store *blobs, const void *data, size_t bytes, uint8_t sha256[32])
{
	struct blob_writer *writer;

	fixture_sha(data, bytes, sha256);
	fixture_must(blob_writer_open(blobs, sha256, bytes, false, &writer, NULL), "blob open");
	fixture_must(blob_writer_append(writer, data, bytes), "blob append");
	fixture_must(blob_writer_commit(writer), "blob commit");
}

static inline char *fixture_text(const char *text)
{
	return (char *)(uintptr_t)text;
}

static inline void fixture_member(
	struct fixture *f, uint64_t id, const char *name, const uint8_t ip[4], uint32_t port)
{
	Pxe__Member member = PXE__MEMBER__INIT;
	uint8_t key[RECORD_KEY_MAX], octets[4];

	memcpy(octets, ip, 4);
	member.id = id;
	member.name = fixture_text(name);
	member.serve_ip.data = octets;
	member.serve_ip.len = 4;
	member.http_port = port;
	fixture_put_key(f, key, record_key_u64(RECORD_MEMBER, id, key), &member.base);
}

/* A version with one file; its digest is made up from `tag`, which only has to differ. */
static inline void fixture_version(struct fixture *f, const char *image, uint8_t tag,
	const char *path, const uint8_t sha256[32], uint64_t bytes, bool published, uint64_t holder,
	uint8_t digest[32])
{
	Pxe__ImageVersion version = PXE__IMAGE_VERSION__INIT;
	Pxe__ImageFile file = PXE__IMAGE_FILE__INIT, *files = &file;
	uint8_t key[RECORD_KEY_MAX], copy[32];

	memcpy(copy, sha256, 32);
	memset(digest, tag, 32);
	version.image = fixture_text(image);
	version.digest.data = digest;
	version.digest.len = 32;
	version.files = &files;
	version.n_files = 1;
	version.bytes = bytes;
	version.published = published;
	version.holders = &holder;
	version.n_holders = holder != 0;
	file.path = fixture_text(path);
	file.bytes = bytes;
	file.sha256.data = copy;
	file.sha256.len = 32;
	fixture_put_key(f, key, record_key_version(image, digest, key), &version.base);
}

static inline void fixture_image(struct fixture *f, const char *name, uint8_t *current)
{
	Pxe__Image image = PXE__IMAGE__INIT;

	image.name = fixture_text(name);
	if (current != NULL) {
		image.current_digest.data = current;
		image.current_digest.len = 32;
	}
	fixture_put(f, RECORD_IMAGE, name, strlen(name), &image.base);
}

#endif
