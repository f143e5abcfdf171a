#include "node/log/log.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_MAX   1024
#define LOG_FIELDS_MAX 12

static atomic_int log_level = LOG_LEVEL_INFO;
static char log_node[64];

void log_set_level(enum log_level level)
{
	atomic_store(&log_level, (int)level);
}

void log_set_node(const char *name)
{
	snprintf(log_node, sizeof log_node, "%s", name);
}

/* The service manager names the journal's stream socket in JOURNAL_STREAM as "device:inode"
 * (systemd.exec(5)). */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	unsigned long long device, inode;

	if (stream == NULL || sscanf(stream, "%llu:%llu", &device, &inode) != 2) {
		return false;
	}
	return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static void write_journal(enum log_level level, char *fields, const char *line)
{
	struct iovec iov[LOG_FIELDS_MAX];
	char message[LOG_LINE_MAX + 16], priority[16], node[96];
	int count = 0;
	char *save = NULL;

	snprintf(message, sizeof message, "MESSAGE=%s", line);
	snprintf(priority, sizeof priority, "PRIORITY=%d", (int)level);
	snprintf(node, sizeof node, "PXE_NODE=%s", log_node);
	iov[count++] = (struct iovec){message, strlen(message)};
	iov[count++] = (struct iovec){priority, strlen(priority)};
	iov[count++] = (struct iovec){node, strlen(node)};
	for (char *field = fields != NULL ? strtok_r(fields, " ", &save) : NULL;
		field != NULL && count < LOG_FIELDS_MAX; field = strtok_r(NULL, " ", &save)) {
		iov[count++] = (struct iovec){field, strlen(field)};
	}
	sd_journal_sendv(iov, count);
}

static void write_text(enum log_level level, const char *line)
{
	const char *word = level <= LOG_LEVEL_ERROR  ? "error: "
			   : level == LOG_LEVEL_WARN ? "warning: "
						     : "";
	struct timespec ts;
	struct tm tm;
	char when[32], out[LOG_LINE_MAX + 160];
	int len;

	clock_gettime(CLOCK_REALTIME, &ts);
	localtime_r(&ts.tv_sec, &tm);
	strftime(when, sizeof when, "%H:%M:%S", &tm);
	len = snprintf(out, sizeof out, "%s.%03ld %s %s%s\n", when, ts.tv_nsec / 1000000, log_node,
		word, line);
	if (len > 0) {
		size_t bytes = (size_t)len < sizeof out ? (size_t)len : sizeof out - 1;
		if (write(STDERR_FILENO, out, bytes) < 0) {
			return; /* nowhere left to tell */
		}
	}
}

void log_write(enum log_level level, const char *fields, const char *format, ...)
{
	char line[LOG_LINE_MAX], copy[256];
	va_list args;

	if ((int)level > atomic_load(&log_level)) {
		return;
	}
	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	for (char *c = line; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f) {
			*c = '?'; /* names come from the wire: no control bytes reach a terminal */
		}
	}
	snprintf(copy, sizeof copy, "%s", fields != NULL ? fields : "");
	if (stderr_is_journal()) {
		write_journal(level, copy, line);
	} else {
		write_text(level, line);
	}
}
