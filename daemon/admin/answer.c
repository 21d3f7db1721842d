/* answer.c - JSON in and out of the control API */
#include "admin/answer.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/mem.h"
#include "base/proplist.h"
#include "net/http.h"

#define MAC_EPOCH 978307200 /* 2001-01-01, where property-list dates begin */

void
answer_json(struct http_request *r, int status, json_t *body)
{
	char *text = json_dumps(body, JSON_COMPACT | JSON_PRESERVE_ORDER);

	json_decref(body);
	http_reply_header(r, "Cache-Control", "no-store");
	http_reply(r, status, "application/json", bytes_str(text ? text : "{}"));
	free(text);
}

void
answer_error(struct http_request *r, int status, const char *fmt, ...)
{
	char text[512];
	json_t *body = json_object();
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_object_set_new(body, "error", json_text(text));
	answer_json(r, status, body);
}

/* jansson's own limit is 2,048, too deep for what works on the result recursively. */
static bool
too_deep(struct bytes in)
{
	unsigned depth = 0;
	bool text = false;

	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = in.data[i];

		if (text && c == '\\')
			i++;
		else if (c == '"')
			text = !text;
		else if (!text && (c == '[' || c == '{') && ++depth > ANSWER_DEPTH_MAX)
			return true;
		else if (!text && (c == ']' || c == '}') && depth)
			depth--;
	}
	return false;
}

json_t *
answer_parse(struct bytes in, char **why)
{
	json_error_t error;
	json_t *body;

	if (in.len == 0)
		return json_object();
	if (too_deep(in)) {
		*why = xasprintf("the JSON is nested deeper than %d", ANSWER_DEPTH_MAX);
		return NULL;
	}
	body = json_loadb((const char *)in.data, in.len, JSON_REJECT_DUPLICATES, &error);
	if (!body) {
		*why = xasprintf("this is not JSON: line %d: %s", error.line, error.text);
		return NULL;
	}
	if (!json_is_object(body)) {
		json_decref(body);
		*why = xstrdup("a JSON object is wanted");
		return NULL;
	}
	return body;
}

json_t *
answer_body(struct http_request *r)
{
	char *why = NULL;
	json_t *body = answer_parse(http_body(r), &why);

	if (!body)
		answer_error(r, 400, "%s", why);
	free(why);
	return body;
}

json_t *
json_text(const char *text)
{
	struct buf repaired = BUF_INIT;
	json_t *j;

	if (!text)
		return json_null();
	j = json_string(text);
	if (j)
		return j;
	utf8_repair(&repaired, bytes_str(text));
	j = json_string(buf_str(&repaired));
	buf_free(&repaired);
	return j ? j : json_string("");
}

json_t *
json_time(int64_t wall)
{
	char text[32];

	return wall ? json_string(clock_iso(wall, text, sizeof(text))) : json_null();
}

static json_t *
from_data(plist_t node)
{
	struct buf text = BUF_INIT;
	uint64_t len = 0;
	char *data = NULL;
	json_t *j;

	plist_get_data_val(node, &data, &len);
	encode_base64(&text, bytes_of(data, len), 0);
	j = json_string(buf_str(&text));
	buf_free(&text);
	free(data);
	return j;
}

static json_t *
from_date(plist_t node)
{
	int32_t sec = 0, usec = 0;

	plist_get_date_val(node, &sec, &usec);
	return json_time((int64_t)sec + MAC_EPOCH);
}

static json_t *
from_number(plist_t node, plist_type type)
{
	uint64_t integer = 0;
	double real = 0;

	if (type == PLIST_REAL) {
		plist_get_real_val(node, &real);
		return isfinite(real) ? json_real(real) : json_null();
	}
	plist_get_uint_val(node, &integer);
	return json_integer((json_int_t)integer);
}

static json_t *
from_string(plist_t node)
{
	char *text = NULL;
	json_t *j;

	plist_get_string_val(node, &text);
	j = json_text(text ? text : "");
	free(text);
	return j;
}

static bool
append_item(void *list, plist_t item)
{
	json_array_append_new(list, json_from_plist(item));
	return true;
}

static json_t *
from_array(plist_t node)
{
	json_t *list = json_array();

	proplist_each(node, append_item, list);
	return list;
}

static json_t *
from_dict(plist_t node)
{
	json_t *object = json_object();
	plist_dict_iter iter = NULL;
	plist_t value = NULL;
	char *key = NULL;

	plist_dict_new_iter(node, &iter);
	for (;;) {
		plist_dict_next_item(node, iter, &key, &value);
		if (!key)
			break;
		json_object_set_new(object, key, json_from_plist(value));
		free(key);
		key = NULL;
	}
	free(iter);
	return object;
}

json_t *
json_from_plist(plist_t node)
{
	plist_type type = plist_get_node_type(node);
	uint8_t truth = 0;

	switch (type) {
	case PLIST_DICT:
		return from_dict(node);
	case PLIST_ARRAY:
		return from_array(node);
	case PLIST_STRING:
		return from_string(node);
	case PLIST_DATA:
		return from_data(node);
	case PLIST_DATE:
		return from_date(node);
	case PLIST_BOOLEAN:
		plist_get_bool_val(node, &truth);
		return json_boolean(truth);
	case PLIST_REAL:
	case PLIST_UINT:
		return from_number(node, type);
	default:
		return json_null();
	}
}
