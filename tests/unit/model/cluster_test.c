/* Members and images: joining, leaving, staging and publishing. */
#include "tests/unit/model/model_kit.h"

static char *text(const char *constant)
{
	return (char *)(uintptr_t)constant;
}

/* ---- members ---- */

static Pxe__Verdict put_token(struct kit *kit, uint8_t n, Pxe__TokenKind kind, const char *for_name)
{
	uint8_t id[8] = {n}, hash[32], secret[16] = {n, 0x77};
	Pxe__Token token = PXE__TOKEN__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	crypto_generichash(hash, sizeof(hash), secret, sizeof(secret), NULL, 0);
	token.id = kit_bytes(id, 8);
	token.secret_hash = kit_bytes(hash, 32);
	token.kind = kind;
	token.for_name = text(for_name);
	token.expires_ms = kit->now_ms + 3600000;
	put.object_case = PXE__PUT__OBJECT_TOKEN;
	put.token = &token;
	return kit_put(kit, &put);
}

struct joiner {
	Pxe__Member member;
	Pxe__MemberJoin join;
	Pxe__Command command;
	uint8_t token_id[8], secret[16], key[32], ip[4], request[16];
	char name[32], address[32];
};

/* Node n with token n, a good one; change it before it is applied. */
static void joiner_init(struct joiner *joiner, uint8_t n)
{
	*joiner = (struct joiner){
		.token_id = {n}, .secret = {n, 0x77}, .key = {n, 1}, .ip = {10, 0, 0, n}};
	pxe__member__init(&joiner->member);
	pxe__member_join__init(&joiner->join);
	pxe__command__init(&joiner->command);
	snprintf(joiner->name, sizeof(joiner->name), "pxe%u", n);
	snprintf(joiner->address, sizeof(joiner->address), "10.0.0.%u:7440", n);
	joiner->member.name = joiner->name;
	joiner->member.peer_address = joiner->address;
	joiner->member.api_address = joiner->address;
	joiner->member.join_address = joiner->address;
	joiner->member.serve_ip = kit_bytes(joiner->ip, 4);
	joiner->member.public_key = kit_bytes(joiner->key, 32);
	joiner->member.id = 4711;
	joiner->join.member = &joiner->member;
	joiner->join.token_id = kit_bytes(joiner->token_id, 8);
	joiner->join.token_secret = kit_bytes(joiner->secret, 16);
	joiner->command.op_case = PXE__COMMAND__OP_MEMBER_JOIN;
	joiner->command.member_join = &joiner->join;
	joiner->request[0] = n;
	joiner->command.request_id = kit_bytes(joiner->request, 16);
}

static uint64_t join(struct kit *kit, uint8_t n)
{
	struct joiner joiner;
	assert_int_equal(put_token(kit, n, PXE__TOKEN_KIND__TOKEN_NODE, ""), V(OK));
	joiner_init(&joiner, n);
	assert_int_equal(kit_apply(kit, &joiner.command), V(OK));
	return kit->result.id;
}

static void test_a_join_uses_its_token_up(void **state)
{
	(void)state;
	struct kit kit;
	struct joiner joiner;
	kit_init(&kit);
	assert_int_equal(put_token(&kit, 4, PXE__TOKEN_KIND__TOKEN_NODE, "pxe4"), V(OK));
	joiner_init(&joiner, 4);
	kit_expect(&kit, kit_apply(&kit, &joiner.command), V(OK), "");
	assert_int_equal(kit.result.id, 2);
	assert_string_equal(model_member(kit.model, 2)->name, "pxe4");
	assert_int_equal(model_member(kit.model, 2)->joined_ms, KIT_START_MS);
	assert_int_equal(model_settings(kit.model)->next_member_id, 3);
	/* The retry of the same request is told the same id. */
	uint64_t revision = model_revision(kit.model);
	kit_expect(&kit, kit_apply(&kit, &joiner.command), V(OK), "");
	assert_int_equal(kit.result.id, 2);
	assert_int_equal(model_revision(kit.model), revision);
	/* Another request with the used token is refused. */
	joiner.request[1] = 9;
	kit_expect(&kit, kit_apply(&kit, &joiner.command), V(DENIED), "not known or was used");
	assert_null(model_member(kit.model, 3));
	kit_fini(&kit);
}

static void test_joins_are_judged(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 19; i++) {
		struct kit kit;
		struct joiner joiner;
		kit_init(&kit);
		assert_int_equal(join(&kit, 5), 2);
		assert_int_equal(kit_host(&kit, "n07", 7, 0, "10.0.0.70"), V(OK));
		assert_int_equal(put_token(&kit, 4, PXE__TOKEN_KIND__TOKEN_NODE, "pxe4"), V(OK));
		joiner_init(&joiner, 4);
		Pxe__Verdict expected = V(INVALID);
		const char *detail = "";
		switch (i) {
		case 0: expected = V(OK); break;
		case 1: joiner.secret[3] = 1, expected = V(DENIED), detail = "not known"; break;
		case 2: joiner.token_id[3] = 1, expected = V(DENIED), detail = "not known"; break;
		case 3: joiner.join.token_secret.len = 0, expected = V(DENIED); break;
		case 4: joiner.join.token_id.len = 7, expected = V(DENIED); break;
		case 5: kit_at(&kit, 3600000), expected = V(EXPIRED), detail = "has run out"; break;
		case 6: kit_at(&kit, 3599999), expected = V(OK); break;
		case 7:
			joiner.member.name = text("other"), expected = V(DENIED);
			detail = "for node pxe4, not for other";
			break;
		case 8:
			joiner.member.role = PXE__MEMBER_ROLE__MEMBER_WITNESS, expected = V(DENIED);
			detail = "for a node that serves";
			break;
		case 9: joiner.join.member = NULL, detail = "names no node"; break;
		case 10: joiner.member.name = text("a b"), detail = "node name"; break;
		case 11:
			memset(joiner.key, 0, 32), joiner.key[0] = 5, joiner.key[1] = 1;
			expected = V(EXISTS), detail = "key of this node is that of node pxe5";
			break;
		case 12: joiner.member.public_key.len = 31, detail = "not a public key"; break;
		case 13: joiner.member.peer_address = text(""), detail = "address for nodes"; break;
		case 14:
			joiner.member.api_address = text("10.0.0.4"), detail = "ADDRESS:PORT";
			break;
		case 15:
			joiner.member.api_address = text("a b:7440"), detail = "ADDRESS:PORT";
			break;
		case 16:
			joiner.ip[3] = 5, expected = V(CONFLICT), detail = "that of node pxe5";
			break;
		case 17:
			joiner.ip[3] = 70, expected = V(CONFLICT), detail = "reserved for host n07";
			break;
		default: joiner.member.serve_ip.len = 0, detail = "address that clients use"; break;
		}
		kit_expect(&kit, kit_apply(&kit, &joiner.command), expected, detail);
		assert_int_equal(model_member(kit.model, 3) != NULL, expected == V(OK));
		kit_fini(&kit);
	}
}

static void test_the_cluster_has_a_limit(void **state)
{
	(void)state;
	struct kit kit;
	struct joiner joiner;
	kit_init(&kit);
	for (uint8_t n = 101; n < 100 + MODEL_MEMBERS_MAX; n++)
		join(&kit, n);
	assert_int_equal(put_token(&kit, 99, PXE__TOKEN_KIND__TOKEN_NODE, ""), V(OK));
	joiner_init(&joiner, 99);
	kit_expect(&kit, kit_apply(&kit, &joiner.command), V(LIMIT), "has 15 members");
	const Pxe__Member *members[MODEL_MEMBERS_MAX];
	assert_int_equal(model_members(kit.model, members, MODEL_MEMBERS_MAX), MODEL_MEMBERS_MAX);
	for (size_t i = 0; i < MODEL_MEMBERS_MAX; i++)
		assert_int_equal(members[i]->id, i + 1);
	kit_fini(&kit);
}

static void test_leaving(void **state)
{
	(void)state;
	struct kit kit;
	struct joiner joiner;
	kit_init(&kit);
	kit_expect(&kit, kit_leave(&kit, "pxe1", false), V(CONFLICT),
		"pxe1 is the last node that serves");
	kit_expect(&kit, kit_gone(&kit, 1), V(CONFLICT), "last node that serves");
	kit_expect(&kit, kit_leave(&kit, "nope", false), V(NOT_FOUND), "no such node");
	/* A witness serves nothing. */
	assert_int_equal(put_token(&kit, 4, PXE__TOKEN_KIND__TOKEN_WITNESS, ""), V(OK));
	joiner_init(&joiner, 4);
	joiner.member.role = PXE__MEMBER_ROLE__MEMBER_WITNESS;
	joiner.member.serve_ip.len = 0;
	kit_expect(&kit, kit_apply(&kit, &joiner.command), V(OK), "");
	kit_expect(&kit, kit_leave(&kit, "pxe1", false), V(CONFLICT), "last node that serves");
	assert_int_equal(join(&kit, 5), 3);
	kit_expect(&kit, kit_leave(&kit, "pxe1", false), V(OK), "");
	assert_true(model_member(kit.model, 1)->removing);
	kit_expect(&kit, kit_leave(&kit, "pxe1", false), V(OK), "");
	kit_expect(&kit, kit_leave(&kit, "pxe5", false), V(CONFLICT), "last node that serves");
	/* The window goes with the member. */
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Sweep sweep = PXE__SWEEP__INIT;
	command.origin = 1;
	command.seq = 1;
	command.op_case = PXE__COMMAND__OP_SWEEP;
	command.sweep = &sweep;
	assert_int_equal(kit_apply(&kit, &command), V(OK));
	kit_expect(&kit, kit_gone(&kit, 1), V(OK), "");
	assert_null(model_member(kit.model, 1));
	uint8_t key[RECORD_KEY_MAX];
	size_t bytes = record_key_u64(RECORD_WINDOW, 1, key);
	assert_int_equal(kit_disk_find(&kit.disk, key, bytes), kit.disk.count);
	/* Ids are never used again. */
	assert_int_equal(join(&kit, 6), 4);
	kit_fini(&kit);
}

static void test_a_member_changes_its_addresses_only(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(join(&kit, 5), 2);
	assert_int_equal(kit_offer(&kit, 1, kit_ip("10.0.0.12")), V(OK));
	uint8_t ip[4] = {10, 0, 0, 13};
	Pxe__Member member = PXE__MEMBER__INIT;
	Pxe__MemberUpdate update = PXE__MEMBER_UPDATE__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	update.member = &member;
	command.op_case = PXE__COMMAND__OP_MEMBER_UPDATE;
	command.member_update = &update;
	kit_expect(&kit, kit_apply(&kit, &command), V(NOT_FOUND), "no such member");
	member.id = 2;
	member.name = text("evil");
	member.role = PXE__MEMBER_ROLE__MEMBER_WITNESS;
	member.peer_address = text("10.0.0.13:7440");
	member.api_address = text("10.0.0.13:7441");
	member.serve_ip = kit_bytes(ip, 4);
	member.http_port = 8080;
	kit_expect(&kit, kit_apply(&kit, &command), V(OK), "");
	const Pxe__Member *now = model_member(kit.model, 2);
	assert_string_equal(now->name, "pxe5");
	assert_string_equal(now->peer_address, "10.0.0.13:7440");
	assert_int_equal(now->role, PXE__MEMBER_ROLE__MEMBER_FULL);
	assert_int_equal(now->http_port, 8080);
	assert_int_equal(now->public_key.len, 32);
	assert_int_equal(kit_bind(&kit, 2, kit_ip("10.0.0.13"), 0, true), V(NOT_AVAILABLE));
	uint64_t revision = model_revision(kit.model);
	kit_expect(&kit, kit_apply(&kit, &command), V(OK), "");
	assert_int_equal(model_revision(kit.model), revision);
	ip[3] = 2;
	kit_expect(&kit, kit_apply(&kit, &command), V(CONFLICT), "that of node pxe1");
	kit_fini(&kit);
}

static void test_tokens(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	kit_expect(&kit, put_token(&kit, 4, (Pxe__TokenKind)9, ""), V(INVALID), "token kind 9");
	kit_expect(&kit, put_token(&kit, 4, PXE__TOKEN_KIND__TOKEN_NODE, "pxe1"), V(CONFLICT),
		"pxe1 is a member already");
	kit_expect(&kit, put_token(&kit, 4, PXE__TOKEN_KIND__TOKEN_NODE, "pxe4"), V(OK), "");
	kit_expect(&kit, put_token(&kit, 5, PXE__TOKEN_KIND__TOKEN_NODE, ""), V(OK), "");
	kit_expect(&kit, kit_delete(&kit, PXE__OBJECT_KIND__OBJECT_TOKEN, "zz", false),
		V(NOT_FOUND), "");
	kit_expect(&kit,
		kit_delete(&kit, PXE__OBJECT_KIND__OBJECT_TOKEN, "0400000000000000", false), V(OK),
		"");
	/* Swept a day after they ran out. */
	kit_at(&kit, 3600000 + 86399999);
	assert_false(model_sweep_due(kit.model, kit.now_ms));
	kit_at(&kit, 3600000 + 86400000);
	assert_true(model_sweep_due(kit.model, kit.now_ms));
	assert_int_equal(kit_sweep(&kit, 10), V(OK));
	assert_false(model_sweep_due(kit.model, kit.now_ms));
	kit_fini(&kit);
}

/* ---- images ---- */

struct manifest {
	Pxe__ImageFile file[4];
	Pxe__ImageFile *files[4];
	Pxe__ImageVersion version;
	uint8_t sha[4][32], digest[32];
};

static void manifest_init(struct manifest *manifest, uint8_t n)
{
	static const char *const paths[4] = {"vmlinuz", "initrd.img", "boot/grub.cfg", "boot/a"};
	*manifest = (struct manifest){.digest = {n}};
	pxe__image_version__init(&manifest->version);
	for (unsigned i = 0; i < 4; i++) {
		pxe__image_file__init(&manifest->file[i]);
		manifest->file[i].path = text(paths[i]);
		manifest->file[i].bytes = 100 + i;
		manifest->file[i].sha256 = kit_bytes(manifest->sha[i], 32);
		manifest->files[i] = &manifest->file[i];
	}
	manifest->version.image = text("debian12");
	manifest->version.digest = kit_bytes(manifest->digest, 32);
	manifest->version.files = manifest->files;
	manifest->version.n_files = 4;
}

static Pxe__Verdict stage(struct kit *kit, struct manifest *manifest)
{
	Pxe__ImageStage op = PXE__IMAGE_STAGE__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	op.version = &manifest->version;
	command.op_case = PXE__COMMAND__OP_IMAGE_STAGE;
	command.image_stage = &op;
	return kit_apply(kit, &command);
}

static Pxe__Verdict stage_n(struct kit *kit, uint8_t n)
{
	struct manifest manifest;
	manifest_init(&manifest, n);
	return stage(kit, &manifest);
}

static Pxe__Verdict held(struct kit *kit, uint8_t n, uint64_t member)
{
	uint8_t digest[32] = {n};
	Pxe__ImageHeld op = PXE__IMAGE_HELD__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	op.image = text("debian12");
	op.digest = kit_bytes(digest, 32);
	op.member = member;
	command.op_case = PXE__COMMAND__OP_IMAGE_HELD;
	command.image_held = &op;
	return kit_apply(kit, &command);
}

static Pxe__Verdict publish(struct kit *kit, uint8_t n)
{
	uint8_t digest[32] = {n};
	Pxe__ImagePublish op = PXE__IMAGE_PUBLISH__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	op.image = text("debian12");
	op.digest = kit_bytes(digest, 32);
	command.op_case = PXE__COMMAND__OP_IMAGE_PUBLISH;
	command.image_publish = &op;
	return kit_apply(kit, &command);
}

static bool has_version(const struct kit *kit, uint8_t n)
{
	uint8_t digest[32] = {n};
	return model_image_version(kit->model, "debian12", digest) != NULL;
}

/* First bytes of current, previous, staged; 0: none. */
static void expect_image(const struct kit *kit, uint8_t current, uint8_t previous, uint8_t staged)
{
	const Pxe__Image *image = model_image(kit->model, "debian12");
	assert_non_null(image);
	assert_int_equal(
		image->current_digest.len == 0 ? 0 : image->current_digest.data[0], current);
	assert_int_equal(
		image->previous_digest.len == 0 ? 0 : image->previous_digest.data[0], previous);
	assert_int_equal(image->staged_digest.len == 0 ? 0 : image->staged_digest.data[0], staged);
}

static void test_a_version_is_published_when_all_hold_it(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(join(&kit, 5), 2);
	kit_expect(&kit, stage_n(&kit, 10), V(OK), "");
	expect_image(&kit, 0, 0, 10);
	uint64_t revision = model_revision(kit.model);
	kit_expect(&kit, held(&kit, 10, 1), V(OK), "");
	kit_expect(&kit, held(&kit, 10, 1), V(OK), "");
	assert_int_equal(model_revision(kit.model), revision);
	expect_image(&kit, 0, 0, 10);
	kit_expect(&kit, held(&kit, 10, 9), V(INVALID), "member 9 is not one");
	kit_expect(&kit, held(&kit, 11, 1), V(NOT_FOUND), "no such version");
	kit_at(&kit, 5);
	kit_expect(&kit, held(&kit, 10, 2), V(OK), "");
	expect_image(&kit, 10, 0, 0);
	assert_int_equal(model_revision(kit.model), revision + 1);
	const Pxe__Image *image = model_image(kit.model, "debian12");
	assert_int_equal(image->published_ms, KIT_START_MS + 5);
	const Pxe__ImageVersion *version =
		model_image_version(kit.model, "debian12", image->current_digest.data);
	assert_true(version->published);
	assert_int_equal(version->bytes, 100 + 101 + 102 + 103);
	assert_int_equal(version->n_holders, 2);
	assert_string_equal(version->files[0]->path, "boot/a"); /* sorted */
	kit_fini(&kit);
}

static void test_versions_come_and_go(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	for (uint8_t n = 10; n < 14; n++) {
		kit_expect(&kit, stage_n(&kit, n), V(OK), "");
		kit_expect(&kit, held(&kit, n, 1), V(OK), "");
	}
	expect_image(&kit, 13, 12, 0);
	assert_false(has_version(&kit, 10));
	assert_false(has_version(&kit, 11));
	/* The previous one again: it is held already, so it is current at once. */
	kit_expect(&kit, stage_n(&kit, 12), V(OK), "");
	expect_image(&kit, 12, 13, 0);
	/* A staged one is given up for another, and for the current one. */
	kit_expect(&kit, stage_n(&kit, 14), V(OK), "");
	kit_expect(&kit, stage_n(&kit, 15), V(OK), "");
	assert_false(has_version(&kit, 14));
	expect_image(&kit, 12, 13, 15);
	kit_expect(&kit, stage_n(&kit, 12), V(OK), "");
	assert_false(has_version(&kit, 15));
	expect_image(&kit, 12, 13, 0);
	uint64_t revision = model_revision(kit.model);
	kit_expect(&kit, stage_n(&kit, 12), V(OK), "");
	assert_int_equal(model_revision(kit.model), revision);
	kit_fini(&kit);
}

static void test_the_leader_publishes_with_a_majority(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(join(&kit, 5), 2);
	kit_expect(&kit, stage_n(&kit, 10), V(OK), "");
	kit_expect(&kit, held(&kit, 10, 1), V(OK), "");
	kit_expect(&kit, publish(&kit, 10), V(CONFLICT), "held by 1 of 2 nodes");
	assert_int_equal(join(&kit, 6), 3);
	kit_expect(&kit, publish(&kit, 10), V(CONFLICT), "held by 1 of 3 nodes");
	kit_expect(&kit, held(&kit, 10, 3), V(OK), "");
	kit_expect(&kit, publish(&kit, 10), V(OK), "");
	expect_image(&kit, 10, 0, 0);
	kit_expect(&kit, publish(&kit, 10), V(OK), "");
	kit_expect(&kit, stage_n(&kit, 11), V(OK), "");
	kit_expect(&kit, publish(&kit, 12), V(NOT_FOUND), "");
	kit_fini(&kit);
}

static void test_a_member_that_leaves_is_not_waited_for(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(join(&kit, 5), 2);
	assert_int_equal(join(&kit, 6), 3);
	kit_expect(&kit, stage_n(&kit, 10), V(OK), "");
	kit_expect(&kit, held(&kit, 10, 1), V(OK), "");
	kit_expect(&kit, held(&kit, 10, 3), V(OK), "");
	expect_image(&kit, 0, 0, 10);
	kit_expect(&kit, kit_leave(&kit, "pxe5", false), V(OK), "");
	expect_image(&kit, 10, 0, 0);
	kit_expect(&kit, kit_leave(&kit, "pxe6", false), V(OK), "");
	kit_expect(&kit, kit_gone(&kit, 3), V(OK), "");
	uint8_t digest[32] = {10};
	const Pxe__ImageVersion *version = model_image_version(kit.model, "debian12", digest);
	assert_int_equal(version->n_holders, 1);
	assert_int_equal(version->holders[0], 1);
	kit_fini(&kit);
}

static void test_manifests_are_judged(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 17; i++) {
		struct kit kit;
		struct manifest manifest;
		kit_init(&kit);
		assert_int_equal(stage_n(&kit, 20), V(OK));
		manifest_init(&manifest, 21);
		Pxe__Verdict expected = V(INVALID);
		const char *detail = "";
		switch (i) {
		case 0: expected = V(OK); break;
		case 1:
			manifest.file[0].path = text("../etc/passwd"), detail = "is not relative";
			break;
		case 2:
			manifest.file[0].path = text("/etc/passwd"), detail = "is not relative";
			break;
		case 3: manifest.file[0].path = text("a/./b"), detail = "is not relative"; break;
		case 4: manifest.file[0].path = text("a/"), detail = "is not relative"; break;
		case 5:
			manifest.file[0].path = text(""),
			detail = "path of an image's file is missing";
			break;
		case 6: manifest.file[0].path = text("initrd.img"), detail = "given twice"; break;
		case 7:
			manifest.file[0].path = text("boot"), detail = "a file and a directory";
			break;
		case 8: manifest.file[0].path = text("a\tb"), detail = "byte 0x09"; break;
		case 9: manifest.file[0].sha256.len = 20, detail = "hash of 20 bytes"; break;
		case 10: manifest.file[0].bytes = UINT64_MAX, detail = "not possible"; break;
		case 11: manifest.version.digest.len = 31, detail = "has 31 bytes"; break;
		case 12: manifest.version.n_files = 0, detail = "has no files"; break;
		case 13:
			manifest.version.image = text("boot"), detail = "meaning of its own";
			break;
		case 14: manifest.version.image = text("a/b"), detail = "image name"; break;
		case 15:
			manifest.digest[0] = 20, manifest.file[0].bytes = 5,
			detail = "another file list";
			break;
		default: manifest.digest[0] = 20, expected = V(OK); break;
		}
		kit_expect(&kit, stage(&kit, &manifest), expected, detail);
		kit_fini(&kit);
	}
}

static void test_images_that_are_used_stay(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	Pxe__ObjectKind kind = PXE__OBJECT_KIND__OBJECT_IMAGE,
			version = PXE__OBJECT_KIND__OBJECT_IMAGE_VERSION;
	for (uint8_t n = 0x10; n < 0x12; n++) {
		kit_expect(&kit, stage_n(&kit, n), V(OK), "");
		kit_expect(&kit, held(&kit, n, 1), V(OK), "");
	}
	Pxe__Profile profile = PXE__PROFILE__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	profile.name = text("p");
	profile.image = text("debian12@0123456789ab");
	profile.kernel = text("vmlinuz");
	put.object_case = PXE__PUT__OBJECT_PROFILE;
	put.profile = &profile;
	assert_int_equal(kit_put(&kit, &put), V(OK));
	kit_expect(&kit, kit_delete(&kit, kind, "debian", false), V(NOT_FOUND), "");
	kit_expect(
		&kit, kit_delete(&kit, kind, "debian12", false), V(CONFLICT), "used by profile p");
	kit_expect(&kit, kit_delete(&kit, version, "debian12@110000000000", true), V(CONFLICT),
		"what machines get");
	kit_expect(&kit, kit_delete(&kit, version, "debian12@10", true), V(INVALID), "at least 12");
	kit_expect(&kit, kit_delete(&kit, version, "debian12@100000000000", false), V(OK), "");
	expect_image(&kit, 0x11, 0, 0);
	kit_expect(
		&kit, kit_delete(&kit, version, "debian12@100000000000", false), V(NOT_FOUND), "");
	kit_expect(&kit, kit_delete(&kit, kind, "debian12", true), V(OK), "");
	assert_null(model_image(kit.model, "debian12"));
	assert_false(has_version(&kit, 0x11));
	kit_fini(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_join_uses_its_token_up),
		cmocka_unit_test(test_joins_are_judged),
		cmocka_unit_test(test_the_cluster_has_a_limit),
		cmocka_unit_test(test_leaving),
		cmocka_unit_test(test_a_member_changes_its_addresses_only),
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_a_version_is_published_when_all_hold_it),
		cmocka_unit_test(test_versions_come_and_go),
		cmocka_unit_test(test_the_leader_publishes_with_a_majority),
		cmocka_unit_test(test_a_member_that_leaves_is_not_waited_for),
		cmocka_unit_test(test_manifests_are_judged),
		cmocka_unit_test(test_images_that_are_used_stay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
