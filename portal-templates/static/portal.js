// Everything works without this: it keeps pages fresh, copies and prints.
"use strict";

// Parts that change by themselves: fetched again as a page, and put in place if nothing in them has the focus.
function keepFresh(part) {
  const again = () => setTimeout(refresh, part.hasAttribute("data-busy") ? 1000 : 10000);
  async function refresh() {
    if (document.hidden || part.contains(document.activeElement)) return again();
    try {
      const answer = await fetch(location.pathname + location.search, { credentials: "same-origin", redirect: "error" });
      if (!answer.ok) return again();
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(part.id);
      if (fresh && fresh.innerHTML !== part.innerHTML) {
        part.replaceWith(fresh);
        part = fresh;
      }
    } catch {
      // The box may be starting again; the next try tells.
    }
    again();
  }
  again();
}
document.querySelectorAll("[data-live]").forEach(keepFresh);

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
