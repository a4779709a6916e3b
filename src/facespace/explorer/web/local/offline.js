// @ts-check
/** Has the browser keep a static site, so that it opens without a network at the next visit. */

/** Starts the service worker; nothing where the browser has none, as on pages without https. */
export function startOffline() {
  const { dataset } = document.body;
  if (!navigator.serviceWorker) return;
  navigator.serviceWorker
    .register(new URL('sw.js', document.baseURI))
    .then(() => navigator.serviceWorker.ready)
    .then(() => {
      dataset.offline = 'ready';
    })
    .catch(console.debug);
}
