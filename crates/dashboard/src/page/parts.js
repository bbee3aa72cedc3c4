// What only some servers have: TLS with its certificates, and PHP.
"use strict";

// How hands were shaken: what it is called, how many there were, and whether it is a kind of the one before.
const HANDSHAKES = [
  ["in full", (all) => all.handshakes - all.handshakes_resumed],
  ["resumed by a ticket", (all) => all.handshakes_resumed],
  ["failed", (all) => all.handshakes_failed],
];
const REASONS = [
  ["for a name that no site has", "handshakes_nameless"], ["refused by the client", "handshakes_refused"],
  ["no certificate that is let in", "handshakes_uncertified"], ["nothing in common", "handshakes_incompatible"],
];
const showHandshakes = (last, now, seconds) => {
  const isSpoken = now.certificates.some((one) => !one.of_clients) || now.handshakes + now.handshakes_failed > 0;
  by("tls").hidden = !isSpoken;
  if (!isSpoken) return;
  const row = (name, kind, count) => {
    const isBad = kind !== "text" && count(now) > 0 ? "bad" : "";
    const rate = Math.max(0, count(now) - count(last)) / seconds;
    return [cell(word(name), `text ${kind}`), cell(number(rate), rate ? isBad : ""), cell(number(count(now)), isBad)];
  };
  const rows = HANDSHAKES.map(([name, count]) => row(name, name === "failed" ? "all" : "text", count));
  const known = REASONS.map(([name, key]) => [name, (all) => all[key]]);
  const other = (all) => all.handshakes_failed - sum(REASONS, ([, key]) => all[key]);
  for (const [name, count] of [...known, ["other", other]]) {
    if (count(now) > 0) rows.push(row(name, "route", count));
  }
  fill("handshakes", rows);
};

// Of thousands, those are shown that there is most to say about.
const CERTIFICATES_MAX = 12;
const DAY = 86400;
const span = (seconds) => seconds < 120 ? say`${Math.round(seconds)} s` : seconds < 7200 ? say`${Math.floor(seconds / 60)} min`
  : seconds < 2 * DAY ? say`${Math.floor(seconds / 3600)} h` : say`${Math.floor(seconds / DAY)} days`;
const showCertificates = ({ certificates }) => {
  by("certified").hidden = !certificates.length;
  const worth = ({ error, warning }) => error ? 0 : warning ? 1 : 2;
  const all = [...certificates].sort((one, other) => worth(one) - worth(other) || (one.end ?? 0) - (other.end ?? 0));
  fill("certificates", all.slice(0, CERTIFICATES_MAX).map((one) => {
    const hosts = one.hosts.join(", ") || one.file;
    const name = cell(one.of_clients ? say`${hosts} (of clients)` : hosts, "text break");
    name.title = one.issuer ? `${one.file}\n${one.issuer}` : one.file;
    const left = one.end === undefined ? null : one.end - Date.now() / 1000;
    const end = cell(left === null ? "–" : left > 0 ? say`in ${span(left)}` : say`${span(-left)} ago`, left <= 0 && left !== null ? "bad" : "");
    if (left !== null) end.title = new Date(one.end * 1000).toISOString();
    return [name, end, cell(one.error ?? one.warning ?? one.next, one.error ? "why bad" : one.warning ? "why warned" : "why")];
  }));
  const rest = all.length - CERTIFICATES_MAX;
  by("certificates-more").textContent = rest > 0 ? say`${number(rest)} more, none in a worse state.` : "";
};

const showPools = (last, now, seconds) => {
  const pools = now.php ?? [];
  by("php").hidden = !pools.length;
  fill("pools", pools.map((pool, at) => {
    const state = cell(pool.up ? word("up") : word("silent"), pool.up ? "text" : "text bad");
    const waits = cell(say`${number(pool.waiting)} of ${number(pool.waiting_max)}`, pool.waiting ? "warned" : "");
    const deaths = cell(number(pool.deaths), pool.deaths ? "bad" : "");
    if (!pool.up) return [cell(pool.site, "text break"), state, cell("–"), waits, ...Array.from({ length: 5 }, () => cell("–")), deaths];
    const before = last.php?.[at];
    // One that was started anew counts anew.
    const isSame = before?.site === pool.site && before.taken <= pool.taken;
    const all = pool.busy + pool.idle;
    const busy = cell(say`${number(pool.busy)} of ${number(all)}`);
    const meter = document.createElement("meter");
    Object.assign(meter, { max: Math.max(1, all), high: 0.8 * all, optimum: 0, value: pool.busy });
    meter.setAttribute("aria-hidden", "true");
    busy.prepend(meter);
    return [
      cell(pool.site, "text break"), state, busy, waits,
      cell(isSame ? number((pool.taken - before.taken) / seconds) : "–"), cell(number(pool.taken)), cell(number(pool.busy_most)),
      cell(number(pool.limit_reached), pool.limit_reached ? "warned" : ""), cell(number(pool.slow), pool.slow ? "warned" : ""), deaths,
    ];
  }));
};
