#include "node/machines/machines_end.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* A machine whose usual boot is the disk may fetch nothing that would have to be claimed. */
static bool is_back(const Pxe__Once *once, const struct event *event, uint64_t now_ms)
{
	return event->kind == PXE__EVENT_KIND__EVENT_DHCP_DISCOVER && event->arch != 0 &&
	       !event->is_ipxe && event->stage != PXE__BOOT_STAGE__STAGE_SYSTEM &&
	       once->tries >= once->tries_max && now_ms >= once->claimed_ms + MACHINES_BACK_MS;
}

Pxe__BootEndKind machines_end_of(const Pxe__Once *once, const struct event *event, uint64_t now_ms,
	char *ret_text, size_t text_bytes)
{
	assert(event != NULL && ret_text != NULL && text_bytes > 0);
	ret_text[0] = '\0';
	if (once == NULL || once->state != PXE__ONCE_STATE__ONCE_CLAIMED) {
		return PXE__BOOT_END_KIND__BOOT_END_NONE;
	}
	if (is_back(once, event, now_ms)) {
		snprintf(ret_text, text_bytes, "it came back %u times without a report",
			once->tries);
		return PXE__BOOT_END_KIND__BOOT_END_FAILED;
	}
	if (event->kind == PXE__EVENT_KIND__EVENT_SYSTEM_UP) {
		snprintf(ret_text, text_bytes, "the system asked for an address");
		return PXE__BOOT_END_KIND__BOOT_END_OK;
	}
	if (event->kind != PXE__EVENT_KIND__EVENT_PHONE_HOME) {
		return PXE__BOOT_END_KIND__BOOT_END_NONE;
	}
	snprintf(ret_text, text_bytes, "phone home: %.200s",
		event->text[0] != '\0' ? event->text
		: event->failed        ? "failed"
				       : "ok");
	return event->failed ? PXE__BOOT_END_KIND__BOOT_END_FAILED
			     : PXE__BOOT_END_KIND__BOOT_END_OK;
}

bool machines_end_text(
	const Pxe__Once *before, const Pxe__Once *after, char *ret_text, size_t text_bytes)
{
	assert(ret_text != NULL && text_bytes > 0);
	if (after == NULL) {
		snprintf(ret_text, text_bytes, "cancelled%s%s", before != NULL ? " " : "",
			before != NULL ? before->profile : "");
		return before != NULL;
	}
	if (before != NULL && before->state == after->state && before->tries == after->tries &&
		before->armed_ms == after->armed_ms) {
		return false;
	}
	switch (after->state) {
	case PXE__ONCE_STATE__ONCE_ARMED:
		snprintf(ret_text, text_bytes, "armed %.63s, %u tr%s", after->profile,
			after->tries_max, after->tries_max == 1 ? "y" : "ies");
		return true;
	case PXE__ONCE_STATE__ONCE_CLAIMED:
		snprintf(ret_text, text_bytes, "claimed %.63s, try %u of %u", after->profile,
			after->tries, after->tries_max);
		return true;
	case PXE__ONCE_STATE__ONCE_DONE:
	case PXE__ONCE_STATE__ONCE_FAILED:
		snprintf(ret_text, text_bytes, "%s %.63s: %.160s",
			after->state == PXE__ONCE_STATE__ONCE_DONE ? "done" : "failed",
			after->profile, after->text);
		return true;
	case PXE__ONCE_STATE__ONCE_NONE:
	case _PXE__ONCE_STATE_IS_INT_SIZE: break;
	}
	return false;
}
