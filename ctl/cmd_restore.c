/* backup restore: a backup becomes a cluster of one node, this machine, that was none.
 *
 *   file whole? -> node.yaml, keys, start.yaml ("restore") ->
 *   pxed --restore puts the state into the data directory -> start
 *
 * The restored cluster has a new epoch, a new member for this machine and a new API key; the old
 * members are strangers to it. pxed does not start while start.yaml says "restore". */
#include "ctl/backup_file.h"
#include "ctl/cmd.h"
#include "ctl/edit.h"
#include "ctl/node_setup.h"
#include "ctl/offline.h"
#include "ctl/show.h"

#include "proto/msg/msg_ip4.h"
#include "proto/wire/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

static const char *node_name(const struct invocation *in)
{
	const char *name = command_text(in, "node-name");

	return name == NULL ? "pxe1" : name;
}

static int prepare(struct ctl *ctl, const struct invocation *in,
	const struct backup_content *content, struct node_conf *conf)
{
	const char *interface = command_text(in, "interface");
	int result = interface != NULL ? edit_check_name(ctl, "node", node_name(in))
				       : ctl_fail(ctl, CTL_USAGE,
						 "backup restore needs --interface IF, the network "
						 "interface where machines boot");

	node_conf_init(ctl->directory, conf);
	if (result == CTL_OK) {
		result = node_setup_interface(ctl, interface, command_text(in, "address"), 0, conf);
	}
	if (result == CTL_OK) {
		result = node_setup_options(ctl, in, conf);
	}
	if (result == CTL_OK) {
		result = node_setup_check_free(ctl, conf);
	}
	snprintf(conf->name, sizeof conf->name, "%s", node_name(in));
	conf->id = content->settings->next_member_id;
	memcpy(conf->cluster_id, content->settings->cluster_id.data, sizeof conf->cluster_id);
	return result;
}

static int write_files(
	struct ctl *ctl, struct node_conf *conf, const struct backup_content *content)
{
	struct keyfile node_key, api_key;
	Pxe__Member self;
	struct node_start start = {
		.kind = NODE_START_RESTORE, .settings = content->settings, .self = &self};
	uint8_t ip[4];
	int result = node_setup_key(ctl, conf, &node_key);

	if (result == CTL_OK && keyfile_generate("api", &api_key) != 0) {
		result = ctl_fail(ctl, CTL_REFUSED, "this machine gives no random numbers");
	}
	if (result != CTL_OK) {
		return result;
	}
	node_setup_member(conf, &node_key, ip, &self);
	self.id = conf->id;
	edit_set_bytes(&content->settings->api_public_key, api_key.public_key, 32);
	result = node_setup_write(ctl, conf, &api_key, &start);
	keyfile_wipe(&node_key);
	keyfile_wipe(&api_key);
	return result;
}

/* Undone, so that the machine is no node with nothing in it. */
static void take_back(const struct ctl *ctl, const struct node_conf *conf)
{
	static const char *const files[] = {NODE_CONF_FILE, NODE_START_FILE};
	static const char *const state[] = {"data.mdb", "lock.mdb"};
	char path[NODE_CONF_PATH_BYTES + 32];

	for (size_t i = 0; i < sizeof state / sizeof state[0]; i++) {
		snprintf(path, sizeof path, "%s/state.mdb/%s", conf->data_dir, state[i]);
		(void)unlink(path);
	}
	snprintf(path, sizeof path, "%s/state.mdb", conf->data_dir);
	(void)rmdir(path);
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		snprintf(path, sizeof path, "%.200s/%s", ctl->directory, files[i]);
		(void)unlink(path);
	}
}

static int restore(const struct ctl *ctl, const char *path, struct offline_info *ret_info)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), result;

	if (fd < 0) {
		return ctl_fail(ctl, CTL_REFUSED, "cannot read %s: %s", path, strerror(errno));
	}
	result = offline_ask(ctl, "--restore", "-", fd, ret_info);
	close(fd);
	return result;
}

static void tell(struct ctl *ctl, const struct node_conf *conf,
	const struct backup_content *content, const struct offline_info *info)
{
	char ip[SHOW_BYTES], wait[TEXT_DURATION_BYTES];

	if (ctl->format == CTL_JSON) {
		fprintf(ctl->out,
			"{\"cluster\": \"%s\", \"node\": \"%s\", \"epoch\": %" PRIu64
			", \"leases\": %" PRIu64 "}\n",
			info->cluster, conf->name, info->epoch, info->leases);
	} else {
		fprintf(ctl->out,
			"cluster '%s' restored on node %s: %" PRIu64 " lease%s, epoch %" PRIu64
			"\n",
			info->cluster, conf->name, info->leases, info->leases == 1 ? "" : "s",
			info->epoch);
	}
	fflush(ctl->out);
	ctl_note(ctl,
		"  Leases given since the backup are not known. So machines that it does not know "
		"get "
		"no address for %s;\n"
		"  those that ask for an address that is free keep it, and known ones go on.\n"
		"  Old nodes are strangers to this cluster: empty them and join them with a token. "
		"Images "
		"have to be pushed again.\n"
		"  Operators need the new API key: pxectl cluster info",
		text_duration_short(info->unknown_s * 1000, wait));
	if (msg_ip4_get(content->settings->server_ip) != conf->serve_ip) {
		ctl_note(ctl,
			"  DHCP server identifier is still %s; to change it: pxectl cluster set "
			"server-id=IP",
			show_ip(&content->settings->server_ip, ip));
	}
}

static int make_node(struct ctl *ctl, const struct invocation *in, const char *path,
	struct backup_content *content)
{
	struct node_conf conf;
	struct offline_info info;
	bool started = false;
	int result = prepare(ctl, in, content, &conf);

	if (result != CTL_OK) {
		return result;
	}
	result = write_files(ctl, &conf, content);
	if (result == CTL_OK) {
		result = restore(ctl, path, &info);
	}
	if (result != CTL_OK) {
		take_back(ctl, &conf);
		return result;
	}
	tell(ctl, &conf, content, &info);
	result = node_setup_start(ctl, in, &started);
	return result == CTL_OK && started ? node_setup_wait(ctl, conf.name) : result;
}

int cmd_backup_restore(struct ctl *ctl, const struct invocation *in)
{
	struct backup_content content;
	const char *path = in->args[0];
	int result;

	if (strcmp(path, "-") == 0) {
		return ctl_fail(ctl, CTL_USAGE,
			"a backup is read twice, first to see that it is whole: give a file");
	}
	if (sodium_init() < 0) {
		return ctl_fail(ctl, CTL_REFUSED, "this machine gives no random numbers");
	}
	result = backup_file_read(ctl, path, &content);
	if (result == CTL_OK && content.settings->next_member_id == 0) {
		result = ctl_fail(ctl, CTL_USAGE, "%s holds no cluster", path);
	}
	if (result == CTL_OK) {
		result = make_node(ctl, in, path, &content);
	}
	backup_content_fini(&content);
	return result;
}
