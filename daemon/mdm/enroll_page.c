/* enroll_page.c - the page at /enroll for browsers that cannot install a profile */
#include "mdm/enroll_page.h"

#include <string.h>

bool
enroll_page_wanted(const char *user_agent)
{
	static const char *const apple[] = { "iPhone", "iPad", "iPod", "Macintosh", "Apple TV",
		"AppleTV", "Apple Watch", "Darwin" };
	size_t i;

	/* Every browser says "Mozilla"; what says nothing of the kind is a program. */
	if (!user_agent || !strstr(user_agent, "Mozilla/"))
		return false;
	for (i = 0; i < sizeof(apple) / sizeof(apple[0]); i++)
		if (strstr(user_agent, apple[i]))
			return false;
	return true;
}

static void
add_escaped(struct buf *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			buf_add_str(out, "&amp;");
			break;
		case '<':
			buf_add_str(out, "&lt;");
			break;
		case '>':
			buf_add_str(out, "&gt;");
			break;
		case '"':
			buf_add_str(out, "&quot;");
			break;
		default:
			buf_add_char(out, *text);
		}
	}
}

void
enroll_page_build(const char *organization, const char *fault, struct buf *out)
{
	buf_add_str(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
			 "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
			 "<title>Device management</title></head>\n<body>\n<h1>Device management");
	if (organization) {
		buf_add_str(out, " of ");
		add_escaped(out, organization);
	}
	buf_add_str(out, "</h1>\n");
	if (fault) {
		buf_add_str(out, "<p>");
		add_escaped(out, fault);
		buf_add_str(out, "</p>\n");
	}
	buf_add_str(out,
		"<p>This address puts an Apple device under management. Open it on the device "
		"itself:</p>\n<ul>\n"
		"<li>iPhone and iPad: open it in Safari, allow the download, then open Settings, "
		"tap "
		"\"Profile Downloaded\" and Install.</li>\n"
		"<li>Mac: open it in Safari, then install the profile in System Settings, General, "
		"Device Management (before macOS 15: Privacy and Security, Profiles).</li>\n"
		"</ul>\n</body></html>\n");
}
