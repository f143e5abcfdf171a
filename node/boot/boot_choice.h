/* node/boot/boot_choice.h: which configuration applies to a machine: shared by the decision, the
 * script and the explanation.
 *
 * Pure. Everything here is borrowed from the source.
 */
#ifndef NODE_BOOT_BOOT_CHOICE_H
#define NODE_BOOT_BOOT_CHOICE_H

#include "node/boot/boot.h"
#include "store/model/levels.h"
#include "store/model/model.h"

#define BOOT_PIN_DIGITS 16 /* hexadecimal digits of a digest that URLs carry */
#define BOOT_FILE_MAX   512

enum boot_builtin { BOOT_BUILTIN_NOT, BOOT_BUILTIN_LOCAL, BOOT_BUILTIN_MENU, BOOT_BUILTIN_WAIT };

struct boot_choice {
	const Pxe__Settings *settings; /* may be NULL: no state yet */
	const Pxe__Host *host;         /* NULL: unknown machine */
	const char *host_from;         /* "hardware address" or "UUID" */
	const Pxe__Subnet *subnet;     /* NULL: the link is not configured */
	const char *profile_name;      /* NULL: none chosen */
	char profile_from[96];       /* "once", "host n02", "group dell", "subnet lab", "cluster" */
	const Pxe__Profile *profile; /* NULL: none chosen, or not defined, or built in */
	enum boot_builtin builtin;   /* of a name that is built in, but for "none" */
	bool local;                  /* the built-in "local", or a profile that says so */
	const char *image; /* of the profile, or the version that the one-shot boot began with; may
			      be "" */
	const Pxe__Once *once; /* the host's, whatever its state; NULL: none */
	bool is_once;          /* the profile is that of the one-shot boot */
	bool wants_claim;      /* the one-shot boot must be claimed before anything is given */
	char problem[256];     /* "" or why nothing can be booted and what to do */
};

void boot_choose(const struct boot_source *source, const struct boot_client *client,
	struct boot_choice *ret_choice);

/* If the chosen profile has a menu: go on with the profile of the item that the client names, or,
 * where there is nothing to choose, of the first. */
void boot_choose_of_menu(const struct boot_source *source, const struct boot_client *client,
	struct boot_choice *choice);

/* The levels that decide for a client: client->levels, or what the source says, in `room`. */
const struct model_levels *boot_levels(const struct boot_source *source,
	const struct boot_client *client, struct model_levels *room);

/* "NAME", "NAME@PIN", "NAME@prev": the image of a profile, with the version that its name points to
 * now. */
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
	bool chain;               /* it starts the profile's kernel by itself, without iPXE */
};
/* False, with a line in ret_problem, if there is none or its image lacks it. */
bool boot_loader_find(const struct boot_source *source, const struct boot_choice *choice,
	uint16_t arch, struct boot_loader *ret_loader, char *ret_problem, size_t problem_bytes);
/* "uefi-x64" for UEFI HTTP Boot too; "7" style text for a number without a name (in buffer). */
const char *boot_arch_name(uint16_t arch, char buffer[32]);
/* Is this program iPXE again, by its name? Giving it to an iPXE would go round for ever. */
bool boot_is_ipxe_file(const char *path);

/* Armed or claimed. once: NULL is none. */
bool boot_once_is_open(const Pxe__Once *once);

/* Does the profile have a menu from which somebody has to choose? It may be NULL. */
bool boot_profile_has_menu(const Pxe__Profile *profile);

/* Does the profile have something that an iPXE script can start? */
bool boot_profile_has_script(const Pxe__Profile *profile);

/* Is it iPXE that a machine of the architecture runs for this: built-in scripts, and a profile with
 * a script or kernel whose chain has no other program for the architecture? */
bool boot_choice_has_script(const struct boot_choice *choice, uint16_t arch);

#endif
