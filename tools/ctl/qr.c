/* qr.c - an address as a QR code in the terminal */
#include "ctl/qr.h"

#include <stdio.h>

#include "config.h"

#ifdef HAVE_QRENCODE

#include <qrencode.h>

#include "ctl/table.h"

#define QUIET 4 /* modules around the code; readers want them */

static bool
is_dark(const QRcode *qr, int x, int y)
{
	if (x < 0 || y < 0 || x >= qr->width || y >= qr->width)
		return false;
	return qr->data[y * qr->width + x] & 1;
}

/* Two rows of modules to a line of text: half blocks make them square. */
static void
print_code(const QRcode *qr)
{
	static const char *const blocks[4] = { "\u2588", "\u2584", "\u2580", " " };

	/* Black and white whatever the terminal's own colours are. */
	const char *on = *terminal_bold() ? "\033[97;40m" : "", *off = *on ? "\033[0m" : "";

	for (int y = -QUIET; y < qr->width + QUIET; y += 2) {
		fputs(on, stdout);
		for (int x = -QUIET; x < qr->width + QUIET; x++)
			fputs(blocks[is_dark(qr, x, y) + 2 * is_dark(qr, x, y + 1)], stdout);
		puts(off);
	}
}

void
qr_print(const char *text, bool asked)
{
	QRcode *qr = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);

	if (qr)
		print_code(qr);
	else if (asked)
		fprintf(stderr, "cordonctl: the address is too long for a QR code\n");
	QRcode_free(qr);
}

#else

void
qr_print(const char *text, bool asked)
{
	(void)text;
	if (asked)
		fprintf(stderr, "cordonctl: this cordonctl was built without libqrencode\n");
}

#endif
