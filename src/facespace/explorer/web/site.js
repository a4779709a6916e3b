// @ts-check
/** Whether this page is a static site, which plays its spaces in the browser, or belongs to a server. */

/** The address of the list of the site's files; undefined on the page of a server. */
export const siteList = document.body.dataset.site;

export const isSite = siteList !== undefined;
