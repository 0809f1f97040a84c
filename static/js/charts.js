/* Draws every [data-chart], the id of a json_script with a figure of charts.py. */
"use strict";
(() => {
  // Plotly adds a style sheet for its maps as it loads, which our policy refuses with an error. We draw no maps: while
  // it loads, right after this script, the head takes no style with text in it.
  const { head } = document;
  head.appendChild = (node) => (node.nodeName === "STYLE" && node.textContent ? node : Node.prototype.appendChild.call(head, node));
  addEventListener("DOMContentLoaded", () => delete head.appendChild);

  const BUCKETS = ["success", "pending", "retryable", "permanent", "compliance", "optout", "unknown"];
  const OPTIONS = { displayModeBar: false, responsive: true, doubleClick: false, scrollZoom: false };

  /* A token as the colour it has now: custom properties keep light-dark() unresolved, a used colour does not. */
  function palette(root) {
    const probe = root.appendChild(document.createElement("i"));
    const colour = (name) => {
      const bucket = BUCKETS.includes(name);
      if (bucket) probe.dataset.b = name;
      probe.style.color = bucket ? "var(--c)" : `var(--${name})`;
      return getComputedStyle(probe).color;
    };
    const names = [...BUCKETS, "ink", "ink2", "line", "panel", "raise", "accent"];
    const colours = Object.fromEntries(names.map((name) => [name, colour(name)]));
    probe.remove();
    return colours;
  }

  function paintTrace(trace, at) {
    const colour = at[trace.meta] || at.ink2;
    if (trace.type !== "bar") {
      return { ...trace, line: { width: 2, ...trace.line, color: colour }, marker: { ...trace.marker, color: colour } };
    }
    const marker = { ...trace.marker, color: colour, line: { color: at.panel, width: 1.5 } };
    if (trace.meta === "unknown") {
      marker.pattern = { shape: "/", fillmode: "replace", fgcolor: colour, bgcolor: at.panel, size: 6, solidity: 0.35 };
    }
    return { ...trace, marker };
  }

  function paintAxes(layout, at) {
    const axes = Object.keys(layout).filter((key) => /^[xy]axis/.test(key));
    for (const key of axes) {
      const colour = key[0] === "y" ? at.ink : at.ink2;
      layout[key] = { gridcolor: at.line, linecolor: at.line, zerolinecolor: at.line, ...layout[key], fixedrange: true };
      layout[key].tickfont = { ...layout[key].tickfont, color: colour };
    }
  }

  function paint(figure, root) {
    const at = palette(root);
    const { fontFamily } = getComputedStyle(root);
    const layout = { ...figure.layout, autosize: true, paper_bgcolor: "transparent", plot_bgcolor: "transparent" };
    layout.font = { size: 12, ...layout.font, family: fontFamily, color: at.ink };
    layout.dragmode = false;
    layout.hoverlabel = { bgcolor: at.raise, bordercolor: at.line, font: { family: fontFamily, size: 12, color: at.ink } };
    layout.shapes = (layout.shapes || []).map((shape) => ({ ...shape, line: { ...shape.line, color: at[shape.name] || at.ink } }));
    layout.annotations = (layout.annotations || []).map((note) => ({ bgcolor: at.panel, ...note, font: { ...note.font, color: at[note.name] || at.ink } }));
    paintAxes(layout, at);
    return [(figure.data || []).map((trace) => paintTrace(trace, at)), layout];
  }

  /* A segment leads where its own `customdata` says, else where its entry in the legend leads. */
  function follow(root, { customdata, data }) {
    if (typeof customdata === "string") location.assign(customdata);
    else root.closest(".chart-panel")?.querySelector(`.legend a[data-b="${data.meta}"]`)?.click();
  }

  async function draw(root) {
    const figure = JSON.parse(document.querySelector(root.dataset.chart).textContent);
    const first = !root.classList.contains("is-drawn");
    const table = root.closest(".chart-panel")?.querySelector("details.data-table");
    await Plotly.react(root, ...paint(figure, root), OPTIONS);
    root.classList.add("is-drawn");
    root.ariaLabel = table?.querySelector("caption").textContent || root.ariaLabel;
    if (!first) return;
    if (table) table.open = false;
    root.on("plotly_click", ({ points }) => follow(root, points[0]));
  }

  const charts = () => document.querySelectorAll("[data-chart]");
  const redraw = () => charts().forEach(draw);

  htmx.onLoad((part) => part.querySelector?.("[data-chart], [type='application/json']") && redraw());
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  // Paper is always light: the tokens change for print too.
  ["(prefers-color-scheme: dark)", "print"].forEach((query) => matchMedia(query).addEventListener("change", redraw));
})();
