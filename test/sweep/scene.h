/*
 * scene.h - one life of a manager, played in a process of its own, checked at every step.
 *
 * A scene makes a manager, uses it, and takes it down, while fail.h makes calls fail. Each step
 * either succeeds or is refused with an error that memman.h names for it; after a refusal nothing
 * may have changed, and the same step must succeed once everything works again. The process ends
 * with SCENE_GOOD or SCENE_REFUSED; anything else was wrong, and standard error says what.
 */
#ifndef MM_TEST_SWEEP_SCENE_H
#define MM_TEST_SWEEP_SCENE_H

#include "memman.h"

enum scene_machine { SCENE_SOFT, SCENE_SIGNAL, SCENE_THREAD, SCENE_AUTO, SCENE_MACHINES };

#define SCENE_GOOD       0
#define SCENE_REFUSED    10 /* and clean */
#define SCENE_WRONG      1
#define SCENE_IMPOSSIBLE 77 /* this system has no such machine */

/* Never returns: exits. */
_Noreturn void scene_play(enum scene_machine machine);
/* So many threads' stacks in the C library's store, that its growth is not taken for a leak. */
void scene_warm_up(void);

#endif
