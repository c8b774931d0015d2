// Everything works without this: it keeps pages fresh, copies and prints.
"use strict";

// Parts that change by themselves: fetched again as a page, and put in place if nothing in them has the focus.
const ASK_EVERY = 10000;
let asking = false;
let again = false;

async function refresh() {
  const parts = [...document.querySelectorAll("[data-live]")].filter((part) => !part.contains(document.activeElement));
  // What changes while an answer is on its way may not be in it.
  again = asking;
  if (asking || document.hidden || parts.length === 0) return;
  asking = true;
  try {
    const answer = await fetch(location.pathname + location.search, { credentials: "same-origin", redirect: "error" });
    if (answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of parts) {
        const fresh = page.getElementById(part.id);
        if (fresh && fresh.outerHTML !== part.outerHTML) part.replaceWith(fresh);
      }
    }
  } catch {
    // The box may be starting again; the next try tells.
  } finally {
    asking = false;
  }
  if (again) refresh();
}

// The box says when something has changed; a page that cannot hear it asks from time to time. The answer to a form stays as it is.
if ("fresh" in document.body.dataset && document.querySelector("[data-live]")) {
  const events = new EventSource("/events");
  events.addEventListener("box", refresh);
  // What changed between this page and the first event, or while the connection was gone, is not told.
  events.addEventListener("open", refresh);
  document.addEventListener("visibilitychange", refresh);
  setInterval(() => events.readyState !== EventSource.OPEN && refresh(), ASK_EVERY);
}

document.querySelectorAll("[data-copy]").forEach((button) => {
  if (!navigator.clipboard) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
    button.textContent = button.dataset.done;
  });
});

document.querySelectorAll("[data-print]").forEach((button) => {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
});
