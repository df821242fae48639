/*
 * scene.c - the steps, the model they are checked against, and what must be left at the end.
 *
 * The model is a version and a right for each page. A page's words follow from its number and its
 * version. The main thread plays and knows the model; two more threads page for a while, each in
 * pages of its own.
 */
#include "scene.h"

#include "base/types.h"
#include "fail.h"
#include "machine/linux/internal.h"
#include "manager.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES               48u
#define FRAMES              24u
#define PAGE_WORDS          (MM_PAGE_BYTES / sizeof(uint64_t))
#define USER_ROUNDS         120u
#define RETRY_LIMIT_NS_HERE 30000000ull
#define STACK_BYTES         ((size_t)256 << 10)

enum right { RIGHT_NONE, RIGHT_READ, RIGHT_WRITE };

struct scene {
    mm *manager;
    uint64_t base;
    bool direct; /* loads and stores page */
    enum right rights[PAGES];
    uint32_t versions[PAGES];
    uint64_t limit; /* of commit */
};

static _Atomic bool was_refused;

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            dprintf(STDERR_FILENO, "%s:%d: %s: ", __FILE__, __LINE__, #condition);                 \
            dprintf(STDERR_FILENO, __VA_ARGS__);                                                   \
            dprintf(STDERR_FILENO, "\n");                                                          \
            _exit(SCENE_WRONG);                                                                    \
        }                                                                                          \
    } while (0)

/* ---- what a process has -------------------------------------------------------------------- */

struct belongings {
    uint64_t descriptors, threads, mappings_bytes;
};

static uint64_t count_entries(const char *path)
{
    DIR *folder = opendir(path);
    uint64_t count = 0;

    CHECK(folder != NULL, "%s", path);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

/* The heap may grow; its blocks are counted one by one elsewhere. */
static uint64_t sum_mappings(void)
{
    char line[512];
    uint64_t sum = 0;
    FILE *file = fopen("/proc/self/maps", "r");

    CHECK(file != NULL, "maps");
    while (fgets(line, sizeof(line), file) != NULL) {
        unsigned long long from, to;

        if (strstr(line, "[heap]") == NULL && sscanf(line, "%llx-%llx", &from, &to) == 2)
            sum += to - from;
    }
    fclose(file);
    return sum;
}

static struct belongings count_belongings(void)
{
    fail_exempt(true);
    struct belongings found = {
        .descriptors = count_entries("/proc/self/fd"),
        .threads = count_entries("/proc/self/task"),
        .mappings_bytes = sum_mappings(),
    };
    fail_exempt(false);
    return found;
}

/* Sanitizers map memory of their own as they go. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MAPPINGS_COUNT false
#elif defined(__has_feature)
#define MAPPINGS_COUNT !(__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define MAPPINGS_COUNT true
#endif

/* The kernel takes a joined thread out of its lists a moment later. */
static void check_belongings(const struct belongings *before, const char *when)
{
    struct belongings now = count_belongings();

    for (unsigned i = 0; i < 1000 && now.threads != before->threads; i++) {
        usleep(1000);
        now = count_belongings();
    }
    CHECK(now.threads == before->threads, "%s: %llu threads, were %llu", when,
          (unsigned long long)now.threads, (unsigned long long)before->threads);
    CHECK(now.descriptors == before->descriptors, "%s: %llu descriptors, were %llu", when,
          (unsigned long long)now.descriptors, (unsigned long long)before->descriptors);
    CHECK(!MAPPINGS_COUNT || now.mappings_bytes == before->mappings_bytes,
          "%s: %llu bytes mapped, were %llu", when, (unsigned long long)now.mappings_bytes,
          (unsigned long long)before->mappings_bytes);
    CHECK(fail_blocks() == 0, "%s: %lld blocks not freed", when, (long long)fail_blocks());
    CHECK(fail_mapped_bytes() == 0, "%s: %lld bytes not unmapped", when,
          (long long)fail_mapped_bytes());
}

static void *nothing(void *argument)
{
    return argument;
}

void scene_warm_up(void)
{
    pthread_t threads[12];
    pthread_attr_t attributes;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    for (size_t i = 0; i < ARRAY_COUNT(threads); i++)
        pthread_create(&threads[i], &attributes, nothing, NULL);
    for (size_t i = 0; i < ARRAY_COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    pthread_attr_destroy(&attributes);
}

/* ---- the model ----------------------------------------------------------------------------- */

static uint64_t address_of(const struct scene *scene, uint32_t page)
{
    return scene->base + (uint64_t)page * MM_PAGE_BYTES;
}

static uint64_t word_of(uint32_t page, uint32_t version, size_t index)
{
    return version == 0 ? 0
                        : ((uint64_t)version << 32 | page << 10 | index) * 0x9E3779B97F4A7C15ull;
}

static void make_words(uint32_t page, uint32_t version, uint64_t *ret_words)
{
    for (size_t i = 0; i < PAGE_WORDS; i++)
        ret_words[i] = word_of(page, version, i);
}

/*
 * A refusal is legal only if something was made to fail. Everything works from then on, so that
 * the step can be tried again.
 */
static void accept_refusal(const char *step, int error, const int *allowed)
{
    bool legal = false;

    for (; *allowed != 0; allowed++)
        legal = legal || error == *allowed;
    CHECK(legal, "%s: %s", step, mm_error_text(error));
    CHECK(fail_obeyed() > 0, "%s: refused for nothing: %s", step, mm_error_text(error));
    fail_heal();
    atomic_store(&was_refused, true);
}

#define STEP(scene, call, ...)                                                                     \
    do {                                                                                           \
        int error_ = (call);                                                                       \
        if (error_ != MM_OK) {                                                                     \
            accept_refusal(#call, error_, (const int[]){__VA_ARGS__, 0});                          \
            verify(scene);                                                                         \
            error_ = (call);                                                                       \
            CHECK(error_ == MM_OK, "again: %s", mm_error_text(error_));                            \
        }                                                                                          \
    } while (0)

static int read_or_retry(struct scene *scene, uint64_t address, void *ret_bytes, size_t count)
{
    int error = mm_read(scene->manager, address, ret_bytes, count);

    if (error == MM_ERROR_THREADS) {
        accept_refusal("mm_read", error, (const int[]){MM_ERROR_THREADS, 0});
        error = mm_read(scene->manager, address, ret_bytes, count);
    }
    return error;
}

static void verify_page(struct scene *scene, uint32_t page)
{
    uint64_t words[PAGE_WORDS];
    enum right right = scene->rights[page];
    int error = read_or_retry(scene, address_of(scene, page), words, sizeof(words));

    CHECK(error == (right == RIGHT_NONE ? MM_ERROR_ACCESS : MM_OK), "page %u with right %d: %s",
          page, right, mm_error_text(error));
    for (size_t i = 0; right != RIGHT_NONE && i < PAGE_WORDS; i++)
        CHECK(words[i] == word_of(page, scene->versions[page], i), "page %u word %zu is %llx", page,
              i, (unsigned long long)words[i]);
    if (right == RIGHT_NONE)
        make_words(page, 7, words);
    error = mm_write(scene->manager, address_of(scene, page), words, sizeof(words));
    CHECK(error == (right == RIGHT_WRITE ? MM_OK : MM_ERROR_ACCESS), "page %u with right %d: %s",
          page, right, mm_error_text(error));
}

/* Every page has its bytes and its rights, and nothing else is charged. */
static void verify(struct scene *scene)
{
    struct mm_commit_info info;
    uint64_t committed = 0;

    for (uint32_t page = 0; scene->base != 0 && page < PAGES; page++) {
        verify_page(scene, page);
        committed += scene->rights[page] != RIGHT_NONE;
    }
    mm_commit_info(scene->manager, &info);
    CHECK(info.charge == committed, "charge %llu, committed %llu", (unsigned long long)info.charge,
          (unsigned long long)committed);
    CHECK(info.limit == scene->limit, "limit %llu, was %llu", (unsigned long long)info.limit,
          (unsigned long long)scene->limit);
}

static void set_rights_of(struct scene *scene, uint32_t first, uint32_t count, enum right right)
{
    for (uint32_t page = first; page < first + count; page++) {
        scene->rights[page] = right;
        if (right == RIGHT_NONE)
            scene->versions[page] = 0;
    }
}

static void write_page(struct scene *scene, uint32_t page)
{
    uint64_t words[PAGE_WORDS];

    make_words(page, ++scene->versions[page], words);
    STEP(scene, mm_write(scene->manager, address_of(scene, page), words, sizeof(words)),
         MM_ERROR_THREADS);
}

/* ---- paging -------------------------------------------------------------------------------- */

struct user {
    struct scene *scene;
    uint32_t number;
    pthread_t thread;
};

/* Plain loads and stores where they page: the signal handler and the fault handlers are for them. */
static void use_page(struct scene *scene, uint32_t page, bool write)
{
    uint64_t words[PAGE_WORDS];
    volatile uint64_t *at = (volatile uint64_t *)(uintptr_t)address_of(scene, page);
    uint32_t version = scene->versions[page];

    if (!scene->direct) {
        int error = read_or_retry(scene, address_of(scene, page), words, sizeof(words));
        CHECK(error == MM_OK, "page %u: %s", page, mm_error_text(error));
    }
    for (size_t i = 0; i < PAGE_WORDS; i += 73) {
        uint64_t found = scene->direct ? at[i] : words[i];
        CHECK(found == word_of(page, version, i), "page %u word %zu is %llx", page, i,
              (unsigned long long)found);
    }
    if (!write)
        return;
    scene->versions[page] = version + 1;
    make_words(page, version + 1, words);
    for (size_t i = 0; scene->direct && i < PAGE_WORDS; i++)
        at[i] = words[i];
    if (!scene->direct) {
        int error = mm_write(scene->manager, address_of(scene, page), words, sizeof(words));
        CHECK(error == MM_OK, "page %u: %s", page, mm_error_text(error));
    }
}

static void *user_main(void *argument)
{
    struct user *user = argument;
    uint32_t random = user->number * 77 + 1;

    if (user->number == 0 && mm_attach(user->scene->manager) != MM_OK) {
        accept_refusal("mm_attach", MM_ERROR_THREADS, (const int[]){MM_ERROR_THREADS, 0});
        CHECK(mm_attach(user->scene->manager) == MM_OK, "again");
    }
    for (uint32_t i = 0; i < USER_ROUNDS; i++) {
        random = random * 1664525u + 1013904223u;
        uint32_t page = (random >> 16) % (PAGES / 2) * 2 + user->number;
        use_page(user->scene, page, random >> 31 != 0);
    }
    if (user->number == 0)
        mm_detach(user->scene->manager);
    return NULL;
}

static void page_with_two_threads(struct scene *scene)
{
    struct user users[2];
    pthread_attr_t attributes;

    fail_exempt(true);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    for (uint32_t i = 0; i < ARRAY_COUNT(users); i++) {
        users[i] = (struct user){.scene = scene, .number = i};
        CHECK(pthread_create(&users[i].thread, &attributes, user_main, &users[i]) == 0, "thread");
    }
    fail_exempt(false);
    for (uint32_t i = 0; i < ARRAY_COUNT(users); i++)
        pthread_join(users[i].thread, NULL);
    fail_exempt(true);
    pthread_attr_destroy(&attributes);
    fail_exempt(false);
}

/* ---- steps --------------------------------------------------------------------------------- */

static void print_complaint(void *context, const char *text)
{
    (void)context;
    dprintf(STDERR_FILENO, "audit: %s\n", text);
}

/* Nothing fails while nothing moves; then the workers have to be started again. */
/* Half of the pages, the worker willing; `verify` then finds some of them read. */
static void read_ahead(struct scene *scene)
{
    static const struct timespec a_while = {.tv_nsec = 2000000};

    STEP(scene, mm_prefetch(scene->manager, scene->base, PAGES / 2 * MM_PAGE_BYTES), MM_OK);
    nanosleep(&a_while, NULL);
    verify(scene);
}

static void freeze_audit_thaw(struct scene *scene, enum phase phase)
{
    struct mm_audit audit;

    mm_freeze(scene->manager);
    fail_phase(PHASE_NONE);
    mm_audit(scene->manager, print_complaint, NULL, &audit);
    CHECK(audit.checks > 0 && audit.violations == 0, "the audit");
    fail_phase(phase);
    int error = mm_thaw(scene->manager);
    if (error != MM_OK) {
        accept_refusal("mm_thaw", error, (const int[]){MM_ERROR_UNSUPPORTED, 0});
        CHECK(mm_thaw(scene->manager) == MM_OK, "thaw again");
    }
    mm_worker_cpu_ns(scene->manager);
}

static void begin_region(struct scene *scene)
{
    uint64_t base = 0;

    STEP(scene, mm_reserve(scene->manager, PAGES * MM_PAGE_BYTES, &base), MM_ERROR_THREADS);
    scene->base = base;
    STEP(scene, mm_commit(scene->manager, address_of(scene, 4), 8 * MM_PAGE_BYTES, MM_READ_WRITE),
         MM_ERROR_UNSUPPORTED);
    set_rights_of(scene, 4, 8, RIGHT_WRITE);
    for (uint32_t page = 4; page < 12; page++)
        write_page(scene, page);
    /* The pages around those: two runs, of which the second may be refused. */
    STEP(scene, mm_commit(scene->manager, scene->base, PAGES * MM_PAGE_BYTES, MM_READ_WRITE),
         MM_ERROR_UNSUPPORTED);
    set_rights_of(scene, 0, PAGES, RIGHT_WRITE);
    for (uint32_t page = 0; page < PAGES; page += 3)
        write_page(scene, page);
}

static void change_rights(struct scene *scene)
{
    const uint64_t at = address_of(scene, 8), bytes = 8 * MM_PAGE_BYTES;

    STEP(scene, mm_protect(scene->manager, at, bytes, MM_READ_ONLY), MM_ERROR_UNSUPPORTED);
    set_rights_of(scene, 8, 8, RIGHT_READ);
    verify(scene);
    /* Over pages with two kinds of rights, and back. */
    STEP(scene, mm_protect(scene->manager, at - bytes / 2, bytes, MM_READ_ONLY),
         MM_ERROR_UNSUPPORTED);
    set_rights_of(scene, 4, 8, RIGHT_READ);
    STEP(scene, mm_protect(scene->manager, at, bytes, MM_READ_WRITE), MM_ERROR_UNSUPPORTED);
    set_rights_of(scene, 8, 8, RIGHT_WRITE);
    verify(scene);
    STEP(scene, mm_protect(scene->manager, at - bytes / 2, bytes, MM_READ_WRITE),
         MM_ERROR_UNSUPPORTED);
    set_rights_of(scene, 4, 8, RIGHT_WRITE);
    verify(scene);
    STEP(scene, mm_decommit(scene->manager, at, bytes), MM_ERROR_UNSUPPORTED);
    set_rights_of(scene, 8, 8, RIGHT_NONE);
    verify(scene);
    STEP(scene, mm_commit(scene->manager, at, bytes, MM_READ_WRITE), MM_ERROR_UNSUPPORTED);
    set_rights_of(scene, 8, 8, RIGHT_WRITE);
}

static void pin_and_retire(struct scene *scene)
{
    void *pinned = NULL;
    uint64_t retired = 0;
    struct mm_commit_info info;

    STEP(scene, mm_pin(scene->manager, address_of(scene, 20), true, &pinned), MM_ERROR_THREADS);
    make_words(20, ++scene->versions[20], pinned);
    verify(scene);
    mm_unpin(scene->manager, address_of(scene, 20));
    STEP(scene, mm_retire_frames(scene->manager, 2, &retired), MM_ERROR_THREADS);
    CHECK(retired == 2, "retired");
    mm_commit_info(scene->manager, &info);
    CHECK(info.limit == scene->limit - 2, "limit");
    scene->limit = info.limit;
}

/* The child must have none of the manager's descriptors, or it could change its parent's memory. */
static void fork_once(struct scene *scene, const struct belongings *before)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        fail_phase(PHASE_NONE);
        fail_exempt(true);
        _exit(count_entries("/proc/self/fd") == before->descriptors ? 0 : 9);
    }
    CHECK(child > 0, "fork");
    waitpid(child, &status, 0);
    CHECK(status == 0, "the child inherited descriptors, or died: %d", status);
    for (uint32_t page = 0; page < PAGES; page += 5)
        write_page(scene, page);
}

static void end_region(struct scene *scene)
{
    uint64_t base = scene->base;

    STEP(scene, mm_release(scene->manager, base), MM_ERROR_UNSUPPORTED);
    scene->base = 0;
    set_rights_of(scene, 0, PAGES, RIGHT_NONE);
    verify(scene);
}

/* ---- life ---------------------------------------------------------------------------------- */

static int create(struct scene *scene, enum scene_machine machine)
{
    struct mm_options options;
    struct mm_detail detail = {"untouched"};

    mm_options_init(&options);
    options.machine = machine == SCENE_AUTO   ? MM_MACHINE_AUTO
                      : machine == SCENE_SOFT ? MM_MACHINE_SOFT
                                              : MM_MACHINE_LINUX;
    options.faults = machine == SCENE_THREAD ? MM_FAULTS_THREAD : MM_FAULTS_SIGNAL;
    options.memory_bytes = 64 * MM_PAGE_BYTES;
    options.frames_bytes = FRAMES * MM_PAGE_BYTES;
    options.threads_max = 4;
    options.region_ptes = 16;
    options.trim_batch = 6;
    options.write_batch = 8;
    options.prefetch = 8;
    fail_phase(PHASE_CREATE);
    int error = mm_create(&options, &scene->manager, &detail);
    fail_phase(PHASE_NONE);
    if (error != MM_OK)
        CHECK(detail.text[0] != '\0' && strcmp(detail.text, "untouched") != 0, "no reason given");
    else if (machine == SCENE_AUTO && mm_options_of(scene->manager)->machine == MM_MACHINE_SOFT)
        CHECK(detail.text[0] != '\0', "no note");
    return error;
}

/* Once more if it was refused, then with nothing failing; SCENE_IMPOSSIBLE if that is no better. */
static void begin(struct scene *scene, enum scene_machine machine, const struct belongings *before)
{
    int error = create(scene, machine);

    if (error != MM_OK) {
        CHECK(error == MM_ERROR_NO_MEMORY || error == MM_ERROR_UNSUPPORTED, "%s",
              mm_error_text(error));
        check_belongings(before, "after a refusal");
        if (fail_obeyed() == 0 && machine != SCENE_SOFT)
            _exit(SCENE_IMPOSSIBLE);
        accept_refusal("mm_create", error,
                       (const int[]){MM_ERROR_NO_MEMORY, MM_ERROR_UNSUPPORTED, 0});
        error = create(scene, machine);
        CHECK(error == MM_OK, "create again: %s", mm_error_text(error));
    }
    struct mm_commit_info info;
    mm_commit_info(scene->manager, &info);
    scene->limit = info.limit;
    scene->direct = scene->manager->linux_machine != NULL;
    if (scene->direct)
        scene->manager->linux_machine->retry_limit_ns = RETRY_LIMIT_NS_HERE;
}

_Noreturn void scene_play(enum scene_machine machine)
{
    static struct scene scene;
    struct belongings before = count_belongings();

    begin(&scene, machine, &before);
    fail_phase(PHASE_RUN);
    begin_region(&scene);
    verify(&scene);
    page_with_two_threads(&scene);
    verify(&scene);
    read_ahead(&scene);
    freeze_audit_thaw(&scene, PHASE_RUN);
    change_rights(&scene);
    pin_and_retire(&scene);
    fork_once(&scene, &before);
    page_with_two_threads(&scene);
    verify(&scene);
    end_region(&scene);
    freeze_audit_thaw(&scene, PHASE_RUN);
    fail_phase(PHASE_DESTROY);
    mm_destroy(scene.manager);
    fail_phase(PHASE_NONE);
    check_belongings(&before, "at the end");
    exit(atomic_load(&was_refused) ? SCENE_REFUSED : SCENE_GOOD);
}
