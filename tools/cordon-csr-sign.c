/* cordon-csr-sign.c - the verb that vendor-signs a CSR: the own one, or one from another machine */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "cordon-csr.h"
#include "pki/csr.h"

/* Without FILE: the CSR that waits here. */
static char *
find_request(const struct site *s, const struct tool_options *o, const struct csr_situation *c)
{
	if (o->argument)
		return xstrdup(o->argument);
	return c->dir->has_csr ? site_path(s, c->dir->csr_file) : NULL;
}

static int
read_request(const char *path, X509_REQ **ret)
{
	struct buf content = BUF_INIT;
	const char *fault;
	int r = site_read(path, CSR_FILE_MAX, &content, NULL);

	if (r != EX_OK)
		return r;
	*ret = csr_parse(buf_bytes(&content));
	buf_free(&content);
	if (!*ret)
		return tool_fail(EX_DATAERR, "%s: is no CSR (PKCS#10, PEM or DER)", path);
	fault = csr_request_fault(*ret);
	return fault ? tool_fail(EX_DATAERR, "%s: %s", path, fault) : EX_OK;
}

/* host.csr gives host.signedCSR beside it. */
static char *
foreign_output(const struct tool_options *o)
{
	size_t n = strlen(o->argument);

	if (o->output)
		return xstrdup(o->output);
	if (n > 4 && strcmp(o->argument + n - 4, ".csr") == 0)
		n -= 4;
	return xasprintf("%.*s." CSR_SIGNED, (int)n, o->argument);
}

static int
write_foreign(const struct tool_options *o, struct buf *ready)
{
	char *path = foreign_output(o);
	int r = EX_OK, err;

	if (strcmp(path, "-") == 0) {
		printf("%s\n", buf_str(ready));
	} else {
		err = file_write_atomic(
			path, buf_bytes(ready), 0644, FILE_KEEP_OWNER, (gid_t)FILE_KEEP_OWNER);
		if (err < 0)
			r = tool_fail(err == -EACCES ? EX_NOPERM : EX_IOERR,
				"%s: cannot be written: %s", path, strerror(-err));
		else
			printf("made %s, vendor-signed from %s\n\n"
			       "Next: send it back to whoever made the CSR, to be uploaded "
			       "at\n" CSR_PORTAL
			       ": with Renew on the row with the server's topic where "
			       "there is one; never\nCreate then, and never Revoke. The private "
			       "key stays on that machine, and so does the certificate.\n",
				path, o->argument);
	}
	if (r == EX_OK && strcmp(path, "-") != 0)
		csr_print_legal();
	free(path);
	return r;
}

static int
write_own(const struct site *s, const struct csr_situation *c, struct buf *ready)
{
	struct site_file file = { CSR_SIGNED, buf_bytes(ready), SITE_CERTIFICATE, true };
	int r = site_write(s, &file, 1);

	if (r != EX_OK)
		return r;
	printf("made %s/" CSR_SIGNED ", vendor-signed from %s\n\n", s->certs, c->dir->csr_file);
	csr_print_portal(c, true);
	csr_print_legal();
	return EX_OK;
}

static int
load_vendor(const struct site *s, const char *request, struct csr_vendor *v)
{
	if (site_has(s, "vendor.crt") || site_has(s, "vendor.key"))
		return csr_vendor_load(s, v);
	tool_fail(EX_NOINPUT,
		"%s: there is no vendor.crt and no vendor.key to sign %s with, and Apple's portal "
		"will not take it as it is",
		s->certs, request);
	csr_print_three_ways();
	return EX_NOINPUT;
}

/* Named by its path, the CSR that waits here is still the own one. */
static bool
is_own(const struct site *s, const struct csr_situation *c, const char *path)
{
	char *own = c->dir->csr_file ? xasprintf("%s/%s", s->certs, c->dir->csr_file) : NULL;
	struct stat a, b;
	bool same = own && stat(own, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
		    a.st_ino == b.st_ino;

	free(own);
	return same;
}

static int
sign(const struct site *s, const struct tool_options *o, const struct csr_situation *c)
{
	char *path = find_request(s, o, c);
	struct csr_vendor vendor = { 0 };
	struct buf ready = BUF_INIT;
	X509_REQ *csr = NULL;
	int r;

	if (!path)
		return tool_fail(EX_NOINPUT,
			"%s: no CSR is waiting here: name the file of one, or make one with "
			"cordon-csr new or renew",
			s->certs);
	r = read_request(path, &csr);
	if (r == EX_OK)
		r = load_vendor(s, path, &vendor);
	if (r == EX_OK && csr_vendor_sign(&vendor, csr, &ready) < 0)
		r = tool_fail(EX_SOFTWARE, "%s: could not be signed", path);
	if (r == EX_OK)
		r = o->output || !is_own(s, c, path) ? write_foreign(o, &ready)
						     : write_own(s, c, &ready);
	csr_vendor_fini(&vendor);
	X509_REQ_free(csr);
	buf_free(&ready);
	free(path);
	return r;
}

int
csr_verb_sign(const struct tool_options *o)
{
	struct csr_situation c;
	struct site site;
	int r;

	if (o->output && !o->argument)
		return tool_fail(EX_USAGE, "--output goes with the file of a CSR; the own one is "
					   "signed as " CSR_SIGNED);
	r = site_open(&site, o);
	if (r != EX_OK)
		return r;
	csr_situation_read(&c, &site);
	r = sign(&site, o, &c);
	csr_situation_fini(&c);
	site_close(&site);
	return r;
}
