/* reply.c - what a verb answers, before anything of HTTP */
#include "mdm/reply.h"

#include "mdm/declarative.h"

void
reply_free(struct reply *r)
{
	buf_wipe(&r->body);
	r->type = NULL;
	declarative_ask_free(r->ask);
	r->ask = NULL;
}

void
reply_text(struct reply *r, int status, const char *text)
{
	reply_free(r);
	r->status = status;
	r->type = "text/plain; charset=utf-8";
	buf_printf(&r->body, "%s\n", text);
}

void
reply_busy(struct reply *r)
{
	reply_text(r, 503, "The server cannot take changes now; try again later.");
}
