/* syntax.h - judges of single values in text; each says what is wrong in `why` */
#ifndef CORDON_CONF_SYNTAX_H
#define CORDON_CONF_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>

/* Takes a value or says in `why` (`size` bytes) what is wrong with it, as the end of a sentence. */
typedef bool syntax_check(const char *text, char *why, size_t size);

syntax_check syntax_server_name; /* host or host:port, no scheme */
syntax_check syntax_host;	 /* a name or an address */
syntax_check syntax_address;	 /* an IPv4 or IPv6 address, or "*" */
syntax_check syntax_prefix;	 /* an address or a CIDR prefix */
syntax_check syntax_path;	 /* absolute */
syntax_check syntax_trust;	 /* "system" or a path */
syntax_check syntax_url;	 /* https, or http to a loopback address */
syntax_check syntax_base_url;	 /* the same, and nothing behind its path */
syntax_check syntax_header;	 /* the name of an HTTP field */
syntax_check syntax_country;	 /* two letters */
syntax_check syntax_email;
syntax_check syntax_name; /* of an API key: what may stand in a log line as one word */

/*
 * "127.0.0.1:9464", "[::1]:9464", "*:9464": the address (without brackets, allocated) and port.
 * False with `why`, and nothing allocated.
 */
bool syntax_endpoint(const char *text, char **address, unsigned *port, char *why, size_t size);
/* True for 127.0.0.0/8, ::1 and "localhost". */
bool syntax_is_loopback(const char *address);
/* Length of the host in a valid server name, its port left out. */
size_t syntax_host_length(const char *server_name);

#endif
