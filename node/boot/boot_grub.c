/* grub.cfg. GRUB fetches by HTTP, which it can on port 80 only, and by TFTP where that fails; from
 * this node, then from the next ones [P5].
 *
 * Words are in single quotes, in which GRUB's shell leaves every byte alone. GRUB itself puts a
 * word with blanks into double quotes for the kernel, and a backslash before quotes and
 * backslashes: those cannot be passed on. */
#include "node/boot/boot_config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define GRUB_WAIT_S 30

/* 'text', for GRUB's shell. */
static void put_quoted(FILE *out, const char *text, size_t bytes)
{
	fputc('\'', out);
	for (size_t i = 0; i < bytes; i++) {
		if (text[i] == '\'') {
			fputs("'\\''", out);
		} else {
			fputc((unsigned char)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i], out);
		}
	}
	fputc('\'', out);
}

static void put_echo(FILE *out, const char *text)
{
	fputs("echo ", out);
	put_quoted(out, text, strlen(text));
	fputc('\n', out);
}

static void put_problem(const char *text, FILE *out)
{
	char line[BOOT_CONFIG_ERROR_BYTES + 16];

	snprintf(line, sizeof line, "Network boot: %s", text);
	put_echo(out, line);
	fputs("sleep 5\nexit\n", out);
}

/* One kernel argument: up to a blank outside of double quotes, which go. */
static size_t take_word(const char **at, char *ret_word)
{
	const char *from = *at;
	size_t bytes = 0;
	bool quoted = false;

	for (; *from != '\0' && (quoted || (unsigned char)*from > ' '); from++) {
		if (*from == '"') {
			quoted = !quoted;
		} else {
			ret_word[bytes++] = *from;
		}
	}
	while (*from != '\0' && (unsigned char)*from <= ' ') {
		from++;
	}
	*at = from;
	return bytes;
}

static void put_args(const char *args, FILE *out)
{
	char *word = malloc(strlen(args) + 1);

	if (word == NULL) {
		abort();
	}
	while (*args != '\0' && (unsigned char)*args <= ' ') {
		args++;
	}
	while (*args != '\0') {
		size_t bytes = take_word(&args, word);
		fputc(' ', out);
		put_quoted(out, word, bytes);
	}
	free(word);
}

static void put_file(
	const char *device, const struct boot_image *image, const char *path, FILE *out)
{
	char file[BOOT_FILE_MAX];

	snprintf(file, sizeof file, "(%s)/%s/%s", device, image->reference, path);
	put_quoted(out, file, strlen(file));
}

/* From one device: what fails leads to the next. */
static void put_try(const Pxe__Profile *profile, const char *device, const struct boot_image *image,
	const char *args, FILE *out)
{
	fputs("if linux ", out);
	put_file(device, image, profile->kernel, out);
	put_args(args, out);
	fputs("; then\n", out);
	if (profile->n_initrd > 0) {
		fputs("  if initrd", out);
		for (size_t i = 0; i < profile->n_initrd; i++) {
			fputc(' ', out);
			put_file(device, image, profile->initrd[i], out);
		}
		fputs("; then\n    boot\n  fi\n", out);
	} else {
		fputs("  boot\n", out);
	}
	fputs("fi\n", out);
}

/* By all ways that this node can give it. */
static bool put_node(const struct boot_config *config, size_t node, const Pxe__Profile *profile,
	const struct boot_image *image, FILE *out)
{
	char error[BOOT_CONFIG_ERROR_BYTES], ip[64], device[80];
	char *args = boot_config_render(config, profile, node, "args", profile->args, error);
	unsigned port;

	if (args == NULL || strpbrk(args, "'\\") != NULL) {
		put_problem(args == NULL ? error
					 : "kernel arguments hold a ' or \\, which GRUB cannot "
					   "pass on",
			out);
		free(args);
		return false;
	}
	boot_config_server(config->base_urls[node], ip, &port);
	if (port == 80) {
		snprintf(device, sizeof device, "http,%s", ip);
		put_try(profile, device, image, args, out);
	}
	snprintf(device, sizeof device, "tftp,%s", ip);
	put_try(profile, device, image, args, out);
	free(args);
	return true;
}

static void put_kernel(const struct boot_config *config, const Pxe__Profile *profile, FILE *out)
{
	char error[BOOT_CONFIG_ERROR_BYTES], line[256];
	struct boot_image image;
	bool going = true;

	if (!boot_config_kernel(config, profile, &image, error, sizeof error)) {
		put_problem(error, out);
		return;
	}
	snprintf(line, sizeof line, "Booting %s (%s)", profile->name, image.reference);
	put_echo(out, line);
	for (size_t i = 0; going && i < config->base_url_count; i++) {
		going = put_node(config, i, profile, &image, out);
	}
	if (going) {
		put_problem("no node could give the kernel and its files", out);
	}
}

/* The profile's own configuration, or one of its kernel. */
static void put_profile(const struct boot_config *config, const Pxe__Profile *profile, FILE *out)
{
	char error[BOOT_CONFIG_ERROR_BYTES], *own;

	if (profile->grub_script[0] == '\0') {
		put_kernel(config, profile, out);
		return;
	}
	own = boot_config_render(config, profile, 0, "grub_script", profile->grub_script, error);
	if (own == NULL) {
		put_problem(error, out);
		return;
	}
	fputs(own, out);
	fputc('\n', out);
	free(own);
}

static void put_item(
	const struct boot_config *config, const char *text, const Pxe__Profile *profile, FILE *out)
{
	fputs("menuentry ", out);
	put_quoted(out, text, strlen(text));
	fputs(" {\n", out);
	if (profile == NULL) {
		fputs("exit\n", out);
	} else {
		put_profile(config, profile, out);
	}
	fputs("}\n", out);
}

static void put_menu(const struct boot_config *config, FILE *out)
{
	const Pxe__Profile *profile = config->choice.profile;

	if (profile != NULL && profile->menu->timeout_s < UINT8_MAX) {
		fprintf(out, "set timeout=%u\nset default=0\n", profile->menu->timeout_s);
	} else {
		fputs("set timeout=-1\n", out);
	}
	boot_config_items(config, out);
}

/* GRUB keeps what it has read, so it cannot ask for days: the machine starts anew. */
static void put_wait(const struct boot_config *config, FILE *out)
{
	char line[160], mac[TEXT_HWADDR_BYTES];

	text_hwaddr_format(config->client->mac, config->client->mac_bytes, mac);
	snprintf(line, sizeof line,
		"This machine, %s, waits for approval: pxectl host add NAME --mac %s", mac, mac);
	put_echo(out, line);
	fprintf(out, "echo 'It asks again in %d seconds.'\nsleep %d\nreboot\n", GRUB_WAIT_S,
		GRUB_WAIT_S);
}

static void put_body(const struct boot_config *config, FILE *out)
{
	const struct boot_choice *choice = &config->choice;

	if (choice->problem[0] != '\0') {
		put_problem(choice->problem, out);
	} else if (choice->local) {
		fputs("echo 'Booting from the local disk'\nexit\n", out);
	} else if (choice->builtin == BOOT_BUILTIN_MENU || boot_profile_has_menu(choice->profile)) {
		put_menu(config, out);
	} else if (choice->builtin == BOOT_BUILTIN_WAIT) {
		put_wait(config, out);
	} else if (choice->profile == NULL || config->base_url_count == 0) {
		put_problem("there is nothing to boot for this machine", out);
	} else {
		put_profile(config, choice->profile, out);
	}
}

char *boot_grub_config(const struct boot_source *source, const struct boot_client *client,
	const char *const *base_urls, size_t base_url_count)
{
	struct boot_config config;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL) {
		abort();
	}
	boot_config_init(&config, source, client, base_urls, base_url_count);
	config.put_item = put_item;
	boot_config_head(&config, out);
	put_body(&config, out);
	if (fclose(out) != 0) {
		abort();
	}
	return text;
}
