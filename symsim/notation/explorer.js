function render({model, el}) {
  const fixed = model.get("fixed"), ranges = model.get("ranges"), unit = model.get("unit");
  const values = () => ({...fixed, ...model.get("values")});
  const [factor, name] = {s: [1e-3, "ms"], B: [1e9, "GB"]}[unit] ?? [1, unit === "1" ? "" : unit];
  const root = document.createElement("div");
  root.style.cssText = "font: 14px system-ui, sans-serif; max-width: 34rem";
  const out = document.createElement("p");
  out.setAttribute("role", "status");
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  picture.setAttribute("viewBox", "0 0 480 180");
  picture.setAttribute("role", "img");
  for (const [symbol, {low, high, whole, meaning}] of Object.entries(ranges)) {
    const row = document.createElement("label");
    row.style.cssText = "display: grid; grid-template-columns: 14rem 1fr 6rem; gap: 0.6rem; align-items: center";
    const text = document.createElement("span"), slider = document.createElement("input"), shown = document.createElement("output");
    text.textContent = `${meaning}, ${symbol}`;
    Object.assign(slider, {type: "range", min: 0, max: 1000, step: 1});
    slider.value = 1000 * Math.log(model.get("values")[symbol] / low) / Math.log(high / low);
    const told = () => { shown.textContent = Number(model.get("values")[symbol].toPrecision(4)); };
    slider.addEventListener("input", () => {
      const value = low * (high / low) ** (slider.value / 1000);
      model.set("values", {...model.get("values"), [symbol]: whole ? Math.round(value) : value});
      model.save_changes();
    });
    model.on("change:values", told);
    told();
    row.append(text, slider, shown);
    root.append(row);
  }
  const draw = () => {
    const value = evaluate(values());
    out.textContent = `${model.get("metric")} = ${Number((value / factor).toPrecision(5))} ${name}`;
    const [first, {low, high, whole}] = Object.entries(ranges)[0];
    const xs = Array.from({length: 101}, (_, i) => low * (high / low) ** (i / 100)).map((x) => (whole ? Math.round(x) : x));
    const ys = xs.map((x) => evaluate({...values(), [first]: x}));
    const top = Math.max(...ys.filter(Number.isFinite)) * 1.05;
    const at = (x, y) => [480 * Math.log(x / low) / Math.log(high / low), 176 - 170 * y / top];
    const line = xs.map((x, i) => at(x, ys[i])).filter((point) => point.every(Number.isFinite)).map((point) => point.join(" "));
    const [cx, cy] = at(values()[first], value);
    picture.innerHTML = `<path d="M${line.join("L")}" fill="none" stroke="currentColor" stroke-width="1.5"/>`
      + (Number.isFinite(cx + cy) ? `<circle cx="${cx}" cy="${cy}" r="5" fill="currentColor"/>` : "");
    picture.setAttribute("aria-label", `${out.textContent}, along ${first}`);
  };
  model.on("change:values", draw);
  root.append(out, picture);
  el.append(root);
  draw();
}
export default {render};
