// Puts the live figures of this very server into the story.
"use strict";
const show = async () => {
  try {
    const { states } = await (await fetch("/sockets")).json();
    for (const place of document.querySelectorAll("[data-state]")) {
      const wanted = states.filter((one) => one.state === place.dataset.state);
      place.textContent = wanted.reduce((sum, one) => sum + one.count, 0);
    }
  } catch {
    // It is asked again.
  }
  setTimeout(show, 1000);
};
show();
