// @ts-check
/** Assembles the page: the access token, the connection, the panels, and the face that the address asks for. */

import { isOwnAddress, writeAddress } from './address.js';
import { $, announce, attempt, button, find, h, isAborted, loadIcons, setPressed, toast } from './dom.js';
import { fromLink, restoreView } from './document.js';
import { engine } from './engine.js';
import { startKeyboard } from './keyboard.js';
import { startAttributes } from './panels/attributes.js';
import { startComponents } from './panels/components.js';
import { startDraw } from './panels/draw.js';
import { startFirstTour } from './panels/help.js';
import { startHeat } from './panels/heat.js';
import { startHistory } from './panels/history.js';
import { startLesson } from './panels/lesson.js';
import { startMap } from './panels/map.js';
import { startMix } from './panels/mix.js';
import { startMorph } from './panels/morph.js';
import { startPad } from './panels/pad.js';
import { startPhoto } from './panels/photo.js';
import { startRandom } from './panels/random.js';
import { startRaw } from './panels/raw.js';
import { startSaved } from './panels/saved.js';
import { startStage } from './panels/stage.js';
import { startTopbar } from './panels/topbar.js';
import { accessToken, storeToken, tokenIn } from './session.js';
import { isSite } from './site.js';
import { lastSpace, LINK, openLink, showSpace } from './spaces.js';
import { decoderChanged, on, openFacts, panelShown, setView, showAgain, state } from './state.js';
import { undoSwipes } from './swipe.js';
import { createTabs } from './tabs.js';
import { startTooltips } from './tooltips.js';

/** @typedef {import('./connection_state.js').Status} Status */
/** @typedef {import('./tabs.js').Tabs} Tabs */

const PANELS = [
  startRandom,
  startDraw,
  startPhoto,
  startMap,
  startMix,
  startSaved,
  startAttributes,
  startComponents,
  startRaw,
  startPad,
  startHeat,
  startHistory,
  startMorph,
  startLesson,
];

/** @type {{list: string, view: 'source' | 'edit' | 'bottom', part: string, tabs: Tabs}[]} */
const TAB_GROUPS = [
  {
    list: '#source-tabs',
    view: 'source',
    part: 'source',
    tabs: [
      ['random', 'Random'],
      ['draw', 'Draw'],
      ['photo', 'Photo'],
      ['map', 'Map'],
      ['mix', 'Mix'],
      ['saved', 'Saved'],
    ],
  },
  {
    list: '#edit-tabs',
    view: 'edit',
    part: 'edit',
    tabs: [
      ['attributes', 'Attributes'],
      ['components', 'Components'],
      ['raw', 'Raw'],
      ['pad', 'Pad'],
    ],
  },
  {
    list: '#bottom-tabs',
    view: 'bottom',
    part: 'below',
    tabs: [
      ['history', 'History'],
      ['morph', 'Morph'],
    ],
  },
];

/** @type {[string, string][]} */
const PARTS = [
  ['source', 'Faces'],
  ['edit', 'Edit'],
  ['below', 'Timeline'],
];

const TOKEN_REFUSED = 'The running explorer does not take the access token of this address.';
const TUNING_LOST = 'The connection was lost, and with it the copy that was tuned to your photo. Tune again in Photo.';

const hideParameter = new URLSearchParams(location.search).get('hide') ?? '';
const hidden = new Set(hideParameter.split(',').filter(Boolean));
let linkText = new URLSearchParams(location.hash.slice(1)).get('s'); // until the linked face is restored
let spaceOpened = false;

async function start() {
  loadIcons();
  startTooltips();
  undoSwipes();
  startStage();
  const badge = startTopbar((index) => attempt(() => showSpace(index)));
  for (const startPanel of PANELS) startPanel();
  restoreLinkedView();
  layOut();
  startKeyboard();
  on('face mix own locks shown', updateAddress); // of what the address holds
  addEventListener('hashchange', takeAddress);
  engine.connection.onstatus = (status) => handleStatus(status, badge);
  engine.connection.onproblem = showProblem;
  const token = isSite ? '' : await accessToken(linkText);
  if (token === null) {
    engine.connection.onstatus('refused');
    return;
  }
  engine.connect(token);
  if (!hidden.has('tour')) startFirstTour();
  announce('The explorer is ready.');
}

function restoreLinkedView() {
  try {
    if (linkText) restoreView(fromLink(linkText));
  } catch {
    // Reported when the face is restored.
  }
}

/** Takes an address that was pasted into this tab: the one that a server printed, or a link to a face. */
function takeAddress() {
  const token = isSite ? null : tokenIn(location.hash);
  const text = new URLSearchParams(location.hash.slice(1)).get('s');
  if (token) attempt(() => takeToken(token));
  if (text && state.facts) attempt(() => openLink(text));
  if (text && !state.facts) linkText = text;
  updateAddress();
}

/** @param {string} token */
async function takeToken(token) {
  const taken = await engine.takeToken(token);
  if (taken) storeToken(token);
  else toast(TOKEN_REFUSED, 'error');
  return taken;
}

function updateAddress() {
  if (state.facts && !linkText) writeAddress();
}

/**
 * @param {Status} status
 * @param {HTMLElement} badge
 */
function handleStatus(status, badge) {
  document.body.dataset.engine = status;
  if (status === 'ready') {
    showConnected(badge);
    if (!spaceOpened) openFirstSpace();
    return;
  }
  const refused = status === 'refused';
  badge.textContent = refused ? 'no token' : 'disconnected';
  badge.classList.add('disconnected');
  const shown = find('#disconnected');
  if (shown?.dataset.status === status) return;
  shown?.remove();
  showBanner(refused ? tokenBanner() : disconnectedBanner());
}

/**
 * The connection is there, or there again: what has changed meanwhile is shown.
 * @param {HTMLElement} badge
 */
function showConnected(badge) {
  const banner = find('#disconnected');
  banner?.remove();
  badge.textContent = 'local';
  badge.classList.remove('disconnected');
  if (engine.dropLostTunings()) {
    toast(TUNING_LOST);
    decoderChanged();
  } else if (banner && state.facts) returnToSpace();
}

/** Shows the faces of the open space again, or loads the page anew where the server has another space in its place. */
async function returnToSpace() {
  const { fingerprint } = openFacts();
  const facts = await engine.selectSpace(engine.space).catch((error) => (isAborted(error) ? undefined : null));
  const gone = document.body.dataset.engine !== 'ready'; // again
  if (facts === undefined || gone) return;
  if (facts?.fingerprint === fingerprint) showAgain();
  else location.reload();
}

/** Opens the space that this tab showed last, else the first; with a link, the one of its face. */
async function openFirstSpace() {
  spaceOpened = true;
  const document = linkText ? await attempt(async () => fromLink(/** @type {string} */ (linkText))) : null;
  const own = linkText !== null && isOwnAddress(linkText);
  linkText = null;
  const firstInstead = (/** @type {unknown} */ error) => {
    if (isAborted(error)) throw error; // another one was chosen meanwhile
    return showSpace(0, document, LINK, own);
  };
  await attempt(() => showSpace(lastSpace(), document, LINK, own).catch(firstInstead));
  if (!state.facts) spaceOpened = false; // the connection was lost again: the next one tries
}

/** @param {string} sentence why this browser does not play a static page */
function showProblem(sentence) {
  if (!find('#problem')) showBanner(h('div', { class: 'banner', id: 'problem', role: 'alert' }, sentence));
}

/**
 * @param {Status} status
 * @param {...HTMLElement} content
 */
const banner = (status, ...content) =>
  h('div', { class: 'banner', id: 'disconnected', role: 'alert', dataset: { status } }, content);

/** A banner has room of its own under the top bar; where the page scrolls, what sticks to its top sticks below it. */
const bannerSize = new ResizeObserver(([{ target }]) => {
  const { height } = target.getBoundingClientRect(); // 0 once it is gone
  document.body.style.setProperty('--banner', `${height}px`);
});

/** @param {HTMLElement} element */
function showBanner(element) {
  $('.bar').after(element);
  bannerSize.disconnect();
  bannerSize.observe(element);
}

function disconnectedBanner() {
  const words =
    'The explorer server does not answer; the face is kept. Start it again with facespace explore and open the new ' +
    'address, or wait: this page reconnects by itself.';
  return banner('disconnected', h('span', {}, words));
}

function tokenBanner() {
  const words = 'This page needs the access token of the running explorer: paste the address that it printed.';
  const field = h('input', {
    type: 'text',
    placeholder: 'http://127.0.0.1:…/#token=…',
    'aria-label': 'Address with the access token',
    autocomplete: 'off',
  });
  const use = () => {
    const token = tokenIn(field.value);
    if (!token) {
      toast('This address has no access token. It ends in #token=…', 'error');
      return;
    }
    attempt(async () => {
      if (await takeToken(token)) location.reload(); // the server may have other spaces
    });
  };
  field.addEventListener('keydown', ({ key }) => {
    if (key === 'Enter') use();
  });
  return banner('refused', h('span', {}, words), field, button('', 'Use it', use, { class: 'primary' }));
}

function layOut() {
  for (const group of TAB_GROUPS) addTabs(group);
  for (const [name, label] of PARTS) {
    const props = { type: 'button', dataset: { part: name }, onclick: () => setView({ part: name }) };
    $('#switch').append(h('button', props, label));
  }
  const showView = () => {
    document.body.dataset.tab = state.view.source;
    showPart(state.view.part);
  };
  on('view', showView);
  showView();
}

/**
 * Creates the tabs of one group, without those that the address hides.
 * @param {(typeof TAB_GROUPS)[number]} group
 */
function addTabs({ list, view, part, tabs }) {
  for (const [id] of tabs) {
    if (hidden.has(id)) $(`#${id}`).hidden = true;
  }
  const visible = tabs.filter(([id]) => !hidden.has(id));
  if (!visible.length) {
    const section = $(list).closest('section');
    if (section) section.hidden = true;
    return;
  }
  let started = false; // a tab that is restored does not bring its part to the front
  const show = createTabs(list, visible, (id) => {
    if (started && (state.view[view] !== id || state.view.part !== part)) setView({ [view]: id, part });
    panelShown();
  });
  const ids = visible.map(([id]) => id);
  const first = ids.includes(state.view[view]) ? state.view[view] : ids[0];
  Object.assign(state.view, { [view]: first });
  show(first);
  started = true;
  on('view', () => {
    const selected = find(`#tab-${state.view[view]}`)?.getAttribute('aria-selected');
    if (selected === 'false') show(state.view[view]);
  });
}

/**
 * Selects the part that a narrow screen shows under the face.
 * @param {string} name
 */
function showPart(name) {
  document.body.dataset.side = name;
  /** @type {NodeListOf<HTMLElement>} */
  const buttons = document.querySelectorAll('#switch button');
  for (const element of buttons) setPressed(element, element.dataset.part === name);
}

start();
