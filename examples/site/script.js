// What the pages can do beyond what they say: nothing here is needed to read them.

// Shows what the form sent. The words come from the address, so they are only ever text.
function showSubmitted() {
  const list = document.getElementById("submitted");
  if (!list) return;
  const sent = new URLSearchParams(location.search);
  for (const place of list.querySelectorAll("[data-from]")) {
    place.textContent = sent.get(place.dataset.from)?.trim() || "(left empty)";
  }
  list.hidden = false;
}

// Shows how long this page and its parts took, as the browser measured it.
function showTiming() {
  const section = document.getElementById("timing");
  const [page] = performance.getEntriesByType("navigation");
  if (!section || !page) return;
  const parts = [page, ...performance.getEntriesByType("resource")];
  parts.sort((one, other) => one.startTime - other.startTime);
  const end = Math.max(...parts.map((part) => part.responseEnd));
  const rows = section.querySelector("tbody");
  for (const part of parts) {
    const row = rows.insertRow();
    row.insertCell().textContent = new URL(part.name).pathname;
    const bytes = row.insertCell();
    bytes.className = "number";
    // Nothing went over the wire when the browser had the file already.
    bytes.textContent = part.transferSize ? `${part.transferSize} B` : "kept";
    const time = row.insertCell();
    time.className = "number";
    time.textContent = `${(part.responseEnd - part.startTime).toFixed(1)} ms`;
    const bar = row.insertCell();
    bar.className = "bar";
    const span = bar.appendChild(document.createElement("span"));
    span.style.marginLeft = `${(100 * part.startTime) / end}%`;
    span.style.width = `${(100 * (part.responseEnd - part.startTime)) / end}%`;
  }
  section.querySelector("[data-total]").textContent = end.toFixed(0);
  section.querySelector("[data-protocol]").textContent = page.nextHopProtocol || "HTTP";
  section.hidden = false;
}

// Lets the buttons beside the video jump to a moment in it.
function wireSeekButtons() {
  const video = document.querySelector("video");
  for (const button of document.querySelectorAll("[data-seek]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      video.currentTime = Number(button.dataset.seek);
    });
  }
}

showSubmitted();
wireSeekButtons();
addEventListener("load", () => setTimeout(showTiming));
