// The console's keyboard, and the words about how fresh the page is. Without it everything still works by links and forms.
"use strict";
(() => {
  const rows = () => [...document.querySelectorAll("[data-row]")].filter((row) => row.offsetParent !== null);
  const move = (by) => {
    const all = rows();
    if (!all.length) return;
    const here = all.indexOf(document.activeElement);
    const next = here < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, here + by));
    all[next].focus();
    all[next].scrollIntoView({ block: "nearest" });
  };
  const take = () => {
    const form = document.querySelector("form[data-take]");
    if (form) return form.requestSubmit();
    const row = document.activeElement;
    if (!row || !row.dataset || !row.dataset.case) return;
    const made = document.createElement("form");
    made.method = "post";
    made.action = `/cases/${row.dataset.case}/take`;
    const nonce = document.createElement("input");
    nonce.type = "hidden";
    nonce.name = "nonce";
    nonce.value = [...crypto.getRandomValues(new Uint8Array(8))].map((b) => b.toString(16).padStart(2, "0")).join("");
    made.append(nonce);
    document.body.append(made);
    made.submit();
  };
  const keys = {
    j: () => move(1),
    k: () => move(-1),
    a: take,
    v: () => document.querySelector(".verdict button")?.focus(),
    c: () => {
      const all = [...document.querySelectorAll(".meant")];
      const here = document.activeElement?.closest("li")?.querySelector(".meant") ?? all[all.length - 1];
      if (!here) return;
      here.open = true;
      here.querySelector("button").focus();
    },
    n: () => document.querySelector("[data-key=n]")?.click(),
    "/": () => document.getElementById("search")?.focus(),
    "?": () => document.getElementById("keys")?.showModal(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
    if (event.key === "Escape" && typing) return event.target.blur();
    if (typing || document.querySelector("dialog[open]")) return;
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  const live = document.getElementById("live");
  if (!live) return;
  let fresh = Date.now();
  const age = document.getElementById("age");
  document.addEventListener("htmx:after:swap", () => {
    fresh = Date.now();
    const now = document.getElementById("now-part");
    const clock = document.querySelector(".clock .now");
    if (now && clock) clock.textContent = now.dataset.now;
    const answer = document.getElementById("answer");
    if (answer) document.title = `${answer.textContent} · vorab`;
  });
  setInterval(() => {
    const seconds = Math.round((Date.now() - fresh) / 1000);
    age.textContent = seconds > 6 ? `last update ${seconds} s ago` : "";
  }, 1000);
})();
