/*
 * rights.c - a thread that takes rights away from its own pages, gives them back, and looks.
 *
 * A touch that is not permitted is SIGSEGV in this thread, at this address; by mm_read and
 * mm_write it is MM_ERROR_ACCESS. The bytes are the same afterwards. The program's own mprotect
 * goes unnoticed by the manager and must do no harm either.
 *
 * SIGSEGV anywhere else ends the process: nobody else may get one.
 */
#include "torture.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>

static _Thread_local sigjmp_buf jump;
static _Thread_local volatile sig_atomic_t jump_armed, jump_signal;
static _Thread_local void *volatile jump_address;

static void on_violation(int signal, siginfo_t *info, void *context)
{
    (void)context;
    if (!jump_armed) {
        torture_fail("a signal that nobody should get", info->si_addr, 0, (uint64_t)signal);
    }
    jump_signal = signal;
    jump_address = info->si_addr;
    siglongjmp(jump, 1);
}

/* The manager ends the process when it must; its text is out already. */
static void on_abort(int signal_number)
{
    torture_describe();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void on_alarm(int signal_number)
{
    (void)signal_number;
    torture_fail("preparing or ending hangs", NULL, 0, 1);
}

int signal_of_touch(volatile uint64_t *word, bool write, uint64_t value)
{
    jump_signal = 0;
    if (sigsetjmp(jump, 1) == 0) {
        jump_armed = 1;
        if (write) {
            *word = value;
        } else {
            (void)*word;
        }
    }
    jump_armed = 0;
    if (jump_signal != 0 && jump_address != (void *)(uintptr_t)word) {
        torture_fail("a signal names a wrong address", (void *)(uintptr_t)word, (uintptr_t)word,
                     (uintptr_t)jump_address);
    }
    return (int)jump_signal;
}

/* Before the manager: by signal it puts itself in front of the SIGBUS handler. */
void rights_prepare(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = on_violation;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    signal(SIGABRT, on_abort);
    signal(SIGALRM, on_alarm);
}

static void expect(const volatile uint64_t *word, uint64_t value)
{
    uint64_t found = *word;
    if (found != value) {
        torture_fail("a change of rights changed the bytes", (const void *)(uintptr_t)word, value,
                     found);
    }
}

static void set_rights(volatile uint64_t *word, enum mm_protection protection)
{
    int error = mm_protect(ordeal.manager, (uintptr_t)word, 1, protection);
    if (error != MM_OK) {
        torture_fail("mm_protect failed", (void *)(uintptr_t)word, 0, (uint64_t)error);
    }
    count_one(&ordeal.counts.rights_changes);
}

static void expect_violation(volatile uint64_t *word, bool write)
{
    uint64_t value = 1;
    int error = write ? mm_write(ordeal.manager, (uintptr_t)word, &value, sizeof(value))
                      : mm_read(ordeal.manager, (uintptr_t)word, &value, sizeof(value));
    int signal = signal_of_touch(word, write, 1);
    if (signal != SIGSEGV) {
        torture_fail("a touch without the right was not SIGSEGV", (void *)(uintptr_t)word, SIGSEGV,
                     (uint64_t)signal);
    }
    if (error != MM_ERROR_ACCESS) {
        torture_fail("a copy without the right was not refused", (void *)(uintptr_t)word,
                     (uint64_t)MM_ERROR_ACCESS, (uint64_t)error);
    }
    count_one(&ordeal.counts.violations);
}

static void own_mprotect(volatile uint64_t *word, int rights)
{
    void *page = (void *)((uintptr_t)word & ~(uintptr_t)(PAGE - 1));
    if (mprotect(page, PAGE, rights) != 0) {
        torture_fail("mprotect failed", page, 0, 1);
    }
}

void *rights_main(void *unused)
{
    uint64_t random = ordeal.seed + 77, versions[PROTECT_PAGES] = {0};
    (void)unused;
    while (!atomic_load(&ordeal.stop)) {
        uint64_t page = draw(&random, PROTECT_PAGES);
        volatile uint64_t *word =
            (volatile uint64_t *)(void *)(ordeal.protect_pages + page * PAGE) + page % PAGE_WORDS;
        expect(word, versions[page]);
        *word = versions[page] = versions[page] + 1 + (page << 32);
        if (draw(&random, 4) == 0) {
            own_mprotect(word, PROT_READ);
            expect(word, versions[page]);
            own_mprotect(word, PROT_READ | PROT_WRITE);
        } else if (draw(&random, 2) == 0) {
            set_rights(word, MM_READ_ONLY);
            expect(word, versions[page]);
            expect_violation(word, true);
        } else {
            set_rights(word, MM_NO_ACCESS);
            expect_violation(word, false);
        }
        set_rights(word, MM_READ_WRITE);
        expect(word, versions[page]);
        pause_ns(200000);
    }
    return NULL;
}
