// Draws the server's charts anew with uPlot, to read values at the pointer and to zoom by dragging. Without this
// script the SVG of the server stays, and so does the table below it.
"use strict";

(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const drawn = [];

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  // Epoch seconds as the API and our pages take them.
  function moment(seconds) {
    return new Date(seconds * 1000).toISOString().slice(0, 19);
  }

  // As the server's own axis has it: midnight by its date, else hours and minutes.
  function mark(seconds) {
    const at = new Date(seconds * 1000);
    const text = at.toISOString();
    if (text.slice(11, 16) !== "00:00") return text.slice(11, 16);
    return at.toLocaleDateString("en-US", { month: "short", day: "numeric", timeZone: "UTC" });
  }

  function zoom(chart) {
    const { left, width } = chart.select;
    if (width < 5) return;
    const url = new URL(location.href);
    url.searchParams.delete("window");
    url.searchParams.set("from", moment(Math.floor(chart.posToVal(left, "x"))));
    url.searchParams.set("to", moment(Math.ceil(chart.posToVal(left + width, "x"))));
    location.assign(url);
  }

  const dashes = { "line-b": [5, 3], "line-limit": [2, 4] };

  function series(each) {
    return {
      label: each.label,
      stroke: () => colour(`--${each.style}`),
      width: 1.5,
      dash: dashes[each.style],
      points: each.style === "line-limit" ? { show: false } : undefined,
      spanGaps: false,
      value: (_, value) => (value == null ? "-" : value.toPrecision(4)),
    };
  }

  function blockOf(figure) {
    return figure.querySelector("script[type='application/json']");
  }

  function draw(figure) {
    const svg = figure.querySelector("svg");
    const block = blockOf(figure);
    if (!svg || !block) return;
    const text = block.textContent;
    const now = { text, data: JSON.parse(text) };
    const data = now.data;
    const holder = document.createElement("div");
    holder.dataset.drawn = "";
    const axis = { stroke: () => colour("--muted"), grid: { stroke: () => colour("--grid"), width: 1 }, ticks: { show: false } };
    const chart = new uPlot({
      width: figure.clientWidth,
      height: 190,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
      cursor: { drag: { x: true, y: false, setScale: false } },
      scales: { x: { range: () => [now.data.from, now.data.to] }, y: { range: (_, low, high) => [0, (high || 1) * 1.08] } },
      axes: [{ ...axis, size: 30, values: (_, places) => places.map(mark) }, { ...axis, size: 48 }],
      series: [{ value: (_, seconds) => (seconds == null ? "-" : `${moment(seconds).replace("T", " ")} UTC`) }, ...data.series.map(series)],
      hooks: { setSelect: [zoom] },
    }, columns(data), holder);
    svg.replaceWith(holder);
    drawn.push([figure, chart, now]);
  }

  // Bands lie on the axis of the charts, wherever these begin and end now.
  function alignBands() {
    const chart = drawn.find(([figure]) => figure.isConnected)?.[1];
    if (!chart) return;
    const over = chart.over.getBoundingClientRect();
    document.querySelectorAll("svg[data-bands]").forEach((svg) => {
      const left = svg.parentElement.getBoundingClientRect().left;
      svg.setAttribute("viewBox", `44 0 668 ${svg.viewBox.baseVal.height}`);
      svg.style.marginLeft = `${over.left - left}px`;
      svg.style.width = `${over.width}px`;
    });
  }

  function columns(data) {
    return [data.times, ...data.series.map((each) => each.values)];
  }

  // The page was renewed (live.js): some figures have gone, some have come, and the others have other numbers.
  function drawAnew() {
    for (const entry of [...drawn]) {
      const [figure, chart, now] = entry;
      const block = blockOf(figure);
      if (!block || !figure.isConnected || !figure.contains(chart.root)) {
        chart.destroy();
        drawn.splice(drawn.indexOf(entry), 1);
      } else if (block.textContent !== now.text) {
        now.text = block.textContent;
        now.data = JSON.parse(now.text);
        chart.setData(columns(now.data));
      }
    }
    document.querySelectorAll("figure[data-chart]").forEach(draw);
    alignBands();
  }

  document.querySelectorAll("figure[data-chart]").forEach(draw);
  // uPlot lays its axes out in a microtask of its own.
  requestAnimationFrame(alignBands);
  addEventListener("resize", () => {
    drawn.forEach(([figure, chart]) => chart.setSize({ width: figure.clientWidth, height: 190 }));
    requestAnimationFrame(alignBands);
  });
  document.addEventListener("hopsight:renewed", drawAnew);
  dark.addEventListener("change", () => drawn.forEach(([, chart]) => chart.redraw()));
})();
