// The live page: asks /api/live twice a second, and draws between the answers. All text is set as text.
"use strict";
(() => {
  const by = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";
  const SHAPES = { onset: "M0-5L5 4L-5 4Z", detected: "M0-5L5 0L0 5L-5 0Z", command: "M-4-4H4V4H-4Z", answer: "M-4-4H4V4H-4Z", doubt: "M-4-4L4 4M4-4L-4 4", person: "M0-5A5 5 0 1 1 0 5A5 5 0 1 1 0-5Z", proof: "M-5 0L-1 4L5-4" };
  const make = (name, values, text) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(values)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  let feed = null;
  let heard = 0;
  let lost = 0;
  let story = null;

  const storyNow = () => (story ? Math.min(story.now + (Date.now() - story.wall) * story.speed, feed.end ?? Infinity) : 0);
  const clock = (ms) => new Intl.DateTimeFormat("en-GB", { timeZone: feed.zone, hour: "2-digit", minute: "2-digit" }).format(ms);
  const day = (ms) => new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", day: "numeric", month: "short" }).format(ms);

  async function ask() {
    try {
      const answer = await fetch("/api/live", { cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = await answer.json();
      story = { now: fresh.now, wall: Date.now(), speed: fresh.speed };
      feed = fresh;
      heard = Date.now();
      if (lost) back();
      tell();
    } catch {
      if (!lost && heard) lost = Date.now();
    }
    setTimeout(ask, lost ? 150 : 450);
  }

  function over() { return feed && feed.end && storyNow() >= feed.end - 60000; }
  function back() {
    by("dead-text").textContent = `back after ${((Date.now() - lost) / 1000).toFixed(1)} s`;
    lost = 0;
    setTimeout(() => { if (!lost) by("dead").hidden = true; }, 2200);
  }

  function tell() {
    for (const spot of document.querySelectorAll("[data-sum]")) spot.textContent = feed.counts[spot.dataset.sum].toLocaleString("en");
    const scene = feed.scene;
    if (scene) {
      by("scene-title").textContent = scene.title;
      by("scene-name").textContent = scene.name;
      by("scene-sentence").textContent = scene.sentence || "Everything is as it should be.";
      talk(scene);
      phone(scene.phone);
    }
    beats();
    recorded();
  }

  let said = "";
  function talk(scene) {
    const key = (line) => `${scene.device}|${line.at}|${line.who}|${line.text}`;
    const now = scene.lines.map(key).join("\n");
    if (now === said) return;
    const before = new Set(said.split("\n"));
    said = now;
    by("talk").replaceChildren(...scene.lines.map((line) => {
      const item = document.createElement("li");
      item.className = `${line.who} ${line.tone}${before.has(key(line)) ? "" : " new"}`;
      const who = document.createElement("span");
      who.className = "who";
      who.textContent = `${line.who === "machine" ? scene.name : line.who} ${clock(line.at)}`;
      const text = document.createElement("p");
      text.textContent = line.text;
      item.append(who, text);
      return item;
    }));
  }

  let shown = "";
  function phone(state) {
    by("caption").textContent = state.state === "lit" ? `${state.caption} at ${state.at}` : state.caption;
    by("caption").className = `caption ${state.state}`;
    const key = JSON.stringify(state);
    if (key === shown) return;
    shown = key;
    by("phone").className = `phone ${state.state}`;
    const lit = state.state === "lit";
    by("note").hidden = !lit;
    if (!lit) return;
    by("note").lang = state.lang;
    by("note-title").textContent = state.title;
    by("note-text").replaceChildren(...state.text.map((line) => { const p = document.createElement("p"); p.textContent = line; return p; }));
    by("note-button").textContent = state.button;
  }

  function beats() {
    const list = by("beats");
    if (list.children.length !== feed.beats.length) {
      list.replaceChildren(...feed.beats.map((beat) => {
        const item = document.createElement("li");
        const title = document.createElement("b");
        title.textContent = beat.title;
        item.append(title, document.createElement("span"));
        return item;
      }));
    }
    feed.beats.forEach((beat, i) => {
      const item = list.children[i];
      const ok = beat.ok || item.classList.contains("ok");
      item.classList.toggle("ok", ok);
      if (beat.ok || (beat.name === "kill" && beat.text.startsWith("dead"))) item.lastElementChild.textContent = beat.text;
      item.lastElementChild.title = beat.text;
    });
  }

  // ------------------------------------------------------------------------------------ the curve
  const box = { left: 8, right: 752, top: 60, bottom: 304 };
  let range = null;
  let rangeOf = "";
  function curve() {
    const scene = feed.scene;
    const stage = by("curve");
    if (!scene) return;
    const c = scene.curve;
    const now = Math.min(storyNow(), c.last);
    const points = c.points.filter((p) => p[0] <= now);
    const values = points.map((p) => p[1]).concat([c.low, c.high, c.limit].filter((v) => v !== null));
    let low = values.length ? Math.min(...values) : 0;
    let high = values.length ? Math.max(...values) : 1;
    const air = (high - low) * 0.18 || 1;
    const goal = [low - air, high + air];
    if (rangeOf !== scene.device || !range) { range = goal; rangeOf = scene.device; }
    range = range.map((v, i) => v + (goal[i] - v) * 0.12);
    const x = (ms) => box.left + ((box.right - box.left) * (ms - c.first)) / (c.last - c.first);
    const y = (v) => box.bottom - ((box.bottom - box.top) * (v - range[0])) / (range[1] - range[0]);
    const clamp = (v) => Math.min(box.bottom, Math.max(box.top, v));
    const parts = [];
    const top = c.high === null ? box.top : clamp(y(c.high));
    const bottom = c.low === null ? box.bottom : clamp(y(c.low));
    if (c.low !== null || c.high !== null) {
      parts.push(make("rect", { class: "band", x: box.left, y: top, width: box.right - box.left, height: Math.max(0, bottom - top) }));
      if (c.cleared !== null && now > c.cleared) {
        const end = Math.min(now, c.proven ?? now);
        parts.push(make("rect", { class: "proving", x: x(c.cleared), y: top, width: Math.max(0, x(end) - x(c.cleared)), height: Math.max(0, bottom - top) }));
      }
    }
    if (c.limit !== null) {
      parts.push(make("line", { class: "limit", x1: box.left, x2: box.right, y1: y(c.limit), y2: y(c.limit) }));
      parts.push(make("text", { class: "limit-text", x: box.right - 4, y: y(c.limit) - 6, "text-anchor": "end" }, c.limit_text));
    }
    const hour = 3600000;
    const step = (c.last - c.first) / hour > 3 ? hour : hour / 2;
    for (let at = Math.ceil(c.first / step) * step; at <= c.last; at += step) parts.push(make("text", { class: "tick", x: x(at), y: 326, "text-anchor": "middle" }, clock(at)));
    parts.push(make("line", { class: "floor", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }));
    const ends = [];
    for (const mark of c.marks) {
      if (mark.at > now) continue;
      const at = x(mark.at);
      const length = mark.text.length * 6.8 + 18;
      const flipped = at + length > box.right;
      const [from, to] = flipped ? [at - length, at + 8] : [at - 6, at + length];
      let lane = ends.findIndex((end) => end <= from);
      if (lane < 0) lane = ends.push(to) - 1;
      ends[lane] = to;
      const height = 10 + lane * 19;
      const group = make("g", { class: `mark ${mark.kind}` });
      group.append(make("line", { x1: at, x2: at, y1: height + 6, y2: box.bottom }));
      group.append(make("path", { transform: `translate(${at} ${height})`, d: SHAPES[mark.kind] }));
      group.append(make("text", { x: at + (flipped ? -9 : 9), y: height + 4, "text-anchor": flipped ? "end" : "start" }, mark.text));
      parts.push(group);
    }
    if (points.length) {
      parts.push(make("polyline", { class: "curve", points: points.map((p) => `${x(p[0]).toFixed(1)},${y(p[1]).toFixed(1)}`).join(" ") }));
      const tip = points[points.length - 1];
      const out = (c.low !== null && tip[1] < c.low) || (c.high !== null && tip[1] > c.high);
      const beat = (Date.now() % 1600) / 1600;
      parts.push(make("circle", { class: "halo", cx: x(tip[0]), cy: y(tip[1]), r: 5 + beat * 14, opacity: 0.4 * (1 - beat) }));
      parts.push(make("circle", { class: out ? "tip out" : "tip", cx: x(tip[0]), cy: y(tip[1]), r: 5 }));
    }
    stage.replaceChildren(...parts);
  }

  // ------------------------------------------------------------------------------------ the recorded machine
  let trackKey = "";
  function recorded() {
    const r = feed.recorded;
    by("recorded").hidden = !r;
    if (!r) return;
    const key = `${r.track.length}|${r.spoke.length}`;
    if (key === trackKey) return;
    trackKey = key;
    by("recorded-title").textContent = r.title;
    const x = (ms) => 4 + (1368 * (ms - r.first)) / (r.last - r.first);
    const lows = r.track.map((p) => p[1]);
    const highs = r.track.map((p) => p[2]);
    const low = Math.min(...lows, Infinity);
    const high = Math.max(...highs, -Infinity);
    const y = (v) => 108 - (84 * (v - low)) / (high - low || 1);
    const parts = [];
    const head = r.track.length ? r.track[r.track.length - 1][0] : r.first;
    for (const window of r.windows) {
      if (window.first > head) continue;
      parts.push(make("rect", { class: "window", x: x(window.first), y: 20, width: x(Math.min(window.last, head)) - x(window.first), height: 88 }));
    }
    if (r.track.length > 1) {
      const up = r.track.map((p) => `${x(p[0]).toFixed(1)} ${(y(p[2]) - 0.6).toFixed(1)}`);
      const down = r.track.map((p) => `${x(p[0]).toFixed(1)} ${(y(p[1]) + 0.6).toFixed(1)}`).reverse();
      parts.push(make("path", { class: "track", d: `M${up.join("L")}L${down.join("L")}Z` }));
    }
    let month = new Date(r.first);
    for (month = new Date(Date.UTC(month.getUTCFullYear(), month.getUTCMonth(), 8)); month.getTime() < r.last; month = new Date(month.getTime() + 14 * 86400000)) {
      if (month.getTime() > r.first) parts.push(make("text", { class: "tick", x: x(month.getTime()), y: 128, "text-anchor": "middle" }, day(month.getTime())));
    }
    for (const at of r.spoke) {
      parts.push(make("line", { class: "spoke-line", x1: x(at), x2: x(at), y1: 16, y2: 108 }));
      parts.push(make("path", { class: "spoke", d: `M${x(at) - 5} 8H${x(at) + 5}V15H${x(at) + 1}L${x(at) - 2} 19V15H${x(at) - 5}Z` }));
    }
    const failure = r.windows[r.windows.length - 1];
    const spoke = r.spoke.find((at) => at >= failure.first && at <= failure.last);
    if (head > failure.label) {
      parts.push(make("line", { class: "label", x1: x(failure.label), x2: x(failure.label), y1: 20, y2: 108 }));
      parts.push(make("text", { class: "label-text", x: x(failure.label) + 8, y: 14 }, "documented failure"));
    }
    if (spoke) parts.push(make("text", { class: "spoke-text", x: x(spoke) - 10, y: 16, "text-anchor": "end" }, "vorab spoke"));
    const hours = spoke ? (failure.label - spoke) / 3600000 : 0;
    by("recorded-text").textContent = spoke && head > failure.label
      ? `A real machine: vorab spoke ${Math.abs(hours).toFixed(1)} h ${hours >= 0 ? "before" : "after"} the documented failure.`
      : `A real machine, in time-lapse: ${r.track.length ? day(head) : "starting"}. Shaded: documented anomalies.`;
    by("track").replaceChildren(...parts);
  }

  function draw() {
    if (feed) {
      by("clock").textContent = by("phone-clock").textContent = clock(storyNow());
      if (lost && !over() && Date.now() - lost > 250) {
        by("dead").hidden = false;
        by("dead-text").textContent = `the pipeline is dead for ${((Date.now() - lost) / 1000).toFixed(1)} s`;
      }
      if (over() && lost) {
        by("dead").hidden = true;
        by("scene-title").textContent = "The night is over";
      }
      curve();
    }
    setTimeout(() => requestAnimationFrame(draw), 100);
  }
  ask();
  requestAnimationFrame(draw);
})();
