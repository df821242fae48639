/*
 * remote_test.c - the remote store against servers that refuse, fail, are slow, say nothing, die and
 * come back.
 */
#include "memman.h"
#include "nbd_server.h"
#include "store/remote.h"
#include "store_rig.h"

#include "contract/world.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

#define SLOTS       256u
#define QUEUES      4u
#define MS          1000000ull
#define RECOVERY_MS 20000u
#define DISK        "remote-test.disk"
#define TRIGGER     "remote-test.fails"

static unsigned char pages[SLOTS][MM_PAGE_SIZE] __attribute__((aligned(MM_PAGE_SIZE)));
static void *pointers[SLOTS];
static struct nbd_server server;
static struct store store;

/* ---- server and store ---- */

static void serve(const char *const words[])
{
    server = (struct nbd_server){.process = 0};
    assert_true(nbd_server_start(&server, words));
}

static void use(uint64_t patience_ns)
{
    struct remote_config config = {
        .uri = server.uri, .slots = SLOTS, .queues = QUEUES, .patience_ns = patience_ns};
    char text[512] = "";

    if (remote_create(&config, &store, text, sizeof(text)) != 0)
        fail_msg("%s", text);
    pages_fill(pages, pointers, SLOTS, 1);
}

static void end(void)
{
    store_destroy(&store);
    nbd_server_end(&server, SIGTERM);
}

/* After a test that failed half way. */
static int server_forget(void **state)
{
    (void)state;
    if (server.process > 0)
        nbd_server_end(&server, SIGKILL);
    return 0;
}

static int read_one(slot_number slot)
{
    memset(pages[0], 0, MM_PAGE_SIZE);
    return store_perform(&store, STORE_READ, slot, 1, pointers, NULL);
}

static uint64_t counter(const char *name)
{
    struct store_counter counters[16];
    uint32_t count = store_counters(&store, counters, 16);

    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(counters[i].name, name) == 0)
            return counters[i].value;
    }
    fail_msg("no counter '%s'", name);
    return 0;
}

/* Until a read succeeds again; false: it never did. */
static bool recovers(slot_number slot)
{
    for (unsigned waited_ms = 0; waited_ms < RECOVERY_MS; waited_ms += 10) {
        if (read_one(slot) == 0)
            return true;
        usleep(10000);
    }
    return false;
}

/* ---- the cases ---- */

/* Buffers beside each other, apart and missing, in runs longer than one command. */
static void runs_of_every_kind(void **state)
{
    void *mixed[SLOTS];

    (void)state;
    serve((const char *const[]){"memory", "1M", NULL});
    use(0);
    assert_int_equal(store_perform(&store, STORE_WRITE, 1, SLOTS, pointers, NULL), 0);
    memset(pages, 0, sizeof(pages));
    for (unsigned i = 0; i < SLOTS; i++)
        mixed[i] = i % 7 == 3 ? NULL : pages[i < 100 ? i : SLOTS + 99 - i];
    assert_int_equal(store_perform(&store, STORE_READ, 1, SLOTS, mixed, NULL), 0);
    for (unsigned i = 0; i < SLOTS; i++) {
        if (mixed[i] != NULL)
            assert_true(page_is(mixed[i], 1 + i));
    }
    /* Written from buffers in the other order. */
    for (unsigned i = 0; i < SLOTS; i++) {
        page_fill(pages[SLOTS - 1 - i], 1000 + i);
        mixed[i] = pages[SLOTS - 1 - i];
    }
    assert_int_equal(store_perform(&store, STORE_WRITE, 1, SLOTS, mixed, NULL), 0);
    for (slot_number slot = 1; slot <= SLOTS; slot += 17) {
        assert_int_equal(read_one(slot), 0);
        assert_true(page_is(pages[0], 1000 + slot - 1));
    }
    end();
}

struct reader {
    uint32_t queue;
    int result;
};

static void *reader_main(void *argument)
{
    struct reader *reader = argument;
    unsigned char page[MM_PAGE_SIZE];

    reader->result = store_read_page(&store, reader->queue, reader->queue + 1, page);
    if (reader->result == 0 && !page_is(page, 1 + reader->queue))
        reader->result = -EILSEQ;
    return NULL;
}

/* Four reads of a server that takes 200 ms for each are done long before 800. */
static void reads_do_not_wait_for_each_other(void **state)
{
    struct reader readers[QUEUES];
    pthread_t threads[QUEUES];
    uint64_t begin_ns;

    (void)state;
    serve((const char *const[]){"--filter=delay", "memory", "1M", "rdelay=200ms", NULL});
    use(0);
    assert_int_equal(store_perform(&store, STORE_WRITE, 1, QUEUES, pointers, NULL), 0);
    begin_ns = world_now_ns();
    for (uint32_t i = 0; i < QUEUES; i++) {
        readers[i] = (struct reader){.queue = i};
        assert_int_equal(pthread_create(&threads[i], NULL, reader_main, &readers[i]), 0);
    }
    for (uint32_t i = 0; i < QUEUES; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(readers[i].result, 0);
    }
    assert_in_range(world_now_ns() - begin_ns, 200 * MS, 600 * MS);
    end();
}

/* The whole of a page-out is under way, and it is slow: a read comes back before it. */
static void a_read_overtakes_writes(void **state)
{
    struct store_request requests[SLOTS], *ones[SLOTS], *reaped[SLOTS];
    unsigned char page[MM_PAGE_SIZE];
    uint32_t done = 0;

    (void)state;
    serve((const char *const[]){"--filter=delay", "memory", "1M", "wdelay=50ms", NULL});
    use(0);
    assert_int_equal(store_perform(&store, STORE_WRITE, 1, 1, pointers, NULL), 0);
    requests_writing(requests, ones, SLOTS, pointers);
    store.ops->submit(store.self, 0, ones, SLOTS);
    assert_int_equal(store_read_page(&store, 1, SLOTS, page), 0);
    done = store.ops->reap(store.self, 0, reaped, SLOTS, false);
    assert_true(done < SLOTS / 2);
    while (done < SLOTS)
        done += store.ops->reap(store.self, 0, reaped, SLOTS, true);
    for (uint32_t i = 0; i < SLOTS; i++)
        assert_int_equal(requests[i].result, 0);
    end();
}

/* What the server refuses is the request's error, and nobody else's. */
static void errors_of_the_server_are_results(void **state)
{
    uint32_t pages_done;
    int trigger;

    (void)state;
    unlink(TRIGGER);
    serve((const char *const[]){"--filter=error", "memory", "1M", "error=EIO", "error-rate=100%",
                                "error-file=" TRIGGER, NULL});
    use(0);
    assert_int_equal(store_perform(&store, STORE_WRITE, 1, 8, pointers, NULL), 0);
    trigger = open(TRIGGER, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(trigger >= 0);
    close(trigger);
    assert_int_equal(read_one(3), -EIO);
    assert_int_equal(store_perform(&store, STORE_WRITE, 5, 2, pointers, &pages_done), -EIO);
    assert_int_equal(pages_done, 0);
    unlink(TRIGGER);
    assert_int_equal(read_one(3), 0);
    assert_true(page_is(pages[0], 3));
    assert_int_equal(counter("connections_lost"), 0);
    assert_true(counter("remote_errors") >= 2);
    end();
}

/* The server dies at once and comes back with what it had. */
static void a_server_that_dies_and_returns(void **state)
{
    static const char *const words[] = {"file", DISK, NULL};
    struct store_request requests[SLOTS], *ones[SLOTS], *reaped[SLOTS];
    unsigned failed = 0;

    (void)state;
    int disk = open(DISK, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
    assert_true(disk >= 0 && ftruncate(disk, (off_t)(SLOTS * MM_PAGE_SIZE)) == 0);
    close(disk);
    serve(words);
    use(0);
    assert_int_equal(store_perform(&store, STORE_WRITE, 1, SLOTS, pointers, NULL), 0);
    for (unsigned round = 1; round <= 3; round++) {
        requests_writing(requests, ones, SLOTS, pointers);
        store.ops->submit(store.self, 0, ones, SLOTS);
        nbd_server_end(&server, SIGKILL);
        for (uint32_t done = 0; done < SLOTS;)
            done += store.ops->reap(store.self, 0, reaped, SLOTS, true);
        for (uint32_t i = 0; i < SLOTS; i++) {
            if (requests[i].result != 0)
                assert_int_equal(requests[i].result, -ENOTCONN);
            failed += requests[i].result != 0;
        }
        assert_int_equal(read_one(7), -ENOTCONN);
        assert_int_equal(store_perform(&store, STORE_WRITE, 9, 1, pointers, NULL), -ENOTCONN);
        assert_true(nbd_server_start(&server, words));
        assert_true(recovers(7));
        assert_true(page_is(pages[0], 7));
        assert_int_equal(counter("connections_lost"), round);
        pages_fill(pages, pointers, SLOTS, 1);
    }
    assert_true(failed > 0);
    end();
    unlink(DISK);
}

/* It came back with less than it had: as good as not at all. */
static void a_server_that_returns_smaller_is_refused(void **state)
{
    (void)state;
    serve((const char *const[]){"memory", "1M", NULL});
    use(0);
    assert_int_equal(store_perform(&store, STORE_WRITE, 1, 4, pointers, NULL), 0);
    nbd_server_end(&server, SIGKILL);
    assert_true(nbd_server_start(&server, (const char *const[]){"memory", "512K", NULL}));
    for (unsigned i = 0; i < 30; i++) {
        assert_int_equal(read_one(1), -ENOTCONN);
        usleep(10000);
    }
    end();
}

/* A server that hangs is as good as dead, and alive as soon as it goes on. */
static void a_server_that_hangs_is_lost(void **state)
{
    uint64_t begin_ns;

    (void)state;
    serve((const char *const[]){"memory", "1M", NULL});
    use(1000 * MS);
    assert_int_equal(store_perform(&store, STORE_WRITE, 1, 4, pointers, NULL), 0);
    usleep(1200000); /* nothing is under way, so nothing is late */
    assert_int_equal(read_one(2), 0);
    assert_int_equal(counter("connections_lost"), 0);
    kill(server.process, SIGSTOP);
    assert_int_equal(waitpid(server.process, NULL, WUNTRACED), server.process); /* it stands */
    begin_ns = world_now_ns();
    assert_int_equal(read_one(2), -ENOTCONN);
    assert_in_range(world_now_ns() - begin_ns, 1000 * MS, 8000 * MS);
    kill(server.process, SIGCONT);
    assert_true(recovers(2));
    assert_true(page_is(pages[0], 2));
    end();
}

/*
 * In a process of its own, which is this program with a URI: everything above standard error closed,
 * other files under the old numbers.
 */
static int survive_closing(const char *uri)
{
    struct remote_config config = {.uri = uri, .slots = SLOTS, .queues = QUEUES};
    char text[512];
    unsigned char page[MM_PAGE_SIZE];
    void *from = page;
    struct store_request request = {
        .operation = STORE_WRITE, .slot = 5, .count = 1, .pages = &from};
    FILE *mine[8];
    bool good = true;

    if (remote_create(&config, &store, text, sizeof(text)) != 0)
        return 1;
    for (int descriptor = 3; descriptor < 65536; descriptor++)
        close(descriptor);
    for (unsigned i = 0; i < 8; i++)
        mine[i] = tmpfile();
    for (unsigned round = 0; round < 20; round++) {
        page_fill(page, round);
        good &= store_wait_for(&store, 0, &request) == 0;
        good &= store_read_page(&store, 0, 5, page) == 0 && page_is(page, round);
    }
    for (unsigned i = 0; i < 8; i++)
        good &= mine[i] != NULL && fseek(mine[i], 0, SEEK_END) == 0 && ftell(mine[i]) == 0;
    store_destroy(&store);
    return good ? 0 : 2;
}

static void descriptors_of_the_program_are_its_own(void **state)
{
    int status;

    (void)state;
    serve((const char *const[]){"memory", "1M", NULL});
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "survive-closing", server.uri, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    nbd_server_end(&server, SIGTERM);
}

/* ---- a manager on it ---- */

#define MANAGED_PAGES 128u

/* How many pages are what they should be; the others must be in-page errors. */
static unsigned good_pages(mm *manager, uint64_t address)
{
    unsigned good = 0;

    for (unsigned i = 0; i < MANAGED_PAGES; i++) {
        int error = mm_read(manager, address + i * MM_PAGE_BYTES, pages[0], MM_PAGE_SIZE);

        assert_true(error == MM_OK || error == MM_ERROR_IN_PAGE);
        good += error == MM_OK;
        if (error == MM_OK)
            assert_true(page_is(pages[0], 500 + i));
    }
    return good;
}

/* Its server dies: in-page errors, and what is in frames is there; it returns: nothing was lost. */
static void a_manager_outlives_its_server(void **state)
{
    static const char *const words[] = {"file", DISK, NULL};
    struct mm_options options;
    struct mm_detail detail;
    char name[160];
    uint64_t address;
    unsigned good = 0;
    mm *manager;

    (void)state;
    int disk = open(DISK, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
    assert_true(disk >= 0 && ftruncate(disk, (off_t)(SLOTS * MM_PAGE_SIZE)) == 0);
    close(disk);
    serve(words);
    snprintf(name, sizeof(name), "nbd:unix:%s", server.socket);
    mm_options_init(&options);
    options.machine = MM_MACHINE_SOFT;
    options.memory_bytes = MANAGED_PAGES * MM_PAGE_SIZE;
    options.frames_bytes = 16 * MM_PAGE_SIZE;
    options.threads_max = 4;
    options.encrypt = MM_ENCRYPT_OFF;
    options.store = name;
    if (mm_create(&options, &manager, &detail) != MM_OK)
        fail_msg("%s", detail.text);
    assert_int_equal(mm_reserve(manager, MANAGED_PAGES * MM_PAGE_SIZE, &address), MM_OK);
    assert_int_equal(mm_commit(manager, address, MANAGED_PAGES * MM_PAGE_SIZE, MM_READ_WRITE),
                     MM_OK);
    for (unsigned i = 0; i < MANAGED_PAGES; i++) {
        page_fill(pages[0], 500 + i);
        assert_int_equal(mm_write(manager, address + i * MM_PAGE_BYTES, pages[0], MM_PAGE_SIZE),
                         MM_OK);
    }
    assert_int_equal(good_pages(manager, address), MANAGED_PAGES);
    nbd_server_end(&server, SIGKILL);
    assert_in_range(good_pages(manager, address), 1, 16);
    assert_true(nbd_server_start(&server, words));
    for (unsigned i = 0; i < RECOVERY_MS / 10 && good < MANAGED_PAGES; i++) {
        good = good_pages(manager, address);
        usleep(10000);
    }
    assert_int_equal(good, MANAGED_PAGES);
    mm_destroy(manager);
    nbd_server_end(&server, SIGTERM);
    unlink(DISK);
}

/* ---- refusals ---- */

static void refused(const char *uri, const char *reason, const char *remedy)
{
    struct remote_config config = {.uri = uri, .slots = SLOTS, .queues = 1};
    char text[512] = "";

    assert_true(remote_create(&config, &store, text, sizeof(text)) < 0);
    if (strstr(text, reason) == NULL || strstr(text, remedy) == NULL || strchr(text, '\n') != NULL)
        fail_msg("'%s' says neither '%s' nor '%s', or more than a line", text, reason, remedy);
}

static void what_will_not_do_is_refused_at_the_start(void **state)
{
    char uri[160];

    (void)state;
    refused("nbd+unix:///?socket=none.sock", "cannot be used", "start it");
    refused("nbd://127.0.0.1:1/x", "cannot be used", "start it");
    refused("nbd+nonsense://", "cannot be used", "correct the name");
    serve((const char *const[]){"memory", "1020K", NULL});
    refused(server.uri, "has 1020 KiB and the page file needs 1024 KiB", "--pagefile");
    nbd_server_end(&server, SIGTERM);
    serve((const char *const[]){"-r", "memory", "1M", NULL});
    refused(server.uri, "is read-only", "export it writable");
    nbd_server_end(&server, SIGTERM);
    serve((const char *const[]){"--filter=exportname", "memory", "1M", "exportname=pages",
                                "exportname-strict=true", NULL});
    snprintf(uri, sizeof(uri), "nbd+unix:///others?socket=%s", server.socket);
    refused(uri, "cannot be used", "correct the name");
    nbd_server_end(&server, SIGTERM);
    serve((const char *const[]){"--filter=blocksize-policy", "memory", "1M",
                                "blocksize-minimum=8192", "blocksize-preferred=8192",
                                "blocksize-maximum=65536", NULL});
    refused(server.uri, "blocks of more than a page", "4096");
    nbd_server_end(&server, SIGTERM);
}

/* 0: there is what these tests need. */
static bool available(void)
{
    struct remote_config config = {.uri = "nbd+unix:///?socket=none.sock", .slots = 1, .queues = 1};
    char text[512];

    if (remote_create(&config, &store, text, sizeof(text)) == -ENOSYS) {
        print_message("skipped: %s\n", text);
        return false;
    }
    if (!nbd_server_start(&server, (const char *const[]){"memory", "1M", NULL})) {
        print_message("skipped: there is no NBD server to test with: install nbdkit\n");
        return false;
    }
    nbd_server_end(&server, SIGTERM);
    return true;
}

int main(int count, char *words[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(runs_of_every_kind, server_forget),
        cmocka_unit_test_teardown(reads_do_not_wait_for_each_other, server_forget),
        cmocka_unit_test_teardown(a_read_overtakes_writes, server_forget),
        cmocka_unit_test_teardown(errors_of_the_server_are_results, server_forget),
        cmocka_unit_test_teardown(a_server_that_dies_and_returns, server_forget),
        cmocka_unit_test_teardown(a_server_that_returns_smaller_is_refused, server_forget),
        cmocka_unit_test_teardown(a_server_that_hangs_is_lost, server_forget),
        cmocka_unit_test_teardown(descriptors_of_the_program_are_its_own, server_forget),
        cmocka_unit_test_teardown(a_manager_outlives_its_server, server_forget),
        cmocka_unit_test_teardown(what_will_not_do_is_refused_at_the_start, server_forget),
    };

    if (count == 2)
        return survive_closing(words[1]);
    signal(SIGPIPE, SIG_IGN);
    return available() ? cmocka_run_group_tests_name("remote", tests, NULL, NULL) : 77;
}
