/* store/model/apply_delete.c: removal of configuration objects, unless something still uses them.
 * Pure. */
#include "proto/wire/text.h"
#include "store/model/levels.h"
#include "store/model/put.h"
#include <stdlib.h>
#include <string.h>

#define OK        PXE__VERDICT__VERDICT_OK
#define INVALID   PXE__VERDICT__VERDICT_INVALID
#define CONFLICT  PXE__VERDICT__VERDICT_CONFLICT
#define NOT_FOUND PXE__VERDICT__VERDICT_NOT_FOUND

/* Names are checked before they are printed; what no object can be called is not found. */
static Pxe__Verdict delete_not_found(struct apply *a, const char *what, const char *name)
{
	if (!check_is_name(name))
		return internal_refuse(
			a, NOT_FOUND, "no %s has such a name: pxectl %s list", what, what);
	return internal_refuse(
		a, NOT_FOUND, "%s %s does not exist: see pxectl %s list", what, name, what);
}

static void delete_record(struct apply *a, enum record_kind kind, const char *name)
{
	keep_remove(a->model, a->sink, kind, name, strlen(name));
}

/* ---- subnets ---- */

static const Pxe__Pool *delete_pool_of(const struct model *model, const char *subnet)
{
	const struct shelf *pools = &model->shelf[RECORD_POOL];
	for (size_t i = 0; i < pools->count; i++) {
		const Pxe__Pool *pool = (const Pxe__Pool *)pools->records[i]->message;
		if (strcmp(pool->subnet, subnet) == 0)
			return pool;
	}
	return NULL;
}

static size_t delete_count_leases(const struct apply *a, const char *subnet)
{
	size_t count = 0;
	for (size_t i = 0; i < a->model->leases.count; i++) {
		const struct lease_record *record = lease_table_at(&a->model->leases, i);
		if (record->free_at_ms > a->now_ms &&
			strcmp(lease_record_subnet(record), subnet) == 0)
			count++;
	}
	return count;
}

static const Pxe__Host *delete_host_in(const struct model *model, const Pxe__Subnet *subnet)
{
	uint32_t first, last;
	internal_subnet_range(subnet, &first, &last);
	const struct shelf *hosts = &model->shelf[RECORD_HOST];
	for (size_t i = 0; i < hosts->count; i++) {
		const Pxe__Host *host = (const Pxe__Host *)hosts->records[i]->message;
		if (internal_host_ip_in(host, first, last) != 0)
			return host;
	}
	return NULL;
}

/* Its pools go with it; its leases stay until they ran out, so that nobody else gets their
 * addresses [P1]. */
static Pxe__Verdict delete_subnet(struct apply *a, const Pxe__Delete *remove)
{
	const Pxe__Subnet *subnet = model_subnet(a->model, remove->name);
	if (subnet == NULL)
		return delete_not_found(a, "subnet", remove->name);
	const Pxe__Pool *pool = delete_pool_of(a->model, subnet->name);
	const Pxe__Host *host = delete_host_in(a->model, subnet);
	size_t leases = delete_count_leases(a, subnet->name);
	if (!remove->even_if_used) {
		if (leases > 0)
			return internal_refuse(a, CONFLICT,
				"subnet %s has %zu leases: wait until they ran out, or remove it "
				"with --force",
				subnet->name, leases);
		if (pool != NULL)
			return internal_refuse(a, CONFLICT,
				"subnet %s has the pool %s: remove the pool first, or remove it "
				"with --force",
				subnet->name, pool->name);
		if (host != NULL)
			return internal_refuse(a, CONFLICT,
				"host %s has a reserved address in subnet %s: change the host "
				"first, or remove "
				"it with --force",
				host->name, subnet->name);
	}
	while ((pool = delete_pool_of(a->model, remove->name)) != NULL) {
		char name[MODEL_NAME_MAX + 1];
		memcpy(name, pool->name, strlen(pool->name) + 1);
		delete_record(a, RECORD_POOL, name);
	}
	delete_record(a, RECORD_SUBNET, remove->name);
	return OK;
}

/* ---- profiles and images ---- */

/* Does an item of this profile's menu boot that one? Its own does not count. */
static bool delete_menu_names(const Pxe__Profile *of, const char *profile)
{
	if (of->menu == NULL || strcmp(of->name, profile) == 0)
		return false;
	for (size_t i = 0; i < of->menu->n_items; i++) {
		if (strcmp(of->menu->items[i]->profile, profile) == 0)
			return true;
	}
	return false;
}

/* Is it the profile of a level, or one of its profiles by architecture? */
static bool delete_boots(
	const char *own, Pxe__ArchProfile *const *profiles, size_t count, const char *profile)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(profiles[i]->profile, profile) == 0)
			return true;
	}
	return strcmp(own, profile) == 0;
}

/* Who names this profile: "host n07"; NULL: nobody. */
static const char *delete_profile_user(
	const struct model *model, const char *profile, const char **ret_name)
{
	const struct shelf *hosts = &model->shelf[RECORD_HOST];
	for (size_t i = 0; i < hosts->count; i++) {
		const Pxe__Host *host = (const Pxe__Host *)hosts->records[i]->message;
		*ret_name = host->name;
		if (delete_boots(host->profile, host->profiles, host->n_profiles, profile))
			return "host";
	}
	const struct shelf *subnets = &model->shelf[RECORD_SUBNET];
	for (size_t i = 0; i < subnets->count; i++) {
		const Pxe__Subnet *subnet = (const Pxe__Subnet *)subnets->records[i]->message;
		*ret_name = subnet->name;
		if (delete_boots(subnet->profile, subnet->profiles, subnet->n_profiles, profile))
			return "subnet";
	}
	const struct shelf *groups = &model->shelf[RECORD_GROUP];
	for (size_t i = 0; i < groups->count; i++) {
		const Pxe__Group *group = (const Pxe__Group *)groups->records[i]->message;
		*ret_name = group->name;
		if (delete_boots(group->profile, group->profiles, group->n_profiles, profile))
			return "group";
	}
	const struct shelf *profiles = &model->shelf[RECORD_PROFILE];
	for (size_t i = 0; i < profiles->count; i++) {
		const Pxe__Profile *other = (const Pxe__Profile *)profiles->records[i]->message;
		*ret_name = other->name;
		if (delete_menu_names(other, profile))
			return "the menu of profile";
	}
	if (apply_boot_uses(model, profile, ret_name))
		return "the next boot of host";
	const Pxe__Settings *settings = model_settings(model);
	*ret_name = "default";
	return settings != NULL && delete_boots(settings->profile, settings->profiles,
					   settings->n_profiles, profile)
		       ? "the cluster's"
		       : NULL;
}

static Pxe__Verdict delete_profile(struct apply *a, const Pxe__Delete *remove)
{
	const char *user_name;
	if (model_profile(a->model, remove->name) == NULL)
		return delete_not_found(a, "profile", remove->name);
	const char *user = delete_profile_user(a->model, remove->name, &user_name);
	if (user != NULL && !remove->even_if_used)
		return internal_refuse(a, CONFLICT,
			"profile %s is used by %s %s: give that another one first, or remove with "
			"--force",
			remove->name, user, user_name);
	delete_record(a, RECORD_PROFILE, remove->name);
	return OK;
}

/* ---- groups ---- */

static bool delete_names(char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

/* Who names this group: "pool p1"; NULL: nobody. */
static const char *delete_group_user(
	const struct model *model, const char *group, const char **ret_name)
{
	const struct shelf *pools = &model->shelf[RECORD_POOL];
	for (size_t i = 0; i < pools->count; i++) {
		const Pxe__Pool *pool = (const Pxe__Pool *)pools->records[i]->message;
		*ret_name = pool->name;
		if (delete_names(pool->only, pool->n_only, group) ||
			delete_names(pool->except, pool->n_except, group))
			return "pool";
	}
	const struct shelf *hosts = &model->shelf[RECORD_HOST];
	for (size_t i = 0; i < hosts->count; i++) {
		const Pxe__Host *host = (const Pxe__Host *)hosts->records[i]->message;
		*ret_name = host->name;
		if (delete_names(host->groups, host->n_groups, group))
			return "host";
	}
	return NULL;
}

/* A name that remains somewhere is nobody's group: such a pool admits nobody by it. */
static Pxe__Verdict delete_group(struct apply *a, const Pxe__Delete *remove)
{
	const char *user_name;
	if (model_group(a->model, remove->name) == NULL)
		return delete_not_found(a, "group", remove->name);
	const char *user = delete_group_user(a->model, remove->name, &user_name);
	if (user != NULL && !remove->even_if_used)
		return internal_refuse(a, CONFLICT,
			"group %s is named by %s %s: change that first, or remove with --force",
			remove->name, user, user_name);
	delete_record(a, RECORD_GROUP, remove->name);
	return OK;
}

static const Pxe__Profile *delete_image_user(const struct model *model, const char *image)
{
	size_t bytes = strlen(image);
	const struct shelf *profiles = &model->shelf[RECORD_PROFILE];
	for (size_t i = 0; i < profiles->count; i++) {
		const Pxe__Profile *profile = (const Pxe__Profile *)profiles->records[i]->message;
		if (strncmp(profile->image, image, bytes) == 0 &&
			(profile->image[bytes] == '\0' || profile->image[bytes] == '@'))
			return profile;
	}
	return NULL;
}

static const Pxe__ImageVersion *delete_any_version(const struct model *model, const char *image)
{
	uint8_t key[RECORD_KEY_MAX], first[32] = {0};
	size_t key_bytes = record_key_version(image, first, key);
	const struct shelf *versions = &model->shelf[RECORD_IMAGE_VERSION];
	size_t at = shelf_lower_bound(versions, key, key_bytes);
	if (at == versions->count)
		return NULL;
	const Pxe__ImageVersion *version =
		(const Pxe__ImageVersion *)versions->records[at]->message;
	return strcmp(version->image, image) == 0 ? version : NULL;
}

static void delete_version(struct apply *a, const char *image, const uint8_t digest[32])
{
	uint8_t key[RECORD_KEY_MAX];
	size_t key_bytes = record_key_version(image, digest, key);
	keep_remove(a->model, a->sink, RECORD_IMAGE_VERSION, key + 1, key_bytes - 1);
}

static Pxe__Verdict delete_image(struct apply *a, const Pxe__Delete *remove)
{
	if (model_image(a->model, remove->name) == NULL)
		return delete_not_found(a, "image", remove->name);
	const Pxe__Profile *user = delete_image_user(a->model, remove->name);
	if (user != NULL && !remove->even_if_used)
		return internal_refuse(a, CONFLICT,
			"image %s is used by profile %s: change the profile first, or remove with "
			"--force",
			remove->name, user->name);
	const Pxe__ImageVersion *version;
	while ((version = delete_any_version(a->model, remove->name)) != NULL) {
		uint8_t digest[32];
		memcpy(digest, version->digest.data, sizeof(digest));
		delete_version(a, remove->name, digest);
	}
	delete_record(a, RECORD_IMAGE, remove->name);
	return OK;
}

/* The only version of the image whose digest begins with `digits` (hexadecimal); NULL: none, or
 * several. */
static const Pxe__ImageVersion *delete_find_version(
	const struct model *model, const char *image, const char *digits)
{
	const Pxe__ImageVersion *found = NULL;
	const struct shelf *versions = &model->shelf[RECORD_IMAGE_VERSION];
	for (size_t i = 0; i < versions->count; i++) {
		char hex[65];
		const Pxe__ImageVersion *version =
			(const Pxe__ImageVersion *)versions->records[i]->message;
		text_hex_format(version->digest.data, 32, hex, sizeof(hex));
		if (strcmp(version->image, image) != 0 || strncmp(hex, digits, strlen(digits)) != 0)
			continue;
		if (found != NULL)
			return NULL;
		found = version;
	}
	return found;
}

/* "IMAGE@DIGEST", at least 12 digits. What machines get now stays. */
static Pxe__Verdict delete_image_version(struct apply *a, const Pxe__Delete *remove)
{
	char image_name[MODEL_NAME_MAX + 1] = "";
	const char *at = strchr(remove->name, '@');
	size_t bytes = at == NULL ? 0 : (size_t)(at - remove->name);
	if (bytes == 0 || bytes > MODEL_NAME_MAX || strlen(at + 1) < 12)
		return internal_refuse(a, INVALID,
			"name a version as IMAGE@DIGEST, at least 12 hexadecimal digits");
	memcpy(image_name, remove->name, bytes);
	const Pxe__Image *image = model_image(a->model, image_name);
	const Pxe__ImageVersion *version = delete_find_version(a->model, image_name, at + 1);
	if (image == NULL || version == NULL)
		return internal_refuse(a, NOT_FOUND,
			"no version, or more than one, is meant: see pxectl image show");
	if (internal_same_bytes(version->digest, image->current_digest))
		return internal_refuse(a, CONFLICT,
			"this is what machines get of image %s: push another version first",
			image_name);
	const char *user_name;
	const char *user = internal_image_user(a->model, image, version->digest, &user_name);
	if (user != NULL)
		return internal_refuse(a, CONFLICT,
			"this version of image %s is named by %s %s: change that first", image_name,
			user, user_name);
	uint8_t digest[32];
	memcpy(digest, version->digest.data, sizeof(digest));
	Pxe__Image *copy = (Pxe__Image *)keep_copy(&image->base);
	if (internal_same_bytes(version->digest, copy->previous_digest))
		keep_set_data(&copy->previous_digest, NULL, 0);
	if (internal_same_bytes(version->digest, copy->staged_digest))
		keep_set_data(&copy->staged_digest, NULL, 0);
	keep_message(a->model, a->sink, RECORD_IMAGE, &copy->base);
	delete_version(a, image_name, digest);
	return OK;
}

/* ---- all kinds ---- */

static Pxe__Verdict delete_plain(
	struct apply *a, enum record_kind kind, const char *what, const char *name)
{
	size_t bytes = strlen(name);
	if (bytes == 0 || bytes > MODEL_NAME_MAX || keep_find(a->model, kind, name, bytes) == NULL)
		return delete_not_found(a, what, name);
	delete_record(a, kind, name);
	return OK;
}

static Pxe__Verdict delete_host(struct apply *a, const char *name)
{
	const Pxe__Host *host = model_host(a->model, name);
	if (host == NULL)
		return delete_not_found(a, "host", name);
	put_host_remove(a, host);
	keep_remove(a->model, a->sink, RECORD_ONCE, name, strlen(name));
	return OK;
}

static Pxe__Verdict delete_token(struct apply *a, const char *name)
{
	uint8_t id[8];
	size_t bytes;
	if (text_hex_parse(name, id, sizeof(id), &bytes) != 0 || bytes != sizeof(id) ||
		keep_find(a->model, RECORD_TOKEN, id, sizeof(id)) == NULL)
		return internal_refuse(a, NOT_FOUND,
			"there is no such token: it was used, ran out, or see pxectl cluster token "
			"list");
	keep_remove(a->model, a->sink, RECORD_TOKEN, id, sizeof(id));
	return OK;
}

/* It comes back when it is seen again. */
static Pxe__Verdict delete_machine(struct apply *a, const char *name)
{
	uint8_t mac[16];
	size_t bytes;
	if (text_hwaddr_parse(name, mac, &bytes) != 0 || bytes == 0 ||
		model_machine_seen(a->model, mac, bytes) == NULL)
		return internal_refuse(a, NOT_FOUND,
			"no machine with this hardware address was seen: pxectl machine list");
	keep_remove(a->model, a->sink, RECORD_MACHINE, mac, bytes);
	return OK;
}

static Pxe__Verdict delete_object(struct apply *a, const Pxe__Delete *remove)
{
	switch (remove->kind) {
	case PXE__OBJECT_KIND__OBJECT_SUBNET: return delete_subnet(a, remove);
	case PXE__OBJECT_KIND__OBJECT_POOL:
		return delete_plain(a, RECORD_POOL, "pool", remove->name);
	case PXE__OBJECT_KIND__OBJECT_HOST: return delete_host(a, remove->name);
	case PXE__OBJECT_KIND__OBJECT_PROFILE: return delete_profile(a, remove);
	case PXE__OBJECT_KIND__OBJECT_IMAGE: return delete_image(a, remove);
	case PXE__OBJECT_KIND__OBJECT_IMAGE_VERSION: return delete_image_version(a, remove);
	case PXE__OBJECT_KIND__OBJECT_OPERATOR:
		return delete_plain(a, RECORD_OPERATOR, "key", remove->name);
	case PXE__OBJECT_KIND__OBJECT_TOKEN: return delete_token(a, remove->name);
	case PXE__OBJECT_KIND__OBJECT_MEMBER:
		return internal_refuse(a, INVALID, "nodes leave by pxectl node remove");
	case PXE__OBJECT_KIND__OBJECT_LEASE:
		return internal_refuse(a, INVALID, "leases end by pxectl lease release");
	case PXE__OBJECT_KIND__OBJECT_SETTINGS:
		return internal_refuse(a, INVALID, "settings can be changed, not removed");
	case PXE__OBJECT_KIND__OBJECT_GROUP: return delete_group(a, remove);
	case PXE__OBJECT_KIND__OBJECT_ONCE:
		return internal_refuse(a, INVALID, "a boot is taken back by pxectl boot cancel");
	case PXE__OBJECT_KIND__OBJECT_MACHINE: return delete_machine(a, remove->name);
	case PXE__OBJECT_KIND__OBJECT_NONE:
	case _PXE__OBJECT_KIND_IS_INT_SIZE:
	default: break;
	}
	return internal_refuse(a, INVALID, "kind %d of object is not known", (int)remove->kind);
}

Pxe__Verdict apply_delete(struct apply *a, const Pxe__Delete *remove)
{
	if (remove->if_revision != 0 && remove->if_revision != a->model->revision)
		return internal_refuse(a, CONFLICT,
			"the configuration is at revision %llu, not %llu: look at it again, then "
			"retry",
			(unsigned long long)a->model->revision,
			(unsigned long long)remove->if_revision);
	Pxe__Verdict verdict = delete_object(a, remove);
	/* What was seen is no configuration. */
	if (verdict == OK && remove->kind != PXE__OBJECT_KIND__OBJECT_MACHINE)
		keep_changed(a);
	return verdict;
}
