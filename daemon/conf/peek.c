/* peek.c - one setting out of files that have faults: where the last good configuration may lie */
#include <glob.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "conf/conf.h"

#define FILE_BYTES_MAX (1U << 20)

/* The file's own `state`, or NULL: a file that does not parse has none to offer. */
static char *
state_of(const char *path)
{
	struct buf text = BUF_INIT;
	const char *value = NULL;
	char *found = NULL;
	config_t c;

	config_init(&c);
	if (file_read(path, FILE_BYTES_MAX, &text, NULL) == 0 &&
		config_read_string(&c, buf_str(&text)) &&
		config_lookup_string(&c, "state", &value) && value[0] == '/')
		found = xstrdup(value);
	config_destroy(&c);
	buf_free(&text);
	return found;
}

char *
conf_peek_state(const char *file)
{
	const char *slash = strrchr(file, '/');
	char *found = state_of(file), *pattern;
	glob_t names;

	pattern = xasprintf(
		"%.*s/conf.d/*.conf", slash ? (int)(slash - file) : 1, slash ? file : ".");
	if (glob(pattern, 0, NULL, &names) == 0) {
		for (size_t i = 0; i < names.gl_pathc; i++) {
			char *later = state_of(names.gl_pathv[i]);

			if (!later)
				continue;
			free(found);
			found = later;
		}
		globfree(&names);
	}
	free(pattern);
	return found;
}
