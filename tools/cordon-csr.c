/* cordon-csr.c - Apple's push certificate: its verbs as a table */
#include "cordon-csr.h"

static int
new_applies(const void *situation)
{
	const struct csr_situation *c = situation;

	if (c->state != CSR_NONE)
		return -1;
	return c->dir->has_csr ? 0 : 1;
}

static int
renew_applies(const void *situation)
{
	const struct csr_situation *c = situation;

	if (c->state == CSR_NONE || c->dir->has_csr)
		return -1;
	return c->state == CSR_EXPIRING || c->state == CSR_EXPIRED ? 1 : 0;
}

static int
show_applies(const void *situation)
{
	const struct csr_situation *c = situation;

	return c->file_count ? 0 : -1;
}

static bool
needs_signature(const struct csr_situation *c)
{
	return c->dir->has_csr && c->progress != CSR_READY;
}

static int
sign_applies(const void *situation)
{
	const struct csr_situation *c = situation;

	if (!c->vendor)
		return -1;
	return needs_signature(c) ? 1 : 0;
}

static int
request_applies(const void *situation)
{
	const struct csr_situation *c = situation;

	if (!needs_signature(c))
		return -1;
	return c->account && !c->vendor && c->progress == CSR_UNSIGNED ? 1 : 0;
}

static int
decrypt_applies(const void *situation)
{
	const struct csr_situation *c = situation;

	if (!needs_signature(c) || c->progress != CSR_REQUESTED)
		return -1;
	return c->vendor ? 0 : 1;
}

static int
import_applies(const void *situation)
{
	const struct csr_situation *c = situation;

	return c->state == CSR_NONE || c->state == CSR_KEY_MISSING ? 0 : -1;
}

static const struct tool_verb verbs[] = {
	{ "new", NULL, "make a private key and the CSR for a push certificate",
		TOOL_SUBJECT | TOOL_BITS | TOOL_OWNER | TOOL_AGAIN | TOOL_REPLACE | TOOL_CONSENT,
		csr_verb_new, new_applies },
	{ "renew", NULL, "make a key and CSR for the renewal, beside those in use",
		TOOL_SUBJECT | TOOL_BITS | TOOL_OWNER | TOOL_AGAIN, csr_verb_renew, renew_applies },
	{ "sign", "[FILE]", "sign a CSR with the own vendor certificate (vendor.crt, vendor.key)",
		TOOL_OUTPUT | TOOL_OWNER, csr_verb_sign, sign_applies },
	{ "request", NULL, "have the CSR signed by mdmcert.download, which answers by mail",
		TOOL_ACCOUNT | TOOL_OWNER, csr_verb_request, request_applies },
	{ "decrypt", "FILE", "open the attachment of mdmcert.download's mail (- is standard input)",
		TOOL_OWNER, csr_verb_decrypt, decrypt_applies },
	{ "import", "FILE", "take a push certificate and its key from a PKCS#12 file",
		TOOL_PASSWORD | TOOL_OWNER, csr_verb_import, import_applies },
	{ "show", NULL,
		"show push certificates and a waiting CSR, and what is wrong with the files",
		TOOL_JSON, csr_verb_show, show_applies },
	{ "delete", NULL, "delete push certificate, CSR and private key", TOOL_CONSENT,
		csr_verb_delete, show_applies },
};

static const struct tool tool = { "cordon-csr",
	"Makes the signing request (CSR) for Apple's push certificate, renews it, and shows what "
	"is there.",
	verbs, sizeof(verbs) / sizeof(verbs[0]), csr_overview };

int
main(int argc, char **argv)
{
	return tool_main(&tool, argc, argv);
}
