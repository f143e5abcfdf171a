/* node/log/log.h: one line for an operator: journal with fields when the service manager reads us,
 * else text on stderr.
 *
 * Any thread. The level is the only global of the daemon.
 */
#ifndef NODE_LOG_LOG_H
#define NODE_LOG_LOG_H

#include <stdarg.h>

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

void log_set_level(enum log_level level);
void log_set_node(const char *name); /* PXE_NODE of every line; at most 63 bytes are kept */
/* fields: NULL, or "PXE_MAC=52:54:00:aa:00:02 PXE_IP=10.0.0.9": space separated, journal field
 * names. */
void log_write(enum log_level level, const char *fields, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, NULL, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_LEVEL_WARN, NULL, __VA_ARGS__)
#define log_info(...)  log_write(LOG_LEVEL_INFO, NULL, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, NULL, __VA_ARGS__)

#endif
