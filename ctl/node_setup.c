#include "ctl/node_setup.h"

#include "ctl/client.h"
#include "ctl/cmd.h"

#include "proto/msg/msg_ip4.h"
#include "proto/wire/text.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pwd.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DAEMON_USER   "pxecluster"
#define DAEMON_UNIT   "pxecluster.service"
#define WAIT_MS       120000u
#define WAIT_STEP_MS  250u
#define WAIT_QUERY_MS 1000u

extern char **environ;

/* ---- the interface */

struct choice {
	char name[IF_NAMESIZE];
	uint32_t ip;
	unsigned count; /* addresses that fit */
	bool exists;
	char known[512]; /* "eth0 (10.20.0.11), lo (127.0.0.1)" */
};

static void look_at(
	struct choice *choice, const struct ifaddrs *entry, const char *name, uint32_t wanted)
{
	struct sockaddr_in address;
	char text[TEXT_IP4_BYTES];
	size_t used = strlen(choice->known);
	uint32_t ip;

	choice->exists = choice->exists || (name != NULL && strcmp(entry->ifa_name, name) == 0);
	if (entry->ifa_addr == NULL || entry->ifa_addr->sa_family != AF_INET) {
		return;
	}
	memcpy(&address, entry->ifa_addr, sizeof address);
	ip = ntohl(address.sin_addr.s_addr);
	snprintf(choice->known + used, sizeof choice->known - used, "%s%s (%s)",
		used == 0 ? "" : ", ", entry->ifa_name, text_ip4_format(ip, text));
	if ((name == NULL || strcmp(entry->ifa_name, name) == 0) && (wanted == 0 || wanted == ip)) {
		choice->count++;
		choice->ip = ip;
		snprintf(choice->name, sizeof choice->name, "%s", entry->ifa_name);
	}
}

/* Our address on the way to another: a connected datagram socket tells, nothing is sent. */
static uint32_t address_towards(uint32_t ip)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(ip)};
	struct sockaddr_in own;
	socklen_t bytes = sizeof own;
	uint32_t result = 0;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
		getsockname(fd, (struct sockaddr *)&own, &bytes) == 0) {
		result = ntohl(own.sin_addr.s_addr);
	}
	if (fd >= 0) {
		close(fd);
	}
	return result;
}

static int explain_choice(
	const struct ctl *ctl, const struct choice *choice, const char *name, const char *address)
{
	if (name != NULL && !choice->exists) {
		return ctl_fail(ctl, CTL_USAGE, "there is no interface '%s'; this machine has: %s",
			name, choice->known);
	}
	if (choice->count == 0 && address != NULL) {
		return ctl_fail(ctl, CTL_USAGE,
			"no interface%s%s has the address %s; this machine has: %s",
			name != NULL ? " " : "", name != NULL ? name : "", address, choice->known);
	}
	if (choice->count == 0) {
		return ctl_fail(ctl, CTL_USAGE,
			"interface %s has no IPv4 address; give it one first (ip address add)",
			name != NULL ? name : "towards the cluster");
	}
	return ctl_fail(ctl, CTL_USAGE,
		"interface %s has %u addresses; choose one with --address (%s)", name,
		choice->count, choice->known);
}

int node_setup_interface(const struct ctl *ctl, const char *name, const char *address,
	uint32_t towards, struct node_conf *conf)
{
	struct ifaddrs *all;
	struct choice choice = {.count = 0};
	uint32_t wanted = 0;

	if (address != NULL && text_ip4_parse(address, &wanted) != 0) {
		return ctl_fail(ctl, CTL_USAGE,
			"--address '%s': write an IPv4 address, such as 10.20.0.11", address);
	}
	if (name == NULL && address == NULL) {
		wanted = address_towards(towards);
	}
	if (getifaddrs(&all) != 0) {
		return ctl_fail(ctl, CTL_REFUSED, "cannot list the network interfaces: %s",
			strerror(errno));
	}
	for (const struct ifaddrs *entry = all; entry != NULL; entry = entry->ifa_next) {
		look_at(&choice, entry, name, wanted);
	}
	freeifaddrs(all);
	if (choice.count != 1) {
		return explain_choice(ctl, &choice, name, address);
	}
	snprintf(conf->interface, sizeof conf->interface, "%s", choice.name);
	conf->serve_ip = choice.ip;
	return CTL_OK;
}

/* ---- options */

static int set_port(
	const struct ctl *ctl, const struct invocation *in, const char *option, uint16_t *field)
{
	const char *text = command_text(in, option);
	uint64_t port;

	if (text == NULL) {
		return CTL_OK;
	}
	if (text_u64_parse(text, UINT16_MAX, &port) != 0 || port == 0) {
		return ctl_fail(
			ctl, CTL_USAGE, "--%s '%s': write a number from 1 to 65535", option, text);
	}
	*field = (uint16_t)port;
	return CTL_OK;
}

/* Relative paths are made absolute: the daemon starts elsewhere. */
static int set_path(
	const struct ctl *ctl, const char *option, const char *text, char *field, size_t bytes)
{
	char here[512] = "";
	int length;

	if (text == NULL) {
		return CTL_OK;
	}
	if (text[0] != '/' && getcwd(here, sizeof here) == NULL) {
		return ctl_fail(
			ctl, CTL_REFUSED, "cannot tell the current directory: %s", strerror(errno));
	}
	length = snprintf(field, bytes, "%s%s%s", here, here[0] == '\0' ? "" : "/", text);
	if (length < 0 || (size_t)length >= bytes) {
		return ctl_fail(ctl, CTL_USAGE, "%s '%s': a path of at most %zu bytes is needed",
			option, text, bytes - 1);
	}
	return CTL_OK;
}

static bool has_unit(void)
{
	static const char *const places[] = {"/etc/systemd/system/", "/lib/systemd/system/",
		"/usr/lib/systemd/system/", "/usr/local/lib/systemd/system/"};
	char path[128];

	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		snprintf(path, sizeof path, "%s%s", places[i], DAEMON_UNIT);
		if (access(path, F_OK) == 0) {
			return access("/run/systemd/system", F_OK) == 0;
		}
	}
	return false;
}

/* Whether init and join end by starting the unit. */
static bool will_start(const struct ctl *ctl, const struct invocation *in)
{
	return !command_flag(in, "no-start") && has_unit() &&
	       strcmp(ctl->directory, NODE_CONF_DIRECTORY) == 0;
}

/* Before anything is written or the cluster is asked. */
static int check_user(const struct ctl *ctl, const struct invocation *in)
{
	if (geteuid() == 0 && will_start(ctl, in) && getpwnam(DAEMON_USER) == NULL) {
		return ctl_fail(ctl, CTL_REFUSED,
			"there is no user '%s' to run pxed as; make it with: systemd-sysusers",
			DAEMON_USER);
	}
	return CTL_OK;
}

int node_setup_options(const struct ctl *ctl, const struct invocation *in, struct node_conf *conf)
{
	char ip[TEXT_IP4_BYTES], directory[200];
	int result = check_user(ctl, in);

	if (result == CTL_OK) {
		result = set_path(ctl, "--data", command_text(in, "data"), conf->data_dir,
			sizeof conf->data_dir);
	}
	if (result == CTL_OK) {
		result = set_path(
			ctl, "--socket", ctl->socket, conf->socket_path, sizeof conf->socket_path);
	}
	if (result == CTL_OK) {
		result = set_path(ctl, "--dir", ctl->directory, directory, sizeof directory);
		snprintf(conf->keys_dir, sizeof conf->keys_dir, "%s/keys", directory);
	}
	if (result == CTL_OK) {
		result = set_port(ctl, in, "http-port", &conf->http_port);
	}
	if (result == CTL_OK) {
		result = set_port(ctl, in, "tftp-port", &conf->tftp_port);
	}
	text_ip4_format(conf->serve_ip, ip);
	snprintf(conf->peer_address, sizeof conf->peer_address, "%s:%d", ip, NODE_CONF_PEER_PORT);
	snprintf(conf->api_address, sizeof conf->api_address, "%s:%d", ip, NODE_CONF_API_PORT);
	snprintf(conf->join_address, sizeof conf->join_address, "%s:%d", ip, NODE_CONF_JOIN_PORT);
	return result;
}

/* ---- is it free? */

static bool is_empty_or_missing(const char *path)
{
	DIR *directory = opendir(path);
	const struct dirent *entry;
	bool empty = true;

	while (directory != NULL && empty && (entry = readdir(directory)) != NULL) {
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	}
	if (directory != NULL) {
		closedir(directory);
	}
	return empty;
}

int node_setup_check_free(const struct ctl *ctl, const struct node_conf *conf)
{
	struct node_conf old;
	char error[NODE_CONF_ERROR_BYTES], id[33];
	int result = node_conf_load(ctl->directory, &old, error, sizeof error);

	if (result == 0) {
		return ctl_fail(ctl, CTL_CONFLICT,
			"this machine is a node already: %s of cluster %s (%s/%s).\n"
			"  To make it another: pxectl node remove %s, stop pxed, remove %s and %s",
			old.name, text_hex_format(old.cluster_id, 16, id, sizeof id),
			ctl->directory, NODE_CONF_FILE, old.name, ctl->directory, old.data_dir);
	}
	if (result != -ENOENT) {
		return ctl_fail(
			ctl, result == -EACCES ? CTL_NOT_ALLOWED : CTL_CONFLICT, "%s", error);
	}
	if (!is_empty_or_missing(conf->data_dir)) {
		return ctl_fail(ctl, CTL_CONFLICT,
			"%s is not empty: it may hold the state of an earlier membership; move it "
			"away first",
			conf->data_dir);
	}
	return CTL_OK;
}

/* ---- files */

/* All of a path's missing directories; the last one gets the mode. */
static int make_directory(const struct ctl *ctl, const char *path, mode_t mode)
{
	char part[300];

	snprintf(part, sizeof part, "%s", path);
	for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0755) != 0 && errno != EEXIST) {
			break;
		}
		*slash = '/';
	}
	if (mkdir(path, mode) != 0 && errno != EEXIST) {
		return ctl_fail(ctl, errno == EACCES ? CTL_NOT_ALLOWED : CTL_REFUSED,
			"cannot make %s: %s%s", path, strerror(errno),
			errno == EACCES ? " (use sudo)" : "");
	}
	return CTL_OK;
}

/* The daemon does not run as root: what it reads and writes must be its own. */
static void give_to_daemon(const char *path)
{
	const struct passwd *user = geteuid() == 0 ? getpwnam(DAEMON_USER) : NULL;

	if (user != NULL && chown(path, user->pw_uid, user->pw_gid) != 0) {
		return; /* the daemon's own start says what it cannot read */
	}
}

static int fail_file(const struct ctl *ctl, int error, const char *text)
{
	return ctl_fail(ctl, error == -EACCES || error == -EPERM ? CTL_NOT_ALLOWED : CTL_REFUSED,
		"%s", text);
}

int node_setup_key(const struct ctl *ctl, const struct node_conf *conf, struct keyfile *ret_key)
{
	char path[NODE_CONF_PATH_BYTES + 16], error[400];
	int result = make_directory(ctl, ctl->directory, 0755);

	if (result == CTL_OK) {
		result = make_directory(ctl, conf->keys_dir, 0700);
	}
	if (result != CTL_OK) {
		return result;
	}
	snprintf(path, sizeof path, "%s/node.key", conf->keys_dir);
	result = keyfile_load_secret(path, ret_key, error, sizeof error);
	if (result == 0) {
		return CTL_OK; /* of a join that was broken off: the cluster may know it already */
	}
	if (result != -ENOENT) {
		return fail_file(ctl, result, error);
	}
	if (keyfile_generate("node", ret_key) != 0) {
		return ctl_fail(ctl, CTL_REFUSED, "this machine gives no random numbers");
	}
	result = keyfile_save(path, ret_key, error, sizeof error);
	return result == 0 ? CTL_OK : fail_file(ctl, result, error);
}

static void give_all(const struct ctl *ctl, const struct node_conf *conf)
{
	static const char *const files[] = {
		"node.key", "node.key_secret", "api.key", "api.key_secret"};
	char path[NODE_CONF_PATH_BYTES + 32];

	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", conf->keys_dir, files[i]);
		give_to_daemon(path);
	}
	snprintf(path, sizeof path, "%.200s/%s", ctl->directory, NODE_START_FILE);
	give_to_daemon(path);
	snprintf(path, sizeof path, "%.200s/%s", ctl->directory, NODE_CONF_FILE);
	give_to_daemon(path);
	give_to_daemon(conf->keys_dir);
	give_to_daemon(conf->data_dir);
	give_to_daemon(ctl->directory);
}

int node_setup_write(const struct ctl *ctl, const struct node_conf *conf, const struct keyfile *api,
	const struct node_start *start)
{
	char path[NODE_CONF_PATH_BYTES + 16], run[NODE_CONF_PATH_BYTES],
		error[NODE_CONF_ERROR_BYTES], *slash;
	int result = make_directory(ctl, conf->data_dir, 0750);

	snprintf(run, sizeof run, "%s", conf->socket_path);
	slash = strrchr(run, '/');
	if (result == CTL_OK && slash != NULL && slash != run) {
		*slash = '\0';
		result = make_directory(ctl, run, 0755);
		give_to_daemon(run);
	}
	if (result != CTL_OK) {
		return result;
	}
	snprintf(path, sizeof path, "%s/api.key", conf->keys_dir);
	result = keyfile_save(path, api, error, sizeof error);
	if (result == 0) {
		result = node_start_save(ctl->directory, start, error, sizeof error);
	}
	if (result == 0) {
		result = node_conf_save(ctl->directory, conf, error, sizeof error);
	}
	if (result != 0) {
		return fail_file(ctl, result, error);
	}
	give_all(ctl, conf);
	return CTL_OK;
}

void node_setup_member(
	struct node_conf *conf, struct keyfile *key, uint8_t ip[4], Pxe__Member *ret_member)
{
	pxe__member__init(ret_member);
	ret_member->name = conf->name;
	ret_member->peer_address = conf->peer_address;
	ret_member->api_address = conf->api_address;
	ret_member->join_address = conf->join_address;
	msg_ip4_put(conf->serve_ip, ip);
	ret_member->serve_ip = (ProtobufCBinaryData){4, ip};
	ret_member->http_port = conf->http_port;
	ret_member->public_key = (ProtobufCBinaryData){32, key->public_key};
}

/* ---- the daemon */

static int run_systemctl(void)
{
	char program[] = "systemctl", enable[] = "enable", now[] = "--now", quiet[] = "--quiet",
	     unit[] = DAEMON_UNIT;
	char *argv[] = {program, enable, now, quiet, unit, NULL};
	int status = 0;
	pid_t pid;

	if (posix_spawnp(&pid, program, NULL, NULL, argv, environ) != 0) {
		return -1;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int node_setup_start(struct ctl *ctl, const struct invocation *in, bool *ret_started)
{
	*ret_started = false;
	if (will_start(ctl, in)) {
		if (run_systemctl() != 0) {
			return ctl_fail(ctl, CTL_REFUSED,
				"the files are written, but %s did not start; see: journalctl -u "
				"%s",
				DAEMON_UNIT, DAEMON_UNIT);
		}
		*ret_started = true;
		return CTL_OK;
	}
	ctl_note(ctl, "Start the node with:  pxed --dir %s", ctl->directory);
	return CTL_OK;
}

/* One look; true: it votes. */
static bool votes(struct ctl *ctl, const char *name, char *ret_line, size_t bytes)
{
	Pxe__AdminReply *reply = cmd_status_try(ctl, NULL, WAIT_QUERY_MS);
	const Pxe__NodeStatus *node;
	bool done = false;

	snprintf(ret_line, bytes, "waiting for pxed");
	if (reply == NULL) {
		return false;
	}
	node = cmd_node_find(reply->state, name);
	if (node != NULL) {
		snprintf(ret_line, bytes,
			"state %" PRIu64 " entries, %" PRIu64 " to go, images %" PRIu32 "/%" PRIu32
			", %s",
			node->applied, node->behind, node->images_held, node->images,
			node->raft_role);
		done = strcmp(node->raft_role, "learner") != 0 && reply->state->leader[0] != '\0';
	}
	pxe__admin_reply__free_unpacked(reply, NULL);
	return done;
}

int node_setup_wait(struct ctl *ctl, const char *name)
{
	unsigned limit_ms = ctl->timeout_ms != 0 ? ctl->timeout_ms : WAIT_MS;
	bool tty = isatty(fileno(ctl->err)), done = false;
	char line[256] = "";

	for (unsigned waited = 0; !done && waited < limit_ms; waited += WAIT_STEP_MS) {
		done = votes(ctl, name, line, sizeof line);
		if (tty && !ctl->quiet) {
			fprintf(ctl->err, "\r  %-76s", line);
			fflush(ctl->err);
		}
		if (!done) {
			client_close(ctl->client);
			ctl->client = NULL;
			ctl_pause(WAIT_STEP_MS);
		}
	}
	if (tty && !ctl->quiet) {
		fputc('\n', ctl->err);
	} else if (done) {
		ctl_note(ctl, "  %s", line);
	}
	return done ? CTL_OK
		    : ctl_fail(ctl, CTL_NO,
			      "%s does not vote yet (%s); it goes on by itself, see: pxectl status",
			      name, line);
}
