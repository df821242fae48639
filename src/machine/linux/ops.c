/*
 * ops.c - what the engine asks of the Linux machine: map, unmap, read, give up, protect.
 *
 * A page's content lives in the file at the page's offset. Mapping content that is there is
 * UFFDIO_CONTINUE, mapping new content is UFFDIO_COPY (or ZEROPAGE), unmapping is MADV_DONTNEED,
 * giving up is a hole. Each works on runs: neighbours go in one ioctl, scattered ranges in one
 * process_madvise with one flush.
 *
 * An unexpected answer of the kernel ends the process: a guess here would be wrong bytes there.
 */
#include "machine/linux/internal.h"

#include "base/mutant.h"
#include "base/text.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/*
 * Each range with a page that was written costs a flush of its own in every processor that runs the
 * program (the kernel flushes shared pages before it lets go of their table), about 60 us in a
 * virtual machine. So ranges this close are unmapped as one; a page in between that was mapped
 * faults once more.
 */
#define UNMAP_GAP 32

/* A system call costs as much as reading several pages: pages this close are read with one. */
#define READ_GAP 8

/* How a run of pages gets its content. */
enum map_kind { MAP_RESIDENT, MAP_BUFFER, MAP_ZEROS };

struct map_run {
    enum map_kind kind;
    bool writable;
    page_number first;
    uint32_t count;
    const char *source;
};

/* No printf: we may be in a signal handler, and the heap may be managed memory. */
_Noreturn void linux_fail(const char *what, page_number page, int error)
{
    struct text text = {0};

    text_add(&text, "linux machine: ");
    if (error == EBADF || error == ENOTTY)
        text_add(&text, "the program closed the pager's descriptor: ");
    text_add(&text, what);
    text_add(&text, " of page ");
    text_add_number(&text, page);
    text_add(&text, " failed with errno ");
    text_add_number(&text, (uint64_t)error);
    world_abort(text.bytes);
}

void linux_retry_pause(struct linux_machine *machine, struct linux_retry *retry, const char *what,
                       page_number page, int error)
{
    uint64_t now_ns = world_now_ns();

    if (retry->round == 0)
        retry->deadline_ns = now_ns + machine->retry_limit_ns;
    else if (now_ns > retry->deadline_ns && !MUTANT(LINUX_RETRIES_FOR_EVER))
        linux_fail(what, page, error);
    world_pause(retry->round++, true);
}

void linux_wake(struct linux_machine *machine, page_number page)
{
    int error;

    /* By signal nobody waits in the kernel. */
    if (machine->faults == LINUX_FAULTS_SIGNAL || MUTANT(LINUX_FORGETS_WAKE))
        return;
    error = uffd_wake(machine->ioctl, machine->uffd, page_address(machine, page), MM_PAGE_SIZE);
    if (error != 0)
        linux_fail("UFFDIO_WAKE", page, error);
}

bool linux_file_is_ours(const struct linux_machine *machine)
{
    struct stat status;

    return fstat(machine->file, &status) == 0 && status.st_dev == machine->file_device &&
           status.st_ino == machine->file_inode;
}

static char *window_of(const struct linux_machine *machine, uint32_t thread, uint32_t window)
{
    return machine->windows + (((size_t)thread * windows_each(machine) + window) << PAGE_SHIFT);
}

static void *linux_fill_buffer(void *self, uint32_t thread, uint32_t window, frame_number frame)
{
    (void)frame;
    return window_of(self, thread, window);
}

static void vectors_skip(struct iovec **vectors, uint32_t *count, size_t bytes)
{
    while (*count > 0 && bytes >= (*vectors)->iov_len) {
        bytes -= (*vectors)->iov_len;
        (*vectors)++;
        (*count)--;
    }
    if (bytes > 0) {
        (*vectors)->iov_base = (char *)(*vectors)->iov_base + bytes;
        (*vectors)->iov_len -= bytes;
    }
}

/*
 * Vectors for pages[0] and the near ones behind it, to windows `first` and on; what lies in between
 * goes to a window of its own that nobody looks at. Returns how many pages.
 */
static uint32_t gather_content(const struct linux_machine *machine, uint32_t thread, uint32_t first,
                               uint32_t count, const page_number *pages, struct iovec *ret_vectors,
                               uint32_t *ret_used)
{
    char *unwanted = window_of(machine, thread, machine->windows_count);
    uint32_t used = 0, at = 0;

    do {
        char *window = window_of(machine, thread, first + at);

        for (page_number page = at == 0 ? pages[0] : pages[at - 1] + 1;
             page < pages[at] && !MUTANT(LINUX_READS_OVER_A_GAP); page++)
            ret_vectors[used++] = (struct iovec){unwanted, MM_PAGE_SIZE};
        if (at > 0 && pages[at] == pages[at - 1] + 1)
            ret_vectors[used - 1].iov_len += MM_PAGE_SIZE;
        else
            ret_vectors[used++] = (struct iovec){window, MM_PAGE_SIZE};
        at++;
    } while (at < MIN_OF(count, machine->transfer) && used + READ_GAP < VECTORS_MAX &&
             pages[at] > pages[at - 1] && pages[at] - pages[at - 1] - 1 <= READ_GAP);
    *ret_used = used;
    return at;
}

/* The pages' bytes; the read never makes a page, as a touch of a second mapping would. */
static void read_pages(struct linux_machine *machine, page_number first, struct iovec *vectors,
                       uint32_t count)
{
    struct linux_retry retry = {0};
    off_t offset = (off_t)((uint64_t)first << PAGE_SHIFT);

    while (count > 0) {
        ssize_t got = preadv(machine->file, vectors, (int)count, offset);

        if (got > 0) {
            retry.round = 0;
            offset += got;
            vectors_skip(&vectors, &count, (size_t)got);
        } else if (got < 0 && linux_is_transient(errno)) {
            linux_retry_pause(machine, &retry, "preadv", first, errno);
        } else {
            linux_fail("preadv", first, got < 0 ? errno : EIO);
        }
    }
}

static void linux_content(void *self, uint32_t thread, uint32_t count, const page_number *pages,
                          const frame_number *frames, void **ret_buffers)
{
    struct linux_machine *machine = self;
    struct iovec *vectors = machine->vectors + (size_t)thread * VECTORS_MAX;
    uint32_t read;

    (void)frames;
    for (uint32_t i = 0; i < count; i++)
        ret_buffers[i] = window_of(machine, thread, i);
    for (uint32_t i = 0; i < count; i += read) {
        uint32_t used;

        read = gather_content(machine, thread, i, count - i, pages + i, vectors, &used);
        read_pages(machine, pages[i], vectors, used);
    }
    /*
     * After the reads: had the program closed our number and opened a file of its own, these
     * would be that file's bytes.
     */
    if (!linux_file_is_ours(machine) && !MUTANT(LINUX_READS_ANY_FILE))
        linux_fail("fstat after preadv", pages[0], EBADF);
}

/* The run that starts at maps[0]: what one ioctl can do. */
static struct map_run run_at(const struct linux_machine *machine, uint32_t count,
                             const struct machine_map *maps)
{
    struct map_run run = {
        .kind = MAP_RESIDENT,
        .writable = maps[0].writable || !machine->dirty_tracking,
        .first = maps[0].page,
        .count = 1,
        .source = maps[0].source,
    };

    if (run.source == machine->zeros) {
        /* ZEROPAGE cannot protect: a page to be watched is copied from zeros instead. */
        run.kind = run.writable ? MAP_ZEROS : MAP_BUFFER;
    } else if (run.source != NULL) {
        run.kind = MAP_BUFFER;
    }
    for (; run.count < count; run.count++) {
        const struct machine_map *next = &maps[run.count];
        const char *source = run.source;

        if (source == machine->zeros) {
            if (run.count == ZERO_PAGES)
                break;
        } else if (source != NULL) {
            source += (size_t)run.count << PAGE_SHIFT;
        }
        if (next->page != run.first + run.count || next->source != source ||
            (next->writable || !machine->dirty_tracking) != run.writable)
            break;
    }
    return run;
}

static struct uffd_result install(struct linux_machine *machine, const struct map_run *run,
                                  uint32_t done, uint32_t limit)
{
    uint64_t start = page_address(machine, run->first + done);
    uint64_t bytes = (uint64_t)MIN_OF(run->count - done, limit) << PAGE_SHIFT;

    switch (run->kind) {
    case MAP_RESIDENT:
        return uffd_continue(
            machine->ioctl, machine->uffd, start, bytes,
            run->writable || MUTANT(LINUX_MAPS_CLEAN_WRITABLE) ? 0 : UFFDIO_CONTINUE_MODE_WP);
    case MAP_ZEROS:
        return uffd_zeropage(machine->ioctl, machine->uffd, start, bytes);
    default:
        return uffd_copy(machine->ioctl, machine->uffd, start,
                         run->source + ((size_t)done << PAGE_SHIFT), bytes,
                         run->writable ? 0 : UFFDIO_COPY_MODE_WP);
    }
}

static const char *install_name(enum map_kind kind)
{
    return kind == MAP_RESIDENT ? "UFFDIO_CONTINUE"
                                : (kind == MAP_ZEROS ? "UFFDIO_ZEROPAGE" : "UFFDIO_COPY");
}

static void unprotect(struct linux_machine *machine, page_number page)
{
    struct linux_retry retry = {0};

    while (!MUTANT(LINUX_LEAVES_PROTECTED)) {
        int error = uffd_unprotect(machine->ioctl, machine->uffd, page_address(machine, page),
                                   MM_PAGE_SIZE);

        if (error == 0)
            return;
        if (!linux_is_transient(error))
            linux_fail("UFFDIO_WRITEPROTECT", page, error);
        linux_retry_pause(machine, &retry, "UFFDIO_WRITEPROTECT", page, error);
    }
}

/* The content of the pages becomes a hole. */
static void give_up(struct linux_machine *machine, page_number first, page_number count)
{
    struct linux_retry retry = {0};
    const char *call;
    int error;

    while ((error = linux_punch(machine, first, count, &call)) != 0) {
        if (!linux_is_transient(error))
            linux_fail(call, first, error);
        linux_retry_pause(machine, &retry, call, first, error);
    }
}

/*
 * The kernel found something at the page. Resident content: the old mapping, of a trim that has
 * not unmapped yet; it shows the same bytes, so only the right to write is missing. New content:
 * bytes of an earlier life of the page, which must not be seen again; a hole, and once more.
 * Returns whether the page is done.
 */
static bool settle(struct linux_machine *machine, const struct map_run *run, page_number page,
                   struct linux_retry *retry)
{
    if (run->kind == MAP_RESIDENT || MUTANT(LINUX_BELIEVES_WHAT_IS_THERE)) {
        if (run->writable && machine->features.write_protect)
            unprotect(machine, page);
        else
            linux_wake(machine, page);
        return true;
    }
    give_up(machine, page, 1);
    linux_retry_pause(machine, retry, install_name(run->kind), page, EEXIST);
    return false;
}

static void map_run(struct linux_machine *machine, const struct map_run *run)
{
    struct linux_retry retry = {0};
    uint32_t done = 0;
    uint32_t limit = run->kind == MAP_BUFFER ? MIN_OF(run->count, machine->transfer) : run->count;

    while (done < run->count) {
        struct uffd_result result = install(machine, run, done, limit);
        page_number page;

        done += (uint32_t)(result.bytes >> PAGE_SHIFT);
        page = run->first + done;
        if (result.bytes > 0) {
            retry.round = 0; /* progress; the next call names what stopped it */
            continue;
        }
        if (result.error == EEXIST) {
            if (settle(machine, run, page, &retry))
                done++;
        } else if (result.error == ENOENT && limit > 1) {
            /* Neighbours with different rights are two mappings: page by page. */
            limit = 1;
        } else if (linux_is_transient(result.error)) {
            done += MUTANT(LINUX_AGAIN_IS_DONE);
            linux_retry_pause(machine, &retry, install_name(run->kind), page, result.error);
        } else if (MUTANT(LINUX_ZEROS_FOR_LOST_CONTENT) && result.error == EFAULT) {
            uffd_zeropage(machine->ioctl, machine->uffd, page_address(machine, page), MM_PAGE_SIZE);
            done++;
        } else {
            /* EFAULT of CONTINUE: the content is gone. Never a zero in its place. */
            linux_fail(install_name(run->kind), page, result.error);
        }
    }
}

static void linux_map(void *self, uint32_t thread, uint32_t count, const struct machine_map *maps)
{
    struct linux_machine *machine = self;
    uint32_t at = 0;

    (void)thread;
    while (at < count) {
        struct map_run run = run_at(machine, count - at, maps + at);

        map_run(machine, &run);
        at += run.count;
    }
}

/*
 * New content, to the file: it is there for CONTINUE, and no page table knows of it. The number could
 * be another file's by now, so it is looked at before each write, as before a hole.
 */
static void place_run(struct linux_machine *machine, const struct map_run *run)
{
    struct linux_retry retry = {0};
    off_t at = (off_t)((uint64_t)run->first << PAGE_SHIFT);
    size_t bytes = (size_t)run->count << PAGE_SHIFT;
    const char *source = run->source;

    while (bytes > 0) {
        ssize_t put = -1;

        if (linux_file_is_ours(machine) || MUTANT(LINUX_WRITES_ANY_FILE))
            put = pwrite(machine->file, source, bytes, at);
        else
            errno = EBADF;
        if (put > 0) {
            retry.round = 0;
            source += put;
            at += put;
            bytes -= (size_t)put;
        } else if (put < 0 && linux_is_transient(errno)) {
            linux_retry_pause(machine, &retry, "pwrite", (page_number)(at >> PAGE_SHIFT), errno);
        } else {
            linux_fail("pwrite", (page_number)(at >> PAGE_SHIFT), put < 0 ? errno : EIO);
        }
    }
}

static void linux_place(void *self, uint32_t thread, uint32_t count, const struct machine_map *maps)
{
    struct linux_machine *machine = self;
    uint32_t at = 0;

    (void)thread;
    while (at < count) {
        struct map_run run = run_at(machine, count - at, maps + at);

        place_run(machine, &run);
        at += run.count;
    }
}

static void linux_make_writable(void *self, uint32_t thread, page_number page)
{
    struct linux_machine *machine = self;

    (void)thread;
    if (machine->features.write_protect)
        unprotect(machine, page);
    else
        linux_wake(machine, page);
}

/*
 * Take pages from *at on into vectors; pages at most `gap` pages apart share one. Returns how many
 * vectors.
 */
static uint32_t gather(const struct linux_machine *machine, struct iovec *vectors, uint32_t count,
                       const page_number *pages, page_number gap, uint32_t *at)
{
    uint32_t used = 0;
    uint32_t i = *at;

    for (; i < count; i++) {
        char *start = machine->base + ((size_t)pages[i] << PAGE_SHIFT);

        if (used > 0 && pages[i] > pages[i - 1] && pages[i] - pages[i - 1] - 1 <= gap) {
            vectors[used - 1].iov_len =
                (size_t)(start + MM_PAGE_SIZE - (char *)vectors[used - 1].iov_base);
            continue;
        }
        if (used == VECTORS_MAX)
            break;
        vectors[used++] = (struct iovec){.iov_base = start, .iov_len = MM_PAGE_SIZE};
    }
    *at = i;
    return used;
}

static page_number page_of(const struct linux_machine *machine, const void *address)
{
    return (page_number)((size_t)((const char *)address - machine->base) >> PAGE_SHIFT);
}

static void unmap_one(struct linux_machine *machine, const struct iovec *range)
{
    struct linux_retry retry = {0};
    int advice = MADV_DONTNEED;

    while (madvise(range->iov_base, range->iov_len, advice) != 0) {
        if (errno == EINVAL && advice == MADV_DONTNEED) {
            /* The program locked the page; the budget is ours to keep, so it goes all the same. */
            advice = MADV_DONTNEED_LOCKED;
        } else if (linux_is_transient(errno)) {
            linux_retry_pause(machine, &retry, "madvise(MADV_DONTNEED)",
                              page_of(machine, range->iov_base), errno);
        } else {
            linux_fail("madvise(MADV_DONTNEED)", page_of(machine, range->iov_base), errno);
        }
    }
}

void linux_unmap_range(struct linux_machine *machine, page_number first, page_number count)
{
    struct iovec range = {machine->base + ((size_t)first << PAGE_SHIFT),
                          (size_t)count << PAGE_SHIFT};

    unmap_one(machine, &range);
}

static void remove_one(struct linux_machine *machine, const struct iovec *range)
{
    give_up(machine, page_of(machine, range->iov_base),
            (page_number)(range->iov_len >> PAGE_SHIFT));
}

/*
 * One system call over all ranges; where it stops, that range alone by the plain call, which
 * knows the exceptions, and on with the rest.
 */
static void advise(struct linux_machine *machine, struct iovec *vectors, uint32_t count, int advice,
                   bool by_vector, void (*one)(struct linux_machine *, const struct iovec *))
{
    while (count > 0) {
        ssize_t bytes = 0;

        if (by_vector && count > 1)
            bytes = syscall(SYS_process_madvise, machine->pidfd, vectors, (size_t)count, advice, 0);
        if (bytes <= 0) {
            one(machine, vectors);
            vectors++;
            count--;
            continue;
        }
        vectors_skip(&vectors, &count, (size_t)bytes);
    }
}

static void unmap_pages(struct linux_machine *machine, uint32_t thread, uint32_t count,
                        const page_number *pages, page_number gap,
                        struct machine_unmapped *ret_unmapped)
{
    struct iovec *vectors = machine->vectors + (size_t)thread * VECTORS_MAX;
    uint32_t at = count > 1 && MUTANT(LINUX_UNMAP_SKIPS_FIRST);

    while (at < count) {
        uint32_t used = gather(machine, vectors, count, pages, gap, &at);

        advise(machine, vectors, used, MADV_DONTNEED, machine->pidfd != PIDFD_NONE, unmap_one);
    }
    /* Nothing is known here that the engine was not told by a write fault. */
    if (ret_unmapped != NULL)
        memset(ret_unmapped, 0, count * sizeof(*ret_unmapped));
}

static void linux_unmap(void *self, uint32_t thread, uint32_t count, const page_number *pages,
                        struct machine_unmapped *ret_unmapped)
{
    unmap_pages(self, thread, count, pages, 0, ret_unmapped);
}

static void linux_unmap_near(void *self, uint32_t thread, uint32_t count, const page_number *pages,
                             struct machine_unmapped *ret_unmapped)
{
    unmap_pages(self, thread, count, pages, UNMAP_GAP, ret_unmapped);
}

int linux_punch(struct linux_machine *machine, page_number first, page_number count,
                const char **ret_call)
{
    size_t bytes = (size_t)count << PAGE_SHIFT;

    *ret_call = "madvise(MADV_REMOVE)";
    /* Through the mapping: it names our file whatever the program did with the descriptor. */
    if (madvise(machine->base + ((size_t)first << PAGE_SHIFT), bytes, MADV_REMOVE) == 0)
        return 0;
    /* EACCES: kernels before 6.7 want the mapping to be writable just now. */
    if (errno != EACCES && errno != EINVAL)
        return errno;
    *ret_call = "fallocate(FALLOC_FL_PUNCH_HOLE)";
    if (!linux_file_is_ours(machine))
        return EBADF;
    return fallocate(machine->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                     (off_t)((uint64_t)first << PAGE_SHIFT), (off_t)bytes) == 0
               ? 0
               : errno;
}

static void linux_release(void *self, uint32_t thread, uint32_t count, const page_number *pages)
{
    struct linux_machine *machine = self;
    struct iovec *vectors = machine->vectors + (size_t)thread * VECTORS_MAX;
    uint32_t at = 0;

    while (at < count) {
        uint32_t used = gather(machine, vectors, count, pages, 0, &at);

        advise(machine, vectors, used, MADV_REMOVE, machine->remove_by_vector, remove_one);
    }
}

static int linux_protect(void *self, page_number first, page_number count,
                         enum machine_protection protection)
{
    static const int rights[] = {
        [MACHINE_NO_ACCESS] = PROT_NONE,
        [MACHINE_READ_ONLY] = PROT_READ,
        [MACHINE_READ_WRITE] = PROT_READ | PROT_WRITE,
    };
    struct linux_machine *machine = self;

    if (mprotect(machine->base + ((size_t)first << PAGE_SHIFT), (size_t)count << PAGE_SHIFT,
                 rights[protection]) != 0)
        return -errno;
    if (!MUTANT(LINUX_POISON_SURVIVES_COMMIT))
        linux_ask_again(machine, first, count);
    return 0;
}

const struct machine_ops linux_ops = {
    .name = "linux",
    .fill_buffer = linux_fill_buffer,
    .content = linux_content,
    .zero = NULL,
    .map = linux_map,
    .place = linux_place,
    .make_writable = linux_make_writable,
    .unmap = linux_unmap,
    .unmap_near = linux_unmap_near,
    .sample_accessed = NULL,
    .failed = linux_mark_failed,
    .release = linux_release,
    .protect = linux_protect,
};
