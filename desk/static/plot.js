// Puts a plot that can be zoomed and read off point by point in the place of the drawn one; same tokens, same marks.
"use strict";
addEventListener("DOMContentLoaded", async () => {
  const figure = document.getElementById("evidence");
  if (!figure || typeof uPlot === "undefined" || innerWidth < 720) return;
  let shown;
  try {
    const answer = await fetch(figure.dataset.src);
    if (!answer.ok) return;
    shown = await answer.json();
  } catch {
    return;
  }
  if (!shown.points.length) return;
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colours = { onset: "--major", detected: "--major", command: "--vorab", answer: "--vorab", doubt: "--person", person: "--person", proof: "--good", message: "--wait" };
  const drawn = figure.querySelector("svg");
  const font = "13px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
  const two = (n) => String(n).padStart(2, "0");
  const zoned = (ms) => uPlot.tzDate(new Date(ms), figure.dataset.zone);
  const lane = 20;

  function lanes(u) {
    const ends = [];
    return shown.marks.map((mark) => {
      const x = u.valToPos(mark.at / 1000, "x");
      const length = mark.text.length * 6.7 + 16;
      const flipped = x + length > u.over.clientWidth;
      const [from, to] = flipped ? [x - length, x + 8] : [x - 6, x + length];
      let place = ends.findIndex((end) => end <= from);
      if (place < 0) place = ends.push(to) - 1;
      ends[place] = to;
      return { ...mark, place, flipped };
    });
  }
  function below(u) {
    const { ctx, bbox } = u;
    const edge = (value, other) => (value === null ? other : Math.min(Math.max(u.valToPos(value, "y", true), bbox.top), bbox.top + bbox.height));
    if (shown.low === null && shown.high === null) return;
    const top = edge(shown.high, bbox.top);
    const bottom = edge(shown.low, bbox.top + bbox.height);
    ctx.save();
    ctx.fillStyle = token("--band");
    ctx.fillRect(bbox.left, top, bbox.width, bottom - top);
    if (shown.proving) {
      const [a, b] = shown.proving.map((ms) => Math.min(Math.max(u.valToPos(ms / 1000, "x", true), bbox.left), bbox.left + bbox.width));
      ctx.fillStyle = token("--proven");
      ctx.fillRect(a, top, b - a, bottom - top);
    }
    ctx.restore();
  }
  function above(u) {
    const { ctx, bbox } = u;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.font = font.replace("13px", `${13 * ratio}px`);
    ctx.textBaseline = "middle";
    if (shown.limit !== null) {
      const y = u.valToPos(shown.limit, "y", true);
      ctx.strokeStyle = ctx.fillStyle = token("--limit");
      ctx.setLineDash([5 * ratio, 4 * ratio]);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      ctx.textAlign = "right";
      ctx.fillText(`limit ${shown.limit} ${shown.unit}`, bbox.left + bbox.width - 6 * ratio, y - 9 * ratio);
    }
    for (const mark of lanes(u)) {
      const x = u.valToPos(mark.at / 1000, "x", true);
      if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) continue;
      const y = (12 + lane * mark.place) * ratio;
      ctx.strokeStyle = ctx.fillStyle = token(colours[mark.kind]);
      ctx.setLineDash([2 * ratio, 3 * ratio]);
      ctx.lineWidth = ratio;
      ctx.globalAlpha = 0.6;
      ctx.beginPath();
      ctx.moveTo(x, y + 6 * ratio);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.globalAlpha = 1;
      ctx.setLineDash([]);
      ctx.beginPath();
      if (mark.kind === "person") ctx.arc(x, y, 5 * ratio, 0, 7);
      else if (mark.kind === "onset") { ctx.moveTo(x, y - 5 * ratio); ctx.lineTo(x + 5 * ratio, y + 4 * ratio); ctx.lineTo(x - 5 * ratio, y + 4 * ratio); }
      else if (mark.kind === "detected") { ctx.moveTo(x, y - 5 * ratio); ctx.lineTo(x + 5 * ratio, y); ctx.lineTo(x, y + 5 * ratio); ctx.lineTo(x - 5 * ratio, y); }
      else ctx.rect(x - 4 * ratio, y - 4 * ratio, 8 * ratio, 8 * ratio);
      if (mark.kind === "proof" || mark.kind === "message" || mark.kind === "doubt") { ctx.lineWidth = 2 * ratio; ctx.stroke(); } else ctx.fill();
      ctx.fillStyle = token("--ink");
      ctx.textAlign = mark.flipped ? "right" : "left";
      ctx.fillText(mark.text, x + (mark.flipped ? -9 : 9) * ratio, y);
    }
    ctx.restore();
  }

  const width = () => figure.clientWidth;
  const most = Math.max(0, ...lanesGuess());
  function lanesGuess() {
    const ends = [];
    const scale = (width() - 80) / (shown.last - shown.first);
    return shown.marks.map((mark) => {
      const x = (mark.at - shown.first) * scale;
      const length = mark.text.length * 6.7 + 16;
      const [from, to] = x + length > width() - 80 ? [x - length, x + 8] : [x - 6, x + length];
      let place = ends.findIndex((end) => end <= from);
      if (place < 0) place = ends.push(to) - 1;
      ends[place] = to;
      return place;
    });
  }
  const box = document.createElement("div");
  box.className = "uplot-box";
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", drawn.getAttribute("aria-label"));
  const readout = (ms) => { const d = zoned(ms); return `${two(d.getHours())}:${two(d.getMinutes())}`; };
  const axis = { stroke: () => token("--soft"), grid: { stroke: () => token("--faint"), width: 1 }, ticks: { stroke: () => token("--line"), width: 1 }, font };
  const plot = new uPlot(
    {
      width: width(),
      height: Math.round(Math.min(420, Math.max(300, width() * 0.34))),
      padding: [16 + lane * (most + 1), 16, 0, 0],
      tzDate: (seconds) => zoned(seconds * 1000),
      legend: { show: false },
      cursor: { y: false, points: { size: 7 }, drag: { x: true, y: false } },
      scales: { x: { min: shown.first / 1000, max: shown.last / 1000 }, y: { range: () => shown.range } },
      axes: [
        { ...axis, values: (u, all, space, foundIn, step) => all.map((s) => { const d = zoned(s * 1000); return step >= 86400 ? `${d.getDate()} ${d.toLocaleString("en", { month: "short" })}` : `${two(d.getHours())}:${two(d.getMinutes())}`; }) },
        { ...axis, size: 64 },
      ],
      series: [{}, { stroke: () => token("--curve"), width: 2, points: { show: false } }],
      hooks: { drawClear: [below], draw: [above], setCursor: [(u) => {
        const i = u.cursor.idx;
        value.textContent = i == null || u.cursor.left < 0 ? "" : `${readout(u.data[0][i] * 1000)}  ${u.data[1][i].toPrecision(4)} ${shown.unit}`;
      }] },
    },
    [shown.points.map((p) => p[0] / 1000), shown.points.map((p) => p[1])],
    box,
  );
  const value = document.createElement("output");
  value.className = "readout";
  value.setAttribute("aria-hidden", "true");
  drawn.replaceWith(box);
  box.append(value);
  addEventListener("resize", () => plot.setSize({ width: width(), height: plot.height }));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot.redraw());
});
