/* Loaded into a process with LD_PRELOAD: writes down, in one order, every change that the process makes
 * below a folder, every sync, and what it prints.
 *
 * A seccomp filter turns the system calls that change files into a signal, and its handler makes and logs
 * them. Replacing the C library's functions would not do: some crates (rustix) make raw system calls.
 *
 * VALECHAT_CRASH_ROOT     the folder, absolute and without symbolic links
 * VALECHAT_CRASH_LOG      where to write; without it nothing is logged
 * VALECHAT_CRASH_SYNC     "log" (also when unset): a sync is logged and answered at once, since the disk
 *                         is simulated; "none": it does nothing at all; "files": folders are not synced
 * VALECHAT_CRASH_SYNC_US  how long a logged sync takes, microseconds
 * VALECHAT_CRASH_KILL_AT  the process kills itself after so many of its own records
 * VALECHAT_CRASH_BOOT     a file that stands in for the id of the machine's boot
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/falloc.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

/* In the sixth argument, which no call that is let through uses: the handler's own. */
#define OURS 0x76616c6563686174UL

enum op {
    START = 1, CREATE, LEN, WRITE, MKDIR, RENAME, LINK, UNLINK, SYNC_BEGIN, SYNC_END, RANGE, PRINTED,
    UNKNOWN, KILLED
};

/* `tests/crash/src/log.rs` reads it. */
struct record {
    uint32_t op, first_len, second_len, reserved;
    uint64_t inode, number;
};

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static char root[4096], boot[4096];
static size_t root_len;
static int log_fd = -1;
static long kill_at = -1, logged, sync_us;
static uint64_t syncs;
static enum { SYNC_LOG, SYNC_NONE, SYNC_FILES } sync_mode;

static long call(long number, long a, long b, long c, long d, long e) {
    long done = syscall(number, a, b, c, d, e, OURS);
    return done == -1 ? -errno : done;
}

static void die(const char *why) {
    call(SYS_write, 2, (long)why, (long)strlen(why), 0, 0);
    _exit(97);
}

/* Held: `order`. */
static void note(enum op op, uint64_t inode, uint64_t number, const void *first, size_t first_len,
                 const void *second, size_t second_len) {
    if (log_fd < 0) return;
    struct record record = {op, (uint32_t)first_len, (uint32_t)second_len, 0, inode, number};
    struct iovec parts[3] = {
        {&record, sizeof record}, {(void *)first, first_len}, {(void *)second, second_len}};
    long whole = (long)(sizeof record + first_len + second_len);
    if (call(SYS_writev, log_fd, (long)parts, 3, 0, 0) != whole) die("the log cannot be written\n");
    if (++logged == kill_at && op != KILLED) {
        note(KILLED, 0, 0, NULL, 0, NULL, 0);
        call(SYS_kill, call(SYS_getpid, 0, 0, 0, 0, 0), SIGKILL, 0, 0, 0);
        for (;;) pause();
    }
}

static void note_path(enum op op, uint64_t inode, uint64_t number, const char *path) {
    note(op, inode, number, path, strlen(path), NULL, 0);
}

static int is_below(const char *path) {
    return strncmp(path, root, root_len) == 0 && (path[root_len] == '/' || path[root_len] == 0);
}

/* The path that a call means; empty if it cannot be told. */
static void absolute(char *out, size_t size, long folder, const char *path) {
    out[0] = 0;
    if (path[0] == '/') {
        snprintf(out, size, "%s", path);
        return;
    }
    char link[64];
    if ((int)folder == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
    else snprintf(link, sizeof link, "/proc/self/fd/%d", (int)folder);
    ssize_t length = readlink(link, out, size - 1);
    if (length < 0) length = 0;
    snprintf(out + length, size - (size_t)length, "/%s", path);
}

/* Whether a descriptor is a file or folder below the root; its inode. */
static int ours(long fd, struct stat *about) {
    char link[64], path[4096];
    if (fstat((int)fd, about) != 0 || !(S_ISREG(about->st_mode) || S_ISDIR(about->st_mode))) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", (int)fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_below(path);
}

static long open_at(long folder, const char *path, long flags, long mode) {
    char full[4096];
    struct stat about;
    if (boot[0] && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0) path = boot;
    absolute(full, sizeof full, folder, path);
    if (!is_below(full)) return call(SYS_openat, folder, (long)path, flags, mode, 0);
    pthread_mutex_lock(&order);
    int is_new = (flags & O_CREAT) && lstat(full, &about) != 0;
    long fd = call(SYS_openat, folder, (long)path, flags, mode, 0);
    if (fd >= 0 && fstat((int)fd, &about) == 0) {
        if ((flags & O_TMPFILE) == O_TMPFILE) note_path(UNKNOWN, 0, SYS_openat, full);
        else if (is_new) note_path(CREATE, about.st_ino, 0, full);
        else if (flags & O_TRUNC) note_path(LEN, about.st_ino, 0, full);
    }
    pthread_mutex_unlock(&order);
    return fd;
}

/* What was written lies at `at`, or where the descriptor stood before it when `at` is negative. */
static long written(long number, long fd, long a, long b, long at) {
    struct stat about;
    int is_ours = ours(fd, &about);
    if (!is_ours && fd != STDOUT_FILENO) return call(number, fd, a, b, at, 0);
    pthread_mutex_lock(&order);
    long done = call(number, fd, a, b, at < 0 ? 0 : at, 0);
    if (done > 0) {
        if (is_ours && at < 0) at = lseek((int)fd, 0, SEEK_CUR) - done;
        enum op op = is_ours ? WRITE : PRINTED;
        int is_vector = number == SYS_writev || number == SYS_pwritev;
        struct iovec one = {(void *)a, (size_t)done};
        const struct iovec *parts = is_vector ? (const struct iovec *)a : &one;
        long left = done;
        for (; left > 0; parts++) {
            long length = (long)parts->iov_len < left ? (long)parts->iov_len : left;
            if (length > 0) note(op, about.st_ino, (uint64_t)at, parts->iov_base, (size_t)length, NULL, 0);
            left -= length;
            at += length;
        }
    }
    pthread_mutex_unlock(&order);
    return done;
}

static long synced(long fd, long number) {
    struct stat about;
    if (!ours(fd, &about)) return call(number, fd, 0, 0, 0, 0);
    if (sync_mode == SYNC_NONE || (sync_mode == SYNC_FILES && S_ISDIR(about.st_mode))) return 0;
    pthread_mutex_lock(&order);
    uint64_t this = ++syncs;
    note(SYNC_BEGIN, about.st_ino, this, NULL, 0, NULL, 0);
    pthread_mutex_unlock(&order);
    /* Others write meanwhile, as they do beside a real sync. */
    struct timespec pause_for = {0, sync_us * 1000};
    if (sync_us > 0) nanosleep(&pause_for, NULL);
    pthread_mutex_lock(&order);
    note(SYNC_END, about.st_ino, this, NULL, 0, NULL, 0);
    pthread_mutex_unlock(&order);
    return 0;
}

static long resized(long number, long fd, long a, long b, long c) {
    struct stat about;
    if (!ours(fd, &about)) return call(number, fd, a, b, c, 0);
    pthread_mutex_lock(&order);
    off_t before = about.st_size;
    long done = call(number, fd, a, b, c, 0);
    if (done == 0 && fstat((int)fd, &about) == 0) {
        if (number == SYS_fallocate && (a & ~FALLOC_FL_KEEP_SIZE)) note(UNKNOWN, 0, (uint64_t)number, NULL, 0, NULL, 0);
        else if (number == SYS_ftruncate || about.st_size != before)
            note(LEN, about.st_ino, (uint64_t)about.st_size, NULL, 0, NULL, 0);
    }
    pthread_mutex_unlock(&order);
    return done;
}

static long named(enum op op, long folder, const char *path, long flags_or_mode) {
    char full[4096];
    struct stat about = {0};
    absolute(full, sizeof full, folder, path);
    long number = op == MKDIR ? SYS_mkdirat : SYS_unlinkat;
    if (!is_below(full)) return call(number, folder, (long)path, flags_or_mode, 0, 0);
    pthread_mutex_lock(&order);
    long done = call(number, folder, (long)path, flags_or_mode, 0, 0);
    if (done == 0) {
        if (op == MKDIR) lstat(full, &about);
        note_path(op, about.st_ino, 0, full);
    }
    pthread_mutex_unlock(&order);
    return done;
}

static long twice_named(enum op op, long from_folder, const char *from, long to_folder, const char *to,
                        long flags) {
    char full_from[4096], full_to[4096];
    absolute(full_from, sizeof full_from, from_folder, from);
    absolute(full_to, sizeof full_to, to_folder, to);
    long number = op == RENAME ? SYS_renameat2 : SYS_linkat;
    if (!is_below(full_from) && !is_below(full_to))
        return call(number, from_folder, (long)from, to_folder, (long)to, flags);
    pthread_mutex_lock(&order);
    long done = call(number, from_folder, (long)from, to_folder, (long)to, flags);
    if (done == 0) {
        /* Exchanging two names is not simulated; not overwriting is like a plain one once it succeeded. */
        if (op == RENAME && (flags & ~1L)) op = UNKNOWN;
        note(op, 0, 0, full_from, strlen(full_from), full_to, strlen(full_to));
    }
    pthread_mutex_unlock(&order);
    return done;
}

static long refused_below(long number, long fd, long a, long b, long c, long d, long error) {
    struct stat about;
    return ours(fd, &about) ? -error : call(number, a, b, c, d, 0);
}

static long make(long number, const long *a) {
    struct stat about;
    switch (number) {
#ifdef SYS_open
    case SYS_open: return open_at(AT_FDCWD, (const char *)a[0], a[1], a[2]);
    case SYS_creat: return open_at(AT_FDCWD, (const char *)a[0], O_CREAT | O_WRONLY | O_TRUNC, a[1]);
    case SYS_mkdir: return named(MKDIR, AT_FDCWD, (const char *)a[0], a[1]);
    case SYS_unlink: return named(UNLINK, AT_FDCWD, (const char *)a[0], 0);
    case SYS_rmdir: return named(UNLINK, AT_FDCWD, (const char *)a[0], AT_REMOVEDIR);
    case SYS_rename: return twice_named(RENAME, AT_FDCWD, (const char *)a[0], AT_FDCWD, (const char *)a[1], 0);
    case SYS_link: return twice_named(LINK, AT_FDCWD, (const char *)a[0], AT_FDCWD, (const char *)a[1], 0);
#endif
#ifdef SYS_renameat
    case SYS_renameat: return twice_named(RENAME, a[0], (const char *)a[1], a[2], (const char *)a[3], 0);
#endif
    case SYS_openat: return open_at(a[0], (const char *)a[1], a[2], a[3]);
    case SYS_mkdirat: return named(MKDIR, a[0], (const char *)a[1], a[2]);
    case SYS_unlinkat: return named(UNLINK, a[0], (const char *)a[1], a[2]);
    case SYS_renameat2: return twice_named(RENAME, a[0], (const char *)a[1], a[2], (const char *)a[3], a[4]);
    case SYS_linkat: return twice_named(LINK, a[0], (const char *)a[1], a[2], (const char *)a[3], a[4]);
    case SYS_write:
    case SYS_writev: return written(number, a[0], a[1], a[2], -1);
    case SYS_pwrite64:
    case SYS_pwritev: return written(number, a[0], a[1], a[2], a[3]);
    case SYS_ftruncate:
    case SYS_fallocate: return resized(number, a[0], a[1], a[2], a[3]);
    case SYS_fsync:
    case SYS_fdatasync: return synced(a[0], number);
    case SYS_sync_file_range:
        if (!ours(a[0], &about)) return call(number, a[0], a[1], a[2], a[3], 0);
        /* It makes nothing durable: no barrier goes to the disk. */
        pthread_mutex_lock(&order);
        note(RANGE, about.st_ino, 0, NULL, 0, NULL, 0);
        pthread_mutex_unlock(&order);
        return 0;
    /* Whoever copies within the system copies by hand instead. */
    case SYS_copy_file_range: return -ENOSYS;
    case SYS_sendfile: return refused_below(number, a[0], a[0], a[1], a[2], a[3], EINVAL);
    default: die("a call was caught that nobody makes\n"); return -ENOSYS;
    }
}

static void caught(int signal, siginfo_t *info, void *context) {
    (void)signal;
    int kept = errno;
    ucontext_t *at = context;
#if defined(__x86_64__)
    greg_t *r = at->uc_mcontext.gregs;
    long a[6] = {r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10], r[REG_R8], r[REG_R9]};
    r[REG_RAX] = make(info->si_syscall, a);
#elif defined(__aarch64__)
    __u64 *r = (__u64 *)at->uc_mcontext.regs;
    long a[6] = {(long)r[0], (long)r[1], (long)r[2], (long)r[3], (long)r[4], (long)r[5]};
    r[0] = (__u64)make(info->si_syscall, a);
#else
#error "the registers of this machine are not known here"
#endif
    errno = kept;
}

static const int calls[] = {
#ifdef SYS_open
    SYS_open, SYS_creat, SYS_mkdir, SYS_unlink, SYS_rmdir, SYS_rename, SYS_link,
#endif
#ifdef SYS_renameat
    SYS_renameat,
#endif
    SYS_openat, SYS_mkdirat, SYS_unlinkat, SYS_renameat2, SYS_linkat, SYS_write, SYS_writev, SYS_pwrite64,
    SYS_pwritev, SYS_ftruncate, SYS_fallocate, SYS_fsync, SYS_fdatasync, SYS_sync_file_range,
    SYS_copy_file_range, SYS_sendfile};

#define CALLS (sizeof calls / sizeof *calls)

static void watch(void) {
    struct sock_filter filter[CALLS + 8];
    size_t n = 0;
    uint32_t sixth = offsetof(struct seccomp_data, args[5]);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < CALLS; i++)
        filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)calls[i],
                                                   (uint8_t)(CALLS - i), 0);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    /* Little-endian, as both machines are. */
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, sixth);
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)OURS, 0, 3);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, sixth + 4);
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(OURS >> 32), 0, 1);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    struct sock_fprog program = {(unsigned short)n, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
        || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
        die("this system does not let a process watch its own calls (seccomp)\n");
}

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("VALECHAT_CRASH_ROOT"), *log = getenv("VALECHAT_CRASH_LOG");
    const char *mode = getenv("VALECHAT_CRASH_SYNC"), *killed = getenv("VALECHAT_CRASH_KILL_AT");
    const char *id = getenv("VALECHAT_CRASH_BOOT"), *takes = getenv("VALECHAT_CRASH_SYNC_US");
    if (!folder) return;
    root_len = (size_t)snprintf(root, sizeof root, "%s", folder);
    if (id) snprintf(boot, sizeof boot, "%s", id);
    if (mode && strcmp(mode, "none") == 0) sync_mode = SYNC_NONE;
    if (mode && strcmp(mode, "files") == 0) sync_mode = SYNC_FILES;
    if (killed) kill_at = atol(killed);
    if (takes) sync_us = atol(takes);
    if (log) {
        int fd = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        log_fd = fcntl(fd, F_DUPFD_CLOEXEC, 500);
        if (fd < 0 || log_fd < 0) die("the log cannot be opened\n");
        close(fd);
    }
    struct sigaction action = {0};
    action.sa_sigaction = caught;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    if (sigaction(SIGSYS, &action, NULL) != 0) die("SIGSYS cannot be caught\n");
    note(START, 0, 0, NULL, 0, NULL, 0);
    watch();
}
