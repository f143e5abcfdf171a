/* validate, diff, apply, export: the site file. */
#include "ctl/client.h"
#include "ctl/cmd.h"
#include "ctl/site_apply.h"
#include "ctl/site_impl.h"
#include "ctl/site_write.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire/text.h"

#define APPLY_TRIES 5
#define SHOWN_STEPS 100 /* of a large site only the sum is told */

/* What diff and apply work on. */
struct run {
	struct ctl *ctl;
	struct site *site;
	struct site_have have;
	struct site_plan plan;
	size_t images; /* that differ */
	bool prune, is_apply;
	uint64_t if_revision; /* 0: any */
};

static const char *file_of(struct ctl *ctl, const struct invocation *in)
{
	const char *file = command_text(in, "file");

	if (file == NULL && in->arg_count > 0) {
		file = in->args[0];
	}
	if (file == NULL) {
		ctl_fail(ctl, CTL_USAGE, "name the site file: pxectl %s -f site.yaml",
			in->command->noun);
	}
	return file;
}

/* Errors and warnings told; CTL_USAGE when there are errors. */
static int report(struct run *run)
{
	size_t errors = site_errors(run->site);

	if (errors > 0 || !run->ctl->quiet) {
		site_report(run->site, run->ctl->err);
	}
	if (errors == 0) {
		return CTL_OK;
	}
	return ctl_fail(run->ctl, CTL_USAGE, "%zu error%s in the site file", errors,
		errors == 1 ? "" : "s");
}

int cmd_validate(struct ctl *ctl, const struct invocation *in)
{
	const char *file = file_of(ctl, in);
	size_t count[SITE_KINDS] = {0};
	struct run run = {.ctl = ctl};
	int result;

	if (file == NULL) {
		return CTL_USAGE;
	}
	run.site = site_open(file, NULL, false);
	site_check(run.site, NULL, NULL);
	result = report(&run);
	for (size_t i = 0; i < site_count(run.site); i++) {
		count[site_at(run.site, i)->kind]++;
	}
	if (result == CTL_OK && !ctl->quiet) {
		fprintf(ctl->out, "%s is in order:", file);
		for (size_t i = SITE_PROFILE; i < SITE_KINDS; i++) {
			fprintf(ctl->out, "%s %zu %s%s", i == SITE_PROFILE ? "" : ",", count[i],
				site_kind_noun((enum site_kind)i), count[i] == 1 ? "" : "s");
		}
		fputs(site_warnings(run.site) > 0 ? "; see the warnings\n" : "\n", ctl->out);
	}
	site_close(run.site);
	return result;
}

/* ---- export */

int cmd_export(struct ctl *ctl, const struct invocation *in)
{
	struct site_have have;
	int result = site_plan_fetch(ctl, NULL, &have);

	(void)in;
	if (result != CTL_OK) {
		return result;
	}
	const struct site_lists lists = {have.list[SITE_CLUSTER], have.list[SITE_PROFILE],
		have.list[SITE_GROUP], have.list[SITE_SUBNET], have.list[SITE_POOL],
		have.list[SITE_HOST], have.list[SITE_IMAGE]};
	if (site_write(&lists, have.list[SITE_CLUSTER]->settings->cluster, ctl->out) != 0) {
		result = ctl_fail(ctl, CTL_REFUSED, "cannot write the site file");
	}
	site_plan_have_fini(&have);
	return result;
}

/* ---- diff and apply */

static int run_open(struct run *run, const struct invocation *in)
{
	const char *file = file_of(run->ctl, in), *revision = command_text(in, "if-revision");
	int result = file == NULL ? CTL_USAGE : CTL_OK;

	if (result == CTL_OK && revision != NULL &&
		(text_u64_parse(revision, UINT64_MAX, &run->if_revision) != 0 ||
			run->if_revision == 0)) {
		result = ctl_fail(run->ctl, CTL_USAGE,
			"--if-revision '%s': write a number, as pxectl diff tells it", revision);
	}
	if (result == CTL_OK) {
		run->prune = command_flag(in, "prune");
		run->site = site_open(file, NULL, false);
		result = site_errors(run->site) > 0 ? report(run) : CTL_OK;
	}
	return result;
}

static void run_close(struct run *run)
{
	site_plan_fini(&run->plan);
	site_plan_have_fini(&run->have);
	site_close(run->site);
}

/* Ask the cluster, judge, plan. */
static int run_plan(struct run *run, bool is_first)
{
	int result;

	site_plan_fini(&run->plan);
	site_plan_have_fini(&run->have);
	result = site_plan_fetch(run->ctl, run->site, &run->have);
	if (result == CTL_OK && is_first && run->if_revision != 0 &&
		run->if_revision != run->have.revision) {
		result = ctl_fail(run->ctl, CTL_CONFLICT,
			"the configuration is at revision %" PRIu64 ", not %" PRIu64
			": somebody changed it; look at the difference again: pxectl diff",
			run->have.revision, run->if_revision);
	}
	if (result == CTL_OK && is_first) {
		site_check(run->site, site_plan_exists, &run->have);
	}
	if (result == CTL_OK) {
		site_plan_make(run->site, &run->have, run->prune, &run->plan);
		result = is_first || site_errors(run->site) > 0 ? report(run) : CTL_OK;
	}
	return result;
}

static int compare_images(struct run *run, FILE *out)
{
	int result = site_apply_images(run->ctl, run->site, &run->have, false, out, &run->images);

	if (result == CTL_OK && site_errors(run->site) > 0) {
		result = report(run);
	}
	return result;
}

static size_t changes_of(const struct run *run)
{
	return run->plan.added + run->plan.changed + run->plan.removed + run->plan.armed +
	       run->images;
}

static void print_sum(const struct run *run, FILE *out)
{
	fprintf(out, "%zu added, %zu changed, %zu removed", run->plan.added,
		run->plan.changed + run->plan.armed, run->plan.removed);
	if (run->images > 0) {
		fprintf(out, ", %zu image%s to push", run->images, run->images == 1 ? "" : "s");
	}
}

int cmd_diff(struct ctl *ctl, const struct invocation *in)
{
	struct run run = {.ctl = ctl};
	int result = run_open(&run, in);

	if (result == CTL_OK) {
		result = run_plan(&run, true);
	}
	if (result == CTL_OK) {
		result = compare_images(&run, ctl->out);
	}
	if (result == CTL_OK) {
		site_plan_show(&run.plan, ctl->out);
		print_sum(&run, ctl->out);
		if (changes_of(&run) > 0) {
			fprintf(ctl->out,
				"   apply with: pxectl apply -f %s%s --if-revision %" PRIu64,
				file_of(ctl, in), run.prune ? " --prune" : "", run.have.revision);
			result = CTL_NO;
		}
		fputc('\n', ctl->out);
	}
	run_close(&run);
	return result;
}

/* Only removals are asked for. */
static int confirm(struct run *run)
{
	char question[256];

	if (run->plan.removed == 0) {
		return CTL_OK;
	}
	snprintf(question, sizeof question,
		"%zu object%s that the file '%s' made %s not in it any more and will be removed",
		run->plan.removed, run->plan.removed == 1 ? "" : "s", site_owner(run->site),
		run->plan.removed == 1 ? "is" : "are");
	return (int)ctl_confirm(run->ctl, question);
}

static int push_images(struct run *run)
{
	size_t pushed;
	FILE *nowhere;
	int result;

	if (run->images == 0) {
		return CTL_OK;
	}
	nowhere = fopen("/dev/null", "we"); /* they were told before */
	if (nowhere == NULL) {
		return ctl_fail(run->ctl, CTL_REFUSED, "cannot open /dev/null");
	}
	result = site_apply_images(run->ctl, run->site, &run->have, true, nowhere, &pushed);
	fclose(nowhere);
	return result == CTL_OK ? run_plan(run, false) : result;
}

static int tell_refusal(const struct run *run, int result, const struct site_outcome *outcome)
{
	const struct site_step *step = outcome->refused;
	const struct yaml_node *node =
		step != NULL && step->object != NULL ? step->object->node : NULL;

	if (node != NULL) {
		fprintf(run->ctl->err, "%s:%u:%u: error: %s %s: %s\n", node->file, node->line,
			node->column, site_kind_noun(step->kind), step->name, outcome->text);
	} else if (step != NULL) {
		fprintf(run->ctl->err, "%s %s: %s\n", site_kind_noun(step->kind), step->name,
			outcome->text);
	} else {
		fprintf(run->ctl->err, "%s\n", outcome->text);
	}
	return ctl_fail(run->ctl, (enum ctl_exit)result,
		"not all was applied: %zu of %zu changes were made. Running it again is safe: what "
		"was made is not made twice",
		outcome->made, run->plan.count);
}

/* The changes; planned anew when somebody else was faster and no revision was asked for. */
static int make_changes(struct run *run, struct site_outcome *ret_outcome)
{
	int result = CTL_OK;

	memset(ret_outcome, 0, sizeof *ret_outcome);
	for (unsigned tries = 0; tries < APPLY_TRIES; tries++) {
		result = site_apply(run->ctl, &run->plan, run->have.revision, ret_outcome);
		if (result != CTL_CONFLICT || ret_outcome->refused != NULL ||
			ret_outcome->made > 0 || run->if_revision != 0 ||
			tries + 1 == APPLY_TRIES) {
			break;
		}
		int planned = run_plan(run, false);
		if (planned != CTL_OK) {
			snprintf(ret_outcome->text, sizeof ret_outcome->text,
				"the changes could not be planned anew");
			return planned;
		}
	}
	return result;
}

static int apply(struct run *run, bool dry_run)
{
	FILE *out = run->ctl->out;
	struct site_outcome outcome;
	int result = compare_images(run, out);

	if (result != CTL_OK) {
		return result;
	}
	if (changes_of(run) == 0) {
		fprintf(out, "0 changes: the cluster is as the file says (revision %" PRIu64 ")\n",
			run->have.revision);
		return CTL_OK;
	}
	if (dry_run || (!run->ctl->quiet && run->plan.count <= SHOWN_STEPS)) {
		site_plan_show(&run->plan, out);
	}
	if (dry_run) {
		print_sum(run, out);
		fprintf(out, "; nothing was done (revision %" PRIu64 ")\n", run->have.revision);
		return CTL_OK;
	}
	result = confirm(run);
	if (result == CTL_OK) {
		result = push_images(run);
	}
	if (result != CTL_OK) {
		return result;
	}
	result = make_changes(run, &outcome);
	if (result != CTL_OK) {
		return tell_refusal(run, result, &outcome);
	}
	print_sum(run, out);
	fprintf(out, " (revision %" PRIu64 ")\n",
		outcome.revision != 0 ? outcome.revision : run->have.revision);
	return CTL_OK;
}

int cmd_apply(struct ctl *ctl, const struct invocation *in)
{
	struct run run = {.ctl = ctl, .is_apply = true};
	int result = run_open(&run, in);

	if (result == CTL_OK) {
		result = run_plan(&run, true);
	}
	if (result == CTL_OK) {
		result = apply(&run, command_flag(in, "dry-run"));
	}
	run_close(&run);
	return result;
}
