/* Puts the page together. */

function faultKinds() {
  const faults = report.faults;
  return [['hard', faults.hard + (faults.hard_compressed || 0), '--hard'], ['soft', faults.transition, '--soft'],
    ['demand-zero', faults.demand_zero, '--zero'], ['write-protect', faults.write_protect, '--other']];
}

function tiles() {
  const kinds = faultKinds(), all = sum(kinds.map(([, n]) => n)), access = report.latency_ns.access, io = report.io;
  tile('Accesses', short(report.accesses), `${short(report.accesses / report.seconds)} a second, for ${moment(report.seconds)}`);
  const bar = element('div', { class: 'bar', 'aria-hidden': 'true' });
  kinds.forEach(([, n, colour]) => bar.append(element('span', { style: `flex:${all ? n / all : 0};background:var(${colour})` })));
  tile('Faults', short(all), kinds.filter(([, n]) => n > 0).map(([name, n]) => `${percent(n, all)} ${name}`).join(', ') || 'none', bar);
  tile('Hard faults', short(kinds[0][1]), `${percent(kinds[0][1], report.accesses)} of the accesses`);
  if (access.count > 0) {
    tile('An access takes', duration(access.p50), `90 % up to ${duration(access.p90)}, 99 % up to ${duration(access.p99)}, longest ${duration(access.max)}`);
  }
  tile('Page file', bytes(io.pages_read * pageBytes) + ' in', `${bytes(io.pages_written * pageBytes)} out; ` +
    `${amount(io.reads)} reads, ${amount(io.writes)} writes`);
  const ahead = report.read_ahead;
  if (ahead.pages > 0) {
    tile('Read ahead', `${percent(ahead.accuracy, 1)} used`, `of ${amount(ahead.pages)} pages; ${percent(ahead.coverage, 1)} of what was missed, ` +
      `${percent(ahead.lateness || 0, 1)} of it late; pushed out what ${percent(ahead.pollution || 0, 1)} of the hard faults wanted`);
  }
  tile('Processor time', moment(report.cpu_seconds.users + report.cpu_seconds.workers),
    `users ${moment(report.cpu_seconds.users)}, workers ${moment(report.cpu_seconds.workers)}`);
}

function verdict() {
  const verify = report.verify, audit = report.audit, wrong = verify.errors + audit.violations > 0;
  const box = byId('verdict');
  box.classList.add(wrong ? 'wrong' : 'good');
  box.textContent = wrong ? `✗ Wrong: ${amount(verify.errors)} errors in the data, ${amount(audit.violations)} violations`
    : (verify.accesses > 0 ? `✓ All right: ${amount(verify.accesses)} accesses and ${amount(verify.pages)} pages checked`
      : `✓ ${amount(verify.pages)} pages checked, accesses not`) + `, ${amount(audit.checks)} checks of the audit` +
      (report.interrupted ? ' (interrupted)' : '');
  for (const text of verify.complaints.concat(audit.complaints)) {
    box.after(element('p', { class: 'note' }, text));
  }
}

function configText(key, value) {
  return /memory|frames|pagefile/.test(key) && typeof value === 'number' ? bytes(value) : String(value);
}

function side() {
  const card = element('section', { class: 'card', id: 'command', 'aria-labelledby': 'command-title' },
    element('h2', { id: 'command-title' }, 'Command'), element('code', { class: 'command' }, about.given),
    element('details', {}, element('summary', {}, 'With every choice spelled out'),
      element('code', { class: 'command' }, about.repeat)));
  byId('side').append(card);
  facts('Configuration', 'config', Object.entries(report.config).filter(([, value]) => value !== null)
    .map(([key, value]) => [key.replace(/_/g, '-'), configText(key, value)]));
  facts('Machine', 'host', [['Version', report.version], ['Processors', amount(report.host.cpus)], ['Kernel', report.host.kernel || 'unknown'],
    ['Memory', report.host.machine === 'soft' ? 'software MMU' : 'real loads and stores, faults by ' + report.host.faults], ['Made', about.when]]);
}

function tableCard(title, id, head, rows) {
  byId('side').append(element('section', { class: 'card', id, 'aria-labelledby': id + '-title' }, element('h2', { id: id + '-title' }, title),
    element('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-labelledby': id + '-title' }, tableOf(head, rows))));
}

function sideTables() {
  const timed = Object.entries(report.latency_ns).filter(([, l]) => l.count > 0);
  if (timed.length > 0) {
    tableCard('How long', 'durations', ['', 'Median', '99 %', 'Longest'],
      timed.map(([key, l]) => [nameOf(key), duration(l.p50), duration(l.p99), duration(l.max)]));
  }
  tableCard('Locks', 'locks', ['', 'Taken', 'Contended', 'Waited'], report.locks.filter((lock) => lock.acquired > 0)
    .map((lock) => [lock.name, short(lock.acquired), percent(lock.contended, lock.acquired), duration(lock.wait_ns)]));
}

/* What the run itself missed, with the frames that it had; of more than the program ever used it is at the end. */
function runCurves(parent, curves) {
  const faults = report.faults, last = curves[0].frames.length - 1, most = curves[0].frames[last];
  const own = [report.config.frames / pageBytes, (faults.hard + (faults.hard_compressed || 0) + faults.demand_zero) / report.accesses];
  const share = (value) => percent(value, 1), sizeText = (n) => `${amount(n)} frames`;
  curvesChart(parent, { id: 'curves', title: 'Miss ratio by memory', own, most, sizeText,
    about: 'What share of the accesses would have missed with so many frames, and (the dot) what this run missed, on demand.' +
      (report.miss_ratio_accesses < report.accesses ? ` The curves are of the first ${amount(report.miss_ratio_accesses)}.` : ''),
    curves: curves.map((curve) => ({ name: curve.name,
      points: curve.frames.map((frames, i) => ({ frames, ratio: curve.miss_ratio[i] })) })),
    measures: [{ name: 'Miss ratio', value: (point) => point.ratio, text: share }],
    rest: () => `This run, with ${sizeText(own[0])}: ${share(own[1])}. With ${amount(most)}: ` +
      curves.map((curve) => `${curve.name} ${share(curve.miss_ratio[last])}`).join(', ') });
}

function charts() {
  const parent = byId('charts');
  framesChart(parent);
  ratesChart(parent, { id: 'faults', title: 'Faults', height: 240, about: 'How many a second, by kind.' },
    [['Hard', '--hard', 'none', added([counts('faults', 'hard'), counts('faults', 'hard_compressed')])],
      ['Soft (transition)', '--soft', '7 3', counts('faults', 'transition')],
      ['Demand-zero', '--zero', '2 3', counts('faults', 'demand_zero')],
      ['Write-protect', '--other', '10 3 2 3', counts('faults', 'write_protect')],
      ['Pages prefetched', '--ahead', '4 2', counts('moves', 'prefetched')]]);
  latencyChart(parent);
  addressChart(parent);
  ratesChart(parent, { id: 'pages', title: 'Pages on the move', height: 240, about: 'What trimmer, writer and faults do, in pages a second.' },
    [['Trimmed', '--soft', '7 3', added([counts('moves', 'trimmed_clean'), counts('moves', 'trimmed_dirty')])],
      ['Written to the page file', '--other', 'none', counts('io', 'pages_written')],
      ['Read from it', '--hard', 'none', counts('io', 'pages_read')],
      ['Repurposed', '--zero', '2 3', counts('moves', 'repurposed')],
      ['Prefetched pages used', '--ahead', '4 2', counts('moves', 'prefetch_used')]]);
  slotsChart(parent);
  if (report.miss_ratio_curves && report.miss_ratio_curves.length > 0) {
    runCurves(parent, report.miss_ratio_curves);
  }
}

function page() {
  const config = report.config;
  byId('title').textContent = `${config.workload} on ${bytes(config.memory)} with ${bytes(config.frames)} of frames`;
  document.title = 'memman run: ' + byId('title').textContent;
  byId('setting').textContent = `${amount(config.threads)} ${config.threads === 1 ? 'thread' : 'threads'}, ${config.write_ratio === null ? 'writes as the workload says' : `write ratio ${config.write_ratio}`}, ` +
    `${config.machine} machine, page file ${config.store}, policy ${config.policy}, seed ${config.seed}`;
  const found = report.frames_auto;
  if (found) {
    byId('setting').textContent += `. So many frames were found to be enough: with them it takes at most ${found.slowdown_asked} times as long as with any number ` +
      `(${found.policy} judged on ${amount(found.accesses)} accesses: ${found.slowdown.toFixed(4)} times)`;
  }
  byId('foot').textContent = `memman ${report.version}, ${about.when}`;
  verdict();
  tiles();
  charts();
  side();
  sideTables();
}

page();
