#include "ctl/show.h"

#include "proto/msg/event_text.h"
#include "proto/wire/text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

char *show_ip(const ProtobufCBinaryData *ip, char ret_text[SHOW_BYTES])
{
	ret_text[0] = '\0';
	if (ip->len == 4 || ip->len == 16) {
		inet_ntop(ip->len == 4 ? AF_INET : AF_INET6, ip->data, ret_text, SHOW_BYTES);
	}
	return ret_text;
}

char *show_mac(const ProtobufCBinaryData *mac, char ret_text[SHOW_BYTES])
{
	ret_text[0] = '\0';
	if (mac->len > 0 && mac->len <= 16) {
		text_hwaddr_format(mac->data, mac->len, ret_text);
	}
	return ret_text;
}

static void join(char *ret_text, const char *text)
{
	size_t used = strlen(ret_text);

	snprintf(ret_text + used, SHOW_BYTES - used, "%s%s", used == 0 ? "" : ",", text);
}

char *show_macs(const ProtobufCBinaryData *macs, size_t count, char ret_text[SHOW_BYTES])
{
	char one[SHOW_BYTES];

	ret_text[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		join(ret_text, show_mac(&macs[i], one));
	}
	return ret_text;
}

char *show_ips(const ProtobufCBinaryData *ips, size_t count, char ret_text[SHOW_BYTES])
{
	char one[SHOW_BYTES];

	ret_text[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		join(ret_text, show_ip(&ips[i], one));
	}
	return ret_text;
}

char *show_uuid(const ProtobufCBinaryData *uuid, char ret_text[SHOW_BYTES])
{
	ret_text[0] = '\0';
	if (uuid->len == 16) {
		text_uuid_format(uuid->data, ret_text);
	}
	return ret_text;
}

char *show_digest(const ProtobufCBinaryData *digest, char ret_text[SHOW_BYTES])
{
	ret_text[0] = '\0';
	if (digest->len >= 6) {
		text_hex_format(digest->data, 6, ret_text, SHOW_BYTES);
	}
	return ret_text;
}

char *show_when(uint64_t at_ms, uint64_t now_ms, char ret_text[SHOW_BYTES])
{
	char text[TEXT_DURATION_BYTES];

	if (at_ms == 0) {
		ret_text[0] = '\0';
	} else if (at_ms > now_ms + 999) {
		snprintf(ret_text, SHOW_BYTES, "in %s", text_duration_short(at_ms - now_ms, text));
	} else if (now_ms > at_ms + 999) {
		snprintf(ret_text, SHOW_BYTES, "%s ago", text_duration_short(now_ms - at_ms, text));
	} else {
		snprintf(ret_text, SHOW_BYTES, "now");
	}
	return ret_text;
}

char *show_duration_s(uint64_t seconds, char ret_text[SHOW_BYTES])
{
	ret_text[0] = '\0';
	if (seconds > 0) {
		text_duration_format(seconds * 1000, ret_text);
	}
	return ret_text;
}

char *show_size(uint64_t bytes, char ret_text[SHOW_BYTES])
{
	return text_size_format(bytes, ret_text);
}

static unsigned terminal_width(FILE *out)
{
	struct winsize size;

	if (!isatty(fileno(out)) || ioctl(fileno(out), TIOCGWINSZ, &size) != 0) {
		return 0;
	}
	return size.ws_col;
}

int show_table(const struct ctl *ctl, struct table *table)
{
	bool wide = ctl->format == CTL_WIDE;

	table_print(table, ctl->out, wide, ctl->no_header, wide ? 0 : terminal_width(ctl->out));
	table_free(table);
	return CTL_OK;
}

void show_pair(const struct ctl *ctl, const char *key, const char *value)
{
	char clean[8192];

	if (value != NULL && value[0] != '\0') {
		fprintf(ctl->out, "%-12s %s\n", key, event_text_clean(value, clean, sizeof clean));
	}
}

static const struct {
	const char *name;
	Pxe__DhcpMode mode;
} dhcp_modes[] = {
	{"off", PXE__DHCP_MODE__DHCP_OFF},
	{"on", PXE__DHCP_MODE__DHCP_ON},
	{"proxy", PXE__DHCP_MODE__DHCP_PROXY},
};

const char *show_dhcp_mode(Pxe__DhcpMode mode)
{
	for (size_t i = 0; i < sizeof dhcp_modes / sizeof dhcp_modes[0]; i++) {
		if (dhcp_modes[i].mode == mode) {
			return dhcp_modes[i].name;
		}
	}
	return "?";
}

bool show_dhcp_mode_parse(const char *text, Pxe__DhcpMode *ret_mode)
{
	for (size_t i = 0; i < sizeof dhcp_modes / sizeof dhcp_modes[0]; i++) {
		if (strcmp(dhcp_modes[i].name, text) == 0) {
			*ret_mode = dhcp_modes[i].mode;
			return true;
		}
	}
	return false;
}
