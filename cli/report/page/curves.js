/* Misses by memory: what policies make of every number of frames. */

/* Fifteen that can be told apart: five colours, each whole, dashed and dotted. Opt is what they all are measured by. */
function curveStyle(curves, curve) {
  const i = curves.filter((one) => one.name !== 'opt').indexOf(curve);
  return i < 0 ? { colour: '--text', dashes: 'none' }
    : { colour: ['--hard', '--soft', '--zero', '--other', '--ahead'][i % 5], dashes: ['none', '7 3', '2 3'][Math.floor(i / 5) % 3] };
}

/* From `low` to `high`: 1, 2 and 5 times powers of ten, and fewer where they are too many. */
function logTicks(low, high) {
  const all = (steps) => {
    const list = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
      list.push(...steps.map((step) => step * Math.pow(10, power)).filter((n) => n >= low * 0.999 && n <= high * 1.001));
    }
    return list;
  };
  return all([1, 2, 5]).length <= 8 ? all([1, 2, 5]) : all([1]);
}

/* With which a curve is hidden and shown again. */
function curveSwitches(chart, curves, changed) {
  const list = element('ul', { class: 'legend' });
  curves.forEach((curve) => {
    const { colour, dashes } = curveStyle(curves, curve), input = element('input', { type: 'checkbox' });
    input.checked = true;
    input.addEventListener('change', () => changed(curve, input.checked));
    list.append(element('li', {}, element('label', {}, input,
      element('span', { class: 'key line', style: `--line:var(${colour});--style:${lineStyles[dashes] || 'dashed'}` }), curve.name)));
  });
  chart.plot.before(list);
}

/*
 * `what` has id, title, about, and
 *   curves     [{name, points, fine}]: points at the sizes where the cursor can be, the same of all,
 *              by frames; fine: more of them for the line, or nothing
 *   measures   [{name, value(point), text(value), fine}]: fine: the fine points have it, too
 *   most       frames at the right edge
 *   sizeText   of a number of frames
 *   own        [frames, value] of a dot, or nothing
 *   rest()     what is told before the cursor is anywhere
 *   follow(i)  what else follows the cursor, or nothing
 */
function curvesChart(parent, what) {
  const { curves, measures, most, sizeText, own } = what, sizes = curves[0].points.map((point) => point.frames);
  const hidden = new Set();
  let measure = measures[0], logarithmic = true;
  const shown = () => curves.filter((curve) => !hidden.has(curve));
  const known = (points) => points.map((point) => [point.frames, measure.value(point)]).filter(([, value]) => Number.isFinite(value));
  const line = (curve) => known(measure.fine && curve.fine ? curve.fine : curve.points);
  const told = (curve, i) => {
    const value = measure.value(curve.points[i]);
    return Number.isFinite(value) ? measure.text(value) : '-';
  };
  const chart = new Chart(parent, { id: what.id, title: what.title, height: 320, columns: sizes.length, rows: 0, about: what.about,
    place: (i) => [sizes[i] / most, sizes[i] / most],
    at: (share) => sizes.reduce((best, n, i) => Math.abs(n / most - share) < Math.abs(sizes[best] / most - share) ? i : best, 0),
    tell: (i) => `${sizeText(sizes[i])}: ` + shown().map((curve) => `${curve.name} ${told(curve, i)}`).join(', '),
    rest: what.rest,
    follow: what.follow,
    table: () => [['Frames'].concat(curves.map((curve) => curve.name)),
      sizes.map((n, i) => [amount(n)].concat(curves.map((curve) => told(curve, i))))],
    draw(self) {
      const values = shown().flatMap((curve) => known(curve.points).map(([, value]) => value)).concat(own ? [own[1]] : []);
      const high = Math.max(...values, 0) || 1, low = Math.min(...values.filter((value) => value > 0), high / 2);
      const share = (value) => logarithmic ? Math.log(Math.max(value, low) / low) / Math.log(high * 1.05 / low) : value / (high * 1.05);
      self.axisY((logarithmic ? logTicks(low, high) : ticks(high, 5)).map((n) => [share(n), measure.text(n)]));
      self.axisX(ticks(most, Math.max(2, Math.floor(self.width / 90))).map((n) => [n / most, short(n)]));
      curves.forEach((curve) => {
        const { colour, dashes } = curveStyle(curves, curve), inside = line(curve).filter(([, value]) => value <= high);
        if (!hidden.has(curve) && inside.length > 0) {
          const d = 'M' + inside.map(([n, value]) => self.x(n / most).toFixed(1) + ' ' + self.y(share(value)).toFixed(1)).join('L');
          shape(self.svg, 'path', { d, class: 'rate', style: `stroke:var(${colour});stroke-dasharray:${dashes}` });
        }
      });
      if (own) {
        shape(self.svg, 'circle', { cx: self.x(Math.min(own[0] / most, 1)), cy: self.y(share(own[1])), r: 5, class: 'own' });
      }
    } });
  if (measures.length > 1) {
    chart.choices('Measure', measures.map((one) => one.name), (i) => { measure = measures[i]; });
  }
  chart.choices('Scale', ['Logarithmic', 'Linear'], (i) => { logarithmic = i === 0; });
  curveSwitches(chart, curves, (curve, on) => {
    hidden[on ? 'delete' : 'add'](curve);
    chart.redraw();
    if (chart.shown) {
      chart.show();
    }
  });
  return chart;
}
