#include "transfer/wire.h"

#include <curl/curl.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "transfer/wire_fault.h"
#include "transfer/wire_host.h"

/* LOOK_MS: libcurl's own loop sleeps a second when a data connection of FTP has ended.
 * BUFFER: with 64 KiB SFTP uploads are a third slower.  SLOW: bytes a second. */
enum { LOOK_MS = 20, BUFFER = 512 * 1024, SLOW = 1 };

struct wire {
	CURL *easy;
	CURLM *multi;
	struct wire_options o; /* its texts are the wire's own */
	struct wire_host host;
	struct transfer_facts facts;
	char entry[512];
};

/* One call. */
struct wire_exchange {
	struct wire *wire;
	const struct wire_call *call;
	struct wire_reply *reply;
	struct err *e;
	int64_t at;  /* how far the body is read */
	int64_t got; /* bytes for the sink */
	bool failed; /* ${e} is filled already */
	bool fresh;  /* on a connection of its own */
	char text[CURL_ERROR_SIZE];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
init(void)
{
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static char *
optional(const char *text)
{
	return text == NULL ? NULL : mem_string(text);
}

int
wire_open(const struct wire_options *o, struct wire **ret_wire, struct err *e)
{
	struct wire *w;

	(void)pthread_once(&once, init);
	w = mem_new(sizeof(*w));
	w->o = *o;
	w->o.user = optional(o->user);
	w->o.password = optional(o->password);
	w->o.key_file = optional(o->key_file);
	w->o.key_password = optional(o->key_password);
	w->o.host_key = optional(o->host_key);
	w->o.ca_file = optional(o->ca_file);
	w->host.pinned = w->o.host_key;
	w->easy = curl_easy_init();
	w->multi = curl_multi_init();
	if (w->easy == NULL || w->multi == NULL) {
		wire_close(w);
		return err_set(e, ERR_INTERNAL, "no handle of libcurl");
	}
	*ret_wire = w;
	return 0;
}

static void
forget(const char *secret)
{
	char *text;

	if (secret == NULL)
		return;
	memcpy(&text, &secret, sizeof(text)); /* it is the wire's own, see wire_open */
	explicit_bzero(text, strlen(text));
	free(text);
}

void
wire_close(struct wire *w)
{
	if (w == NULL)
		return;
	curl_easy_cleanup(w->easy);
	(void)curl_multi_cleanup(w->multi);
	forget(w->o.user);
	forget(w->o.password);
	forget(w->o.key_file);
	forget(w->o.key_password);
	forget(w->o.host_key);
	forget(w->o.ca_file);
	free(w);
}

static size_t
on_upload(char *data, size_t size, size_t count, void *ctx)
{
	struct wire_exchange *x = ctx;
	const struct transfer_body *body = x->call->body;
	const int64_t left = x->call->from + x->call->length - x->at;
	size_t want = size * count;
	ssize_t got;

	if ((int64_t)want > left)
		want = (size_t)left;
	if (want == 0)
		return 0;
	got = body->read(body->ctx, x->at, data, want, x->e);
	if (got == 0)
		(void)err_set(x->e, ERR_CHANGED, "what is copied ends before its end");
	if (got <= 0) {
		x->failed = true;
		return CURL_READFUNC_ABORT;
	}
	if (x->call->digest != NULL)
		(void)EVP_DigestUpdate(x->call->digest, data, (size_t)got);
	x->at += got;
	return (size_t)got;
}

/* libcurl begins again: after a connection that was kept turned out to be dead, or with resume. */
static int
on_seek(void *ctx, curl_off_t offset, int origin)
{
	struct wire_exchange *x = ctx;
	const int64_t start = x->call->resume ? 0 : x->call->from;

	if (origin != SEEK_SET || offset < 0)
		return CURL_SEEKFUNC_CANTSEEK;
	if (x->call->digest != NULL && EVP_DigestInit_ex2(x->call->digest, NULL, NULL) != 1)
		return CURL_SEEKFUNC_FAIL;
	x->at = start + offset;
	return CURL_SEEKFUNC_OK;
}

static size_t
on_text(char *data, size_t size, size_t count, void *ctx)
{
	struct wire_exchange *x = ctx;
	const size_t len = size * count;
	long status = 0;

	(void)curl_easy_getinfo(x->wire->easy, CURLINFO_RESPONSE_CODE, &status);
	/* FTP has 150 and the like here; of HTTP an error's page is no content. */
	if (x->call->sink != NULL && status < 300) {
		/* A server that does not know ranges sends all from the start: none of it is ours.
		 */
		if (x->call->range_length != 0 && status == 200)
			return CURL_WRITEFUNC_ERROR;
		x->got += (int64_t)len;
		x->failed = sink_write(x->call->sink, data, len, x->e) != 0;
	} else if (buf_add(&x->reply->text, data, len) != 0) {
		x->failed = true;
		(void)err_set(x->e, ERR_TOO_LARGE, "the server's answer is over %d bytes",
			WIRE_REPLY_MAX);
	}
	return x->failed ? CURL_WRITEFUNC_ERROR : len;
}

/* The value of header ${name}, if ${line} is it. */
static bool
header(const char *line, size_t len, const char *name, char *to, size_t size)
{
	const size_t name_len = strlen(name);

	if (len <= name_len || line[name_len] != ':' || strncasecmp(line, name, name_len) != 0)
		return false;
	line += name_len + 1;
	len -= name_len + 1;
	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == '\n' || line[len - 1] == ' '))
		len--;
	if (len >= size)
		return false;
	memcpy(to, line, len);
	to[len] = '\0';
	return true;
}

static void
keep_date(struct wire *w, const char *text)
{
	const time_t there = curl_getdate(text, NULL);

	if (there < 0)
		return;
	w->facts.clock_known = true;
	w->facts.clock_ahead_ms = (int64_t)there * 1000 - clock_real_ns() / 1000000;
}

static size_t
on_header(char *line, size_t size, size_t count, void *ctx)
{
	struct wire_exchange *x = ctx;
	struct wire_reply *r = x->reply;
	const size_t len = size * count;
	size_t kept = len < sizeof(r->last) - 1 ? len : sizeof(r->last) - 1;
	char value[256] = "";

	if (header(line, len, "ETag", r->etag, sizeof(r->etag)) ||
		header(line, len, "x-amz-server-side-encryption", r->sse, sizeof(r->sse)))
		return len;
	if (header(line, len, "Date", value, sizeof(value)))
		keep_date(x->wire, value);
	else if (header(line, len, "Content-Range", value, sizeof(value)) &&
		 strchr(value, '/') != NULL)
		r->range_total = strtoll(strchr(value, '/') + 1, NULL, 10);
	memcpy(r->last, line, kept);
	r->last[kept] = '\0';
	r->last[strcspn(r->last, "\r\n")] = '\0';
	/* pure-ftpd cuts its listings and says so in words alone, with 226: all is well. */
	if (strncmp(r->last, "226", 3) == 0 && strcasestr(r->last, "truncated") != NULL)
		r->truncated = true;
	return len;
}

static int
on_progress(void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
	struct wire_exchange *x = ctx;

	(void)down_total;
	(void)down;
	(void)up_total;
	(void)up;
	if (x->wire->o.cancelled == NULL || !x->wire->o.cancelled(x->wire->o.ctx))
		return 0;
	x->failed = true;
	(void)err_set(x->e, ERR_CANCELLED, "the transfer was given up");
	return 1;
}

static void
set_limits(struct wire *w)
{
	CURL *c = w->easy;

	(void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https,ftp,ftps,sftp");
	(void)curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT,
		(long)(w->o.connect_s > 0 ? w->o.connect_s : TRANSFER_CONNECT_S));
	(void)curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)SLOW);
	(void)curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME,
		(long)(w->o.stall_s > 0 ? w->o.stall_s : TRANSFER_STALL_S));
	(void)curl_easy_setopt(c, CURLOPT_SERVER_RESPONSE_TIMEOUT,
		(long)(w->o.stall_s > 0 ? w->o.stall_s : TRANSFER_STALL_S));
	(void)curl_easy_setopt(c, CURLOPT_BUFFERSIZE, (long)BUFFER);
	(void)curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, (long)BUFFER);
	(void)curl_easy_setopt(c, CURLOPT_MAX_SEND_SPEED_LARGE, (curl_off_t)w->o.rate_bytes_s);
	(void)curl_easy_setopt(c, CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)w->o.rate_bytes_s);
}

static void
set_trust(struct wire *w)
{
	CURL *c = w->easy;

	if (w->o.user != NULL)
		(void)curl_easy_setopt(c, CURLOPT_USERNAME, w->o.user);
	if (w->o.password != NULL)
		(void)curl_easy_setopt(c, CURLOPT_PASSWORD, w->o.password);
	if (w->o.basic)
		(void)curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
	if (w->o.ca_file != NULL)
		(void)curl_easy_setopt(c, CURLOPT_CAINFO, w->o.ca_file);
	(void)curl_easy_setopt(c, CURLOPT_CERTINFO, 1L);
	if (w->o.tls_required)
		(void)curl_easy_setopt(c, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
	/* With TLS 1.3 older ones lose the ends of transfers, and the session that vsftpd wants
	 * to see again on each data connection (7.88: a third of them; 8.14: none). */
	if (w->o.tls_required && curl_version_info(CURLVERSION_NOW)->version_num < 0x080e00)
		(void)curl_easy_setopt(c, CURLOPT_SSLVERSION,
			(long)CURL_SSLVERSION_TLSv1_2 | (long)CURL_SSLVERSION_MAX_TLSv1_2);
	/* Neither an agent nor a file that nobody named. */
	(void)curl_easy_setopt(c, CURLOPT_SSH_AUTH_TYPES,
		(long)(w->o.key_file != NULL ? CURLSSH_AUTH_PUBLICKEY
					     : CURLSSH_AUTH_PASSWORD | CURLSSH_AUTH_KEYBOARD));
	if (w->o.key_file != NULL)
		(void)curl_easy_setopt(c, CURLOPT_SSH_PRIVATE_KEYFILE, w->o.key_file);
	if (w->o.key_password != NULL)
		(void)curl_easy_setopt(c, CURLOPT_KEYPASSWD, w->o.key_password);
	(void)curl_easy_setopt(c, CURLOPT_SSH_HOSTKEYFUNCTION, wire_host_key);
	(void)curl_easy_setopt(c, CURLOPT_SSH_HOSTKEYDATA, &w->host);
}

static void
set_callbacks(struct wire_exchange *x)
{
	CURL *c = x->wire->easy;

	(void)curl_easy_setopt(c, CURLOPT_ERRORBUFFER, x->text);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_text);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
	(void)curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
	(void)curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	(void)curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	(void)curl_easy_setopt(c, CURLOPT_XFERINFODATA, x);
}

static void
set_upload(struct wire_exchange *x)
{
	const struct wire_call *call = x->call;
	CURL *c = x->wire->easy;

	if (call->body == NULL && call->text != NULL) {
		(void)curl_easy_setopt(c, CURLOPT_POST, 1L);
		(void)curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)strlen(call->text));
		(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, call->text);
	}
	if (call->body == NULL)
		return;
	x->at = call->from;
	(void)curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
	(void)curl_easy_setopt(c, CURLOPT_READFUNCTION, on_upload);
	(void)curl_easy_setopt(c, CURLOPT_READDATA, x);
	(void)curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek);
	(void)curl_easy_setopt(c, CURLOPT_SEEKDATA, x);
	(void)curl_easy_setopt(c, CURLOPT_FTP_CREATE_MISSING_DIRS, (long)CURLFTP_CREATE_DIR_RETRY);
	(void)curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE,
		(curl_off_t)(call->length + (call->resume ? call->from : 0)));
	if (call->resume)
		(void)curl_easy_setopt(c, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)call->from);
}

static void
set_range(struct wire_exchange *x, char range[64])
{
	const struct wire_call *call = x->call;

	if (call->range_length == 0)
		return;
	if (call->range_length < 0)
		(void)snprintf(range, 64, "%lld-", (long long)call->range_from);
	else
		(void)snprintf(range, 64, "%lld-%lld", (long long)call->range_from,
			(long long)(call->range_from + call->range_length - 1));
	(void)curl_easy_setopt(x->wire->easy, CURLOPT_RANGE, range);
}

static struct curl_slist *
list_of(const char *const *texts, size_t count, const char *first)
{
	struct curl_slist *list = first == NULL ? NULL : curl_slist_append(NULL, first);

	for (size_t i = 0; i < count && texts[i] != NULL; i++)
		list = curl_slist_append(list, texts[i]);
	return list;
}

/* Which certificate there was. */
static void
keep_certificate(struct wire *w)
{
	struct curl_certinfo *info = NULL;
	const char *subject = "", *until = "";

	if (curl_easy_getinfo(w->easy, CURLINFO_CERTINFO, &info) != CURLE_OK || info == NULL ||
		info->num_of_certs < 1)
		return;
	for (const struct curl_slist *i = info->certinfo[0]; i != NULL; i = i->next) {
		if (strncmp(i->data, "Subject:", 8) == 0)
			subject = i->data + 8;
		else if (strncmp(i->data, "Expire date:", 12) == 0)
			until = i->data + 12;
	}
	(void)snprintf(w->facts.certificate, sizeof(w->facts.certificate), "%.180s, until %.60s",
		subject, until);
}

static void
keep_facts(struct wire_exchange *x)
{
	struct wire *w = x->wire;
	const char *entry = NULL;
	long status = 0;

	(void)curl_easy_getinfo(w->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(w->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &x->reply->length);
	x->reply->status = (int)status;
	keep_certificate(w);
	if (curl_easy_getinfo(w->easy, CURLINFO_FTP_ENTRY_PATH, &entry) == CURLE_OK &&
		entry != NULL)
		(void)snprintf(w->entry, sizeof(w->entry), "%s", entry);
}

/* As curl_easy_perform, but for how often it looks up. */
static CURLcode
run(const struct wire *w)
{
	CURLcode code = CURLE_FAILED_INIT;
	const CURLMsg *message;
	int running = 1, left;

	if (curl_multi_add_handle(w->multi, w->easy) != CURLM_OK)
		return code;
	while (curl_multi_perform(w->multi, &running) == CURLM_OK && running > 0)
		if (curl_multi_poll(w->multi, NULL, 0, LOOK_MS, NULL) != CURLM_OK)
			break;
	while ((message = curl_multi_info_read(w->multi, &left)) != NULL)
		if (message->msg == CURLMSG_DONE)
			code = message->data.result;
	(void)curl_multi_remove_handle(w->multi, w->easy);
	return code;
}

static int
perform(struct wire_exchange *x)
{
	const struct wire_call *call = x->call;
	CURL *c = x->wire->easy;
	struct curl_slist *headers = list_of(call->headers, WIRE_HEADERS, "Expect:");
	struct curl_slist *quotes = list_of(call->quotes, WIRE_QUOTES, NULL);
	char range[64];
	CURLcode code;

	curl_easy_reset(c);
	set_limits(x->wire);
	set_trust(x->wire);
	set_callbacks(x);
	set_upload(x);
	set_range(x, range);
	(void)curl_easy_setopt(c, CURLOPT_URL, call->url);
	(void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	(void)curl_easy_setopt(c, CURLOPT_QUOTE, quotes);
	(void)curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, x->fresh ? 1L : 0L);
	(void)curl_easy_setopt(c, CURLOPT_NOBODY, call->nobody ? 1L : 0L);
	(void)curl_easy_setopt(c, CURLOPT_DIRLISTONLY, call->names ? 1L : 0L);
	if (call->method != NULL)
		(void)curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, call->method);
	code = run(x->wire);
	keep_facts(x);
	curl_slist_free_all(headers);
	curl_slist_free_all(quotes);
	return (int)code;
}

int
wire_call(struct wire *w, const struct wire_call *call, struct wire_reply *reply, struct err *e)
{
	struct wire_exchange x = {.wire = w, .call = call, .reply = reply, .e = e};

	buf_clear(&reply->text);
	w->host.refused = false;
	reply->code = perform(&x);
	/* A server that wants the TLS session again on each data connection: a kept one may have
	 * none left to show (vsftpd and TLS 1.3).  Nothing was sent yet. */
	if (reply->code != CURLE_OK && !x.failed && strncmp(reply->last, "522", 3) == 0) {
		x.fresh = true;
		reply->code = perform(&x);
	}
	if (x.failed)
		return -1;
	if (w->host.refused)
		return wire_host_error(&w->host, e);
	if (reply->code == CURLE_WRITE_ERROR && reply->status == 200 && call->range_length != 0)
		return err_set(e, ERR_UNSUPPORTED,
			"the server sends whole objects only, no ranges of bytes");
	return wire_fault(reply->code, x.text, reply->last, e);
}

void
wire_reply_free(struct wire_reply *reply)
{
	buf_free(&reply->text);
}

void
wire_facts(const struct wire *w, struct transfer_facts *facts)
{
	const bool encrypted = facts->encrypted;

	*facts = w->facts;
	facts->encrypted = encrypted;
	(void)snprintf(facts->host_key, sizeof(facts->host_key), "%s", w->host.shown);
}

const char *
wire_entry(const struct wire *w)
{
	return w->entry;
}
