// @ts-check
/** The service worker of a static site: keeps the page of one version of the site, and answers from the browser's
 * cache, which the page's worker fills with the spaces that were opened. Another version has a cache of its own; the
 * older one goes when no tab shows it any more. Publishing writes the version and the page's files before this text. */

const scope = /** @type {any} */ (self);
/** @type {{version: string, shell: string[]}} */
const { version, shell } = scope.facespaceSite;
/** @type {string} */
const base = scope.registration.scope;
const PREFIX = `facespace ${base} `;
const NAME = PREFIX + version;

scope.addEventListener('install', (/** @type {any} */ event) => event.waitUntil(keepPage()));
scope.addEventListener('activate', (/** @type {any} */ event) => event.waitUntil(takeOver()));
scope.addEventListener('fetch', (/** @type {any} */ event) => {
  /** @type {Request} */
  const request = event.request;
  if (request.method === 'GET' && request.url.startsWith(base)) event.respondWith(answer(request));
});

async function keepPage() {
  const cache = await caches.open(NAME);
  // Not from the browser's ordinary cache, which may still have files of an older version.
  await cache.addAll(shell.map((path) => new Request(new URL(path, base), { cache: 'no-cache' })));
}

/** Drops the caches of older versions of this site, and of no other. */
async function takeOver() {
  for (const name of await caches.keys()) {
    if (name.startsWith(PREFIX) && name !== NAME) await caches.delete(name);
  }
  await scope.clients.claim();
}

/** @param {Request} request */
async function answer(request) {
  const cache = await caches.open(NAME);
  const known = await cache.match(request, { ignoreSearch: request.mode === 'navigate' });
  return known ?? fetch(request);
}
