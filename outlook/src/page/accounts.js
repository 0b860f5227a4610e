// The account table: searches, sorts and turns the pages of one real table. Texts become nodes by textContent alone.
(() => {
  'use strict';
  const place = document.getElementById('accounts-table');
  if (!place) return;
  const data = JSON.parse(document.getElementById('accounts-data').textContent);
  const PAGE = 25;
  const NONE = '–';
  const rows = data.ids.length;
  const columns = data.columns;
  const shown = columns.filter(column => column.inTable);
  const folded = data.ids.map(id => id.toLowerCase());
  const form = place.querySelector('form');
  const status = place.querySelector('.count');
  const table = place.querySelector('table');
  const body = table.tBodies[0];

  const make = (name, text, attributes) => {
    const node = document.createElement(name);
    if (text !== undefined && text !== null) node.textContent = text;
    for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
    return node;
  };
  const grouped = digits => digits.replace(/\B(?=(\d{3})+$)/g, ',');
  const signed = (value, text) => (value < 0 ? '−' : '') + text;
  const money = value => {
    const size = Math.abs(value);
    return signed(value, size >= 999.995 ? grouped(size.toFixed(0)) : size.toFixed(2));
  };
  const plain = value => {
    const size = Math.abs(value);
    if (Number.isInteger(size)) return signed(value, grouped(String(size)));
    return signed(value, size.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 4));
  };
  const percent = tenths => (tenths / 10).toFixed(1) + ' %';
  const written = (column, row) => {
    const value = column.values[row];
    if (value === null || value === undefined || (column.form === 'text' && value < 0)) return NONE;
    switch (column.form) {
      case 'text': return column.texts[value];
      case 'money': return money(value);
      case 'share': return percent(value);
      case 'range':
        return percent(value) + ' (' + (column.low[row] / 10).toFixed(1) + ' to ' + (column.high[row] / 10).toFixed(1) + ')';
      default: return plain(value);
    }
  };

  // What is sorted by: numbers as they are, texts by their rank; what is not known comes last either way.
  const keys = new Map();
  const keyOf = column => {
    if (!keys.has(column)) {
      const key = new Float64Array(rows);
      let rank = null;
      if (column.form === 'text') {
        const sorted = column.texts.map((text, code) => [text, code]).sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
        rank = new Float64Array(column.texts.length);
        sorted.forEach((pair, place) => { rank[pair[1]] = place; });
      }
      for (let row = 0; row < rows; row++) {
        const value = column.values[row];
        key[row] = value === null || (rank && value < 0) ? NaN : rank ? rank[value] : value;
      }
      keys.set(column, key);
    }
    return keys.get(column);
  };
  const stake = new Float64Array(rows);
  for (const name of ['mrr_at_risk', 'expected_expansion_mrr']) {
    const column = columns.find(one => one.name === name);
    if (column) column.values.forEach((value, row) => { stake[row] += value || 0; });
  }
  const sortedBy = (key, descending) => {
    const order = new Uint32Array(rows);
    for (let row = 0; row < rows; row++) order[row] = row;
    if (!key) return descending ? order.reverse() : order;
    const way = descending ? -1 : 1;
    return order.sort((a, b) => {
      const x = key[a], y = key[b];
      if (x === y) return a - b;
      if (x !== x) return y !== y ? a - b : 1;
      if (y !== y) return -1;
      return (x - y) * way || a - b;
    });
  };

  let order = sortedBy(stake, true);
  let found = order;
  let first = 0;
  let current = 0;
  const open = new Set();

  // Which rows hold every word of the search and every chosen value.
  const search = () => {
    const words = form.elements.search.value.toLowerCase().split(/\s+/).filter(word => word);
    const texts = columns.filter(column => column.form === 'text');
    const holding = words.map(word => texts.map(column => {
      const holds = column.texts.map(text => text.toLowerCase().includes(word));
      return holds.includes(true) ? [column.values, holds] : null;
    }).filter(one => one));
    const chosen = [];
    for (const select of form.querySelectorAll('select')) {
      if (select.value !== '') chosen.push([columns[Number(select.dataset.column)].values, Number(select.value)]);
    }
    const fits = row => {
      for (const [values, code] of chosen) if (values[row] !== code) return false;
      for (let index = 0; index < words.length; index++) {
        if (folded[row].includes(words[index])) continue;
        if (!holding[index].some(([values, holds]) => values[row] >= 0 && holds[values[row]])) return false;
      }
      return true;
    };
    found = words.length || chosen.length ? order.filter(fits) : order;
    first = 0;
    current = 0;
    draw();
  };

  const cells = row => {
    const line = make('tr', null, { class: 'row' });
    const head = make('th', null, { scope: 'row' });
    const button = make('button', data.ids[row], { type: 'button', 'aria-expanded': String(open.has(row)), tabindex: '-1' });
    head.append(button);
    line.append(head);
    for (const column of shown) {
      line.append(make('td', written(column, row), column.form === 'text' ? { class: 'text' } : {}));
    }
    return line;
  };

  let reasons = null;
  const reasonsOf = (target, row) => {
    reasons = reasons || JSON.parse(document.getElementById('reasons-data').textContent);
    const of = reasons.targets.find(one => one.name === target);
    const told = [];
    for (const rank of of ? of.ranks : []) {
      if (rank.sentence[row] < 0) continue;
      rank.split = rank.split || rank.figures.split(';');
      const figures = rank.split[row].split('|');
      let next = 0;
      const text = reasons.sentences[rank.sentence[row]].replace(/\u0001/g, () => figures[next++]);
      const effect = rank.effect[row];
      const sign = effect > 0 ? '+' : effect < 0 ? '−' : '';
      told.push(sign + (Math.abs(effect) / 10).toFixed(1) + ' points: ' + text);
    }
    return told;
  };
  const details = row => {
    const line = make('tr', null, { class: 'details' });
    const cell = make('td', null, { colspan: String(shown.length + 1) });
    const inside = make('div', null, { class: 'inside' });
    for (const column of columns.filter(one => one.form === 'range')) {
      const target = column.name.replace(/_probability$/, '');
      inside.append(make('h4', target + ': ' + written(column, row)));
      const list = make('ul');
      for (const reason of reasonsOf(target, row)) list.append(make('li', reason));
      inside.append(list.children.length ? list : make('p', 'No reason is known.'));
    }
    const more = make('dl');
    for (const column of columns.filter(one => !one.inTable)) {
      const pair = make('div');
      pair.append(make('dt', column.heading), make('dd', written(column, row)));
      more.append(pair);
    }
    inside.append(more);
    cell.append(inside);
    line.append(cell);
    return line;
  };

  const pager = make('div', null, { class: 'pager' });
  const previous = make('button', 'Previous', { type: 'button' });
  const next = make('button', 'Next', { type: 'button' });
  const where = make('span');
  pager.append(previous, where, next);

  const draw = focus => {
    first = Math.min(first, Math.max(0, Math.floor((found.length - 1) / PAGE) * PAGE));
    const lines = [];
    const last = Math.min(first + PAGE, found.length);
    for (let place = first; place < last; place++) {
      const line = cells(found[place]);
      line.dataset.place = String(place);
      line.setAttribute('aria-rowindex', String(place + 2));
      if (place === current) line.querySelector('button').tabIndex = 0;
      lines.push(line);
      if (open.has(found[place])) lines.push(details(found[place]));
    }
    body.replaceChildren(...lines);
    table.setAttribute('aria-rowcount', String(found.length + 1));
    const count = grouped(String(found.length)), all = grouped(String(rows));
    status.textContent = found.length === rows ? all + ' accounts' : count + ' of ' + all + ' accounts';
    where.textContent = found.length ? 'rows ' + grouped(String(first + 1)) + ' to ' + grouped(String(last)) : 'no rows';
    previous.disabled = first === 0;
    next.disabled = last >= found.length;
    if (focus) body.querySelector('button[tabindex="0"]')?.focus();
  };
  const go = (to, focus) => {
    current = Math.max(0, Math.min(to, found.length - 1));
    first = Math.floor(current / PAGE) * PAGE;
    draw(focus);
  };
  const toggle = (to, focus) => {
    const row = found[to];
    if (row === undefined) return;
    if (!open.delete(row)) open.add(row);
    current = to;
    draw(focus);
  };

  previous.addEventListener('click', () => go(first - PAGE, false));
  next.addEventListener('click', () => go(first + PAGE, false));
  body.addEventListener('click', event => {
    const line = event.target.closest('tr.row');
    if (line && !String(getSelection())) toggle(Number(line.dataset.place), true);
  });
  body.addEventListener('keydown', event => {
    if (event.altKey || event.ctrlKey || event.metaKey || !event.target.closest('tr.row')) return;
    const to = {
      ArrowDown: current + 1, ArrowUp: current - 1, PageDown: current + PAGE, PageUp: current - PAGE,
      Home: 0, End: found.length - 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    go(to, true);
  });

  // Headings become buttons that sort.
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, index) => {
    const column = index ? shown[index - 1] : null;
    const button = make('button', head.textContent, { type: 'button' });
    head.replaceChildren(button);
    head.setAttribute('aria-sort', 'none');
    button.addEventListener('click', () => {
      const was = head.getAttribute('aria-sort');
      const startsHigh = column && column.form !== 'text';
      const descending = was === 'none' ? startsHigh : was === 'ascending';
      heads.forEach(one => one.setAttribute('aria-sort', 'none'));
      head.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
      order = sortedBy(column ? keyOf(column) : null, descending);
      table.caption.textContent = 'Accounts by ' + button.textContent + (descending ? ', highest first' : ', lowest first');
      search();
    });
  });

  columns.forEach((column, index) => {
    if (!column.isFilter || column.form !== 'text') return;
    const label = make('label', column.heading + ' ');
    const select = make('select', null, { 'data-column': String(index) });
    select.append(make('option', 'any', { value: '' }));
    const sorted = column.texts.map((text, code) => [text, code]).sort((a, b) => (a[0] < b[0] ? -1 : 1));
    for (const [text, code] of sorted) select.append(make('option', text, { value: String(code) }));
    label.append(select);
    form.append(label);
    select.addEventListener('change', search);
  });
  form.elements.search.addEventListener('input', search);
  form.addEventListener('submit', event => event.preventDefault());
  form.hidden = false;
  place.append(pager);
  draw();
})();
