/* fuzz_conf.c - a configuration file; what was read must read back to the same */
#include "conf/conf.h"
#include "fuzz/fuzz.h"

/* libconfig loses the strings that it has read when the text after them is wrong: tens of bytes for
 * each broken file that somebody loads, in the library's own parser. */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
	return "leak:strbuf_append";
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_faults faults = { 0 };
	const char *path = fuzz_write("cordond.conf", bytes_of(data, size));
	struct conf *c = conf_load(path, NULL, NULL, &faults), *again;
	struct buf text = BUF_INIT, names = BUF_INIT;

	MUST(c || faults.count > 0);
	conf_faults_free(&faults);
	free(conf_peek_state(path));
	if (!c)
		return 0;
	conf_format(c, &text);
	faults = (struct conf_faults){ 0 };
	again = conf_load(fuzz_write("again.conf", buf_bytes(&text)), NULL, NULL, &faults);
	MUST(again);
	MUST(conf_changes(c, again, &names) == 0);
	conf_faults_free(&faults);
	conf_unref(again);
	conf_unref(c);
	buf_free(&text);
	buf_free(&names);
	return 0;
}
