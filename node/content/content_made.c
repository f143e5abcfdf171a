/* What is made for the machine that asks: scripts, templates, configurations, and the answer to its
 * report. */
#include "node/boot/boot_vars.h"
#include "node/content/content_impl.h"
#include "proto/msg/msg_ip4.h"
#include "proto/wire/dhcp4_names.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- nodes */

struct base_list {
	char url[MODEL_MEMBERS_MAX + 2][CONTENT_BASE_URL_BYTES];
	const char *pointers[MODEL_MEMBERS_MAX + 2];
	size_t count;
};

static void base_add(struct base_list *list, uint32_t ip, uint32_t port)
{
	if (ip == 0 || port == 0 || list->count == MODEL_MEMBERS_MAX + 2) {
		return;
	}
	content_base_url(ip, port, list->url[list->count]);
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->url[i], list->url[list->count]) == 0) {
			return;
		}
	}
	list->pointers[list->count] = list->url[list->count];
	list->count++;
}

/* This node as the client reached it, then by its own address, then the others [P5]. */
static void base_urls(const struct content_source *source, struct content_kv *state,
	const struct content_request *request, struct base_list *list)
{
	const Pxe__Member *members[MODEL_MEMBERS_MAX];
	size_t count = model_members(state->model, members, MODEL_MEMBERS_MAX), own = count;
	uint32_t port = request->local_port;

	list->count = 0;
	for (size_t i = 0; i < count; i++) {
		own = members[i]->id == source->config.self ? i : own;
	}
	if (port == 0 && own < count) {
		port = members[own]->http_port;
	}
	base_add(list, request->local_ip, port);
	for (size_t i = 0; i < count; i++) {
		const Pxe__Member *member = members[(own + i) % count];
		if (content_member_serves(member) &&
			(!member->removing || member->id == source->config.self)) {
			base_add(list, msg_ip4_get(member->serve_ip), member->http_port);
		}
	}
}

/* ---- answers */

/* `text` becomes the content's own. */
static void set_text(struct content *content, char *text, Pxe__BootStage stage)
{
	content->text = text;
	content->bytes = strlen(text);
	content->kind = CONTENT_TEXT;
	content->media_type = "text/plain";
	content->stage = stage;
}

int content_open_script(struct content_source *source, struct content_kv *state,
	const struct content_request *request, const struct content_path *path,
	struct content *content)
{
	struct content_boot boot;
	struct base_list bases;
	char *text;
	int err;

	content_boot_init(&boot, source, state, request, path);
	content_boot_choose(&boot);
	base_urls(source, state, request, &bases);
	content->script = true;
	if (boot.retry >= BOOT_CLAIM_RETRIES) {
		content_boot_without_once(&boot);
	}
	err = content_boot_claim(&boot, content);
	if (err != 0 && !boot.choice.is_once) {
		content_boot_without_once(&boot);
		err = 0;
	}
	content_boot_name(&boot, content);
	if (content->kind == CONTENT_CLAIM) {
		return 0;
	}
	text = err != 0 ? boot_script_unclaimed(&boot.source, &boot.client, boot.retry,
				  bases.pointers, bases.count)
			: boot_script(&boot.source, &boot.client, bases.pointers, bases.count);
	set_text(content, text, PXE__BOOT_STAGE__STAGE_SCRIPT);
	return 0;
}

static const Pxe__Template *template_of(const Pxe__Profile *profile, const char *name)
{
	for (size_t i = 0; profile != NULL && i < profile->n_templates; i++) {
		if (strcmp(profile->templates[i]->name, name) == 0) {
			return profile->templates[i];
		}
	}
	return NULL;
}

static void set_hash(struct content *content)
{
	struct blob_hash *hash = blob_hash_new();

	blob_hash_update(hash, content->text, (size_t)content->bytes);
	blob_hash_final(hash, content->sha256);
	content->has_sha256 = true;
}

static char *copy_text(const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL) {
		abort();
	}
	return copy;
}

/* Templates belong to a boot that has begun, so nothing is claimed for them. */
int content_open_template(struct content_source *source, struct content_kv *state,
	const struct content_request *request, const struct content_path *path,
	struct content *content)
{
	struct content_boot boot;
	struct boot_vars vars;
	struct base_list bases;
	const Pxe__Template *template;
	char what[160], error[512], *text;

	content_boot_init(&boot, source, state, request, path);
	boot.client.goes_on = boot.client.is_system = true;
	content_boot_choose(&boot);
	template = template_of(boot.choice.profile, path->file);
	if (template == NULL) {
		return -ENOENT;
	}
	content_boot_name(&boot, content);
	base_urls(source, state, request, &bases);
	boot_vars_init(
		&vars, &boot.source, &boot.client, &boot.choice, bases.pointers, bases.count);
	snprintf(what, sizeof what, "template %.80s", template->name);
	if (boot_vars_render(&vars, what, template->text, &text, NULL, error, sizeof error) != 0) {
		size_t used = strlen(error);
		snprintf(error + used, sizeof error - used, "\n");
		set_text(content, copy_text(error), PXE__BOOT_STAGE__STAGE_TEMPLATE);
		content->kind = CONTENT_UNSOUND;
		return 0;
	}
	set_text(content, text, PXE__BOOT_STAGE__STAGE_TEMPLATE);
	content->media_type = content_media_type(template->name);
	set_hash(content);
	return 0;
}

/* ---- configurations of other loaders */

/* PXELINUX's names are U-Boot's, too; the firmware told which machine it is. */
static bool is_uboot(const struct content_path *path, uint16_t arch)
{
	const char *name = dhcp4_arch_name(arch);

	return path->kind == CONTENT_NAME_UBOOT ||
	       (name != NULL && (strstr(name, "arm") != NULL || strstr(name, "riscv") != NULL));
}

/* A name of the machine itself is there only if there is something to boot: its loader asks for
 * others after it. */
int content_open_config(struct content_source *source, struct content_kv *state,
	const struct content_request *request, const struct content_path *path,
	struct content *content)
{
	struct content_boot boot;
	struct base_list bases;
	bool unclaimed;
	char *text;

	content_boot_init(&boot, source, state, request, path);
	content_boot_choose(&boot);
	if (path->by_name && boot.choice.profile_name == NULL) {
		return -ENOENT;
	}
	content->script = true;
	unclaimed = content_boot_claim(&boot, content) != 0;
	if (unclaimed && !boot.choice.is_once) {
		content_boot_without_once(&boot);
		unclaimed = false;
	}
	content_boot_name(&boot, content);
	if (content->kind == CONTENT_CLAIM) {
		return 0;
	}
	base_urls(source, state, request, &bases);
	if (path->kind == CONTENT_NAME_GRUB) {
		text = boot_grub_config(
			&boot.source, &boot.client, bases.pointers, bases.count, unclaimed);
	} else {
		text = boot_pxelinux_config(&boot.source, &boot.client, bases.pointers, bases.count,
			is_uboot(path, boot.client.arch), unclaimed);
	}
	set_text(content, text, PXE__BOOT_STAGE__STAGE_SCRIPT);
	return 0;
}

/* ---- phone home */

/* What a stranger wrote, cut and made printable; with ", " between two texts. */
static void report_add(struct content *content, const char *text)
{
	size_t used = strlen(content->report);
	char *from = content->report + used;

	snprintf(from, sizeof content->report - used, "%s%.150s", used > 0 ? ", " : "", text);
	for (; *from != '\0'; from++) {
		*from = *from < ' ' || *from >= 0x7f ? '?' : *from;
	}
}

static void report_read(const char *form, struct content *content)
{
	static const char *const names[] = {"status", "text", "marker", "os"};
	char value[256];

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (content_query(form, names[i], value, sizeof value) != 0 || value[0] == '\0') {
			continue;
		}
		if (i == 0) {
			content->failed = content->failed || strcmp(value, "failed") == 0 ||
					  strcmp(value, "error") == 0;
		}
		report_add(content, value);
	}
}

int content_open_phone_home(struct content_source *source, struct content_kv *state,
	const struct content_request *request, const struct content_path *path,
	struct content *content)
{
	struct content_boot boot;

	content_boot_init(&boot, source, state, request, path);
	boot.client.goes_on = boot.client.is_system = true;
	content_boot_choose(&boot);
	content_boot_name(&boot, content);
	set_text(content, copy_text("ok\n"), PXE__BOOT_STAGE__STAGE_NONE);
	content->phone_home = true;
	report_read(request->query, content);
	if (request->body != NULL && request->body_is_form) {
		report_read(request->body, content);
	} else if (request->body != NULL && request->body[0] != '\0') {
		report_add(content, request->body);
	}
	return 0;
}
