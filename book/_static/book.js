// What is wider than the screen scrolls: by the keyboard too.
const reachable = () => {
  document.querySelectorAll('mjx-container[display="true"], .selectivity-figure').forEach((part) => {
    if (part.scrollWidth > part.clientWidth) {
      part.setAttribute("tabindex", "0");
    } else {
      part.removeAttribute("tabindex");
    }
  });
};
window.MathJax?.startup?.promise?.then(reachable);
["load", "resize"].forEach((event) => window.addEventListener(event, reachable));

// The theme marks a heading in the page's contents while it passes the upper part of the window, and misses it in a jump.
// Where none is there after scrolling, the section that fills the window is that of the last heading above.
const contents = document.querySelector("#pst-page-toc-nav");
const entries = [...(contents?.querySelectorAll("a[href^='#']:not([href='#'])") ?? [])];
const heights = () =>
  entries.map(({ hash }) => {
    const part = document.getElementById(decodeURIComponent(hash.slice(1)));
    return (part?.querySelector("h1, h2, h3, h4, h5, h6") ?? part)?.getBoundingClientRect().top ?? Infinity;
  });
window.addEventListener("scrollend", () => {
  const tops = heights();
  const here = entries[tops.findLastIndex((top) => top < 0)];
  if (!here || tops.some((top) => top >= 0 && top < 0.3 * window.innerHeight)) return;
  for (const entry of entries) {
    entry.classList.toggle("active", entry === here);
    if (entry === here) entry.setAttribute("aria-current", "true");
    else entry.removeAttribute("aria-current");
  }
  contents.querySelectorAll(".toc-entry").forEach((item) => item.classList.toggle("active", item.contains(here)));
});

// Tables of outputs with sentences look like those of the pages. A column with words starts where its head does.
document.querySelectorAll(".cell_output table").forEach((table) => {
  const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
  if (rows.some((row) => [...row.cells].some((cell) => cell.textContent.trim().length > 40))) {
    table.classList.add("selectivity-table");
    const words = rows.flatMap((row) => [...row.cells]).filter((cell) => /\p{L}{3}/u.test(cell.textContent));
    const places = new Set(words.map((cell) => cell.cellIndex));
    [...table.rows].forEach((row) => places.forEach((k) => row.cells[k]?.classList.add("selectivity-words")));
  }
});

// On a phone a row becomes a card: each cell says under which heading it stands.
document.querySelectorAll(".selectivity-table").forEach((table) => {
  const heads = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
  table.querySelectorAll("tbody tr").forEach((row) => {
    [...row.cells].forEach((cell, place) => cell.setAttribute("data-head", heads[place] ?? ""));
  });
});

// On a phone pictures are shrunk to the page as long as letters of 9 points stay 9 pixels high; wider ones are scrolled.
const smallest = 0.7;
document.querySelectorAll(".selectivity-figure img").forEach((image) => {
  image.style.setProperty("--smallest", `${smallest * image.getAttribute("width")}px`);
});

// Of a picture of several panels a phone shows one below the other: each frame is a window onto a copy of the picture.
const phone = window.matchMedia("(max-width: 600px)");
const unsplit = ".selectivity-figure:not(:has(.selectivity-panel)) > img[data-panels]";
const split = () => {
  if (!phone.matches) return;
  document.querySelectorAll(unsplit).forEach((image) => {
    const whole = Number(image.getAttribute("width"));
    const frames = JSON.parse(image.dataset.panels).map(([left, top, width, height], place) => {
      const frame = document.createElement("div");
      frame.className = "selectivity-panel";
      frame.style.aspectRatio = `${width} / ${height}`;
      frame.style.width = `clamp(${smallest * width}px, 100%, ${2 * smallest * width}px)`;
      const copy = image.cloneNode();
      copy.style.maxWidth = "none";
      copy.style.width = `${(100 * whole) / width}%`;
      copy.style.left = `${(-100 * left) / width}%`;
      copy.style.top = `${(-100 * top) / height}%`;
      if (place) {
        copy.alt = "";
        copy.setAttribute("aria-hidden", "true");
      }
      frame.append(copy);
      return frame;
    });
    image.after(...frames);
  });
};
split();
phone.addEventListener("change", split);

// What the theme and Sphinx write is mended, so that assistive technology reads it right: names that hide what an element
// says, roles of lists without entries, and lists of parameters inside a term.
document
  .querySelectorAll("summary[aria-label], .search-button-field[aria-label]")
  .forEach((part) => part.removeAttribute("aria-label"));
document.querySelectorAll(".theme-switch-button").forEach((button) => {
  const mend = () => {
    button.querySelectorAll("title").forEach((part) => part.remove());
    button.querySelectorAll("i, svg").forEach((icon) => {
      icon.removeAttribute("title");
      icon.setAttribute("aria-hidden", "true");
    });
  };
  mend();
  new MutationObserver(mend).observe(button, { childList: true, subtree: true }); // icons become SVG a little later
});
document.querySelectorAll(".citation-list, .citation").forEach((part) => part.removeAttribute("role"));
document.querySelectorAll(".sig dl, .sig dd").forEach((part) => part.setAttribute("role", "none"));

// Search: a question is looked up as the word that it asks about, and an excerpt is prose of the section or of the
// glossary's entry found, not code, tables or formulas. A page comes first by how much of its title the words are, where
// all stand in it, and objects of the reference come last, unless a name with an underscore is asked for; where pages tie,
// one that explains a word comes before the glossary.
if (typeof Search !== "undefined") {
  const asked = (query) => query.replace(/^\s*what (is|are) ((an?|the) )?|[?\s]+$/gi, "");
  const parse = Search._parseQuery;
  Search._parseQuery = (query) => parse(asked(query));
  const notProse = ".headerlink, script, style, summary, pre, table, .math, .cell_input, h1";
  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    const target = anchor ? page.getElementById(anchor.slice(1)) : null;
    const own = target?.matches("dt") ? page.querySelector(`${anchor} ~ dd`) : target?.closest("section");
    const text = own ?? page.querySelector("article");
    text?.querySelectorAll(notProse).forEach((part) => part.remove());
    return text?.textContent.replace(/\s+/g, " ").trim() ?? "";
  };
  const stems = (text) => splitQuery(text.toLowerCase()).map((word) => new Stemmer().stemWord(word));
  Scorer.score = (result) => {
    const [page, title, anchor, kind, score] = result;
    if (anchor.startsWith("#index-")) result[2] = ""; // below the title: not the page a second time
    const words = asked(new URLSearchParams(location.search).get("q"));
    if (kind) return score + (words.includes("_") ? 1000 : -1000);
    const [wanted, there] = [stems(words).filter((word) => !stopwords.includes(word)), stems(title)];
    const share = wanted.length && wanted.every((word) => there.includes(word)) ? words.length / title.length : 0;
    return score + (share && 40 + 200 * share) - (page === "book/glossary");
  };
}
