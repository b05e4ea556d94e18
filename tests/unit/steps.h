#ifndef UNIT_STEPS_H
#define UNIT_STEPS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Running something that is killed just before its n-th step, or whose n-th step fails.  A step is
 * a system call that changes a file system or, where any may fail, one that looks at it.  They are
 * seen by another thread, to which a seccomp filter hands them; so nothing has to be built in.
 */
enum steps_what {
	STEPS_FAIL, /* it gets EIO from that step */
	STEPS_CUT,  /* from that step on it changes nothing any more: what is on disk is what a kill
		     * leaves there, but it needs no process */
	STEPS_KILL  /* it is a process, which is killed */
};

struct steps {
	enum steps_what what;
	int at; /* the first is 1 */
	int (*body)(void *ctx);
	void *ctx;
	int did;   /* what the body did */
	int count; /* so many were taken */
	int listener;
	sem_t ready;
};

static const int steps_that_change[] = {__NR_mkdirat, __NR_renameat2, __NR_unlinkat, __NR_symlinkat,
	__NR_linkat, __NR_mknodat, __NR_fchmod, __NR_fchmodat, __NR_fchown, __NR_fchownat,
	__NR_utimensat, __NR_setxattr, __NR_lsetxattr, __NR_removexattr, __NR_lremovexattr,
	__NR_fsetxattr, __NR_fremovexattr, __NR_write, __NR_pwrite64, __NR_ftruncate, __NR_fsync,
	__NR_syncfs,
#ifdef __NR_chmod
	__NR_chmod, __NR_chown, __NR_lchown, __NR_mkdir, __NR_rmdir, __NR_unlink, __NR_rename,
	__NR_symlink, __NR_link, __NR_mknod,
#endif
#ifdef __NR_renameat
	__NR_renameat,
#endif
	__NR_openat, __NR_getppid /* which tells that the body has ended */};

static const int steps_that_look[] = {__NR_openat2, __NR_faccessat, __NR_faccessat2, __NR_fstat,
	__NR_newfstatat, __NR_statx, __NR_getdents64, __NR_read, __NR_lseek, __NR_listxattr,
	__NR_llistxattr, __NR_flistxattr, __NR_getxattr, __NR_lgetxattr, __NR_fgetxattr,
	__NR_pread64, __NR_readlinkat};

enum {
	STEPS_CHANGING = sizeof(steps_that_change) / sizeof(*steps_that_change),
	STEPS_LOOKING = sizeof(steps_that_look) / sizeof(*steps_that_look)
};

/* From now on those calls of this thread go to the listener, which is returned. */
static int
steps_filter(bool looking)
{
	struct sock_filter code[2 * (STEPS_CHANGING + STEPS_LOOKING) + 2];
	unsigned short len = 0;

	code[len++] = (struct sock_filter)BPF_STMT(
		BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (int i = 0; i < STEPS_CHANGING + (looking ? STEPS_LOOKING : 0); i++) {
		const int call = i < STEPS_CHANGING ? steps_that_change[i]
						    : steps_that_look[i - STEPS_CHANGING];

		code[len++] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1);
		code[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	}
	code[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	const struct sock_fprog program = {.len = len, .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -1;
	return (int)syscall(
		__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

/* If it is not 0: a step is this system call alone. */
static int steps_only;

/* Opening changes something only if it may create. */
static bool
is_step(const struct steps *s, const struct seccomp_data *call)
{
	if (steps_only != 0)
		return call->nr == steps_only;
	return s->what == STEPS_FAIL || call->nr != __NR_openat || (call->args[2] & O_CREAT) != 0;
}

static void *
steps_body(void *ctx)
{
	struct steps *s = ctx;

	s->listener = steps_filter(s->what == STEPS_FAIL);
	(void)sem_post(&s->ready);
	if (s->listener < 0)
		return NULL;
	s->did = s->body(s->ctx);
	(void)syscall(__NR_getppid);
	return NULL;
}

/* What becomes of ${call}: 0: it is made; or an error number. */
static int
steps_judge(struct steps *s, const struct seccomp_data *call)
{
	if (!is_step(s, call))
		return 0;
	s->count++;
	if (s->count == s->at && s->what == STEPS_KILL)
		(void)kill(getpid(), SIGKILL);
	return s->count == s->at || (s->count > s->at && s->what == STEPS_CUT) ? EIO : 0;
}

/* Run the body in a thread, and see each of its steps. */
static bool
steps_watch(struct steps *s)
{
	pthread_t thread;
	bool ended = false;

	if (sem_init(&s->ready, 0, 0) != 0 || pthread_create(&thread, NULL, steps_body, s) != 0)
		return false;
	while (sem_wait(&s->ready) != 0)
		;
	while (s->listener >= 0 && !ended) {
		struct seccomp_notif call = {0};
		struct seccomp_notif_resp answer = {0};

		if (ioctl(s->listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0)
			continue;
		ended = call.data.nr == __NR_getppid;
		answer.id = call.id;
		answer.error = ended ? 0 : -steps_judge(s, &call.data);
		if (answer.error == 0)
			answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		(void)ioctl(s->listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
	(void)pthread_join(thread, NULL);
	(void)sem_destroy(&s->ready);
	(void)close(s->listener);
	return ended;
}

/* STEPS_OVER: all steps of the body were before that one; it has done what it does. */
enum { STEPS_KILLED = -1, STEPS_OVER = 0, STEPS_OTHER_MAX = 100, STEPS_NO_FILTER = 111 };

static int
steps_in_process(struct steps *s)
{
	const pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		if (!steps_watch(s))
			_exit(STEPS_NO_FILTER);
		_exit(s->count < s->at ? STEPS_OVER : s->did);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGKILL);
		return STEPS_KILLED;
	}
	assert_int_not_equal(WEXITSTATUS(status), STEPS_NO_FILTER);
	return WEXITSTATUS(status);
}

/**
 * steps_run(what, at, body, ctx):
 * Call ${body}, and do ${what} to it at its step ${at}.  It must not judge by cmocka.
 * Returns what ${body} does (1..STEPS_OTHER_MAX), STEPS_KILLED, or STEPS_OVER.
 */
static int
steps_run(enum steps_what what, int at, int (*body)(void *ctx), void *ctx)
{
	struct steps s = {.what = what, .at = at, .body = body, .ctx = ctx};

	if (what == STEPS_KILL)
		return steps_in_process(&s);
	assert_true(steps_watch(&s));
	return s.count < at ? STEPS_OVER : what == STEPS_CUT ? STEPS_KILLED : s.did;
}

#endif
