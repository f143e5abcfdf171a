/* pxed: the daemon of one node. Reads DIR/node.yaml, runs in the foreground, logs to stderr or the
 * journal. */
#include "node/daemon/daemon.h"
#include "node/daemon/daemon_offline.h"
#include "node/log/log.h"
#include "proto/cred/node_conf.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static const char usage[] =
	"usage: pxed [--dir DIR] [--check | --offline-info | --recover | --restore FILE] "
	"[--version]\n"
	"  --dir DIR   where node.yaml and keys/ are (default " NODE_CONF_DIRECTORY ")\n"
	"  --check     check the configuration and exit\n"
	"Offline, while no daemon runs; what pxectl cluster recover and backup restore call:\n"
	"  --offline-info   what this node's copy of the state holds\n"
	"  --recover        this node goes on alone: all others must be off for good\n"
	"  --restore FILE   make the state of a backup (-: stdin), as start.yaml says\n";

enum mode { MODE_RUN, MODE_CHECK, MODE_INFO, MODE_RECOVER, MODE_RESTORE };

static int restore(const char *directory, const char *path, char *ret_error, size_t error_bytes)
{
	FILE *input = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	int result;

	if (input == NULL) {
		snprintf(ret_error, error_bytes, "cannot read %s: %s", path, strerror(errno));
		return -EINVAL;
	}
	result = daemon_offline_restore(directory, input, stdout, ret_error, error_bytes);
	if (input != stdin) {
		fclose(input);
	}
	return result;
}

static int run_offline(enum mode mode, const char *directory, const char *path)
{
	char error[NODE_CONF_ERROR_BYTES] = "";
	int result = mode == MODE_CHECK ? daemon_check(directory, error, sizeof error)
		     : mode == MODE_INFO
			     ? daemon_offline_info(directory, stdout, error, sizeof error)
		     : mode == MODE_RECOVER
			     ? daemon_offline_recover(directory, stdout, error, sizeof error)
			     : restore(directory, path, error, sizeof error);

	if (result < 0) {
		fprintf(stderr, "pxed: %s\n", error);
		return result == -EBUSY ? EX_TEMPFAIL : EXIT_FAILURE;
	}
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"dir", required_argument, NULL, 'd'},
		{"check", no_argument, NULL, 'c'}, {"offline-info", no_argument, NULL, 'i'},
		{"recover", no_argument, NULL, 'r'}, {"restore", required_argument, NULL, 'R'},
		{"version", no_argument, NULL, 'V'}, {"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}};
	const char *directory = NODE_CONF_DIRECTORY, *path = NULL;
	char error[NODE_CONF_ERROR_BYTES];
	enum mode mode = MODE_RUN;
	struct daemon *daemon;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'd': directory = optarg; break;
		case 'c': mode = MODE_CHECK; break;
		case 'i': mode = MODE_INFO; break;
		case 'r': mode = MODE_RECOVER; break;
		case 'R':
			mode = MODE_RESTORE;
			path = optarg;
			break;
		case 'V': printf("pxed %s\n", PXE_VERSION); return EXIT_SUCCESS;
		case 'h': fputs(usage, stdout); return EXIT_SUCCESS;
		default: fputs(usage, stderr); return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "pxed: unexpected argument '%s'\n%s", argv[optind], usage);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	/* libuv's workers: four may wait for other nodes' files, and the disk must not wait for
	 * them.
	 */
	setenv("UV_THREADPOOL_SIZE", "12", 0);
	if (mode != MODE_RUN) {
		return run_offline(mode, directory, path);
	}
	if (daemon_open(directory, &daemon, error, sizeof error) < 0) {
		log_error("%s", error);
		return EXIT_FAILURE;
	}
	return daemon_run(daemon);
}
