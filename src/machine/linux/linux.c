/*
 * linux.c - the Linux machine made and taken down.
 *
 * Order is everything here. Made: mapped without access, registered, guarded, and only protect()
 * gives access, so no touch ever comes before the kernel knows whom to ask. Taken down: access
 * away first, then unregistered, so whoever still waits or touches dies of SIGSEGV and never
 * reads a zero.
 */
#include "machine/linux/internal.h"

#include "base/mutant.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Out of the way of programs that expect low numbers, or reuse them. */
#define DESCRIPTORS_HIGH 1024
#define DESCRIPTORS_OURS 16
/* A huge page, where pages are 4096 bytes. */
#define HUGE_BYTES ((size_t)2 << 20)

int ioctl_plain(int fd, unsigned long request, void *argument)
{
    return ioctl(fd, request, argument);
}

static int refuse(int error, const char *what, char *ret_text, size_t text_size)
{
    snprintf(ret_text, text_size, "linux machine: %s: %s", what, strerror(-error));
    return error;
}

/* Memory of ours that no child inherits. NULL: none. */
static void *reserve_own(size_t bytes, int rights)
{
    void *memory = mmap(NULL, bytes, rights, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        return NULL;
    madvise(memory, bytes, MADV_DONTFORK);
    return memory;
}

static void unmap_own(void *memory, size_t bytes)
{
    if (memory != NULL)
        munmap(memory, bytes);
}

/* The same descriptor at a high number, or where it is. */
static int raise_descriptor(int fd)
{
    struct rlimit limit;
    int raised;

    if (fd < 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return fd;
    if (limit.rlim_cur > DESCRIPTORS_HIGH)
        limit.rlim_cur = DESCRIPTORS_HIGH;
    if (limit.rlim_cur <= DESCRIPTORS_OURS)
        return fd;
    raised = fcntl(fd, F_DUPFD_CLOEXEC, (int)limit.rlim_cur - DESCRIPTORS_OURS);
    if (raised < 0)
        return fd;
    close(fd);
    return raised;
}

static void close_descriptor(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* The range and the page that follows it. */
static size_t mapped_bytes(const struct linux_machine *machine)
{
    return machine->bytes + MM_PAGE_SIZE;
}

static size_t windows_bytes(const struct linux_machine *machine)
{
    return ((size_t)machine->threads_max * windows_each(machine)) << PAGE_SHIFT;
}

static size_t vectors_bytes(const struct linux_machine *machine)
{
    return (size_t)machine->threads_max * VECTORS_MAX * sizeof(struct iovec);
}

static int check_config(const struct linux_config *config, char *ret_text, size_t text_size)
{
    struct rlimit limit;

    if (sysconf(_SC_PAGESIZE) != (long)MM_PAGE_SIZE) {
        snprintf(ret_text, text_size,
                 "linux machine: this kernel's pages are %ld bytes, not %zu; "
                 "use --machine soft",
                 sysconf(_SC_PAGESIZE), MM_PAGE_SIZE);
        return -EOPNOTSUPP;
    }
    if (config->pages == 0 || config->threads_max == 0 || config->windows == 0 ||
        (config->faults == LINUX_FAULTS_THREAD &&
         (config->handlers == 0 || config->handlers > HANDLERS_MAX))) {
        snprintf(ret_text, text_size,
                 "linux machine: pages, threads, windows and handlers (at most %d) must not be 0",
                 HANDLERS_MAX);
        return -EINVAL;
    }
    /* The kernel answers ftruncate over this limit with a deadly SIGXFSZ. */
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        limit.rlim_cur < (uint64_t)config->pages << PAGE_SHIFT) {
        snprintf(ret_text, text_size,
                 "linux machine: the file size limit (ulimit -f) is below the "
                 "size of the memory; raise it");
        return -EFBIG;
    }
    return 0;
}

static int make_file(struct linux_machine *machine, char *ret_text, size_t text_size)
{
    struct stat status;

    machine->file = raise_descriptor(memfd_create("memman", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (machine->file < 0)
        return refuse(-errno, "memfd_create", ret_text, text_size);
    if (ftruncate(machine->file, (off_t)machine->bytes) != 0 ||
        fcntl(machine->file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0 ||
        fstat(machine->file, &status) != 0)
        return refuse(-errno, "sizing the memory file", ret_text, text_size);
    machine->file_device = status.st_dev;
    machine->file_inode = status.st_ino;
    return 0;
}

/*
 * One page off the grid of huge pages, so that none can be made in the file, whatever the program
 * advises: the pages of a huge page can be given up one by one only if the kernel manages to split
 * it, and until then they are resident beyond the budget. A page without access follows, so that the
 * program cannot grow the range where it lies. MAP_FAILED: none.
 */
static void *map_off_grid(const struct linux_machine *machine)
{
    size_t bytes = mapped_bytes(machine) + HUGE_BYTES + MM_PAGE_SIZE;
    char *room = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char *base;
    size_t before;

    if (room == MAP_FAILED)
        return MAP_FAILED;
    before = HUGE_BYTES - (uintptr_t)room % HUGE_BYTES + MM_PAGE_SIZE;
    base = mmap(room + before, machine->bytes, PROT_NONE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED,
                machine->file, 0);
    if (base == MAP_FAILED) {
        munmap(room, bytes);
        return MAP_FAILED;
    }
    munmap(room, before);
    if (before + mapped_bytes(machine) < bytes)
        munmap(base + mapped_bytes(machine), bytes - before - mapped_bytes(machine));
    return base;
}

static int map_range(struct linux_machine *machine, char *ret_text, size_t text_size)
{
    void *base = map_off_grid(machine);

    if (base == MAP_FAILED)
        return refuse(-errno, "mapping the memory", ret_text, text_size);
    machine->base = base;
    /* A child's touch would make zero pages in the file, for us to read. Not without this. */
    if (madvise(base, machine->bytes, MUTANT(LINUX_CHILD_INHERITS) ? MADV_DOFORK : MADV_DONTFORK))
        return refuse(-errno, "madvise(MADV_DONTFORK)", ret_text, text_size);
    /* EINVAL: a kernel without huge pages. */
    if (madvise(base, machine->bytes, MADV_NOHUGEPAGE) != 0 && errno != EINVAL)
        return refuse(-errno, "madvise(MADV_NOHUGEPAGE)", ret_text, text_size);
    /* After mlockall(MCL_FUTURE) the range was born locked. */
    munlock(base, machine->bytes);
    return 0;
}

static int make_buffers(struct linux_machine *machine, char *ret_text, size_t text_size)
{
    machine->windows = reserve_own(windows_bytes(machine), PROT_READ | PROT_WRITE);
    machine->vectors = reserve_own(vectors_bytes(machine), PROT_READ | PROT_WRITE);
    machine->zeros = reserve_own((size_t)ZERO_PAGES << PAGE_SHIFT, PROT_READ);
    if (machine->windows == NULL || machine->vectors == NULL || machine->zeros == NULL)
        return refuse(-ENOMEM, "reserving transfer windows", ret_text, text_size);
    /* They pass the content of every page. */
    madvise(machine->windows, windows_bytes(machine), MADV_DONTDUMP);
    return 0;
}

static int build(struct linux_machine *machine, char *ret_text, size_t text_size)
{
    int error =
        linux_open_uffd(machine->faults, &machine->uffd, &machine->features, ret_text, text_size);

    if (error != 0)
        return error;
    machine->uffd = raise_descriptor(machine->uffd);
    machine->stop_fd = raise_descriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (machine->stop_fd < 0)
        return refuse(-errno, "eventfd", ret_text, text_size);
    error = make_file(machine, ret_text, text_size);
    if (error == 0)
        error = map_range(machine, ret_text, text_size);
    if (error == 0)
        error = make_buffers(machine, ret_text, text_size);
    if (error == 0)
        error = linux_register(machine, ret_text, text_size);
    if (error != 0)
        return error;
    linux_probe_calls(machine);
    error = guard_start(machine);
    if (error != 0)
        return refuse(error, "the thread that guards the descriptors", ret_text, text_size);
    error = table_add(machine);
    if (error == -EMFILE)
        return refuse(error, "too many machines", ret_text, text_size);
    return error == 0 ? 0 : refuse(error, "watching for forks", ret_text, text_size);
}

int linux_create(const struct linux_config *config, struct linux_machine **ret_linux,
                 struct machine *ret_machine, char *ret_text, size_t text_size)
{
    struct linux_machine *machine;
    int error = check_config(config, ret_text, text_size);

    if (error != 0)
        return error;
    machine =
        mmap(NULL, sizeof(*machine), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (machine == MAP_FAILED)
        return refuse(-ENOMEM, "its own state", ret_text, text_size);
    machine->pages = config->pages;
    machine->bytes = (size_t)config->pages << PAGE_SHIFT;
    machine->faults = config->faults;
    machine->threads_max = config->threads_max;
    machine->windows_count = config->windows;
    machine->transfer = config->transfer != 0 ? config->transfer : config->windows;
    machine->handlers_wanted = config->faults == LINUX_FAULTS_THREAD ? config->handlers : 0;
    machine->uffd = machine->file = machine->stop_fd = -1;
    machine->pidfd = PIDFD_NONE;
    machine->ioctl = ioctl_plain;
    machine->retry_limit_ns = RETRY_LIMIT_NS;
    error = build(machine, ret_text, text_size);
    if (error != 0) {
        linux_destroy(machine);
        return error;
    }
    machine->dirty_tracking =
        config->dirty_tracking && machine->features.write_protect &&
        (config->faults == LINUX_FAULTS_THREAD || linux_signal_knows_writes());
    *ret_linux = machine;
    *ret_machine = (struct machine){
        .ops = &linux_ops,
        .self = machine,
        .zeros = machine->zeros,
        .dirty_tracking = machine->dirty_tracking,
        .content_by_page = true,
    };
    return 0;
}

int linux_start(struct linux_machine *machine, const struct linux_entry *entry)
{
    int error;

    machine->entry = *entry;
    machine->started = true;
    if (machine->faults == LINUX_FAULTS_SIGNAL) {
        error = fault_signal_start();
        machine->started = error == 0;
        return error;
    }
    /* On failure linux_destroy() joins those that did start. */
    return fault_thread_start(machine);
}

/* Everybody who watches or serves ends. */
static void stop_threads(struct linux_machine *machine)
{
    uint64_t one = 1;

    if (machine->guard == NULL)
        return;
    if (write(machine->stop_fd, &one, sizeof(one)) != sizeof(one))
        linux_fail("stopping the handlers, at the end", 0, errno);
    fault_thread_stop(machine);
    world_thread_join(machine->guard);
}

static void end_registration(struct linux_machine *machine)
{
    struct uffdio_range range;

    if (machine->base == NULL)
        return;
    range = (struct uffdio_range){page_address(machine, 0), machine->bytes};
    /* Wakes who waits, too. */
    ioctl(machine->uffd, UFFDIO_UNREGISTER, &range);
    /* Had that been refused, munmap would wait for a reader of its notice; closing ends both. */
    close_descriptor(machine->uffd);
    machine->uffd = -1;
}

void linux_destroy(struct linux_machine *machine)
{
    if (machine->forked) {
        /* Neither the memory nor the threads came along; what is at the address now is not ours. */
        munmap(machine, sizeof(*machine));
        return;
    }
    if (machine->base != NULL)
        mprotect(machine->base, machine->bytes, PROT_NONE);
    /* Before unregistering: a handler may still serve a stale message nobody waits for. */
    stop_threads(machine);
    end_registration(machine);
    if (machine->started && machine->faults == LINUX_FAULTS_SIGNAL)
        fault_signal_stop();
    table_remove(machine);
    unmap_own(machine->base, mapped_bytes(machine));
    unmap_own(machine->windows, windows_bytes(machine));
    unmap_own(machine->vectors, vectors_bytes(machine));
    unmap_own(machine->zeros, (size_t)ZERO_PAGES << PAGE_SHIFT);
    close_descriptor(machine->uffd);
    close_descriptor(machine->file);
    close_descriptor(machine->stop_fd);
    close_descriptor(machine->pidfd);
    munmap(machine, sizeof(*machine));
}

void *linux_base(const struct linux_machine *machine)
{
    return machine->base;
}

int linux_peek(struct linux_machine *machine, page_number page, void *ret_page)
{
    size_t done = 0;

    while (done < MM_PAGE_SIZE) {
        ssize_t got = pread(machine->file, (char *)ret_page + done, MM_PAGE_SIZE - done,
                            (off_t)(((uint64_t)page << PAGE_SHIFT) + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : -EIO;
        done += (size_t)got;
    }
    return linux_file_is_ours(machine) ? 0 : -EBADF;
}

bool linux_has_content(struct linux_machine *machine, page_number page)
{
    off_t offset = (off_t)((uint64_t)page << PAGE_SHIFT);

    return lseek(machine->file, offset, SEEK_DATA) == offset && linux_file_is_ours(machine);
}
