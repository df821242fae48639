/* Cards that are no charts. */

const byId = (id) => document.getElementById(id);

function tile(label, value, detail, extra) {
  const made = element('div', { class: 'tile' }, element('div', { class: 'label' }, label),
    element('div', { class: 'value' }, value), element('div', { class: 'detail' }, detail));
  if (extra) {
    made.append(extra);
  }
  byId('tiles').append(made);
}

function facts(title, id, rows) {
  const list = element('dl');
  for (const [key, value] of rows) {
    list.append(element('dt', {}, key), element('dd', {}, value));
  }
  byId('side').append(element('section', { class: 'card', id, 'aria-labelledby': id + '-title' },
    element('h2', { id: id + '-title' }, title), list));
}

/* In the place of a chart for which there is nothing to draw. */
function absent(parent, id, title, why) {
  parent.append(element('section', { class: 'card', id, 'aria-labelledby': id + '-title' },
    element('h2', { id: id + '-title' }, title), element('p', { class: 'about' }, why)));
}
