/* What an operator asks of the node itself, not of the cluster: to hand over leadership. */
#include "node/admin/admin_impl.h"

#include "node/log/log.h"

static const char *name_of(const struct admin *admin, uint64_t id)
{
	const Pxe__Member *member = model_member(admin_model(admin), id);

	return member != NULL ? member->name : "no node";
}

/* Another one that could lead. */
static bool has_heir(const struct replica_view *view)
{
	for (unsigned i = 0; i < view->member_count; i++) {
		if (view->member[i].id != view->self && view->member[i].voter &&
			view->member[i].live) {
			return true;
		}
	}
	return false;
}

void admin_on_step_down(struct admin *admin, const struct admin_client *client)
{
	Pxe__AdminReply reply = PXE__ADMIN_REPLY__INIT;
	Pxe__ChangeDone done = PXE__CHANGE_DONE__INIT;
	struct replica_view view;

	replica_get_view(admin->config.replica, &view);
	if (!view.is_leader) {
		admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_NO,
			"%s does not lead; %s does", name_of(admin, admin->config.self),
			name_of(admin, view.leader));
		return;
	}
	if (!has_heir(&view)) {
		admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_NO,
			"no other voter answers that could lead instead of %s",
			name_of(admin, admin->config.self));
		return;
	}
	log_info("hands over leadership, as asked (%s)", client->user);
	replica_step_down(admin->config.replica);
	reply.body_case = PXE__ADMIN_REPLY__BODY_DONE;
	reply.done = &done;
	done.revision = model_revision(admin_model(admin));
	admin_reply(admin, client, &reply);
}
