/* candidate.c - an Authenticate that waits for its TokenUpdate; what a device says of itself */
#include <stdlib.h>

#include "base/mem.h"
#include "store/access.h"
#include "store/enrollment.h"
#include "store/fields.h"

static const struct field fact_fields[] = {
	FIELD(1, FIELD_STR, struct device_facts, serial),
	FIELD(2, FIELD_STR, struct device_facts, model),
	FIELD(3, FIELD_STR, struct device_facts, model_name),
	FIELD(4, FIELD_STR, struct device_facts, product),
	FIELD(5, FIELD_STR, struct device_facts, os_version),
	FIELD(6, FIELD_STR, struct device_facts, build),
	FIELD(7, FIELD_STR, struct device_facts, device_name),
	FIELD(8, FIELD_STR, struct device_facts, imei),
	FIELD(9, FIELD_STR, struct device_facts, meid),
	FIELD(10, FIELD_STR, struct device_facts, eas_id),
};

static const struct field fields[] = {
	FIELD_SIZED(1, FIELD_BYTES, struct candidate, cert),
	FIELD(2, FIELD_INT, struct candidate, not_after),
	FIELD_SIZED(3, FIELD_TEXT, struct candidate, number),
	FIELD(4, FIELD_STR, struct candidate, topic),
	FIELD(5, FIELD_INT, struct candidate, since),
	FIELD(6, FIELD_BOOL, struct candidate, renewal),
};

#define TAG_FACTS 16

void
device_facts_free(struct device_facts *f)
{
	fields_free(fact_fields, FIELD_COUNT(fact_fields), f);
}

void
device_facts_merge(struct device_facts *to, const struct device_facts *from)
{
	for (size_t i = 0; i < FIELD_COUNT(fact_fields); i++) {
		size_t at = fact_fields[i].offset;
		const char *s = *(char *const *)(const void *)((const char *)from + at);
		char **mine = (char **)(void *)((char *)to + at);

		if (!s)
			continue;
		char *copy = xstrdup(s);

		free(*mine);
		*mine = copy;
	}
}

struct candidate *
candidate_new(const char *id)
{
	struct candidate *c = xcalloc(1, sizeof(*c));

	c->id = xstrdup(id);
	return c;
}

void
candidate_free(struct candidate *c)
{
	if (!c)
		return;
	device_facts_free(&c->facts);
	fields_free(fields, FIELD_COUNT(fields), c);
	free(c->id);
	free(c);
}

static int
decode_other(void *arg, uint8_t tag, struct bytes value)
{
	struct candidate *c = arg;

	if (tag != TAG_FACTS)
		return 0;
	return fields_decode(fact_fields, FIELD_COUNT(fact_fields), value, &c->facts, NULL, NULL);
}

int
candidate_load(struct store *s, const char *id, struct candidate **ret)
{
	struct buf value = BUF_INIT;
	struct candidate *c = candidate_new(id);
	int r = access_get(s, 'c', id, NULL, &value);

	if (r == 0)
		r = fields_decode(
			fields, FIELD_COUNT(fields), buf_bytes(&value), c, decode_other, c);
	buf_free(&value);
	if (r < 0) {
		candidate_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

int
candidate_save(struct store *s, const struct candidate *c)
{
	struct buf value = BUF_INIT;
	int r;

	record_begin(&value, 1);
	fields_encode(fields, FIELD_COUNT(fields), c, &value);
	fields_nest(&value, TAG_FACTS, fact_fields, FIELD_COUNT(fact_fields), &c->facts);
	r = access_put(s, 'c', c->id, NULL, &value);
	buf_free(&value);
	return r;
}

int
candidate_delete(struct store *s, const char *id)
{
	return access_delete(s, 'c', id, NULL);
}
