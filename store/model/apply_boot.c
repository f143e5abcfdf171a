/* store/model/apply_boot.c: the next boot of a host, once: armed, claimed by a boot, ended. Pure.
 *
 * The record's states are drawn at message Once (records.proto). A claim is what makes it "once":
 * it goes through the log, so of two boots, or two nodes that answer one boot, only one can have
 * it. */
#include "store/model/keep.h"

#include "proto/wire/text.h"
#include "store/model/check.h"
#include <stdio.h>
#include <string.h>

#define OK      PXE__VERDICT__VERDICT_OK
#define INVALID PXE__VERDICT__VERDICT_INVALID

#define BOOT_NUMBER_MAX 23
#define BOOT_TRIES      3 /* unless it is said otherwise */
#define BOOT_TRIES_MAX  20
#define BOOT_TEXT_MAX   255

/* ---- arming ---- */

/* How often to try when nobody said: what has no kernel or script, a program of its own or the
 * disk, never tells that it runs, so a second boot with it would be one too many. */
static uint32_t boot_tries(const struct model *model, const Pxe__BootOnce *once)
{
	const Pxe__Profile *profile = model_profile(model, once->profile);
	if (once->tries != 0)
		return once->tries;
	if (profile == NULL)
		return 1;
	return profile->kernel[0] != '\0' || profile->script[0] != '\0' ||
			       profile->grub_script[0] != '\0' ||
			       profile->pxelinux_script[0] != '\0'
		       ? BOOT_TRIES
		       : 1;
}

static Pxe__Verdict boot_check_host(struct apply *a, const char *name)
{
	if (!check_name(a, "host", name))
		return INVALID;
	if (model_host(a->model, name) != NULL)
		return OK;
	return internal_refuse(a, PXE__VERDICT__VERDICT_NOT_FOUND,
		"there is no host %s: pxectl host add, or pxectl host list", name);
}

Pxe__Verdict apply_boot_once(struct apply *a, const Pxe__BootOnce *once)
{
	Pxe__Verdict verdict = boot_check_host(a, once->host);
	if (verdict != OK)
		return verdict;
	if (once->profile[0] == '\0')
		return internal_refuse(a, INVALID,
			"name the profile that host %s boots once: pxectl profile list",
			once->host);
	if (!check_profile_ref(a, "profile to boot once", once->profile))
		return INVALID;
	if (once->tries > BOOT_TRIES_MAX)
		return internal_refuse(
			a, INVALID, "%u tries: use at most %d", once->tries, BOOT_TRIES_MAX);
	const Pxe__Once *old = model_once(a->model, once->host);
	if (old != NULL && once->serial != 0 && once->serial <= old->serial)
		return OK; /* that serial has had its boot */
	Pxe__Once draft = PXE__ONCE__INIT;
	draft.host = once->host;
	draft.profile = once->profile;
	draft.state = PXE__ONCE_STATE__ONCE_ARMED;
	draft.serial = once->serial != 0 ? once->serial : old != NULL ? old->serial : 0;
	draft.tries_max = boot_tries(a->model, once);
	draft.armed_ms = a->now_ms;
	keep_message(a->model, a->sink, RECORD_ONCE, keep_copy(&draft.base));
	return OK;
}

/* ---- ends ---- */

static void boot_end(struct apply *a, const Pxe__Once *once, Pxe__OnceState state, const char *text)
{
	Pxe__Once *copy = (Pxe__Once *)keep_copy(&once->base);
	copy->state = state;
	copy->ended_ms = a->now_ms;
	keep_set_string(&copy->text, text);
	keep_message(a->model, a->sink, RECORD_ONCE, &copy->base);
}

/* A serial is remembered, else the file that gave it would arm it again. */
Pxe__Verdict apply_boot_cancel(struct apply *a, const Pxe__BootCancel *cancel)
{
	const Pxe__Once *once = NULL;
	if (!check_name(a, "host", cancel->host))
		return INVALID;
	once = model_once(a->model, cancel->host);
	if (once == NULL || (once->state != PXE__ONCE_STATE__ONCE_ARMED &&
				    once->state != PXE__ONCE_STATE__ONCE_CLAIMED))
		return internal_refuse(a, PXE__VERDICT__VERDICT_NOT_FOUND,
			"host %s has no boot that is armed: pxectl boot show %s", cancel->host,
			cancel->host);
	if (once->serial != 0)
		boot_end(a, once, PXE__ONCE_STATE__ONCE_DONE, "cancelled");
	else
		keep_remove(a->model, a->sink, RECORD_ONCE, cancel->host, strlen(cancel->host));
	return OK;
}

Pxe__Verdict apply_boot_end(struct apply *a, const Pxe__BootEnd *end)
{
	char text[BOOT_TEXT_MAX + 1];
	if (!check_name(a, "host", end->host))
		return INVALID;
	if (end->kind != PXE__BOOT_END_KIND__BOOT_END_OK &&
		end->kind != PXE__BOOT_END_KIND__BOOT_END_FAILED)
		return internal_refuse(a, INVALID, "a boot ends well or with a failure");
	const Pxe__Once *once = model_once(a->model, end->host);
	if (once == NULL || once->state != PXE__ONCE_STATE__ONCE_CLAIMED)
		return internal_refuse(a, PXE__VERDICT__VERDICT_NOT_FOUND,
			"host %s has no boot that is under way", end->host);
	if (end->arrived_ms != 0 && end->arrived_ms < once->claimed_ms)
		return internal_refuse(a, PXE__VERDICT__VERDICT_STALE,
			"this is of the system that ran before the boot of host %s", end->host);
	check_clean(end->text, text, sizeof(text));
	boot_end(a, once,
		end->kind == PXE__BOOT_END_KIND__BOOT_END_OK ? PXE__ONCE_STATE__ONCE_DONE
							     : PXE__ONCE_STATE__ONCE_FAILED,
		text);
	return OK;
}

/* ---- the claim ---- */

static bool boot_is_number(const char *boot)
{
	return strlen(boot) <= BOOT_NUMBER_MAX &&
	       strspn(boot, "0123456789abcdefghijklmnopqrstuvwxyz-") == strlen(boot);
}

bool model_once_is_of(const Pxe__Once *once, const char *boot, uint64_t now_ms)
{
	if (once->state != PXE__ONCE_STATE__ONCE_CLAIMED)
		return false;
	if (boot[0] != '\0' && once->boot[0] != '\0')
		return strcmp(boot, once->boot) == 0;
	return now_ms < internal_after(once->claimed_ms, MODEL_ONCE_SAME_MS);
}

bool model_once_wants_claim(const Pxe__Once *once, const char *boot, uint64_t now_ms)
{
	return once != NULL && (once->state == PXE__ONCE_STATE__ONCE_ARMED ||
				       (once->state == PXE__ONCE_STATE__ONCE_CLAIMED &&
					       !model_once_is_of(once, boot, now_ms)));
}

bool model_once_applies(const Pxe__Once *once, const char *boot, uint64_t now_ms)
{
	return once != NULL && (once->state == PXE__ONCE_STATE__ONCE_ARMED ||
				       model_once_is_of(once, boot, now_ms) ||
				       (once->state == PXE__ONCE_STATE__ONCE_CLAIMED &&
					       once->tries < once->tries_max));
}

static void boot_claim(struct apply *a, const Pxe__Once *once, const Pxe__BootClaim *claim)
{
	Pxe__Once *copy = (Pxe__Once *)keep_copy(&once->base);
	copy->state = PXE__ONCE_STATE__ONCE_CLAIMED;
	copy->tries++;
	copy->claimed_ms = a->now_ms;
	copy->node = a->command->origin;
	keep_set_string(&copy->boot, claim->boot);
	keep_set_string(&copy->image, claim->image);
	keep_message(a->model, a->sink, RECORD_ONCE, &copy->base);
}

/* The boot that has it tells its number at last: from then on no other is taken for it. */
static void boot_name(struct apply *a, const Pxe__Once *once, const char *boot)
{
	Pxe__Once *copy = (Pxe__Once *)keep_copy(&once->base);
	keep_set_string(&copy->boot, boot);
	keep_message(a->model, a->sink, RECORD_ONCE, &copy->base);
}

Pxe__Verdict apply_boot_claim(struct apply *a, const Pxe__BootClaim *claim)
{
	char text[96];
	if (!check_name(a, "host", claim->host) ||
		(claim->image[0] != '\0' && !check_image_ref(a, "image of the boot", claim->image)))
		return INVALID;
	if (!boot_is_number(claim->boot))
		return internal_refuse(
			a, INVALID, "the number of a boot has letters, digits and '-'");
	const Pxe__Once *once = model_once(a->model, claim->host);
	if (once == NULL || (once->state != PXE__ONCE_STATE__ONCE_ARMED &&
				    once->state != PXE__ONCE_STATE__ONCE_CLAIMED))
		return internal_refuse(a, PXE__VERDICT__VERDICT_CONFLICT,
			"host %s has no boot that is armed (any more)", claim->host);
	if (model_once_is_of(once, claim->boot, a->now_ms)) {
		if (once->boot[0] == '\0' && claim->boot[0] != '\0')
			boot_name(a, once, claim->boot);
		return OK;
	}
	if (model_once_applies(once, claim->boot, a->now_ms)) {
		boot_claim(a, once, claim);
		return OK;
	}
	snprintf(text, sizeof(text), "it came back %u times without a report", once->tries);
	boot_end(a, once, PXE__ONCE_STATE__ONCE_FAILED, text);
	return internal_refuse(a, PXE__VERDICT__VERDICT_CONFLICT,
		"host %s came back and no tries are left: it boots what else applies; arm it "
		"again: "
		"pxectl boot once %s",
		claim->host, claim->host);
}

bool apply_boot_uses(const struct model *model, const char *profile, const char **ret_host)
{
	const struct shelf *shelf = &model->shelf[RECORD_ONCE];
	for (size_t i = 0; i < shelf->count; i++) {
		const Pxe__Once *once = (const Pxe__Once *)shelf->records[i]->message;
		*ret_host = once->host;
		if ((once->state == PXE__ONCE_STATE__ONCE_ARMED ||
			    once->state == PXE__ONCE_STATE__ONCE_CLAIMED) &&
			strcmp(once->profile, profile) == 0)
			return true;
	}
	return false;
}

void apply_boot_on_recover(struct apply *a)
{
	const struct shelf *shelf = &a->model->shelf[RECORD_ONCE];
	for (size_t i = 0; i < shelf->count; i++) {
		const Pxe__Once *once = (const Pxe__Once *)shelf->records[i]->message;
		if (once->state == PXE__ONCE_STATE__ONCE_ARMED ||
			once->state == PXE__ONCE_STATE__ONCE_CLAIMED)
			boot_end(a, once, PXE__ONCE_STATE__ONCE_FAILED,
				"the cluster goes on from an older state, and it may have booted "
				"since: arm it again");
	}
}
