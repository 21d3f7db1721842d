/* cordon-csr-words.c - what a person is told to do outside of this machine */
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "cordon-csr.h"
#include "ctl/table.h"
#include "pki/cert.h"

void
csr_print_three_ways(void)
{
	printf("%sThis CSR is not ready for Apple's portal yet%s, which takes only requests that "
	       "an MDM vendor\nhas signed. Three ways on:\n"
	       "  1. an MDM vendor certificate of your own, from Apple's developer programme:\n"
	       "     put it here as vendor.crt (with its chain up to Apple's root) and "
	       "vendor.key,\n"
	       "     then cordon-csr sign\n"
	       "  2. mdmcert.download, a free signing service for organisations:\n"
	       "     cordon-csr request, and cordon-csr decrypt for what comes by mail\n"
	       "  3. a vendor who signs it for you: give away the .csr only; the .key stays here\n",
		terminal_bold(), terminal_plain());
}

static void
print_row(const struct csr_situation *c, const struct certpair *p)
{
	struct buf serial = BUF_INIT, until = BUF_INIT;

	cert_serial(certpair_leaf(p), &serial);
	csr_add_deadline(&until, p->not_after, c->now);
	printf("    %s\n      serial %s, renew by %s\n", p->topic, buf_str(&serial),
		buf_str(&until));
	buf_free(&serial);
	buf_free(&until);
}

/* Devices keep their topic for life, so the row matters more than anything else on that page. */
static void
print_rows(const struct csr_situation *c)
{
	printf("  use Renew on the row with this topic; never Create, never Revoke:\n");
	if (!c->push)
		print_row(c, &c->orphan);
	for (size_t i = 0; i < c->dir->push_count; i++)
		if (i == 0 || strcmp(c->dir->push[i].topic, c->dir->push[i - 1].topic) != 0)
			print_row(c, &c->dir->push[i]);
}

static void
print_account(const struct csr_situation *c)
{
	struct buf account = BUF_INIT;

	if (c->apple_account) {
		encode_visible(&account, bytes_str(c->apple_account));
		printf(" with the Apple account %s\n", buf_str(&account));
		buf_free(&account);
	} else if (c->state != CSR_NONE) {
		printf("\n  with the Apple account that the certificate was made with (push.apple-"
		       "account in the\n  configuration is the place to note it)\n");
	} else {
		printf("\n  with an Apple account that will be yours for years: only it can renew "
		       "the certificate.\n  Note it in the configuration as push.apple-account\n");
	}
}

void
csr_print_portal(const struct csr_situation *c, bool next)
{
	if (next)
		printf("%sNext: Apple's portal%s, " CSR_PORTAL ",", terminal_bold(),
			terminal_plain());
	else
		printf("Then, at " CSR_PORTAL ",");
	print_account(c);
	if (c->state != CSR_NONE)
		print_rows(c);
	else
		printf("  choose Create a Certificate;\n");
	printf("  upload %s/" CSR_SIGNED ", download the certificate,\n  and put it, under any "
	       "name, into %s\n",
		c->dir->directory, c->dir->directory);
}

void
csr_print_legal(void)
{
	printf("\nOne push certificate belongs to one organisation and one server: do not use it "
	       "on a second one\nand do not pass it on; a test server needs a certificate of its "
	       "own. It is due for renewal every\nyear, with the same Apple account.\n");
}
