// Keeps a page as its files are, while `gannet --live` serves it.
(() => {
  'use strict';
  // The number of the last change when this page was sent.
  let known = new URL(document.currentScript.src).search.slice(1);
  let stream;

  // Puts a fresh copy beside each style sheet and takes the old one away once it has loaded, so
  // that the page is never without style.
  const restyle = () => {
    for (const link of document.querySelectorAll('link[rel~="stylesheet" i][href]')) {
      const url = new URL(link.href);
      if (url.origin !== location.origin || link.dataset.gannetOld) continue;
      url.searchParams.set('gannet', known);
      const fresh = link.cloneNode();
      fresh.href = url.href;
      fresh.onload = fresh.onerror = () => link.remove();
      link.dataset.gannetOld = 'true';
      link.after(fresh);
    }
  };

  const listen = () => {
    stream = new EventSource('/.gannet/live');
    // It differs where something has changed, or the server was started anew, while nobody listened.
    stream.addEventListener('number', ({ data }) => data === known || location.reload());
    stream.addEventListener('page', () => location.reload());
    stream.addEventListener('style', ({ data }) => {
      known = data;
      restyle();
    });
  };

  // A browser has few connections to one server: a page that nobody sees holds none.
  const attend = () => {
    if (!document.hidden && !stream) listen();
    if (document.hidden && stream) {
      stream.close();
      stream = undefined;
    }
  };
  document.addEventListener('visibilitychange', attend);
  attend();
})();
