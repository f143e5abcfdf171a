/* PXELINUX's configuration, and U-Boot's, which is like it. Lines have no quotes: what stands in
 * one is taken up to its end, so the writer refuses what would be read as something else. PXELINUX
 * takes
 * "::/path" from the root of the server that it came from; it hands a kernel one command line, and
 * reads no longer lines than PXELINUX_LINE_MAX (readconfig.c: MAX_LINE). U-Boot loads one initrd,
 * knows no SAY and no CONFIG, and expands $, backslash and quotes in arguments (cli_simple.c). */
#include "node/boot/boot_config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PXELINUX_LINE_MAX    4000
#define PXELINUX_COMMAND_MAX 2047 /* of a Linux kernel on x86 */
#define PXELINUX_PROBLEM_S   5

struct writer {
	const struct boot_script_work *work;
	FILE *out;
	bool uboot;
};

static const char *own_text(const Pxe__Profile *profile)
{
	return profile->pxelinux_script;
}

/* A line on the console. */
static void put_say(const struct writer *writer, const char *text)
{
	fputs(writer->uboot ? "MENU TITLE " : "SAY ", writer->out);
	boot_config_plain(writer->out, text);
	fputc('\n', writer->out);
}

static void put_local(const struct writer *writer)
{
	fprintf(writer->out, "LABEL local\n  MENU LABEL The local disk\n  LOCALBOOT %d\n",
		writer->uboot ? 1 : 0);
}

static void put_default(const struct writer *writer, const char *label, unsigned seconds)
{
	fprintf(writer->out, "DEFAULT %s\nPROMPT %d\n", label, seconds > 0 ? 1 : 0);
	if (seconds > 0) {
		fprintf(writer->out, "TIMEOUT %u\n", seconds * 10);
	}
}

static void put_problem(const struct writer *writer, const char *text)
{
	char line[BOOT_CONFIG_ERROR_BYTES + 32];

	snprintf(line, sizeof line, "Network boot: %s", text);
	put_say(writer, line);
	put_default(writer, "local", PXELINUX_PROBLEM_S);
	put_local(writer);
}

/* ---- a kernel */

static int check_path(const char *path, char *ret_error, size_t error_bytes)
{
	if (strpbrk(path, " ,") != NULL) {
		snprintf(ret_error, error_bytes,
			"the path '%.120s' has a blank or a comma, which this boot program cannot "
			"carry",
			path);
		return -EINVAL;
	}
	return 0;
}

static int check_uboot(
	const Pxe__Profile *profile, const char *args, char *ret_error, size_t error_bytes)
{
	if (profile->n_initrd > 1) {
		snprintf(ret_error, error_bytes, "U-Boot loads one initrd, profile %.63s has %zu",
			profile->name, profile->n_initrd);
		return -EINVAL;
	}
	if (strpbrk(args, "$\\'") != NULL) {
		snprintf(ret_error, error_bytes,
			"kernel arguments hold $, a backslash or a single quote, which U-Boot does "
			"not pass on");
		return -EINVAL;
	}
	return 0;
}

static int check_kernel(const struct writer *writer, const struct boot_image *image,
	const char *args, char *ret_error, size_t error_bytes)
{
	const Pxe__Profile *profile = writer->work->choice.profile;
	size_t initrds = 0, whole;
	int err = check_path(profile->kernel, ret_error, error_bytes);

	for (size_t i = 0; err == 0 && i < profile->n_initrd; i++) {
		err = check_path(profile->initrd[i], ret_error, error_bytes);
		initrds += strlen(profile->initrd[i]) + strlen(image->reference) + 5;
	}
	if (err == 0 && writer->uboot) {
		err = check_uboot(profile, args, ret_error, error_bytes);
	}
	whole = strlen(args) + initrds + sizeof " initrd=";
	if (err == 0 && whole > PXELINUX_COMMAND_MAX) {
		snprintf(ret_error, error_bytes,
			"kernel arguments and initrds have %zu bytes, a kernel takes %d", whole,
			PXELINUX_COMMAND_MAX);
		err = -EINVAL;
	}
	return err;
}

/* "LABEL linux" and what is in it. */
static void put_label(const struct writer *writer, const char *label, const char *title,
	const struct boot_image *image, const char *args)
{
	const Pxe__Profile *profile = writer->work->choice.profile;
	const char *root = writer->uboot ? "/" : "::/";
	FILE *out = writer->out;

	fprintf(out, "LABEL %s\n  MENU LABEL ", label);
	boot_config_plain(out, title);
	fprintf(out, "\n  LINUX %s%s/%s\n", root, image->reference, profile->kernel);
	for (size_t i = 0; i < profile->n_initrd; i++) {
		fprintf(out, "%s%s%s/%s%s", i == 0 ? "  INITRD " : ",", root, image->reference,
			profile->initrd[i], i + 1 == profile->n_initrd ? "\n" : "");
	}
	if (args[strspn(args, " ")] != '\0') {
		fprintf(out, "  APPEND %s\n", args);
	}
}

static void put_kernel(const struct writer *writer)
{
	char error[BOOT_CONFIG_ERROR_BYTES], line[256], *args = NULL;
	struct boot_image image;

	if (boot_config_kernel(writer->work, &image, error, sizeof error) != 0 ||
		boot_config_args(writer->work, 0, &args, error, sizeof error) != 0 ||
		check_kernel(writer, &image, args, error, sizeof error) != 0) {
		put_problem(writer, error);
	} else {
		snprintf(line, sizeof line, "Booting %s (%s)", writer->work->choice.profile_name,
			image.reference);
		put_say(writer, line);
		put_default(writer, "linux", 0);
		put_label(writer, "linux", writer->work->choice.profile_name, &image, args);
	}
	free(args);
}

/* Longer lines would be read as two. */
static bool has_long_line(const char *text)
{
	while (*text != '\0') {
		size_t bytes = strcspn(text, "\n");
		if (bytes > PXELINUX_LINE_MAX) {
			return true;
		}
		text += bytes + (text[bytes] == '\n');
	}
	return false;
}

static void put_own(const struct writer *writer)
{
	char error[BOOT_CONFIG_ERROR_BYTES], *text;

	if (boot_vars_render(&writer->work->vars, "pxelinux_script",
		    writer->work->choice.profile->pxelinux_script, &text, NULL, error,
		    sizeof error) != 0) {
		put_problem(writer, error);
		return;
	}
	if (has_long_line(text)) {
		snprintf(error, sizeof error, "pxelinux_script has a line of more than %d bytes",
			PXELINUX_LINE_MAX);
		put_problem(writer, error);
	} else {
		fputs(text, writer->out);
		fputc('\n', writer->out);
	}
	free(text);
}

/* ---- menus: the labels are the profiles' names, which the operator types or chooses */

static void put_choice(const struct writer *writer, const char *label, const char *title)
{
	char line[BOOT_CONFIG_ERROR_BYTES + 128];

	if (!writer->uboot) { /* it lists the labels by itself */
		snprintf(line, sizeof line, "  %-20.63s %.511s", label, title);
		put_say(writer, line);
	}
}

/* A profile with a text of its own for PXELINUX cannot stand in another one's menu. */
static void put_entry(
	const struct writer *menu, const struct boot_script_work *item, const char *title)
{
	struct writer writer = {item, menu->out, menu->uboot};
	char error[BOOT_CONFIG_ERROR_BYTES], line[BOOT_CONFIG_ERROR_BYTES + 96], *args = NULL;
	struct boot_image image;

	if (item->choice.local) {
		return; /* stands there already */
	}
	if (boot_config_kernel(item, &image, error, sizeof error) != 0 ||
		boot_config_args(item, 0, &args, error, sizeof error) != 0 ||
		check_kernel(&writer, &image, args, error, sizeof error) != 0) {
		snprintf(line, sizeof line, "%.63s cannot be started: %.400s",
			item->choice.profile_name, error);
		put_choice(&writer, "", line);
	} else {
		put_choice(&writer, item->choice.profile_name, title);
		put_label(&writer, item->choice.profile_name, title, &image, args);
	}
	free(args);
}

static const char *no_own_text(const Pxe__Profile *profile)
{
	(void)profile;
	return "";
}

static void put_profile(void *ctx, const struct boot_script_work *item)
{
	put_entry(ctx, item, item->choice.profile_name);
}

static void put_menu_head(const struct writer *writer, const char *first, unsigned seconds)
{
	put_say(writer, writer->uboot ? "What shall this machine boot?"
				      : "What shall this machine boot? Type its name:");
	fprintf(writer->out, "DEFAULT %s\nPROMPT 1\n", first);
	if (seconds > 0) {
		fprintf(writer->out, "TIMEOUT %u\n", seconds * 10);
	}
	put_choice(writer, "local", "The local disk");
	put_local(writer);
}

static void put_all(const struct writer *writer)
{
	struct writer copy = *writer;

	put_menu_head(writer, "local", 0);
	boot_config_each(writer->work, no_own_text, put_profile, &copy);
}

/* The default of the profile's menu is its first item that can be started. */
static void put_items(const struct writer *writer)
{
	const Pxe__PxeMenu *menu = writer->work->choice.profile->menu;
	struct boot_script_work *item = NULL;
	char first[64] = "local";

	for (size_t i = 0; i < menu->n_items && item == NULL; i++) {
		item = boot_config_item(writer->work, menu->items[i]->profile, no_own_text);
	}
	if (item != NULL && !item->choice.local) {
		snprintf(first, sizeof first, "%s", item->choice.profile_name);
	}
	free(item);
	put_menu_head(writer, first, menu->timeout_s < UINT8_MAX ? menu->timeout_s : 0);
	for (size_t i = 0; i < menu->n_items; i++) {
		item = boot_config_item(writer->work, menu->items[i]->profile, no_own_text);
		if (item != NULL) {
			put_entry(writer, item, menu->items[i]->text);
		}
		free(item);
	}
}

/* ---- asking again */

/* U-Boot cannot read another configuration: it goes on with its own order of devices. */
static void put_wait(const struct writer *writer, bool unclaimed)
{
	const struct boot_script_work *work = writer->work;
	char name[32], line[160];

	if (unclaimed) {
		put_say(writer,
			"The next boot of this machine is armed, but the cluster cannot say now "
			"that it is taken (no majority of the nodes).");
	} else {
		snprintf(line, sizeof line,
			"This machine waits for approval: pxectl host add NAME --mac %s --profile "
			"PROFILE",
			work->vars.mac[0] != '\0' ? work->vars.mac : "MAC");
		put_say(writer, line);
	}
	if (writer->uboot) {
		put_default(writer, "local", BOOT_CONFIG_WAIT_S);
		put_local(writer);
		return;
	}
	boot_config_mac_name(work, name);
	put_default(writer, "again", BOOT_CONFIG_WAIT_S);
	fprintf(writer->out, "LABEL again\n  CONFIG ::/pxelinux.cfg/%s\n",
		name[0] != '\0' ? name : "default");
}

static void put_body(struct boot_script_work *work, const struct writer *writer, bool unclaimed)
{
	switch (boot_config_kind_of(work, own_text, unclaimed)) {
	case BOOT_CONFIG_PROBLEM: put_problem(writer, work->choice.problem); break;
	case BOOT_CONFIG_LOCAL:
		put_say(writer, "Booting from the local disk");
		put_default(writer, "local", 0);
		put_local(writer);
		break;
	case BOOT_CONFIG_ITEMS: put_items(writer); break;
	case BOOT_CONFIG_ALL: put_all(writer); break;
	case BOOT_CONFIG_WAIT: put_wait(writer, false); break;
	case BOOT_CONFIG_UNCLAIMED: put_wait(writer, true); break;
	case BOOT_CONFIG_OWN: put_own(writer); break;
	case BOOT_CONFIG_KERNEL: put_kernel(writer); break;
	}
}

char *boot_pxelinux_config(const struct boot_source *source, const struct boot_client *client,
	const char *const *base_urls, size_t base_url_count, bool uboot, bool unclaimed)
{
	struct boot_script_work *work = boot_config_new(source, client, base_urls, base_url_count);
	struct writer writer = {work, NULL, uboot};
	char *text = NULL;
	size_t size = 0;

	writer.out = open_memstream(&text, &size);
	if (writer.out == NULL) {
		abort();
	}
	boot_config_head(work, writer.out);
	put_body(work, &writer, unclaimed);
	if (fclose(writer.out) != 0) {
		abort();
	}
	free(work);
	return text;
}
