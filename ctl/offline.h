/* ctl/offline.h: work on this machine's copy of the state, done by pxed itself while no daemon
 * runs: `pxed --offline-info`, `--recover`, `--restore`. Blocks.
 *
 * pxed answers in lines, "KEY value ...", on its stdout; what goes wrong it tells on stderr, which
 * is ours. */
#ifndef CTL_OFFLINE_H
#define CTL_OFFLINE_H

#include "ctl/ctl.h"

#define OFFLINE_MEMBERS_MAX 15
#define OFFLINE_NAME_BYTES  64

struct offline_member {
	uint64_t id;
	char name[OFFLINE_NAME_BYTES], role[16], address[OFFLINE_NAME_BYTES];
};

/* What a copy of the state holds. */
struct offline_info {
	char cluster[OFFLINE_NAME_BYTES], node[OFFLINE_NAME_BYTES];
	uint64_t self, epoch, applied, last, stamp_ms, leases, unknown_s;
	struct offline_member member[OFFLINE_MEMBERS_MAX];
	size_t member_count;
};

/* Read pxed's lines; unknown keys are skipped. 0, or -EINVAL when a known one is malformed or the
 * cluster's name is missing. Pure. */
int offline_parse(const char *text, struct offline_info *ret_info);

/* Run `pxed --dir DIRECTORY MODE [ARG]` with `input` (a descriptor, -1: none) as its stdin, and
 * read its answer. CTL_OK; else an exit code after telling. */
int offline_ask(const struct ctl *ctl, const char *mode, const char *argument, int input,
	struct offline_info *ret_info);

#endif
