/* certrole.h - who is who in the certificate directory: SSC, TLS, vendor, push, and what is left
 * over */
#ifndef CORDON_PKI_CERTROLE_H
#define CORDON_PKI_CERTROLE_H

#include "pki/certscan.h"

/* Each fills its part of s->d and settles its entries; certrole_rest comes last. */
void certrole_ssc(struct certscan *s);
void certrole_tls(struct certscan *s);
void certrole_vendor(struct certscan *s);
void certrole_push(struct certscan *s);
void certrole_csr(struct certscan *s);
void certrole_rest(struct certscan *s);

#endif
