/* cluster token create, cluster info. */
#include "ctl/client.h"
#include "ctl/cmd.h"
#include "ctl/edit.h"
#include "ctl/show_terms.h"

#include "proto/cred/keyfile.h"
#include "proto/wire/text.h"

#include <inttypes.h>
#include <string.h>

int cmd_cluster_token_create(struct ctl *ctl, const struct invocation *in)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__TokenCreate create = PXE__TOKEN_CREATE__INIT;
	const char *valid = command_text(in, "valid"), *for_name = command_text(in, "for");
	char name[64], text[SHOW_BYTES];
	uint64_t ms = 3600000;
	Pxe__AdminReply *reply;
	int result;

	if (valid != NULL &&
		(text_duration_parse(valid, &ms) != 0 || ms < 1000 || ms > 30ull * 86400000)) {
		return ctl_fail(ctl, CTL_USAGE, "--valid '%s': write a time from 1s to 30d", valid);
	}
	if (for_name != NULL && edit_check_name(ctl, "node", for_name) != CTL_OK) {
		return CTL_USAGE;
	}
	snprintf(name, sizeof name, "%s", for_name == NULL ? "" : for_name);
	create.kind = command_flag(in, "witness") ? PXE__TOKEN_KIND__TOKEN_WITNESS
						  : PXE__TOKEN_KIND__TOKEN_NODE;
	create.for_name = name;
	create.valid_s = (uint32_t)(ms / 1000);
	request.body_case = PXE__ADMIN_REQUEST__BODY_TOKEN_CREATE;
	request.token_create = &create;
	result = client_get(ctl, &request, &reply);
	if (result != CTL_OK) {
		return result;
	}
	if (reply->body_case != PXE__ADMIN_REPLY__BODY_TOKEN) {
		result = ctl_fail(ctl, CTL_REFUSED, "the node's answer is malformed");
	} else if (ctl->format == CTL_JSON) {
		result = ctl_print_json(ctl, &reply->token->base);
	} else {
		fprintf(ctl->out, "%s\n", reply->token->token);
		ctl_note(ctl,
			"(single use, valid %s%s%s%s; on the new node: sudo pxectl cluster join "
			"TOKEN)",
			text_duration_short(ms, text), name[0] == '\0' ? "" : ", for ", name,
			command_flag(in, "witness") ? ", a witness" : "");
	}
	pxe__admin_reply__free_unpacked(reply, NULL);
	return result;
}

/* Left out when it is as by default. */
static void show_number(const struct ctl *ctl, const char *key, uint32_t number)
{
	char text[16];

	snprintf(text, sizeof text, "%" PRIu32, number);
	show_pair(ctl, key, number == 0 ? "" : text);
}

static void print_settings(struct ctl *ctl, const Pxe__Settings *settings)
{
	char text[SHOW_BYTES], key[KEYFILE_Z85_BYTES];

	show_pair(ctl, "cluster", settings->cluster);
	if (settings->cluster_id.len == 16) {
		show_pair(ctl, "id",
			text_hex_format(settings->cluster_id.data, 16, text, sizeof text));
	}
	if (settings->api_public_key.len == 32) {
		show_pair(ctl, "API key", keyfile_z85_encode(settings->api_public_key.data, key));
	}
	show_pair(ctl, "server", show_ip(&settings->server_ip, text));
	show_pair(ctl, "DHCP", show_dhcp_mode(settings->dhcp));
	show_pair(ctl, "lease", show_duration_s(settings->lease_s, text));
	show_pair(ctl, "MCLT", show_duration_s(settings->mclt_s, text));
	show_pair(ctl, "offer", show_duration_s(settings->offer_s, text));
	show_pair(ctl, "decline", show_duration_s(settings->decline_s, text));
	snprintf(text, sizeof text, "%" PRIu32 " %%",
		settings->reserve_percent == 0 ? CMD_RESERVE_USUAL : settings->reserve_percent);
	show_pair(ctl, "reserve", text);
	snprintf(text, sizeof text, "%" PRIu64, settings->epoch);
	show_pair(ctl, "epoch", text);
	show_pair(ctl, "profile", settings->profile);
	show_pair(ctl, "lease-min", show_duration_s(settings->lease_min_s, text));
	show_pair(ctl, "lease-max", show_duration_s(settings->lease_max_s, text));
	if (settings->probe == PXE__TOGGLE__TOGGLE_NO) {
		show_pair(ctl, "probe", "no: addresses are offered without asking for them by ARP");
	}
	show_number(ctl, "known-percent", settings->known_percent);
	show_number(ctl, "unknown-per-s", settings->unknown_per_s);
	show_option_lines(ctl, settings->options, settings->n_options);
	show_quirk_lines(ctl, settings->quirks);
	show_pair(ctl, "dns", show_ips(settings->dns_ip, settings->n_dns_ip, text));
	show_pair(ctl, "domain", settings->domain);
	if (settings->syslog == PXE__TOGGLE__TOGGLE_YES) {
		show_pair(ctl, "syslog", "yes: log lines of machines are taken at UDP port 514");
	}
	show_boot_lines(ctl, settings->profiles, settings->n_profiles);
	show_var_lines(ctl, settings->vars, settings->n_vars);
	for (size_t i = 0; i < settings->n_loaders; i++) {
		fprintf(ctl->out, "%-12s %s=%s\n", "loader", settings->loaders[i]->arch,
			settings->loaders[i]->path);
	}
}

static const struct table_column member_columns[] = {{"NODE", false, false}, {"ID", true, false},
	{"ROLE", false, false}, {"PEER", false, false}, {"API", false, false},
	{"JOIN", false, false}};

static int print_info(struct ctl *ctl, const Pxe__ObjectList *list)
{
	struct table *table;

	if (ctl->format == CTL_JSON) {
		return ctl_print_json(ctl, &list->base);
	}
	if (list->settings != NULL) {
		print_settings(ctl, list->settings);
	}
	table = table_new(member_columns, sizeof member_columns / sizeof member_columns[0]);
	for (size_t i = 0; i < list->n_members; i++) {
		const Pxe__Member *member = list->members[i];
		table_cell(table, member->name);
		table_cellf(table, "%" PRIu64, member->id);
		table_cell(table, member->removing                                   ? "removing"
				  : member->role == PXE__MEMBER_ROLE__MEMBER_WITNESS ? "witness"
										     : "full");
		table_cell(table, member->peer_address);
		table_cell(table, member->api_address);
		table_cell(table, member->join_address);
	}
	return show_table(ctl, table);
}

int cmd_cluster_info(struct ctl *ctl, const struct invocation *in)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__InfoQuery query = PXE__INFO_QUERY__INIT;
	Pxe__AdminReply *reply;
	int result;

	(void)in;
	request.body_case = PXE__ADMIN_REQUEST__BODY_INFO;
	request.info = &query;
	result = client_get(ctl, &request, &reply);
	if (result != CTL_OK) {
		return result;
	}
	result = reply->body_case == PXE__ADMIN_REPLY__BODY_OBJECTS
			 ? print_info(ctl, reply->objects)
			 : ctl_fail(ctl, CTL_REFUSED, "the node's answer is malformed");
	pxe__admin_reply__free_unpacked(reply, NULL);
	return result;
}
