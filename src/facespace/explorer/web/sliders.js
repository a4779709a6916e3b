// @ts-check
/** A panel of sliders: rows that move the face along one axis each, with locks, dice, reset and animation. What an axis is
 * the panel that uses this says; see panels/raw.js, components.js and attributes.js. */

import { announce, attempt, button, calm, fill, h, icon } from './dom.js';
import { latestWins } from './engine.js';
import { gauss } from './maths.js';
import { commit, move, on, setFace, setView, state, toggleLock } from './state.js';
import { know } from './panels/stage.js';

const FEW = 16, SWEEP = 2, PERIOD = 4000; // rows shown at first, deviations and milliseconds of an animation

/** @typedef {{key: any, label: string, tip: string, badge?: any, note?: string, classes?: {off: number, on: number}}} Axis `classes`: the mean values of faces without and with it */
/** @typedef {{z: Float32Array, picture?: import('./engine.js').Picture}} Moved */

/** @param {{
 *   panel: 'attributes' | 'components' | 'raw', title: string, root: any, unit: string,
 *   sorts: Record<string, string>,
 *   axes: (sort: string) => Axis[], read: (z: Float32Array) => Map<any, number>,
 *   move: (z: Float32Array, changes: Map<any, number>) => Moved | Promise<Moved>,
 *   foot?: () => any[], waiting?: () => any, say?: (value: number) => string, after?: () => void}} options `changes` are new values in standard deviations */
export function sliderPanel(options) {
  const { panel, title, root, sorts, read } = options;
  /** @type {Map<any, any>} */
  const rows = new Map();
  let sort = Object.keys(sorts)[0], filter = '', playing = 0;
  /** @type {any} */
  let playingKey = null;
  let last = Promise.resolve();
  /** @type {Float32Array | null} */
  let base = null; // the face when the move began: every step of a move starts from it, so that nothing drifts
  const list = h('div', { class: 'rows' }), foot = h('div', { class: 'foot' });
  const search = h('input', { type: 'search', placeholder: 'Filter', 'aria-label': `Filter ${title}`, oninput: () => { filter = search.value.toLowerCase(); build(); } });
  const range = h('select', { 'aria-label': 'Range of the sliders', dataset: { tip: 'How far the sliders reach, in standard deviations (σ) of the faces of this space.' }, onchange: () => setView({ range: Number(range.value) }) }, [2, 3, 4].map((n) => h('option', { value: String(n) }, `±${n} σ`)));
  const order = h('select', { 'aria-label': 'Order of the sliders', onchange: () => { sort = order.value; build(); } }, Object.entries(sorts).map(([key, words]) => h('option', { value: key }, words)));
  const variety = h('select', { 'aria-label': 'Truncation of the dice', dataset: { tip: 'Truncation: how far the dice throw, in standard deviations (σ). Small values stay near the average face.' }, onchange: () => setView({ variety: Number(variety.value) }) });
  const offerVariety = () => {
    const choices = [...new Set([0.3, 0.5, 0.8, 1, 1.5, state.view.variety])].sort((a, b) => a - b);
    fill(variety, choices.map((value) => h('option', { value: String(value), selected: value === state.view.variety }, `Dice ${value} σ`)));
  };
  const all = button('', '', () => setView({ all: !state.view.all }), { class: 'link' });
  const head = h('div', { class: 'panel-head' }, h('h2', {}, title), h('div', { class: 'line' },
    button('dice', `Randomise all ${title.toLowerCase()} that are not locked`, () => dice(), { quiet: true }),
    button('reset', 'Back to the face before these edits', reset, { quiet: true })));
  fill(root, head, h('div', { class: 'line controls' }, search, order, range, variety), list, all, foot);

  const push = latestWins(async (/** @type {{changes: Map<any, number>, from: Float32Array}} */ { changes, from }) => {
    const found = await attempt(async () => options.move(from, changes));
    if (found?.picture) know(found.z, found.picture);
    if (found) move(found.z);
  });

  /** @param {Map<any, number>} changes */
  const slide = (changes) => (last = push({ changes, from: (base ??= state.z) }));
  /** A move is kept when its last step has come back. @param {string} what */
  const finish = async (what) => { await last; base = null; commit(what); };

  async function change(/** @type {Map<any, number>} */ changes, /** @type {string} */ what) {
    stop();
    base = null;
    const found = await attempt(async () => options.move(state.z, changes));
    if (found?.picture) know(found.z, found.picture);
    if (found) commit(what, found.z);
  }

  function dice() {
    const free = options.axes(sort).filter((axis) => !state.locks[panel].has(axis.key));
    change(new Map(free.map((axis) => [axis.key, state.view.variety * gauss()])), `Random ${title.toLowerCase()}`);
  }

  function reset() {
    stop();
    base = null;
    if (state.locks[panel].size === 0) { setFace(state.original.z, 'Back to before', state.original.picture); return; }
    const old = read(state.original.z), keep = state.locks[panel];
    change(new Map([...old].filter(([key]) => !keep.has(key))), 'Back to before');
  }

  function stop() {
    cancelAnimationFrame(playing);
    if (playingKey === null) return;
    rows.get(playingKey)?.play(false);
    playingKey = null;
    finish('Animation');
  }

  function animate(/** @type {any} */ key) {
    const again = playingKey === key;
    stop();
    if (again) return;
    playingKey = key;
    base = state.z;
    const home = base, start = performance.now(), from = read(home).get(key) ?? 0, period = calm() ? 3 * PERIOD : PERIOD;
    rows.get(key).play(true);
    const frame = async (/** @type {number} */ now) => {
      if (playingKey !== key) return;
      const value = from + SWEEP * Math.sin((2 * Math.PI * (now - start)) / period);
      slide(new Map([[key, value]]));
      rows.get(key)?.set(value);
      playing = requestAnimationFrame(frame);
    };
    playing = requestAnimationFrame(frame);
  }

  function row(/** @type {Axis} */ axis) {
    const id = `${panel}-${String(axis.key).replace(/\W/g, '_')}`;
    const limit = state.view.range;
    const number = h('input', { type: 'number', step: 0.1, min: -20, max: 20, class: 'typed', 'aria-label': `${axis.label}, typed`, dataset: { tip: `${axis.label} in ${options.unit}; type any number.` } });
    const slider = h('input', { type: 'range', id, min: -limit, max: limit, step: 0.01, value: 0, dataset: { row: '' } });
    const gaps = axis.classes ? h('span', { class: 'gaps', dataset: { tip: `${axis.label} in class gaps: 0 is the mean of faces without it, 1 (the notch) the mean of faces with it.` } }) : null;
    const set = (/** @type {number} */ value) => {
      if (document.activeElement !== number) number.value = value.toFixed(2);
      slider.value = String(value);
      const said = gaps ? `, ${inGaps(axis, value)} gap` : '';
      if (gaps) gaps.textContent = `${inGaps(axis, value)} gap`;
      slider.setAttribute('aria-valuetext', `${axis.label} ${value >= 0 ? '+' : '−'}${Math.abs(value).toFixed(1)}, ${(options.say ?? strength)(value)}${said}`);
      slider.style.setProperty('--at', `${50 + (50 * Math.max(-1, Math.min(1, value / Number(slider.max))))}%`);
    };
    const step = (/** @type {number} */ value, /** @type {boolean} */ done) => {
      if (state.locks[panel].has(axis.key)) { set(read(state.z).get(axis.key) ?? 0); announce(`${axis.label} is locked.`); return; }
      set(value);
      slide(new Map([[axis.key, value]]));
      if (done) finish(axis.label);
    };
    slider.addEventListener('input', () => step(Number(slider.value), false));
    slider.addEventListener('change', () => finish(axis.label));
    slider.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
      const by = { ArrowRight: 0.1, ArrowUp: 0.1, ArrowLeft: -0.1, ArrowDown: -0.1, PageUp: 0.5, PageDown: -0.5 }[event.key];
      if (by === undefined || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      step(Math.max(-20, Math.min(20, Number(number.value) + (event.altKey ? by / 10 : by))), true);
    });
    number.addEventListener('change', () => { if (Number.isFinite(number.valueAsNumber)) step(Math.max(-20, Math.min(20, number.valueAsNumber)), true); });
    const nudge = (/** @type {number} */ by) => step(Number(number.value) + by, true);
    const lock = button('unlock', `Keep ${axis.label} fixed`, () => toggleLock(panel, axis.key), { quiet: true, 'aria-pressed': 'false' });
    const play = button('play', `Animate ${axis.label} by ±${SWEEP} σ`, () => animate(axis.key), { quiet: true, 'aria-pressed': 'false' });
    const el = h('div', { class: 'row', role: 'group', 'aria-label': axis.label },
      h('label', { for: id, dataset: { tip: axis.tip } }, axis.label, axis.badge ?? null),
      h('div', { class: 'extra' }, lock,
        button('reset', `${axis.label}: back to before`, () => change(new Map([[axis.key, read(state.original.z).get(axis.key) ?? 0]]), axis.label), { quiet: true }),
        button('dice', `${axis.label}: random`, () => change(new Map([[axis.key, state.view.variety * gauss()]]), axis.label), { quiet: true }), play),
      gaps, number,
      h('div', { class: 'slide' }, button('minus', `${axis.label}: less`, () => nudge(-0.1), { quiet: true }), h('div', { class: 'track' }, slider, notch(axis, limit)), button('plus', `${axis.label}: more`, () => nudge(0.1), { quiet: true })),
      axis.note ? h('p', { class: 'hint' }, axis.note) : null);
    return {
      el, set, slider,
      lock: (/** @type {boolean} */ locked) => { lock.setAttribute('aria-pressed', String(locked)); lock.replaceChildren(icon(locked ? 'lock' : 'unlock')); el.classList.toggle('locked', locked); slider.setAttribute('aria-disabled', String(locked)); },
      play: (/** @type {boolean} */ on) => { play.setAttribute('aria-pressed', String(on)); play.replaceChildren(icon(on ? 'pause' : 'play')); },
    };
  }

  function build() {
    stop();
    rows.clear();
    range.value = String(state.view.range);
    offerVariety();
    const axes = options.axes(sort), found = axes.filter((axis) => axis.label.toLowerCase().includes(filter));
    const some = state.view.all || filter ? found : found.slice(0, FEW);
    for (const axis of some) rows.set(axis.key, row(axis));
    fill(list, [...rows.values()].map((made) => made.el), found.length ? null : h('p', { class: 'waiting' }, filter && axes.length ? `Nothing is named “${filter}”.` : options.waiting?.() ?? 'Measuring the space…'));
    root.classList.toggle('empty', !axes.length);
    all.hidden = axes.length <= FEW || Boolean(filter);
    all.textContent = state.view.all ? `Show the first ${FEW}` : `Show all ${axes.length}`;
    fill(foot, options.foot?.() ?? []);
    refresh();
    locks();
  }

  /** Builds again when nobody is at a slider: it must not vanish under a hand. */
  function rebuild() {
    if (rows.size && root.contains(document.activeElement)) root.addEventListener('focusout', () => setTimeout(rebuild), { once: true });
    else build();
  }

  function refresh() {
    if (root.hidden || !rows.size) return;
    for (const [key, value] of read(state.z)) {
      const made = rows.get(key);
      if (made && Math.abs(Number(made.slider.value) - value) > 0.004 && document.activeElement !== made.slider) made.set(value);
      else if (made && !base) made.set(value);
    }
    options.after?.();
  }
  const locks = () => { for (const [key, made] of rows) made.lock(state.locks[panel].has(key)); };

  let waiting = 0;
  on('z face', () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(refresh); });
  on('locks', locks);
  let was = '';
  on('view', offerVariety);
  on('view', () => { const now = `${state.view.range} ${state.view.all}`; if (now !== was) build(); was = now; });
  return { build, rebuild, refresh };
}

/** @param {number} value */
const strength = (value) => ['average', 'slight', 'clear', 'strong', 'extreme'][Math.min(4, Math.round(Math.abs(value)))];

/** A value as a share of the way from the mean of faces without something to the mean of those with it.
 * @param {Axis} axis @param {number} value */
function inGaps(axis, value) {
  const { off, on: full } = /** @type {{off: number, on: number}} */ (axis.classes), share = (value - off) / (full - off);
  return `${share <= -0.05 ? '−' : ''}${Math.abs(share).toFixed(1)}`;
}

/** A mark on the slider at one class gap, where the slider reaches so far. @param {Axis} axis @param {number} limit */
function notch(axis, limit) {
  if (!axis.classes || Math.abs(axis.classes.on) > limit) return null;
  const mark = h('span', { class: 'notch', 'aria-hidden': 'true' });
  mark.style.setProperty('--place', String((axis.classes.on + limit) / (2 * limit)));
  return mark;
}
