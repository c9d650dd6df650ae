"use strict";
const EVERY = 5000;

async function refresh() {
  const busy = document.hidden || !getSelection().isCollapsed;
  if (!busy) {
    try {
      const answer = await fetch(location.href, { signal: AbortSignal.timeout(EVERY) });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      document.querySelector("main").replaceWith(fresh.querySelector("main"));
      document.title = fresh.title;
    } catch {
      document.body.classList.add("stale");
      setTimeout(refresh, EVERY);
      return;
    }
    document.body.classList.remove("stale");
  }
  setTimeout(refresh, EVERY);
}

setTimeout(refresh, EVERY);
