/* GRUB's configuration. Files come by the protocol and from the node that GRUB came from, and from
 * the next node when a command fails. Text of the configuration stands in single quotes, in which
 * GRUB changes nothing; a quote itself is written '\''. Of a kernel's arguments each is one word of
 * the command: GRUB puts double quotes around one with blanks, as the kernel reads it, and a
 * backslash before each quote and backslash in it (grub-core/lib/cmdline.c), so these cannot be
 * passed on. A machine that waits asks in a loop and not by a configuration in a configuration: it
 * may wait for days. */
#include "node/boot/boot_config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GRUB_PROBLEM_S 5

static const char *own_text(const Pxe__Profile *profile)
{
	return profile->grub_script;
}

/* In single quotes. */
static void put_quoted(FILE *out, const char *text, size_t bytes)
{
	fputc('\'', out);
	for (size_t i = 0; i < bytes; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c == '\'') {
			fputs("'\\''", out);
		} else {
			fputc(c < ' ' || c == 0x7f ? '?' : c, out);
		}
	}
	fputc('\'', out);
}

static void put_say(FILE *out, const char *text)
{
	fputs("echo ", out);
	put_quoted(out, text, strlen(text));
	fputc('\n', out);
}

/* The next boot device: firmware has it for EFI; a BIOS is not sure to go on, so the disk's own
 * boot sector comes first. */
static void put_local(FILE *out)
{
	fputs("if [ \"$grub_platform\" = pc ]; then\n"
	      "  set root=hd0\n"
	      "  if chainloader +1; then\n"
	      "    boot\n"
	      "  fi\n"
	      "fi\n"
	      "exit\n",
		out);
}

static void put_problem(FILE *out, const char *text)
{
	char line[BOOT_CONFIG_ERROR_BYTES + 32];

	snprintf(line, sizeof line, "Network boot: %s", text);
	put_say(out, line);
	fprintf(out, "sleep %d\n", GRUB_PROBLEM_S);
	put_local(out);
}

/* "(tftp,10.0.0.1)" of "http://10.0.0.1:8080", or "(http,10.0.0.1,8080)". */
static void put_device(FILE *out, const char *url, bool http)
{
	const char *host = strncmp(url, "http://", 7) == 0 ? url + 7 : url;
	size_t bytes = strcspn(host, ":/");
	const char *port = host[bytes] == ':' ? host + bytes + 1 : NULL;

	fprintf(out, "(%s,%.*s", http ? "http" : "tftp", (int)bytes, host);
	if (http && port != NULL) {
		fprintf(out, ",%.*s", (int)strcspn(port, "/"), port);
	}
	fputc(')', out);
}

static void put_nodes_by(const struct boot_script_work *work, bool http, FILE *out)
{
	for (size_t i = 0; i < work->base_url_count; i++) {
		fprintf(out, "  set node%zu=\"", i);
		put_device(out, work->base_urls[i], http);
		fputs("\"\n", out);
	}
}

static void put_nodes(const struct boot_script_work *work, FILE *out)
{
	fputs("if regexp '^http' \"$root\"; then\n", out);
	put_nodes_by(work, true, out);
	fputs("else\n", out);
	put_nodes_by(work, false, out);
	fputs("fi\n", out);
}

/* A path of the image on the node of the loop. */
static void put_path(FILE *out, const struct boot_image *image, const char *path)
{
	fprintf(out, " \"$node\"/%s/", image->reference);
	put_quoted(out, path, strlen(path));
}

/* The words of a kernel's arguments, by the kernel's rules: blanks in double quotes are of the word
 * (lib/cmdline.c: next_arg()). -EINVAL: GRUB cannot pass one on. */
static int put_args(FILE *out, const char *args, char *ret_error, size_t error_bytes)
{
	bool in_word = false, in_quotes = false;

	for (const char *c = args; *c != '\0'; c++) {
		if (*c == '\\' || *c == '\'') {
			snprintf(ret_error, error_bytes,
				"kernel arguments hold %s, which GRUB cannot pass on",
				*c == '\\' ? "a backslash" : "a single quote");
			return -EINVAL;
		}
		if (*c == '"') {
			in_quotes = !in_quotes;
		}
		if (*c == ' ' && !in_quotes) {
			fputs(in_word ? "'" : "", out);
			in_word = false;
			continue;
		}
		fputs(in_word ? "" : " '", out);
		in_word = true;
		if (*c != '"') {
			fputc(*c, out);
		}
	}
	fputs(in_word ? "'" : "", out);
	if (in_quotes) {
		snprintf(ret_error, error_bytes,
			"a double quote in the kernel arguments has no end");
	}
	return in_quotes ? -EINVAL : 0;
}

/* As heap text. */
static int quote_args(const char *args, char **ret_text, char *ret_error, size_t error_bytes)
{
	size_t size = 0;
	FILE *out = open_memstream(ret_text, &size);
	int err;

	if (out == NULL) {
		abort();
	}
	err = put_args(out, args, ret_error, error_bytes);
	if (fclose(out) != 0) {
		abort();
	}
	if (err != 0) {
		free(*ret_text);
		*ret_text = NULL;
	}
	return err;
}

/* All of it from one node; what fails leads to the next. */
static int put_node(const struct boot_script_work *work, const struct boot_image *image,
	size_t index, FILE *out, char *ret_error, size_t error_bytes)
{
	const Pxe__Profile *profile = work->choice.profile;
	char *args = NULL, *words = NULL;
	int err = boot_config_args(work, index, &args, ret_error, error_bytes);

	if (err == 0) {
		err = quote_args(args, &words, ret_error, error_bytes);
	}
	if (err == 0) {
		fprintf(out, "set node=\"$node%zu\"\nif linux", index);
		put_path(out, image, profile->kernel);
		fprintf(out, "%s; then\n", words);
		fputs(profile->n_initrd > 0 ? "  if initrd" : "  boot\n", out);
		for (size_t i = 0; i < profile->n_initrd; i++) {
			put_path(out, image, profile->initrd[i]);
		}
		fputs(profile->n_initrd > 0 ? "; then\n    boot\n  fi\nfi\n" : "fi\n", out);
	}
	free(words);
	free(args);
	return err;
}

static void put_kernel(const struct boot_script_work *work, FILE *out)
{
	char error[BOOT_CONFIG_ERROR_BYTES] = "no node gave kernel and initrd", line[256];
	struct boot_image image;
	int err = boot_config_kernel(work, &image, error, sizeof error);

	if (err == 0) {
		snprintf(line, sizeof line, "Booting %s (%s)", work->choice.profile_name,
			image.reference);
		put_say(out, line);
	}
	for (size_t i = 0; err == 0 && i < work->base_url_count; i++) {
		err = put_node(work, &image, i, out, error, sizeof error);
	}
	put_problem(out, error);
}

static void put_own(const struct boot_script_work *work, FILE *out)
{
	char error[BOOT_CONFIG_ERROR_BYTES], *text;

	if (boot_vars_render(&work->vars, "grub_script", work->choice.profile->grub_script, &text,
		    NULL, error, sizeof error) != 0) {
		put_problem(out, error);
		return;
	}
	fputs(text, out);
	fputc('\n', out);
	free(text);
}

/* One that a menu may hold. */
static void put_startable(const struct boot_script_work *work, FILE *out)
{
	const Pxe__Profile *profile = work->choice.profile;

	if (work->choice.local) {
		put_local(out);
	} else if (profile->grub_script != NULL && profile->grub_script[0] != '\0') {
		put_own(work, out);
	} else {
		put_kernel(work, out);
	}
}

static void put_entry(const struct boot_script_work *item, const char *title, FILE *out)
{
	fputs("menuentry ", out);
	put_quoted(out, title, strlen(title));
	fputs(" {\n", out);
	put_startable(item, out);
	fputs("}\n", out);
}

static void put_profile(void *ctx, const struct boot_script_work *item)
{
	put_entry(item, item->choice.profile_name, ctx);
}

static void put_local_entry(FILE *out)
{
	fputs("menuentry 'The local disk' {\n", out);
	put_local(out);
	fputs("}\n", out);
}

static void put_all(const struct boot_script_work *work, FILE *out)
{
	fputs("set timeout=-1\nset default=0\n", out);
	put_local_entry(out);
	boot_config_each(work, own_text, put_profile, out);
}

static void put_items(const struct boot_script_work *work, FILE *out)
{
	const Pxe__PxeMenu *menu = work->choice.profile->menu;
	bool any = false;

	if (menu->timeout_s < UINT8_MAX) { /* 255: wait for ever */
		fprintf(out, "set timeout=%u\n", menu->timeout_s);
	} else {
		fputs("set timeout=-1\n", out);
	}
	fputs("set default=0\n", out);
	for (size_t i = 0; i < menu->n_items; i++) {
		struct boot_script_work *item =
			boot_config_item(work, menu->items[i]->profile, own_text);
		if (item != NULL) {
			put_entry(item, menu->items[i]->text, out);
			any = true;
		}
		free(item);
	}
	if (!any) {
		put_local_entry(out);
	}
}

/* What comes meanwhile either boots, or has a menu or words to show and ends the loop. */
static void put_wait(const struct boot_script_work *work, bool unclaimed, FILE *out)
{
	char name[32], line[128];

	boot_config_mac_name(work, name);
	fputs("if [ \"$pxe_waits\" != yes ]; then\n"
	      "set pxe_waits=yes\n"
	      "while [ \"$pxe_waits\" = yes ]; do\n",
		out);
	if (unclaimed) {
		put_say(out, "The next boot of this machine is armed, but the cluster cannot say "
			     "now that it is taken (no majority of the nodes). Trying again.");
	} else {
		put_say(out, "This machine waits for approval.");
		snprintf(line, sizeof line,
			"Declare it: pxectl host add NAME --mac %s --profile PROFILE",
			work->vars.mac[0] != '\0' ? work->vars.mac : "MAC");
		put_say(out, line);
	}
	fprintf(out, "sleep %d\nfor node in", BOOT_CONFIG_WAIT_S);
	for (size_t i = 0; i < work->base_url_count; i++) {
		fprintf(out, " \"$node%zu\"", i);
	}
	fprintf(out,
		"; do\n"
		"  if source \"$node\"/grub.cfg%s%s; then\n"
		"    break\n"
		"  fi\n"
		"done\n"
		"done\n"
		"fi\n",
		name[0] != '\0' ? "-" : "", name);
}

static void put_body(struct boot_script_work *work, bool unclaimed, FILE *out)
{
	enum boot_config_kind kind = boot_config_kind_of(work, own_text, unclaimed);

	if (kind != BOOT_CONFIG_WAIT && kind != BOOT_CONFIG_UNCLAIMED) {
		fputs("set pxe_waits=no\n", out);
	}
	if (kind != BOOT_CONFIG_PROBLEM && kind != BOOT_CONFIG_LOCAL) {
		put_nodes(work, out);
	}
	switch (kind) {
	case BOOT_CONFIG_PROBLEM: put_problem(out, work->choice.problem); break;
	case BOOT_CONFIG_LOCAL:
		put_say(out, "Booting from the local disk");
		put_local(out);
		break;
	case BOOT_CONFIG_ITEMS: put_items(work, out); break;
	case BOOT_CONFIG_ALL: put_all(work, out); break;
	case BOOT_CONFIG_WAIT: put_wait(work, false, out); break;
	case BOOT_CONFIG_UNCLAIMED: put_wait(work, true, out); break;
	case BOOT_CONFIG_OWN: put_own(work, out); break;
	case BOOT_CONFIG_KERNEL: put_kernel(work, out); break;
	}
}

char *boot_grub_config(const struct boot_source *source, const struct boot_client *client,
	const char *const *base_urls, size_t base_url_count, bool unclaimed)
{
	struct boot_script_work *work = boot_config_new(source, client, base_urls, base_url_count);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL) {
		abort();
	}
	boot_config_head(work, out);
	put_body(work, unclaimed, out);
	if (fclose(out) != 0) {
		abort();
	}
	free(work);
	return text;
}
