"use strict";
// Keeps the page as the server would draw it now: an event comes, the page is fetched, what differs is changed.
// Nothing is built from text: what the server sends is read by the browser's parser, and log lines become text nodes.
(() => {
  const GAP_MS = 500; // between two looks
  const RUNNING_MS = 1000; // while a run is under way its bars grow
  const COUNT_MS = 1000;
  const IDLE_MS = 15000; // "12 s ago" grows old
  const AGAIN_MS = 4000;
  const MOST_LINES = 3000;
  const CLOSE_PX = 40;
  const byId = (id) => document.getElementById(id);

  const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.dataset?.key || node.id || "" : "");

  function sameKind(one, other) {
    return one.nodeName === other.nodeName && keyOf(one) === keyOf(other);
  }

  function setAttributes(from, to) {
    for (const { name } of [...from.attributes]) {
      // What the reader has unfolded stays unfolded.
      if (!to.hasAttribute(name) && name !== "open") from.removeAttribute(name);
    }
    for (const { name, value } of to.attributes) {
      if (from.getAttribute(name) !== value) from.setAttribute(name, value);
    }
  }

  // Make `from` equal to `to`, keeping nodes (and so focus, selection and scrolling) where it can.
  function change(from, to) {
    if (from.nodeType !== Node.ELEMENT_NODE) {
      if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
      return;
    }
    if (from.dataset?.keep !== undefined) return;
    setAttributes(from, to);
    let here = from.firstChild;
    for (const wanted of [...to.childNodes]) {
      let found = here;
      if (found && !sameKind(found, wanted)) {
        found = null;
        if (keyOf(wanted)) {
          for (let node = here; node && !found; node = node.nextSibling) if (sameKind(node, wanted)) found = node;
        }
      }
      if (found) {
        if (found !== here) from.insertBefore(found, here);
        else here = here.nextSibling;
        change(found, wanted);
      } else {
        from.insertBefore(document.importNode(wanted, true), here);
      }
    }
    while (here) {
      const next = here.nextSibling;
      here.remove();
      here = next;
    }
  }

  let looking = false;
  let again = false;
  let timer = 0;

  function say(text) {
    const said = byId("said");
    if (said) said.textContent = text;
  }

  function tell(text) {
    const link = byId("link");
    if (link && link.textContent !== text) link.textContent = text;
  }

  async function look() {
    if (looking) {
      again = true;
      return;
    }
    looking = true;
    clearTimeout(timer);
    try {
      const answer = await fetch(location.pathname, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (answer.redirected) location.reload();
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        const before = byId("top")?.dataset.state;
        for (const part of document.querySelectorAll("[data-live]")) {
          const wanted = fresh.getElementById(part.id);
          if (wanted) change(part, wanted);
        }
        document.title = fresh.title;
        const now = byId("top")?.dataset.state;
        if (now && now !== before) say(`${document.querySelector(".name")?.textContent.trim()} is ${now}`);
      }
    } catch {
      // The keeper is away; the stream of events says so, and begins anew when it is back.
    }
    setTimeout(() => {
      looking = false;
      if (again) {
        again = false;
        look();
      } else {
        later(byId("top")?.dataset.run ? RUNNING_MS : IDLE_MS);
      }
    }, GAP_MS);
  }

  // What the gateway counts changes every second: only that part is fetched for it.
  async function count() {
    const part = byId("traffic");
    if (!part) return;
    if (!document.hidden && !part.hidden) {
      try {
        const answer = await fetch("/traffic", { headers: { Accept: "text/html" }, cache: "no-store" });
        const fresh = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
        const wanted = fresh && fresh.getElementById("traffic");
        if (wanted) change(part, wanted);
      } catch {
        // As above.
      }
    }
    setTimeout(count, COUNT_MS);
  }

  function later(wait) {
    clearTimeout(timer);
    timer = setTimeout(() => (document.hidden ? later(IDLE_MS) : look()), wait);
  }

  // An EventSource that gives up on errors like 503 is begun again.
  function listen(address, begin) {
    const source = new EventSource(address);
    begin(source);
    source.addEventListener("open", () => tell(""));
    source.addEventListener("error", () => {
      tell("connection lost, trying again");
      if (source.readyState === EventSource.CLOSED) setTimeout(() => listen(address, begin), AGAIN_MS);
    });
  }

  function followLog(log) {
    const follow = byId("follow");
    const only = byId("only");
    document.querySelector(".tools").hidden = false;
    const wanted = (line) => !only.value || line.textContent.toLowerCase().includes(only.value.toLowerCase());
    const toEnd = () => {
      if (follow.checked) log.scrollTop = log.scrollHeight;
    };
    const add = (lines) => {
      const made = document.createDocumentFragment();
      for (const { label, text } of lines) {
        const line = document.createElement("p");
        if (label) {
          const file = document.createElement("span");
          file.className = "file";
          file.textContent = label;
          line.append(file, " ");
        }
        line.append(text);
        line.hidden = !wanted(line);
        made.append(line);
      }
      log.append(made);
      while (log.childElementCount > MOST_LINES) log.firstElementChild.remove();
      toEnd();
    };
    listen(log.dataset.follow, (source) => {
      source.addEventListener("last", (message) => {
        const lines = JSON.parse(message.data);
        if (lines.length) log.replaceChildren();
        add(lines);
      });
      source.addEventListener("more", (message) => {
        log.querySelector(".none")?.remove();
        add(JSON.parse(message.data));
      });
    });
    only.addEventListener("input", () => {
      for (const line of log.children) line.hidden = !wanted(line);
      toEnd();
    });
    follow.addEventListener("change", toEnd);
    log.addEventListener("scroll", () => {
      follow.checked = log.scrollHeight - log.scrollTop - log.clientHeight < CLOSE_PX;
    });
    toEnd();
  }

  document.addEventListener("visibilitychange", () => document.hidden || look());
  const log = byId("log");
  if (log) followLog(log);
  count();
  listen("/api/events", (source) => {
    source.addEventListener("message", look);
    source.addEventListener("look", look);
    // Also after the connection was lost: much may have happened.
    source.addEventListener("open", look);
  });
})();
