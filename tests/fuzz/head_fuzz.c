/* Goal: whatever comes as a request's head is judged without harm, and the same however it comes.
 */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "server/head.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* of its own size: a byte too far is seen */
	SCOPED(free_at) char *bytes = mem_copy(data, size);
	SCOPED(free_at) char *exact = NULL;
	struct head whole, part;
	const enum head_state state = head_judge(bytes, size, &whole);

	CLAIM((state == HEAD_BAD) == (whole.status != 0));
	CLAIM((state == HEAD_BAD) == (whole.why != NULL));
	CLAIM(strlen(whole.bearer) < HEAD_BEARER_SIZE);
	if (state != HEAD_COMPLETE)
		return 0;
	/* one that is complete was never bad before, and stays complete with what follows */
	CLAIM(memmem(bytes, size, "\r\n\r\n", 4) != NULL);
	for (size_t len = 1; len <= size && len < 2048; len++) {
		free(exact);
		exact = mem_new(len);
		memcpy(exact, data, len);
		const enum head_state is = head_judge(exact, len, &part);
		CLAIM(is != HEAD_BAD);
		CLAIM(is != HEAD_COMPLETE || strcmp(part.bearer, whole.bearer) == 0);
	}
	return 0;
}
