/* store/kv/kv_error.c: the one place that knows LMDB's error codes, and the end of a node whose
 * disk fails. */
#include "store/kv/kv_internal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define TEXT_BYTES 1024

int kv_errno(int mdb_error)
{
	switch (mdb_error) {
	case MDB_SUCCESS: return 0;
	case MDB_NOTFOUND: return -ENOENT;
	case MDB_MAP_FULL: return -ENOSPC;
	case MDB_READERS_FULL: return -EAGAIN;
	case MDB_VERSION_MISMATCH:
	case MDB_INVALID:
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND: return -EBADMSG;
	default: return mdb_error > 0 ? -mdb_error : -EIO;
	}
}

/* LMDB reports a short write as EIO; on a full disk that is what it means. */
static bool disk_is_full(const struct kv *kv, int mdb_error)
{
	struct statvfs fs;

	if (mdb_error == ENOSPC || mdb_error == EDQUOT)
		return true;
	return mdb_error == EIO && statvfs(kv->directory, &fs) == 0 &&
	       (uint64_t)fs.f_bavail * fs.f_frsize < (uint64_t)1 << 20;
}

void kv_error_text(
	const struct kv *kv, const char *what, int mdb_error, char *ret_text, size_t text_bytes)
{
	MDB_envinfo info = {0};

	if (disk_is_full(kv, mdb_error)) {
		snprintf(ret_text, text_bytes,
			"%s %s: no space left on the disk: free some space there, then start the "
			"node again",
			what, kv->file);
		return;
	}
	switch (kv_errno(mdb_error)) {
	case -ENOSPC:
		if (kv->env)
			(void)mdb_env_info(kv->env, &info);
		snprintf(ret_text, text_bytes,
			"%s %s: the database has reached its limit of %zu MiB: raise the limit, "
			"then start the node again",
			what, kv->file, info.me_mapsize >> 20);
		return;
	case -EBADMSG:
		snprintf(ret_text, text_bytes,
			"%s %s: the file is damaged (%s): move %s away and let the node join the "
			"cluster anew",
			what, kv->file, mdb_strerror(mdb_error), kv->directory);
		return;
	case -EIO:
		snprintf(ret_text, text_bytes, "%s %s: %s: the disk may be failing", what, kv->file,
			mdb_strerror(mdb_error));
		return;
	default:
		snprintf(
			ret_text, text_bytes, "%s %s: %s", what, kv->file, mdb_strerror(mdb_error));
	}
}

_Noreturn static void end_process(struct kv *kv, const char *text)
{
	if (!atomic_exchange(&kv->failed, true) && kv->config.on_fatal)
		kv->config.on_fatal(kv->config.ctx, text);
	else
		for (;;)
			pause(); /* another thread is already ending the process */
	abort();
}

_Noreturn void kv_fatal(struct kv *kv, const char *what, int mdb_error)
{
	char text[TEXT_BYTES];

	kv_error_text(kv, what, mdb_error, text, sizeof text);
	end_process(kv, text);
}

void kv_on_assert(MDB_env *env, const char *text)
{
	struct kv *kv = mdb_env_get_userctx(env);
	char line[TEXT_BYTES];

	snprintf(line, sizeof line,
		"cannot use %s: the file is damaged (%s): move %s away and let the node join the "
		"cluster anew",
		kv->file, text, kv->directory);
	end_process(kv, line);
}
