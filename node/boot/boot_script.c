/* The iPXE script: fetch kernel and initrds from the first node, from the next when that fails, and
 * so on [P5]; then three rounds of all nodes; then give up and let the firmware go on. iPXE splits
 * a line at blanks, knows no quotes, and ends a command at a word ";", "&&" or "||" or one that
 * begins with '#': so nothing from the configuration may bring such a word, nor a line end. Images
 * pinned by digest: a boot that began with one version gets the rest of that version. */
#include "node/boot/boot_script.h"
#include "node/boot/boot_choice.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCRIPT_ROUNDS      3
#define SCRIPT_ERROR_BYTES 320

/* Text for an echo or a comment: one line, no control bytes, nothing that iPXE would expand or end
 * the command at. */
void boot_script_plain(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		fputc(c < ' ' || c == 0x7f ? '?' : strchr("$;&|#", c) != NULL ? '_' : c, out);
	}
}

/* A path as part of a URL: everything but unreserved characters and '/' is percent-encoded (RFC
 * 3986 §2.3). */
void boot_script_path(FILE *out, const char *path)
{
	for (; *path != '\0'; path++) {
		unsigned char c = (unsigned char)*path;
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			strchr("-._~/@+", c) != NULL) {
			fputc(c, out);
		} else {
			fprintf(out, "%%%02X", c);
		}
	}
}

/* The name by which the kernel finds an initrd: EFI stubs read "initrd=NAME" from iPXE's own file
 * system. */
static void initrd_name(const Pxe__Profile *profile, size_t index, char name[64])
{
	const char *path = profile->initrd[index], *slash = strrchr(path, '/');
	const char *base = slash != NULL ? slash + 1 : path;
	bool twice = false;

	for (size_t i = 0; i < profile->n_initrd; i++) {
		const char *other = strrchr(profile->initrd[i], '/');
		other = other != NULL ? other + 1 : profile->initrd[i];
		twice = twice || (i != index && strcmp(other, base) == 0);
	}
	if (twice) {
		snprintf(name, 64, "%zu-%.50s", index + 1, base);
	} else {
		snprintf(name, 64, "%.60s", base);
	}
	for (char *c = name; *c != '\0'; c++) {
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._",
			    *c) == NULL) {
			*c = '_';
		}
	}
}

/* Kernel arguments as one line; false with a message when iPXE could not carry a word of them. */
static bool args_check(char *args, char *ret_error, size_t error_bytes)
{
	for (char *c = args; *c != '\0'; c++) {
		*c = (unsigned char)*c < ' ' || *c == 0x7f ? ' ' : *c;
	}
	for (char *word = args + strspn(args, " "); *word != '\0';) {
		size_t bytes = strcspn(word, " ");
		if (word[0] == '#' || (bytes == 1 && word[0] == ';') ||
			(bytes == 2 && memcmp(word, "&&", 2) == 0) ||
			(bytes == 2 && memcmp(word, "||", 2) == 0)) {
			snprintf(ret_error, error_bytes,
				"kernel arguments hold '%.*s', which iPXE cannot pass on",
				(int)(bytes < 40 ? bytes : 40), word);
			return false;
		}
		word += bytes;
		word += strspn(word, " ");
	}
	return true;
}

static bool args_expand(
	const struct boot_script_work *script, char **ret_args, char *ret_error, size_t error_bytes)
{
	struct boot_vars *vars = malloc(sizeof *vars);
	const char *text = script->choice.profile->args;
	int err;

	if (vars == NULL) {
		abort();
	}
	*vars = script->vars;
	boot_vars_for_ipxe(vars, true);
	err = boot_vars_render(
		vars, "args", text != NULL ? text : "", ret_args, NULL, ret_error, error_bytes);
	free(vars);
	if (err == 0 && !args_check(*ret_args, ret_error, error_bytes)) {
		free(*ret_args);
		*ret_args = NULL;
		err = -EINVAL;
	}
	return err == 0;
}

static void put_head(const struct boot_script_work *script, FILE *out)
{
	fputs("#!ipxe\n# ", out);
	if (script->choice.host != NULL) {
		fputs("host ", out);
		boot_script_plain(out, script->choice.host->name);
	} else {
		fputs("unknown machine ", out);
		boot_script_plain(out, script->vars.mac);
	}
	if (script->choice.profile_name != NULL) {
		fputs(", profile ", out);
		boot_script_plain(out, script->choice.profile_name);
		fputs(" from ", out);
		boot_script_plain(out, script->choice.profile_from);
	}
	fputc('\n', out);
}

/* Say what is wrong where the operator stands, and leave the way to the next boot device. */
void boot_script_problem(FILE *out, const char *text)
{
	fputs("# error: ", out);
	boot_script_plain(out, text);
	fputs("\necho Network boot: ", out);
	boot_script_plain(out, text);
	fputs("\nsleep 5\nexit\n", out);
}

void boot_script_rounds_begin(const struct boot_script_work *script, FILE *out)
{
	fputs("set round:int32 0\n", out);
	for (size_t i = 0; i < script->base_url_count; i++) {
		fprintf(out, "set node%zu ", i);
		boot_script_plain(out, script->base_urls[i]);
		fputc('\n', out);
	}
	fputs(":start\n", out);
}

void boot_script_rounds_end(const struct boot_script_work *script, FILE *out)
{
	fputs(":failed\necho Could not boot from", out);
	for (size_t i = 0; i < script->base_url_count; i++) {
		fputc(' ', out);
		boot_script_plain(out, script->base_urls[i]);
	}
	fprintf(out, "\ninc round\niseq ${round} %d && goto giveup ||\nsleep 2\ngoto start\n",
		SCRIPT_ROUNDS);
	fputs(":giveup\necho Giving up: the next boot device follows\nsleep 5\nexit\n", out);
}

/* ":try1 ... || goto try2"; after the last node comes ":failed". */
void boot_script_next(const struct boot_script_work *script, size_t index, FILE *out)
{
	if (index + 1 < script->base_url_count) {
		fprintf(out, " || goto try%zu\n", index + 1);
	} else {
		fputs(" || goto failed\n", out);
	}
}

static void put_kernel_try(const struct boot_script_work *script, size_t index,
	const char *reference, const char *args, FILE *out)
{
	const Pxe__Profile *profile = script->choice.profile;
	char name[64];

	fprintf(out, ":try%zu\nset base ${node%zu}\nimgfree\nkernel ${base}/", index, index);
	boot_script_path(out, reference);
	fputc('/', out);
	boot_script_path(out, profile->kernel);
	for (size_t i = 0; i < profile->n_initrd; i++) {
		initrd_name(profile, i, name);
		fprintf(out, " initrd=%s", name);
	}
	fprintf(out, "%s%s", args[0] != '\0' ? " " : "", args);
	boot_script_next(script, index, out);
	for (size_t i = 0; i < profile->n_initrd; i++) {
		initrd_name(profile, i, name);
		fprintf(out, "initrd --name %s ${base}/", name);
		boot_script_path(out, reference);
		fputc('/', out);
		boot_script_path(out, profile->initrd[i]);
		boot_script_next(script, index, out);
	}
	fputs("boot || goto failed\n", out);
}

bool boot_script_kernel_check(const struct boot_image *image, const Pxe__Profile *profile,
	char *ret_error, size_t error_bytes)
{
	const char *lacks = boot_image_has(image, profile->kernel) ? NULL : profile->kernel;

	for (size_t i = 0; lacks == NULL && i < profile->n_initrd; i++) {
		lacks = boot_image_has(image, profile->initrd[i]) ? NULL : profile->initrd[i];
	}
	if (lacks != NULL) {
		snprintf(ret_error, error_bytes,
			"image %s has no file %.120s, which profile %.63s names", image->name,
			lacks, profile->name);
	}
	return lacks == NULL;
}

static void put_kernel(const struct boot_script_work *script, FILE *out)
{
	const Pxe__Profile *profile = script->choice.profile;
	struct boot_image image;
	char error[SCRIPT_ERROR_BYTES], *args = NULL;

	if (!boot_image_find(script->source, script->choice.image, &image, error, sizeof error) ||
		!boot_script_kernel_check(&image, profile, error, sizeof error) ||
		!args_expand(script, &args, error, sizeof error)) {
		boot_script_problem(out, error);
		return;
	}
	fputs("echo Booting ", out);
	boot_script_plain(out, script->choice.profile_name);
	fputs(" (", out);
	boot_script_plain(out, image.reference);
	fputs(")\n", out);
	boot_script_rounds_begin(script, out);
	for (size_t i = 0; i < script->base_url_count; i++) {
		put_kernel_try(script, i, image.reference, args, out);
	}
	boot_script_rounds_end(script, out);
	free(args);
}

/* A profile with programs of its own: start the one for this architecture. */
static void put_loader(const struct boot_script_work *script, FILE *out)
{
	struct boot_loader loader;
	char error[SCRIPT_ERROR_BYTES];

	if (!boot_loader_find(script->source, &script->choice, script->client->arch, &loader, error,
		    sizeof error)) {
		boot_script_problem(out, error);
		return;
	}
	if (boot_is_ipxe_file(loader.path)) {
		snprintf(error, sizeof error,
			"profile %.63s has only iPXE as its program: give it a kernel or a script",
			script->choice.profile_name);
		boot_script_problem(out, error);
		return;
	}
	boot_script_rounds_begin(script, out);
	for (size_t i = 0; i < script->base_url_count; i++) {
		fprintf(out, ":try%zu\nset base ${node%zu}\nimgfree\nchain ${base}/", i, i);
		boot_script_path(out, loader.path);
		boot_script_next(script, i, out);
		fputs("exit\n", out);
	}
	boot_script_rounds_end(script, out);
}

/* The profile's own script, from its own first line on; ours stands above it as comments. */
static bool put_own(
	const struct boot_script_work *script, FILE *out, char *ret_error, size_t error_bytes)
{
	char *body;

	if (boot_vars_render(&script->vars, "script", script->choice.profile->script, &body, NULL,
		    ret_error, error_bytes) != 0) {
		return false;
	}
	fputs(strncmp(body, "#!ipxe", 6) == 0 ? body + strcspn(body, "\n") : body, out);
	fputc('\n', out);
	free(body);
	return true;
}

static void put_body(const struct boot_script_work *script, FILE *out)
{
	const struct boot_choice *choice = &script->choice;
	bool has_own = choice->profile != NULL && choice->profile->script != NULL &&
		       choice->profile->script[0] != '\0' &&
		       boot_choice_has_script(choice, script->client->arch);
	char error[SCRIPT_ERROR_BYTES];

	if (choice->problem[0] != '\0') {
		boot_script_problem(out, choice->problem);
	} else if (choice->local) {
		fputs("echo Booting from the local disk\nexit\n", out);
	} else if (script->base_url_count > 0 && boot_profile_has_menu(choice->profile)) {
		boot_menu_script_items(script, out);
	} else if (choice->builtin == BOOT_BUILTIN_MENU && script->base_url_count > 0) {
		boot_menu_script_all(script, out);
	} else if (choice->builtin == BOOT_BUILTIN_WAIT && script->base_url_count > 0) {
		boot_menu_script_wait(script, out);
	} else if (choice->profile == NULL || (script->base_url_count == 0 && !has_own)) {
		boot_script_problem(out, "no node serves files");
	} else if (has_own) {
		if (!put_own(script, out, error, sizeof error)) {
			boot_script_problem(out, error);
		}
	} else if (boot_choice_has_script(choice, script->client->arch)) {
		put_kernel(script, out);
	} else {
		put_loader(script, out);
	}
}

static void work_init(struct boot_script_work *script, const struct boot_source *source,
	const struct boot_client *client, const char *const *base_urls, size_t base_url_count)
{
	assert(source != NULL && client != NULL && (base_urls != NULL || base_url_count == 0));
	memset(script, 0, sizeof *script);
	script->source = source;
	script->client = client;
	script->base_urls = base_urls;
	script->base_url_count = base_url_count;
	boot_choose(source, client, &script->choice);
	if (script->choice.problem[0] == '\0') {
		boot_choose_of_menu(source, client, &script->choice);
	}
	boot_vars_init(&script->vars, source, client, &script->choice, base_urls, base_url_count);
	boot_vars_for_ipxe(&script->vars, false);
}

static char *work_write(const struct boot_script_work *script,
	void (*put)(const struct boot_script_work *script, FILE *out))
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL) {
		abort();
	}
	put_head(script, out);
	put(script, out);
	if (fclose(out) != 0) {
		abort();
	}
	return text;
}

char *boot_script(const struct boot_source *source, const struct boot_client *client,
	const char *const *base_urls, size_t base_url_count)
{
	struct boot_script_work script;

	work_init(&script, source, client, base_urls, base_url_count);
	return work_write(&script, put_body);
}

char *boot_script_unclaimed(const struct boot_source *source, const struct boot_client *client,
	unsigned retry, const char *const *base_urls, size_t base_url_count)
{
	struct boot_script_work script;

	work_init(&script, source, client, base_urls, base_url_count);
	script.retry = retry;
	return work_write(&script, boot_menu_script_unclaimed);
}
