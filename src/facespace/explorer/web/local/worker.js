// @ts-check
/** The worker of a static page: reads the list of the site's files, answers requests, and loads all that a space needs
 * once it is opened, so that nothing is loaded later. */

import { Files } from './files.js';
import { handlers } from './handlers.js';
import { Networks } from './networks.js';
import { LocalSpace } from './space.js';

/** @typedef {import('./messages.js').Asked} Asked */
/** @typedef {import('./messages.js').FromPage} FromPage */
/** @typedef {import('./messages.js').FromWorker} FromWorker */
/** @typedef {import('./messages.js').Site} Site */
/** @typedef {import('./messages.js').SiteSpace} SiteSpace */
/** @typedef {import('./messages.js').Start} Start */

/** @typedef {{site: Site, spaces: LocalSpace[]}} Ready */

const UPDATED = 'This site was published again while the page was loading. Load the page again.';

/** @type {Files} */
let files;
/** @type {Networks} */
let networks;
/** @type {Promise<Ready>} */
let ready;
/** Paths whose loading is shown. @type {string[]} */
let shown = [];
/** Spaces whose files are all there, or on the way. @type {Set<SiteSpace>} */
const begun = new Set();

/**
 * @param {FromWorker} message
 * @param {Transferable[]} [transfer]
 */
const post = (message, transfer = []) => self.postMessage(message, { transfer });

self.onmessage = (/** @type {MessageEvent<FromPage>} */ { data }) => {
  if ('start' in data) begin(data.start);
  else answer(data);
};

/** @param {Start} start */
function begin(start) {
  files = new Files(start, showProgress);
  networks = new Networks(start, files);
  ready = openSite(start);
  ready.catch(() => {}); // each request says so
}

/**
 * @param {Start} start
 * @returns {Promise<Ready>}
 */
async function openSite(start) {
  /** @type {Site} */
  const site = JSON.parse(new TextDecoder().decode(await files.read(start.list)));
  if (site.version !== start.version) throw new Error(UPDATED);
  return { site, spaces: site.spaces.map((space) => new LocalSpace(space, files, networks)) };
}

/** @param {Asked} asked */
async function answer({ id, name, fields, payload }) {
  try {
    const { site, spaces } = await ready;
    const space = spaces[Number(fields.space) || 0];
    const handler = handlers[name];
    if (!space || !handler) throw new Error(`This page does not know the request ${name}.`);
    if (name === 'facts') load(space.site);
    const reply = await handler({ site, space, fields, payload });
    const milliseconds = Math.round(100 * networks.milliseconds) / 100;
    const names = spaces.map((other) => other.site.name);
    post({ id, header: { ...reply.header, id, ok: true, spaces: names, milliseconds }, payload: reply.payload }, [
      reply.payload,
    ]);
  } catch (error) {
    post({ id, error: error instanceof Error ? error.message : String(error) });
  }
}

// ---- Loading

/**
 * Loads a space: first what shows its faces, then the rest.
 * @param {SiteSpace} space
 */
async function load(space) {
  if (begun.has(space)) return;
  begun.add(space);
  const prior = Object.values(space.priors).some(({ network }) => network);
  const first = prior ? ['decoder', 'prior'] : ['decoder'];
  shown = [Networks.runtimeFile, ...first.map((name) => Networks.fileOf(space, name))];
  try {
    for (const name of first) await networks.open(space, name);
    post({ progress: null });
    for (const path of space.files) await files.keep(path);
    await networks.open(space, 'encoder');
    const { site } = await ready;
    if (site.detector) await files.keep(site.detector);
    post({ loaded: space.folder });
  } catch (error) {
    begun.delete(space);
    post({ progress: null });
    console.debug(error); // the request that needs what is missing says so
  }
}

async function showProgress() {
  if (!shown.length) return;
  const { site } = await ready;
  let loaded = 0;
  let total = 0;
  for (const path of shown) {
    loaded += files.loaded.get(path) ?? 0;
    total += site.bytes[path] ?? 0;
  }
  if (total && loaded < total) post({ progress: { loaded, total } });
}
