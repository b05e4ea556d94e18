#include "transfer/wire_fault.h"

#include <curl/curl.h>
#include <string.h>

struct fault {
	CURLcode code;
	enum err_code error;
	const char *advice;
};

static const struct fault faults[] = {
	{CURLE_COULDNT_RESOLVE_HOST, ERR_AWAY,
		"its name is not known here: check the URL and the DNS"},
	{CURLE_COULDNT_CONNECT, ERR_AWAY,
		"nobody answers: is the server running, and may this host reach it?"},
	{CURLE_OPERATION_TIMEDOUT, ERR_TIMEOUT,
		"nothing moved for too long: look at the server and the line"},
	{CURLE_LOGIN_DENIED, ERR_BARRED,
		"the login was refused: check the user and what `password_file` or `key_file` "
		"names"},
	{CURLE_PEER_FAILED_VERIFICATION, ERR_BARRED,
		"its certificate is not to be trusted: have it renewed, or name its authority as "
		"`ca_file`"},
	{CURLE_SSL_CACERT_BADFILE, ERR_INVALID, "`ca_file` cannot be read, or is no PEM"},
	{CURLE_SSL_CONNECT_ERROR, ERR_AWAY, "TLS cannot be spoken with it"},
	{CURLE_USE_SSL_FAILED, ERR_BARRED,
		"it does not speak TLS: use ftp:// if the passwords may be read on the way"},
	{CURLE_REMOTE_ACCESS_DENIED, ERR_REMOTE,
		"it does not give access to the folder: check the path and the user's rights"},
	{CURLE_REMOTE_DISK_FULL, ERR_FULL, "it has no room: make some, or lower `keep`"},
	{CURLE_REMOTE_FILE_NOT_FOUND, ERR_NOT_FOUND, "there is no such object"},
	{CURLE_FTP_COULDNT_RETR_FILE, ERR_NOT_FOUND,
		"there is no such object, or it may not be read"},
	{CURLE_REMOTE_FILE_EXISTS, ERR_CONFLICT, "it is there already"},
	{CURLE_UPLOAD_FAILED, ERR_REMOTE,
		"it did not take the object: has the user the right to write, and is there room?"},
	{CURLE_QUOTE_ERROR, ERR_REMOTE, "it refused"},
	{CURLE_RANGE_ERROR, ERR_UNSUPPORTED, "it cannot send a part of an object"},
	{CURLE_BAD_DOWNLOAD_RESUME, ERR_RANGE, "the object is shorter than that"},
	{CURLE_PARTIAL_FILE, ERR_IO, "the connection was cut: it is tried again"},
	{CURLE_GOT_NOTHING, ERR_IO, "the server hung up without an answer"},
	{CURLE_SEND_ERROR, ERR_IO, "the connection was cut"},
	{CURLE_RECV_ERROR, ERR_IO, "the connection was cut"},
	{CURLE_SSH, ERR_IO,
		"the SFTP server did not do it: may the user write there, and is there room?"},
	{CURLE_UNSUPPORTED_PROTOCOL, ERR_UNSUPPORTED,
		"this libcurl was built without that protocol"},
	{CURLE_OUT_OF_MEMORY, ERR_INTERNAL, "no memory"},
};

/* FTP servers say these in numbers and words of their own. */
static enum err_code
said_code(enum err_code code, const char *said)
{
	if (strncmp(said, "452", 3) == 0 || strncmp(said, "552", 3) == 0)
		return ERR_FULL;
	if (strncmp(said, "421", 3) == 0)
		return ERR_AWAY;
	return code;
}

int
wire_fault(int code, const char *text, const char *said, struct err *e)
{
	const char *why = text[0] == '\0' ? curl_easy_strerror((CURLcode)code) : text;
	struct fault fault = {CURLE_OK, ERR_IO, "try again"};

	if (code == CURLE_OK)
		return 0;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		if ((int)faults[i].code == code)
			fault = faults[i];
	if (said[0] < '4' || said[0] > '5') /* no refusal of FTP */
		return err_set(e, fault.error, "%.200s: %s", why, fault.advice);
	return err_set(e, said_code(fault.error, said), "%.200s (\"%.200s\"): %s", why, said,
		fault.advice);
}
