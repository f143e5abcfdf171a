/* ctl/doctor.h: what `pxectl doctor` looks at; each finding is one line with its remedy.
 *
 *   cmd_doctor.c      runs the rest and tells
 *   doctor_local.c    this machine, if it is a node: interface, ports, disk, clock
 *   doctor_cluster.c  the cluster as a node shows it; pure but for telling
 *   doctor_fetch.c    boot programs, from each node as a machine would load them
 *
 * Blocks on the network for some seconds.
 */
#ifndef CTL_DOCTOR_H
#define CTL_DOCTOR_H

#include "ctl/ctl.h"
#include "proto/cred/node_conf.h"

#define DOCTOR_FINDINGS_MAX 256

enum doctor_level { DOCTOR_OK, DOCTOR_WARN, DOCTOR_BAD };

struct doctor_finding {
	enum doctor_level level;
	char what[48];  /* "port 67" */
	char text[400]; /* what was found, and what to do */
};

struct doctor {
	struct ctl *ctl;
	const struct node_conf *conf; /* NULL: this machine is no node */
	const Pxe__Status *status;    /* NULL: no node answers */
	size_t count;
	struct doctor_finding finding[DOCTOR_FINDINGS_MAX];
};

void doctor_tell(struct doctor *doctor, enum doctor_level level, const char *what,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

void doctor_local(struct doctor *doctor);
void doctor_cluster(struct doctor *doctor);
void doctor_fetch(struct doctor *doctor);

/* Bytes of the file by TFTP (RFC 1350, 2348) or HTTP, all read; -1 with a reason in ret_error. */
int64_t doctor_fetch_tftp(
	uint32_t ip, uint16_t port, const char *path, char *ret_error, size_t error_bytes);
int64_t doctor_fetch_http(
	uint32_t ip, uint16_t port, const char *path, char *ret_error, size_t error_bytes);

#endif
