/* "Tell me on this device": asks the browser only when the button is pressed, and takes it back by one more press. */
"use strict";

(() => {
  const box = document.getElementById("device");
  if (!box || !("serviceWorker" in navigator) || !("PushManager" in window) || !("Notification" in window)) return;
  const { key, token, of, told, left, denied, failed } = box.dataset;
  const [on, off] = box.querySelectorAll("button");
  const word = box.querySelector("[role=status]");
  const SCOPE = "/c/", FOR = "vorab-told";

  const remember = (value) => { try { localStorage.setItem(FOR, value); } catch { /* then the page offers it again */ } };
  const remembered = () => { try { return localStorage.getItem(FOR); } catch { return null; } };
  const post = async (path, values) => {
    const answer = await fetch(path, { method: "POST", body: new URLSearchParams({ token, ...values }), credentials: "omit" });
    if (!answer.ok) throw new Error(String(answer.status));
  };
  const subscription = async () => {
    const registration = await navigator.serviceWorker.getRegistration(SCOPE);
    return registration ? registration.pushManager.getSubscription() : null;
  };
  const text = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  const shown = (isTold) => {
    on.hidden = isTold;
    off.hidden = !isTold;
    box.hidden = false;
  };
  const trying = async (button, attempt) => {
    button.disabled = true;
    try { await attempt(); } catch { word.textContent = failed; }
    button.disabled = false;
  };

  on.addEventListener("click", () => trying(on, async () => {
    if (await Notification.requestPermission() !== "granted") { word.textContent = denied; return; }
    const registration = await navigator.serviceWorker.register("/c/sw.js", { scope: SCOPE });
    const before = await registration.pushManager.getSubscription();
    /* A subscription made for another key cannot be used, nor replaced while it is there. */
    if (before && text(before.options.applicationServerKey) !== key) await before.unsubscribe();
    const made = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
    await post("/c/device", { endpoint: made.endpoint, p256dh: text(made.getKey("p256dh")), auth: text(made.getKey("auth")) });
    remember(of);
    shown(true);
    word.textContent = told;
    off.focus();
  }));

  off.addEventListener("click", () => trying(off, async () => {
    const gone = await subscription();
    remember("");
    if (gone) {
      await gone.unsubscribe();
      await post("/c/device/leave", { endpoint: gone.endpoint });
    }
    shown(false);
    word.textContent = left;
    on.focus();
  }));

  subscription().catch(() => null).then((found) => {
    const isTold = Boolean(found) && remembered() === of;
    shown(isTold);
    if (isTold) word.textContent = told;
  });
})();
