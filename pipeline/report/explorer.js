// The interactive part of the report. It draws what stands in the page as data and computes nothing but pictures.
// Names come from harvests: they are set as text only, never as markup.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const root = document.getElementById("explorer");
  const SVG = document.getElementById("explorer-plot").namespaceURI;
  const BLUE = "#0072B2", INK = "#222", PALE = "#8a8a8a", GRID = "#e8e8e8";
  const NEAR = 0.35; // opacity of a truth whose λ is one step away
  const state = { condition: 0, at: data.start, axis: 0, outputs: [0, data.size - 1] }; // at: λ
  const cache = new Map();

  // --- λ: points have numbers, by which outputs are found.

  const key = (at) => at.join();
  const known = new Map(data.points.map((point, i) => [key(point), i]));
  const refused = new Map(); // reasons, by the condition's number and λ

  const here = () => known.get(key(state.at));
  const isServed = (point) => point !== undefined && data.served[state.condition][point] !== undefined;
  const refusal = () => refused.get(`${state.condition}/${key(state.at)}`);
  const moved = (axis, value) => state.at.map((v, p) => (p === axis ? value : v));
  const place = (axis, value) => data.axes[axis].values.indexOf(value);

  function along(axis) { // the points of a line through λ along one coordinate, as far as they are answered
    return data.axes[axis].values.map((value) => known.get(key(moved(axis, value)))).filter(isServed);
  }

  function around() { // the anchors around λ: one at an anchor, two in an interval, the corners of a cell
    return data.around[here()].map((k) => data.anchors[k]);
  }

  function heldOut() { // the held-out λ that is shown: here, or one step away
    if (!data.truth[state.condition]?.length) return null; // of a condition that was typed, nothing is known
    const near = (point) => Math.max(...data.points[point].map((value, p) => Math.abs(place(p, value) - place(p, state.at[p]))));
    const found = data.heldOut.filter((point) => near(point) <= 1).sort((a, b) => near(a) - near(b));
    return found.length ? { point: found[0], index: data.heldOut.indexOf(found[0]), here: found[0] === here() } : null;
  }

  const inWords = (at) => (at.length > 1 ? `(${at.map((value) => number(value)).join(", ")})` : number(at[0]));
  const words = (point) => inWords(data.points[point]);

  // --- samples: flat lists, row by row.

  function rows(values) {
    const found = [];
    for (let i = 0; i < values.length; i += data.size) found.push(values.slice(i, i + data.size));
    return found;
  }

  const served = (point) => rows(data.served[state.condition][point]);
  const band = (point) => (data.band ? rows(data.band[state.condition][point]) : null);
  const own = (point) => rows(data.own[state.condition][data.anchors.indexOf(point)]);
  const truth = (index) => rows(data.truth[state.condition][index]);

  function limits(output) { // of everything that this condition ever shows, so that the frame stands still
    const key = `${state.condition}/${output}`;
    if (!cache.has(key)) {
      let low = Infinity, high = -Infinity;
      const see = (value) => { low = Math.min(low, value); high = Math.max(high, value); };
      const c = state.condition;
      for (const list of [data.served, data.own, data.truth]) {
        for (const sample of (list[c] || []).filter(Boolean)) for (let i = output; i < sample.length; i += data.size) see(sample[i]);
      }
      if (data.band) data.band[c].forEach((widths, point) => widths.forEach((width, i) => {
        if (i % data.size === output) [-width, width].forEach((w) => see(data.served[c][point][i] + w));
      }));
      const margin = 0.05 * (high - low) || 0.5 * Math.abs(high) || 1;
      cache.set(key, [low - margin, high + margin]);
    }
    return cache.get(key);
  }

  function number(value, digits = 4) {
    return String(Number(value.toPrecision(digits)));
  }

  // --- elements.

  function make(name, parent, attributes = {}, text = "") {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    parent.append(element);
    return element;
  }

  function shape(name, parent, attributes, text = "") {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    parent.append(element);
    return element;
  }

  const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)},${y.toFixed(1)}`).join("");
  const cross = (x, y, r) => path([[x - r, y - r], [x + r, y + r]]) + path([[x - r, y + r], [x + r, y - r]]);

  // --- axes of a drawing.

  function ticks(low, high, count) {
    const rough = (high - low) / Math.max(count, 1), power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
    const found = [];
    for (let k = Math.ceil(low / step); k * step <= high; k += 1) found.push(Number((k * step).toPrecision(12)));
    return found;
  }

  function frame(svg, box, x, y) { // x, y: {at, ticks: [[value, text]], label}
    for (const [value, text] of y.ticks) {
      shape("line", svg, { x1: box.left, x2: box.right, y1: y.at(value), y2: y.at(value), stroke: GRID });
      shape("text", svg, { x: box.left - 6, y: y.at(value) + 4, "text-anchor": "end" }, text);
    }
    for (const [value, text] of x.ticks) {
      shape("line", svg, { x1: x.at(value), x2: x.at(value), y1: box.top, y2: box.bottom, stroke: GRID });
      shape("text", svg, { x: x.at(value), y: box.bottom + 17, "text-anchor": "middle" }, text);
    }
    shape("line", svg, { x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom, stroke: PALE });
    shape("line", svg, { x1: box.left, x2: box.left, y1: box.top, y2: box.bottom, stroke: PALE });
    shape("text", svg, { x: (box.left + box.right) / 2, y: box.bottom + 36, "text-anchor": "middle" }, x.label);
    shape("text", svg, { x: 4, y: 13 }, y.label);
  }

  function box(svg, height, widest = Infinity) {
    const width = Math.min(Math.max(svg.parentElement.clientWidth, 240), widest);
    svg.replaceChildren();
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("width", width);
    svg.setAttribute("height", height);
    return { left: 52, right: width - 14, top: 24, bottom: height - 44 };
  }

  function linear(low, high, from, to, label) {
    const count = Math.abs(to - from) / (to < from ? 45 : 70); // upwards, labels need less room
    return {
      at: (value) => from + ((value - low) / (high - low)) * (to - from),
      ticks: ticks(low, high, count).map((value) => [value, number(value)]),
      label,
    };
  }

  function hyperparameter(axis, from, to) { // logarithmic where the steps between two anchors are
    const { values, anchors, label } = data.axes[axis];
    const ends = anchors.map((i) => values[i]);
    const log = ends.some((value, k) => k && ends[k - 1] > 0 && value >= 10 * ends[k - 1]);
    const way = log && ends[0] > 0 ? Math.log : (value) => value;
    const at = (value) => from + ((way(value) - way(ends[0])) / (way(ends.at(-1)) - way(ends[0]))) * (to - from);
    let last = -Infinity;
    const shown = ends.filter((value) => at(value) - last >= 34 && ((last = at(value)), true));
    return { at, ticks: shown.map((value) => [value, number(value)]), label };
  }

  // --- the drawings.

  function quantile(sorted, share) {
    const place = share * (sorted.length - 1), i = Math.floor(place);
    return sorted[i] + (place - i) * ((sorted[i + 1] ?? sorted[i]) - sorted[i]);
  }

  function area(svg, points, opacity) { // points: [x, low, high]
    const back = [...points].reverse().map(([x, , high]) => [x, high]);
    shape("path", svg, { d: `${path([...points.map(([x, low]) => [x, low]), ...back])}Z`, fill: BLUE, opacity });
  }

  function drawLine(svg) { // one output over λ
    const b = box(svg, 360), [low, high] = limits(0), a = state.axis;
    const x = hyperparameter(a, b.left + 8, b.right - 8), y = linear(low, high, b.bottom, b.top, data.outputs[0]);
    frame(svg, b, x, y);
    const points = along(a), values = points.map((point) => data.points[point][a]), now = x.at(state.at[a]);
    shape("line", svg, { x1: now, x2: now, y1: b.top, y2: b.bottom, stroke: BLUE, "stroke-dasharray": "3 3" });
    if (data.draws) {
      const sorted = points.map((point) => [...data.served[state.condition][point]].sort((p, q) => p - q));
      const part = (from, to) => sorted.map((s, i) => [x.at(values[i]), y.at(quantile(s, from)), y.at(quantile(s, to))]);
      area(svg, part(0.05, 0.95), 0.13);
      area(svg, part(0.25, 0.75), 0.2);
      shape("path", svg, { d: path(part(0.5, 0.5)), stroke: BLUE, fill: "none", "stroke-width": 2 });
    } else {
      const curve = points.map((point, i) => [x.at(values[i]), served(point)[0][0], band(point)?.[0][0]]);
      if (data.band) area(svg, curve.map(([across, value, w]) => [across, y.at(value - w), y.at(value + w)]), 0.16);
      shape("path", svg, { d: path(curve.map(([across, v]) => [across, y.at(v)])), stroke: BLUE, fill: "none", "stroke-width": 2 });
    }
    points.filter((point) => data.anchors.includes(point)).forEach((point) => own(point).forEach(([value]) => {
      const across = x.at(data.points[point][a]);
      shape("rect", svg, { x: across - 3, y: y.at(value) - 3, width: 6, height: 6, fill: PALE, opacity: data.draws ? 0.25 : 0.9 });
    }));
    served(here()).forEach(([value], i) => {
      const aside = data.draws ? -4 - 14 * ((i * 0.618) % 1) : 0;
      shape("circle", svg, { cx: now + aside, cy: y.at(value), r: data.draws ? 2.5 : 5, fill: BLUE, opacity: 0.8 });
    });
    const held = heldOut();
    if (!held) return;
    truth(held.index).forEach(([value], i) => {
      const across = x.at(data.points[held.point][a]) + (data.draws ? 4 + 14 * ((i * 0.618) % 1) : 0);
      const d = cross(across, y.at(value), data.draws ? 2.5 : 5);
      shape("path", svg, { d, stroke: INK, "stroke-width": data.draws ? 1 : 2, opacity: held.here ? 0.9 : NEAR });
    });
  }

  function drawFan(svg) { // all outputs beside each other: forecasts over their horizon
    const count = data.size, past = (data.history[state.condition] || []).slice(-Math.max(4, 2 * count));
    const all = data.outputs.map((_, i) => limits(i));
    const low = Math.min(...past, ...all.map((l) => l[0])), high = Math.max(...past, ...all.map((l) => l[1]));
    const b = box(svg, 380), y = linear(low, high, b.bottom, b.top, data.units ? `output [${data.units}]` : "output");
    const x = linear(-past.length - 0.5, count - 0.5, b.left + 4, b.right - 4, past.length ? "past | forecast" : "");
    const every = Math.ceil(count / Math.max(1, (x.at(count) - x.at(0)) / 64));
    x.ticks = data.names.map((name, i) => [i, name]).filter(([i]) => i % every === 0);
    frame(svg, b, x, y);
    const line = (values, attributes) => shape("path", svg, {
      d: path(values.map((value, i) => [x.at(i), y.at(value)])), fill: "none", "stroke-width": 1.5, ...attributes,
    });
    if (past.length) {
      const points = past.map((value, i) => [x.at(i - past.length), y.at(value)]);
      shape("path", svg, { d: path(points), fill: "none", stroke: INK, "stroke-width": 1.5 });
      const edge = x.at(-0.5);
      shape("line", svg, { x1: edge, x2: edge, y1: b.top, y2: b.bottom, stroke: PALE, "stroke-dasharray": "2 3" });
    }
    around().forEach((point) => own(point).forEach((values) => line(values, { stroke: PALE, opacity: data.draws ? 0.15 : 0.7 })));
    const widths = band(here());
    served(here()).forEach((values, k) => {
      if (widths) {
        area(svg, values.map((value, i) => [x.at(i), y.at(value - widths[k][i]), y.at(value + widths[k][i])]), data.draws ? 0.03 : 0.16);
        if (!data.draws) values.forEach((value, i) => {
          const ends = [value - widths[k][i], value + widths[k][i]].map(y.at);
          shape("line", svg, { x1: x.at(i), x2: x.at(i), y1: ends[0], y2: ends[1], stroke: BLUE, opacity: 0.6 });
        });
      }
      line(values, { stroke: BLUE, "stroke-width": data.draws ? 1 : 2.5, opacity: data.draws ? 0.35 : 1 });
      if (!data.draws) values.forEach((value, i) => shape("circle", svg, { cx: x.at(i), cy: y.at(value), r: 3, fill: BLUE }));
    });
    const held = heldOut();
    if (held) truth(held.index).forEach((values) => {
      const opacity = (held.here ? 1 : NEAR) * (data.draws ? 0.35 : 1);
      line(values, { stroke: INK, "stroke-dasharray": "4 3", opacity });
      if (!data.draws) values.forEach((value, i) => {
        shape("path", svg, { d: cross(x.at(i), y.at(value), 4), stroke: INK, "stroke-width": 1.5, opacity });
      });
    });
  }

  function drawPlane(svg) { // two outputs against each other
    const [u, v] = state.outputs, b = box(svg, Math.min(460, Math.max(320, svg.parentElement.clientWidth * 0.75)), 660);
    let [left, right] = limits(u), [low, high] = limits(v);
    const wide = (right - left) / (b.right - b.left), tall = (high - low) / (b.bottom - b.top);
    const ratio = (high - low) / (right - left);
    if (data.square && ratio > 0.6 && ratio < 1.7) { // equal lengths for equal steps: circles look round
      const grow = Math.max(wide, tall), x = (left + right) / 2, y = (low + high) / 2;
      [left, right] = [-1, 1].map((s) => x + (s * grow * (b.right - b.left)) / 2);
      [low, high] = [-1, 1].map((s) => y + (s * grow * (b.bottom - b.top)) / 2);
    }
    const x = linear(left, right, b.left, b.right, data.outputs[u]), y = linear(low, high, b.bottom, b.top, data.outputs[v]);
    frame(svg, b, x, y);
    const at = (row) => [x.at(row[u]), y.at(row[v])];
    if (!data.draws) {
      const d = path(along(state.axis).map((point) => at(served(point)[0])));
      shape("path", svg, { d, fill: "none", stroke: BLUE, "stroke-width": 1.5, opacity: 0.45 });
    }
    around().forEach((point) => own(point).map(at).forEach(([cx, cy]) => {
      shape("rect", svg, { x: cx - 2.5, y: cy - 2.5, width: 5, height: 5, fill: PALE, opacity: data.draws ? 0.35 : 0.9 });
    }));
    const widths = band(here());
    served(here()).forEach((row, k) => {
      const [cx, cy] = at(row);
      if (widths) shape("ellipse", svg, {
        cx, cy, rx: Math.abs(x.at(row[u] + widths[k][u]) - cx), ry: Math.abs(y.at(row[v] + widths[k][v]) - cy), fill: BLUE,
        opacity: data.draws ? 0.05 : 0.16,
      });
      shape("circle", svg, { cx, cy, r: data.draws ? 3.2 : 5, fill: BLUE, opacity: 0.7 });
    });
    const held = heldOut();
    if (held) truth(held.index).map(at).forEach(([cx, cy]) => {
      shape("path", svg, { d: cross(cx, cy, data.draws ? 3 : 5), stroke: INK, "stroke-width": 1.2, opacity: held.here ? 0.9 : NEAR });
    });
  }

  function tiles(values, shown) { // a row of images on a canvas, a white pixel between two
    const canvas = document.createElement("canvas"), side = data.side, span = side + 1;
    canvas.width = shown * span - 1;
    canvas.height = side;
    const pen = canvas.getContext("2d"), pixels = pen.createImageData(canvas.width, canvas.height);
    pixels.data.fill(255);
    rows(values).slice(0, shown).forEach((image, k) => image.forEach((value, i) => {
      const grey = 255 * (1 - Math.min(1, Math.max(0, (value - data.white) / (data.black - data.white))));
      const place = 4 * (Math.floor(i / side) * canvas.width + k * span + (i % side));
      pixels.data.fill(grey, place, place + 3);
    }));
    pen.putImageData(pixels, 0, 0);
    return canvas;
  }

  function drawImages(figure) {
    const c = state.condition, outputs = data.served[c][here()], held = heldOut(), list = figure.querySelector(".images");
    const count = outputs.length / data.size;
    const shown = Math.max(1, Math.min(count, Math.floor(list.clientWidth / 38)));
    const lines = around().map((point) => [`anchor ${words(point)}`, data.own[c][data.anchors.indexOf(point)], 0.5]);
    lines.push([`surrogate ${words(here())}`, outputs, 1]);
    if (held) lines.push([`truth ${words(held.point)}`, data.truth[c][held.index], held.here ? 1 : NEAR]);
    list.replaceChildren();
    for (const [text, values, opacity] of lines) {
      const item = make("div", list), canvas = tiles(values, shown);
      make("span", item, text.startsWith("surrogate") ? { class: "own" } : {}, text);
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `${text}: ${shown} images`);
      canvas.style.opacity = opacity;
      canvas.style.maxWidth = `${shown * 80}px`;
      item.append(canvas);
    }
  }

  const DRAWINGS = { line: drawLine, fan: drawFan, plane: drawPlane };

  function draw() {
    const svg = document.getElementById("explorer-plot"), answered = isServed(here());
    const why = answered ? "" : refusal() || problem;
    svg.parentElement.classList.toggle("refused", why !== ""); // the last drawing is of another λ
    root.querySelector(".why").textContent = why;
    if (answered && data.view === "image") drawImages(svg.parentElement);
    else if (answered) DRAWINGS[data.view](svg);
    const said = answered ? found() : `${where()}: ${why ? "no answer." : "asking …"}`;
    root.querySelector(".said").textContent = said;
    svg.setAttribute("aria-label", said);
    ask();
  }

  // --- what is said beside the drawing.

  const where = () => `${data.axes.map((axis) => axis.name).join(", ")} = ${inWords(state.at)}`;

  function among() {
    const corners = around();
    if (corners.length === 1) return "an anchor";
    if (corners.length <= 4) return `between the anchors ${corners.map(words).join(" and ")}`;
    const ends = data.axes.map((axis, p) => corners.map((k) => data.points[k][p])).map((v) => [Math.min(...v), Math.max(...v)]);
    const spans = ends.map(([low, high], p) => `${data.axes[p].name} ${number(low)} to ${number(high)}`);
    return `between ${corners.length} anchors, of ${spans.join(", ")}`;
  }

  function found() {
    const point = here(), held = heldOut(), c = state.condition, said = [`${where()}: ${among()}.`];
    if (held?.here) {
      said.push(`Held out: ${data.measure} to the truth ${number(data.errors[c][held.index], 3)}${data.units ? ` ${data.units}²` : ""}.`);
    } else if (held) {
      said.push(`The truth shown is that of the held-out ${words(held.point)}.`);
    } else if (!data.anchors.includes(point)) {
      said.push("No network was trained here: there is no truth to show.");
    }
    if (data.draws) {
      const other = held?.here ? `, of the truth's ${number(data.truthSpread[c][held.index], 3)}` : "";
      said.push(`Spread of the surrogate's draws ${number(data.spread[c][point], 3)}${other}.`);
    }
    for (const text of data.warned?.[c][point] || []) said.push(`Note: ${data.texts[text] ?? text}.`);
    return said.join(" ");
  }

  // --- where there are more λ than the page holds: the server's answers along the slider that is moved.

  const asked = new Set(); // lines: the condition's number, the coordinate, and λ without it
  let asking = false, problem = "";
  const line = () => `${state.condition}/${state.axis}/${key(moved(state.axis, ""))}`;

  async function ask() { // one question at a time; whoever moves on meanwhile is answered next
    if (!data.lines || asking || problem || asked.has(line())) return;
    asking = true;
    const wanted = line(), { condition: c, at, axis } = { ...state };
    try {
      keep(c, await post({ condition: data.given[c], line: { at, along: axis } }));
      asked.add(wanted);
    } catch (error) {
      if (wanted === line()) problem = error.message;
    }
    asking = false;
    draw();
  }

  function keep(c, answer) { // what is known of one condition along a line
    answer.points.forEach((point, i) => {
      if (!known.has(key(point))) {
        known.set(key(point), data.points.push(point) - 1);
        data.around.push(answer.around[i]);
      }
      for (const part of ["served", "spread", "warned"]) data[part][c][known.get(key(point))] ??= answer[part][i];
    });
    for (const [point, reason] of answer.refused) refused.set(`${c}/${key(point)}`, reason);
    cache.clear();
  }

  async function post(question) {
    const answer = await fetch("answer", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(question),
    }).catch(() => { throw new Error("the server cannot be reached; start it again, and load this page anew"); });
    if (!answer.ok && answer.status !== 400) throw new Error(`the server failed (status ${answer.status}); its terminal says why`);
    const document = await answer.json();
    if (!answer.ok) throw new Error(document.error);
    return document;
  }

  // --- controls.

  function control(parent, id, text) {
    const line = make("div", parent, { class: "control" });
    make("label", line, { for: id }, text);
    return line;
  }

  function select(parent, id, text, options, chosen, change) {
    const list = make("select", control(parent, id, text), { id });
    options.forEach((option, i) => make("option", list, { value: i }, option));
    list.value = chosen;
    list.addEventListener("change", () => { change(Number(list.value)); move(); });
    return list;
  }

  const sliders = [];

  function slider(parent, axis, p) {
    const id = `explorer-slider-${p}`, line = control(parent, id, axis.label), last = axis.values.length - 1;
    const shown = make("output", line, { for: id });
    const track = make("div", line, { class: "track" });
    const input = make("input", track, { id, type: "range", min: 0, max: last, step: 1, autocomplete: "off" });
    const marks = make("div", track, { class: "marks", "aria-hidden": "true" });
    const mark = (i, kind, text) => {
      make("span", marks, { class: kind }, text).style.left = `calc(8px + (100% - 16px) * ${i / last})`;
    };
    axis.heldOut.forEach((i) => mark(i, "held", "×"));
    let before = -Infinity;
    axis.anchors.forEach((i) => {
      const apart = i / last - before > 0.12;
      if (apart) before = i / last;
      mark(i, "anchor", apart ? number(axis.values[i]) : "");
    });
    sliders.push(() => {
      const value = number(state.at[p]);
      input.value = place(p, state.at[p]);
      input.setAttribute("aria-valuetext", value);
      shown.textContent = value;
    });
    input.addEventListener("input", () => {
      state.at = moved(p, axis.values[Number(input.value)]);
      state.axis = p;
      move();
    });
  }

  function move() {
    problem = "";
    sliders.forEach((show) => show());
    draw();
  }

  const MOST_BUTTONS = 12;

  function jumps(parent, text, points) {
    if (!points.length) return;
    const go = (point) => { state.at = data.points[point]; move(); };
    if (points.length > MOST_BUTTONS) {
      const options = [`choose one of ${points.length}`, ...points.map(words)];
      select(parent, `explorer-${text.replace(/\W/g, "-")}`, text, options, 0, (i) => { if (i) go(points[i - 1]); });
      return;
    }
    const line = make("div", parent, { class: "jumps", role: "group", "aria-label": text });
    make("span", line, {}, text);
    points.forEach((point) => make("button", line, { type: "button" }, words(point)).addEventListener("click", () => go(point)));
  }

  // --- a condition of one's own, where the page knows the columns: the nearest of those shown, or the server's answer.

  const MOST_FIELDS = 8;

  function typed(parent, list) {
    const form = make("form", parent, { class: "typed" });
    make("span", form, {}, data.live ? "ask at another condition" : "go to the condition nearest to");
    const fields = data.columns.length > MOST_FIELDS ? [field(form, 0, "all values, separated by commas")]
      : data.columns.map((column, i) => field(form, i, column.units ? `${column.name} [${column.units}]` : column.name, column.categories));
    make("button", form, { type: "submit" }, data.live ? "ask" : "go");
    const note = make("output", form, {});
    const show = (c) => { list.value = state.condition = c; move(); };
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const texts = fields.length === data.columns.length ? fields.map((f) => f.value) : fields[0].value.split(",");
      const values = texts.map((text) => (text.trim() === "" ? NaN : Number(text)));
      const wrong = data.columns.findIndex((_, i) => !Number.isFinite(values[i]));
      if (wrong >= 0 || values.length !== data.columns.length) {
        note.textContent = wrong >= 0 ? `${data.columns[wrong].name}: a number is needed` : `${values.length} values; ${data.columns.length} are needed`;
        return;
      }
      note.textContent = "";
      if (!data.live) {
        const apart = data.given.map((x) => x.reduce((sum, v, i) => {
          const { scale } = data.columns[i];
          return sum + (scale ? ((v - values[i]) / scale) ** 2 : v === values[i] ? 0 : 1e6);
        }, 0));
        const c = apart.indexOf(Math.min(...apart));
        note.textContent = apart[c] ? `not on this page; shown is the nearest that is: ${data.conditions[c]}` : "";
        show(c);
        return;
      }
      note.textContent = "asking …";
      try {
        add(list, await post({ condition: values }));
        note.textContent = "";
        show(data.conditions.length - 1);
      } catch (error) {
        note.textContent = error.message;
      }
    });
  }

  function field(form, i, text, categories = []) {
    const id = `explorer-typed-${i}`;
    make("label", form, { for: id }, text);
    const whole = data.columns.length > MOST_FIELDS ? { class: "whole" } : {};
    if (!categories.length) return make("input", form, { id, type: "text", autocomplete: "off", ...whole });
    const list = make("select", form, { id });
    categories.forEach((name, code) => make("option", list, { value: code }, name));
    return list;
  }

  function add(list, answer) { // what is known of one more condition
    for (const part of ["served", "own", "spread", "warned"]) data[part]?.push(answer[part]);
    for (const part of ["truth", "errors", "truthSpread", "history"]) data[part]?.push([]);
    data.given.push(answer.given);
    data.conditions.push(answer.title);
    make("option", list, { value: data.conditions.length - 1 }, answer.title);
  }

  function build() {
    const [choices, values, goals] = ["choices", "values", "places"].map((name) => root.querySelector(`.${name}`));
    const list = select(choices, "explorer-condition", "condition", data.conditions, 0, (i) => { state.condition = i; });
    if (data.columns?.length) typed(choices, list);
    if (data.view === "plane" && data.size > 2) {
      ["across", "up"].forEach((way, k) => {
        select(choices, `explorer-${way}`, `output ${way}`, data.outputs, state.outputs[k], (i) => { state.outputs[k] = i; });
      });
    }
    data.axes.forEach((axis, p) => slider(values, axis, p));
    jumps(goals, "go to a held-out value", data.heldOut);
    if (data.axes.length === 1 || data.lines) jumps(goals, "go to an anchor", data.anchors);
    root.hidden = false;
    move();
    let width = root.clientWidth;
    new ResizeObserver(() => {
      if (root.clientWidth !== width) {
        width = root.clientWidth;
        draw();
      }
    }).observe(root);
  }

  build();
})();
