/* ctl/ctl.h: what every command of pxectl has at hand: the global options, where to write, exit
 * codes.
 *
 * Results go to `out`, everything else to `err`. A command returns its exit code; what went wrong
 * has been told by then.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include "proto/msg/admin.pb-c.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CTL_ENDPOINTS_MAX 16

/* Documented in the manual page; scripts rely on them. */
enum ctl_exit {
	CTL_OK = 0,
	CTL_NO = 1,          /* the answer is no */
	CTL_USAGE = 2,       /* wrong usage or value; a dangerous command not confirmed */
	CTL_UNREACHABLE = 3, /* no node answers */
	CTL_NO_QUORUM = 4,
	CTL_NOT_ALLOWED = 5,
	CTL_NOT_FOUND = 6,
	CTL_CONFLICT = 7,
	CTL_UNKNOWN = 8, /* timed out: run it again, it is safe */
	CTL_REFUSED = 9, /* refused, or an error of this machine */
};

enum ctl_format { CTL_TABLE, CTL_WIDE, CTL_JSON, CTL_NAME };

struct client;

struct ctl {
	enum ctl_format format;
	const char *node;      /* --node: ask this one only; NULL: any */
	const char *directory; /* the node's configuration; never NULL */
	const char *socket;    /* --socket; NULL: as node.yaml says */
	const char *endpoints[CTL_ENDPOINTS_MAX];
	size_t endpoint_count;
	const char *key, *server_key;
	unsigned timeout_ms; /* 0: the command's own */
	bool quiet, yes, no_header, color;
	bool told_stale; /* that answers are given without the quorum: said once */
	FILE *out, *err;
	struct client *client; /* opened at the first request */
};

/* "pxectl: ..." on err; returns code. */
int ctl_fail(const struct ctl *ctl, enum ctl_exit code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Told unless -q. */
void ctl_note(const struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The exit code of a node's answer. */
enum ctl_exit ctl_exit_of(Pxe__AdminStatus status);
/* Before something dangerous: show what will be done and ask. CTL_OK to go on; CTL_USAGE without a
 * terminal and without --yes; CTL_NO when the answer is no. */
enum ctl_exit ctl_confirm(const struct ctl *ctl, const char *question);
/* CLOCK_MONOTONIC. */
uint64_t ctl_now_ms(void);
void ctl_pause(unsigned ms);
/* A message as JSON on out. */
int ctl_print_json(const struct ctl *ctl, const ProtobufCMessage *message);

/* Run one command line (argv[0] is the program). Returns the exit code. */
int ctl_main(int argc, char **argv);

#endif
