/* firewall.c - cordonctl check --firewall: a request to whoever runs the firewall
 * (facts/protocol.md D.7) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/check.h"

/* The part of server-name behind its host. */
static unsigned
public_port(const struct conf *c)
{
	const char *colon = strrchr(c->server_name, ':'), *bracket = strchr(c->server_name, ']');

	if (!colon || (bracket && colon < bracket))
		return 443;
	return (unsigned)strtoul(colon + 1, NULL, 10);
}

static void
print_networks(void)
{
	static const char *const networks[] = { "17.249.0.0/16", "17.252.0.0/16", "17.57.144.0/22",
		"17.188.128.0/18", "17.188.20.0/23", "2620:149:a44::/48", "2403:300:a42::/48",
		"2403:300:a51::/48", "2a01:b740:a42::/48" };

	for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++)
		printf("       %s\n", networks[i]);
}

void
firewall_print(const struct conf *c)
{
	char *host = conf_server_host(c);

	printf("Subject: firewall openings for the MDM server %s\n\n", host);
	printf("Please allow these connections. TLS must not be inspected on any of them: both "
	       "sides\n"
	       "check certificates, and inspection breaks them.\n\n");
	printf("1. From the MDM server to Apple's push service\n"
	       "   TCP %u to %s (TLS, HTTP/2)\n",
		c->push.port, c->push.host);
	if (c->push.port != 2197)
		printf("   or, where 443 is kept closed, TCP 2197 to the same name\n");
	printf("   Apple advises to allow 17.0.0.0/8; the networks that it lists at least are:\n");
	print_networks();
	printf("\n2. From devices to Apple's push service\n"
	       "   TCP 5223 to *.push.apple.com, the same networks\n"
	       "   TCP 443 to *.push.apple.com, which devices use where 5223 is blocked and when\n"
	       "   they are activated\n");
	printf("\n3. From devices, wherever they are, to the MDM server\n"
	       "   TCP %u to %s (TLS)\n",
		public_port(c), host);
	printf("\n4. From administrators' computers to Apple's portal, once a year\n"
	       "   TCP 443 to identity.apple.com\n");
	printf("\nNot needed any more: TCP 2195 (gateway.push.apple.com) and TCP 2196\n"
	       "(feedback.push.apple.com), which Apple switched off in March 2021.\n");
	free(host);
}
