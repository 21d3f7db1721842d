/* client.c - HTTP over the control socket, by libcurl */
#include "ctl/client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/encode.h"

#define ANSWER_MAX (64u << 20)
#define PATIENCE_S 120L

static const char *socket_path; /* only client_set_socket writes it */

void
client_set_socket(const char *path)
{
	socket_path = path;
}

static const char *
the_socket(void)
{
	const char *env = getenv("CORDON_SOCKET");

	if (socket_path)
		return socket_path;
	return env && *env ? env : CORDON_RUNDIR "/control.sock";
}

bool
client_there(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool there;

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", the_socket());
	there = fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;
	if (fd >= 0)
		close(fd);
	return there;
}

static size_t
take(char *data, size_t size, size_t count, void *arg)
{
	struct buf *answer = arg;

	if (answer->len + size * count > ANSWER_MAX)
		return 0;
	buf_add(answer, data, size * count);
	return size * count;
}

static void
explain(CURLcode code)
{
	if (access(the_socket(), F_OK) != 0)
		fprintf(stderr,
			"cordonctl: there is no control socket %s: is cordond running? (systemctl "
			"status "
			"cordond)\n",
			the_socket());
	else if (access(the_socket(), W_OK) != 0)
		fprintf(stderr,
			"cordonctl: %s: permission denied: be root or in the group cordon-admin\n",
			the_socket());
	else
		fprintf(stderr, "cordonctl: %s: the daemon did not answer: %s\n", the_socket(),
			curl_easy_strerror(code));
}

static void
set_up(CURL *curl, const char *method, struct bytes body, struct buf *answer)
{
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, the_socket());
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, PATIENCE_S);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	if (body.data) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, (const char *)body.data);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
	}
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
}

static int
request(const char *method, const char *path, const char *type, struct bytes body,
	struct buf *answer)
{
	CURL *curl = curl_easy_init();
	struct buf url = BUF_INIT, header = BUF_INIT;
	struct curl_slist *headers = NULL;
	long status = -1;
	CURLcode code;

	if (!curl)
		return -1;
	buf_printf(&url, "http://localhost%s", path);
	set_up(curl, method, body, answer);
	curl_easy_setopt(curl, CURLOPT_URL, buf_str(&url));
	if (type) {
		buf_printf(&header, "Content-Type: %s", type);
		headers = curl_slist_append(headers, buf_str(&header));
	}
	headers = curl_slist_append(headers, "Expect:");
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	code = curl_easy_perform(curl);
	if (code == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	else
		explain(code);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	buf_free(&url);
	buf_free(&header);
	return (int)status;
}

int
client_request(
	const char *method, const char *path, const char *type, struct bytes body, json_t **ret)
{
	struct buf answer = BUF_INIT;
	int status = request(method, path, type, body, &answer);

	*ret = status >= 0 && answer.len
		       ? json_loadb((const char *)answer.data, answer.len, 0, NULL)
		       : NULL;
	buf_wipe(&answer);
	return status;
}

int
client_get_bytes(const char *path, struct buf *ret)
{
	return request("GET", path, NULL, bytes_of(NULL, 0), ret);
}

int
client_get(const char *path, json_t **ret)
{
	return client_request("GET", path, NULL, bytes_of(NULL, 0), ret);
}

int
client_send_json(const char *method, const char *path, json_t *body, json_t **ret)
{
	char *text = json_dumps(body, JSON_COMPACT);
	int status;

	json_decref(body);
	if (!text)
		return -1;
	status = client_request(method, path, "application/json", bytes_str(text), ret);
	free(text);
	return status;
}

void
client_add_segment(struct buf *path, const char *segment)
{
	buf_add_char(path, '/');
	encode_percent(path, bytes_str(segment));
}
