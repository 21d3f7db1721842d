/* qr.h - an address as a QR code in the terminal */
#ifndef CORDON_CTL_QR_H
#define CORDON_CTL_QR_H

#include <stdbool.h>

/* Dark on light, with its quiet zone.  `asked` false: silently nothing where there is no
 * libqrencode. */
void qr_print(const char *text, bool asked);

#endif
