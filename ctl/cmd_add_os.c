/* profile add-os: a profile that installs an operating system, from an image that holds its
 * installer. */
#include "ctl/client.h"
#include "ctl/cmd.h"
#include "ctl/edit.h"
#include "ctl/edit_boot.h"
#include "ctl/image_ref.h"
#include "ctl/objects.h"
#include "ctl/os_layout.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ADD_OS_PATH_BYTES 600

static int refuse_unknown(const struct ctl *ctl, const char *os)
{
	char known[400] = "";

	for (size_t i = 0; os_layout_at(i) != NULL; i++) {
		size_t used = strlen(known);
		if (i == 0 || strcmp(os_layout_at(i)->os, os_layout_at(i - 1)->os) != 0) {
			snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "",
				os_layout_at(i)->os);
		}
	}
	return ctl_fail(ctl, CTL_USAGE,
		"'%s' is none of the systems that are known: %s. For others: pxectl profile add",
		os, known);
}

static int refuse_layout(const struct ctl *ctl, const char *os, const char *image)
{
	char text[1200];

	snprintf(text, sizeof text,
		"image %s holds no installer of %s that is known. Looked for:", image, os);
	for (size_t i = 0; os_layout_at(i) != NULL; i++) {
		const struct os_layout *layout = os_layout_at(i);
		size_t used = strlen(text);
		if (strcmp(layout->os, os) == 0) {
			snprintf(text + used, sizeof text - used, "\n  %s%s%s", layout->kernel,
				layout->initrd != NULL ? " and " : "",
				layout->initrd != NULL ? layout->initrd : "");
		}
	}
	return ctl_fail(
		ctl, CTL_NOT_FOUND, "%s\n  See what it holds: pxectl image show %s", text, image);
}

/* ---- the profile */

static void set_path(char **field, const char *folder, const char *path)
{
	char text[ADD_OS_PATH_BYTES];

	snprintf(text, sizeof text, "%s%s", folder, path);
	edit_set_text(field, text);
}

static void set_files(Pxe__Profile *profile, const struct os_layout *layout, const char *folder)
{
	char text[ADD_OS_PATH_BYTES];

	set_path(&profile->kernel, folder, layout->kernel);
	if (layout->initrd != NULL) {
		snprintf(text, sizeof text, "%s%s", folder, layout->initrd);
		edit_append_text(&profile->initrd, &profile->n_initrd, text, strlen(text));
	}
	if (layout->efi != NULL) {
		Pxe__Loader *loader = edit_new(&pxe__loader__descriptor);
		edit_set_text(&loader->arch, "uefi-x64");
		set_path(&loader->path, folder, layout->efi);
		edit_append_message(&profile->loaders, &profile->n_loaders, loader);
	}
}

static void set_args(Pxe__Profile *profile, const struct os_layout *layout, const char *image,
	const char *folder, const char *more)
{
	char *args = os_layout_fill(layout->args == NULL ? "" : layout->args, image, folder),
	     *all = NULL;

	if (asprintf(&all, "%s%s%s", args, args[0] != '\0' && more != NULL ? " " : "",
		    more != NULL ? more : "") < 0) {
		abort();
	}
	edit_set_text(&profile->args, all);
	free(all);
	free(args);
}

static int set_templates(const struct ctl *ctl, Pxe__Profile *profile,
	const struct os_layout *layout, const char *preseed_path)
{
	int result = CTL_OK;

	if (preseed_path != NULL && layout->templates[0].name == NULL) {
		return ctl_fail(
			ctl, CTL_USAGE, "--preseed: %s is told nothing by a file", layout->help);
	}
	for (size_t i = 0; i < OS_LAYOUT_TEMPLATES && layout->templates[i].name != NULL; i++) {
		Pxe__Template *template = edit_new(&pxe__template__descriptor);
		edit_set_text(&template->name, layout->templates[i].name);
		edit_append_message(&profile->templates, &profile->n_templates, template);
		if (i == 0 && preseed_path != NULL) {
			result = edit_template_text(ctl, "preseed", preseed_path, &template->text);
		} else {
			edit_set_text(&template->text, layout->templates[i].text);
		}
	}
	return result;
}

/* Defaults first, so that --var overrides them. */
static int set_vars(const struct ctl *ctl, const struct invocation *in, Pxe__Profile *profile,
	const struct os_layout *layout)
{
	for (size_t i = 0; i < OS_LAYOUT_VARS && layout->vars[i].name != NULL; i++) {
		Pxe__Variable *variable = edit_new(&pxe__variable__descriptor);
		edit_set_text(&variable->name, layout->vars[i].name);
		edit_set_text(&variable->value, layout->vars[i].value);
		edit_append_message(&profile->vars, &profile->n_vars, variable);
	}
	return edit_vars(ctl, in, &profile->vars, &profile->n_vars);
}

static int put_profile(struct ctl *ctl, Pxe__Profile *profile, const struct os_layout *layout)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	struct client_done done;
	int result;

	put.precondition = PXE__PRECONDITION__PUT_CREATE;
	put.object_case = PXE__PUT__OBJECT_PROFILE;
	put.profile = profile;
	command.op_case = PXE__COMMAND__OP_PUT;
	command.put = &put;
	result = client_change(ctl, &command, &done);
	if (result != CTL_OK) {
		return result;
	}
	objects_print_done(ctl, "profile", profile->name, "added", done.revision, done.detail);
	ctl_note(ctl,
		"note: installing %s this way was not tested from end to end; try it on one "
		"machine first",
		layout->os);
	if (layout->note != NULL) {
		ctl_note(ctl, "note: %s", layout->note);
	}
	return CTL_OK;
}

/* ---- the command */

static const char *image_of(const struct invocation *in, const struct image_lists *lists)
{
	const char *given = command_text(in, "image");

	return given != NULL                                   ? given
	       : image_lists_image(lists, in->args[1]) != NULL ? in->args[1]
							       : in->args[0];
}

static int find_layout(struct ctl *ctl, const struct invocation *in,
	const struct image_lists *lists, const struct os_layout **ret_layout, char *ret_folder,
	size_t folder_bytes)
{
	const char *image = image_of(in, lists);
	const Pxe__ImageVersion *version;
	struct image_ref ref;
	char error[400];

	if (image_ref_parse(image, &ref, error, sizeof error) != 0) {
		return ctl_fail(ctl, CTL_USAGE, "--image: %s", error);
	}
	version = image_lists_find(lists, &ref, error, sizeof error);
	if (version == NULL) {
		return ctl_fail(ctl, CTL_NOT_FOUND,
			"%s\n  Push the installer first, or name its image with --image%s", error,
			strcmp(in->args[0], "debian-12") == 0
				? "; Debian's: apt install debian-installer-12-netboot-amd64, then "
				  "pxectl image push debian-12 "
				  "/usr/lib/debian-installer/images/12/amd64/text"
				: "");
	}
	*ret_layout = os_layout_find(in->args[0], version, ret_folder, folder_bytes);
	return *ret_layout != NULL ? CTL_OK : refuse_layout(ctl, in->args[0], image);
}

int cmd_profile_add_os(struct ctl *ctl, const struct invocation *in)
{
	Pxe__Profile *profile;
	const struct os_layout *layout = NULL;
	struct image_lists lists;
	char folder[256] = "";
	int result = edit_check_name(ctl, "profile", in->args[1]);

	if (result == CTL_OK && !os_layout_known(in->args[0])) {
		result = refuse_unknown(ctl, in->args[0]);
	}
	if (result != CTL_OK) {
		return result;
	}
	profile = edit_new(&pxe__profile__descriptor);
	result = image_lists_load(ctl, &lists);
	if (result == CTL_OK) {
		result = find_layout(ctl, in, &lists, &layout, folder, sizeof folder);
	}
	if (result == CTL_OK) {
		edit_set_text(&profile->name, in->args[1]);
		edit_set_text(&profile->image, image_of(in, &lists));
		set_files(profile, layout, folder);
		set_args(profile, layout, profile->image, folder, command_text(in, "args"));
		result = set_templates(ctl, profile, layout, command_text(in, "preseed"));
	}
	if (result == CTL_OK) {
		result = set_vars(ctl, in, profile, layout);
	}
	if (result == CTL_OK && command_text(in, "chain") != NULL) {
		result = edit_chain(ctl, command_text(in, "chain"), &profile->chain);
	}
	if (result == CTL_OK) {
		result = put_profile(ctl, profile, layout);
	}
	pxe__profile__free_unpacked(profile, NULL);
	image_lists_fini(&lists);
	return result;
}
