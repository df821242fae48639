/*
 * lockers.c - threads that lock mutexes inside managed pages, count, and move money about.
 *
 * The mutex of a page lies in the page itself. By thread any thread may wait for it in the kernel;
 * by signal a system call on an absent page is EFAULT, so there a thread tries until it succeeds,
 * or pins the page first and then may wait. The two mix: a mutex that is waited for is pinned by
 * its waiter, and whoever unlocks it wakes by address, without a look at the page.
 *
 * The handler of the signals that nemesis.c sends counts in a managed page, at any moment.
 */
#include "torture.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#define BANK_GROUP   16u /* money stays within a group of pages */
#define BANK_ACCOUNT 1000
#define VISIT_WORDS  (sizeof(((struct locker_page *)0)->visits) / sizeof(uint64_t))

/* ---- one page ---- */

/* A load, with its fault, is not a call: errno is what it was. */
static void touch_page(const struct locker_page *page)
{
    volatile int *last = &errno; /* no compiler expects a change here */
    *last = EDOM;
    (void)*(const volatile uint64_t *)&page->number;
    if (*last != EDOM) {
        torture_fail("a load of managed memory changed errno", page, EDOM, (uint64_t)*last);
    }
}

static void lock_page(struct locker_page *page)
{
    int error;
    touch_page(page);
    if (ordeal.faults == MM_FAULTS_THREAD) {
        error = pthread_mutex_lock(&page->mutex);
    } else {
        while ((error = pthread_mutex_trylock(&page->mutex)) == EBUSY) {
            sched_yield();
        }
    }
    if (error != 0) {
        torture_fail("the mutex of a page cannot be locked", page, 0, (uint64_t)error);
    }
}

static void unlock_page(struct locker_page *page)
{
    int error = pthread_mutex_unlock(&page->mutex);
    if (error != 0) {
        torture_fail("the mutex of a page is not its owner's", page, 0, (uint64_t)error);
    }
}

/* Mutex held. */
static void visit_locked(struct locker_page *page)
{
    uint64_t number = (uint64_t)(page - ordeal.locker_pages);
    uint64_t shadow = ordeal.counters[number];
    if (page->number != number) {
        torture_fail("a page shows another page", page, number, page->number);
    }
    if (page->counter != shadow) {
        torture_fail("the counter in the page differs from its shadow", page, shadow,
                     page->counter);
    }
    uint64_t next = shadow + 1;
    uint64_t *word = &page->visits[next % VISIT_WORDS];
    uint64_t before = next >= VISIT_WORDS ? next - VISIT_WORDS : 0;
    if (*word != before) {
        torture_fail("a word of the page is not what was written last", word, before, *word);
    }
    *word = next;
    page->counter = next;
    ordeal.counters[number] = next;
}

static void visit(uint64_t *random)
{
    struct locker_page *page = &ordeal.locker_pages[draw(random, LOCKER_PAGES)];
    lock_page(page);
    visit_locked(page);
    unlock_page(page);
    count_one(&ordeal.counts.visits);
}

/* Wait for the mutex in the kernel, whatever the fault mode. */
static void visit_pinned(uint64_t *random)
{
    struct locker_page *page = &ordeal.locker_pages[draw(random, LOCKER_PAGES)];
    void *pinned = NULL;
    int error = mm_pin(ordeal.manager, (uintptr_t)page, true, &pinned);
    if (error == MM_ERROR_PIN_LIMIT) {
        count_one(&ordeal.counts.pins_refused);
        return;
    }
    if (error != MM_OK || pinned != page) {
        torture_fail("mm_pin failed", page, 0, (uint64_t)error);
    }
    if ((error = pthread_mutex_lock(&page->mutex)) != 0) {
        torture_fail("the mutex of a pinned page cannot be locked", page, 0, (uint64_t)error);
    }
    visit_locked(page);
    unlock_page(page);
    mm_unpin(ordeal.manager, (uintptr_t)page);
    count_one(&ordeal.counts.pinned_visits);
}

/* ---- the bank ---- */

static struct locker_page *draw_group(uint64_t *random)
{
    return &ordeal.locker_pages[draw(random, LOCKER_PAGES / BANK_GROUP) * BANK_GROUP];
}

static void transfer(uint64_t *random)
{
    struct locker_page *group = draw_group(random);
    uint64_t low = draw(random, BANK_GROUP - 1);
    uint64_t high = low + 1 + draw(random, BANK_GROUP - 1 - low);
    int64_t amount = (int64_t)draw(random, 201) - 100;
    lock_page(&group[low]);
    lock_page(&group[high]);
    group[low].account -= amount;
    group[high].account += amount;
    unlock_page(&group[high]);
    unlock_page(&group[low]);
    count_one(&ordeal.counts.transfers);
}

static int64_t group_sum(const struct locker_page *group)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < BANK_GROUP; i++) {
        sum += group[i].account;
    }
    return sum;
}

static void check_sum(const struct locker_page *group)
{
    int64_t sum = group_sum(group);
    if (sum != (int64_t)BANK_GROUP * BANK_ACCOUNT) {
        torture_fail("money was made or lost in a group of pages", group, BANK_GROUP * BANK_ACCOUNT,
                     (uint64_t)sum);
    }
}

static void audit_group(uint64_t *random)
{
    struct locker_page *group = draw_group(random);
    for (unsigned i = 0; i < BANK_GROUP; i++) {
        lock_page(&group[i]);
    }
    check_sum(group);
    for (unsigned i = 0; i < BANK_GROUP; i++) {
        unlock_page(&group[i]);
    }
    count_one(&ordeal.counts.audits);
}

/* ---- signals ---- */

/* Loads and stores of managed memory are allowed here, and may fault while a fault is under way. */
static void on_signal(int signal)
{
    int saved = errno;
    uint64_t number = atomic_fetch_add(&ordeal.counts.signals_handled, 1);
    (void)signal;
    count_one(&ordeal.locker_pages[number * 2654435761u % LOCKER_PAGES].signals);
    errno = saved;
}

static void install(int signal, int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    action.sa_flags = flags;
    sigaction(signal, &action, NULL);
}

/* ---- threads ---- */

static void *locker_main(void *argument)
{
    uint64_t number = (uintptr_t)argument, random = ordeal.seed + 1000 * (number + 1);
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGUSR1);
    sigaddset(&ours, SIGUSR2);
    pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
    while (!atomic_load_explicit(&ordeal.stop_lockers, memory_order_relaxed)) {
        uint64_t choice = draw(&random, 100);
        if (choice < 70) {
            visit(&random);
        } else if (choice < 90) {
            transfer(&random);
        } else if (choice < 98) {
            visit_pinned(&random);
        } else {
            audit_group(&random);
        }
        count_one(&ordeal.steps[number]);
    }
    return NULL;
}

void lockers_prepare(void)
{
    pthread_mutexattr_t checked;
    pthread_mutexattr_init(&checked);
    pthread_mutexattr_settype(&checked, PTHREAD_MUTEX_ERRORCHECK);
    for (uint64_t i = 0; i < LOCKER_PAGES; i++) {
        pthread_mutex_init(&ordeal.locker_pages[i].mutex, &checked);
        ordeal.locker_pages[i].number = i;
        ordeal.locker_pages[i].account = BANK_ACCOUNT;
    }
    install(SIGUSR1, SA_RESTART);
    install(SIGUSR2, 0);
}

void lockers_start(void)
{
    for (unsigned i = 0; i < LOCKERS; i++) {
        if (pthread_create(&ordeal.lockers[i], NULL, locker_main, (void *)(uintptr_t)i) != 0) {
            torture_fail("a locker thread cannot be started", NULL, 0, (uint64_t)errno);
        }
    }
}

void lockers_join(void)
{
    atomic_store(&ordeal.stop_lockers, true);
    for (unsigned i = 0; i < LOCKERS; i++) {
        pthread_join(ordeal.lockers[i], NULL);
    }
}

void lockers_check_end(void)
{
    uint64_t signals = 0, handled = atomic_load(&ordeal.counts.signals_handled);
    for (uint64_t i = 0; i < LOCKER_PAGES; i++) {
        struct locker_page *page = &ordeal.locker_pages[i];
        lock_page(page);
        visit_locked(page);
        for (uint64_t w = 1; w < VISIT_WORDS && w < page->counter; w++) {
            uint64_t number = page->counter - w;
            if (page->visits[number % VISIT_WORDS] != number) {
                torture_fail("a word at the end is not what was written last",
                             &page->visits[number % VISIT_WORDS], number,
                             page->visits[number % VISIT_WORDS]);
            }
        }
        unlock_page(page);
        if (i % BANK_GROUP == 0) {
            check_sum(page);
        }
        signals += atomic_load(&page->signals);
    }
    if (signals != handled) {
        torture_fail("signals counted in pages differ from signals handled", NULL, handled,
                     signals);
    }
}
