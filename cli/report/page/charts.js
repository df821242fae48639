/* The kinds of charts. */

/* ---- frames by state ----------------------------------------------------------------------- */

/* The lists by priority are counted a moment after the states: as shares of what is on standby they add up. */
function standbyLayers() {
  const lists = [7, 6, 5, 4, 3, 2, 1, 0].map((priority) => [priority, samples.states['standby ' + priority]])
    .filter(([, list]) => list.some((n) => n > 0));
  if (lists.length === 0) {
    return [['Standby', '--standby-5', samples.states.standby]];
  }
  const all = added(lists.map(([, list]) => list));
  return lists.map(([priority, list]) => ['Standby, priority ' + priority, '--standby-' + priority,
    list.map((n, i) => samples.states.standby[i] * (all[i] > 0 ? n / all[i] : 1 / lists.length))]);
}

/* Layers, from below: [name, colour, frames]. The order and the colours are RAMMap's. */
function stateLayers() {
  const states = samples.states;
  return [['Active', '--active', states.active], ...standbyLayers(), ['Modified', '--modified', states.modified],
    ['Transition (in flight)', '--transition', states.transition], ['Zeroed', '--zeroed', states.zeroed],
    ['Free', '--free', states.free], ['Bad', '--bad', states.bad]];
}

function areaPath(chart, lower, upper) {
  const end = seconds[seconds.length - 1];
  const point = (value, i) => chart.x(seconds[i] / end).toFixed(1) + ' ' + chart.y(value).toFixed(1);
  return 'M' + upper.map(point).join('L') + 'L' + lower.map(point).reverse().join('L') + 'Z';
}

function framesChart(parent) {
  const layers = stateLayers();
  const frames = sum(layers.map(([, , list]) => list[0]));
  const told = (i) => layers.filter(([, , list]) => list[i] > 0)
    .map(([name, , list]) => `${name} ${bytes(list[i] * pageBytes)} (${percent(list[i], frames)})`).join(', ');
  const chart = new Chart(parent, { ...overTime, id: 'frames', title: 'Frames by state', height: 280, rows: 0, columns: seconds.length,
    place: (i) => [seconds[i], seconds[i]].map((s) => s / seconds[seconds.length - 1]),
    at: (share) => indexAt(share * seconds[seconds.length - 1], seconds.length),
    about: 'What the physical memory is used for, in the order and the colours of RAMMap.',
    tell: (i) => `At ${moment(seconds[i])}: ${told(i)}`,
    rest: () => `At the end: ${told(seconds.length - 1)}`,
    table: () => [['Time'].concat(layers.map(([name]) => name + ', frames')),
      seconds.map((s, i) => [moment(s)].concat(layers.map(([, , list]) => amount(list[i]))))],
    draw(self) {
      let lower = seconds.map(() => 0);
      for (const [, colour, list] of layers) {
        const upper = lower.map((n, i) => n + list[i] / frames);
        shape(self.svg, 'path', { d: areaPath(self, lower, upper), class: 'layer', style: `fill:var(${colour})` });
        lower = upper;
      }
      self.axisY(sizeTicks(frames * pageBytes, 5).map((n) => [n / (frames * pageBytes), bytes(n)]));
      self.axisTime();
    } });
  chart.legend(layers.map(([name, colour, list]) =>
    [{ css: `background:var(${colour})` }, name, !list.some((n) => n > 0)]));
}

/* ---- rates --------------------------------------------------------------------------------- */

/* Lines: [name, colour, dashes, counts]. A rate holds from one sample to the next. */
function ratesChart(parent, what, lines) {
  const kept = lines.filter(([, , , list]) => sum(list) > 0);
  const long = seconds.slice(1).map((s, i) => s - seconds[i]);
  const rate = (list, i) => long[i] > 0 ? list[i] / long[i] : 0;
  const most = Math.max(1, ...kept.map(([, , , list]) => Math.max(...list.map((_, i) => rate(list, i)))));
  let logarithmic = false;
  const share = (value) => logarithmic ? (value < 1 ? 0 : Math.log10(value) / Math.log10(most * 1.1)) : value / (most * 1.05);
  const chart = new Chart(parent, { ...overTime, ...what, rows: 0,
    tell: (i) => `${moment(seconds[i])} to ${moment(seconds[i + 1])}: ` +
      (kept.map(([name, , , list]) => `${name} ${short(rate(list, i))}/s`).join(', ') || 'nothing'),
    rest: () => 'On average: ' + (kept.map(([name, , , list]) => `${name} ${short(sum(list) / sum(long))}/s`).join(', ') || 'nothing'),
    table: () => [['From', 'To'].concat(kept.map(([name]) => name)),
      long.map((_, i) => [moment(seconds[i]), moment(seconds[i + 1])].concat(kept.map(([, , , list]) => amount(list[i]))))],
    draw(self) {
      const end = seconds[seconds.length - 1];
      const marks = logarithmic ? Array.from({ length: Math.floor(Math.log10(most * 1.1)) + 1 }, (_, i) => Math.pow(10, i)) : ticks(most, 5);
      self.axisY(marks.map((value) => [share(value), short(value) + '/s']));
      self.axisTime();
      for (const [, colour, dashes, list] of kept) {
        const path = list.map((_, i) => {
          const y = self.y(share(rate(list, i))).toFixed(1);
          return `${i > 0 ? 'L' : 'M'}${self.x(seconds[i] / end).toFixed(1)} ${y}H${self.x(seconds[i + 1] / end).toFixed(1)}`;
        }).join('');
        shape(self.svg, 'path', { d: path, class: 'rate', style: `stroke:var(${colour});stroke-dasharray:${dashes}` });
      }
    } });
  chart.choices('Scale', ['Linear', 'Logarithmic'], (i) => { logarithmic = i === 1; });
  chart.legend(lines.map(([name, colour, dashes, list]) =>
    [{ line: true, css: `--line:var(${colour});--style:${lineStyles[dashes] || 'dashed'}` }, sum(list) > 0 ? `${name}: ${short(sum(list))}` : name, sum(list) === 0]));
}

/* ---- heat maps ----------------------------------------------------------------------------- */

/* From few to many, as [red, green, blue]; the page's style says which. */
function heatColours() {
  return getComputedStyle(document.documentElement).getPropertyValue('--heat').trim().split(' ')
    .map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
}

function heatColour(stops, share) {
  const at = Math.max(0, Math.min(0.9999, share)) * (stops.length - 1), i = Math.floor(at);
  return 'rgb(' + stops[i].map((from, c) => Math.round(from + (stops[i + 1][c] - from) * (at - i))).join() + ')';
}

/* Counts of each column and row, drawn by how many there are in a second; the scale is logarithmic. */
function paintHeat(self, table, rows) {
  const context = self.paint(), stops = heatColours();
  const wide = self.canvas.width, tall = self.canvas.height;
  const long = seconds.slice(1).map((s, i) => Math.max(1e-9, s - seconds[i]));
  const rates = table.map((column, i) => column.map((n) => n / long[i]));
  const filled = rates.flat().filter((n) => n > 0);
  const low = Math.log(filled.reduce((a, b) => Math.min(a, b), Infinity));
  const high = Math.log(filled.reduce((a, b) => Math.max(a, b), 0));
  rates.forEach((column, i) => {
    const [from, to] = self.place(i).map((share) => Math.round(share * wide));
    column.forEach((n, row) => {
      if (n > 0) {
        const y = Math.round(tall * (1 - (row + 1) / rows)), next = Math.round(tall * (1 - row / rows));
        context.fillStyle = heatColour(stops, high > low ? (Math.log(n) - low) / (high - low) : 1);
        context.fillRect(from, y, Math.max(1, to - from), Math.max(1, next - y));
      }
    });
  });
  return filled.length > 0 ? [Math.exp(low), Math.exp(high)] : null;
}

function heatLegend(chart) {
  const words = element('span', { class: 'ramp-text' });
  chart.ramp = words;
  const bar = element('div', { class: 'ramp' }, 'few ', element('span', { class: 'ramp-bar' }), ' many a second ', words);
  chart.plot.before(bar);
}

function rampTell(chart, range) {
  chart.plot.parentElement.querySelector('.ramp-bar').style.background =
    `linear-gradient(90deg, ${heatColours().map((c) => `rgb(${c})`).join()})`;
  chart.ramp.textContent = range ? `(${short(range[0])} to ${short(range[1])})` : '(none)';
}

/* The middle of the class in which the share of a column's counts ends; null without counts. */
function percentile(column, share) {
  const all = sum(column);
  let below = 0;
  for (let row = 0; row < column.length; row++) {
    below += column[row];
    if (all > 0 && below >= share * all) {
      return row;
    }
  }
  return null;
}

const latencyNames = { access: 'All accesses', demand_zero: 'Demand-zero faults', transition: 'Soft faults', hard: 'Hard faults',
  compressed: 'Faults from compressed memory', write_protect: 'Write-protect faults', collided: 'Collided faults',
  frame_wait: 'Waits for a frame', read: 'Reads', unmap: 'Unmaps', prefetched: 'Prefetched' };

function nameOf(key) {
  return latencyNames[key] || key.replace(/_/g, ' ');
}

function latencyChart(parent) {
  const kinds = Object.keys(samples.latencies), edges = samples.classes_ns, rows = edges.length - 1;
  if (kinds.length === 0) {
    absent(parent, 'latency', 'Latency', 'Nothing was timed (--latency off).');
    return;
  }
  let table = samples.latencies[kinds[0]];
  const band = (row) => `${duration(edges[row])} to ${duration(edges[row + 1])}`;
  const middle = (row) => row === null ? '-' : duration((edges[row] + edges[row + 1]) / 2);
  const chart = new Chart(parent, { ...overTime, id: 'latency', title: 'Latency', height: 320, rows,
    about: 'How long things took. The darker or brighter, the more often; the lines are the median and the 99th percentile.',
    tell: (i, row) => `${moment(seconds[i])} to ${moment(seconds[i + 1])}: ${amount(sum(table[i]))} in all, median ` +
      `${middle(percentile(table[i], 0.5))}, 99 % up to ${middle(percentile(table[i], 0.99))}; ${band(row)}: ${amount(table[i][row])}`,
    rest: () => {
      const all = edges.slice(1).map((_, row) => sum(table.map((column) => column[row])));
      return `In all ${amount(sum(all))}, median ${middle(percentile(all, 0.5))}, 99 % up to ${middle(percentile(all, 0.99))}, ` +
        `longest ${middle(percentile(all, 1))}`;
    },
    table: () => [['From', 'To', 'Count', 'Median', '90 %', '99 %', 'Longest'],
      table.map((column, i) => [moment(seconds[i]), moment(seconds[i + 1]), amount(sum(column))]
        .concat([0.5, 0.9, 0.99, 1].map((share) => middle(percentile(column, share)))))],
    draw(self) {
      rampTell(self, paintHeat(self, table, rows));
      const marks = [];
      edges.forEach((ns, row) => {
        const decade = Math.pow(10, Math.round(Math.log10(ns || 1)));
        if (row > 0 && edges[row - 1] < decade && decade <= ns) {
          marks.push([row / rows, duration(decade)]);
        }
      });
      self.axisY(marks);
      self.axisTime();
      for (const [share, name] of [[0.5, 'median'], [0.99, 'high']]) {
        linePercentile(self, table, rows, share, name);
      }
    } });
  heatLegend(chart);
  chart.row = Math.floor(rows / 3);
  chart.choices('What', kinds.map(nameOf), (i) => { table = samples.latencies[kinds[i]]; });
}

function linePercentile(self, table, rows, share, name) {
  let path = '', drawn = false;
  table.forEach((column, i) => {
    const row = percentile(column, share);
    if (row !== null) {
      const [from, to] = self.place(i), y = self.y((row + 0.5) / rows).toFixed(1);
      path += `${drawn ? 'L' : 'M'}${self.x(from).toFixed(1)} ${y}H${self.x(to).toFixed(1)}`;
    }
    drawn = row !== null;
  });
  shape(self.svg, 'path', { d: path, class: 'casing' });
  shape(self.svg, 'path', { d: path, class: 'percentile ' + name });
}

function addressChart(parent) {
  const kinds = Object.keys(samples.heat), rows = samples.stretches;
  if (kinds.length === 0) {
    absent(parent, 'address', 'Where in memory faults were', 'There were none.');
    return;
  }
  const fill = samples.memory_bytes / (rows * samples.stretch_bytes);
  const of = kinds.map((kind) => samples.heat[kind]);
  const faults = of.filter((_, i) => kinds[i] !== 'prefetched');
  const all = faults[0].map((column, i) => added(faults.map((table) => table[i])));
  const tables = [all].concat(of), names = ['All faults'].concat(kinds.map(nameOf));
  let table = all;
  const range = (row) => `${bytes(row * samples.stretch_bytes)} to ${bytes(Math.min(samples.memory_bytes, (row + 1) * samples.stretch_bytes))}`;
  const chart = new Chart(parent, { ...overTime, id: 'address', title: 'Where in memory faults were', height: 320, rows,
    about: 'The managed memory from its begin, below, to its end, above.',
    tell: (i, row) => `${moment(seconds[i])} to ${moment(seconds[i + 1])}, ${range(row)}: ` +
      names.slice(1).map((name, kind) => `${name} ${amount(of[kind][i][row])}`).join(', '),
    rest: () => {
      const totals = Array.from({ length: rows }, (_, row) => sum(table.map((column) => column[row])));
      const most = totals.indexOf(Math.max(...totals));
      return `Most: ${range(most)}, ${percent(totals[most], sum(totals))} of all in ${percent(1, rows)} of the memory`;
    },
    table: () => [['Memory'].concat(names),
      Array.from({ length: rows }, (_, row) => [range(row)].concat(tables.map((t) => amount(sum(t.map((column) => column[row]))))))],
    draw(self) {
      rampTell(self, paintHeat(self, table, rows));
      self.axisY(sizeTicks(samples.memory_bytes, 5).map((n) => [n / samples.memory_bytes * fill, bytes(n)]));
      self.axisTime();
    } });
  heatLegend(chart);
  chart.choices('Faults', names, (i) => { table = tables[i]; });
}

/* ---- the page file ------------------------------------------------------------------------- */

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

function slotCells() {
  const digit = new Map(Array.from(DIGITS, (c, i) => [c, i]));
  const cells = new Uint16Array(slotMap.cells.length / 2);
  for (let i = 0; i < cells.length; i++) {
    cells[i] = digit.get(slotMap.cells[2 * i]) * 64 + digit.get(slotMap.cells[2 * i + 1]);
  }
  return cells;
}

function slotTable(cells) {
  const parts = Math.min(16, cells.length), rows = [];
  for (let i = 0; i < parts; i++) {
    const part = cells.subarray(Math.floor(i * cells.length / parts), Math.floor((i + 1) * cells.length / parts));
    let order = 0, used = 0;
    part.forEach((value, at) => {
      used += value > 0;
      order += at > 0 && value > 0 && part[at - 1] > 0 && Math.abs(value - part[at - 1]) <= 1;
    });
    rows.push([`${i + 1} of ${parts}`, amount(part.length * slotMap.per_cell), percent(used, part.length), percent(order, used)]);
  }
  return [['Part of the page file', 'Slots', 'In use', 'Behind its neighbour in memory'], rows];
}

function slotsChart(parent) {
  if (slotMap.slots === 0) {
    absent(parent, 'slots', 'The page file at the end', 'There is none.');
    return;
  }
  const cells = slotCells(), per = slotMap.per_cell;
  let across = 256;
  const where = (value) => bytes((value - 1) / 4095 * slotMap.memory_bytes);
  const chart = new Chart(parent, { id: 'slots', title: 'The page file at the end', height: 300, columns: across, rows: 1, down: true,
    about: 'Each dot is ' + (per > 1 ? amount(per) + ' slots side by side' : 'a slot') +
      '; its colour says where in memory its page is. Smooth colours are pages in order, noise is fragmentation.',
    place: (column) => [column / across, (column + 1) / across],
    at: (share) => Math.floor(share * across),
    tell: (column, row) => {
      const i = row * across + column, value = cells[i];
      return i >= cells.length ? 'Behind the last slot'
        : `Slot ${amount(i * per + 1)}: ` + (value > 0 ? 'page at about ' + where(value) + ' of the memory' : 'free');
    },
    rest: () => `${percent(report.fragmentation.slots_used, slotMap.slots)} in use, ` +
      `${percent(report.fragmentation.contiguity || 0, 1)} of the pages behind their neighbour in memory`,
    table: () => slotTable(cells),
    draw(self) {
      const context = self.paint(), style = getComputedStyle(document.documentElement);
      const light = style.getPropertyValue('--slot-light').trim(), hole = style.getPropertyValue('--hole').trim();
      const dot = Math.max(1, Math.min(16, Math.floor(Math.sqrt(self.width * self.tall / cells.length))));
      across = Math.floor(self.width / dot);
      self.columns = across;
      self.rows = Math.ceil(cells.length / across);
      const wide = self.canvas.width / across, tall = self.canvas.height / self.rows;
      cells.forEach((value, i) => {
        context.fillStyle = value > 0 ? `hsl(${Math.round((value - 1) / 4095 * 300)} 70% ${light})` : hole;
        const x = Math.round(i % across * wide), y = Math.round(Math.floor(i / across) * tall);
        context.fillRect(x, y, Math.round((i % across + 1) * wide) - x, Math.round((Math.floor(i / across) + 1) * tall) - y);
      });
      self.axisY(ticks(self.rows, 4).filter((row) => row < self.rows && Number.isInteger(row))
        .map((row) => [1 - row / self.rows, short(row * across * per)]));
    } });
  chart.plot.before(element('div', { class: 'ramp' }, 'begin of memory ', element('span', { class: 'ramp-bar hue' }), ' end; ',
    element('span', { class: 'key hole' }), ' free'));
}
