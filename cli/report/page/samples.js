/* What the run left over time. */

const samples = readJson('samples');
const slotMap = readJson('slots');
const seconds = samples.times_ns.map((ns) => ns / 1e9);

/* How often the counter grew in each time between two samples; zeros where it never did. */
function counts(group, key) {
  const found = samples.counters.find((c) => c.group === group && c.key === key);
  return found ? found.counts : samples.accesses.map(() => 0);
}

/* The sample or the time between two samples in which the second `s` lies. */
function indexAt(s, length) {
  let low = 0, high = length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (seconds[middle] <= s) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

/* Columns of the run: the times between two samples. */
const overTime = {
  time: true,
  columns: seconds.length - 1,
  place: (column) => [seconds[column], seconds[column + 1]].map((s) => s / seconds[seconds.length - 1]),
  at: (share) => indexAt(share * seconds[seconds.length - 1], seconds.length - 1),
};
