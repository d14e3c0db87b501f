/* Shows messages as notifications on a device whose owner asked for it, and takes the one answer they have a button for. */
"use strict";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => {
  const told = event.data.json();
  event.waitUntil(show(told.title, told.body, told, told.buttons));
});

self.addEventListener("notificationclick", (event) => {
  const done = clicked(event.notification, event.action);
  event.waitUntil(done);
});

/* The newest about a case takes the place of the one before: they share a tag. */
function show(title, body, told, buttons) {
  const options = { body, lang: told.lang, tag: told.tag, renotify: true, actions: buttons, data: told };
  return self.registration.showNotification(title, options);
}

async function clicked(notification, action) {
  const told = notification.data;
  notification.close();
  if (action !== "call") return told.page ? self.clients.openWindow(`/c/${told.page}`) : undefined;
  let said = { title: told.failed.title, text: told.failed.body };
  try {
    const answer = await fetch("/c/press", { method: "POST", body: new URLSearchParams({ token: told.call }), credentials: "omit" });
    if (answer.ok) said = await answer.json();
  } catch { /* no connection: said as failed */ }
  return show(said.title, said.text, told, told.buttons.filter((button) => button.action === "page"));
}
