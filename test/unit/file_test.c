/*
 * file_test.c - the file store: which files it takes, how many requests at once, what it survives.
 *
 * The promises that every store keeps are in contract/store_test.c.
 */
#include "store/file.h"
#include "store_rig.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS  1024u
#define QUEUES 4u
#define MANY   200u /* more than a ring has room for */

static unsigned char pages[SLOTS][MM_PAGE_SIZE] __attribute__((aligned(MM_PAGE_SIZE)));
static void *page_pointers[SLOTS];
static char folder[] = "file-test-XXXXXX";
static char text[512];

/* ---- rig ---- */

static const char *path_of(const char *name)
{
    static char paths[4][128];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static struct file_config config_of(const char *path)
{
    return (struct file_config){
        .path = path, .slots = SLOTS, .slots_ready = SLOTS, .queues = QUEUES, .rings = 1};
}

static struct store create(const struct file_config *config)
{
    struct store store;
    int error = file_create(config, &store, text, sizeof(text));

    if (error != 0)
        print_message("%s\n", text);
    assert_int_equal(error, 0);
    return store;
}

/* Refused with that errno, a line that has `word`, and nothing left behind. */
static void refused(const struct file_config *config, int error, const char *word)
{
    struct store store = {.ops = NULL};
    int before = dup(0), after;

    close(before);
    assert_int_equal(file_create(config, &store, text, sizeof(text)), -error);
    after = dup(0);
    close(after);
    assert_int_equal(before, after); /* no descriptor */
    assert_null(store.ops);
    if (strstr(text, word) == NULL || strchr(text, '\n') != NULL)
        print_message("'%s' does not name '%s'\n", text, word);
    assert_non_null(strstr(text, word));
    assert_null(strchr(text, '\n'));
}

static void make_file(const char *path, const char *content)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

static bool file_is(const char *path, const char *content)
{
    char found[64] = "";
    FILE *file = fopen(path, "r");

    if (file == NULL)
        return false;
    size_t length = fread(found, 1, sizeof(found) - 1, file);
    fclose(file);
    return length == strlen(content) && memcmp(found, content, length) == 0;
}

static int make_folder(void **state)
{
    (void)state;
    setenv("TMPDIR", ".", 1); /* the build directory is on a disk */
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    char command[64];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

/* ---- which files ---- */

static void a_file_is_made_private_and_removed_at_the_end(void **state)
{
    struct file_config config = config_of(path_of("new"));
    struct stat status;

    (void)state;
    umask(0);
    struct store store = create(&config);
    umask(022);
    assert_int_equal(stat(path_of("new"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(status.st_size, SLOTS * MM_PAGE_SIZE);
    assert_true((uint64_t)status.st_blocks * 512 >= SLOTS * MM_PAGE_SIZE); /* preallocated */
    store_destroy(&store);
    assert_int_equal(stat(path_of("new"), &status), -1);
}

static void a_file_of_the_same_name_by_somebody_else_stays(void **state)
{
    struct file_config config = config_of(path_of("moved"));
    struct store store = create(&config);

    (void)state;
    assert_int_equal(unlink(path_of("moved")), 0);
    make_file(path_of("moved"), "not ours");
    store_destroy(&store);
    assert_true(file_is(path_of("moved"), "not ours"));
}

static void the_program_may_go_elsewhere(void **state)
{
    struct file_config config = config_of(path_of("home"));
    struct store store = create(&config);
    char *here = getcwd(NULL, 0);
    struct stat status;

    (void)state;
    assert_int_equal(chdir("/"), 0);
    store_destroy(&store);
    assert_int_equal(chdir(here), 0);
    free(here);
    assert_int_equal(stat(path_of("home"), &status), -1);
}

static void an_existing_file_needs_overwrite(void **state)
{
    struct file_config config = config_of(path_of("old"));
    struct stat status;

    (void)state;
    make_file(path_of("old"), "precious");
    chmod(path_of("old"), 0644);
    refused(&config, EEXIST, "--overwrite");
    assert_true(file_is(path_of("old"), "precious"));
    config.overwrite = true;
    struct store store = create(&config);
    assert_int_equal(stat(path_of("old"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    pages_fill(pages, page_pointers, 1, 1);
    assert_int_equal(store_perform(&store, STORE_WRITE, 1, 1, page_pointers, NULL), 0);
    store_destroy(&store);
    assert_int_equal(stat(path_of("old"), &status), 0); /* it was not ours to remove */
    assert_int_equal(status.st_size, 0);
}

static void what_is_no_file_is_refused(void **state)
{
    static const struct {
        const char *name;
        int error;
        const char *word;
    } cases[] = {{"directory", EINVAL, "is a directory"},
                 {"directory/", EISDIR, "is a directory"},
                 {"link", ELOOP, "is a symbolic link"},
                 {"dangling", ELOOP, "is a symbolic link"},
                 {"pipe", EINVAL, "is a pipe"},
                 {"hard", EMLINK, "hard link"},
                 {"none/file", ENOENT, "its folder must exist"},
                 {"precious/file", ENOTDIR, "its folder must exist"}};

    (void)state;
    make_file(path_of("precious"), "precious");
    assert_int_equal(mkdir(path_of("directory"), 0700), 0);
    assert_int_equal(symlink("precious", path_of("link")), 0);
    assert_int_equal(symlink("nowhere", path_of("dangling")), 0);
    assert_int_equal(mkfifo(path_of("pipe"), 0600), 0);
    make_file(path_of("twice"), "precious");
    assert_int_equal(link(path_of("twice"), path_of("hard")), 0);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct file_config config = config_of(path_of(cases[i].name));

        config.overwrite = true; /* not even then */
        refused(&config, cases[i].error, cases[i].word);
    }
    struct file_config device = config_of("/dev/null");
    device.overwrite = true;
    refused(&device, EINVAL, "is a device");
    assert_true(file_is(path_of("precious"), "precious"));
    assert_true(file_is(path_of("twice"), "precious"));
}

static void a_file_in_use_is_refused(void **state)
{
    struct file_config config = config_of(path_of("shared"));
    struct store store = create(&config);
    struct stat status;

    (void)state;
    pages_fill(pages, page_pointers, 1, 5);
    assert_int_equal(store_perform(&store, STORE_WRITE, 1, 1, page_pointers, NULL), 0);
    refused(&config, EEXIST, "exists");
    config.overwrite = true;
    pid_t child = fork();
    if (child == 0) {
        struct store other;

        _exit(file_create(&config, &other, text, sizeof(text)) == -EBUSY &&
                      strstr(text, "in use") != NULL
                  ? 0
                  : 1);
    }
    int end;
    assert_int_equal(waitpid(child, &end, 0), child);
    assert_true(WIFEXITED(end) && WEXITSTATUS(end) == 0);
    assert_int_equal(stat(path_of("shared"), &status), 0); /* neither emptied nor removed */
    assert_int_equal(store_perform(&store, STORE_READ, 1, 1, page_pointers, NULL), 0);
    assert_true(page_is(pages[0], 5));
    store_destroy(&store);
}

/* Nobody is root there. */
static void a_folder_that_is_not_ours_is_refused(void **state)
{
    int status;

    (void)state;
    assert_int_equal(mkdir(path_of("locked"), 0500), 0);
    make_file(path_of("foreign"), "precious");
    chmod(path_of("foreign"), 0666);
    pid_t child = fork();
    if (child == 0) {
        struct file_config config = config_of(path_of("locked/file"));
        struct store store;

        if (geteuid() == 0 &&
            (chmod(folder, 0755) != 0 || setgid(65534) != 0 || setuid(65534) != 0))
            _exit(77);
        bool good = file_create(&config, &store, text, sizeof(text)) == -EACCES &&
                    strstr(text, "folder that you may write to") != NULL;
        config.path = path_of("foreign");
        config.overwrite = true;
        /* Where the test itself is not root the file is its own, and may be taken. */
        int error = file_create(&config, &store, text, sizeof(text));
        good = good && (error == 0 || (error == -EPERM && strstr(text, "another user") != NULL));
        _exit(good ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- small disks ---- */

static void in_small_memory(void)
{
    struct file_config config = config_of("/tmp/page-file");
    struct store store;

    config.slots = config.slots_ready = 300; /* the disk has room for 256 */
    if (file_create(&config, &store, text, sizeof(text)) != -ENOSPC ||
        strstr(text, "use less --pagefile") == NULL || access("/tmp/page-file", F_OK) == 0)
        _exit(1);
    config.slots = 300;
    config.slots_ready = 16;
    if (file_create(&config, &store, text, sizeof(text)) != 0 || strstr(text, "in RAM") == NULL)
        _exit(2);
    pages_fill(pages, page_pointers, SLOTS, 1);
    if (store_perform(&store, STORE_WRITE, 1, 16, page_pointers, NULL) != 0)
        _exit(3);
    /* It grows while there is room, and is what it was when there is none. */
    if (store_grow(&store, 300) != -ENOSPC || store_grow(&store, 128) != 0 ||
        store_perform(&store, STORE_WRITE, 65, 64, page_pointers, NULL) != 0 ||
        store_perform(&store, STORE_WRITE, 129, 1, page_pointers, NULL) != -EINVAL ||
        store_perform(&store, STORE_READ, 1, 16, page_pointers, NULL) != 0 || !page_is(pages[7], 8))
        _exit(4);
    store_destroy(&store);
    if (access("/tmp/page-file", F_OK) == 0)
        _exit(5);
    /* Nobody has asked for that folder: refused. */
    setenv("TMPDIR", "/tmp", 1);
    config.path = NULL;
    config.slots = config.slots_ready = 16;
    if (file_create(&config, &store, text, sizeof(text)) != -EINVAL ||
        strstr(text, "set TMPDIR") == NULL)
        _exit(6);
    _exit(0);
}

static void a_full_disk_is_a_refusal(void **state)
{
    int status;

    (void)state;
    pid_t child = fork();
    if (child == 0) {
        if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("small", "/tmp", "tmpfs", 0, "size=1M") != 0)
            _exit(77);
        in_small_memory();
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("a small disk cannot be mounted here\n");
        skip();
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- many at once ---- */

static const enum file_way ways[] = {FILE_WAY_URING, FILE_WAY_SYNC};

static void many_requests_are_under_way_at_once(void **state)
{
    static struct store_request requests[MANY], *pointers[MANY], *reaped[MANY];

    (void)state;
    for (size_t w = 0; w < ARRAY_COUNT(ways); w++) {
        struct file_config config = config_of(NULL);
        uint32_t done = 0;

        config.way = ways[w];
        struct store store = create(&config);
        pages_fill(pages, page_pointers, MANY, 7);
        requests_writing(requests, pointers, MANY, page_pointers);
        store.ops->submit(store.self, 3, pointers, MANY);
        while (done < MANY) {
            uint32_t count = store.ops->reap(store.self, 3, reaped, MANY, true);

            assert_true(count > 0);
            for (uint32_t i = 0; i < count; i++)
                assert_int_equal(reaped[i]->result, 0);
            done += count;
        }
        assert_int_equal(store.ops->reap(store.self, 3, reaped, MANY, true), 0);
        memset(pages, 0, sizeof(pages));
        assert_int_equal(store_perform(&store, STORE_READ, 1, MANY, page_pointers, NULL), 0);
        for (uint32_t i = 0; i < MANY; i++)
            assert_true(page_is(pages[i], 7 + i));
        store_destroy(&store);
    }
}

/* Two queues have many requests, there is one ring: one goes without. A run of two pieces too. */
static void who_gets_no_ring_gets_on(void **state)
{
    struct store_request requests[8], *pointers[8], *reaped[8];
    struct file_config config = config_of(NULL);
    struct store store = create(&config);

    (void)state;
    pages_fill(pages, page_pointers, SLOTS, 7);
    requests_writing(requests, pointers, 8, page_pointers);
    requests[3].slot = 10;
    requests[3].count = 600;
    requests[3].pages = page_pointers + 9;
    store.ops->submit(store.self, 0, pointers, 4);
    store.ops->submit(store.self, 1, pointers + 4, 4);
    for (uint32_t queue = 0; queue < 2; queue++)
        for (uint32_t done = 0; done < 4;) {
            uint32_t count = store.ops->reap(store.self, queue, reaped, 8, true);

            for (uint32_t i = 0; i < count; i++)
                assert_int_equal(reaped[i]->result, 0);
            done += count;
        }
    memset(pages, 0, sizeof(pages));
    assert_int_equal(store_perform(&store, STORE_READ, 1, 609, page_pointers, NULL), 0);
    for (uint32_t i = 0; i < 609; i++)
        assert_true(i == 3 || i == 8 || page_is(pages[i], 7 + i));
    store_destroy(&store);
}

/* ---- what it survives ---- */

/* The file is cut: a run over its end is short, and short is an error at the page that is gone. */
static void a_short_read_is_an_error(void **state)
{
    (void)state;
    for (size_t w = 0; w < ARRAY_COUNT(ways); w++) {
        struct store_request requests[2], *pointers[2] = {&requests[0], &requests[1]}, *reaped[2];
        struct file_config config = config_of(NULL);
        uint32_t pages_done, done = 0;

        config.way = ways[w];
        struct store store = create(&config);
        pages_fill(pages, page_pointers, 8, 1);
        assert_int_equal(store_perform(&store, STORE_WRITE, 1, 8, page_pointers, NULL), 0);
        assert_int_equal(ftruncate(file_descriptor(&store), 3 * MM_PAGE_SIZE), 0);
        assert_int_equal(store_perform(&store, STORE_READ, 1, 8, page_pointers, &pages_done), -EIO);
        assert_int_equal(pages_done, 3);
        for (unsigned i = 0; i < 2; i++)
            requests[i] = (struct store_request){
                .operation = STORE_READ, .slot = 1, .count = 3 + i, .pages = page_pointers};
        store.ops->submit(store.self, 0, pointers, 2);
        while (done < 2)
            done += store.ops->reap(store.self, 0, reaped, 2, true);
        assert_int_equal(requests[0].result, 0);
        assert_int_equal(requests[1].result, -EIO);
        assert_int_equal(requests[1].pages_done, 3);
        store_destroy(&store);
    }
}

/* The program closes every descriptor and opens files of its own: none of ours is written there. */
static void a_closed_descriptor_writes_to_no_other_file(void **state)
{
    (void)state;
    for (size_t w = 0; w < ARRAY_COUNT(ways); w++) {
        struct store_request requests[8], *pointers[8], *reaped[8];
        struct file_config config = config_of(NULL);
        uint32_t done = 0;

        config.way = ways[w];
        struct store store = create(&config);
        int fd = file_descriptor(&store);
        make_file(path_of("other"), "precious");
        pages_fill(pages, page_pointers, 8, 1);
        requests_writing(requests, pointers, 8, page_pointers);
        int other = open(path_of("other"), O_RDWR | O_CLOEXEC);
        assert_int_equal(dup2(other, fd), fd);
        store.ops->submit(store.self, 0, pointers, 8);
        while (done < 8)
            done += store.ops->reap(store.self, 0, reaped, 8, true);
        for (unsigned i = 0; i < 8; i++)
            assert_int_equal(requests[i].result, ways[w] == FILE_WAY_SYNC ? -EBADF : 0);
        assert_true(file_is(path_of("other"), "precious"));
        store_destroy(&store);
        assert_true(fcntl(fd, F_GETFD) >= 0); /* the program's by now, and left open */
        close(fd);
        close(other);
    }
}

/* ---- rings that fail ---- */

/* Write pages 0..count-1 to slots of their own at once and read them back. */
static bool many_are_good(const struct store *store, uint32_t count)
{
    struct store_request requests[32], *pointers[32] = {NULL}, *reaped[32];
    bool good = true;
    uint32_t done = 0;

    pages_fill(pages, page_pointers, count, 3);
    requests_writing(requests, pointers, count, page_pointers);
    store->ops->submit(store->self, 0, pointers, count);
    while (done < count)
        done += store->ops->reap(store->self, 0, reaped, 32, true);
    for (uint32_t i = 0; i < count; i++)
        good = good && requests[i].result == 0;
    memset(pages, 0, count * MM_PAGE_SIZE);
    struct store_request reading = {
        .operation = STORE_READ, .slot = 1, .count = count, .pages = page_pointers};
    good = good && store_wait_for(store, 0, &reading) == 0;
    for (uint32_t i = 0; i < count; i++)
        good = good && page_is(pages[i], 3 + i);
    return good;
}

/* The descriptor of the only ring of this process, or -1. */
static int ring_descriptor(void)
{
    for (int fd = 3; fd < 64; fd++) {
        char link[32], name[64];

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, name, sizeof(name) - 1);
        name[length > 0 ? length : 0] = '\0';
        if (strstr(name, "io_uring") != NULL)
            return fd;
    }
    return -1;
}

static void a_ring_that_is_closed_is_given_up(void **state)
{
    struct file_config config = config_of(NULL);

    (void)state;
    config.way = FILE_WAY_URING;
    struct store store = create(&config);
    assert_true(many_are_good(&store, 16));
    int fd = ring_descriptor();
    assert_true(fd >= 0);
    close(fd);
    assert_true(many_are_good(&store, 32));
    assert_true(many_are_good(&store, 7));
    store_destroy(&store);
}

/* No descriptor is left for a ring. */
static void without_rings_there_is_a_note_or_a_refusal(void **state)
{
    int status;

    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct file_config config = config_of(NULL);
        struct rlimit limit = {0, 0};
        struct store store;

        limit.rlim_cur = limit.rlim_max = (rlim_t)dup(0) + 1; /* one more: the file's */
        close((int)limit.rlim_cur - 1);
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            _exit(2);
        if (file_create(&config, &store, text, sizeof(text)) != 0 ||
            strstr(text, "no io_uring") == NULL || !many_are_good(&store, 16))
            _exit(1);
        store_destroy(&store);
        config.way = FILE_WAY_URING;
        _exit(file_create(&config, &store, text, sizeof(text)) == -EMFILE &&
                      strstr(text, "io=sync") != NULL
                  ? 0
                  : 3);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_made_private_and_removed_at_the_end),
        cmocka_unit_test(a_file_of_the_same_name_by_somebody_else_stays),
        cmocka_unit_test(the_program_may_go_elsewhere),
        cmocka_unit_test(an_existing_file_needs_overwrite),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(a_file_in_use_is_refused),
        cmocka_unit_test(a_folder_that_is_not_ours_is_refused),
        cmocka_unit_test(a_full_disk_is_a_refusal),
        cmocka_unit_test(many_requests_are_under_way_at_once),
        cmocka_unit_test(who_gets_no_ring_gets_on),
        cmocka_unit_test(a_short_read_is_an_error),
        cmocka_unit_test(a_closed_descriptor_writes_to_no_other_file),
        cmocka_unit_test(a_ring_that_is_closed_is_given_up),
        cmocka_unit_test(without_rings_there_is_a_note_or_a_refusal),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
