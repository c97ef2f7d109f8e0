// Draws the α explorer: SVG from the data, drawn anew when α, layer, unit or the width changes. `explorer.py` describes
// the data and puts this script into the page; its last lines draw every explorer there that is not drawn yet.
"use strict";

const minus = (text) => String(text).replace("-", "−");
const fixed = (value, digits) => minus(value.toFixed(digits));
const short = (value) => minus(Number(value.toPrecision(3)));
const points = (share) => {
  const rounded = Number((100 * share).toFixed(1)) + 0; // no sign before 0.0
  return `${rounded > 0 ? "+" : ""}${fixed(rounded, 1)} points`;
};
const count = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

// Makers of elements. Strings become text nodes: nothing that comes from the data is read as markup.
const maker = (space) => (name, attributes, ...children) => {
  const made = document.createElementNS(space, name);
  set(made, attributes);
  made.append(...children);
  return made;
};
const set = (element, attributes) => {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
};
const html = maker("http://www.w3.org/1999/xhtml");
const svg = maker("http://www.w3.org/2000/svg");

// A function from values between `low` and `high` to pixels.
const linear = ([low, high], [from, to]) => (value) => from + ((value - low) / (high - low || 1)) * (to - from);

// About `wanted` round numbers between two numbers.
const steps = (low, high, wanted) => {
  const raw = (high - low) / wanted || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= raw * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  const number = Math.max(0, Math.floor(high / step + 1e-9) - first + 1);
  return Array.from({ length: number }, (_, k) => Number(((first + k) * step).toPrecision(9)));
};

// Bounds and numbers of a logarithmic axis: 1, 2 and 5 times powers of ten; the powers alone where those are many.
const LADDER = Array.from({ length: 41 }, (_, k) => [1, 2, 5].map((factor) => Number(`${factor}e${k - 20}`))).flat();
const logSteps = (least, most) => {
  const [low, high] = [LADDER.findLast((step) => step <= least), LADDER.find((step) => step >= most)];
  const inside = LADDER.filter((step) => step >= low && step <= high);
  return [low, high, inside.filter((step) => high / low < 30 || Number.isInteger(Math.log10(step)))];
};

// Which places on a line can be labelled with a gap between labels; those named first have precedence.
const apart = (places, first, gap) => {
  const kept = [];
  for (const k of new Set([...first, ...places.keys()])) {
    if (kept.every((other) => Math.abs(places[other] - places[k]) >= gap)) kept.push(k);
  }
  return kept;
};

const PAD = { left: 46, right: 12, top: 22, bottom: 44 };
const HEIGHT = 300;
const UNIT_STEPS = [0, 0.2, 0.4, 0.6, 0.8, 1]; // the index lies between 0 and 1

// Draws axes and what is given in place of what a picture shows; `x` and `y` have a title and ticks as [pixel, label].
const axes = (picture, { width, height = HEIGHT, label, x, y }, ...under) => {
  const [right, bottom] = [width - PAD.right, height - PAD.bottom];
  set(picture, { width, height, "aria-label": label });
  picture.firstChild.replaceChildren(
    ...y.ticks.flatMap(([at, text]) => [
      svg("line", { class: "grid", x1: PAD.left, x2: right, y1: at, y2: at }),
      svg("text", { x: PAD.left - 6, y: at + 4, "text-anchor": "end" }, text),
    ]),
    ...x.ticks.map(([at, text]) => svg("text", { x: at, y: bottom + 20, "text-anchor": "middle" }, text)),
    svg("line", { class: "axis", x1: PAD.left, x2: right, y1: bottom, y2: bottom }),
    svg("text", { x: (PAD.left + right) / 2, y: height - 6, "text-anchor": "middle" }, x.title),
    svg("text", { x: 4, y: 10 }, y.title),
    ...under,
  );
};

// A label beside each place where there is room for it; `texts` are [place, text], those with precedence first. Boxes
// in `full`, as [left, top, right, bottom], are left free.
const AROUND = [[1, 0], [-1, 0], [0, -1], [0, 1], [1, -1], [-1, -1], [1, 1], [-1, 1]]; // to the right, down
const labels = (picture, places, texts, width, full) => {
  const taken = [...places.map(([x, y]) => [x - 6, y - 6, x + 6, y + 6]), [0, 0, 120, 14], ...full]; // the axis's title
  const overlap = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
  for (const [k, text] of texts) {
    const [[x, y], wide] = [places[k], 7 * text.length];
    for (const [right, down] of AROUND) {
      const [left, middle] = [x + 11 * right + (wide / 2) * (right - 1), y + 18 * down];
      const box = [left - 3, middle - 8, left + wide + 3, middle + 8];
      if (left < PAD.left || left + wide > width || taken.some((other, o) => o !== k && overlap(box, other))) continue;
      taken.push(box);
      picture.firstChild.append(svg("text", { class: "value", x: left, y: middle + 4 }, text));
      break;
    }
  }
};

function render({ model, el }) {
  const { alphas, classes, layers, networks } = model;
  const [zero, last] = [alphas.indexOf(0), alphas.length - 1];
  const paper = { index: new Map(model.paper.index), change: new Map(model.paper.change) };
  const sizes = [...new Set(alphas.map(Math.abs))].sort((a, b) => a - b);
  const state = { at: zero, layer: -1, unit: null }; // `layer` −1 stands for all; `unit` is {layer, unit}
  let units = []; // those of the layer chosen
  let ranked = []; // the same, from the least to the most selective

  const label = (k) => minus(alphas[k]);
  const hue = (k) => `var(--${["lower", "zero", "raise"][Math.sign(alphas[k]) + 1]})`;
  const strength = (k) => (alphas[k] ? 0.4 + (0.6 * sizes.indexOf(Math.abs(alphas[k]))) / (sizes.length - 1) : 1);
  const index = ({ layer, unit }, k = state.at) => layers[layer].si[k][unit];
  const activity = ({ layer, unit }) => layers[layer].mean[state.at][unit];
  const same = (one, other) => one.layer === other?.layer && one.unit === other?.unit;
  const layerName = (layer) => (layer < 0 ? `all ${layers.length} layers` : `layer ${layers[layer].depth}`);
  // The places on the slider where the paper has a value, as [place, α]: between ours where α is none of ours.
  const told = [...new Set([...paper.index.keys(), ...paper.change.keys()])];
  const toldAt = told.filter((alpha) => alpha >= alphas[0] && alpha <= alphas[last]).map((alpha) => {
    const above = alphas.findIndex((other) => other >= alpha);
    return [above - (alphas[above] - alpha) / (alphas[above] - alphas[above - 1] || 1), alpha];
  });
  const important = () => [state.at, zero, 0, last]; // α values that are labelled first

  // The numbers in words, for the line above the panels and for readers who hear the pictures.
  const networkWords = () => {
    const { accuracy, index: si, each, change, pairs } = networks[state.at];
    const paired = `, ${points(change)} from α = 0 over the ${count(pairs, "seed")} that both have`;
    const beside = state.at !== zero && pairs ? paired : "";
    const value = (values) => values.get(alphas[state.at]);
    const inPaper = (values, say) => (value(values) === undefined ? "" : `, in the paper ${say(value(values))}`);
    return [
      [`α = ${label(state.at)}`, ` mean of ${count(each.length, "network")}`],
      [`${fixed(100 * accuracy, 1)} %`, ` test accuracy${beside}${inPaper(paper.change, points)}`],
      [fixed(si, 3), ` mean selectivity index${inPaper(paper.index, short)}`],
    ];
  };
  const unitName = () => `Unit ${model.every * state.unit.unit} of ${layerName(state.unit.layer)}`;
  const unitWords = () => `${unitName()}: selectivity index ${fixed(index(state.unit), 3)} at α = ${label(state.at)}`;

  // Controls and panels, made once. JupyterLab takes the arrow keys of what does not have the attribute.
  const control = (name, attributes) => html(name, { ...attributes, "data-lm-suppress-shortcuts": true });
  const slider = control("input", { type: "range", max: last, "aria-label": "α" });
  const ruler = svg("svg", { height: toldAt.length ? 32 : 18, "aria-hidden": "true" });
  const select = control("select", { "aria-label": "layer" });
  select.append(...[-1, ...layers.keys()].map((layer) => html("option", { value: layer }, layerName(layer))));
  const rank = control("input", { type: "range", "aria-label": "unit, from the least to the most selective" });
  const said = html("p", { class: "state", "aria-live": "polite" });
  const panel = (kind, ...below) => {
    const [title, key] = [html("p", { class: "title" }), html("p", { class: "key" })];
    const picture = svg("svg", { role: "img", class: kind }, svg("g", {}));
    return { title, picture, key, box: html("div", {}, title, picture, ...below, key) };
  };
  const [sweep, bars, path] = ["pick", "", "pick"].map((kind) => panel(kind));
  const cloud = panel("pick", html("div", { class: "rank" }, "least selective", rank, "most selective"));
  const dots = cloud.picture.appendChild(svg("g", {})); // kept from one drawing to the next, so that units glide
  const share = model.every > 1 ? ` Of each layer one unit in ${model.every} is drawn.` : "";
  const gaps = model.left_out.length ? ` No units of this seed at α = ${model.left_out.map(minus).join(", ")}.` : "";
  sweep.title.append("Accuracy against selectivity");
  const order = html("span", {});
  // The page of words, where the host is the book; JupyterLab and Voilà have none.
  const glossary = document.querySelector(".bd-sidebar a[href$='glossary.html']")?.getAttribute("href");
  cloud.title.append(html("span", {}, "Units of"), select, order);
  bars.key.setAttribute("aria-live", "polite");
  path.key.append("Points: the unit. Dotted: the mean of its layer.");
  sweep.key.append("Large: the mean at an α; small: single networks.");
  const fromPaper = (words) => sweep.key.append(" ", html("span", { class: "paper" }, words));
  if (paper.index.size) fromPaper("▲ the paper’s index at that α.");
  for (const [alpha, change] of paper.change) {
    const drawn = alphas.includes(alpha);
    const what = drawn ? "◆ our accuracy at α = 0 with the paper’s change" : "The paper’s change in accuracy";
    fromPaper(`${what}: ${points(change)} from α = 0 to ${minus(alpha)}.`);
  }
  const ends = [["lower", "← less selective"], ["now", ""], ["raise", "more selective →"]];
  const note =
    `${model.network} on ${model.data}, ${count(model.epochs, "epoch")}. Accuracy and mean index are means over ` +
    `networks of different seeds; differences in accuracy pair the networks of a seed. Units are those of seed ` +
    `${model.seed}, whose networks start from the same weights at every α, so that a unit can be followed; their ` +
    `measures have three significant digits.${share}${gaps}`;
  const scale = html("div", { class: "ends" }, ...ends.map(([sign, text]) => html("b", { class: sign }, text)));
  el.replaceChildren(
    html("div", { class: "controls" }, scale, slider, ruler),
    said,
    html("div", { class: "panels" }, ...[sweep, cloud, bars, path].map(({ box }) => box)),
    html("p", { class: "key" }, note),
  );

  // What a click on a picture chooses: the nearest of [x, y, action]; without y only x counts.
  const picks = new Map();
  for (const { picture } of [sweep, cloud, path]) {
    picture.addEventListener("click", (event) => {
      const box = picture.getBoundingClientRect();
      const away = ([x, y]) => Math.hypot(x + box.left - event.clientX, y === null ? 0 : y + box.top - event.clientY);
      const nearest = picks.get(picture).reduce((one, other) => (away(other) < away(one) ? other : one));
      if (away(nearest) < 32) nearest[2]();
    });
  }

  const drawSweep = (width) => {
    const every = networks.flatMap(({ each }) => each);
    const most = 1.05 * Math.max(...every.map(([si]) => si), ...paper.index.values());
    // The paper's change from our accuracy at α = 0, across at our own index: only where its α is one of ours.
    const changes = [...paper.change].filter(([alpha]) => alphas.includes(alpha));
    const changed = changes.map(([alpha, change]) => [alphas.indexOf(alpha), 100 * (networks[zero].accuracy + change)]);
    const accuracies = [...changed.map(([, share]) => share), ...every.map(([, accuracy]) => 100 * accuracy)];
    const [low, high] = [Math.min(...accuracies), Math.max(...accuracies)];
    const span = [low - 0.06 * (high - low || 1), high + 0.06 * (high - low || 1)];
    const bottom = HEIGHT - PAD.bottom;
    const x = linear([0, most], [PAD.left + 12, width - PAD.right]); // a ring at 0 covers no number beside the axis
    const y = linear(span, [bottom - (paper.index.size ? 24 : 0), PAD.top + 10]); // the paper's marks stand below
    const marks = [...paper.index].map(([alpha, si]) => [x(si), minus(alpha)]).reverse();
    const marked = apart(marks.map(([at]) => at), [], 24);
    const places = networks.map(({ index: si, accuracy }) => [x(si), y(100 * accuracy)]);
    const diamonds = changed.map(([k, share]) => [x(networks[k].index), y(share)]);
    const words = networkWords().map((parts) => parts.join("")).join("; ");
    axes(
      sweep.picture,
      {
        ...{ width, label: `Test accuracy against mean selectivity index. ${words}.` },
        x: { title: "mean selectivity index", ticks: steps(0, most, width / 70).map((si) => [x(si), short(si)]) },
        y: { title: "test accuracy (%)", ticks: steps(...span, 5).map((share) => [y(share), short(share)]) },
      },
      ...marks.map(([at]) => svg("path", { class: "paper", d: `M${at - 5} ${bottom}h10l-5 -9z` })),
      ...marked.map((k) => svg("text", { class: "paper", x: marks[k][0] - 6, y: bottom - 11 }, marks[k][1])),
      svg("polyline", { class: "line", points: places.join(" ") }),
      ...networks.flatMap(({ each }, k) =>
        each.map(([si, share]) => svg("circle", { cx: x(si), cy: y(100 * share), r: 2, fill: hue(k) })),
      ),
      ...places.map(([cx, cy], k) => svg("circle", { cx, cy, r: 5.5, fill: hue(k), "fill-opacity": strength(k) })),
      svg("circle", { class: "chosen", cx: places[state.at][0], cy: places[state.at][1], r: 9 }),
      ...diamonds.map(([at, height]) => svg("path", { class: "paper", d: `M${at} ${height - 6}l6 6l-6 6l-6 -6z` })),
    );
    const full = diamonds.map(([at, height]) => [at - 6, height - 6, at + 6, height + 6]);
    full.push(...every.map(([si, share]) => [x(si) - 2, y(100 * share) - 2, x(si) + 2, y(100 * share) + 2]));
    const texts = [...new Set([...important(), ...alphas.keys()])];
    labels(sweep.picture, places, texts.map((k) => [k, k === state.at ? `α = ${label(k)}` : label(k)]), width, full);
    picks.set(sweep.picture, places.map(([px, py], k) => [px, py, () => change({ at: k })]));
  };

  // Where the view's units stand across, and the axis: by layer, or by mean activity with a place of their own for dead
  // units, which a logarithmic axis does not reach.
  const across = ([from, to]) => {
    if (state.layer < 0) {
      const at = linear([0, layers.length], [from, to]);
      const middles = layers.map((_, k) => at(k + 0.5));
      const ticks = apart(middles, [], 26).map((k) => [middles[k], layers[k].depth]);
      const place = ({ layer, unit }) => at(layer + 0.1 + (0.8 * (unit + 0.5)) / layers[layer].si[0].length);
      return [place, { title: "layer, from input to output", ticks }];
    }
    const alive = layers[state.layer].mean[state.at].filter((value) => value > 0);
    const [low, high, values] = alive.length ? logSteps(Math.min(...alive), Math.max(...alive)) : [1, 1, []];
    const at = linear([Math.log10(low), Math.log10(high)], [from + 44, to]);
    const none = alive.length < layers[state.layer].si[0].length ? [[from + 6, "dead"]] : [];
    const ticks = [...none, ...values.map((value) => [at(Math.log10(value)), short(value)])];
    const widest = Math.max(...ticks.map(([, text]) => 7 * text.length));
    const clear = apart(ticks.map(([px]) => px), [0], widest + 4).map((k) => ticks[k]);
    const place = (unit) => (activity(unit) > 0 ? at(Math.log10(activity(unit))) : from + 6);
    return [place, { title: "mean activity (logarithmic)", ticks: clear }];
  };

  const drawCloud = (width) => {
    const y = linear([0, 1], [HEIGHT - PAD.bottom, PAD.top]);
    const [place, x] = across([PAD.left + 8, width - PAD.right - 6]);
    const average = mean(units.map((unit) => index(unit)));
    const dead = units.filter((unit) => activity(unit) === 0).length;
    const before = `${count(units.length, "unit")} of seed ${model.seed}, ${dead} `;
    const after = `${dead ? " (index 0)" : ""}; mean index ${fixed(average, 3)}`;
    const ticks = UNIT_STEPS.map((si) => [y(si), short(si)]);
    const module = layers[state.layer]?.name ?? "";
    const title = `Selectivity index of ${layerName(state.layer)}: ${before}dead${after}. ${unitWords()}.`;
    const places = units.map((unit) => [place(unit), y(index(unit))]);
    const own = places[units.findIndex((unit) => same(unit, state.unit))];
    // Units of another layer, or at another width, do not glide to their places.
    if (dots.dataset.view !== `${state.layer} ${width}`) {
      const r = units.length > 300 ? 2.5 : 4;
      dots.replaceChildren(...units.map(() => svg("circle", { class: "dot", r })));
      dots.dataset.view = `${state.layer} ${width}`;
    }
    places.forEach(([px, py], k) => {
      dots.children[k].style.transform = `translate(${px}px, ${py}px)`;
    });
    axes(
      cloud.picture,
      { width, label: title, x, y: { title: "selectivity index", ticks } },
      svg("line", { class: "mean", x1: PAD.left, x2: width - PAD.right, y1: y(average), y2: y(average) }),
      svg("circle", { class: "chosen", cx: own[0], cy: own[1], r: 7 }),
      svg("text", { class: "module", x: width - PAD.right, y: 10, "text-anchor": "end" }, module),
    );
    picks.set(cloud.picture, places.map(([px, py], k) => [px, py, () => change({ unit: units[k] })]));
    const hint = `${after} (dotted). Tap or click a unit to choose it, or move the slider.`;
    const link = () => html("a", { href: `${glossary}#term-dead-unit` }, "dead");
    cloud.key.replaceChildren(before, glossary ? link() : "dead", hint);
    order.textContent = state.layer < 0 ? "by layer" : "by mean activity";
  };

  const drawBars = (width) => {
    const responses = layers[state.unit.layer].responses[state.at][state.unit.unit];
    const best = responses.indexOf(Math.max(...responses));
    const [high, rest] = [responses[best], mean(responses.filter((_, k) => k !== best))];
    const [left, row] = [Math.min(110, 16 + 7 * Math.max(...classes.map((name) => name.length))), 20];
    const [x, end] = [linear([0, high], [left, width - 56]), row * classes.length];
    const anchor = x(rest) > width / 2 ? "end" : "start";
    const paint = (k) => ({ fill: hue(state.at), "fill-opacity": k === best ? 1 : 0.5 });
    const spoken = responses.map((value, k) => `${classes[k]} ${short(value)}`).join(", ");
    set(bars.picture, { width, height: end + 26, "aria-label": `${unitName()}: mean activity by class: ${spoken}.` });
    bars.picture.firstChild.replaceChildren(
      svg("line", { class: "axis", x1: left, x2: left, y1: 0, y2: end }),
      svg("line", { class: "mean", x1: x(rest), x2: x(rest), y1: 0, y2: end + 8 }),
      svg("text", { x: x(rest), y: end + 21, "text-anchor": anchor }, `mean of the others ${short(rest)}`),
      ...responses.flatMap((value, k) => [
        svg("text", { x: left - 6, y: row * k + 14, "text-anchor": "end" }, classes[k]),
        svg("rect", { ...paint(k), x: left, y: row * k + 2, width: x(value) - left, height: row - 4 }),
        svg("text", { class: "value", x: x(value) + 6, y: row * k + 14 }, short(value)),
      ]),
    );
    bars.title.textContent = `${unitName()}: mean activity by class`;
    const [a, b, si] = [short(high), short(rest), fixed(index(state.unit), 3)];
    const choice = Number(index(state.unit).toFixed(3)) ? `It responds most to ${classes[best]}.` : "It prefers no class.";
    const alive = `(${a} − ${b}) / (${a} + ${b}) = ${si}. ${choice}`;
    const dead = "0. The unit is dead: it responds to no image.";
    bars.key.textContent = `Index at α = ${label(state.at)}: ${high > 0 ? alive : dead}`;
  };

  const drawPath = (width) => {
    const height = 20 * classes.length + 26; // as high as the bars beside it
    const x = linear([0, last], [PAD.left + 12, width - PAD.right - 12]);
    const y = linear([0, 1], [height - PAD.bottom, PAD.top]);
    const across = alphas.map((_, k) => x(k));
    const own = across.map((at, k) => [at, y(index(state.unit, k))]);
    const average = across.map((at, k) => [at, y(mean(layers[state.unit.layer].si[k]))]);
    const values = alphas.map((_, k) => `${fixed(index(state.unit, k), 3)} at ${label(k)}`).join(", ");
    axes(
      path.picture,
      {
        ...{ width, height, label: `${unitName()}: selectivity index by α: ${values}.` },
        x: { title: "α", ticks: apart(across, important(), 28).map((k) => [across[k], label(k)]) },
        y: { title: "selectivity index", ticks: UNIT_STEPS.map((si) => [y(si), short(si)]) },
      },
      svg("line", { class: "grid here", x1: x(state.at), x2: x(state.at), y1: PAD.top, y2: height - PAD.bottom }),
      svg("polyline", { class: "mean", points: average.join(" ") }),
      svg("polyline", { class: "line", points: own.join(" ") }),
      ...own.map(([cx, cy], k) => svg("circle", { cx, cy, r: 5, fill: hue(k), "fill-opacity": strength(k) })),
      svg("circle", { class: "chosen", cx: own[state.at][0], cy: own[state.at][1], r: 8 }),
    );
    picks.set(path.picture, across.map((at, k) => [at, null, () => change({ at: k })]));
    path.title.textContent = `${unitName()}: index by α`;
  };

  const draw = () => {
    if (!el.clientWidth) return;
    const shown = state.layer < 0 ? [...layers.keys()] : [state.layer];
    units = shown.flatMap((layer) => layers[layer].si[0].map((_, unit) => ({ layer, unit })));
    ranked = [...units].sort((a, b) => index(a) - index(b));
    // The chosen unit stays where it is among those shown; otherwise the most selective of them is chosen.
    if (!units.some((unit) => same(unit, state.unit))) state.unit = ranked.at(-1);
    set(el, { style: `--hue: ${hue(state.at)}; --zero-at: ${(100 * zero) / (last || 1)}%` });
    slider.value = state.at;
    slider.setAttribute("aria-valuetext", `α = ${label(state.at)}`);
    rank.max = units.length - 1;
    rank.value = ranked.findIndex((unit) => same(unit, state.unit));
    rank.setAttribute("aria-valuetext", unitWords());
    const [[chosen], [accuracy], [si]] = networkWords();
    scale.children[1].textContent = `${chosen}: ${accuracy}, index ${si}`;
    said.replaceChildren(...networkWords().map(([value, what]) => html("span", {}, html("b", {}, value), what)));
    const x = linear([0, last], [12, slider.clientWidth - 12]); // the thumb is 24 wide
    const marked = apart(alphas.map((_, k) => x(k)), important(), 28);
    ruler.setAttribute("width", slider.clientWidth);
    const style = (k) => ({ "text-anchor": "middle", class: k === state.at ? "bold" : "" });
    const words = toldAt.map(([at, alpha]) => [x(at), Number.isInteger(at) ? "paper" : `paper: ${minus(alpha)}`]);
    ruler.replaceChildren(
      ...marked.map((k) => svg("text", { x: x(k), y: 13, ...style(k) }, label(k))),
      ...words.map(([at]) => svg("line", { class: "paper", x1: at, x2: at, y1: -8, y2: 0 })),
      ...words.map(([at, text]) => svg("text", { class: "paper", x: at, y: 28, "text-anchor": "middle" }, text)),
    );
    for (const [{ box }, part] of [[sweep, drawSweep], [cloud, drawCloud], [bars, drawBars], [path, drawPath]]) {
      part(box.clientWidth);
    }
  };
  const change = (what) => {
    Object.assign(state, what);
    draw();
  };
  // A swipe that scrolls the page began as a touch, which had moved the slider.
  for (const input of [slider, rank]) {
    let before;
    input.addEventListener("pointerdown", () => (before = input.value));
    input.addEventListener("pointercancel", () => {
      input.value = before;
      input.dispatchEvent(new Event("input"));
    });
  }
  slider.addEventListener("input", () => change({ at: Number(slider.value) }));
  rank.addEventListener("input", () => change({ unit: ranked[Number(rank.value)] }));
  select.addEventListener("change", () => change({ layer: Number(select.value) }));
  draw();
  let width = el.clientWidth;
  new ResizeObserver(() => {
    if (el.clientWidth !== width) draw();
    width = el.clientWidth;
  }).observe(el);
}

for (const root of document.querySelectorAll(".alpha-explorer:not([data-drawn])")) {
  root.dataset.drawn = "";
  const data = root.querySelector("script[type='application/json']").textContent;
  render({ model: JSON.parse(data), el: root.querySelector(".drawing") });
}
