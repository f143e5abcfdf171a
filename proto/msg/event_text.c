#include "proto/msg/event_text.h"

#include "proto/wire/text.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct {
	Pxe__EventKind kind;
	const char *word;
} event_words[] = {
	{PXE__EVENT_KIND__EVENT_DHCP_DISCOVER, "DISCOVER"},
	{PXE__EVENT_KIND__EVENT_DHCP_OFFER, "OFFER"},
	{PXE__EVENT_KIND__EVENT_DHCP_REQUEST, "REQUEST"},
	{PXE__EVENT_KIND__EVENT_DHCP_ACK, "ACK"},
	{PXE__EVENT_KIND__EVENT_DHCP_NAK, "NAK"},
	{PXE__EVENT_KIND__EVENT_DHCP_RELEASE, "RELEASE"},
	{PXE__EVENT_KIND__EVENT_DHCP_DECLINE, "DECLINE"},
	{PXE__EVENT_KIND__EVENT_DHCP_INFORM, "INFORM"},
	{PXE__EVENT_KIND__EVENT_DHCP_REFUSED, "DHCP refused"},
	{PXE__EVENT_KIND__EVENT_TFTP_START, "TFTP start"},
	{PXE__EVENT_KIND__EVENT_TFTP_DONE, "TFTP done"},
	{PXE__EVENT_KIND__EVENT_TFTP_FAILED, "TFTP failed"},
	{PXE__EVENT_KIND__EVENT_HTTP_START, "HTTP start"},
	{PXE__EVENT_KIND__EVENT_HTTP_DONE, "HTTP done"},
	{PXE__EVENT_KIND__EVENT_HTTP_FAILED, "HTTP failed"},
	{PXE__EVENT_KIND__EVENT_SCRIPT, "boot script"},
	{PXE__EVENT_KIND__EVENT_PHONE_HOME, "reports"},
	{PXE__EVENT_KIND__EVENT_DHCP_PROXY, "PXE offer"},
	{PXE__EVENT_KIND__EVENT_DHCP_FOREIGN, "other server"},
	{PXE__EVENT_KIND__EVENT_ADDRESS_TAKEN, "address in use"},
	{PXE__EVENT_KIND__EVENT_SYSLOG, "log"},
	{PXE__EVENT_KIND__EVENT_BOOT_ONCE, "boot once"},
	{PXE__EVENT_KIND__EVENT_MACHINE_NEW, "new machine"},
	{PXE__EVENT_KIND__EVENT_BOOT_STALLED, "boot STALLED"},
	{PXE__EVENT_KIND__EVENT_SYSTEM_UP, "system is up"},
	{PXE__EVENT_KIND__EVENT_TEMPLATE_FAILED, "template failed"},
	{PXE__EVENT_KIND__EVENT_NODE_LEADER, "leader"},
	{PXE__EVENT_KIND__EVENT_NODE_UP, "node up"},
	{PXE__EVENT_KIND__EVENT_NODE_DOWN, "node down"},
	{PXE__EVENT_KIND__EVENT_NODE_JOINED, "node joined"},
	{PXE__EVENT_KIND__EVENT_NODE_REMOVED, "node removed"},
	{PXE__EVENT_KIND__EVENT_QUORUM_LOST, "quorum lost"},
	{PXE__EVENT_KIND__EVENT_QUORUM_BACK, "quorum back"},
	{PXE__EVENT_KIND__EVENT_ISOLATED, "isolated"},
	{PXE__EVENT_KIND__EVENT_MERGED, "merged"},
	{PXE__EVENT_KIND__EVENT_IMAGE_STAGED, "image staged"},
	{PXE__EVENT_KIND__EVENT_IMAGE_HELD, "image held"},
	{PXE__EVENT_KIND__EVENT_IMAGE_PUBLISHED, "image published"},
	{PXE__EVENT_KIND__EVENT_CONFIG_CHANGED, "changed"},
	{PXE__EVENT_KIND__EVENT_ALARM, "ALARM"},
};

const char *event_text_word(Pxe__EventKind kind)
{
	for (size_t i = 0; i < sizeof event_words / sizeof event_words[0]; i++) {
		if (event_words[i].kind == kind) {
			return event_words[i].word;
		}
	}
	return "event";
}

const char *event_text_stage(Pxe__BootStage stage)
{
	switch (stage) {
	case PXE__BOOT_STAGE__STAGE_LOADER: return "loader";
	case PXE__BOOT_STAGE__STAGE_SCRIPT: return "script";
	case PXE__BOOT_STAGE__STAGE_KERNEL: return "kernel";
	case PXE__BOOT_STAGE__STAGE_INITRD: return "initrd";
	case PXE__BOOT_STAGE__STAGE_TEMPLATE: return "template";
	case PXE__BOOT_STAGE__STAGE_FILE: return "file";
	case PXE__BOOT_STAGE__STAGE_SYSTEM: return "system";
	case PXE__BOOT_STAGE__STAGE_NONE:
	case _PXE__BOOT_STAGE_IS_INT_SIZE: break;
	}
	return "";
}

char *event_text_clean(const char *text, char *ret_text, size_t text_bytes)
{
	size_t used = 0, step;

	assert(text != NULL && ret_text != NULL && text_bytes > 0);
	for (; *text != '\0'; text += step) {
		bool is_good = !text_is_control(text);
		step = text_utf8_bytes(text);
		is_good = is_good && step != 0;
		step = step != 0 ? step : 1;
		if (used + (is_good ? step : 1) >= text_bytes) {
			break;
		}
		if (is_good) {
			memmove(ret_text + used, text, step);
			used += step;
		} else {
			ret_text[used++] = '?';
		}
	}
	ret_text[used] = '\0';
	return ret_text;
}

#define EVENT_TEXT_TOOK_MS 100 /* less is no news */

static void add(char *line, const char *before, const char *text)
{
	size_t used = strlen(line);

	snprintf(line + used, EVENT_TEXT_BYTES - used, "%s%s", used == 0 ? "" : before, text);
}

/* "[kernel of debian12]": which part of the boot it was. */
static void add_boot(char *line, const Pxe__Event *event)
{
	const char *stage = event_text_stage(event->stage);
	char clean[80], text[128];

	if (stage[0] == '\0' && event->profile[0] == '\0') {
		return;
	}
	event_text_clean(event->profile, clean, sizeof clean);
	snprintf(text, sizeof text, "[%s%s%s]", stage,
		stage[0] != '\0' && clean[0] != '\0' ? " of " : "", clean);
	add(line, "  ", text);
}

char *event_text_line(const Pxe__Event *event, char ret_text[EVENT_TEXT_BYTES])
{
	char clean[320], mac[TEXT_HWADDR_BYTES], size[TEXT_SIZE_BYTES], took[32];

	assert(event != NULL && ret_text != NULL);
	ret_text[0] = '\0';
	if (event->host[0] != '\0') {
		add(ret_text, "", event_text_clean(event->host, clean, sizeof clean));
	} else if (event->mac.len > 0 && event->mac.len <= 16) {
		add(ret_text, "", text_hwaddr_format(event->mac.data, event->mac.len, mac));
	}
	add(ret_text, "  ", event_text_word(event->kind));
	if (event->ip.len == 4) {
		const uint8_t *ip = event->ip.data;
		snprintf(clean, sizeof clean, "%u.%u.%u.%u", ip[0], ip[1], ip[2], ip[3]);
		add(ret_text, " ", clean);
	}
	if (event->text[0] != '\0') {
		add(ret_text, "  ", event_text_clean(event->text, clean, sizeof clean));
	}
	if (event->bytes > 0) {
		add(ret_text, "  ", text_size_format(event->bytes, size));
	}
	if (event->took_ms >= EVENT_TEXT_TOOK_MS) {
		snprintf(took, sizeof took, "%u.%u s", event->took_ms / 1000,
			event->took_ms % 1000 / 100);
		add(ret_text, "  ", took);
	}
	add_boot(ret_text, event);
	return ret_text;
}
