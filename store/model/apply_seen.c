/* store/model/apply_seen.c: the machines that were seen on the segment, the newest of them. Pure.
 *
 * Nodes tell what they hear; anybody can make machines up, so their number is bounded: those that
 * were not seen for longest go first, declared ones last. */
#include "store/model/keep.h"

#include "store/model/check.h"
#include <stdlib.h>
#include <string.h>

#define OK      PXE__VERDICT__VERDICT_OK
#define INVALID PXE__VERDICT__VERDICT_INVALID

#define SEEN_MACHINES_MAX 256 /* in one command */
#define SEEN_TEXT_MAX     63

static bool seen_is_plain(const char *text)
{
	size_t bytes = strlen(text);
	for (size_t i = 0; i < bytes; i++) {
		if ((unsigned char)text[i] < ' ' || (unsigned char)text[i] > '~')
			return false;
	}
	return bytes > 0 && bytes <= SEEN_TEXT_MAX;
}

/* ---- room ---- */

static void seen_forget(struct apply *a, const Pxe__Machine *machine)
{
	uint8_t mac[16];
	size_t bytes = machine->mac.len;
	memcpy(mac, machine->mac.data, bytes);
	keep_remove(a->model, a->sink, RECORD_MACHINE, mac, bytes);
}

/* Is there room for a machine that was not known? Where all others are declared, only for another
 * declared one. */
static bool seen_make_room(struct apply *a, const Pxe__Machine *newcomer)
{
	if (a->model->shelf[RECORD_MACHINE].count < MODEL_MACHINES_MAX)
		return true;
	const Pxe__Machine *oldest = machine_map_oldest(a->model);
	if (oldest == NULL && internal_machine_is_declared(a->model, newcomer))
		oldest = machine_map_oldest_declared(a->model);
	if (oldest == NULL)
		return false;
	seen_forget(a, oldest);
	return true;
}

/* ---- one machine ---- */

static void seen_merge_text(char **field, const char *text, bool is_good)
{
	if (is_good)
		keep_set_string(field, text);
}

static void seen_merge_identity(Pxe__Machine *machine, const Pxe__Machine *news)
{
	if (news->uuid.len == 16)
		keep_set_data(&machine->uuid, news->uuid.data, 16);
	if (news->has_arch && news->arch <= UINT16_MAX) {
		machine->has_arch = true;
		machine->arch = news->arch;
	}
	seen_merge_text(
		&machine->vendor_class, news->vendor_class, seen_is_plain(news->vendor_class));
	seen_merge_text(&machine->hostname, news->hostname, check_is_name(news->hostname));
}

static void seen_merge(struct apply *a, Pxe__Machine *machine, const Pxe__Machine *news)
{
	uint64_t last_ms = internal_min(news->last_ms, a->now_ms);
	seen_merge_identity(machine, news);
	if (news->ip.len == 4)
		keep_set_data(&machine->ip, news->ip.data, 4);
	seen_merge_text(&machine->subnet, news->subnet, check_is_name(news->subnet));
	machine->last_ms = internal_max(machine->last_ms, last_ms != 0 ? last_ms : a->now_ms);
	if (machine->first_ms == 0)
		machine->first_ms = machine->last_ms;
	if (news->boot_ms != 0 && news->boot_ms >= machine->boot_ms) {
		machine->boot_ms = internal_min(news->boot_ms, a->now_ms);
		seen_merge_text(&machine->profile, news->profile, check_is_name(news->profile));
		seen_merge_text(&machine->node, news->node, check_is_name(news->node));
	}
}

static void seen_keep(struct apply *a, const Pxe__Machine *news)
{
	const Pxe__Machine *old = model_machine_seen(a->model, news->mac.data, news->mac.len);
	Pxe__Machine *machine;
	if (old == NULL) {
		Pxe__Machine fresh = PXE__MACHINE__INIT;
		if (!seen_make_room(a, news))
			return;
		fresh.mac = news->mac;
		machine = (Pxe__Machine *)keep_copy(&fresh.base);
	} else {
		machine = (Pxe__Machine *)keep_copy(&old->base);
	}
	seen_merge(a, machine, news);
	keep_message(a->model, a->sink, RECORD_MACHINE, &machine->base);
}

Pxe__Verdict apply_seen(struct apply *a, const Pxe__Seen *seen)
{
	if (seen->n_machines > SEEN_MACHINES_MAX)
		return internal_refuse(a, INVALID, "%zu machines in one report: use at most %d",
			seen->n_machines, SEEN_MACHINES_MAX);
	for (size_t i = 0; i < seen->n_machines; i++) {
		if (seen->machines[i]->mac.len == 0 || seen->machines[i]->mac.len > 16)
			return internal_refuse(a, INVALID,
				"machine %zu of the report has no hardware address", i + 1);
	}
	for (size_t i = 0; i < seen->n_machines; i++)
		seen_keep(a, seen->machines[i]);
	return OK;
}
