/*
 * poison.c - pages that could not be read, marked in the page table while their faults end.
 *
 * By thread, whoever waits in the kernel for a page that fails can be told in one way only: a mark
 * in place of the page (UFFDIO_POISON), which the kernel answers by itself, SIGBUS for the program
 * and EFAULT for a system call. It would do so for ever; but the next touch must ask the store
 * again. So every mark is taken away: by the handlers a little later, when those who waited have
 * met it; with a change of rights, so that a page committed anew does not begin with one; or when
 * the program asks (mm_retry). Content put over a mark replaces it.
 *
 * A mark is counted before it is set and remembered behind it; who finds the count at zero knows
 * that there is none. No lock: an entry is taken by compare-exchange, and taking a mark away that
 * is gone, or a mapping in its place, costs one more fault and no byte.
 */
#include "machine/linux/internal.h"

#include "base/mutant.h"

#include <sys/syscall.h>
#include <unistd.h>

/* An entry: the page, and when it is due in ms, modulo 2^32; 0 is none. */
static uint64_t mark_of(page_number page, uint32_t due_ms)
{
    return (uint64_t)due_ms << 32 | (page + 1);
}

static uint32_t now_ms(void)
{
    return (uint32_t)(world_now_ns() / 1000000);
}

static void lift_entry(struct linux_machine *machine, uint64_t mark)
{
    linux_unmap_range(machine, (page_number)(uint32_t)mark - 1, 1);
    atomic_fetch_sub(&machine->marks_set, 1);
}

static void remember(struct linux_machine *machine, page_number page)
{
    uint64_t mark = mark_of(page, now_ms() + MARK_MS), none;

    for (uint32_t i = 0; i < MARKS_MAX; i++) {
        none = 0;
        if (atomic_compare_exchange_strong(&machine->marks[i], &none, mark))
            return;
    }
    /* Too many pages at once: one of them is asked for again early. */
    mark = atomic_exchange(&machine->marks[page % MARKS_MAX], mark);
    if (mark != 0)
        lift_entry(machine, mark);
}

bool poison_set(struct linux_machine *machine, page_number page)
{
    struct linux_retry retry = {0};

    if (MUTANT(LINUX_HIDES_IN_PAGE_ERROR))
        return true;
    if (!machine->features.poison)
        return false;
    atomic_fetch_add(&machine->marks_set, 1);
    for (;;) {
        struct uffd_result result =
            uffd_poison(machine->ioctl, machine->uffd, page_address(machine, page),
                        MM_PAGE_SIZE << MUTANT(LINUX_POISONS_NEIGHBOUR));

        if (result.error == 0) {
            remember(machine, page);
            return true;
        }
        /* Mapped or marked meanwhile; whoever waits finds out by trying again. */
        if (result.error == EEXIST) {
            atomic_fetch_sub(&machine->marks_set, 1);
            return true;
        }
        if (!linux_is_transient(result.error))
            linux_fail("UFFDIO_POISON", page, result.error);
        linux_retry_pause(machine, &retry, "UFFDIO_POISON", page, result.error);
    }
}

int poison_lift_due(struct linux_machine *machine)
{
    uint32_t now = now_ms();
    int next_ms = -1;

    if (atomic_load(&machine->marks_set) == 0 || MUTANT(LINUX_KEEPS_POISON))
        return -1;
    for (uint32_t i = 0; i < MARKS_MAX; i++) {
        uint64_t mark = atomic_load(&machine->marks[i]);
        int32_t left_ms = (int32_t)((uint32_t)(mark >> 32) - now);

        if (mark == 0)
            continue;
        if (left_ms > 0)
            next_ms = next_ms < 0 ? left_ms : MIN_OF(next_ms, left_ms);
        else if (atomic_compare_exchange_strong(&machine->marks[i], &mark, 0))
            lift_entry(machine, mark);
    }
    return next_ms;
}

void linux_ask_again(struct linux_machine *machine, page_number first, page_number count)
{
    if (atomic_load(&machine->marks_set) != 0)
        linux_unmap_range(machine, first, count);
}

/* Only who waits in the kernel needs it; mm_read() and the like are told by the result. */
void linux_mark_failed(void *self, uint32_t thread, page_number page)
{
    struct linux_machine *machine = self;

    (void)thread;
    if (machine->faults == LINUX_FAULTS_THREAD &&
        fault_thread_is_handler(machine, (pid_t)syscall(SYS_gettid)))
        poison_set(machine, page);
}
