/* Several small blobs written together. One sync of the file system makes the bytes of all durable,
 * a second one their names: two commits of its journal, where each file alone would cost two or
 * three. */
#include "store/blob/blob.h"

#include "store/blob/blob_internal.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Here already, or written up to its proof: then *ret_writer holds it. */
static int write_one(
	struct blob_store *store, const struct blob_small *file, struct blob_writer **ret_writer)
{
	uint64_t bytes;
	int err;

	*ret_writer = NULL;
	if (blob_exists(store, file->sha256, &bytes) && bytes == file->bytes) {
		return 0;
	}
	err = blob_writer_open(store, file->sha256, file->bytes, false, ret_writer, NULL);
	if (err == 0) {
		err = blob_writer_append(*ret_writer, file->data, file->bytes);
	}
	if (err == 0) {
		err = blob_writer_prove(*ret_writer);
	}
	if (err != 0 && *ret_writer != NULL) {
		blob_writer_abort(*ret_writer, false);
		*ret_writer = NULL;
	}
	return err;
}

static void fail_all(
	struct blob_small *files, struct blob_writer *const *writers, size_t count, int err)
{
	for (size_t i = 0; i < count; i++) {
		files[i].error = writers[i] != NULL && files[i].error == 0 ? err : files[i].error;
	}
}

void blob_write_many(struct blob_store *store, struct blob_small *files, size_t count)
{
	struct blob_writer *writers[BLOB_MANY_MAX];
	size_t open = 0;
	bool made;

	assert(store != NULL && (files != NULL || count == 0) && count <= BLOB_MANY_MAX);
	for (size_t i = 0; i < count; i++) {
		files[i].error = write_one(store, &files[i], &writers[i]);
		open += writers[i] != NULL;
	}
	if (open > 0 && syncfs(store->fd) != 0) {
		fail_all(files, writers, count, -errno);
	}
	for (size_t i = 0; i < count; i++) {
		if (writers[i] != NULL && files[i].error == 0) {
			files[i].error = blob_writer_name(writers[i], &made);
		}
	}
	if (open > 0 && syncfs(store->fd) != 0) {
		fail_all(files, writers, count, -errno);
	}
	for (size_t i = 0; i < count; i++) {
		blob_writer_abort(writers[i], true); /* only its memory and lock: it has its name */
	}
}
