// @ts-check
/* What the theme's own script adds to a page without names: the buttons of a block of code are a group, not another
   landmark, and what scrolls sideways is reached by the keyboard. */

/** @param {string} selector @param {Record<string, string>} attributes */
function complete(selector, attributes) {
  for (const element of document.querySelectorAll(selector)) {
    for (const [name, value] of Object.entries(attributes)) {
      if (element.getAttribute(name) !== value) element.setAttribute(name, value);
    }
  }
}

function completeAll() {
  complete(".md-search[role=dialog]", { "aria-label": "Search" });
  complete("nav.md-code__nav", { role: "group", "aria-label": "Code" });
  complete("nav.md-nav nav.md-nav:not(.md-nav--secondary)", { role: "group" });
  complete(".md-typeset__scrollwrap, .md-typeset div.formula", { tabindex: "0" });
}

completeAll();
new MutationObserver(completeAll).observe(document.body, { childList: true, subtree: true });
