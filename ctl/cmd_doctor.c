/* doctor: what is wrong here, and what to do about it. */
#include "ctl/cmd.h"
#include "ctl/doctor.h"

#include "proto/msg/event_text.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define DOCTOR_ASK_MS 3000

void doctor_tell(
	struct doctor *doctor, enum doctor_level level, const char *what, const char *format, ...)
{
	struct doctor_finding *finding;
	char text[sizeof finding->text];
	va_list args;

	if (doctor->count == DOCTOR_FINDINGS_MAX) {
		return;
	}
	finding = &doctor->finding[doctor->count++];
	finding->level = level;
	snprintf(finding->what, sizeof finding->what, "%s", what);
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	event_text_clean(text, finding->text, sizeof finding->text);
}

static const char *level_word(enum doctor_level level)
{
	switch (level) {
	case DOCTOR_OK: return "ok";
	case DOCTOR_WARN: return "warn";
	case DOCTOR_BAD: return "bad";
	}
	return "bad";
}

static void print_lines(const struct doctor *doctor)
{
	static const char *const colors[] = {"\033[32m", "\033[33m", "\033[31m"};
	const struct ctl *ctl = doctor->ctl;

	for (size_t i = 0; i < doctor->count; i++) {
		const struct doctor_finding *finding = &doctor->finding[i];
		fprintf(ctl->out, "%s%-4s%s  %-16s  %s\n", ctl->color ? colors[finding->level] : "",
			level_word(finding->level), ctl->color ? "\033[0m" : "", finding->what,
			finding->text);
	}
}

static int print_json(const struct doctor *doctor)
{
	json_t *list = json_array(), *all = json_object();
	char *text;

	for (size_t i = 0; i < doctor->count; i++) {
		const struct doctor_finding *finding = &doctor->finding[i];
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s}", "level", level_word(finding->level),
				      "what", finding->what, "text", finding->text));
	}
	json_object_set_new(all, "findings", list);
	text = json_dumps(all, JSON_INDENT(2));
	json_decref(all);
	if (text == NULL) {
		return ctl_fail(doctor->ctl, CTL_REFUSED, "this machine has no memory left");
	}
	fprintf(doctor->ctl->out, "%s\n", text);
	free(text);
	return CTL_OK;
}

static bool is_bad(const struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->count; i++) {
		if (doctor->finding[i].level == DOCTOR_BAD) {
			return true;
		}
	}
	return false;
}

static void load_conf(struct doctor *doctor, struct node_conf *conf)
{
	char error[NODE_CONF_ERROR_BYTES];
	int result = node_conf_load(doctor->ctl->directory, conf, error, sizeof error);

	if (result == 0) {
		doctor->conf = conf;
	} else if (result != -ENOENT) {
		doctor_tell(doctor, DOCTOR_BAD, "node.yaml", "%s", error);
	}
}

int cmd_doctor(struct ctl *ctl, const struct invocation *in)
{
	struct doctor *doctor = calloc(1, sizeof *doctor);
	struct node_conf conf;
	Pxe__AdminReply *reply;
	int result = CTL_OK;

	(void)in;
	if (doctor == NULL) {
		return ctl_fail(ctl, CTL_REFUSED, "this machine has no memory left");
	}
	doctor->ctl = ctl;
	load_conf(doctor, &conf);
	reply = cmd_status_try(ctl, NULL, DOCTOR_ASK_MS);
	doctor->status = reply != NULL ? reply->state : NULL;
	doctor_local(doctor);
	doctor_cluster(doctor);
	if (doctor->status != NULL) {
		doctor_fetch(doctor);
	}
	if (ctl->format == CTL_JSON) {
		result = print_json(doctor);
	} else {
		print_lines(doctor);
	}
	if (result == CTL_OK && is_bad(doctor)) {
		result = CTL_NO;
	}
	if (reply != NULL) {
		pxe__admin_reply__free_unpacked(reply, NULL);
	}
	free(doctor);
	return result;
}
