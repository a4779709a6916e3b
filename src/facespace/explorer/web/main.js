// @ts-check
/** Puts the page together: the key, the connection, the panels, and the face that the address asks for. */

import { $, announce, attempt, button, fill, h, loadIcons, startTips, tabs, toast } from './dom.js';
import { engine } from './engine.js';
import { startKeyboard } from './keyboard.js';
import { startAttributes } from './panels/attributes.js';
import { startComponents } from './panels/components.js';
import { startDraw } from './panels/draw.js';
import { firstVisit } from './panels/help.js';
import { startHistory } from './panels/history.js';
import { startMap } from './panels/map.js';
import { startMorph } from './panels/morph.js';
import { startPhoto } from './panels/photo.js';
import { oneRandom, startRandom } from './panels/random.js';
import { startRaw } from './panels/raw.js';
import { startSaved } from './panels/saved.js';
import { know, startStage } from './panels/stage.js';
import { fromLink, link, startTopbar } from './panels/topbar.js';
import { fromDocument, on, openSpace, sessionStore, setFace, setStatistics, setView, state, takeView } from './state.js';

const KEY = 'facespace:key', SPACE = 'facespace:space', POLL = 700;
const hidden = new Set((new URLSearchParams(location.search).get('hide') ?? '').split(',').filter(Boolean));
let wanted = new URLSearchParams(location.hash.slice(1)).get('s');
let opened = false;

/** The key comes in the address, leaves it at once, and stays with this tab; another tab of this page may lend it. */
async function key() {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  history.replaceState(null, '', `${location.pathname}${location.search}${wanted ? `#s=${wanted}` : ''}`);
  if (given) sessionStore?.setItem(KEY, given);
  const kept = given ?? sessionStore?.getItem(KEY) ?? null;
  const channel = new BroadcastChannel('facespace');
  channel.onmessage = ({ data }) => { const mine = sessionStore?.getItem(KEY); if (data === 'key?' && mine) channel.postMessage({ key: mine }); };
  if (kept) return kept;
  const lent = await new Promise((/** @type {(key: string | null) => void} */ done) => {
    const ask = new BroadcastChannel('facespace');
    ask.onmessage = ({ data }) => { if (typeof data?.key === 'string') done(data.key); };
    ask.postMessage('key?');
    setTimeout(() => done(null), 400);
  });
  if (lent) sessionStore?.setItem(KEY, lent);
  return lent;
}

/** @param {any} badge */
function listen(badge) {
  engine.onstatus = (status) => {
    document.body.dataset.engine = status;
    if (status === 'ready') { $('#gone')?.remove(); if (!opened) { opened = true; attempt(() => switchTo(Number(sessionStore?.getItem(SPACE)) || 0).catch(() => switchTo(0))); } return; }
    badge.textContent = status === 'refused' ? 'no key' : 'server gone';
    badge.classList.add('gone');
    if (!$('#gone')) gone(status === 'refused');
  };
}

/** What the page says while nobody answers: the last face stays. @param {boolean} refused */
function gone(refused) {
  const field = h('input', { type: 'text', placeholder: 'http://127.0.0.1:…/#token=…', 'aria-label': 'The address with the key', autocomplete: 'off' });
  const words = refused ? 'This page needs the key of the running explorer: paste the address that it printed.' : 'The server is gone; your face is safe here. Start it again with facespace explore and open the new address, or wait: this page tries again by itself.';
  const use = () => { const found = /token=([\w-]+)/.exec(field.value)?.[1]; if (found) { sessionStore?.setItem(KEY, found); location.reload(); } else toast('There is no key in this address. It ends in #token=…', 'error'); };
  document.body.append(h('div', { class: 'banner', id: 'gone', role: 'alert' }, h('span', {}, words), refused ? field : null, refused ? button('', 'Use it', use, { class: 'primary' }) : null));
}

/** Opens one of the spaces. @param {number} index */
async function switchTo(index) {
  const facts = await engine.use(index);
  sessionStore?.setItem(SPACE, String(index));
  document.title = `${facts.name} · facespace`;
  const again = openSpace(facts);
  const mean = await engine.mean();
  know(mean.z, mean.picture);
  if (wanted) {
    await attempt(async () => fromDocument(fromLink(wanted ?? ''), 'Link')).finally(() => { wanted = null; });
  }
  if (!state.history.length && !again) {
    setFace(mean.z, 'Average face');
    await oneRandom();
  }
  statistics(index);
}

/** Asks until the figures are there; the page works without them meanwhile. @param {number} index */
async function statistics(index) {
  let stage = 0;
  while (index === engine.space && stage < 2) {
    const found = /** @type {any} */ (await engine.statistics().catch(() => ({ stage: 0 })));
    if (index !== engine.space) return;
    if (found.failed) { toast(found.failed, 'error'); return; }
    if (found.stage > stage) { stage = found.stage; setStatistics(found); }
    if (stage < 2) await new Promise((done) => setTimeout(done, POLL));
  }
}

function layOut() {
  const left = /** @type {[string, string][]} */ ([['random', 'Random'], ['draw', 'Draw'], ['photo', 'Photo'], ['map', 'Map'], ['saved', 'Saved']]);
  const right = /** @type {[string, string][]} */ ([['attributes', 'Attributes'], ['components', 'Components'], ['raw', 'Raw']]);
  const below = /** @type {[string, string][]} */ ([['history', 'History'], ['morph', 'Morph']]);
  const groups = /** @type {[string, [string, string][], 'source' | 'edit' | 'bottom'][]} */ ([['#source-tabs', left, 'source'], ['#edit-tabs', right, 'edit'], ['#bottom-tabs', below, 'bottom']]);
  for (const [bar, all, name] of groups) {
    const some = all.filter(([id]) => !hidden.has(id));
    for (const [id] of all) if (hidden.has(id)) $(`#${id}`).hidden = true;
    if (!some.length) { $(bar).closest('section').hidden = true; continue; }
    const show = tabs(bar, some, (id) => { if (state.view[name] !== id) setView({ [name]: id }); side(name === 'bottom' ? 'below' : name); });
    const first = some.find(([id]) => id === state.view[name])?.[0] ?? some[0][0];
    state.view[name] = first;
    show(first);
    on('view', () => { if ($(`#tab-${state.view[name]}`)?.getAttribute('aria-selected') === 'false') show(state.view[name]); });
  }
  const parts = /** @type {[string, string][]} */ ([['source', 'Faces'], ['edit', 'Edit'], ['below', 'Timeline']]);
  fill($('#switch'), parts.map(([name, words]) => h('button', { type: 'button', dataset: { part: name }, onclick: () => side(name) }, words)));
  on('view', () => { document.body.dataset.tab = state.view.source; });
  side('source');
}

/** Which part is under the face on a narrow screen. @param {string} name */
function side(name) {
  document.body.dataset.side = name;
  for (const one of $('#switch').children) one.setAttribute('aria-pressed', String(one.dataset.part === name));
}

async function start() {
  loadIcons();
  startTips();
  startStage();
  const badge = startTopbar((index) => attempt(() => switchTo(index)));
  for (const begin of [startRandom, startDraw, startPhoto, startMap, startSaved, startAttributes, startComponents, startRaw, startHistory, startMorph]) begin();
  try { if (wanted) takeView(fromLink(wanted)); } catch { /* told when the link is opened */ }
  layOut();
  startKeyboard();
  on('face view', () => { if (!state.facts || wanted) return; const next = `#${link().split('#')[1]}`; if (location.hash !== next) history.replaceState(null, '', next); });
  listen(badge);
  const secret = await key();
  if (!secret) { engine.onstatus('refused'); return; }
  engine.connect(secret);
  if (!hidden.has('tour')) firstVisit();
  announce('The explorer is ready.');
}

start();
