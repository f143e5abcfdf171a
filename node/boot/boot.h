/* node/boot/boot.h: what a machine boots, and why. Pure: a function of the configuration and of
 * what the client says.
 *
 * Order of choice: host's one-shot boot, host's profile, its groups' (the last one that names any),
 * subnet's, cluster's; at each level what it says for the machine's architecture comes first; a
 * machine without a profile gets none. Built in are "local" (the disk), "none" (an address only),
 * "menu" (a menu of all profiles) and "wait" (asks again until it gets another one). A profile with
 * a menu: BIOS ROMs show it, for UEFI iPXE does; where there is nothing to choose (one item, no
 * time) the first item is booted at once. First program by architecture: profile's own loader, else
 * that of its chain (GRUB, shim, PXELINUX), else the cluster's setting, else the built-in table
 * (iPXE of the image "ipxe": bios undionly.kpxe, uefi-x64 snponly.efi ...). A client that is iPXE
 * already gets the script's URL (loop break). The configuration is reached through struct
 * boot_source, so that the DHCP engine decides from the loop's model and the HTTP threads from the
 * durable state, with the same code.
 */
#ifndef NODE_BOOT_BOOT_H
#define NODE_BOOT_BOOT_H

#include "proto/msg/admin.pb-c.h"
#include "proto/msg/records.pb-c.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct boot_client;
struct model_levels;

/* Lookups return objects that the source owns, valid for as long as its owner says (the model:
 * until it changes), or NULL. */
struct boot_source {
	void *ctx;
	const Pxe__Settings *(*settings)(void *ctx);
	const Pxe__Host *(*host_of_mac)(void *ctx, const uint8_t *mac, size_t mac_bytes);
	const Pxe__Host *(*host_of_uuid)(void *ctx, const uint8_t uuid[16]);
	const Pxe__Subnet *(*subnet_of)(void *ctx, uint32_t ip);
	const Pxe__Profile *(*profile)(void *ctx, const char *name);
	const Pxe__Image *(*image)(void *ctx, const char *name);
	const Pxe__Member *(*member)(void *ctx, uint64_t id);
	/* Optional: every profile by name, for the built-in menu; false stops. */
	void (*each_profile)(
		void *ctx, bool (*visit)(void *visit_ctx, const void *profile), void *visit_ctx);
	/* Optional: the next boot of a host, once; NULL: none. */
	const Pxe__Once *(*once)(void *ctx, const char *host);
	/* Optional (NULL: files are taken to be there): lets a decision say that the image lacks
	 * the program it names. */
	const Pxe__ImageVersion *(*version)(void *ctx, const char *image, const uint8_t digest[32]);
	/* Optional: what the levels of the configuration say for the machine, store/model/levels.h.
	 */
	void (*levels)(
		void *ctx, const struct boot_client *client, struct model_levels *ret_levels);
	uint64_t self; /* the member that serves; 0: not told */
};

struct model;
/* A source over the loop's model. */
void boot_source_of_model(const struct model *model, struct boot_source *ret_source);

/* What the levels of the configuration give a client, as far as it can be told of struct
 * boot_client. */
void boot_levels_of_model(const struct model *model, const struct boot_client *client,
	struct model_levels *ret_levels);

struct boot_client {
	uint8_t mac[16];
	uint8_t mac_bytes;
	bool has_uuid;
	uint8_t uuid[16];
	uint16_t arch;  /* option 93; UINT16_MAX: none given (BIOS assumed for a PXE client) */
	bool is_pxe;    /* option 60 begins with "PXEClient" (or it is iPXE) */
	bool is_http;   /* option 60 begins with "HTTPClient": UEFI HTTP Boot */
	bool is_ipxe;   /* user class "iPXE" */
	bool broadcast; /* asked for broadcast replies (RFC 2131 §2): an iPXE does so when it runs
			 * on another PXE stack, as one that a ROM has loaded does, and not when it
			 * is the ROM itself */
	bool no_http;   /* an iPXE whose build speaks no HTTP */
	/* What groups match by, besides; "": not known. */
	char vendor_class[256], user_class[256];
	/* The levels of the machine, if somebody knows them better than the source can, which has
	 * only what stands here; borrowed. */
	const struct model_levels *levels;
	char boot[24];   /* number of this boot, as Once.boot; "": not known */
	uint64_t now_ms; /* cluster time, for one-shot boots */
	bool goes_on; /* asks for more of a boot that began before: a one-shot boot that is claimed
			 is this one */
	/* Its booted system asks: a one-shot boot that ended because that came up is still its
	 * boot, unless a newer one is known by these two, as in the machine's record; 0, "": none.
	 */
	bool is_system;
	uint64_t last_boot_ms;
	char last_profile[64];
	bool without_once; /* no one-shot boot: it could not be claimed */
	char profile[64];  /* not by the levels: an item of a menu, or what the answer of DHCP knew;
			      "": by these */
	char profile_from[80]; /* "menu"; if `profile` is set */
	bool has_item;         /* the client names an item of its profile's menu */
	uint16_t item;         /* its type */
	const char *groups;    /* that it belongs to, for boot_explain() alone; NULL or "": none */
	bool ignored;       /* its host or a group says: never answer; for boot_explain() alone */
	uint32_t ip;        /* its address (chosen or known), host order; 0 unknown */
	uint32_t subnet_ip; /* any address in its subnet (giaddr or our interface address), for the
			       subnet's profile */
};

enum boot_kind {
	BOOT_NONE,   /* no boot information: not a boot client, no profile, or nothing for this
			architecture */
	BOOT_LOADER, /* file: TFTP path of the first program */
	BOOT_SCRIPT, /* file: URL of the iPXE script */
	BOOT_HTTP,   /* file: URL of the EFI program (UEFI HTTP Boot) */
	BOOT_LOCAL, /* continue with the local disk: iPXE gets a script that exits; ROMs get nothing
		     */
	BOOT_MENU,  /* `menu` is shown by the ROM, which then asks for an item */
};

struct boot_decision {
	enum boot_kind kind;
	char file[512];
	uint32_t server_ip; /* TFTP/HTTP server to name (siaddr), host order */
	char profile[64];
	char host[64];            /* name of the known machine, "" unknown */
	const Pxe__PxeMenu *menu; /* for BOOT_MENU: borrowed from the source; else NULL */
	char why[256];            /* for BOOT_NONE: what is missing and what to do */
	bool ignore;              /* the host is set to be ignored */
};

/* server_ip, http_port: what URLs name. Total. */
void boot_decide(const struct boot_source *source, const struct boot_client *client,
	uint32_t server_ip, uint16_t http_port, struct boot_decision *ret_decision);
/* The iPXE script for the client; heap (free()), never NULL: an unknown machine gets a script that
 * says so and exits. base_urls: "http://ip:port" of this node first, then of the other members (the
 * script tries the next one when one fails). */
char *boot_script(const struct boot_source *source, const struct boot_client *client,
	const char *const *base_urls, size_t base_url_count);

#define BOOT_CLAIM_RETRIES 60u
/* The script for when the one-shot boot could not be claimed: it asks all nodes again after 5 s,
 * with "retry=" grown by one. Heap, never NULL. */
char *boot_script_unclaimed(const struct boot_source *source, const struct boot_client *client,
	unsigned retry, const char *const *base_urls, size_t base_url_count);

/* The configuration that a boot program of the machine asks for by a name that no file has: GRUB's
 * grub.cfg; PXELINUX's, or U-Boot's with its differences. Heap, never NULL: what cannot be booted
 * is said in words, and the local disk follows. unclaimed: its one-shot boot could not be claimed,
 * so it asks again after a while. */
char *boot_grub_config(const struct boot_source *source, const struct boot_client *client,
	const char *const *base_urls, size_t base_url_count, bool unclaimed);
char *boot_pxelinux_config(const struct boot_source *source, const struct boot_client *client,
	const char *const *base_urls, size_t base_url_count, bool uboot, bool unclaimed);

/* The reasons, for `pxectl boot explain`; fills ret (protobuf, freed with
 * pxe__boot_explanation__free_unpacked(ret, NULL)). */
Pxe__BootExplanation *boot_explain(const struct boot_source *source,
	const struct boot_client *client, uint32_t server_ip, uint16_t http_port,
	const char *const *base_urls, size_t base_url_count);
/* A file as the machine would get it: a template of its profile by name, "boot.ipxe", "grub.cfg",
 * "pxelinux.cfg", "extlinux.conf"; what is wrong with it, if it cannot be made. Heap (free());
 * NULL: there is no such file. */
char *boot_explain_render(const struct boot_source *source, const struct boot_client *client,
	const char *name, const char *const *base_urls, size_t base_url_count);

#endif
