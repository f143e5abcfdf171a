/* pxed: the daemon of one node. Reads DIR/node.yaml, runs in the foreground, logs to stderr or the
 * journal. */
#include "node/daemon/daemon.h"
#include "node/log/log.h"
#include "proto/cred/node_conf.h"

#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: pxed [--dir DIR] [--check] [--version]\n"
	"  --dir DIR   where node.yaml and keys/ are (default " NODE_CONF_DIRECTORY ")\n"
	"  --check     check the configuration and exit\n";

int main(int argc, char **argv)
{
	static const struct option options[] = {{"dir", required_argument, NULL, 'd'},
		{"check", no_argument, NULL, 'c'}, {"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	const char *directory = NODE_CONF_DIRECTORY;
	char error[NODE_CONF_ERROR_BYTES];
	struct daemon *daemon;
	bool check = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'd': directory = optarg; break;
		case 'c': check = true; break;
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
	if (check) {
		if (daemon_check(directory, error, sizeof error) < 0) {
			fprintf(stderr, "pxed: %s\n", error);
			return EXIT_FAILURE;
		}
		return EXIT_SUCCESS;
	}
	if (daemon_open(directory, &daemon, error, sizeof error) < 0) {
		log_error("%s", error);
		return EXIT_FAILURE;
	}
	return daemon_run(daemon);
}
