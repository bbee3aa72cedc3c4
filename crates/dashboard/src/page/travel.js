// Puts the live figures of this very server into the story, while somebody sees it.
"use strict";
const show = async () => {
  try {
    const { sockets } = document.hidden ? {} : await (await fetch("/status")).json();
    if (sockets) {
      for (const place of document.querySelectorAll("[data-state]")) {
        place.textContent = sockets[place.dataset.state] ?? 0;
      }
    }
  } catch {
    // It is asked again.
  }
  setTimeout(show, 1000);
};
show();
