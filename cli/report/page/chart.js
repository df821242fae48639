/* What all charts are made of: a card, axes, a cursor that all charts over time share, a table. */

const SVG = 'http://www.w3.org/2000/svg';

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function shape(parent, name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, value);
  }
  if (text !== undefined) {
    made.textContent = text;
  }
  parent.append(made);
  return made;
}

/* Round numbers from 0 to the maximum, about `wanted` of them. */
function ticks(maximum, wanted, steps) {
  if (!(maximum > 0)) {
    return [0];
  }
  const power = Math.pow(10, Math.floor(Math.log10(maximum / wanted)));
  const step = (steps || [1, 2, 5, 10]).map((s) => s * power).find((s) => maximum / s <= wanted);
  const list = [];
  for (let i = 0; i * step <= maximum * 1.0001; i++) {
    list.push(i * step);
  }
  return list;
}

/* Sizes: steps are powers of two. */
function sizeTicks(maximum, wanted) {
  const step = Math.pow(2, Math.ceil(Math.log2(maximum / wanted)));
  const list = [];
  for (let i = 0; i * step <= maximum; i++) {
    list.push(i * step);
  }
  return list;
}

/* As a border is drawn; others are dashed. */
const lineStyles = { none: 'solid', '2 3': 'dotted' };

/* ---- the cursor --------------------------------------------------------------------------- */

const cursor = { s: null, charts: [] };

function cursorMove(s) {
  cursor.s = s;
  cursor.charts.forEach((chart) => chart.point());
}

/* ---- one chart ---------------------------------------------------------------------------- */

/*
 * A chart in its card. `what` has
 *   id, title, about      what it shows, in a sentence
 *   height                of the plot, in dots
 *   columns               so many places the cursor can be at
 *   place(column)         of a column, as a share of the width, from its begin to its end
 *   at(share)             the column at a share of the width
 *   rows                  0 where the cursor only moves sideways; they begin below, with `down` above
 *   tell(column, row)     what is there, in words
 *   rest()                what is told before the cursor is anywhere
 *   draw(chart)           everything but the cursor
 *   table()               [head, rows]
 *   follow(column)        what else follows the cursor, if anything does
 *   time                  the columns are those of the run: the cursor is shared
 */
class Chart {
  constructor(parent, what) {
    Object.assign(this, what);
    this.column = this.row = 0;
    this.shown = false;
    this.card = element('section', { class: 'card', id: this.id, 'aria-labelledby': this.id + '-title' });
    this.head = element('div', { class: 'head' },
      element('h2', { id: this.id + '-title' }, this.title));
    this.canvas = element('canvas', { 'aria-hidden': 'true' });
    this.svg = document.createElementNS(SVG, 'svg');
    this.svg.setAttribute('aria-hidden', 'true');
    this.plot = element('div', { class: 'plot', tabindex: 0, role: 'group',
      'aria-roledescription': 'chart', 'aria-label': this.title, 'aria-describedby': 'keys ' + this.id + '-out',
      style: 'height:' + this.height + 'px' }, this.canvas, this.svg);
    this.out = element('output', { class: 'readout', id: this.id + '-out', 'aria-live': 'off' });
    this.out.textContent = this.rest();
    this.card.append(this.head, element('p', { class: 'about' }, this.about), this.plot, this.out, this.details());
    parent.append(this.card);
    this.listen();
    if (this.time) {
      cursor.charts.push(this);
    }
    new ResizeObserver(() => this.redraw()).observe(this.plot);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.redraw());
  }

  /* Made when it is opened: there may be many rows. */
  details() {
    const box = element('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': this.title + ', table' });
    const details = element('details', {}, element('summary', {}, 'Table'), box);
    details.addEventListener('toggle', () => {
      box.replaceChildren(...details.open ? [tableOf(...this.table())] : []);
    });
    this.tableBox = details;
    return details;
  }

  listen() {
    this.plot.addEventListener('keydown', (event) => this.key(event));
    this.plot.addEventListener('pointermove', (event) => this.pointed(event));
    this.plot.addEventListener('pointerdown', (event) => this.pointed(event));
    this.plot.addEventListener('focus', () => {
      this.out.setAttribute('aria-live', 'polite');
      if (!this.shown) {
        this.go(this.column, this.row);
      }
    });
    this.plot.addEventListener('blur', () => this.out.setAttribute('aria-live', 'off'));
  }

  key(event) {
    const step = event.shiftKey ? 10 : 1;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], Home: [-this.columns, 0], End: [this.columns, 0] };
    if (this.rows > 0) {
      Object.assign(moves, { ArrowUp: [0, this.down ? -step : step], ArrowDown: [0, this.down ? step : -step] });
    }
    const move = event.ctrlKey || event.altKey || event.metaKey ? null : moves[event.key];
    if (move) {
      event.preventDefault();
      this.go(this.column + move[0], this.row + move[1]);
    }
  }

  pointed(event) {
    const box = this.plot.getBoundingClientRect();
    const x = (event.clientX - box.left - this.left) / this.width;
    const y = (event.clientY - box.top - this.top) / this.tall;
    if (x >= 0 && x <= 1) {
      this.go(this.at(x), Math.floor((this.down ? y : 1 - y) * this.rows));
    }
  }

  go(column, row) {
    this.column = Math.max(0, Math.min(this.columns - 1, column));
    this.row = Math.max(0, Math.min(this.rows - 1, row));
    if (this.time) {
      cursorMove(seconds[this.column]);
    } else {
      this.show();
    }
  }

  /* The shared cursor has moved. */
  point() {
    this.column = indexAt(cursor.s, this.columns);
    this.show();
  }

  show() {
    this.shown = true;
    this.out.textContent = this.tell(this.column, this.row);
    if (this.follow) {
      this.follow(this.column);
    }
    this.mark();
  }

  mark() {
    if (this.hair) {
      this.hair.remove();
    }
    if (!this.shown || !this.width) {
      return;
    }
    this.hair = shape(this.svg, 'g', { class: 'hair' });
    const [from, to] = this.place(this.column).map((share) => this.left + share * this.width);
    if (this.rows > 0) {
      const tall = this.tall / this.rows, y = this.top + (this.down ? this.row : this.rows - this.row - 1) * tall;
      shape(this.hair, 'line', { x1: (from + to) / 2, x2: (from + to) / 2, y1: this.top, y2: this.top + this.tall });
      shape(this.hair, 'rect', { x: from - 1, y: y - 1, width: Math.max(4, to - from + 2), height: Math.max(4, tall + 2) });
    } else {
      shape(this.hair, 'line', { x1: from, x2: from, y1: this.top, y2: this.top + this.tall });
    }
  }

  redraw() {
    const wide = this.plot.clientWidth;
    this.left = wide < 480 ? 48 : 64;
    this.top = 8;
    this.width = wide - this.left - 10;
    this.tall = this.height - this.top - 30;
    this.svg.setAttribute('viewBox', `0 0 ${wide} ${this.height}`);
    this.svg.replaceChildren();
    this.hair = null;
    if (this.width > 0) {
      this.draw(this);
      this.mark();
    }
  }

  x(share) {
    return this.left + share * this.width;
  }

  y(share) {
    return this.top + (1 - share) * this.tall;
  }

  /* Shares of the height and what stands beside them. */
  axisY(marks) {
    for (const [share, text] of marks) {
      shape(this.svg, 'line', { class: 'grid', x1: this.left, x2: this.left + this.width, y1: this.y(share), y2: this.y(share) });
      shape(this.svg, 'text', { class: 'tick', x: this.left - 6, y: this.y(share) + 4, 'text-anchor': 'end' }, text);
    }
  }

  axisX(marks) {
    for (const [share, text] of marks) {
      shape(this.svg, 'line', { class: 'grid', x1: this.x(share), x2: this.x(share), y1: this.top + this.tall, y2: this.top + this.tall + 5 });
      shape(this.svg, 'text', { class: 'tick', x: this.x(share), y: this.top + this.tall + 19,
        'text-anchor': share > 0.97 ? 'end' : share < 0.02 ? 'start' : 'middle' }, text);
    }
  }

  axisTime() {
    const end = seconds[seconds.length - 1];
    this.axisX(ticks(end, Math.max(2, Math.floor(this.width / 90))).map((s) => [s / end, moment(s)]));
  }

  /* The canvas lies over the plot, in the dots that the screen really has. */
  paint() {
    const scale = window.devicePixelRatio || 1;
    this.canvas.style.cssText = `left:${this.left}px;top:${this.top}px;width:${this.width}px;height:${this.tall}px`;
    this.canvas.width = Math.round(this.width * scale);
    this.canvas.height = Math.round(this.tall * scale);
    return this.canvas.getContext('2d');
  }

  /* One of several; `choose` is called with its number. */
  choices(label, names, choose) {
    const group = element('div', { class: 'choices', role: 'radiogroup', 'aria-label': label });
    names.forEach((name, i) => {
      const input = element('input', { type: 'radio', name: this.id + '-' + label, id: `${this.id}-${label}-${i}` });
      input.checked = i === 0;
      input.addEventListener('change', () => {
        choose(i);
        this.redraw();
        if (this.shown) {
          this.show();
        } else {
          this.out.textContent = this.rest();
        }
        this.tableBox.open = false;
      });
      group.append(input, element('label', { for: input.id }, name));
    });
    this.head.append(group);
  }

  legend(entries) {
    const list = element('ul', { class: 'legend' });
    for (const [style, text, muted] of entries) {
      list.append(element('li', muted ? { class: 'muted' } : {}, element('span', { class: 'key ' + (style.line ? 'line' : ''), style: style.css }), text + (muted ? ' (none)' : '')));
    }
    this.plot.before(list);
  }
}

function tableOf(head, rows) {
  const table = element('table');
  table.append(element('thead', {}, element('tr', {}, ...head.map((text) => element('th', { scope: 'col' }, text)))));
  const body = element('tbody');
  for (const row of rows) {
    body.append(element('tr', {}, element('th', { scope: 'row' }, row[0]), ...row.slice(1).map((text) => element('td', {}, text))));
  }
  table.append(body);
  return table;
}
