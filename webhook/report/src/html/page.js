
'use strict';
// The table of objects: filters, sorts, pages and opens. Everything that comes from the report is written as text, never as markup.
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const text = (id) => (id === null || id === undefined ? '' : data.strings[id]);
  const byId = (id) => document.getElementById(id);
  const PAGE = 50;
  // A page or two of paper each; a browser takes seconds to lay out hundreds.
  const MAX_PRINTED = 200;

  // The report's rows by object.

  const DENY = 'Deny', WARN = 'Warn', AUDIT = 'Audit';
  const SEVERITIES = ['low', 'medium', 'high', 'critical'];
  const HURTS = { low: 'worth knowing', medium: 'will hurt some day', high: 'hurts at the next failure', critical: 'loses data' };
  const VERDICTS = [
    ['deny', 'Denied', '✕', 'Deny'], ['failed', 'A policy failed', '✕', 'Failed'], ['malformed', 'Malformed', '✕', 'Malformed'],
    ['warn', 'Warned', '!', 'Warn'], ['audit', 'Audit', 'i', 'Audit'], ['undecided', 'Undecided', '?', 'Undecided'],
    ['skipped', 'Not judged', '?', 'Not judged'], ['changed', 'Changed', '+', 'Changed'], ['clean', 'Nothing found', '✓', 'Nothing found'],
  ];
  const verdictOf = new Map(VERDICTS.map((verdict) => [verdict[0], verdict]));

  const objects = data.objects.map(([kind, namespace, name, nth, file, apiVersion], at) => {
    const path = [kind, namespace, name].filter((id) => id !== null).map(text).join('/');
    return {
      at, kind: text(kind), namespace: text(namespace), name: text(name), file: text(file), apiVersion: text(apiVersion), key: nth > 1 ? path + ':' + nth : path,
      findings: [], undecided: [], changes: [], failures: [], malformed: [], skipped: [], kept: null, isNew: false,
    };
  });
  for (const [object, rule, action, severity, field, line, column, message, hint, exemption, isNew, lines, from, to] of data.findings) {
    objects[object].findings.push({ rule, action, severity, field, line, column, message, hint, exemption, isNew, lines, from, to });
    if (isNew) objects[object].isNew = true;
  }
  for (const [object, rule, reason] of data.undecided) objects[object].undecided.push({ rule, reason });
  for (const [object, rule, isMade, operation, field, value, note] of data.changes) objects[object].changes.push({ rule, isMade, operation, field, value, note });
  for (const [object, policy, error] of data.failures) objects[object].failures.push({ policy, error });
  for (const [object, field, line, column, message, hint] of data.malformed) objects[object].malformed.push({ field, line, column, message, hint });
  for (const [object, because] of data.not_judged) objects[object].skipped.push(...because);
  for (const [object, kept] of data.kept) objects[object].kept = kept;
  for (const object of objects) {
    const count = (action) => object.findings.filter((finding) => finding.action === action).length;
    Object.assign(object, { deny: count(DENY), warn: count(WARN), audit: count(AUDIT) });
    object.unknown = object.undecided.length;
    object.keeps = object.kept ? object.kept.filter(([state]) => state === 0).length : -1;
    object.verdict = object.deny ? 'deny' : object.warn ? 'warn' : object.malformed.length ? 'malformed' : object.failures.length ? 'failed'
      : object.audit ? 'audit' : object.unknown ? 'undecided' : object.skipped.length ? 'skipped' : 'clean';
    const badness = (finding) => [AUDIT, WARN, DENY].indexOf(finding.action) * 4 + SEVERITIES.indexOf(finding.severity);
    object.findings.sort((a, b) => badness(b) - badness(a));
    const worst = object.findings.length ? SEVERITIES.indexOf(object.findings[0].severity) : 0;
    const rank = VERDICTS.length - VERDICTS.findIndex(([verdict]) => verdict === object.verdict);
    object.rank = ((rank * 4 + worst) * 1000 + Math.min(object.deny, 999)) * 1000 + Math.min(object.warn, 999);
    object.words = null;
  }
  const byKey = new Map(objects.map((object) => [object.key, object]));

  // Which of the objects that a total counts, or that a person looks for.

  const HAS = {
    deny: (object) => object.deny > 0,
    warn: (object) => object.deny === 0 && object.warn > 0,
    audit: (object) => object.deny + object.warn === 0 && object.audit > 0,
    undecided: (object) => object.unknown > 0,
    changed: (object) => object.changes.some((change) => change.isMade),
    failed: (object) => object.failures.length > 0,
    malformed: (object) => object.malformed.length > 0,
    skipped: (object) => object.skipped.length > 0,
    clean: (object) => object.verdict === 'clean',
  };
  const NO_NAMESPACE = '-';
  const PROMISE_STATES = ['kept', 'broken', 'undecided'];
  const EMPTY = { q: '', verdict: '', namespace: '', rule: '', promise: '', since: '' };
  const state = { ...EMPTY, sort: 'verdict', down: true, page: 0, open: new Set() };

  const wordsOf = (object) => {
    if (object.words === null) {
      const said = object.findings.flatMap((finding) => [text(data.rules[finding.rule][0]), text(finding.message), text(finding.field)]);
      const unknown = object.undecided.flatMap((undecided) => [text(data.rules[undecided.rule][0]), text(undecided.reason)]);
      object.words = [object.kind, object.namespace + '/' + object.name, object.file, ...said, ...unknown].join('\n').toLowerCase();
    }
    return object.words;
  };

  const fits = () => {
    const tests = [];
    const words = state.q.toLowerCase().split(/\s+/).filter((word) => word !== '');
    if (state.verdict) tests.push(HAS[state.verdict]);
    if (state.namespace) tests.push((object) => (object.namespace || NO_NAMESPACE) === state.namespace);
    if (state.rule) {
      const is = (row) => text(data.rules[row.rule][0]) === state.rule;
      tests.push((object) => object.findings.some(is) || object.undecided.some(is) || object.changes.some(is));
    }
    if (state.promise) {
      const [at, word] = state.promise.split(':');
      const wanted = PROMISE_STATES.indexOf(word);
      tests.push((object) => object.kept !== null && object.kept[at] !== undefined && object.kept[at][0] === wanted);
    }
    if (state.since) tests.push((object) => object.isNew);
    if (words.length) tests.push((object) => words.every((word) => wordsOf(object).includes(word)));
    return objects.filter((object) => tests.every((test) => test(object)));
  };

  // Elements.

  const make = (name, properties, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(properties || {})) {
      if (key in element) element[key] = value;
      else element.setAttribute(key, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  };
  // Names in backticks are code; one backtick too many opens nothing.
  const sentence = (words) => {
    const parts = words.split('`');
    const last = parts.length - 1;
    const fragment = document.createDocumentFragment();
    parts.forEach((part, at) => {
      if (at % 2 === 1 && at < last) fragment.append(make('code', {}, part));
      else fragment.append(at % 2 === 1 ? '`' + part : part);
    });
    return fragment;
  };
  const badge = (kind, sign, words) => make('span', { className: 'badge ' + kind }, make('span', { 'aria-hidden': 'true' }, sign), ' ' + words);
  const actionBadge = (action) => (action === DENY ? badge('deny', '✕', action) : action === WARN ? badge('warn', '!', action) : badge('audit', 'i', action));
  const code = (words) => make('code', { className: 'path' }, words);
  const place = (file, line, column) => (line > 0 ? file + ':' + line + ':' + column : file);

  const facts = (pairs) => {
    const list = make('dl');
    for (const [name, value, className] of pairs) {
      if (value) list.append(make('dt', {}, name), make('dd', { className: className || '' }, value));
    }
    return list;
  };

  const snippet = (finding) => {
    if (!finding.lines.length) return null;
    const body = make('code');
    finding.lines.forEach((line, at) => {
      const marked = at >= finding.from && at < finding.to;
      body.append(marked ? make('mark', {}, text(line)) : text(line), '\n');
    });
    return make('pre', { tabIndex: 0, role: 'region', 'aria-label': 'The field in the object' }, body);
  };

  const article = (object, finding) => {
    const [rule, , why] = data.rules[finding.rule];
    const fix = text(finding.hint) || '`stateward rules --explain ' + text(rule) + '` shows what is accepted';
    const kicker = make('p', { className: 'kicker' }, actionBadge(finding.action), finding.severity + ' severity: ' + HURTS[finding.severity]);
    if (finding.isNew) kicker.append(badge('', '+', 'new since the older report'));
    return make('article', { className: 'finding' }, kicker, make('h3', {}, sentence(text(finding.message))),
      make('div', { className: 'columns' },
        facts([
          ['How to fix it', sentence(fix), 'fix'],
          ['Why', why === null ? null : sentence(text(why))],
          ['Field', text(finding.field) ? code(text(finding.field)) : null],
          ['Where', object.file ? code(place(object.file, finding.line, finding.column)) : null],
          ['Rule', code(text(rule))],
          ['Exempt', finding.exemption === null ? null : sentence('by ' + text(finding.exemption))],
        ]),
        snippet(finding)));
  };

  const part = (title, ...children) => make('section', {}, make('h3', {}, title), ...children);

  const promises = (object) => {
    const kinds = [['kept', '✓', 'kept'], ['deny', '✕', 'broken'], ['undecided', '?', 'undecided']];
    const chips = object.kept.map(([at, because], promise) => {
      const [kind, sign, word] = kinds[at];
      const reasons = because.length ? ': ' + because.map(text).join(', ') : '';
      return make('li', {}, badge(kind, sign, data.promises[promise] + ' ' + word + reasons));
    });
    return part('Promises: keeps ' + object.keeps + ' of ' + object.kept.length, make('ul', { className: 'chips' }, ...chips));
  };

  const undecided = (object) => {
    const reasons = new Map();
    for (const { rule, reason } of object.undecided) reasons.set(reason, [...(reasons.get(reason) || []), text(data.rules[rule][0])]);
    const rows = [...reasons].map(([reason, rules]) => make('li', {}, badge('undecided', '?', 'Undecided'), ' ', sentence(text(reason)), ': ', code(rules.join(', '))));
    return part('What could not be decided', make('ul', { className: 'plain' }, ...rows));
  };

  const changes = (object) => {
    const signs = { add: '+', replace: '~', remove: '-' };
    const rows = object.changes.map((change) => {
      const value = change.value === null ? null : text(change.value).includes('\n') ? make('pre', {}, text(change.value)) : make('code', {}, ': ' + text(change.value));
      const note = change.note === null ? null : sentence(' (' + text(change.note) + ')');
      return make('li', {}, badge('apply', signs[change.operation], change.isMade ? 'changed' : 'would change'), ' ', code(text(change.field)), value, note);
    });
    return part('What the webhook changes before it judges', make('ul', { className: 'plain' }, ...rows));
  };

  const detail = (object) => {
    const link = make('a', { href: '#' + new URLSearchParams({ object: object.key }) }, 'Link to this object');
    const section = make('section', { 'aria-label': object.kind + ' ' + object.name },
      make('div', { className: 'facts' }, make('span', {}, object.apiVersion + ' ' + object.kind), object.file ? code(object.file) : null, link));
    const wrong = (kind, word, ...words) => make('article', { className: 'finding' }, make('p', { className: 'kicker' }, badge(kind, '✕', word)), ...words);
    for (const { field, line, column, message, hint } of object.malformed) {
      section.append(wrong('malformed', 'Malformed: not judged', make('h3', {}, sentence(text(message))),
        facts([['How to fix it', hint === null ? null : sentence(text(hint)), 'fix'], ['Field', code(text(field))], ['Where', code(place(object.file, line, column))]])));
    }
    for (const { policy, error } of object.failures) {
      section.append(wrong('failed', 'Policy failed', make('h3', {}, 'policy ', make('code', {}, text(policy)), ' broke: it says nothing of this object'), make('p', {}, text(error))));
    }
    if (object.skipped.length) {
      section.append(part('No rule judges this object', make('ul', {}, ...object.skipped.map((because) => make('li', {}, sentence(text(because)))))));
    }
    for (const finding of object.findings) section.append(article(object, finding));
    if (object.undecided.length) section.append(undecided(object));
    if (object.kept) section.append(promises(object));
    if (object.changes.length) section.append(changes(object));
    return section;
  };

  // The table.

  const COLUMNS = [
    ['name', 'Object', '', (a, b) => compare(a.name, b.name) || compare(a.kind, b.kind)],
    ['namespace', 'Namespace', 'extra', (a, b) => compare(a.namespace, b.namespace)],
    ['verdict', 'Verdict', '', (a, b) => a.rank - b.rank],
    ['deny', 'Deny', 'num extra', (a, b) => a.deny - b.deny],
    ['warn', 'Warn', 'num extra', (a, b) => a.warn - b.warn],
    ['audit', 'Audit', 'num extra', (a, b) => a.audit - b.audit],
    ['unknown', 'Undecided', 'num extra', (a, b) => a.unknown - b.unknown],
    ['keeps', 'Promises', 'num extra', (a, b) => a.keeps - b.keeps],
  ];
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  // As in page.css: there the extra columns are not shown.
  const narrow = matchMedia('(max-width: 48rem)');
  const EXTRA = COLUMNS.filter(([, , className]) => className.includes('extra')).length;
  const body = byId('table').tBodies[0];
  let shown = [];

  const gist = (object) => {
    if (object.findings.length) return sentence(text(object.findings[0].message));
    if (object.malformed.length) return sentence(text(object.malformed[0].message));
    if (object.undecided.length) return sentence(text(object.undecided[0].reason));
    return object.skipped.length ? sentence(text(object.skipped[0])) : '';
  };

  const row = (object) => {
    const [kind, , sign, word] = verdictOf.get(object.verdict);
    const isOpen = state.open.has(object.key);
    const button = make('button', { type: 'button', className: 'open', 'aria-expanded': String(isOpen), 'aria-controls': 'object-' + object.at },
      object.kind + ' ' + (object.namespace ? object.namespace + '/' : '') + object.name);
    const number = (count, className) => make('td', { className: 'num extra ' + (count === 0 ? 'zero' : className || '') }, String(count));
    const line = make('tr', { className: isOpen ? 'row is-open' : 'row', 'data-key': object.key },
      make('th', { scope: 'row' }, button, make('small', { className: 'gist' }, gist(object))),
      make('td', { className: 'extra' }, object.namespace || '(none)'),
      make('td', {}, badge(kind, sign, word), object.isNew ? badge('', '+', 'new') : null),
      number(object.deny, 'deny'), number(object.warn, 'warn'), number(object.audit), number(object.unknown),
      make('td', { className: 'num extra' }, object.kept ? object.keeps + '/' + object.kept.length : ''));
    return [line, ...(isOpen ? [opened(object)] : [])];
  };
  const opened = (object) => make('tr', { className: 'detail', id: 'object-' + object.at }, make('td', { colSpan: narrow.matches ? COLUMNS.length - EXTRA : COLUMNS.length }, detail(object)));

  const toggle = (line) => {
    const object = byKey.get(line.dataset.key);
    const isOpen = !state.open.has(object.key);
    if (isOpen) state.open.add(object.key);
    else state.open.delete(object.key);
    line.classList.toggle('is-open', isOpen);
    line.querySelector('button.open').setAttribute('aria-expanded', String(isOpen));
    if (isOpen) line.after(opened(object));
    else line.nextElementSibling.remove();
    writeHash();
  };

  const draw = () => {
    const pages = Math.max(1, Math.ceil(shown.length / PAGE));
    state.page = Math.min(Math.max(state.page, 0), pages - 1);
    const first = state.page * PAGE;
    body.replaceChildren(...shown.slice(first, first + PAGE).flatMap(row));
    byId('status').textContent = shown.length === 0 ? 'No object fits these filters.'
      : shown.length === objects.length ? objects.length + (objects.length === 1 ? ' object' : ' objects') : shown.length + ' of ' + objects.length + ' objects';
    byId('pages').hidden = pages === 1;
    byId('page').textContent = 'Page ' + (state.page + 1) + ' of ' + pages;
    byId('previous').disabled = state.page === 0;
    byId('next').disabled = state.page === pages - 1;
    for (const header of byId('table').tHead.rows[0].cells) {
      const isSorted = header.dataset.column === state.sort;
      if (isSorted) header.setAttribute('aria-sort', state.down ? 'descending' : 'ascending');
      else header.removeAttribute('aria-sort');
      header.querySelector('span').textContent = isSorted ? (state.down ? '▾' : '▴') : '';
    }
  };

  const update = () => {
    const by = COLUMNS.find(([column]) => column === state.sort)[3];
    shown = fits().sort((a, b) => (state.down ? by(b, a) : by(a, b)) || a.at - b.at);
    draw();
  };

  // A link holds the filters, the order and what is open.

  const writeHash = () => {
    const hash = new URLSearchParams();
    for (const key of Object.keys(EMPTY)) if (state[key]) hash.set(key, state[key]);
    if (state.sort !== 'verdict' || !state.down) hash.set('sort', (state.down ? '-' : '') + state.sort);
    for (const key of state.open) hash.append('object', key);
    history.replaceState(null, '', '#' + hash);
  };

  const readHash = () => {
    const hash = location.hash.slice(1);
    // The skip link and the like name an element, not a state.
    if (hash !== '' && !hash.includes('=')) return;
    const given = new URLSearchParams(hash);
    for (const key of Object.keys(EMPTY)) state[key] = given.get(key) || '';
    if (given.get('namespace') === '') state.namespace = NO_NAMESPACE;
    if (!HAS[state.verdict]) state.verdict = '';
    const sort = given.get('sort') || '-verdict';
    const column = sort.replace(/^-/, '');
    state.sort = COLUMNS.some(([known]) => known === column) ? column : 'verdict';
    state.down = sort.startsWith('-');
    const keys = given.getAll('object').filter((key) => byKey.has(key));
    state.open = new Set(keys);
    state.page = 0;
    for (const key of Object.keys(EMPTY)) byId(key).value = state[key];
    update();
    const target = keys.length ? shown.indexOf(byKey.get(keys[0])) : -1;
    if (target >= 0) {
      state.page = Math.floor(target / PAGE);
      draw();
      const line = [...body.rows].find((each) => each.dataset.key === keys[0]);
      line.scrollIntoView();
      line.querySelector('button.open').focus({ preventScroll: true });
    } else if (hash !== '') {
      byId('objects').scrollIntoView();
      byId('objects').focus({ preventScroll: true });
    }
  };

  // Controls.

  const fill = (id, all, options) => {
    byId(id).append(make('option', { value: '' }, all), ...options.map(([value, words]) => make('option', { value }, words)));
  };
  const counted = (key, isIn) => objects.filter(isIn).length;
  fill('verdict', 'All', VERDICTS.map(([key, words]) => [key, words, counted(key, HAS[key])]).filter(([, , count]) => count > 0)
    .map(([key, words, count]) => [key, words + ' (' + count + ')']));
  const namespaces = new Map();
  for (const object of objects) namespaces.set(object.namespace, (namespaces.get(object.namespace) || 0) + 1);
  fill('namespace', 'All', [...namespaces].sort(([a], [b]) => compare(a, b)).map(([name, count]) => [name || NO_NAMESPACE, (name || '(none)') + ' (' + count + ')']));
  fill('rule', 'All', data.rules.map(([rule]) => text(rule)).sort(compare).map((rule) => [rule, rule]));
  const broken = (at, wanted) => objects.filter((object) => object.kept && object.kept[at] && object.kept[at][0] === wanted).length;
  fill('promise', 'All', data.promises.flatMap((promise, at) => PROMISE_STATES.map((word, wanted) => [at + ':' + word, promise + ' ' + word, broken(at, wanted)]))
    .filter(([, , count]) => count > 0).map(([value, words, count]) => [value, words + ' (' + count + ')']));
  fill('since', 'All', [['new', 'With new findings']]);
  byId('since-label').hidden = !data.compared;

  byId('table').tHead.rows[0].append(...COLUMNS.map(([column, words, className]) =>
    make('th', { scope: 'col', className, 'data-column': column }, make('button', { type: 'button' }, words, make('span', { 'aria-hidden': 'true' })))));
  byId('table').tHead.addEventListener('click', (event) => {
    const header = event.target.closest('th');
    if (!header || !event.target.closest('button')) return;
    const column = header.dataset.column;
    state.down = state.sort === column ? !state.down : !['name', 'namespace'].includes(column);
    state.sort = column;
    state.page = 0;
    update();
    writeHash();
  });
  body.addEventListener('click', (event) => {
    const line = event.target.closest('tr.row');
    if (line && getSelection().isCollapsed) toggle(line);
  });
  const form = byId('filters');
  form.addEventListener('input', (event) => {
    state[event.target.id] = event.target.value;
    state.page = 0;
    update();
    writeHash();
  });
  form.addEventListener('submit', (event) => event.preventDefault());
  form.addEventListener('reset', () => {
    Object.assign(state, EMPTY, { page: 0 });
    update();
    writeHash();
  });
  const turn = (by) => {
    state.page += by;
    draw();
    byId('objects').scrollIntoView();
  };
  byId('previous').addEventListener('click', () => turn(-1));
  byId('next').addEventListener('click', () => turn(1));
  addEventListener('hashchange', readHash);
  narrow.addEventListener('change', draw);

  // On paper nothing can be opened: all that the filters leave is printed with its findings.
  let before = null;
  addEventListener('beforeprint', () => {
    before = { open: state.open, folded: [...document.querySelectorAll('details:not([open])')] };
    const printed = shown.slice(0, MAX_PRINTED);
    state.open = new Set(printed.map((object) => object.key));
    body.replaceChildren(...printed.flatMap(row));
    for (const each of before.folded) each.open = true;
    if (shown.length > MAX_PRINTED) byId('status').textContent = 'The first ' + MAX_PRINTED + ' of ' + shown.length + ' objects; filter to print others.';
  });
  addEventListener('afterprint', () => {
    if (!before) return;
    state.open = before.open;
    for (const each of before.folded) each.open = false;
    before = null;
    draw();
  });

  form.hidden = false;
  byId('list').hidden = false;
  readHash();
  performance.mark('stateward-ready');
})();
