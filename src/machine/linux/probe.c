/*
 * probe.c - what this kernel grants us, and if it does not: what, why, and what to do about it.
 *
 * Features are asked for, not guessed from version numbers; the versions in the texts are for the
 * reader. The environment variable MEMMAN_DENY=userfaultfd makes the kernel look as if it refused
 * us (EPERM): tests of the refusal use it.
 */
#include "machine/linux/internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

/* How often the kernel may say "again" while a machine is made. */
#define CLEAR_TRIES 100u

static bool denied_for_test(void)
{
    const char *deny = getenv("MEMMAN_DENY");

    return deny != NULL && strcmp(deny, "userfaultfd") == 0;
}

/* A descriptor, or -errno. */
static int open_uffd(enum linux_faults faults)
{
    int flags = O_CLOEXEC | O_NONBLOCK;
    int uffd;
    int error;
    int device;

    if (denied_for_test())
        return -EPERM;
    if (faults == LINUX_FAULTS_SIGNAL) {
        uffd = (int)syscall(SYS_userfaultfd, flags | UFFD_USER_MODE_ONLY);
        return uffd >= 0 ? uffd : -errno;
    }
    uffd = (int)syscall(SYS_userfaultfd, flags);
    if (uffd >= 0)
        return uffd;
    error = errno;
    /* The device (6.1) gives the same to whom its file permissions name. */
    device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
    if (device >= 0) {
        uffd = ioctl(device, USERFAULTFD_IOC_NEW, flags);
        close(device);
        if (uffd >= 0)
            return uffd;
    }
    return -error;
}

static void explain_refusal(enum linux_faults faults, int error, char *ret_text, size_t text_size)
{
    const char *why;

    if (error == -ENOSYS) {
        why = "this kernel has no userfaultfd (CONFIG_USERFAULTFD is off, or a sandbox hides it); "
              "use --machine soft";
    } else if (error == -EINVAL) {
        why = "this kernel has no user-mode-only userfaultfd; Linux 5.11 or later has, or use "
              "--machine soft";
    } else if (error == -EMFILE || error == -ENFILE) {
        why = "no file descriptor is left; raise the limit (ulimit -n)";
    } else if (faults == LINUX_FAULTS_SIGNAL) {
        why = "userfaultfd is refused, which a container's seccomp profile does: allow the system "
              "call userfaultfd in the profile, or use --machine soft";
    } else {
        why = "faults of system calls need a privilege: sysctl vm.unprivileged_userfaultfd=1, or "
              "CAP_SYS_PTRACE, or access to /dev/userfaultfd (in a container also a seccomp "
              "profile that allows userfaultfd); or use --faults signal, which needs none";
    }
    snprintf(ret_text, text_size, "userfaultfd: %s: %s", strerror(-error), why);
}

struct need {
    uint64_t feature;
    const char *name;
    const char *kernel;
};

/* The first feature that is missing, or NULL. */
static const struct need *missing_feature(enum linux_faults faults, uint64_t offered)
{
    static const struct need common[] = {
        {UFFD_FEATURE_MISSING_SHMEM, "faults on shared memory (MISSING_SHMEM)", "4.11"},
        {UFFD_FEATURE_MINOR_SHMEM, "minor faults on shared memory (MINOR_SHMEM)", "5.14"},
        {UFFD_FEATURE_EVENT_REMAP, "notice of mremap (EVENT_REMAP)", "4.11"},
        {UFFD_FEATURE_EVENT_UNMAP, "notice of munmap (EVENT_UNMAP)", "4.11"},
    };
    static const struct need by_signal = {UFFD_FEATURE_SIGBUS, "faults as signals (SIGBUS)",
                                          "4.14"};
    static const struct need by_thread = {UFFD_FEATURE_THREAD_ID,
                                          "the faulting thread's id (THREAD_ID)", "4.14"};
    const struct need *own = faults == LINUX_FAULTS_SIGNAL ? &by_signal : &by_thread;

    for (size_t i = 0; i < ARRAY_COUNT(common); i++)
        if ((offered & common[i].feature) == 0)
            return &common[i];
    return (offered & own->feature) == 0 ? own : NULL;
}

/* Ask for features; the descriptor is used up even when they are refused. 0 or -errno. */
static int handshake(int uffd, uint64_t features, uint64_t *ret_offered)
{
    struct uffdio_api api = {.api = UFFD_API, .features = features};

    if (ioctl(uffd, UFFDIO_API, &api) != 0)
        return -errno;
    *ret_offered = api.features;
    return 0;
}

/* What the kernel offers, from a descriptor of its own: one handshake each. */
static int offered_features(enum linux_faults faults, uint64_t *ret_offered, char *ret_text,
                            size_t text_size)
{
    int uffd = open_uffd(faults);
    int error;

    if (uffd < 0) {
        explain_refusal(faults, uffd, ret_text, text_size);
        return uffd == -EINVAL ? -EOPNOTSUPP : uffd;
    }
    error = handshake(uffd, 0, ret_offered);
    close(uffd);
    if (error != 0) {
        snprintf(ret_text, text_size, "userfaultfd: UFFDIO_API: %s; use --machine soft",
                 strerror(-error));
    }
    return error;
}

int linux_open_uffd(enum linux_faults faults, int *ret_uffd, struct linux_features *ret_features,
                    char *ret_text, size_t text_size)
{
    const uint64_t protect = UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_HUGETLBFS_SHMEM;
    struct linux_features features = {0};
    const struct need *missing;
    uint64_t offered = 0;
    int uffd;
    int error = offered_features(faults, &offered, ret_text, text_size);

    if (error != 0)
        return error;
    missing = missing_feature(faults, offered);
    if (missing != NULL) {
        snprintf(ret_text, text_size,
                 "this kernel's userfaultfd lacks %s; Linux %s or later has it, or use "
                 "--machine soft",
                 missing->name, missing->kernel);
        return -EOPNOTSUPP;
    }
    features.bits = UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MINOR_SHMEM |
                    UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_UNMAP;
    features.bits |= faults == LINUX_FAULTS_SIGNAL ? UFFD_FEATURE_SIGBUS : UFFD_FEATURE_THREAD_ID;
    if ((offered & protect) == protect) {
        features.bits |= protect;
        features.write_protect = true;
    }
    if ((offered & UFFD_FEATURE_POISON) != 0) {
        features.bits |= UFFD_FEATURE_POISON;
        features.poison = true;
    }
    uffd = open_uffd(faults);
    if (uffd < 0) {
        explain_refusal(faults, uffd, ret_text, text_size);
        return uffd;
    }
    error = handshake(uffd, features.bits, &offered);
    if (error != 0) {
        close(uffd);
        snprintf(ret_text, text_size, "userfaultfd: UFFDIO_API: %s; use --machine soft",
                 strerror(-error));
        return error;
    }
    *ret_uffd = uffd;
    *ret_features = features;
    return 0;
}

/*
 * Whether CONTINUE can map protected (6.4), tried on our own first page before anybody knows it:
 * without it a rescued page could not be watched.
 */
static bool continue_protects(struct linux_machine *machine)
{
    uint64_t start = page_address(machine, 0);

    return uffd_copy(ioctl_plain, machine->uffd, start, machine->zeros, MM_PAGE_SIZE,
                     UFFDIO_COPY_MODE_WP)
                   .error == 0 &&
           madvise(machine->base, MM_PAGE_SIZE, MADV_DONTNEED) == 0 &&
           uffd_continue(ioctl_plain, machine->uffd, start, MM_PAGE_SIZE, UFFDIO_CONTINUE_MODE_WP)
                   .error == 0 &&
           uffd_unprotect(ioctl_plain, machine->uffd, start, MM_PAGE_SIZE) == 0;
}

/* What was tried on the first page must not stay: it would be read without a fault. 0 or -errno. */
static int clear_first_page(struct linux_machine *machine, char *ret_text, size_t text_size)
{
    const char *call;
    int error = EAGAIN;

    for (unsigned round = 0; round < CLEAR_TRIES && linux_is_transient(error); round++) {
        world_pause(round, true);
        error = linux_punch(machine, 0, 1, &call);
    }
    if (error != 0)
        snprintf(ret_text, text_size, "linux machine: %s: %s; use --machine soft", call,
                 strerror(error));
    return -error;
}

int linux_register(struct linux_machine *machine, char *ret_text, size_t text_size)
{
    const uint64_t needed = (uint64_t)1 << _UFFDIO_COPY | (uint64_t)1 << _UFFDIO_CONTINUE |
                            (uint64_t)1 << _UFFDIO_WAKE | (uint64_t)1 << _UFFDIO_ZEROPAGE;
    struct uffdio_register request = {
        .range = {page_address(machine, 0), machine->bytes},
        .mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR,
    };

    if (machine->features.write_protect)
        request.mode |= UFFDIO_REGISTER_MODE_WP;
    if (ioctl(machine->uffd, UFFDIO_REGISTER, &request) != 0) {
        int error = -errno;

        snprintf(ret_text, text_size, "userfaultfd: UFFDIO_REGISTER of %zu bytes: %s",
                 machine->bytes, strerror(-error));
        return error;
    }
    if ((request.ioctls & needed) != needed) {
        snprintf(ret_text, text_size,
                 "this kernel's userfaultfd cannot serve shared memory (COPY, CONTINUE, "
                 "ZEROPAGE); Linux 5.14 or later can, or use --machine soft");
        return -EOPNOTSUPP;
    }
    if (!machine->features.write_protect)
        return 0;
    machine->features.write_protect = continue_protects(machine);
    return clear_first_page(machine, ret_text, text_size);
}

/* Which of the vector calls this kernel takes from a process for itself. */
void linux_probe_calls(struct linux_machine *machine)
{
    struct iovec range = {.iov_base = machine->base, .iov_len = MM_PAGE_SIZE};

    machine->pidfd = PIDFD_SELF_THREAD;
    if (syscall(SYS_process_madvise, machine->pidfd, &range, 1ul, MADV_DONTNEED, 0) <= 0) {
        machine->pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
        if (machine->pidfd < 0) {
            machine->pidfd = PIDFD_NONE;
        } else if (syscall(SYS_process_madvise, machine->pidfd, &range, 1ul, MADV_DONTNEED, 0) <=
                   0) {
            close(machine->pidfd);
            machine->pidfd = PIDFD_NONE;
        }
    }
    machine->remove_by_vector =
        machine->pidfd != PIDFD_NONE &&
        syscall(SYS_process_madvise, machine->pidfd, &range, 1ul, MADV_REMOVE, 0) > 0;
}
