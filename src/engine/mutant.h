/*
 * mutant.h - planted bugs, for the tests that prove the checks are not blind. Never in a shipped
 * build: MM_MUTANT is defined by the test build alone.
 */
#ifndef MM_ENGINE_MUTANT_H
#define MM_ENGINE_MUTANT_H

#define MUTANT_DROP_DIRTY_ON_TRIM   1 /* breaks: no page is ever lost or altered */
#define MUTANT_SKIP_RESCUE_RECHECK  2 /* breaks: a rescuer gets its own page (R2) */
#define MUTANT_FREE_SLOT_WHILE_READ 3 /* breaks: a slot has one owner (R13) */

#define MUTANT(bug) (MM_MUTANT == (bug))

#endif
