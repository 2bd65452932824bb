const $ = (id) => document.getElementById(id);
const KINDS = {compute: "computing", memory: "memory bandwidth", link: "links between GPUs", latency: "fixed latencies", engine: "the engine"};
const WAITS = ["compute", "memory", "link", "latency"];
const OF_MEMORY = {weights: "weights", cache: "KV cache", activations: "activations", reserves: "reserves", free: "free"};
const ENDS = PROGRAMS.some((program) => /\bend = 0\b/.test(program.tgs_decode.toString()));
const MOST = 2 ** 17;
let state = initial();

function initial() {
  const inputs = Object.fromEntries(DATA.inputs.map((input) => [input.id, input.value]));
  return {...inputs, variant: DATA.variant, sla: DATA.sla};
}

/* Metrics: what the exported programs say of a state. */

function metric(name, at = state, end = 0) {
  const found = PROGRAMS[at.variant][name]({...at, end});
  return typeof found === "number" ? found : Object.values(found).at(-1);
}

function steps(name, at = state) {
  return PROGRAMS[at.variant][name](at);
}

const tpot = (at = state, end = 0) => PROGRAMS[at.variant].tgs_decode({...at, end}).TPOT;
const ttft = (at = state, end = 0) => PROGRAMS[at.variant].ttft({...at, end}).TTFT;
/** How many times as wide intervals are at sizes beyond those that kernels were measured with. */
function stretch(name, at) {
  const known = Object.fromEntries(DATA.takes[name].map((one) => [one, at[one]]));
  if (!("T" in known) && "S" in known && "O" in known) {
    known.C = at.S + at.O / 2;
    delete known.S;
  }
  const doublings = Object.entries(DATA.reach).map(([one, most]) => (known[one] > most ? Math.log2(known[one] / most) : 0));
  return 1 + DATA.each_doubling * doublings.reduce((sum, one) => sum + one, 0);
}

/** Where a metric is expected: by its kernels, and apart from them by what runs of engines were off. */
function interval(name, of, at = state) {
  const wider = stretch(name, at);
  const [value, ...ends] = [of(at, 0), of(at, -wider), of(at, wider)];
  const running = (DATA.variants[at.variant].running[name] ?? [1, 1]).map((end) => end ** wider);
  const [low, high] = [Math.min(...ends), Math.max(...ends)].map((one) => Math.abs(Math.log(Math.max(one, 1e-12) / value)));
  return [value * Math.exp(-Math.hypot(low, Math.log(running[0]))), value * Math.exp(Math.hypot(high, Math.log(running[1])))];
}

const rate = (at = state) => metric("tgs_decode", at) * DATA.variants[at.variant].gpus / at.O;

/** The largest whole batch up to `most` of which something holds, where it goes on to hold for smaller ones; or 0. */
function largest(holds, most) {
  let low = 0, high = most + 1;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (holds(middle)) low = middle; else high = middle;
  }
  return low;
}

/** The smallest batch at which requests leave as fast as they come. */
function batchAt(perSecond) {
  return Math.min(MOST, largest((B) => rate({...state, B}) < perSecond, MOST) + 1);
}

function operators(at = state) {
  const found = steps("operators", at);
  const ops = DATA.variants[at.variant].ops.map((op, i) => {
    const read = (name) => found[`op${i}_${name}`];
    const parts = WAITS.map((kind) => [kind, read(kind)]);
    const bound = parts.reduce((most, part) => (part[1] > most[1] ? part : most))[0];
    return {...op, flops: read("flops"), bytes: read("bytes"), seconds: read("seconds"), bound,
            times: [0, 1, 2, 3, 4, 5, 6, 7].map((stage) => read(`times_${stage}`)).filter((x) => x !== undefined)};
  });
  const totals = ops[0].times.map((_, stage) => ops.reduce((sum, op) => sum + op.seconds * op.times[stage], 0));
  const slowest = totals.indexOf(Math.max(...totals));
  return ops.map((op) => ({...op, all: op.seconds * op.times[slowest], share: op.seconds * op.times[slowest] / totals[slowest]}));
}

function waits(at = state) {
  const found = {compute: 0, memory: 0, link: 0, latency: 0};
  for (const op of operators(at)) found[op.bound] += op.all;
  const rest = tpot(at) - Object.values(found).reduce((sum, one) => sum + one, 0);
  return {...found, engine: rest > 1e-6 * tpot(at) ? rest : 0};
}

/* Numbers as people write them. */

function digits(x, count = 3) {
  if (!Number.isFinite(x)) return "–";
  if (x !== 0 && (Math.abs(x) >= 10 ** count)) return Math.round(x).toLocaleString("en");
  return String(Number(x.toPrecision(count)));
}

function scaled(x, unit) {
  if (!Number.isFinite(x)) return "–";
  if (unit === "s") {
    const [factor, name] = [[1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]].find(([f]) => Math.abs(x) >= f) ?? [1e-9, "ns"];
    return `${digits(x / factor, 4)} ${name}`;
  }
  const [factor, prefix] = [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]].find(([f]) => Math.abs(x) >= f) ?? [1, ""];
  return `${digits(x / factor, 4)} ${prefix}${unit}`;
}

const escaped = (text) => text.replace(/[&<>"]/g, (c) => ({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})[c]);

/* Controls: a slider and a field for each input. */

const RATE = {id: "rate", meaning: "requests per second, of all GPUs", unit: "1/s", min: 0.01, max: 1000, group: "workload"};

function prefixOf(input) {
  const known = [[1e12, "T"], [1e9, "G"], [1e6, "M"]].find(([factor]) => input.unit !== "1" && input.compiled >= factor);
  return input.group === "device" && known ? known : [1, ""];
}

function addInput(input) {
  const [, prefix] = prefixOf(input);
  const unit = input.unit === "1" || input.unit === "tokens" ? "" : `${prefix}${input.unit}`;
  const row = document.createElement("div");
  row.className = "input";
  row.innerHTML = `<label for="${input.id}">${escaped(input.meaning)} <b>${input.id}</b></label>`
    + `<span class="field"><input id="${input.id}" type="number" step="any" min="0"> ${unit}</span>`
    + `<input id="${input.id}-slider" type="range" min="0" max="1000" step="1" aria-label="${escaped(input.meaning)}, slider">`;
  $(input.group).append(row);
  const [field, slider] = row.querySelectorAll("input");
  field.addEventListener("input", () => field.value > 0 && change(input, field.value * prefixOf(input)[0], field));
  field.addEventListener("blur", () => show());
  slider.addEventListener("input", () => change(input, fromSlider(input, +slider.value), slider));
  slider.addEventListener("keydown", (event) => {  // whole numbers step by one where a slider's steps are finer
    const by = {ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1}[event.key];
    if (!input.whole || !by) return;
    event.preventDefault();
    const next = Math.max(by > 0 ? state[input.id] + 1 : 1, fromSlider(input, +slider.value + 5 * by));
    change(input, by > 0 ? Math.max(state[input.id] + 1, next) : Math.max(input.min, Math.min(state[input.id] - 1, next)));
  });
}

function fromSlider(input, position) {
  const value = input.min * (input.max / input.min) ** (position / 1000);
  return input.whole ? Math.round(value) : Number(value.toPrecision(3));
}

function toSlider(input, value) {
  return Math.round(1000 * Math.log(value / input.min) / Math.log(input.max / input.min));
}

function change(input, value, source) {
  if (input.id === "rate") state.B = batchAt(value);
  else state[input.id] = input.whole ? Math.max(1, Math.round(value)) : value;
  show(source);
  keep();
}

function showInputs(source) {
  for (const input of [...DATA.inputs, RATE]) {
    const value = input === RATE ? rate() : state[input.id];
    const [field, slider] = [$(input.id), $(`${input.id}-slider`)];
    const shown = value / prefixOf(input)[0];
    if (field !== source) field.value = input.whole ? value : Number(shown.toPrecision(4));
    if (slider !== source) slider.value = toSlider(input, value);
    slider.setAttribute("aria-valuetext", field.value);
  }
  $("tp").value = state.variant;
  if ($("sla") !== source) $("sla").value = Number((state.sla * 1e3).toPrecision(6));
}

/* The state in the URL: what differs from how the page was written. */

function keep() {
  const first = initial();
  const changed = Object.keys(state).filter((name) => state[name] !== first[name]);
  const words = changed.map((name) => (name === "variant" ? `tp=${DATA.variants[state.variant].tp}` : `${name}=${state[name]}`));
  history.replaceState(null, "", words.length ? `#${words.join("&")}` : location.href.split("#")[0] + (location.hash ? "#" : ""));
}

function recall() {
  state = initial();
  for (const [name, text] of new URLSearchParams(location.hash.slice(1))) {
    const value = Number(text);
    if (!(value > 0 && Number.isFinite(value))) continue;
    const variant = DATA.variants.findIndex((one) => one.tp === value);
    const input = DATA.inputs.find((one) => one.id === name);
    if (name === "tp") state.variant = variant < 0 ? state.variant : variant;
    else if (name === "sla") state.sla = value;
    else if (input) state[name] = input.whole ? Math.max(1, Math.round(value)) : value;
  }
}

/* What is shown. */

function put(id, value, unit, text = scaled(value, unit)) {
  $(id).textContent = text;
  $(id).dataset.value = value;
}

/** A number without its unit where the next one has the same. */
function bare(text, next) {
  const unit = text.split(" ").at(-1);
  return next.endsWith(` ${unit}`) ? text.slice(0, -unit.length - 1) : text;
}

function putRange(id, ends, unit) {
  const [low, high] = ends.sort((a, b) => a - b);
  const written = (value) => (unit === "s" ? scaled(value, unit) : `${digits(value)} ${unit}`);
  $(`${id}-range`).textContent = ENDS ? `${bare(written(low), written(high))} to ${written(high)} (90\u00a0%)` : "";
  Object.assign($(`${id}-range`).dataset, {low, high});
}

function capacity() {
  return state.hbm_capacity;
}

function showFigures() {
  put("tpot", tpot(), "s");
  put("ttft", ttft(), "s");
  put("tgs_decode", metric("tgs_decode"), "tokens/s", `${digits(metric("tgs_decode"))} tok/s`);
  put("tgs_prefill", metric("tgs_prefill"), "tokens/s", `${digits(metric("tgs_prefill"))} tok/s`);
  put("memory", metric("memory"), "B");
  put("max_batch", metric("max_batch"), "", digits(metric("max_batch")));
  putRange("tpot", interval("tpot", tpot), "s");
  putRange("ttft", interval("ttft", ttft), "s");
  for (const name of ["tgs_decode", "tgs_prefill"])
    putRange(name, interval(name, (at, end) => metric(name, at, end)), "tok/s");
  $("memory-range").textContent = `of ${scaled(capacity(), "B")}`;
  const users = DATA.variants[state.variant].held;
  $("max_batch-range").textContent = users > 1 ? `${digits(users * metric("max_batch"))} users in all` : "";
  $("memory").parentElement.classList.toggle("over", metric("memory") > capacity());
  $("tpot").parentElement.classList.toggle("over", tpot() > state.sla);
}

function verdict() {
  const fits = metric("max_batch");
  const fast = largest((B) => tpot({...state, B}) <= state.sla, MOST);
  const held = DATA.variants[state.variant].held;
  const limit = scaled(state.sla, "s");
  const most = Math.max(0, Math.min(fits, fast));
  const parts = waits();
  const bound = Object.keys(parts).reduce((a, b) => (parts[b] > parts[a] ? b : a));
  const why = fits < fast ? "memory ends it" : "TPOT ends it";
  const best = most >= 1
    ? `Up to B = ${most.toLocaleString("en")}${held > 1 ? ` (${(held * most).toLocaleString("en")} users)` : ""} within ${limit} and memory: ${why}.`
    : fits < 1 ? "Not one sequence fits in memory." : `No batch is within ${limit}: one sequence alone takes ${scaled(tpot({...state, B: 1}), "s")}.`;
  const here = state.B > fits ? ` B = ${state.B} does not fit in memory.` : "";
  $("verdict").textContent = `${best}${here} A step mostly waits for ${KINDS[bound]}.`;
  $("verdict").dataset.most = most;
}

function stack(id, legend, parts, names, unit) {
  const shown = Object.entries(parts).filter(([, value]) => value > 0);
  const total = shown.reduce((sum, [, value]) => sum + value, 0);
  const share = (value) => `${(100 * value / total).toFixed(value / total < 0.1 ? 1 : 0)} %`;
  $(id).innerHTML = shown.map(([kind, value]) => `<span style="width:${100 * value / total}%;background:var(--${kind})"></span>`).join("");
  $(legend).innerHTML = shown
    .map(([kind, value]) => `<li><i style="background:var(--${kind})"></i>${names[kind]} ${scaled(value, unit)} (${share(value)})</li>`).join("");
  $(id).setAttribute("aria-label", shown.map(([kind, value]) => `${names[kind]} ${share(value)}`).join(", "));
}

function memoryParts() {
  const found = steps("memory");
  const {weights = 0, activations = 0, cache_per_sequence = 0} = found;
  const total = metric("memory");
  const cache = cache_per_sequence * state.B * DATA.variants[state.variant].in_flight;
  const reserves = Math.max(0, total - weights - activations - cache);
  return {weights, cache, activations, reserves, free: Math.max(0, capacity() - total)};
}

function showFormula() {
  const found = steps("tgs_decode");
  const {weights} = DATA.variants[state.variant];
  for (const row of document.querySelectorAll("[data-step]")) {
    const name = row.dataset.step;
    const value = found[name];
    const share = weights[name] === undefined ? NaN : weights[name] * value / found.TPOT;
    const time = weights[name] === undefined ? digits(value) : scaled(value, "s");
    row.querySelector(".time").textContent = value === undefined ? "–" : time;
    row.querySelector(".bar").classList.toggle("none", !Number.isFinite(share));
    row.querySelector(".bar").style.width = Number.isFinite(share) ? `${4.5 * share}rem` : "0";
    row.querySelector(".percent").textContent = Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : "";
    row.dataset.share = share;
  }
}

/* Pictures. */

const H = 320, LEFT = 46, RIGHT = 12, TOP = 18, BOTTOM = 50;
let W = 520;

function axis(low, high, from, to, log) {
  const t = log ? Math.log : (x) => x;
  return (x) => from + (to - from) * (t(x) - t(low)) / (t(high) - t(low));
}

const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
const label = (x, y, text, how = "") => `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${how}>${escaped(text)}</text>`;

function showCurve() {
  W = widthOf("curve");
  const fits = metric("max_batch");
  const high = Math.min(MOST, Math.max(8, 2 ** Math.ceil(Math.log2(1.3 * Math.max(state.B, Math.min(fits, 4 * state.B + 512))))));
  const batches = [...new Set(Array.from({length: 97}, (_, i) => Math.round(high ** (i / 96))))];
  const at = batches.map((B) => ({...state, B}));
  const middle = at.map((one) => tpot(one));
  const bands = at.map((one) => interval("tpot", tpot, one));
  const top = 1.1 * Math.max(...bands.map((band) => band[1]), Math.min(state.sla, 3 * Math.max(...middle)));
  const x = axis(1, high, LEFT, W - RIGHT, true), y = axis(0, top, H - BOTTOM, TOP, false);
  const factor = top >= 1 ? 1 : 1e-3, unit = top >= 1 ? "s" : "ms";
  const tick = niceStep(top / factor);
  const parts = [];
  for (let value = 0; value <= top / factor; value += tick) {
    parts.push(`<path class="grid" d="M${LEFT} ${y(value * factor)}H${W - RIGHT}"/>`);
    parts.push(label(LEFT - 6, y(value * factor) + 4, digits(value), 'text-anchor="end" class="faint"'));
  }
  const powers = Array.from({length: Math.log2(high) + 1}, (_, i) => 2 ** i);
  const every = Math.ceil(powers.length * 44 / (W - LEFT));
  powers.forEach((B, i) => i % every === 0 && parts.push(label(x(B), H - BOTTOM + 27, digits(B, 6), 'text-anchor="middle" class="faint"')));
  parts.push(label((LEFT + W - RIGHT) / 2, H - 3, "sequences of one batch, B", 'text-anchor="middle"'));
  parts.push(label(LEFT, TOP - 1, unit, 'text-anchor="end" dx="-6" class="faint"'));
  batches.slice(0, -1).forEach((B, i) => {  // what binds, as a strip
    const found = waits(at[i]);
    const bound = Object.keys(found).reduce((a, b) => (found[b] > found[a] ? b : a));
    parts.push(`<rect x="${x(B)}" y="${H - BOTTOM + 4}" width="${x(batches[i + 1]) - x(B) + 0.6}" height="7" style="fill:var(--${bound})"><title>${KINDS[bound]}</title></rect>`);
  });
  if (fits >= 1 && fits < high) {
    parts.push(`<rect class="over" x="${x(fits)}" y="${TOP}" width="${W - RIGHT - x(fits)}" height="${H - BOTTOM - TOP}"/>`);
    parts.push(`<path class="fits" d="M${x(fits)} ${TOP}V${H - BOTTOM}"/>`);
  }
  if (ENDS) {
    const edge = (end) => bands.map((band, i) => [x(batches[i]), y(band[end])]);
    parts.push(`<path d="${path([...edge(0), ...edge(1).reverse()])}Z" style="fill:var(--band)"/>`);
  }
  parts.push(`<path class="curve" d="${path(middle.map((value, i) => [x(batches[i]), y(value)]))}"/>`);
  if (state.sla <= top) {
    parts.push(`<path class="limit" d="M${LEFT} ${y(state.sla)}H${W - RIGHT}"/>`);
    parts.push(label(LEFT + 6, y(state.sla) - 5, `limit ${scaled(state.sla, "s")}`, 'class="halo" style="fill:var(--limit)"'));
  }
  if (fits >= 1 && fits < high)
    parts.push(label(x(fits) - 5, TOP + 11, `${digits(fits, 6)} fit in memory`, 'text-anchor="end" class="halo faint"'));
  const here = [x(Math.min(state.B, high)), y(tpot())];
  const left = here[0] > W / 2;
  parts.push(`<circle cx="${here[0]}" cy="${here[1]}" r="5" style="fill:var(--accent);stroke:var(--paper);stroke-width:1.5"/>`);
  parts.push(label(here[0] + (left ? -9 : 9), here[1] + (left ? -8 : 16), `B = ${state.B}: ${scaled(tpot(), "s")}`, `class="halo" text-anchor="${left ? "end" : "start"}"`));
  draw("curve", parts, `TPOT over the batch: ${scaled(tpot(), "s")} at B = ${state.B}`);
}

/** As wide as it is shown, so that letters keep their size. */
function widthOf(id) {
  return Math.max(280, Math.min(640, $(id).parentElement.clientWidth || 520));
}

function niceStep(span) {
  const rough = span / 5, power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough);
}

function draw(id, parts, words) {
  const svg = $(id);
  svg.setAttribute("viewBox", `0 0 ${W} ${H}`);
  svg.setAttribute("aria-label", words);
  svg.innerHTML = parts.join("");
}

function showRoofline() {
  W = widthOf("roofline");
  const ops = operators().filter((op) => op.flops > 0 && op.bytes > 0);
  const bandwidth = state.hbm_bandwidth;
  const peaks = Object.keys(state).filter((name) => name.startsWith("peak_"));
  if (!ops.length || !bandwidth || !peaks.length)
    return draw("roofline", [label(LEFT, 40, "This cost model counts no bytes of operators.", 'class="faint"')], "no roofline");
  const ridge = Math.max(...peaks.map((name) => state[name])) / bandwidth;
  const along = ops.map((op) => op.flops / op.bytes), up = ops.map((op) => op.flops / op.seconds);
  const [low, high] = [Math.min(...along, 1) / 2, 4 * Math.max(...along, ridge)];
  const [floor, roof] = [Math.min(...up, low * bandwidth) / 2, 2.5 * Math.max(...peaks.map((name) => state[name]))];
  const x = axis(low, high, LEFT, W - RIGHT, true), y = axis(floor, roof, H - BOTTOM, TOP, true);
  const parts = [];
  for (let power = Math.ceil(Math.log10(floor)); 10 ** power <= roof; power++) {
    parts.push(`<path class="grid" d="M${LEFT} ${y(10 ** power)}H${W - RIGHT}"/>`);
    parts.push(label(LEFT - 6, y(10 ** power) + 4, scaled(10 ** power, "").replace(" ", ""), 'text-anchor="end" class="faint"'));
  }
  for (let power = Math.ceil(Math.log10(low)); 10 ** power <= high; power++)
    parts.push(label(x(10 ** power), H - BOTTOM + 16, digits(10 ** power, 6), 'text-anchor="middle" class="faint"'));
  parts.push(label((LEFT + W - RIGHT) / 2, H - 8, "arithmetic intensity, FLOP/B", 'text-anchor="middle"'));
  parts.push(label(LEFT, TOP - 1, "FLOP/s", 'text-anchor="start" class="faint"'));
  const start = Math.max(low, floor / bandwidth);
  parts.push(`<path d="${path([[x(start), y(start * bandwidth)], [x(ridge), y(ridge * bandwidth)]])}" style="stroke:var(--memory);stroke-width:1.8;fill:none"/>`);
  for (const name of peaks) {
    parts.push(`<path d="M${x(state[name] / bandwidth)} ${y(state[name])}H${W - RIGHT}" style="stroke:var(--compute);stroke-width:1.8;fill:none"/>`);
    parts.push(label(W - RIGHT, y(state[name]) - 5, `${name.slice(5)}, ${scaled(state[name], "FLOP/s")}`, 'text-anchor="end" class="halo"'));
  }
  const taken = [];
  for (const op of [...ops].sort((a, b) => b.share - a.share)) {
    const [cx, cy, r] = [x(op.flops / op.bytes), y(op.flops / op.seconds), 3 + 13 * Math.sqrt(op.share)];
    parts.push(`<circle cx="${cx}" cy="${cy}" r="${r}" style="fill:var(--${op.bound});fill-opacity:0.75;stroke:var(--paper)"><title>${escaped(op.name)}: ${(100 * op.share).toFixed(1)} %</title></circle>`);
  }
  for (const op of [...ops].sort((a, b) => b.share - a.share)) {
    const [cx, cy, r] = [x(op.flops / op.bytes), y(op.flops / op.seconds), 3 + 13 * Math.sqrt(op.share)];
    const text = op.name.split(".").at(-1).replaceAll("_", " "), width = 6 * text.length;
    const places = [[cx + r + 3, cy + 4], [cx - r - 3 - width, cy + 4], [cx - width / 2, cy - r - 4], [cx - width / 2, cy + r + 12]];
    const free = places.find(([px, py]) => px > LEFT && px + width < W - RIGHT && py > TOP && py < H - BOTTOM
      && taken.every(([qx, qy, qw]) => px > qx + qw || qx > px + width || Math.abs(py - qy) > 11));
    if (op.share < 0.01 || !free || taken.some((one) => one[3] === text)) continue;
    taken.push([...free, width, text]);
    parts.push(label(free[0], free[1], text, 'class="halo"'));
  }
  draw("roofline", parts, `Roofline: ridge at ${digits(ridge)} FLOP/B`);
}

function show(source) {
  showInputs(source);
  $("deployment").textContent = DATA.variants[state.variant].text;
  showFigures();
  verdict();
  stack("stack", "stack-legend", waits(), KINDS, "s");
  stack("memory-stack", "memory-legend", memoryParts(), OF_MEMORY, "B");
  showCurve();
  showRoofline();
  showFormula();
}

function share() {
  keep();
  const told = () => { $("said").textContent = "copied"; };
  const shown = () => { $("said").textContent = "the address of this page is the link"; };
  if (navigator.clipboard) navigator.clipboard.writeText(location.href).then(told, shown);
  else shown();
}

for (const input of DATA.inputs) {
  addInput(input);
  if (input.id === "B") addInput(RATE);
}
DATA.variants.forEach((one, i) => $("tp").add(new Option(`tp ${one.tp} (${one.gpus} GPU${one.gpus > 1 ? "s" : ""})`, i)));
$("tp").addEventListener("change", () => { state.variant = +$("tp").value; show(); keep(); });
$("sla").addEventListener("input", () => { if ($("sla").value > 0) { state.sla = $("sla").value / 1e3; show($("sla")); keep(); } });
$("reset").addEventListener("click", () => { state = initial(); keep(); show(); });
$("share").addEventListener("click", share);
window.addEventListener("resize", () => { showCurve(); showRoofline(); });
window.addEventListener("hashchange", () => { recall(); show(); });
recall();
show();
