#include "node/boot/boot_config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_set(const char *text)
{
	return text != NULL && text[0] != '\0';
}

static struct boot_script_work *work_alloc(void)
{
	struct boot_script_work *work = calloc(1, sizeof *work);

	if (work == NULL) {
		abort();
	}
	return work;
}

struct boot_script_work *boot_config_new(const struct boot_source *source,
	const struct boot_client *client, const char *const *base_urls, size_t base_url_count)
{
	struct boot_script_work *work = work_alloc();

	assert(source != NULL && client != NULL && (base_urls != NULL || base_url_count == 0));
	work->source = source;
	work->client = client;
	work->base_urls = base_urls;
	work->base_url_count = base_url_count;
	boot_choose(source, client, &work->choice);
	if (work->choice.problem[0] == '\0') {
		boot_choose_of_menu(source, client, &work->choice);
	}
	boot_vars_init(&work->vars, source, client, &work->choice, base_urls, base_url_count);
	return work;
}

static bool can_start(const Pxe__Profile *profile, boot_config_own own)
{
	return profile->local || is_set(own(profile)) || is_set(profile->kernel);
}

struct boot_script_work *boot_config_item(
	const struct boot_script_work *work, const char *profile_name, boot_config_own own)
{
	const Pxe__Profile *profile = work->source->profile(work->source->ctx, profile_name);
	bool local = profile != NULL ? profile->local : strcmp(profile_name, "local") == 0;
	struct boot_script_work *item;

	if (profile == NULL ? !local : !can_start(profile, own)) {
		return NULL;
	}
	item = work_alloc();
	*item = *work;
	item->choice.profile = profile;
	item->choice.profile_name = profile_name;
	item->choice.local = local;
	item->choice.builtin = BOOT_BUILTIN_NOT;
	item->choice.image = profile != NULL && profile->image != NULL ? profile->image : "";
	boot_vars_init(&item->vars, item->source, item->client, &item->choice, item->base_urls,
		item->base_url_count);
	return item;
}

static enum boot_config_kind problem(struct boot_script_work *work, const char *text)
{
	snprintf(work->choice.problem, sizeof work->choice.problem, "%s", text);
	return BOOT_CONFIG_PROBLEM;
}

enum boot_config_kind boot_config_kind_of(
	struct boot_script_work *work, boot_config_own own, bool unclaimed)
{
	struct boot_choice *choice = &work->choice;
	char text[sizeof choice->problem];

	if (unclaimed) {
		return BOOT_CONFIG_UNCLAIMED;
	}
	if (choice->problem[0] != '\0') {
		return BOOT_CONFIG_PROBLEM;
	}
	if (choice->local) {
		return BOOT_CONFIG_LOCAL;
	}
	if (work->base_url_count == 0) {
		return problem(work, "no node serves files");
	}
	if (choice->builtin == BOOT_BUILTIN_MENU) {
		return BOOT_CONFIG_ALL;
	}
	if (choice->builtin == BOOT_BUILTIN_WAIT) {
		return BOOT_CONFIG_WAIT;
	}
	if (boot_profile_has_menu(choice->profile)) {
		return BOOT_CONFIG_ITEMS;
	}
	if (choice->profile != NULL && can_start(choice->profile, own)) {
		return is_set(own(choice->profile)) ? BOOT_CONFIG_OWN : BOOT_CONFIG_KERNEL;
	}
	snprintf(text, sizeof text,
		"profile %.63s has nothing that this boot program can start: pxectl profile set "
		"%.63s --kernel PATH",
		choice->profile_name, choice->profile_name);
	return problem(work, text);
}

int boot_config_kernel(const struct boot_script_work *work, struct boot_image *ret_image,
	char *ret_error, size_t error_bytes)
{
	bool is_there =
		boot_image_find(
			work->source, work->choice.image, ret_image, ret_error, error_bytes) &&
		boot_script_kernel_check(ret_image, work->choice.profile, ret_error, error_bytes);

	return is_there ? 0 : -EINVAL;
}

int boot_config_args(const struct boot_script_work *work, size_t node, char **ret_args,
	char *ret_error, size_t error_bytes)
{
	const char *urls[MODEL_MEMBERS_MAX + 2], *text = work->choice.profile->args;
	struct boot_vars *vars = malloc(sizeof *vars);
	size_t count = work->base_url_count;
	int err;

	assert(count <= sizeof urls / sizeof urls[0] && node < count);
	if (vars == NULL) {
		abort();
	}
	for (size_t i = 0; i < count; i++) {
		urls[i] = work->base_urls[(node + i) % count];
	}
	boot_vars_init(vars, work->source, work->client, &work->choice, urls, count);
	*ret_args = NULL;
	err = boot_vars_render(
		vars, "args", text != NULL ? text : "", ret_args, NULL, ret_error, error_bytes);
	free(vars);
	for (char *c = *ret_args; c != NULL && *c != '\0'; c++) {
		*c = (unsigned char)*c < ' ' || *c == 0x7f ? ' ' : *c;
	}
	return err != 0 ? -EINVAL : 0;
}

void boot_config_plain(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		fputc(c < ' ' || c == 0x7f ? '?' : c, out);
	}
}

void boot_config_head(const struct boot_script_work *work, FILE *out)
{
	const struct boot_choice *choice = &work->choice;

	fputs("# ", out);
	if (choice->host != NULL) {
		fputs("host ", out);
		boot_config_plain(out, choice->host->name);
	} else {
		fputs("unknown machine ", out);
		boot_config_plain(out, work->vars.mac);
	}
	if (choice->profile_name != NULL) {
		fputs(", profile ", out);
		boot_config_plain(out, choice->profile_name);
		fputs(" from ", out);
		boot_config_plain(out, choice->profile_from);
	}
	fputc('\n', out);
}

void boot_config_mac_name(const struct boot_script_work *work, char name[32])
{
	name[0] = '\0';
	if (work->client->mac_bytes == 6) {
		snprintf(name, 32, "01-%.17s", work->vars.mac_dash);
	}
}

struct each {
	const struct boot_script_work *work;
	boot_config_own own;
	void (*visit)(void *ctx, const struct boot_script_work *item);
	void *ctx;
};

static bool each_profile(void *ctx, const void *object)
{
	const struct each *each = ctx;
	const Pxe__Profile *profile = object;
	struct boot_script_work *item = boot_config_item(each->work, profile->name, each->own);

	if (item != NULL) {
		each->visit(each->ctx, item);
		free(item);
	}
	return true;
}

void boot_config_each(const struct boot_script_work *work, boot_config_own own,
	void (*visit)(void *ctx, const struct boot_script_work *item), void *ctx)
{
	struct each each = {work, own, visit, ctx};

	if (work->source->each_profile != NULL) {
		work->source->each_profile(work->source->ctx, each_profile, &each);
	}
}
