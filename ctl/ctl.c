#include "ctl/client.h"
#include "ctl/command.h"

#include "proto/cred/node_conf.h"
#include "proto/msg/event_text.h"
#include "proto/msg/msg_json.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

int ctl_fail(const struct ctl *ctl, enum ctl_exit code, const char *format, ...)
{
	char text[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	for (char *c = text; *c != '\0'; c++) {
		if (((unsigned char)*c < ' ' && *c != '\n' && *c != '\t') || *c == 0x7f) {
			*c = '?'; /* texts of nodes may quote what a stranger sent */
		}
	}
	fprintf(ctl->err, "%spxectl:%s %s\n", ctl->color ? "\033[31m" : "",
		ctl->color ? "\033[0m" : "", text);
	return (int)code;
}

void ctl_note(const struct ctl *ctl, const char *format, ...)
{
	va_list args;

	if (!ctl->quiet) {
		va_start(args, format);
		vfprintf(ctl->err, format, args);
		va_end(args);
		fputc('\n', ctl->err);
	}
}

enum ctl_exit ctl_exit_of(Pxe__AdminStatus status)
{
	switch (status) {
	case PXE__ADMIN_STATUS__ADMIN_OK: return CTL_OK;
	case PXE__ADMIN_STATUS__ADMIN_NO: return CTL_NO;
	case PXE__ADMIN_STATUS__ADMIN_INVALID: return CTL_USAGE;
	case PXE__ADMIN_STATUS__ADMIN_NO_QUORUM: return CTL_NO_QUORUM;
	case PXE__ADMIN_STATUS__ADMIN_NOT_ALLOWED: return CTL_NOT_ALLOWED;
	case PXE__ADMIN_STATUS__ADMIN_NOT_FOUND: return CTL_NOT_FOUND;
	case PXE__ADMIN_STATUS__ADMIN_CONFLICT: return CTL_CONFLICT;
	case PXE__ADMIN_STATUS__ADMIN_UNKNOWN_OUTCOME: return CTL_UNKNOWN;
	case PXE__ADMIN_STATUS__ADMIN_REFUSED:
	case _PXE__ADMIN_STATUS_IS_INT_SIZE: break;
	}
	return CTL_REFUSED;
}

enum ctl_exit ctl_confirm(const struct ctl *ctl, const char *question)
{
	char answer[16];

	if (ctl->yes) {
		return CTL_OK;
	}
	if (!isatty(STDIN_FILENO)) {
		ctl_fail(ctl, CTL_USAGE,
			"%s\n  This needs a yes: run it in a terminal, or with --yes", question);
		return CTL_USAGE;
	}
	fprintf(ctl->err, "%s\nGo on? [y/N] ", question);
	fflush(ctl->err);
	if (fgets(answer, sizeof answer, stdin) != NULL &&
		(strcasecmp(answer, "y\n") == 0 || strcasecmp(answer, "yes\n") == 0)) {
		return CTL_OK;
	}
	fprintf(ctl->err, "nothing was changed\n");
	return CTL_NO;
}

int ctl_print_json(const struct ctl *ctl, const ProtobufCMessage *message)
{
	char *text = msg_json(message, true);

	if (text == NULL) {
		return ctl_fail(ctl, CTL_REFUSED, "no memory");
	}
	fprintf(ctl->out, "%s\n", text);
	free(text);
	return CTL_OK;
}

uint64_t ctl_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void ctl_pause(unsigned ms)
{
	struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	nanosleep(&pause, NULL);
}

static const char *getenv_given(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

int ctl_main(int argc, char **argv)
{
	struct ctl ctl = {.directory = getenv_given("PXECTL_DIR"), .out = stdout, .err = stderr};
	struct invocation in;
	int result;

	if (ctl.directory == NULL) {
		ctl.directory = NODE_CONF_DIRECTORY;
	}
	ctl.color =
		isatty(STDOUT_FILENO) && isatty(STDERR_FILENO) && getenv_given("NO_COLOR") == NULL;
	result = command_parse(&ctl, argc, argv, &in);
	if (result == CTL_OK && in.help) {
		result = command_help(&ctl, in.args[0], in.command);
	} else if (result == CTL_OK) {
		result = in.command->run(&ctl, &in);
	}
	client_close(ctl.client);
	if (fflush(stdout) != 0 && result == CTL_OK) {
		result = ctl_fail(&ctl, CTL_REFUSED, "cannot write the output");
	}
	return result;
}
