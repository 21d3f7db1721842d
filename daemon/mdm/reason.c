/* reason.c - APNs' reasons as a table */
#include "mdm/reason.h"

#include <stddef.h>
#include <string.h>

#define LATER_FIRST 900 /* seconds: what Apple asks for after a 5xx */
#define SLOW_FIRST 60
#define DELAY_MAX 86400

#define OURS "this server made a faulty request; please report it"

/* clang-format off */
static const struct reason table[] = {
	{ 400, "BadDeviceToken",         REASON_TOKEN_BAD, "the push token is not one of this push certificate's environment; the device must enroll again or send a new token" },
	{ 400, "DeviceTokenNotForTopic", REASON_TOKEN_BAD, "the device enrolled under another push certificate; it must enroll again" },
	{ 400, "BadTopic",               REASON_STOP,      "the topic is not the one of the push certificate" },
	{ 400, "TopicDisallowed",        REASON_STOP,      "the push certificate may not push to this topic" },
	{ 400, "IdleTimeout",            REASON_AGAIN,     "the connection was idle for too long" },
	{ 400, "BadCollapseId",          REASON_NOTE,      OURS },
	{ 400, "BadExpirationDate",      REASON_NOTE,      OURS },
	{ 400, "BadMessageId",           REASON_NOTE,      OURS },
	{ 400, "BadPriority",            REASON_NOTE,      OURS },
	{ 400, "DuplicateHeaders",       REASON_NOTE,      OURS },
	{ 400, "InvalidPushType",        REASON_NOTE,      OURS },
	{ 400, "MissingTopic",           REASON_NOTE,      OURS },
	{ 400, "MissingDeviceToken",     REASON_NOTE,      OURS },
	{ 400, "PayloadEmpty",           REASON_NOTE,      OURS },
	{ 403, "BadCertificate",         REASON_STOP,      "Apple does not accept the push certificate: it may be revoked or expired; renew it with cordon-csr renew" },
	{ 403, "BadCertificateEnvironment", REASON_STOP,   "the push certificate is for another environment than push.host" },
	{ 403, "MissingProviderToken",   REASON_STOP,      "Apple saw no push certificate: something between this server and Apple may intercept TLS" },
	{ 403, NULL,                     REASON_STOP,      "Apple refuses this server's push certificate" },
	{ 404, NULL,                     REASON_NOTE,      OURS },
	{ 405, NULL,                     REASON_NOTE,      OURS },
	{ 410, "ExpiredToken",           REASON_GONE,      "the push token has expired: the device is not managed any more, or has a new one" },
	{ 410, NULL,                     REASON_GONE,      "the device does not take pushes for this topic any more" },
	{ 413, NULL,                     REASON_NOTE,      OURS },
	{ 429, NULL,                     REASON_SLOW,      "too many pushes to this device; the next one waits" },
	{ 503, "Shutdown",               REASON_AGAIN,     "Apple's server shuts down; another takes the push" },
	{ 500, NULL,                     REASON_LATER,     "Apple's push service has a fault; tried again later" },
	{ 503, NULL,                     REASON_LATER,     "Apple's push service is not available; tried again later" },
};
/* clang-format on */

const struct reason *
reason_find(int status, const char *name)
{
	static const struct reason server = { 500, NULL, REASON_LATER,
		"Apple's push service has a fault; tried again later" };
	static const struct reason other = { 0, NULL, REASON_NOTE,
		"Apple's push service gave an answer that is not known here" };
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].status == status &&
			(!table[i].name || (name && strcmp(table[i].name, name) == 0)))
			return &table[i];
	return status >= 500 && status <= 599 ? &server : &other;
}

int
reason_delay(enum reason_action action, unsigned failures)
{
	long first = action == REASON_LATER ? LATER_FIRST : action == REASON_SLOW ? SLOW_FIRST : 1;
	unsigned doublings = failures > 0 ? failures - 1 : 0;
	long delay = first << (doublings > 10 ? 10 : doublings);

	return (int)(delay > DELAY_MAX ? DELAY_MAX : delay);
}
