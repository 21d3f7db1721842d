/* endpoint.c - what a device may ask of its declarations, as a white-list */
#include "mdm/endpoint.h"

#include <errno.h>
#include <string.h>

#include "base/encode.h"

static const struct {
	const char *text;
	enum endpoint kind;
} plain[] = {
	{ "tokens", ENDPOINT_TOKENS },
	{ "declaration-items", ENDPOINT_ITEMS },
	{ "status", ENDPOINT_STATUS },
};

static const char *const classes[] = { "declaration/activation/", "declaration/configuration/",
	"declaration/asset/", "declaration/management/" };

static bool
character_ok(unsigned char c)
{
	return c >= 0x20 && c != 0x7f && c != '\\' && c != '%';
}

/* One part of an identifier, up to the next '/'. */
static bool
part_ok(struct bytes part)
{
	if (part.len == 0 || part.data[0] == '.')
		return false;
	for (size_t i = 0; i < part.len; i++)
		if (!character_ok(part.data[i]))
			return false;
	return true;
}

/* Identifiers may hold '/': what is between two of them is looked at and escaped by itself. */
static int
add_identifier(struct buf *path, const char *id)
{
	size_t len = strlen(id), n;

	if (len == 0 || len > ENDPOINT_ID_MAX || !utf8_valid(bytes_str(id)))
		return -EINVAL;
	for (;;) {
		n = strcspn(id, "/");
		if (!part_ok(bytes_of(id, n)))
			return -EINVAL;
		encode_percent(path, bytes_of(id, n));
		if (id[n] == '\0')
			return 0;
		buf_add_char(path, '/');
		id += n + 1;
	}
}

int
endpoint_read(const char *text, enum endpoint *kind, struct buf *path)
{
	size_t i;

	for (i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (strcmp(text, plain[i].text) != 0)
			continue;
		*kind = plain[i].kind;
		buf_add_str(path, text);
		return 0;
	}
	for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		size_t len = strlen(classes[i]);

		if (strncmp(text, classes[i], len) != 0)
			continue;
		*kind = ENDPOINT_DECLARATION;
		buf_add_str(path, classes[i]);
		return add_identifier(path, text + len);
	}
	return -EINVAL;
}
