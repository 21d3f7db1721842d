/* options.c - the command line of the fake device */
#include "options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum kind { TEXT, NUMBER, SECONDS, FLAG, TYPES_NOT_NOW, TYPES_ERROR, WORD, DES };

struct spec {
	const char *name, *arg; /* arg NULL: a flag */
	enum kind kind;
	size_t offset;
	const char *help;
	const char *words; /* WORD: what is allowed, "|"-separated */
};

#define AT(member) offsetof(struct options, member)

static const struct spec specs[] = {
	{ NULL, NULL, FLAG, 0, "Where", NULL },
	{ "state", "DIR", TEXT, AT(state), "the device's memory (fleet: one directory each below)",
		NULL },
	{ "link", "URL", TEXT, AT(link), "the enrollment link", NULL },
	{ "connect", "HOST:PORT", TEXT, AT(connect), "dial this, whatever the URLs say", NULL },
	{ "public-roots", "FILE", TEXT, AT(public_roots),
		"PEM of the public roots (default: the system's)", NULL },
	{ "insecure-download", NULL, FLAG, AT(insecure_download),
		"no TLS check, for the profile's download alone", NULL },
	{ "schema", "FILE", TEXT, AT(schema),
		"Apple's commands.tsv: checks requests, fills answers", NULL },
	{ "journal", "FILE", TEXT, AT(journal),
		"append a JSON line for all that the server acknowledged", NULL },
	{ "wake", "PATH", TEXT, AT(wake), "Unix datagram socket for wake-ups (\"TOKENHEX MAGIC\")",
		NULL },
	{ NULL, NULL, FLAG, 0, "Who", NULL },
	{ "serial", "S", TEXT, AT(serial), "serial number", NULL },
	{ "udid", "U", TEXT, AT(udid), "UDID", NULL },
	{ "product", "P", TEXT, AT(product), "iPhone15,2 (default), iPad14,1, Mac15,3...", NULL },
	{ "os", "V", TEXT, AT(os), "OS version; on a known device: it was updated", NULL },
	{ "build", "B", TEXT, AT(build), "build version", NULL },
	{ "name", "N", TEXT, AT(name), "device name", NULL },
	{ "user-id", "U", TEXT, AT(user_id), "UserID for the user channel", NULL },
	{ "user-name", "N", TEXT, AT(user_name), "UserShortName for the user channel", NULL },
	{ "awaiting", NULL, FLAG, AT(awaiting),
		"the new device awaits configuration in Setup Assistant", NULL },
	{ NULL, NULL, FLAG, 0, "Cryptography", NULL },
	{ "digest", "D", WORD, AT(digest), "sha256 (default) or sha1", "sha256|sha1" },
	{ "cipher", "C", WORD, AT(cipher),
		"SCEP: aes128, aes256, 3des, des (default: by GetCACaps)",
		"aes128|aes256|3des|des" },
	{ "scep-get", NULL, FLAG, AT(scep_get), "PKIOperation by GET", NULL },
	{ "ber", NULL, FLAG, AT(ber), "CMS in indefinite-length BER, as Apple writes it", NULL },
	{ NULL, NULL, FLAG, 0, "Answers", NULL },
	{ "not-now", "TYPE[:N]", TYPES_NOT_NOW, 0,
		"answer NotNow to a request type, N times (always)", NULL },
	{ "error", "TYPE[:N]", TYPES_ERROR, 0, "answer Error to a request type, N times (always)",
		NULL },
	{ "unknown", "HOW", WORD, AT(unknown), "unknown request types: ack (default) or error",
		"ack|error" },
	{ "ignore-rights", NULL, FLAG, AT(ignore_rights),
		"carry out what the access rights do not allow", NULL },
	{ "profiles", "N", NUMBER, AT(profiles), "length of ProfileList (40)", NULL },
	{ "certificates", "N", NUMBER, AT(certificates), "length of CertificateList (80)", NULL },
	{ "apps", "N", NUMBER, AT(apps), "length of InstalledApplicationList (150)", NULL },
	{ NULL, NULL, FLAG, 0, "Course", NULL },
	{ "stop-after", "STAGE", WORD, AT(stop_after),
		"enroll: give up after profile, scep or authenticate",
		"profile|scep|authenticate" },
	{ "fail-renewal", "STAGE", WORD, AT(fail_renewal),
		"renewal: fail after profile, scep or authenticate", "profile|scep|authenticate" },
	{ "renewal-failure", "HOW", WORD, AT(renewal_failure),
		"a failed renewal: rollback (default) or unenroll", "rollback|unenroll" },
	{ "renewal-self-signed", NULL, FLAG, AT(renewal_self),
		"renewal: SCEP signed by a temporary certificate", NULL },
	{ "new-token", NULL, FLAG, AT(new_token), "token-update: with a new push token and magic",
		NULL },
	{ "no-unlock-token", NULL, FLAG, AT(no_unlock_token), "TokenUpdate without UnlockToken",
		NULL },
	{ "poll-every", "MS", NUMBER, AT(poll_every), "run, fleet: poll every so many milliseconds",
		NULL },
	{ "seconds", "S", SECONDS, AT(seconds), "run, fleet: end after so long", NULL },
	{ "commands", "N", NUMBER, AT(commands),
		"end when so many commands (of each device) are answered", NULL },
	{ "patience", "S", SECONDS, AT(patience), "repeat for so long what cannot be delivered (0)",
		NULL },
	{ "timeout", "S", SECONDS, AT(timeout), "for one request (30)", NULL },
	{ NULL, NULL, FLAG, 0, "Bad behaviour", NULL },
	{ "sign-with", "DIR", TEXT, AT(sign_with),
		"sign messages with the identity of another device", NULL },
	{ "body-flip", NULL, FLAG, AT(body_flip), "the signature is over another body", NULL },
	{ "no-signature", NULL, FLAG, AT(no_signature), "no Mdm-Signature", NULL },
	{ "attached-signature", NULL, FLAG, AT(attached_signature),
		"the content inside the signature", NULL },
	{ "signature", "TEXT", TEXT, AT(signature), "this as Mdm-Signature", NULL },
	{ "long-signature", "N", NUMBER, AT(long_signature), "pad Mdm-Signature to N characters",
		NULL },
	{ "scep-des", NULL, DES, 0, "SCEP with single DES (as --cipher des)", NULL },
	{ "bad-challenge", NULL, FLAG, AT(bad_challenge), "SCEP with a wrong challenge", NULL },
	{ "scep-bad-cms", NULL, FLAG, AT(scep_bad_cms), "SCEP with a broken signature", NULL },
	{ "raw", "FILE", TEXT, AT(raw), "raw: the body to send", NULL },
	{ "raw-type", "TYPE", TEXT, AT(raw_type), "Content-Type of messages, instead of Apple's",
		NULL },
	{ NULL, NULL, FLAG, 0, "Fleet", NULL },
	{ "count", "N", NUMBER, AT(count), "devices (10)", NULL },
	{ "first", "N", NUMBER, AT(first), "number of the first one (1)", NULL },
	{ "concurrency", "C", NUMBER, AT(concurrency), "threads (8)", NULL },
	{ "keys", "K", NUMBER, AT(keys), "share K RSA keys made beforehand", NULL },
	{ "idle-rounds", "R", NUMBER, AT(idle_rounds),
		"without --commands: sessions of each device (1)", NULL },
	{ "keep-alive", NULL, FLAG, AT(keep_alive),
		"each device keeps its connection between sessions", NULL },
	{ "new-connections", NULL, FLAG, AT(new_connections), "a new connection for each request",
		NULL },
	{ "no-resume", NULL, FLAG, AT(no_resume), "no TLS session resumption", NULL },
	{ "cache-signatures", NULL, FLAG, AT(cache_signatures), "sign each device's Idle once",
		NULL },
};

#define N_SPECS (sizeof(specs) / sizeof(specs[0]))
#define OPT_BASE 1000
#define OPT_HELP 999

static const char usage[] =
	"Usage: fake-device VERB [options]\n\n"
	"A device that speaks Apple's MDM protocol. Every step is a JSON line on stdout.\n\n"
	"Verbs\n"
	"  enroll           download the profile, SCEP, Authenticate, TokenUpdate\n"
	"  poll             one session: Idle, commands, reports, until nothing is left\n"
	"  idle-once        one Idle; tells what is offered, and does nothing about it\n"
	"  run              enroll if needed, then live: wake-ups (--wake), polls (--poll-every)\n"
	"  authenticate, token-update, checkout     the single message\n"
	"  renew-scep       a new identity by SCEP alone, signed by the old one\n"
	"  raw              send --raw FILE with this device's signature\n"
	"  set-bootstrap [HEX], get-bootstrap       bootstrap token (no HEX: 64 random bytes; "
	"\"\": none)\n"
	"  user-authenticate, user-token-update, user-poll     the user channel (--user-id)\n"
	"  get-token TYPE   GetToken for a TokenServiceType\n"
	"  declarative [ENDPOINT]     synchronise declarations, or ask one endpoint\n"
	"  wipe             forget the enrollment, keep the hardware: a factory reset\n"
	"  show             the state, as JSON\n"
	"  fleet            many devices: a load generator\n\n";

static const char codes[] =
	"\nExit codes\n"
	"  0 done                          14 the server refused a message; kept for later\n"
	"  1 own files or keys             15 the server told the device to unenroll\n"
	"  10 unreachable                  16 the verb needs an enrolled device\n"
	"  11 TLS certificate not trusted  17 the server's answer is malformed\n"
	"  12 profile refused              18 not finished in the time given\n"
	"  13 SCEP failed                  19 a device of the fleet failed\n"
	"  64 usage                        20 ended as --stop-after told\n";

static void
print_help(void)
{
	char left[40];

	fputs(usage, stdout);
	for (size_t i = 0; i < N_SPECS; i++) {
		if (specs[i].name == NULL) {
			printf("%s%s\n", i > 0 ? "\n" : "", specs[i].help);
			continue;
		}
		snprintf(left, sizeof(left), "--%s %s", specs[i].name,
			specs[i].arg != NULL ? specs[i].arg : "");
		printf("  %-24s %s\n", left, specs[i].help);
	}
	fputs(codes, stdout);
}

static bool
is_word(const char *words, const char *s)
{
	size_t n = strlen(s);

	for (const char *w = words; w != NULL; w = strchr(w, '|') ? strchr(w, '|') + 1 : NULL)
		if (strncmp(w, s, n) == 0 && (w[n] == '|' || w[n] == '\0') && n > 0)
			return true;
	return false;
}

static bool
add_type(struct option_type *list, int *n, char *arg)
{
	char *colon = strchr(arg, ':'), *end = NULL;

	if (*n == OPTIONS_TYPES_MAX)
		return false;
	list[*n].type = arg;
	list[*n].count = -1;
	if (colon != NULL) {
		*colon = '\0';
		list[*n].count = (int)strtol(colon + 1, &end, 10);
		if (end == colon + 1 || *end != '\0' || list[*n].count < 1)
			return false;
	}
	(*n)++;
	return true;
}

static bool
set(struct options *o, const struct spec *s, char *arg)
{
	void *at = (char *)o + s->offset;
	char *end = NULL;

	switch (s->kind) {
	case WORD:
		if (!is_word(s->words, arg))
			return false;
		/* fallthrough */
	case TEXT:
		*(const char **)at = arg;
		return true;
	case NUMBER:
		*(int *)at = (int)strtol(arg, &end, 10);
		return end != arg && *end == '\0' && *(int *)at >= 0;
	case SECONDS:
		*(double *)at = strtod(arg, &end);
		return end != arg && *end == '\0' && *(double *)at >= 0;
	case FLAG:
		*(bool *)at = true;
		return true;
	case TYPES_NOT_NOW:
		return add_type(o->not_now, &o->n_not_now, arg);
	case TYPES_ERROR:
		return add_type(o->error, &o->n_error, arg);
	case DES:
		o->cipher = "des";
		return true;
	}
	return false;
}

static void
make_table(struct option table[N_SPECS + 2])
{
	size_t n = 0;

	for (size_t i = 0; i < N_SPECS; i++)
		if (specs[i].name != NULL)
			table[n++] = (struct option){ specs[i].name,
				specs[i].arg != NULL ? required_argument : no_argument, NULL,
				OPT_BASE + (int)i };
	table[n++] = (struct option){ "help", no_argument, NULL, OPT_HELP };
	table[n] = (struct option){ NULL, 0, NULL, 0 };
}

static void
set_defaults(struct options *o)
{
	*o = (struct options){ .profiles = 40,
		.certificates = 80,
		.apps = 150,
		.timeout = 30,
		.commands = -1,
		.count = 10,
		.first = 1,
		.concurrency = 8,
		.idle_rounds = 1 };
}

static int
complain(const char *what, const char *arg)
{
	fprintf(stderr, "fake-device: %s%s%s (--help shows what there is)\n", what,
		arg != NULL ? ": " : "", arg != NULL ? arg : "");
	return EX_USAGE;
}

int
options_parse(struct options *o, int argc, char **argv)
{
	struct option table[N_SPECS + 2];
	int c;

	set_defaults(o);
	make_table(table);
	while ((c = getopt_long(argc, argv, "h", table, NULL)) != -1) {
		if (c == OPT_HELP || c == 'h') {
			print_help();
			return 0;
		}
		if (c < OPT_BASE)
			return EX_USAGE;
		if (!set(o, &specs[c - OPT_BASE], optarg))
			return complain(specs[c - OPT_BASE].name, optarg);
	}
	if (optind == argc)
		return complain("a verb is missing", NULL);
	o->verb = argv[optind];
	o->argument = optind + 1 < argc ? argv[optind + 1] : NULL;
	if (optind + 2 < argc)
		return complain("too many arguments", argv[optind + 2]);
	if (o->count < 1 || o->concurrency < 1)
		return complain("--count and --concurrency begin at 1", NULL);
	o->unknown_error = o->unknown != NULL && strcmp(o->unknown, "error") == 0;
	o->renewal_unenrolls =
		o->renewal_failure != NULL && strcmp(o->renewal_failure, "unenroll") == 0;
	return -1;
}

const EVP_MD *
options_digest(const struct options *o)
{
	return o->digest != NULL && strcmp(o->digest, "sha1") == 0 ? EVP_sha1() : EVP_sha256();
}
