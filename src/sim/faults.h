/*
 * faults.h - the store of a simulated world, and what goes wrong in it.
 */
#ifndef MM_SIM_FAULTS_H
#define MM_SIM_FAULTS_H

#include "store/faulty.h"

struct sim;

/* As in store/faulty.h: the options of the classes stand in the same order. */
#define FAULT_CLASSES FAULTY_CLASS_COUNT

/* Fills sim->store with how the store is made. 0 or -errno. */
int faults_create(struct sim *sim);
/* The oracle asks this store whether a page may fail. */
void faults_bind(struct sim *sim);
void faults_destroy(struct sim *sim);
/* Anything may go wrong in this world at all. */
bool faults_possible(const struct sim *sim);
/* No faults for the time being: an audit looks at what is there. */
void faults_pause(struct sim *sim, bool pause);
/* No new faults any more; what is destroyed stays destroyed. */
void faults_heal(struct sim *sim);
/* Was the page file ever refused an extension? */
bool faults_growth(const struct sim *sim);
/* What the slot holds, seen from outside and without a point; NULL: it does not hold its page. */
const void *faults_content(const struct sim *sim, slot_number slot);
/* How many were injected, into the result. */
void faults_take_counts(struct sim *sim);

#endif
