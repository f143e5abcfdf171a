/* cluster init: a new cluster, whose first node is this machine. */
#include "ctl/cmd.h"
#include "ctl/dhcp_ask.h"
#include "ctl/edit.h"
#include "ctl/node_setup.h"
#include "ctl/show.h"

#include "proto/host/port_holder.h"
#include "proto/wire/dhcp4.h"
#include "proto/wire/text.h"

#include <netinet/in.h>
#include <sodium.h>
#include <string.h>

#define INIT_LEASE_S   3600u
#define INIT_MCLT_S    600u
#define INIT_OFFER_S   60u
#define INIT_DECLINE_S 3600u

static const char *node_name(const struct invocation *in)
{
	const char *name = command_text(in, "node-name");

	if (name == NULL) {
		name = command_text(in, "name-node");
	}
	return name == NULL ? "pxe1" : name;
}

static int prepare(struct ctl *ctl, const struct invocation *in, struct node_conf *conf)
{
	const char *cluster = command_text(in, "name"), *interface = command_text(in, "interface");
	int result;

	if (cluster == NULL || interface == NULL) {
		return ctl_fail(ctl, CTL_USAGE,
			"cluster init needs --name NAME and --interface IF, the network "
			"interface where machines boot");
	}
	result = edit_check_name(ctl, "cluster", cluster);
	if (result == CTL_OK) {
		result = edit_check_name(ctl, "node", node_name(in));
	}
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
	conf->id = 1;
	return result;
}

/* ---- other servers */

static void tell_silent(const struct ctl *ctl, const char *whom)
{
	ctl_note(ctl,
		"  This node stays silent until you run\n"
		"      pxectl cluster set dhcp=on          (or dhcp=proxy to leave addresses to "
		"%s)",
		whom);
}

/* true: somebody else answers already, which was told. */
static bool others_answer(const struct ctl *ctl, const struct node_conf *conf)
{
	struct dhcp_answer answers[DHCP_ASK_MAX];
	char ip[TEXT_IP4_BYTES] = "", mac[TEXT_MAC_BYTES], offered[TEXT_IP4_BYTES], holder[128];
	int count;

	if (port_holder(IPPROTO_UDP, DHCP4_SERVER_PORT, holder, sizeof holder) == 0) {
		ctl_note(ctl, "  a DHCP server runs on this machine already: %s.", holder);
		tell_silent(ctl, "it");
		return true;
	}
	count = dhcp_ask(conf->interface, DHCP_ASK_WAIT_MS, answers);
	if (count < 0) {
		ctl_note(ctl, "  could not look for other DHCP servers on %s: %s", conf->interface,
			strerror(-count));
		return false;
	}
	for (int i = 0; i < count; i++) {
		ctl_note(ctl,
			"  another DHCP server answers on this segment: %s (%s), it offered %s.",
			text_ip4_format(answers[i].server_ip, ip),
			text_mac_format(answers[i].mac, mac),
			answers[i].offered_ip == 0
				? "no address"
				: text_ip4_format(answers[i].offered_ip, offered));
	}
	if (count > 0) {
		tell_silent(ctl, count == 1 ? ip : "them");
	}
	return count > 0;
}

/* As --dhcp says; else on, unless somebody else answers already. */
static int choose_mode(const struct ctl *ctl, const struct invocation *in,
	const struct node_conf *conf, Pxe__DhcpMode *ret_mode)
{
	const char *wanted = command_text(in, "dhcp");

	if (wanted == NULL) {
		*ret_mode = others_answer(ctl, conf) ? PXE__DHCP_MODE__DHCP_OFF
						     : PXE__DHCP_MODE__DHCP_ON;
	} else if (!show_dhcp_mode_parse(wanted, ret_mode)) {
		return ctl_fail(ctl, CTL_USAGE, "--dhcp '%s': write on, proxy or off", wanted);
	}
	return CTL_OK;
}

/* ---- files */

/* Start instruction: settings and first member. */
static int write_files(struct ctl *ctl, const struct invocation *in, struct node_conf *conf,
	Pxe__DhcpMode mode, struct keyfile *node_key, struct keyfile *api_key)
{
	const char *server_id = command_text(in, "server-id");
	Pxe__Settings settings = PXE__SETTINGS__INIT;
	Pxe__Member self;
	struct node_start start = {
		.kind = NODE_START_BOOTSTRAP, .settings = &settings, .self = &self};
	char name[64];
	uint8_t ip[4], server_ip[4];
	uint32_t address;

	snprintf(name, sizeof name, "%s", command_text(in, "name"));
	node_setup_member(conf, node_key, ip, &self);
	self.id = conf->id;
	settings.cluster = name;
	settings.cluster_id = (ProtobufCBinaryData){sizeof conf->cluster_id, conf->cluster_id};
	settings.server_ip = self.serve_ip;
	if (server_id != NULL) {
		if (text_ip4_parse(server_id, &address) != 0 || address == 0) {
			return ctl_fail(ctl, CTL_USAGE, "--server-id '%s' is not an IPv4 address",
				server_id);
		}
		for (size_t i = 0; i < sizeof server_ip; i++) {
			server_ip[i] = (uint8_t)(address >> (24 - 8 * i));
		}
		settings.server_ip = (ProtobufCBinaryData){sizeof server_ip, server_ip};
	}
	settings.dhcp = mode;
	settings.lease_s = INIT_LEASE_S;
	settings.mclt_s = INIT_MCLT_S;
	settings.offer_s = INIT_OFFER_S;
	settings.decline_s = INIT_DECLINE_S;
	settings.api_public_key = (ProtobufCBinaryData){32, api_key->public_key};
	settings.next_member_id = 2;
	settings.epoch = 1;
	return node_setup_write(ctl, conf, api_key, &start);
}

static void tell(struct ctl *ctl, const struct node_conf *conf)
{
	char ip[TEXT_IP4_BYTES];

	ctl_note(ctl, "  interface %s %s, cluster ports %d-%d, HTTP %u, TFTP %u", conf->interface,
		text_ip4_format(conf->serve_ip, ip), NODE_CONF_PEER_PORT, NODE_CONF_JOIN_PORT,
		(unsigned)conf->http_port, (unsigned)conf->tftp_port);
}

int cmd_cluster_init(struct ctl *ctl, const struct invocation *in)
{
	struct keyfile node_key, api_key;
	struct node_conf conf;
	Pxe__DhcpMode mode;
	bool started = false;
	int result = prepare(ctl, in, &conf);

	if (result != CTL_OK) {
		return result;
	}
	tell(ctl, &conf);
	result = choose_mode(ctl, in, &conf, &mode);
	if (result == CTL_OK) {
		result = node_setup_key(ctl, &conf, &node_key);
	}
	if (result == CTL_OK && keyfile_generate("api", &api_key) != 0) {
		result = ctl_fail(ctl, CTL_REFUSED, "this machine gives no random numbers");
	}
	if (result != CTL_OK) {
		return result;
	}
	randombytes_buf(conf.cluster_id, sizeof conf.cluster_id);
	result = write_files(ctl, in, &conf, mode, &node_key, &api_key);
	keyfile_wipe(&node_key);
	keyfile_wipe(&api_key);
	if (result == CTL_OK) {
		result = node_setup_start(ctl, in, &started);
	}
	if (result == CTL_OK && started) {
		result = node_setup_wait(ctl, conf.name);
	}
	if (result == CTL_OK) {
		fprintf(ctl->out, "cluster '%s' created, node %s%s\n", command_text(in, "name"),
			conf.name, started ? " is leader (1 of 1). Next:  pxectl subnet add" : "");
	}
	return result;
}
