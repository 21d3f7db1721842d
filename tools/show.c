/* show.c - certificate pairs and remarks, field by field */
#include "show.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/encode.h"
#include "pki/cert.h"
#include "pki/key.h"

#define DAY 86400

static void
show_name(struct fields *f, const char *key, const char *label, X509 *c,
	void (*get)(X509 *, struct buf *))
{
	struct buf text = BUF_INIT;

	get(c, &text);
	fields_text(f, key, label, buf_str(&text));
	buf_free(&text);
}

static void
show_times(struct fields *f, const char *expires, const struct certpair *p, int64_t now)
{
	int64_t left = p->not_after - now;
	char iso[24], words[64], date[24];

	clock_date(p->not_before, date, sizeof(date));
	fields_text(f, "not_before", NULL, clock_iso(p->not_before, iso, sizeof(iso)));
	fields_text(f, "not_after", NULL, clock_iso(p->not_after, iso, sizeof(iso)));
	if (!f->json)
		fields_text(f, NULL, "Valid from", date);
	if (!f->json)
		fields_text(f, NULL, expires, clock_date(p->not_after, date, sizeof(date)));
	if (left < 0)
		snprintf(words, sizeof(words), "none: expired %lld days ago",
			(long long)(-left / DAY));
	else
		snprintf(words, sizeof(words), "%lld%s", (long long)(left / DAY),
			now < p->not_before ? " (not valid yet)" : "");
	fields_number(f, "days_left", "Days left", left < 0 ? -(-left / DAY) : left / DAY, words);
	fields_bool(f, "valid", NULL, now >= p->not_before && left >= 0, NULL);
}

void
show_pair(struct fields *f, const char *key, const char *title, const char *expires,
	const struct certpair *p, int64_t now)
{
	X509 *leaf = certpair_leaf(p);
	struct buf text = BUF_INIT;
	char kind[64];

	fields_open(f, key, '{', title);
	if (p->topic)
		fields_text(f, "topic", "Topic", p->topic);
	fields_text(f, "common_name", "Common name", p->name);
	show_name(f, "subject", NULL, leaf, cert_subject);
	show_name(f, "serial", "Serial", leaf, cert_serial);
	show_name(f, "issuer", "Issuer", leaf, cert_issuer);
	show_times(f, expires, p, now);
	fields_text(f, "key", "Key", key_describe(X509_get0_pubkey(leaf), kind, sizeof(kind)));
	fields_bool(f, "key_matches", "Key match", p->key != NULL,
		p->key ? "yes, the private key belongs to it" : "no: its private key is not here");
	if (!f->json) {
		buf_printf(&text, "%s%s%s", p->cert_file, p->key ? ", " : "",
			p->key ? p->key_file : "");
		fields_text(f, NULL, p->key ? "Files" : "File", buf_str(&text));
	}
	fields_text(f, "certificate_file", NULL, p->cert_file);
	fields_text(f, "key_file", NULL, p->key_file);
	buf_reset(&text);
	encode_hex(&text, bytes_of(p->sha256, SHA256_LEN));
	fields_text(f, "sha256", "SHA-256", buf_str(&text));
	fields_close(f, '}');
	buf_free(&text);
}

void
show_remarks(struct fields *f, const struct certdir *d)
{
	struct buf line = BUF_INIT;

	fields_open(f, "remarks", '[', d->remark_count ? "Files to look at" : NULL);
	for (size_t i = 0; i < d->remark_count; i++) {
		const struct certdir_remark *r = &d->remarks[i];

		fields_open(f, NULL, '{', NULL);
		fields_text(f, "weight", NULL, r->weight == CERTDIR_PROBLEM ? "problem" : "note");
		fields_text(f, "file", NULL, r->file);
		fields_text(f, "text", NULL, r->text);
		fields_close(f, '}');
		buf_reset(&line);
		buf_printf(&line, "%s: %s", r->file, r->text);
		fields_line(f, buf_str(&line));
	}
	fields_close(f, ']');
	buf_free(&line);
}
