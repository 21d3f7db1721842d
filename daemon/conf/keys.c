/* keys.c - THE table: name, kind, default, range, whether a reload changes it, and its text */
#include <stddef.h>

#include "conf/keys.h"

#ifndef CORDON_SYSCONFDIR
#define CORDON_SYSCONFDIR "/etc"
#endif
#ifndef CORDON_STATEDIR
#define CORDON_STATEDIR "/var/lib/cordon"
#endif

#define SECOND 1
#define MINUTE 60
#define HOUR 3600
#define DAY 86400
#define TEN_YEARS (3650 * DAY)

#define PATH_LENGTH 4095
#define TEXT_LENGTH 255
#define PORT_MAX 65535

#define TYPE_STRING "string"
#define TYPE_PATH "path"
#define TYPE_DURATION "duration"
#define TYPE_SPAN "duration or \"never\""
#define TYPE_UNSIGNED "integer"
#define TYPE_NUMBER "integer"
#define TYPE_PERCENT "percentage"
#define TYPE_BOOL "boolean"
#define TYPE_EITHER "word"
#define TYPE_CHOICE "word"
#define TYPE_STRINGS "list of strings"
#define TYPE_DAYS "list of integers"
#define TYPE_ENDPOINT "address and port"
#define TYPE_GROUPS "list of groups"

#define RELOAD true
#define RESTART false

/* A row: name, kind, struct and field, default as libconfig reads it, RELOAD or RESTART, text. */
#define ROW(key, kind_, struct_, field, standard_, reload, text_, ...)                       \
	{                                                                                    \
		.info = { .name = (key),                                                     \
			.type = TYPE_##kind_,                                                \
			.standard = (standard_),                                             \
			.text = (text_),                                                     \
			.reloadable = (reload) },                                            \
		.kind = KIND_##kind_, .offset = offsetof(struct struct_, field), __VA_ARGS__ \
	}
#define KEY(key, kind_, field, standard_, reload, text_, ...) \
	ROW(key, kind_, conf, field, standard_, reload, text_, __VA_ARGS__)

#define RANGE(least, most) .min = (least), .max = (most)
#define NONE ""

static const char *const digests[] = { "any", "sha256", NULL };
static const char *const access_words[] = { "link", "open", NULL };
static const char *const re_enroll[] = { "any", "bound", NULL };
static const char *const ade[] = { "off", "listed", NULL };
static const char *const user_authenticate[] = { "reject", "empty-challenge", NULL };
static const char *const raw[] = { "redacted", "full", NULL };
/* in the order of enum conf_authentication and enum conf_role */
static const char *const authentications[] = { "signature", "tls", "either", "both", NULL };
static const char *const roles[] = { "read", "operate", "admin", NULL };

static const struct key listen_rows[] = {
	ROW("address", STRING, conf_listen, address, "\"*\"", RESTART,
		"Address to listen on; \"*\" is every IPv4 and IPv6 address.",
		RANGE(1, TEXT_LENGTH), .check = syntax_address),
	ROW("port", UNSIGNED, conf_listen, port, "443", RESTART, "Port.", RANGE(1, PORT_MAX)),
	ROW("tls", BOOL, conf_listen, tls, "true", RESTART, "Whether TLS is spoken."),
	ROW("behind-proxy", BOOL, conf_listen, behind_proxy, "false", RESTART,
		"Whether headers of the peers in proxy.trusted are believed."),
};
static const struct keys listen_keys = { listen_rows, sizeof(listen_rows) / sizeof(listen_rows[0]),
	sizeof(struct conf_listen) };

static const struct key api_key_rows[] = {
	ROW("name", STRING, conf_api_key, name, NONE, RELOAD, "Name of the caller in the journal.",
		RANGE(1, 64), .check = syntax_name, .required = true),
	ROW("role", CHOICE, conf_api_key, role, "\"read\"", RELOAD, "What the caller may do.",
		.words = roles, .required = true),
	ROW("file", PATH, conf_api_key, file, NONE, RELOAD, "File that holds the key.",
		RANGE(1, PATH_LENGTH), .required = true),
};
static const struct keys api_key_keys = { api_key_rows,
	sizeof(api_key_rows) / sizeof(api_key_rows[0]), sizeof(struct conf_api_key) };

static const struct key rows[] = {
	KEY("organization", STRING, organization, NONE, RELOAD,
		"Name of the organization as people see it in profiles. Required.", RANGE(1, 64),
		.required = true),
	KEY("server-name", STRING, server_name, NONE, RELOAD,
		"Name under which devices reach this server, with :port unless it is 443. It "
		"becomes "
		"part of every enrolled device and cannot be changed there. Required.",
		RANGE(1, 259), .check = syntax_server_name, .required = true),
	KEY("listen", GROUPS, listen, "( { address = \"*\"; port = 443; } )", RESTART,
		"Where devices are served: a list of groups of address (\"*\" is every IPv4 and "
		"IPv6 "
		"address), port, tls (true) and behind-proxy (false). Sockets that systemd passes "
		"take its place.",
		.entry = &listen_keys, .count = offsetof(struct conf, listen_count)),
	KEY("certificates", PATH, certificates, "\"" CORDON_SYSCONFDIR "/cordon/certs\"", RESTART,
		"The certificate directory, which is watched.", RANGE(1, PATH_LENGTH)),
	KEY("state", PATH, state, "\"" CORDON_STATEDIR "\"", RESTART,
		"The directory in which the daemon keeps its state.", RANGE(1, PATH_LENGTH)),

	KEY("subject.country", STRING, subject.country, NONE, RELOAD,
		"Country code of two letters in certificates made by cordon-csr and cordon-ssc.",
		RANGE(1, 2), .check = syntax_country),
	KEY("subject.state", STRING, subject.state, NONE, RELOAD, "State or province there.",
		RANGE(1, 128)),
	KEY("subject.locality", STRING, subject.locality, NONE, RELOAD, "City there.",
		RANGE(1, 128)),
	KEY("subject.organization", STRING, subject.organization, NONE, RELOAD,
		"Organization there.", RANGE(1, 64)),
	KEY("subject.unit", STRING, subject.unit, NONE, RELOAD, "Organizational unit there.",
		RANGE(1, 64)),
	KEY("subject.email", STRING, subject.email, NONE, RELOAD, "Mail address there.",
		RANGE(1, 128), .check = syntax_email),
	KEY("subject.common-name", STRING, subject.common_name, NONE, RELOAD,
		"Common name there; of the SSC it is the name of the profile on users' devices.",
		RANGE(1, 64)),

	KEY("tls.certificate", PATH, tls.certificate,
		"\"" CORDON_SYSCONFDIR "/cordon/certs/server.crt\"", RELOAD,
		"Certificate chain of the public listener, leaf first. Unless set, server.crt in "
		"the "
		"certificate directory.",
		RANGE(1, PATH_LENGTH)),
	KEY("tls.key", PATH, tls.key, "\"" CORDON_SYSCONFDIR "/cordon/certs/server.key\"", RELOAD,
		"Its private key. Unless set, server.key in the certificate directory.",
		RANGE(1, PATH_LENGTH)),
	KEY("tls.request-client-certificate", BOOL, tls.request_client_certificate, "false", RELOAD,
		"Whether devices are asked for their certificate in the TLS handshake."),

	KEY("proxy.trusted", STRINGS, proxy.trusted, NONE, RELOAD,
		"Addresses or prefixes of reverse proxies whose headers are believed, on listeners "
		"with behind-proxy.",
		RANGE(1, TEXT_LENGTH), .check = syntax_prefix),
	KEY("proxy.client-certificate-header", STRING, proxy.client_certificate_header, NONE,
		RELOAD,
		"Header in which such a proxy passes the client's certificate. Services that use "
		"the gate may pass it there too.",
		RANGE(1, 64), .check = syntax_header),
	KEY("proxy.forwarded-header", STRING, proxy.forwarded_header, NONE, RELOAD,
		"Header in which such a proxy passes the client's address.", RANGE(1, 64),
		.check = syntax_header),

	KEY("device-authentication", CHOICE, device_authentication, "\"signature\"", RELOAD,
		"How devices prove who they are: \"signature\" (the header Mdm-Signature), "
		"\"tls\", "
		"\"either\" or \"both\". A signature that is present is always checked.",
		.words = authentications),
	KEY("digests", EITHER, digests_sha256, "\"any\"", RELOAD,
		"Lowest digest in signatures and SCEP requests of devices: \"any\" (SHA-1 and up) "
		"or "
		"\"sha256\".",
		.words = digests),
	KEY("identity-grace", DURATION, identity_grace, "\"365d\"", RELOAD,
		"How long a device with an expired identity may still talk; it is offered nothing "
		"but its renewal.",
		RANGE(0, TEN_YEARS)),
	KEY("lock-after", SPAN, lock_after, "\"never\"", RELOAD,
		"Silence after which a device is locked out at the gate: \"24h\", \"7d\", \"14d\", "
		"\"30d\" or \"never\"; any other duration of 1h or more too.",
		RANGE(HOUR, TEN_YEARS)),
	KEY("lock-limit", PERCENT, lock_limit, "\"20%\"", RELOAD,
		"At most this share of the devices, or 10 if that is more, is locked by silence in "
		"24 hours.",
		RANGE(0, 100)),
	KEY("allow-unenrolled", BOOL, allow_unenrolled, "false", RELOAD,
		"The gate's answer for a device that has no enrollment."),

	KEY("refresh.device-information", SPAN, refresh.device_information, "\"24h\"", RELOAD,
		"How often devices are asked for facts about themselves.",
		RANGE(MINUTE, TEN_YEARS)),
	KEY("refresh.security-info", SPAN, refresh.security_info, "\"24h\"", RELOAD,
		"How often for encryption, passcode and other security facts.",
		RANGE(MINUTE, TEN_YEARS)),
	KEY("refresh.profile-list", SPAN, refresh.profile_list, "\"24h\"", RELOAD,
		"How often for their profiles.", RANGE(MINUTE, TEN_YEARS)),
	KEY("refresh.certificate-list", SPAN, refresh.certificate_list, "\"7d\"", RELOAD,
		"How often for their certificates.", RANGE(MINUTE, TEN_YEARS)),
	KEY("refresh.installed-applications", SPAN, refresh.installed_applications, "\"never\"",
		RELOAD, "How often for their applications.", RANGE(MINUTE, TEN_YEARS)),

	KEY("push.host", STRING, push.host, "\"api.push.apple.com\"", RELOAD,
		"Host of Apple's push service.", RANGE(1, TEXT_LENGTH), .check = syntax_host),
	KEY("push.port", UNSIGNED, push.port, "443", RELOAD, "Its port; Apple listens on 2197 too.",
		RANGE(1, PORT_MAX)),
	KEY("push.trust", STRING, push.trust, "\"system\"", RELOAD,
		"Whose certificate it must show: \"system\" (the trust store of this system) or "
		"the "
		"path of a file with root certificates.",
		RANGE(1, PATH_LENGTH), .check = syntax_trust),
	KEY("push.expiration", DURATION, push.expiration, "\"7d\"", RELOAD,
		"How long Apple keeps a push for a device that cannot be reached.",
		RANGE(0, 30 * DAY)),
	KEY("push.rate", UNSIGNED, push.rate, "200", RELOAD, "Bulk pushes each second.",
		RANGE(1, 10000)),
	KEY("push.warn-days", DAYS, push.warn_days, "[ 60, 30, 14, 7, 3, 1 ]", RELOAD,
		"Days before the end of a certificate at which the journal says so.",
		RANGE(1, 3650), .count = offsetof(struct conf, push.warn_days_count)),
	KEY("push.apple-account", STRING, push.apple_account, NONE, RELOAD,
		"A note: the Apple account of the push certificate, shown wherever renewal is "
		"spoken "
		"of.",
		RANGE(1, TEXT_LENGTH)),

	KEY("enrollment.access", EITHER, enrollment.open, "\"link\"", RELOAD,
		"Who may enroll: \"link\" (whoever holds an enrollment link) or \"open\" "
		"(everybody "
		"who reaches /enroll).",
		.words = access_words),
	KEY("enrollment.link-lifetime", DURATION, enrollment.link_lifetime, "\"7d\"", RELOAD,
		"How long a link can be used.", RANGE(MINUTE, TEN_YEARS)),
	KEY("enrollment.access-rights", NUMBER, enrollment.access_rights, "8191", RELOAD,
		"Sum of the rights that the profile asks for; 8191 is all. A device cannot be "
		"given "
		"more later.",
		RANGE(0, 8191)),
	KEY("enrollment.re-enroll", EITHER, enrollment.re_enroll_bound, "\"any\"", RELOAD,
		"Whether any link (\"any\") or only one that is bound to it (\"bound\") replaces "
		"the "
		"enrollment of a device that answered within 24 hours.",
		.words = re_enroll),
	KEY("enrollment.install", STRINGS, enrollment.install, NONE, RELOAD,
		"Profiles that every device gets after its enrollment.", RANGE(1, PATH_LENGTH),
		.check = syntax_path),
	KEY("enrollment.ade", EITHER, enrollment.ade_listed, "\"off\"", RELOAD,
		"Automated device enrollment: \"off\", or \"listed\" for serial numbers that a "
		"link "
		"is bound to.",
		.words = ade),
	KEY("enrollment.apple-ca", PATH, enrollment.apple_ca, NONE, RELOAD,
		"Apple's root certificate that the signature of such a request must lead to.",
		RANGE(1, PATH_LENGTH)),
	KEY("enrollment.user-authenticate", EITHER, enrollment.user_authenticate_empty,
		"\"reject\"", RELOAD,
		"What users of a Mac get who ask to be managed: \"reject\", or \"empty-challenge\" "
		"to "
		"take them without a password.",
		.words = user_authenticate),
	KEY("enrollment.hold-setup", BOOL, enrollment.hold_setup, "false", RELOAD,
		"Whether a device waits in its setup assistant until it is released by hand."),
	KEY("enrollment.description", STRING, enrollment.description, NONE, RELOAD,
		"Text below the name of the profile on users' devices.", RANGE(1, 1000)),

	KEY("identity.lifetime", DURATION, identity.lifetime, "\"365d\"", RELOAD,
		"Lifetime of the certificates by which devices identify themselves.",
		RANGE(MINUTE, TEN_YEARS)),
	KEY("identity.renew-before", DURATION, identity.renew_before, "\"120d\"", RELOAD,
		"How long before its end such a certificate is renewed.", RANGE(SECOND, TEN_YEARS)),

	KEY("queue.limit", UNSIGNED, queue.limit, "200", RELOAD, "Commands waiting for a device.",
		RANGE(1, 10000)),
	KEY("queue.lifetime", DURATION, queue.lifetime, "\"30d\"", RELOAD,
		"How long a command waits before it expires.", RANGE(MINUTE, TEN_YEARS)),
	KEY("queue.keep-results", UNSIGNED, queue.keep_results, "20", RELOAD,
		"Results kept for a device.", RANGE(0, 1000)),

	KEY("gate.listen", ENDPOINT, gate_listen, NONE, RESTART,
		"Loopback address and port at which the gate answers beside its socket."),

	KEY("api.listen", ENDPOINT, api_listen, NONE, RESTART,
		"Loopback address and port of the control API beside its socket; from elsewhere it "
		"is "
		"reached through a proxy with TLS."),
	KEY("api.keys", GROUPS, api_keys, NONE, RELOAD,
		"Who may call it: a list of groups of name, role (\"read\", \"operate\" or "
		"\"admin\") "
		"and file, which holds the key.",
		.entry = &api_key_keys, .count = offsetof(struct conf, api_key_count)),

	KEY("webhook.url", STRING, webhook.url, NONE, RELOAD,
		"Where events are posted as NanoMDM does; http for loopback addresses only.",
		RANGE(1, 2000), .check = syntax_url),
	KEY("webhook.hmac-key-file", PATH, webhook.hmac_key_file, NONE, RELOAD,
		"File with the key that signs them.", RANGE(1, PATH_LENGTH)),
	KEY("webhook.timeout", DURATION, webhook.timeout, "\"30s\"", RELOAD,
		"How long an answer is waited for.", RANGE(SECOND, 10 * MINUTE)),
	KEY("webhook.raw", EITHER, webhook.raw_full, "\"redacted\"", RELOAD,
		"\"redacted\" blanks tokens in what is posted, \"full\" does not.", .words = raw),
	KEY("webhook.limit", UNSIGNED, webhook.limit, "100000", RELOAD,
		"Events that may wait for the receiver; beyond it new ones are dropped and "
		"counted.",
		RANGE(10, 10000000)),

	KEY("declarative.url", STRING, declarative.url, NONE, RELOAD,
		"An external server for declarative management, which is asked as NanoMDM does: "
		"tokens, declaration-items, declaration/... and status are added to this address; "
		"http for loopback addresses only.",
		RANGE(1, 2000), .check = syntax_base_url),
	KEY("declarative.hmac-key-file", PATH, declarative.hmac_key_file, NONE, RELOAD,
		"File with the key that signs requests to it.", RANGE(1, PATH_LENGTH)),
	KEY("declarative.timeout", DURATION, declarative.timeout, "\"20s\"", RELOAD,
		"How long a device waits for its answer.", RANGE(SECOND, 45 * SECOND)),

	KEY("metrics.listen", ENDPOINT, metrics_listen, NONE, RESTART,
		"Address and port for Prometheus."),

	KEY("migration", DURATION, migration, "\"0s\"", RELOAD,
		"How long imported devices may bind the certificates that they have: from the "
		"start, or from a change of this key; \"0s\" closes the window.",
		RANGE(0, 365 * DAY)),

	KEY("mdmcert.email", STRING, mdmcert.email, NONE, RELOAD,
		"Mail address of an account at mdmcert.download.", RANGE(1, TEXT_LENGTH),
		.check = syntax_email),
	KEY("mdmcert.key-file", PATH, mdmcert.key_file, NONE, RELOAD,
		"File with the API key that mdmcert.download gave this project.",
		RANGE(1, PATH_LENGTH)),
};

const struct keys keys_all = { rows, sizeof(rows) / sizeof(rows[0]), sizeof(struct conf) };

size_t
conf_key_count(void)
{
	return keys_all.count;
}

const struct conf_key_info *
conf_key_at(size_t index)
{
	return index < keys_all.count ? &rows[index].info : NULL;
}
