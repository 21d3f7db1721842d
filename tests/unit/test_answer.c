/* Tests of daemon/admin/answer and webhook_event: large binary answers of devices, in time */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "admin/answer.h"
#include "admin/webhook.h"
#include "base/clock.h"
#include "base/proplist.h"

#define MANY 40000u /* by index, a binary list of so many takes 18 s */
#define PATIENCE_MS 8000

/* A report with a long list, as it comes in binary. */
static void
build(struct buf *body, plist_t *root)
{
	plist_t made = plist_new_dict(), list = plist_new_array();
	unsigned i;

	for (i = 0; i < MANY; i++)
		plist_array_append_item(list, plist_new_string("x"));
	plist_dict_set_item(made, "List", list);
	plist_dict_set_item(made, "Token", plist_new_string("secret"));
	proplist_to_binary(made, body);
	plist_free(made);
	assert_int_equal(proplist_parse(buf_bytes(body), root), 0);
}

static void
long_lists_become_json_in_time(void **ctx)
{
	struct buf body = BUF_INIT;
	plist_t root = NULL;
	int64_t began;
	json_t *j;

	(void)ctx;
	build(&body, &root);
	began = clock_mono_ms();
	j = json_from_plist(root);
	assert_true(clock_mono_ms() - began < PATIENCE_MS);
	assert_int_equal(json_array_size(json_object_get(j, "List")), MANY);
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(j, "List"), MANY - 1)), "x");
	json_decref(j);
	plist_free(root);
	buf_free(&body);
}

static void
long_lists_are_redacted_in_time(void **ctx)
{
	struct message msg = { .kind = MESSAGE_REPORT,
		.id = (char *)(uintptr_t) "AA",
		.device = (char *)(uintptr_t) "AA",
		.channel = CHANNEL_DEVICE };
	struct buf body = BUF_INIT;
	int64_t began;
	json_t *j;

	(void)ctx;
	build(&body, &msg.root);
	msg.body = buf_bytes(&body);
	began = clock_mono_ms();
	j = webhook_message_json(&msg, NULL, 0, false);
	assert_true(clock_mono_ms() - began < PATIENCE_MS);
	assert_non_null(json_object_get(j, "acknowledge_event"));
	json_decref(j);
	plist_free(msg.root);
	buf_free(&body);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_lists_become_json_in_time),
		cmocka_unit_test(long_lists_are_redacted_in_time),
	};

	return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
