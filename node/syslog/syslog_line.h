/* node/syslog/syslog_line.h: a datagram of a log, and how many of them one sender may send. Pure;
 * the bytes come from strangers.
 *
 * Read are RFC 5424 and what RFC 3164 describes, with and without a host name (busybox leaves it
 * out), with and without a priority. What is neither is taken as text.
 */
#ifndef NODE_SYSLOG_SYSLOG_LINE_H
#define NODE_SYSLOG_SYSLOG_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYSLOG_TEXT_BYTES    256
#define SYSLOG_LINES_PER_S   200 /* of one sender */
#define SYSLOG_SENDERS       256 /* told apart; more share places */
#define SYSLOG_SEVERITY_NONE 8

struct syslog_line {
	unsigned facility; /* 1 if there is no priority, as RFC 3164 says */
	unsigned severity; /* 0 to 7; SYSLOG_SEVERITY_NONE: none was given */
	/* "kernel: Linux version 6.1", cut to fit; control bytes as '?', in UTF-8 as it came. */
	char text[SYSLOG_TEXT_BYTES];
};

/* false: there is no text in it. */
bool syslog_line_parse(const uint8_t *data, size_t bytes, struct syslog_line *ret_line);
/* "error", "warning"; "" for none. Static. */
const char *syslog_line_severity(unsigned severity);

struct syslog_sender {
	uint32_t ip;
	uint64_t second;
	unsigned lines, left_out;
};

struct syslog_rate {
	struct syslog_sender sender[SYSLOG_SENDERS];
};

/* May the sender have one more line now? */
bool syslog_rate_allows(struct syslog_rate *rate, uint32_t ip, uint64_t now_ms);
/* A sender whose lines were left out in a second that is over: how many, once; its address is in
 * *ret_ip. 0: there is none. */
unsigned syslog_rate_left_out(struct syslog_rate *rate, uint64_t now_ms, uint32_t *ret_ip);

#endif
