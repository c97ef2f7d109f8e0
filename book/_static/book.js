// ipywidgets typesets its labels through MathJax 2's queue, which MathJax 3 does not have.
if (window.MathJax?.startup) {
  window.MathJax.Hub = {
    Queue: ([, , element]) => window.MathJax.startup.promise.then(() => window.MathJax.typesetPromise([element])),
  };
}

// The handle of a slider is announced without a name, and with the position's number for a value.
const name = (handle) => {
  const slider = handle.closest(".widget-slider");
  const readout = slider.querySelector(".widget-readout");
  const announce = () => handle.setAttribute("aria-valuetext", readout.textContent);
  handle.setAttribute("aria-label", slider.querySelector(".widget-label").textContent);
  new MutationObserver(announce).observe(readout, { childList: true, characterData: true, subtree: true });
  announce();
};
new MutationObserver(() => {
  document.querySelectorAll(".widget-slider .noUi-handle:not([aria-label])").forEach((handle) => {
    if (handle.closest(".widget-slider").querySelector(".widget-readout")?.textContent) {
      name(handle);
    }
  });
}).observe(document.body, { childList: true, characterData: true, subtree: true });

// What is wider than the screen scrolls: by the keyboard too.
const reachable = () => {
  document.querySelectorAll('mjx-container[display="true"], .selectivity-picture').forEach((part) => {
    if (part.scrollWidth > part.clientWidth) {
      part.setAttribute("tabindex", "0");
    } else {
      part.removeAttribute("tabindex");
    }
  });
};
window.MathJax?.startup?.promise?.then(reachable);
["load", "resize"].forEach((event) => window.addEventListener(event, reachable));

// On a phone a row becomes a card: each cell says under which heading it stands.
document.querySelectorAll(".selectivity-table").forEach((table) => {
  const heads = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
  table.querySelectorAll("tbody tr").forEach((row) => {
    [...row.cells].forEach((cell, place) => cell.setAttribute("data-head", heads[place] ?? ""));
  });
});

// On a phone a picture of several panels is scrolled, one of a single panel shrunk to the page.
document.querySelectorAll(".selectivity-picture img").forEach((image) => {
  const mark = () => image.classList.toggle("selectivity-wide", image.naturalWidth > 600);
  image.complete ? mark() : image.addEventListener("load", mark);
});

// What the theme and Sphinx write is mended, so that assistive technology reads it right: names that hide what an element
// says, roles of lists without entries, and lists of parameters inside a term.
document
  .querySelectorAll("summary[aria-label], .search-button-field[aria-label]")
  .forEach((part) => part.removeAttribute("aria-label"));
document.querySelectorAll(".theme-switch[title]").forEach((icon) => icon.removeAttribute("title"));
document.querySelectorAll(".citation-list, .citation").forEach((part) => part.removeAttribute("role"));
document.querySelectorAll(".sig dl, .sig dd").forEach((part) => part.setAttribute("role", "none"));

// Search: excerpts show prose, not code, tables or formulas; where pages tie, one that explains a word comes before the
// glossary.
if (typeof Search !== "undefined") {
  const notProse = ".headerlink, script, style, summary, pre, table, .math, .cell_input, h1";
  Search.htmlToText = (html) => {
    const text = new DOMParser().parseFromString(html, "text/html").querySelector("article");
    text?.querySelectorAll(notProse).forEach((part) => part.remove());
    return text?.textContent.replace(/\s+/g, " ").trim() ?? "";
  };
  Scorer.score = ([page, , , , score]) => score - (page === "book/glossary");
}
