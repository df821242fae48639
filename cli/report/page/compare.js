/* Puts the page of a comparison together. */

const costs = report.costs_us;
const SIZE_FIRST = 25; /* percent of the pages: what is told before the cursor is anywhere */

function nameOfTrace(trace) {
  return trace.trace === '-' ? 'standard input' : trace.trace.replace(/.*\//, '');
}

function times(ratio) {
  return ratio === null || ratio === undefined ? '-' : (ratio < 9.995 ? ratio.toFixed(2) : ratio.toFixed(1)) + ' ×';
}

function micro(us) {
  return duration(us * 1e3);
}

/* ---- points -------------------------------------------------------------------------------- */

function pointOf(trace, frames, counts) {
  return { frames, hard: counts.hard, soft: counts.soft, written: counts.written, ofOpt: counts.cost_of_opt,
    ratio: (trace.first + counts.hard) / trace.references,
    cost: costs.hard * counts.hard + costs.soft * counts.soft + costs.written * counts.written };
}

function sizesOf(trace) {
  return [...trace.sizes].sort((a, b) => a.frames - b.frames).filter((size, i, all) => i === 0 || size.frames > all[i - 1].frames);
}

function curvesOf(trace) {
  const sizes = sizesOf(trace);
  return sizes[0].policies.map(({ policy }, number) => {
    const curve = trace.miss_ratio_curves.find((one) => one.name === policy);
    const fine = curve.frames.length > sizes.length ? curve.frames.map((frames, i) =>
      pointOf(trace, frames, { hard: curve.hard[i], soft: curve.soft[i], written: curve.written[i] })) : null;
    return { name: policy, fine, points: sizes.map((size) => pointOf(trace, size.frames, size.policies[number])) };
  });
}

/* The size that is told first, among those of all traces. */
function firstSize(sizes, pages) {
  return sizes.reduce((best, size, i) => Math.abs(100 * size.frames / pages - SIZE_FIRST) < Math.abs(100 * sizes[best].frames / pages - SIZE_FIRST) ? i : best, 0);
}

/* ---- a trace ------------------------------------------------------------------------------- */

const measures = [
  { name: 'Miss ratio', value: (point) => point.ratio, text: (value) => percent(value, 1), fine: true },
  { name: 'Hard faults', value: (point) => point.hard, text: short, fine: true },
  { name: 'Written', value: (point) => point.written, text: short, fine: true },
  { name: 'Cost', value: (point) => point.cost, text: micro, fine: true },
  { name: 'Of opt', value: (point) => point.ofOpt === null ? NaN : point.ofOpt, text: times, fine: false }];

/* Every policy at one size, the cheapest first. */
function sizeTable(curves, i) {
  const order = [...curves].sort((a, b) => a.points[i].cost - b.points[i].cost);
  const worst = Math.max(...curves.map((curve) => curve.points[i].cost)) || 1;
  const table = tableOf(['Policy', 'Cost', 'Of opt', 'Hard faults', 'Soft faults', 'Written', 'Miss ratio', ''], order.map((curve) => {
    const point = curve.points[i];
    return [curve.name, micro(point.cost), times(point.ofOpt), amount(point.hard), amount(point.soft), amount(point.written), percent(point.ratio, 1), ''];
  }));
  order.forEach((curve, row) => {
    const cell = table.tBodies[0].rows[row].lastChild;
    cell.className = 'bar-cell';
    cell.append(element('span', { class: 'bar-cost', 'aria-hidden': 'true',
      style: `width:${(100 * curve.points[i].cost / worst).toFixed(1)}%;background:var(${curveStyle(curves, curve).colour})` }));
  });
  return table;
}

function traceCharts(parent, trace, number) {
  const curves = curvesOf(trace), id = 'trace-' + number, bytesOfPage = trace.page_bytes;
  const sizeText = (n) => `${amount(n)} frames (${percent(n, trace.pages)}, ${bytes(n * bytesOfPage)})`;
  const first = firstSize(curves[0].points, trace.pages);
  const title = element('h2', { id: id + '-sizes-title' }), box = element('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-labelledby': id + '-sizes-title' });
  const follow = (i) => {
    title.textContent = `${nameOfTrace(trace)} with ${sizeText(curves[0].points[i].frames)}`;
    box.replaceChildren(sizeTable(curves, i));
  };
  const chart = curvesChart(parent, { id, title: `${nameOfTrace(trace)}: policies by memory`, curves, measures, most: trace.pages, sizeText, follow,
    about: `${amount(trace.references)} references to ${amount(trace.pages)} pages (${bytes(trace.pages * bytesOfPage)}); at the right edge all of them fit.` +
      (trace.source ? ` Made by ${trace.source};` : '') + (trace.filter ? ` filter: ${trace.filter}.` : ''),
    rest: () => `Nearest to opt with ${sizeText(curves[0].points[first].frames)}: ${nearest(curves, first)}` });
  chart.column = first;
  parent.append(element('section', { class: 'card sizes', id: id + '-sizes', 'aria-labelledby': id + '-sizes-title' }, title, box));
  follow(first);
}

function nearest(curves, i) {
  const others = curves.filter((curve) => curve.name !== 'opt').sort((a, b) => a.points[i].cost - b.points[i].cost);
  return others.slice(0, 3).map((curve) => `${curve.name} ${times(curve.points[i].ofOpt)}`).join(', ') || 'nobody else was judged';
}

/* ---- all traces ---------------------------------------------------------------------------- */

/* [policy, mean, worst] at the size that is told first, the best first; without opt. */
function ranking(size) {
  return report.means.filter((mean) => mean.size === size && mean.policy !== 'opt' && mean.cost_of_opt.mean !== null)
    .map((mean) => [mean.policy, mean.cost_of_opt.mean, mean.cost_of_opt.worst]).sort((a, b) => a[1] - b[1]);
}

function meansCard(parent) {
  const sizes = [...new Set(report.means.map((mean) => mean.size))], policies = [...new Set(report.means.map((mean) => mean.policy))];
  const cell = (policy, size) => times(report.means.find((mean) => mean.policy === policy && mean.size === size).cost_of_opt.mean);
  parent.append(element('section', { class: 'card', id: 'means', 'aria-labelledby': 'means-title' },
    element('h2', { id: 'means-title' }, `All ${report.traces.length} traces: cost of opt's`),
    element('p', { class: 'about' }, 'Geometric means, at each size.'),
    element('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-labelledby': 'means-title' },
      tableOf(['Policy'].concat(sizes), policies.map((policy) => [policy].concat(sizes.map((size) => cell(policy, size))))))));
}

function sizeWords(size) {
  return !size.endsWith('%') ? size + ' of frames' : 'frames for ' + size.replace('%', ' % of ') + (report.traces.length > 1 ? 'their pages' : 'its pages');
}

function verdict(size) {
  const ranks = ranking(size), last = ranks[ranks.length - 1];
  if (ranks.length > 0) {
    byId('verdict').textContent = `With ${sizeWords(size)}, ${ranks[0][0]} comes nearest to opt: ${times(ranks[0][1])} its cost` +
      (ranks.length > 1 ? `; ${last[0]} is farthest: ${times(last[1])}` : '') + (report.traces.length > 1 ? ', in the mean.' : '.');
  }
}

function side() {
  byId('side').append(element('section', { class: 'card', id: 'command', 'aria-labelledby': 'command-title' },
    element('h2', { id: 'command-title' }, 'Command'), element('code', { class: 'command' }, about.given)));
  facts('What is counted', 'counted', [['Miss', 'a first touch or a hard fault'], ['Hard fault', `${micro(costs.hard)} each`],
    ['Soft fault', `${micro(costs.soft)} each`], ['Page written', `${micro(costs.written)} each`],
    ['Cost', 'the three together; first touches are not in it, nobody can do anything about them'],
    ['Of opt', "times opt's cost. Opt knows the future: the fewest hard faults there can be"],
    ['Accessed bits', report.accessed_bits ? 'seen (soft machine)' : 'not seen (Linux machine)'], ['Made', about.when]]);
  facts('The policies', 'policies', report.policies.map((policy) => [policy.name, policy.caption]));
}

function page() {
  const traces = report.traces, sizes = sizesOf(traces[0]), size = sizes[firstSize(sizes, traces[0].pages)].size;
  byId('title').textContent = `${report.policies.length} policies on ${traces.length === 1 ? nameOfTrace(traces[0]) : traces.length + ' traces'}`;
  document.title = 'memman compare: ' + byId('title').textContent;
  byId('setting').textContent = 'What recorded references cost each policy with every amount of memory, beside opt. No run was made: it is a matter of counting.';
  byId('foot').textContent = `memman ${report.version}, ${about.when}`;
  verdict(size);
  for (const trace of traces) {
    tile(nameOfTrace(trace), bytes(trace.pages * trace.page_bytes), `${amount(trace.pages)} pages, ${short(trace.references)} references`);
  }
  for (const [policy, mean] of ranking(size).slice(0, 3)) {
    tile(policy, times(mean), `opt's cost, with ${sizeWords(size)}`);
  }
  if (traces.length > 1) {
    meansCard(byId('charts'));
  }
  traces.forEach((trace, i) => traceCharts(byId('charts'), trace, i));
  side();
}

page();
