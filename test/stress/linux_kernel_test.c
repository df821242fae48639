/*
 * linux_kernel_test.c - what the kernel does behind a pager's back, and that it cannot hurt ours.
 *
 * Forks, closed descriptors, system calls, locked memory, moved memory, a kernel that says
 * "again", an exit in the middle: every way we know in which a page could silently become zeros
 * or a thread could wait for ever. Each test names the trap.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "linux_rig.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

static enum linux_faults faults_of(void **state)
{
    return *(enum linux_faults *)*state;
}

static void make_or_skip(struct rig *rig, void **state)
{
    char text[256] = "";

    if (rig_make(rig, faults_of(state), text, sizeof(text)) != 0) {
        print_message("skipped: %s\n", text);
        rig_pages = RIG_PAGES;
        skip();
    }
}

static void start_or_skip(struct rig *rig, void **state)
{
    make_or_skip(rig, state);
    assert_int_equal(rig_start(rig), 0);
}

static struct outcome play_or_skip(const char *name, void **state)
{
    struct outcome outcome = scene_play(name, faults_of(state));

    if (refused(&outcome)) {
        print_message("skipped: %s\n", outcome.text);
        skip();
    }
    return outcome;
}

static uint64_t file_blocks(struct rig *rig)
{
    struct stat status;

    assert_int_equal(fstat(rig->machine->file, &status), 0);
    return (uint64_t)status.st_blocks;
}

/* ---- never a zero --------------------------------------------------------------------------- */

/* How a child of fork ends that reads the page. */
static int child_read(struct rig *rig, page_number page)
{
    int uffd = rig->machine->uffd;
    int file = rig->machine->file;
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        /* Before the touch: the pager's descriptors must not have come along. */
        if (fcntl(uffd, F_GETFD) >= 0 || fcntl(file, F_GETFD) >= 0)
            _exit(3);
        _exit(rig_read(rig, page) == 0 ? SCENE_SURVIVED : SCENE_SURVIVED + 1);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void test_fork_child_gets_sigsegv(void **state)
{
    struct rig rig;
    uint64_t blocks;

    start_or_skip(&rig, state);
    rig_write(&rig, 1, 11); /* mapped */
    rig_write(&rig, 2, 22); /* resident, not mapped */
    rig_unmap(&rig, 2);
    rig_write(&rig, 3, 33); /* evicted */
    rig_evict(&rig, 3);
    blocks = file_blocks(&rig);
    for (page_number page = 0; page < 4; page++) {
        int status = child_read(&rig, page);

        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSEGV);
    }
    assert_int_equal(file_blocks(&rig), blocks);
    assert_int_equal(rig_read(&rig, 0), 0);
    assert_int_equal(rig_read(&rig, 1), 11);
    assert_int_equal(rig_read(&rig, 2), 22);
    assert_int_equal(rig_read(&rig, 3), 33);
    rig_end(&rig);
}

/* A child that cleans up what it believes to own must not reach its own, newer memory. */
static void test_fork_child_may_destroy(void **state)
{
    struct rig rig;
    int status = 0;
    pid_t child;

    start_or_skip(&rig, state);
    rig_write(&rig, 1, 11);
    child = fork();
    if (child == 0) {
        int *there = mmap(rig.base, MM_PAGE_SIZE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

        *there = 5;
        linux_destroy(rig.machine);
        _exit(*there == 5 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(rig_read(&rig, 1), 11);
    rig_end(&rig);
}

static void test_touch_before_access_is_given(void **state)
{
    struct rig rig;
    int ends[2];

    make_or_skip(&rig, state);
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    catch_signal(SIGSEGV);
    assert_int_equal(SIGNAL_OF(rig_read(&rig, 7)), SIGSEGV);
    assert_ptr_equal(caught_address, rig_word(&rig, 7));
    assert_int_equal(write(ends[1], rig.base, 1), -1);
    assert_int_equal(errno, EFAULT);
    assert_int_equal(file_blocks(&rig), 0);
    close(ends[0]);
    close(ends[1]);
    rig_end(&rig);
}

static void *reader_main(void *argument)
{
    struct rig *rig = argument;

    /* Page 5 was 55 and is evicted: any value read here is wrong, a zero above all. */
    if (rig_read(rig, 5) != 55)
        _exit(SCENE_SURVIVED);
    return NULL;
}

/* As daemons do at their start. */
static void play_close_everything(enum linux_faults faults)
{
    struct rig rig;
    pthread_t threads[4];

    rig_must_start(&rig, faults, NULL);
    rig_write(&rig, 5, 55);
    rig_evict(&rig, 5);
    closefrom(3);
    for (unsigned i = 0; i < ARRAY_COUNT(threads); i++)
        pthread_create(&threads[i], NULL, reader_main, &rig);
    reader_main(&rig);
    _exit(SCENE_SURVIVED + 1);
}

static void test_closed_descriptor_aborts(void **state)
{
    struct outcome outcome = play_or_skip("close-everything", state);

    assert_true(died_of(&outcome, SIGABRT));
    assert_non_null(strstr(outcome.text, "closed the pager's descriptor"));
}

/* The number was closed and is another file now: its bytes are not ours to read or to cut. */
static void play_reuse_file(enum linux_faults faults)
{
    struct rig rig;
    page_number page = 5;
    void *buffer;
    int other = memfd_create("other", 0);

    rig_must_start(&rig, faults, NULL);
    if (ftruncate(other, RIG_PAGES * 4096l) != 0)
        _exit(2);
    rig_write(&rig, 5, 55);
    dup2(other, rig.machine->file);
    rig_unmap(&rig, 5);
    rig.fake.machine.ops->content(rig.machine, TESTER, 1, &page, &page, &buffer);
}

static void test_reused_descriptor_aborts(void **state)
{
    struct outcome outcome = play_or_skip("reuse-file", state);

    assert_true(died_of(&outcome, SIGABRT));
    assert_non_null(strstr(outcome.text, "closed the pager's descriptor"));
}

/* Nor to be written. */
static void play_reuse_file_to_place(enum linux_faults faults)
{
    struct rig rig;
    struct machine_map map = {.page = 5, .frame = 5};
    int other = memfd_create("other", 0);

    rig_must_start(&rig, faults, NULL);
    if (ftruncate(other, RIG_PAGES * 4096l) != 0)
        _exit(2);
    map.source = rig.fake.machine.ops->fill_buffer(rig.machine, TESTER, 0, 5);
    dup2(other, rig.machine->file);
    rig.fake.machine.ops->place(rig.machine, TESTER, 1, &map);
}

static void test_reused_descriptor_is_not_written(void **state)
{
    struct outcome outcome = play_or_skip("reuse-file-to-place", state);

    assert_true(died_of(&outcome, SIGABRT));
    assert_non_null(strstr(outcome.text, "closed the pager's descriptor"));
}

static void play_mremap(enum linux_faults faults)
{
    struct rig rig;

    rig_must_start(&rig, faults, NULL);
    rig_write(&rig, 5, 55);
    rig_evict(&rig, 5);
    char *moved =
        mremap(rig.base, RIG_PAGES * MM_PAGE_SIZE, RIG_PAGES * MM_PAGE_SIZE * 2, MREMAP_MAYMOVE);

    if (moved == MAP_FAILED)
        _exit(1);
    if (((volatile uint64_t *)(void *)moved)[5 * MM_PAGE_SIZE / 8] != 55)
        _exit(SCENE_SURVIVED);
    sleep(2);
}

static void play_munmap(enum linux_faults faults)
{
    struct rig rig;

    rig_must_start(&rig, faults, NULL);
    rig_write(&rig, 5, 55);
    munmap(rig.base + 4 * MM_PAGE_SIZE, 4 * MM_PAGE_SIZE);
    sleep(2);
}

static void test_moved_memory_aborts(void **state)
{
    struct outcome outcome = play_or_skip("mremap", state);

    assert_true(died_of(&outcome, SIGABRT));
    assert_non_null(strstr(outcome.text, "moved or unmapped managed memory"));
    outcome = play_or_skip("munmap", state);
    assert_true(died_of(&outcome, SIGABRT));
    assert_non_null(strstr(outcome.text, "moved or unmapped managed memory"));
}

/* The program gives content away that the engine counts on: no zero in its place. */
static void play_remove(enum linux_faults faults)
{
    struct rig rig;

    rig_must_start(&rig, faults, NULL);
    rig_write(&rig, 5, 55);
    if (madvise(rig.base + 5 * MM_PAGE_SIZE, MM_PAGE_SIZE, MADV_REMOVE) != 0)
        _exit(1);
    reader_main(&rig);
}

static void test_lost_content_aborts(void **state)
{
    struct outcome outcome = play_or_skip("remove", state);

    assert_true(died_of(&outcome, SIGABRT));
    assert_non_null(strstr(outcome.text, "UFFDIO_CONTINUE of page 5"));
}

/* A read through the file must not make pages, as a second mapping would. */
static void test_reading_makes_no_pages(void **state)
{
    struct rig rig;
    page_number pages[] = {3, 4, 9};
    void *buffers[ARRAY_COUNT(pages)];
    char page[MM_PAGE_SIZE];

    start_or_skip(&rig, state);
    rig.fake.machine.ops->content(rig.machine, TESTER, ARRAY_COUNT(pages), pages, pages, buffers);
    assert_int_equal(linux_peek(rig.machine, 7, page), 0);
    assert_int_equal(file_blocks(&rig), 0);
    assert_false(linux_has_content(rig.machine, 7));
    rig_write(&rig, 7, 77);
    assert_true(linux_has_content(rig.machine, 7));
    assert_false(linux_has_content(rig.machine, 6));
    assert_int_equal(file_blocks(&rig), MM_PAGE_SIZE / 512);
    rig_evict(&rig, 7);
    assert_false(linux_has_content(rig.machine, 7));
    assert_int_equal(file_blocks(&rig), 0);
    assert_int_equal(rig_read(&rig, 7), 77);
    rig_end(&rig);
}

/* Bytes of a page's earlier life are replaced, never shown. */
static void test_new_content_over_stale(void **state)
{
    struct rig rig;
    struct machine_map map = {.page = 2, .frame = 2, .writable = true};

    start_or_skip(&rig, state);
    rig_write(&rig, 2, 22);
    map.source = rig.fake.machine.zeros;
    rig.fake.machine.ops->map(rig.machine, TESTER, 1, &map);
    assert_int_equal(rig_read(&rig, 2), 0);
    rig_end(&rig);
}

/* ---- neighbours ----------------------------------------------------------------------------- */

static void test_system_calls(void **state)
{
    struct rig rig;
    uint64_t value = 0;
    int ends[2];

    start_or_skip(&rig, state);
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    rig_write(&rig, 5, 55);
    rig_evict(&rig, 5);
    if (faults_of(state) == LINUX_FAULTS_SIGNAL) {
        assert_int_equal(write(ends[1], rig_word(&rig, 5), 8), -1);
        assert_int_equal(errno, EFAULT);
        /* And it is only that call: the page is whole. */
        assert_int_equal(rig_read(&rig, 5), 55);
        assert_int_equal(write(ends[1], rig_word(&rig, 5), 8), 8);
    } else {
        assert_int_equal(write(ends[1], rig_word(&rig, 5), 8), 8);
        rig_evict(&rig, 6);
        assert_int_equal(read(ends[0], rig_word(&rig, 6), 8), 8);
        assert_int_equal(rig_read(&rig, 6), 55);
        assert_int_equal(write(ends[1], rig_word(&rig, 6), 8), 8);
    }
    assert_int_equal(read(ends[0], &value, 8), 8);
    assert_int_equal(value, 55);
    close(ends[0]);
    close(ends[1]);
    rig_end(&rig);
}

static void test_locked_memory(void **state)
{
    struct rig rig;
    page_number pages[] = {1, 2, 8};
    uint64_t before;

    start_or_skip(&rig, state);
    for (unsigned i = 0; i < ARRAY_COUNT(pages); i++)
        rig_write(&rig, pages[i], 100 + pages[i]);
    if (mlock(rig_word(&rig, 1), 2 * MM_PAGE_SIZE) != 0) {
        rig_end(&rig);
        print_message("skipped: mlock is refused\n");
        skip();
    }
    fake_unmap(&rig.fake, TESTER, ARRAY_COUNT(pages), pages);
    before = atomic_load(&rig.fake.faults);
    for (unsigned i = 0; i < ARRAY_COUNT(pages); i++)
        assert_int_equal(rig_read(&rig, pages[i]), 100 + pages[i]);
    assert_int_equal(atomic_load(&rig.fake.faults) - before, ARRAY_COUNT(pages));
    rig_end(&rig);
}

/*
 * A page that was part of a huge page can stay in the file after it was given up. The kernel makes
 * huge pages only where addresses and file offsets agree on their grid, so ours never may; not even
 * where the only room that fits lies on it.
 */
static void test_no_huge_pages(void **state)
{
    const size_t huge = (size_t)2 << 20, bytes = 3 * huge;
    struct rig rig;
    char *room = mmap(NULL, bytes + 2 * huge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_true(room != MAP_FAILED);
    munmap(room + huge - (uintptr_t)room % huge, bytes);
    rig_pages = (page_number)(bytes / MM_PAGE_SIZE);
    make_or_skip(&rig, state);
    assert_int_not_equal((uintptr_t)rig.base % huge, 0);
    assert_int_equal(rig_start(&rig), 0);
    rig_write(&rig, rig_pages - 1, 55);
    assert_int_equal(rig_read(&rig, rig_pages - 1), 55);
    rig_end(&rig);
    rig_pages = RIG_PAGES;
}

/* A pager that kept copies of the program's descriptors would keep its pipes open. */
static void test_pipes_still_end(void **state)
{
    struct rig rig;
    char byte;
    int ends[2];
    struct pollfd watched;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    start_or_skip(&rig, state);
    close(ends[1]);
    watched = (struct pollfd){.fd = ends[0], .events = POLLIN};
    assert_int_equal(poll(&watched, 1, 2000), 1);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    close(ends[0]);
    rig_end(&rig);
}

static unsigned count_entries(const char *folder)
{
    unsigned count = 0;
    DIR *directory = opendir(folder);

    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static void test_nothing_is_left(void **state)
{
    struct rig rig;
    struct sigaction before, after;
    unsigned descriptors, tasks;

    make_or_skip(&rig, state);
    rig_end(&rig);
    sigaction(SIGBUS, NULL, &before);
    descriptors = count_entries("/proc/self/fd");
    tasks = count_entries("/proc/self/task");
    for (unsigned i = 0; i < 50; i++) {
        start_or_skip(&rig, state);
        rig_write(&rig, 1, 1);
        rig_end(&rig);
    }
    sigaction(SIGBUS, NULL, &after);
    assert_int_equal(count_entries("/proc/self/fd"), descriptors);
    /* A joined thread is still listed for a moment. */
    for (unsigned i = 0; i < 1000 && count_entries("/proc/self/task") > tasks; i++)
        usleep(1000);
    assert_true(count_entries("/proc/self/task") <= tasks);
    assert_ptr_equal(before.sa_sigaction, after.sa_sigaction);
}

/* ---- a kernel that says "again" ------------------------------------------------------------- */

static struct {
    _Atomic unsigned calls;
    _Atomic unsigned refusals; /* how many calls are refused */
    _Atomic int error;
    _Atomic int64_t answer; /* in the output field of a refused call */
    _Atomic bool one_page;  /* do one page of what is asked, then "again" */
} shim;

static int64_t *output_field(unsigned long request, void *argument)
{
    switch (request) {
    case UFFDIO_COPY:
        return (int64_t *)&((struct uffdio_copy *)argument)->copy;
    case UFFDIO_CONTINUE:
        return (int64_t *)&((struct uffdio_continue *)argument)->mapped;
    case UFFDIO_ZEROPAGE:
        return (int64_t *)&((struct uffdio_zeropage *)argument)->zeropage;
    default:
        return NULL;
    }
}

static int shim_ioctl(int fd, unsigned long request, void *argument)
{
    int64_t *output = output_field(request, argument);

    shim.calls++;
    if (output == NULL)
        return ioctl(fd, request, argument);
    if (shim.refusals > 0) {
        shim.refusals--;
        *output = shim.answer;
        errno = shim.error;
        return -1;
    }
    if (shim.one_page && request == UFFDIO_CONTINUE) {
        struct uffdio_continue *all = argument;
        struct uffdio_continue one = *all;

        one.range.len = MM_PAGE_SIZE;
        if (ioctl(fd, request, &one) != 0) {
            all->mapped = one.mapped;
            return -1;
        }
        all->mapped = MM_PAGE_SIZE;
        errno = EAGAIN;
        return all->range.len == MM_PAGE_SIZE ? 0 : -1;
    }
    return ioctl(fd, request, argument);
}

static void test_again(void **state)
{
    static const struct {
        int error;
        int64_t answer;
    } refusals[] = {{EAGAIN, 0}, {EAGAIN, -EAGAIN}, {EAGAIN, -11}, {ENOMEM, -ENOMEM}, {EINTR, 0}};
    struct rig rig;

    make_or_skip(&rig, state);
    rig.machine->ioctl = shim_ioctl;
    assert_int_equal(rig_start(&rig), 0);
    for (unsigned i = 0; i < ARRAY_COUNT(refusals); i++) {
        rig_write(&rig, i, i + 1);
        rig_evict(&rig, i);
        shim.error = refusals[i].error;
        shim.answer = refusals[i].answer;
        shim.refusals = 5;
        assert_int_equal(rig_read(&rig, i), i + 1);
        assert_int_equal(shim.refusals, 0);
    }
    for (page_number page = 10; page < 20; page++) {
        rig_write(&rig, page, page);
        rig_unmap(&rig, page);
    }
    rig_unmap(&rig, 0);
    /* Page 14 is mapped already: partial progress runs into it. */
    assert_int_equal(rig_read(&rig, 14), 14);
    rig_unmap(&rig, 14);
    struct machine_map maps[10];

    for (page_number i = 0; i < 10; i++)
        maps[i] = (struct machine_map){.page = 10 + i, .frame = 10 + i, .writable = true};
    rig.fake.machine.ops->map(rig.machine, TESTER, 1, &maps[4]);
    shim.one_page = true;
    shim.calls = 0;
    rig.fake.machine.ops->map(rig.machine, TESTER, 10, maps);
    shim.one_page = false;
    assert_true(shim.calls >= 10);
    uint64_t before = atomic_load(&rig.fake.faults);

    for (page_number page = 10; page < 20; page++) {
        assert_int_equal(rig_read(&rig, page), page);
        rig_write(&rig, page, page);
    }
    assert_int_equal(atomic_load(&rig.fake.faults), before);
    rig_end(&rig);
}

static void play_refusals(enum linux_faults faults, int error)
{
    struct rig rig;

    rig_must_make(&rig, faults);
    rig.machine->retry_limit_ns = 50000000;
    rig.machine->ioctl = shim_ioctl;
    shim.error = error;
    shim.answer = -error;
    shim.refusals = UINT_MAX;
    rig_start(&rig);
    rig_read(&rig, 9);
}

static void play_again_for_ever(enum linux_faults faults)
{
    play_refusals(faults, EAGAIN);
}

static void play_unknown_error(enum linux_faults faults)
{
    play_refusals(faults, EDOM);
}

static void test_answers_that_end_the_process(void **state)
{
    struct outcome outcome = play_or_skip("again-for-ever", state);

    assert_true(died_of(&outcome, SIGABRT));
    assert_non_null(strstr(outcome.text, "UFFDIO_COPY of page 9 failed with errno 11"));
    outcome = play_or_skip("unknown-error", state);
    assert_true(died_of(&outcome, SIGABRT));
    assert_non_null(strstr(outcome.text, "UFFDIO_COPY of page 9 failed with errno 33"));
}

/* ---- refusals ------------------------------------------------------------------------------- */

static void test_refusal_names_the_remedy(void **state)
{
    struct rig rig;
    char text[256] = "";

    setenv("MEMMAN_DENY", "userfaultfd", 1);
    assert_int_equal(rig_make(&rig, faults_of(state), text, sizeof(text)), -EPERM);
    unsetenv("MEMMAN_DENY");
    assert_non_null(strstr(text, "seccomp"));
    if (faults_of(state) == LINUX_FAULTS_THREAD) {
        assert_non_null(strstr(text, "vm.unprivileged_userfaultfd=1"));
        assert_non_null(strstr(text, "--faults signal"));
    }
}

static void test_unprivileged(void **state)
{
    int status = 0;
    pid_t child;

    if (geteuid() != 0) {
        print_message("skipped: needs root to give privileges up\n");
        skip();
    }
    child = fork();
    if (child == 0) {
        struct rig rig;
        char text[256] = "";
        int error;

        signal(SIGBUS, SIG_DFL);
        if (setgid(65534) != 0 || setuid(65534) != 0)
            _exit(2);
        error = rig_make(&rig, faults_of(state), text, sizeof(text));
        if (faults_of(state) == LINUX_FAULTS_THREAD)
            _exit(error == -EPERM && strstr(text, "--faults signal") != NULL ? 0 : 3);
        if (error != 0 || rig_start(&rig) != 0)
            _exit(4);
        rig_write(&rig, 5, 55);
        rig_evict(&rig, 5);
        _exit(rig_read(&rig, 5) == 55 ? 0 : 5);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static const struct scene scenes[] = {
    {"close-everything", play_close_everything},
    {"reuse-file", play_reuse_file},
    {"reuse-file-to-place", play_reuse_file_to_place},
    {"mremap", play_mremap},
    {"munmap", play_munmap},
    {"remove", play_remove},
    {"again-for-ever", play_again_for_ever},
    {"unknown-error", play_unknown_error},
};

#define BOTH(test)                                                                                 \
    {#test " (signal)", test, NULL, NULL, &by_signal},                                             \
    {                                                                                              \
#test " (thread)", test, NULL, NULL, &by_thread                                            \
    }

int main(int argc, char **argv)
{
    static enum linux_faults by_signal = LINUX_FAULTS_SIGNAL;
    static enum linux_faults by_thread = LINUX_FAULTS_THREAD;
    const struct CMUnitTest tests[] = {
        BOTH(test_unprivileged),
        BOTH(test_fork_child_gets_sigsegv),
        BOTH(test_fork_child_may_destroy),
        BOTH(test_touch_before_access_is_given),
        BOTH(test_closed_descriptor_aborts),
        BOTH(test_reused_descriptor_aborts),
        BOTH(test_reused_descriptor_is_not_written),
        BOTH(test_moved_memory_aborts),
        BOTH(test_lost_content_aborts),
        BOTH(test_reading_makes_no_pages),
        BOTH(test_new_content_over_stale),
        BOTH(test_system_calls),
        BOTH(test_locked_memory),
        BOTH(test_no_huge_pages),
        BOTH(test_pipes_still_end),
        BOTH(test_nothing_is_left),
        BOTH(test_again),
        BOTH(test_answers_that_end_the_process),
        BOTH(test_refusal_names_the_remedy),
    };

    scene_main(argc, argv, scenes, ARRAY_COUNT(scenes));
    return cmocka_run_group_tests_name("linux kernel", tests, NULL, NULL);
}
