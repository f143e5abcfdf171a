/* node/boot/boot_choice.h: which configuration applies to a machine: shared by the decision, the
 * script and the explanation.
 *
 * Pure. Everything here is borrowed from the source.
 */
#ifndef NODE_BOOT_BOOT_CHOICE_H
#define NODE_BOOT_BOOT_CHOICE_H

#include "node/boot/boot.h"
#include "store/model/model.h"

#define BOOT_PIN_DIGITS 16 /* hexadecimal digits of a digest that URLs carry */
#define BOOT_FILE_MAX   512

struct boot_choice {
	const Pxe__Settings *settings; /* may be NULL: no state yet */
	const Pxe__Host *host;         /* NULL: unknown machine */
	const char *host_from;         /* "hardware address" or "UUID" */
	const Pxe__Subnet *subnet;     /* NULL: the link is not configured */
	const char *profile_name;      /* NULL: none chosen */
	char profile_from[96];         /* "host n02", "subnet lab", "cluster" */
	const Pxe__Profile *profile;   /* NULL: none chosen, or not defined, or built in */
	bool local;                    /* the built-in "local", or a profile that says so */
	char problem[256];             /* "" or why nothing can be booted and what to do */
};

void boot_choose(const struct boot_source *source, const struct boot_client *client,
	struct boot_choice *ret_choice);

/* If the chosen profile has a menu: go on with the profile of the item that the client names, or,
 * where there is nothing to choose, of the first. */
void boot_choose_of_menu(const struct boot_source *source, const struct boot_client *client,
	struct boot_choice *choice);

/* "NAME", "NAME@PIN": the image of a profile, with the version that its name points to now. */
struct boot_image {
	char name[MODEL_NAME_MAX + 1];
	char reference[MODEL_NAME_MAX + 80]; /* as URLs name it: NAME@DIGITS */
	const Pxe__ImageVersion *version;    /* NULL: the source does not tell */
	bool pinned;                         /* by the configuration */
};

/* False, with a line in ret_problem, if the image is not there or no version of it is published. */
bool boot_image_find(const struct boot_source *source, const char *text,
	struct boot_image *ret_image, char *ret_problem, size_t problem_bytes);
bool boot_image_has(const struct boot_image *image, const char *path);

/* The first program for an architecture. */
struct boot_loader {
	char path[BOOT_FILE_MAX]; /* IMAGE/PATH */
	char from[96];            /* "profile debian12", "cluster", "built in" */
	bool own;                 /* the profile's own */
};
/* False, with a line in ret_problem, if there is none or its image lacks it. */
bool boot_loader_find(const struct boot_source *source, const struct boot_choice *choice,
	uint16_t arch, struct boot_loader *ret_loader, char *ret_problem, size_t problem_bytes);
/* "uefi-x64" for UEFI HTTP Boot too; "7" style text for a number without a name (in buffer). */
const char *boot_arch_name(uint16_t arch, char buffer[32]);
/* Is this program iPXE again, by its name? Giving it to an iPXE would go round for ever. */
bool boot_is_ipxe_file(const char *path);

/* Does the profile have a menu from which somebody has to choose? It may be NULL. */
bool boot_profile_has_menu(const Pxe__Profile *profile);

/* Does the profile have something that an iPXE script can start? */
bool boot_profile_has_script(const Pxe__Profile *profile);

#endif
