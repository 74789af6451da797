
// Sort the table of runs by a column, show only runs with chosen params, and hide columns.
const table = document.querySelector('table.runs');
const body = table.tBodies[0];
const rows = [...body.rows];
const heads = [...table.tHead.rows[0].cells];
const status = document.querySelector('#shown');
const key = (row, place) => row.cells[place].dataset.value ?? row.cells[place].textContent.trim();
const compare = (one, other) => {
  if (one === other) return 0;
  if (one === '' || other === '') return one === '' ? 1 : -1; // unknown values come last
  const numbers = [Number(one), Number(other)];
  return numbers.some(Number.isNaN) ? one.localeCompare(other) : numbers[0] - numbers[1];
};
heads.forEach((head, place) => {
  const button = document.createElement('button');
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener('click', () => {
    const descending = head.getAttribute('aria-sort') === 'ascending';
    heads.forEach((other) => other.removeAttribute('aria-sort'));
    head.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
    const sorted = rows.toSorted((one, other) => {
      const [first, second] = [key(one, place), key(other, place)];
      return compare(first, second) * (descending && first !== '' && second !== '' ? -1 : 1);
    });
    body.append(...sorted);
  });
});

const panel = document.querySelector('#columns');
const choices = [];
const filter = () => {
  let shown = 0;
  rows.forEach((row) => {
    row.hidden = choices.some(([place, select]) => select.value && key(row, place) !== select.value.slice(1));
    shown += !row.hidden;
  });
  status.textContent = `${shown} of ${rows.length} shown`;
};
heads.forEach((head, place) => {
  if (!place) return;
  const [line, label, box, title] = ['div', 'label', 'input', 'span'].map((name) => document.createElement(name));
  box.type = 'checkbox';
  box.checked = true;
  box.addEventListener('change', () => [...rows, table.tHead.rows[0]].forEach((row) => { row.cells[place].hidden = !box.checked; }));
  title.append(...[...head.firstChild.childNodes].map((node) => node.cloneNode(true)));
  label.append(box, title);
  line.append(label);
  if (head.classList.contains('param')) {
    const select = document.createElement('select');
    select.setAttribute('aria-label', `Only runs with ${head.textContent.trim()}`);
    select.add(new Option('any', ''));
    [...new Set(rows.map((row) => key(row, place)))].sort(compare).forEach((value) => select.add(new Option(value || '–', `=${value}`)));
    select.addEventListener('change', filter);
    choices.push([place, select]);
    line.append(select);
  }
  panel.querySelector('fieldset').append(line);
});
panel.hidden = false;
