/* store/model/model.c: life of the model, batches, and the way of each command to its file. Pure.
 */
#include "store/model/keep.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct model *model_new(void)
{
	struct model *model = calloc(1, sizeof(*model));
	if (model == NULL)
		abort();
	return model;
}

void model_clear(struct model *model)
{
	assert(model != NULL);
	pool_map_fini(&model->pools);
	reserve_map_fini(&model->reserves);
	machine_map_fini(&model->machines);
	for (size_t i = 0; i < INTERNAL_KINDS; i++)
		shelf_fini(&model->shelf[i]);
	lease_table_fini(&model->leases);
	free(model->packed);
	memset(model, 0, sizeof(*model));
}

void model_free(struct model *model)
{
	if (model == NULL)
		return;
	model_clear(model);
	free(model);
}

int model_load(struct model *model, const uint8_t *key, size_t key_bytes, const uint8_t *value,
	size_t value_bytes)
{
	assert(model != NULL && key != NULL && (value != NULL || value_bytes == 0));
	return keep_load(model, key, key_bytes, value, value_bytes);
}

void model_bootstrap(struct model *model, const Pxe__Settings *settings, const Pxe__Member *first,
	uint64_t stamp_ms, const struct model_sink *sink)
{
	assert(model != NULL && settings != NULL && first != NULL);
	assert(model_settings(model) == NULL);
	Pxe__Settings *own = (Pxe__Settings *)keep_copy(&settings->base);
	Pxe__Member *member = (Pxe__Member *)keep_copy(&first->base);
	member->id = 1;
	member->joined_ms = stamp_ms;
	member->removing = member->forced = member->standby = member->draining = false;
	member->removing_ms = 0;
	own->next_member_id = 2;
	model->stamp_ms = stamp_ms;
	model->revision = 1;
	keep_message(model, sink, RECORD_SETTINGS, &own->base);
	keep_message(model, sink, RECORD_MEMBER, &member->base);
	keep_clock(model, sink);
}

void model_begin(struct model *model, uint64_t stamp_ms, const struct model_sink *sink)
{
	assert(model != NULL);
	if (stamp_ms <= model->stamp_ms)
		return;
	model->stamp_ms = stamp_ms;
	keep_clock(model, sink);
}

static Pxe__Verdict model_apply_lease(struct apply *a)
{
	const Pxe__Command *command = a->command;
	if (command->op_case == PXE__COMMAND__OP_OFFER)
		return apply_lease_offer(a, command->offer);
	if (command->op_case == PXE__COMMAND__OP_BIND)
		return apply_lease_bind(a, command->bind);
	if (command->op_case == PXE__COMMAND__OP_RELEASE)
		return apply_lease_release(a, command->release);
	if (command->op_case == PXE__COMMAND__OP_DECLINE)
		return apply_lease_decline(a, command->decline);
	return apply_lease_sweep(a, command->sweep);
}

static bool model_is_of_nodes(const Pxe__Command *command)
{
	return command->op_case == PXE__COMMAND__OP_OFFER ||
	       command->op_case == PXE__COMMAND__OP_BIND ||
	       command->op_case == PXE__COMMAND__OP_RELEASE ||
	       command->op_case == PXE__COMMAND__OP_DECLINE ||
	       command->op_case == PXE__COMMAND__OP_SWEEP;
}

bool model_command_is_sound(const Pxe__Command *command)
{
	if (model_is_of_nodes(command))
		return true;
	size_t bytes = pxe__command__get_packed_size(command);
	uint8_t *packed = malloc(bytes + 1);
	if (packed == NULL)
		abort();
	pxe__command__pack(command, packed);
	Pxe__Command *again = pxe__command__unpack(NULL, bytes, packed);
	free(packed);
	if (again == NULL)
		return false;
	pxe__command__free_unpacked(again, NULL);
	return true;
}

static Pxe__Verdict model_apply_op(struct apply *a)
{
	const Pxe__Command *command = a->command;
	if (command->op_case != PXE__COMMAND__OP__NOT_SET && command->offer == NULL)
		return internal_refuse(
			a, PXE__VERDICT__VERDICT_INVALID, "the command has no content");
	if (!model_command_is_sound(command))
		return internal_refuse(a, PXE__VERDICT__VERDICT_INVALID,
			"the command is malformed: a field of it has no number");
	switch (command->op_case) {
	case PXE__COMMAND__OP_OFFER:
	case PXE__COMMAND__OP_BIND:
	case PXE__COMMAND__OP_RELEASE:
	case PXE__COMMAND__OP_DECLINE:
	case PXE__COMMAND__OP_SWEEP: return model_apply_lease(a);
	case PXE__COMMAND__OP_PUT: return apply_put(a, command->put);
	case PXE__COMMAND__OP_REMOVE: return apply_delete(a, command->remove);
	case PXE__COMMAND__OP_IMAGE_STAGE: return apply_image_stage(a, command->image_stage);
	case PXE__COMMAND__OP_IMAGE_HELD: return apply_image_held(a, command->image_held);
	case PXE__COMMAND__OP_IMAGE_PUBLISH: return apply_image_publish(a, command->image_publish);
	case PXE__COMMAND__OP_IMAGE_TAG: return apply_image_tag(a, command->image_tag);
	case PXE__COMMAND__OP_MEMBER_JOIN: return apply_member_join(a, command->member_join);
	case PXE__COMMAND__OP_MEMBER_UPDATE: return apply_member_update(a, command->member_update);
	case PXE__COMMAND__OP_MEMBER_REMOVE: return apply_member_remove(a, command->member_remove);
	case PXE__COMMAND__OP_MEMBER_GONE: return apply_member_gone(a, command->member_gone);
	case PXE__COMMAND__OP_MEMBER_SET: return apply_member_set(a, command->member_set);
	case PXE__COMMAND__OP_RECOVER: return apply_recover(a, command->recover);
	case PXE__COMMAND__OP_RESERVE_GIVE: return apply_reserve_give(a, command->reserve_give);
	case PXE__COMMAND__OP_RESERVE_RETURN:
		return apply_reserve_return(a, command->reserve_return);
	case PXE__COMMAND__OP_MERGE: return apply_merge(a, command->merge);
	case PXE__COMMAND__OP_SETTLE: return apply_settle(a, command->settle);
	case PXE__COMMAND__OP_LEASE_IMPORT: return apply_lease_import(a, command->lease_import);
	case PXE__COMMAND__OP_BOOT_ONCE: return apply_boot_once(a, command->boot_once);
	case PXE__COMMAND__OP_BOOT_CANCEL: return apply_boot_cancel(a, command->boot_cancel);
	case PXE__COMMAND__OP_BOOT_CLAIM: return apply_boot_claim(a, command->boot_claim);
	case PXE__COMMAND__OP_BOOT_END: return apply_boot_end(a, command->boot_end);
	case PXE__COMMAND__OP_SEEN: return apply_seen(a, command->seen);
	case PXE__COMMAND__OP__NOT_SET:
	case _PXE__COMMAND__OP__CASE_IS_INT_SIZE:
	default: break;
	}
	return internal_refuse(a, PXE__VERDICT__VERDICT_UNSUPPORTED,
		"this version of pxed does not know the command: upgrade all nodes first");
}

void model_apply(struct model *model, const Pxe__Command *command, const struct model_sink *sink,
	struct model_result *ret_result)
{
	assert(model != NULL && command != NULL && ret_result != NULL);
	struct apply a = {.model = model,
		.sink = sink,
		.command = command,
		.result = ret_result,
		.now_ms = model->stamp_ms};
	*ret_result = (struct model_result){.revision = model->revision};
	bool is_repeat = dedup_is_repeat(&a);
	if (dedup_answer(&a))
		return;
	if (is_repeat) {
		ret_result->verdict = PXE__VERDICT__VERDICT_DUPLICATE;
		return;
	}
	if (command->request_id.len != 0 && command->request_id.len != 16)
		ret_result->verdict = internal_refuse(&a, PXE__VERDICT__VERDICT_INVALID,
			"request id has %zu bytes: give 16 or none", command->request_id.len);
	else
		ret_result->verdict = model_apply_op(&a);
	ret_result->revision = model->revision;
	dedup_remember(&a);
}

void model_digest(const struct model *model, uint8_t ret_digest[32])
{
	digest_bytes(&model->digest, ret_digest);
}

uint64_t model_stamp_ms(const struct model *model)
{
	return model->stamp_ms;
}

uint64_t model_revision(const struct model *model)
{
	return model->revision;
}

size_t model_lease_count(const struct model *model)
{
	return model->leases.count;
}
